"""Simulated process that runs the engine: its own clock, its own AWS client, and it may be killed at any time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, TypeVar
from unittest.mock import patch

import anyio
from botocore import xform_name
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from service.app import App
from service.aws import client as client_module
from service.aws.client import AccountSession, AwsClient
from service.aws.credentials import _signing_keys
from service.aws.dynamodb import TableReader
from service.aws.dynamodb_write import Table
from service.aws.operations import READ_WRITE_OPERATIONS
from service.context import SyncRequest
from service.deadline import Shutdown
from service.handlers.data_management import OPERATIONS
from service.handlers.router import Params, Response
from service.models import Call
from service.queries.answer import Answer
from service.queries.extended import ExtendedQuery
from service.queries.inventory import InventoryQuery
from service.queries.params import InventoryParams, ScopesParams
from service.regions.status_reader import RegionStatusReader
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.coverage.choice import CoverageRequest
from service.sync.engine.sync import Deps
from service.sync.inventory.templates import Templates
from tests.simulation.aws import HUB, HUB_REGION, SimulatedAws
from tests.simulation.clock import VirtualLoop
from tests.simulation.dynamodb import ServiceError
from tests.simulation.fault_injection import Fault, FaultInjector, When, client_error
from tests.simulation.odd_answers import OddError
from tests.simulation.promises import Promises

__all__ = ["Host", "Killed", "settings"]

T = TypeVar("T")

_OPERATIONS: Final = {xform_name(each): each for group in READ_WRITE_OPERATIONS.values() for each in group}
_SIGNED_FOR_S: Final = 300.0  # AWS rejects a signature that is older than five minutes
_HUB_KEYS: Final = ReadOnlyCredentials("hub", "secret", None, None)


_runs: Final = itertools.count()
_run: Final[ContextVar[int]] = ContextVar("run", default=-1)
_began: Final[ContextVar[float]] = ContextVar("began", default=0.0)
_reports: Final[ContextVar[list[dict[str, Any]]]] = ContextVar("reports")


class Killed(BaseException):
    """The process was killed."""


def settings(**changes: Any) -> Settings:
    """Return settings for the simulated tables."""
    names: dict[str, Any] = {name: name for name in Settings.model_fields if name.endswith("_table")}
    # Staging accounts are adopted, so that faults also meet the write of a target's record.
    fixed: dict[str, Any] = {"discovery_window_seconds": 1800.0, "adopt_staging_accounts": True}
    return Settings.model_construct(**{**names, **fixed, **changes})


class _Session:
    """Stand-in for the SDK's session: nothing is signed."""

    def __init__(self, settings: Settings) -> None:
        """Ignore the time limit of the credential chain."""

    def register(self, *_: object) -> None:
        """Ignore event hooks."""

    async def hub_credentials(self) -> ReadOnlyCredentials:
        return _HUB_KEYS

    def log_in_again(self) -> str:
        return "log in again"


class _Client:
    """Stand-in for an SDK client: one method per operation, under the SDK's name for it."""

    def __init__(self, host: Host, service: str, region: str) -> None:
        self._host, self._service, self._region = host, service, region

    def __getattr__(self, name: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        operation = _OPERATIONS[name]

        async def send(**params: Any) -> dict[str, Any]:
            return await self._host.send_call(self._service, self._region, operation, params)

        return send


class _SimulatedClient(AwsClient):
    """The engine's AWS client (rate limits, retries, roles, renewal) on simulated SDK clients."""

    def __init__(self, host: Host, chosen: Settings) -> None:
        with patch.object(client_module, "HubSession", _Session):
            super().__init__(chosen, host.now, rng=host.rng)
        self._host = host

    @property
    def hub_region(self) -> str:
        return HUB_REGION

    def hub(self) -> AccountSession:
        return AccountSession(self, HUB, self._session.hub_credentials)

    async def _client(self, service: str, region: str) -> Any:
        await self._host.wait_while_frozen()
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = _Client(self._host, service, region)
        return self._clients[key]


class _App(App):
    """The engine's app; reports go to the simulation and not to the log."""

    async def publish(self, report: dict[str, Any]) -> dict[str, Any]:
        _reports.get().append(report)
        return report

    async def publish_lost_scopes(self, operation: str, scopes: int) -> None:
        """Publish nothing."""


class Host:
    """One process.

    Args:
        name: for the trace.
        aws: the simulated AWS.
        faults: faults and latency of its calls; may be replaced at any time.
        promises: observer of every response.
        skew_s: error of its clock.
    """

    def __init__(
        self,
        name: str,
        aws: SimulatedAws,
        faults: FaultInjector,
        promises: Promises,
        *,
        skew_s: float = 0.0,
        chosen: Settings | None = None,
    ) -> None:
        self.name, self.aws, self.faults, self.promises, self.skew_s = name, aws, faults, promises, skew_s
        self.loop: VirtualLoop = aws.loop
        self.rng: random.Random = aws.rng
        self.dead = False
        self.kill_at: float | None = None  # a call number; half a call less means before it takes effect
        self.calls = 0
        self.last_run = -1
        self.frozen_until = 0.0
        self.frozen_s = 0.0
        self._tasks: dict[asyncio.Task[Any], None] = {}  # a dict, because it keeps the order
        self._late_call_seed = self.rng.getrandbits(64)
        chosen = chosen or settings(drs_regions=aws.regions)
        self.settings = chosen
        self.aws_client = _SimulatedClient(self, chosen)
        table = Table(self.aws_client.hub(), chosen.drs_region_status_table, HUB_REGION)
        self.status = RegionStatusTable(
            table, self.now, cache_s=chosen.region_status_cache_seconds, timeout_s=chosen.region_status_timeout_seconds
        )
        self.shutdown = Shutdown()
        self.app = _App(
            Deps(self.aws_client, chosen, self.status, self.now, self.shutdown),
            Templates(self.now),
        )

    def now(self) -> datetime:
        """Return the time on this host's clock."""
        return self.loop.wall(self.skew_s)

    @property
    def run_number(self) -> int:
        """Number of the run that the current task belongs to; a warm host may have two concurrent runs."""
        return _run.get()

    @property
    def run_began(self) -> float:
        """When that run began."""
        return _began.get()

    async def run(self, job: str, request: SyncRequest | None = None) -> dict[str, Any]:
        """Run a sync. Raises Killed when the process was killed meanwhile, and what the sync raises."""
        chosen = request or SyncRequest()
        if job == "coverage":
            return await self._work(self.app.sync_coverage, CoverageRequest(remaining_s=chosen.remaining_s))
        syncs = {"inventory": self.app.sync_inventory, "staging": self.app.sync_staging, "tags": self.app.sync_tags}
        return await self._work(syncs[job], chosen)

    async def query_extended(self, params: ScopesParams) -> Answer:
        """Query the extended servers. Raises as `run` does."""
        query = ExtendedQuery(self.aws_client, self.settings, self.status_reader(), self.now)
        return await self._work(query.run, params)

    async def query(self, params: InventoryParams) -> Answer:
        """Query the inventory. Raises as `run` does."""
        return await self._work(
            InventoryQuery(self.aws_client, self.settings, self.status_reader(), self.now).run, params
        )

    def status_reader(self) -> RegionStatusReader:
        """Return a reader of region status with a cache of its own, as the query function has one."""
        table = TableReader(self.aws_client.hub(), self.settings.drs_region_status_table, HUB_REGION)
        return RegionStatusReader(table, self.now, cache_s=60.0, timeout_s=5.0)

    async def deliver(
        self, operation: str, members: Mapping[str, Any], remaining_s: float | None = None
    ) -> tuple[Response, dict[str, Any] | None]:
        """Invoke an operation of the data-management function; return its response and its sync's report.

        Raises as `run` does.
        """
        params = Params(members, remaining_s)
        OPERATIONS[operation].check(params)
        reply = await self._work(OPERATIONS[operation].work, self.app, params)
        reports = _reports.get()
        return reply, reports[-1] if reports else None

    async def _work(self, work: Callable[..., Awaitable[T]], *arguments: object) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = None
        self.last_run = next(_runs)
        _run.set(self.last_run)
        _began.set(self.loop.time())
        _reports.set([])
        try:
            return await work(*arguments)
        except BaseException as error:
            if self.dead:
                while task.cancelling():
                    task.uncancel()
                raise Killed from error
            raise
        finally:
            self._tasks.pop(task, None)

    def freeze(self, seconds: float) -> None:
        """Freeze the process: it sends no request and reads no response, while its clock advances."""
        self.promises.events.append(f"{self.name} is frozen for {seconds:.0f} s")
        self.promises.frozen_s = max(self.promises.frozen_s, seconds)
        self.frozen_until = self.loop.time() + seconds
        self.frozen_s += seconds

    async def wait_while_frozen(self) -> None:
        """Wait while the process is frozen."""
        while self.frozen_until > self.loop.time():  # noqa: ASYNC110 - it may freeze again
            await anyio.sleep(self.frozen_until - self.loop.time())

    def kill(self) -> None:
        """Kill the process: nothing that it does from now on has an effect."""
        self.dead = True
        for task in self._tasks:
            task.cancel()

    async def send_call(self, service: str, region: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a call to the simulated AWS and return its response, with the faults of this host."""
        keys = _signing_keys.get()
        assert keys is not None, "a call that bypassed the AWS client"
        number = self.calls = self.calls + 1
        self._raise_if_killed(number - 0.5)
        self.promises.before_send(self, operation)
        known = self.aws.tokens.get(keys.access_key)
        call = Call(service, operation, known[0] if known else "?", region)
        fault = self.faults.draw(call, params)
        try:
            await self._send_request(call, fault)
        except BaseException:  # also when the process was killed or a deadline passed
            if fault is None or fault.may_arrive_late:
                self._maybe_arrive_late(number, keys.access_key, call, params)
            raise
        served_at = self.loop.time()
        answer = self._serve(keys.access_key, call, params)
        self._raise_if_killed(number)
        if self.rng.random() < 0.5:  # otherwise the response arrives before any other task runs
            await anyio.sleep(self.faults.latency())
        await self.wait_while_frozen()
        self._raise_if_killed(None)
        if fault is not None and fault.when is When.AFTER:
            await self._apply_fault(fault, call)
        if isinstance(answer, ServiceError):
            self.promises.trace(self.name, call, answer.code)
            self.promises.on_error(self, call, answer.code, is_odd=isinstance(answer, OddError))
            raise client_error(call, answer.code, answer.message, answer.members, status=answer.status)
        self.promises.trace(self.name, call, "")
        if fault is not None and fault.alter is not None:
            answer = fault.alter(answer)
        self.promises.on_response(self, call, params, answer, served_at=served_at)
        return answer

    async def _send_request(self, call: Call, fault: Fault | None) -> None:
        await anyio.sleep(self.faults.latency())
        self._raise_if_killed(None)
        if fault is not None and fault.when is When.BEFORE:
            await self._apply_fault(fault, call)
            self._raise_if_killed(None)

    def _maybe_arrive_late(self, number: int, access_key: str, call: Call, params: Mapping[str, Any]) -> None:
        """Deliver an abandoned call later, while its signature is valid, or never.

        Each call has a random source of its own, because tasks that are cancelled together end in no fixed order.
        """
        rng = random.Random(self._late_call_seed + number)  # noqa: S311 - not a secret
        if rng.random() < 0.5:
            return
        delay_s = rng.random() * rng.choice((0.1, 5.0, 60.0, _SIGNED_FOR_S))
        self.aws.last_arrival_s = max(self.aws.last_arrival_s, self.loop.time() + delay_s)

        def arrive() -> None:
            self.aws.late_calls.discard(handle)
            self.promises.trace(self.name, call, "late")
            self._serve(access_key, call, params, late=True)

        handle = self.loop.call_later(delay_s, arrive)
        self.aws.late_calls.add(handle)

    async def _apply_fault(self, fault: Fault, call: Call) -> None:
        self.promises.trace(self.name, call, fault.name)
        await anyio.sleep(fault.wait_s)
        if fault.error is not None:
            error = fault.error(call)
            if isinstance(error, ClientError):
                self.promises.on_error(self, call, error.response["Error"]["Code"])
            raise error

    def _serve(
        self, access_key: str, call: Call, params: Mapping[str, Any], *, late: bool = False
    ) -> dict[str, Any] | ServiceError:
        try:
            self.aws.account_of(access_key)
            with self.promises.during_call(self, call, params, late=late):
                return self.aws.serve(call, params)
        except ServiceError as refused:
            return refused

    def _raise_if_killed(self, half: float | None) -> None:
        if half is not None and self.kill_at is not None and half >= self.kill_at:
            self.dead = True
        if self.dead:
            raise Killed
