"""Sandbox: moto with a DRS backend, seeded with a declared fleet, behind auth and fault injection.

moto keeps one state per process, by account id. Several sandboxes may run in one process, one after the other or at
the same time, as long as concurrent ones share no account id. Each has its own identities, faults and call counts.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

from service.sandbox.auth import AuthMiddleware
from service.sandbox.call_counter import CallCount
from service.sandbox.clients import Clients
from service.sandbox.control_api import ControlApi
from service.sandbox.dispatcher import Dispatcher
from service.sandbox.faults import Faults
from service.sandbox.fleet import FleetError, parse_model
from service.sandbox.fleet_draw import drawn
from service.sandbox.fleet_models import Fleet, Fragment
from service.sandbox.identity_store import administrator_key
from service.sandbox.lambda_functions import Invocation
from service.sandbox.listener import Listener, ListenerError
from service.sandbox.moto_changes import MotoChangeError, change_moto
from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.seeder import Seeder
from service.sandbox.tables import table_environment

__all__ = ["Sandbox", "SandboxError", "serve", "serve_forever"]

_SIGNAL_POLL_S: Final = 0.5
_ACCESS_KEY: Final = "AKIASANDBOXHUB000000"
_SECRET_KEY: Final = "sandbox-secret-that-opens-nothing"  # noqa: S105  (the sandbox checks no signature)


class SandboxError(RuntimeError):
    """The sandbox cannot start; the message says what to change."""


class Sandbox:
    """AWS emulator. Use it as a context manager, or call `start` and `close`.

    `clock` (seconds since any epoch) and `sleep` can be replaced; throttling, latency and session expiry use them.
    """

    def __init__(
        self,
        fleet: Fleet,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # Machine images are not needed here, and moto would load thousands in each scope that has instances.
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        fleet = drawn(fleet)
        try:
            change_moto()
        except MotoChangeError as error:
            raise SandboxError(str(error)) from error
        self._address = host, port
        self._listener: Listener | None = None
        self._clients = Clients()
        self._seeder = Seeder(fleet)
        self._control_api = ControlApi(AuthMiddleware(Dispatcher(), fleet, clock=clock, sleep=sleep), self._seeder)

    def start(self) -> Self:
        """Seed the fleet and start serving. Servers and instances are made when something first uses their scope.

        Raises:
            SandboxError: the port is in use.
            FleetError: the fleet names an unknown region, or another sandbox of this process owns one of its accounts.
        """
        if self._listener is not None:  # started by `serve` and then used in `with`
            return self
        with ExitStack() as undo:
            undo.callback(self._seeder.clear)
            self._seeder.seed()
            self._listener = _listen(*self._address, self._control_api)
            self._listener.start()
            undo.pop_all()
        return self

    def close(self) -> None:
        """Stop serving, and release port and accounts. Idempotent."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._clients.close()
            listener.close()
            self._seeder.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def fleet(self) -> Fleet:
        """The declared fleet, including added fragments."""
        return self._seeder.fleet

    @property
    def port(self) -> int:
        """TCP port of the running sandbox."""
        if self._listener is None:
            raise SandboxError("the sandbox is not running. Fix: start it first")
        return int(self._listener.port)

    @property
    def endpoint_url(self) -> str:
        """Endpoint URL of all services."""
        return f"http://{self._address[0]}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables a client process needs; they override its own."""
        fleet = self.fleet
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET_KEY,
            "AWS_REGION": fleet.hub.region,
            "AWS_DEFAULT_REGION": fleet.hub.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": self._address[0],
            "PROJECT_NAME": fleet.tables.project_name,
            "ENVIRONMENT": fleet.tables.environment,
            "DATA_MANAGEMENT_FUNCTION_NAME": fleet.data_management_function,
            **table_environment(fleet.tables),
        }

    def client(
        self,
        service: str,
        *,
        account_id: str | None = None,
        region: str | None = None,
        **options: Any,  # noqa: ANN401  (those of boto3)
    ) -> Any:  # noqa: ANN401  (boto3's clients have no type)
        """Return a boto3 client of the hub, or of an administrator of a declared account.

        It needs no environment, and is closed together with the sandbox. The region is the hub's by default.

        Raises:
            FleetError: the fleet does not have the account.
        """
        is_hub = account_id in {None, self.fleet.hub.account_id}
        if not is_hub and self.fleet.account(str(account_id)) is None:
            raise FleetError(f"the fleet has no account {account_id}. Fix: declare it, or use another one")
        return self._clients.client(
            service,
            endpoint_url=self.endpoint_url,
            access_key=_ACCESS_KEY if is_hub else administrator_key(str(account_id)),
            secret_key=_SECRET_KEY,
            region=region or self.fleet.hub.region,
            **options,
        )

    def calls(self) -> tuple[CallCount, ...]:
        """Return the counts of calls received so far, including rejected ones."""
        return self._control_api.middleware.call_counter.counts()

    def clear_calls(self) -> None:
        """Reset the call counts."""
        self._control_api.middleware.call_counter.clear()

    def invocations(self) -> list[Invocation]:
        """Return the accepted invocations of the hub's Lambda functions in order of arrival."""
        return list(self._control_api.middleware.lambda_functions.invocations())

    def clear_invocations(self) -> None:
        """Remove all recorded invocations."""
        self._control_api.middleware.lambda_functions.clear()

    def add(self, fragment: Fragment | Mapping[str, Any]) -> None:
        """Add accounts, regions and servers to the running fleet: `{"accounts": [...]}`, as in a fleet file.

        Raises:
            FleetError: the fragment does not fit the fleet; nothing is added.
        """
        self._control_api.add(
            fragment if isinstance(fragment, Fragment) else parse_model(Fragment, fragment, "fragment")
        )

    def replace_faults(self, faults: Faults | Mapping[str, Any]) -> None:
        """Replace all faults, those of a fleet file's `faults`; counters and token buckets start anew.

        Raises:
            FleetError: the faults are not valid.
        """
        parsed = faults if isinstance(faults, Faults) else parse_model(Faults, faults, "faults")
        self._control_api.middleware.fault_injector.replace(parsed)

    def advance_clock(self, seconds: float) -> None:
        """Move DRS's clock forward, and with it jobs, replications and recovery plans: one step per whole minute.

        There is one clock per process, which shows real time again once the last sandbox of the process is closed.

        Raises:
            ValueError: the clock would go back, or beyond the last date.
        """
        drs_clock.advance(seconds)

    def set_auto_advance(self, *, is_on: bool) -> None:
        """Let reads advance the states of DRS, or only the clock."""
        self._seeder.set_auto_advance(is_on=is_on)

    def export(self) -> dict[str, Any]:
        """Return a fleet document, for a file: a sandbox that loads it has the present accounts, servers and faults.

        Its member `not_saved` names what it does not have. Each scope that nothing has used yet is made for it.
        """
        return self._control_api.export()

    def remove(self, account_id: str, region: str, source_server_ids: Sequence[str]) -> int:
        """Remove source servers, as somebody at the console would, and return their number."""
        return self._seeder.remove(account_id, region, source_server_ids)


def _listen(host: str, port: int, control_api: ControlApi) -> Listener:
    try:
        return Listener(host, port, control_api)
    except ListenerError as error:
        raise SandboxError(str(error)) from error


def serve(
    fleet: Fleet,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Sandbox:
    """Start a sandbox that serves in a background thread; the caller closes it or uses it as a context manager.

    Raises:
        SandboxError: the port is in use.
        FleetError: the fleet cannot be seeded.
    """
    return Sandbox(fleet, host, port, clock=clock, sleep=sleep).start()


def serve_forever(
    fleet: Fleet,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    on_ready: Callable[[Sandbox], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM, then close gracefully. Main thread only.

    `on_stop` is called before it closes.

    Raises:
        SandboxError: the port is in use.
        FleetError: the fleet cannot be seeded.
    """
    with _signal_event() as stopped, Sandbox(fleet, host, port) as sandbox:
        on_ready(sandbox)
        while not stopped.wait(_SIGNAL_POLL_S):
            pass  # on Windows, a wait without a timeout would never see the signal
        on_stop()


@contextmanager
def _signal_event() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set; the previous handlers are restored afterwards."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
