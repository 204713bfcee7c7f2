"""An AWS that has DRS, on loopback: moto with the DRS backend, a declared fleet in it, and a gate before it.

moto keeps its state once per process, by account id. Several sandboxes may run in one process, one after the other or
side by side, as long as those that run at the same time share no account id; identities, faults and counts of calls
belong to one sandbox each.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

from service.sandbox.auth import AuthMiddleware
from service.sandbox.call_counter import CallCount
from service.sandbox.control_api import ControlApi
from service.sandbox.dispatcher import Dispatcher
from service.sandbox.fast_dynamodb import register_fast_dynamodb
from service.sandbox.faults import Faults
from service.sandbox.fleet_models import Fleet, Fragment
from service.sandbox.lambda_functions import Invocation
from service.sandbox.listener import Listener, ListenerError
from service.sandbox.moto_drs.register import register
from service.sandbox.seeder import Seeder
from service.sandbox.tables import table_environment

__all__ = ["Sandbox", "SandboxError", "serve", "serve_forever"]

_ACCESS_KEY: Final = "AKIASANDBOXHUB000000"
_SECRET_KEY: Final = "sandbox-secret-that-opens-nothing"  # noqa: S105  (the sandbox checks no signature)


class SandboxError(RuntimeError):
    """A sandbox that cannot start; the message says what to change."""


class Sandbox:
    """A running simulated AWS. Use it as a context manager, or `start` and `close` it.

    Clock (seconds, any zero) and sleep can be replaced; throttling, latency and the life of sessions go by them.
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
        # Nobody asks for machine images here, and moto would make thousands for each place that has instances.
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        register()
        register_fast_dynamodb()
        self._address = host, port
        self._listener: Listener | None = None
        self._seeder = Seeder(fleet)
        self._control_api = ControlApi(AuthMiddleware(Dispatcher(), fleet, clock=clock, sleep=sleep), self._seeder)

    def start(self) -> Self:
        """Seed the fleet and begin to answer; seeding takes about two seconds per 1,000 servers.

        Raises:
            SandboxError: when the port is taken.
            FleetError: when the fleet names an unknown region, or another sandbox of this process has an account of it.
        """
        if self._listener is not None:  # `serve` started it; a `with` around that does not start it again
            return self
        with ExitStack() as undo:
            undo.callback(self._seeder.clear)
            self._seeder.seed()
            self._listener = _listen(*self._address, self._control_api)
            self._listener.start()
            undo.pop_all()
        return self

    def close(self) -> None:
        """Stop answering, and free port and accounts. Closing twice does no harm."""
        listener, self._listener = self._listener, None
        if listener is not None:
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
        """What is declared by now, fragments included."""
        return self._seeder.fleet

    @property
    def port(self) -> int:
        """The port it answers on."""
        if self._listener is None:
            raise SandboxError("the sandbox is not running; start it first")
        return int(self._listener.port)

    @property
    def endpoint_url(self) -> str:
        """The URL for every service of this AWS."""
        return f"http://{self._address[0]}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Give the variables a client process needs, to be laid over its own environment."""
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

    def calls(self) -> tuple[CallCount, ...]:
        """Give the calls received so far, refused ones included."""
        return self._control_api.middleware.call_counter.counts()

    def clear_calls(self) -> None:
        """Count from zero again."""
        self._control_api.middleware.call_counter.clear()

    def invocations(self) -> list[Invocation]:
        """Give the invocations of the hub's Lambda functions accepted so far, in the order of arrival."""
        return list(self._control_api.middleware.lambda_functions.invocations())

    def clear_invocations(self) -> None:
        """Forget all invocations."""
        self._control_api.middleware.lambda_functions.clear()

    def add(self, fragment: Fragment) -> None:
        """Add to the fleet while it runs: accounts, regions, servers on top of those already there.

        Raises:
            FleetError: when fleet and fragment do not fit together; nothing is added then.
        """
        self._control_api.add(fragment)

    def replace_faults(self, faults: Faults) -> None:
        """Let other faults rule from now on."""
        self._control_api.middleware.fault_injector.replace(faults)

    def remove(self, account_id: str, region: str, source_server_ids: Sequence[str]) -> int:
        """Take source servers away, as somebody at the console would. Gives how many there were."""
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
    """Start a sandbox in a background thread; the caller closes it, or uses it as a context manager.

    Raises:
        SandboxError: when the port is taken.
        FleetError: when the fleet cannot be seeded.
    """
    return Sandbox(fleet, host, port, clock=clock, sleep=sleep).start()


def serve_forever(
    fleet: Fleet, host: str = "127.0.0.1", port: int = 0, *, on_ready: Callable[[Sandbox], None] | None = None
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM, then close in good order. For the main thread only.

    Raises:
        SandboxError: when the port is taken.
        FleetError: when the fleet cannot be seeded.
    """
    with _signal_event() as stopped, Sandbox(fleet, host, port) as sandbox:
        if on_ready is not None:
            on_ready(sandbox)
        stopped.wait()


@contextmanager
def _signal_event() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set, in place of what they did before."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
