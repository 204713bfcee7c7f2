"""A process that runs the engine: its own clock, its own door to the simulated AWS, and an end that may be sudden."""

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
from service.aws.dynamodb_write import Table
from service.aws.operations import READ_WRITE_OPERATIONS
from service.context import SyncRequest
from service.deadline import Shutdown
from service.handlers.data_management import OPERATIONS
from service.handlers.router import Params, Response
from service.models import Call
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.engine.sync import Deps
from service.sync.inventory.templates import Templates
from tests.simulation.clock import VirtualLoop
from tests.simulation.dynamodb import Refused
from tests.simulation.estate import HUB, HUB_REGION, Estate
from tests.simulation.promises import Promises
from tests.simulation.weather import Fault, Weather, When, refusal

__all__ = ["Host", "Killed", "settings"]

T = TypeVar("T")

_OPERATIONS: Final = {xform_name(each): each for group in READ_WRITE_OPERATIONS.values() for each in group}
_SIGNED_FOR_S: Final = 300.0  # AWS refuses a signature that is older than five minutes
_HUB_KEYS: Final = ReadOnlyCredentials("hub", "secret", None, None)


_runs: Final = itertools.count()
_run: Final[ContextVar[int]] = ContextVar("run", default=-1)
_reports: Final[ContextVar[list[dict[str, Any]]]] = ContextVar("reports")


class Killed(BaseException):
    """The process ended here."""


def settings(**changes: Any) -> Settings:
    """Give settings for the simulated tables."""
    names = {name: name for name in Settings.model_fields if name.endswith("_table")}
    fixed: dict[str, Any] = {"discovery_window_seconds": 1800.0}
    return Settings.model_construct(**names, **{**fixed, **changes})


class _Session:
    """Where the SDK's session would be: nothing is signed here."""

    def register(self, *_: object) -> None:
        """Take no hooks."""

    async def hub_credentials(self) -> ReadOnlyCredentials:
        return _HUB_KEYS


class _Client:
    """Where a client of the SDK would be: an operation each, by the SDK's name for it."""

    def __init__(self, host: Host, service: str, region: str) -> None:
        self._host, self._service, self._region = host, service, region

    def __getattr__(self, name: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        operation = _OPERATIONS[name]

        async def send(**params: Any) -> dict[str, Any]:
            return await self._host.carry(self._service, self._region, operation, params)

        return send


class _Door(AwsClient):
    """The door itself - lanes, pace, tries, budget, roles, renewal - on clients that are simulated."""

    def __init__(self, host: Host, chosen: Settings) -> None:
        with patch.object(client_module, "HubSession", _Session):
            super().__init__(chosen, host.now, rng=host.dice)
        self._host = host

    @property
    def hub_region(self) -> str:
        return HUB_REGION

    def hub(self) -> AccountSession:
        return AccountSession(self, HUB, self._session.hub_credentials)

    async def _client(self, service: str, region: str) -> Any:
        await self._host.thaw()
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = _Client(self._host, service, region)
        return self._clients[key]


class _App(App):
    """The app of the functions and the command line; reports go to the simulation, and into no log."""

    async def publish(self, report: dict[str, Any]) -> dict[str, Any]:
        _reports.get().append(report)
        return report

    async def publish_lost_scopes(self, operation: str, scopes: int) -> None:
        """Nobody looks at metrics here."""


class Host:
    """One process.

    Args:
        name: for the trace.
        estate: the simulated AWS.
        weather: what happens to its calls; may be replaced at any time.
        promises: told of every answer that arrives.
        skew_s: how wrong its clock goes.
    """

    def __init__(
        self,
        name: str,
        estate: Estate,
        weather: Weather,
        promises: Promises,
        *,
        skew_s: float = 0.0,
        chosen: Settings | None = None,
    ) -> None:
        self.name, self.estate, self.weather, self.promises, self.skew_s = name, estate, weather, promises, skew_s
        self.loop: VirtualLoop = estate.loop
        self.dice: random.Random = estate.dice
        self.dead = False
        self.kill_at: float | None = None  # counted in halves of calls: before and after each takes effect
        self.calls = 0
        self.frozen_until = 0.0
        self.stood_still_s = 0.0
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in order, as a set of objects is not
        self._fates = self.dice.getrandbits(64)
        chosen = chosen or settings(drs_regions=estate.regions)
        self.settings = chosen
        self.aws_client = _Door(self, chosen)
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
        """Tell the time by this host's clock."""
        return self.loop.wall(self.skew_s)

    @property
    def running(self) -> int:
        """Number of the run that the current task belongs to: a warm host may have two at once."""
        return _run.get()

    async def run(self, job: str, request: SyncRequest | None = None) -> dict[str, Any]:
        """Run a sync. Raises Killed when the process ended in it, and whatever the sync raises."""
        syncs = {"inventory": self.app.sync_inventory, "staging": self.app.sync_staging, "tags": self.app.sync_tags}
        return await self._work(syncs[job], request or SyncRequest())

    async def deliver(
        self, operation: str, members: Mapping[str, Any], remaining_s: float | None = None
    ) -> tuple[Response, dict[str, Any] | None]:
        """Hand an event to the data-management function's operation; give its answer, and the report of its sync.

        Raises as `run` does.
        """
        asked = Params(members, remaining_s)
        OPERATIONS[operation].check(asked)
        reply = await self._work(OPERATIONS[operation].work, self.app, asked)
        reports = _reports.get()
        return reply, reports[-1] if reports else None

    async def _work(self, work: Callable[..., Awaitable[T]], *arguments: object) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = None
        _run.set(next(_runs))
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
        """Let the process stand still: no call begins and no answer is looked at, while its clocks go on."""
        self.promises.told.append(f"{self.name} stands still for {seconds:.0f} s")
        self.frozen_until = self.loop.time() + seconds
        self.stood_still_s += seconds

    async def thaw(self) -> None:
        """Wait while the process stands still."""
        while self.frozen_until > self.loop.time():  # noqa: ASYNC110 - it may freeze again
            await anyio.sleep(self.frozen_until - self.loop.time())

    def kill(self) -> None:
        """End the process now: nothing that it does from here on reaches anyone."""
        self.dead = True
        for task in self._tasks:
            task.cancel()

    async def carry(self, service: str, region: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Carry a call to AWS and its answer back, through whatever the weather is."""
        keys = _signing_keys.get()
        assert keys is not None, "a call that did not come through the door"
        number = self.calls = self.calls + 1
        self._perhaps_killed(number - 0.5)
        self.promises.sends(self, operation)
        known = self.estate.tokens.get(keys.access_key)
        call = Call(service, operation, known[0] if known else "?", region)
        fault = self.weather.draw(call, params)
        try:
            await self._way_there(call, fault)
        except BaseException:  # also where its process was killed, or its deadline passed
            if fault is None or fault.astray:
                self._perhaps_arrives_yet(number, keys.access_key, call, params)
            raise
        served_at = self.loop.time()
        answer = self._served(keys.access_key, call, params)
        self._perhaps_killed(number)
        if self.dice.random() < 0.5:  # else the answer is there at once, before anyone else has a turn
            await anyio.sleep(self.weather.latency())
        await self.thaw()
        self._perhaps_killed(None)
        if fault is not None and fault.when is When.AFTER:
            await self._strike(fault, call)
        if isinstance(answer, Refused):
            self.promises.trace(self.name, call, answer.code)
            self.promises.saw_refusal(self, call, answer.code)
            raise refusal(call, answer.code, answer.message, status=answer.status)
        self.promises.trace(self.name, call, "")
        if fault is not None and fault.alter is not None:
            answer = fault.alter(answer)
        self.promises.saw(self, call, params, answer, served_at=served_at)
        return answer

    async def _way_there(self, call: Call, fault: Fault | None) -> None:
        await anyio.sleep(self.weather.latency())
        self._perhaps_killed(None)
        if fault is not None and fault.when is When.BEFORE:
            await self._strike(fault, call)
            self._perhaps_killed(None)

    def _perhaps_arrives_yet(self, number: int, access_key: str, call: Call, params: Mapping[str, Any]) -> None:
        """Let a call that nobody waits for any more arrive while its signature is valid, or never.

        Each call has dice of its own: tasks that are cancelled together end in no order that a seed could give again.
        """
        dice = random.Random(self._fates + number)  # noqa: S311 - not a secret
        if dice.random() < 0.5:
            return
        delay_s = dice.random() * dice.choice((0.1, 5.0, 60.0, _SIGNED_FOR_S))
        self.estate.quiet_at = max(self.estate.quiet_at, self.loop.time() + delay_s)

        def arrive() -> None:
            self.promises.trace(self.name, call, "late")
            self._served(access_key, call, params, late=True)

        self.loop.call_later(delay_s, arrive)

    async def _strike(self, fault: Fault, call: Call) -> None:
        self.promises.trace(self.name, call, fault.name)
        await anyio.sleep(fault.wait_s)
        if fault.error is not None:
            error = fault.error(call)
            if isinstance(error, ClientError):
                self.promises.saw_refusal(self, call, error.response["Error"]["Code"])
            raise error

    def _served(
        self, access_key: str, call: Call, params: Mapping[str, Any], *, late: bool = False
    ) -> dict[str, Any] | Refused:
        try:
            self.estate.account_of(access_key)
            with self.promises.acting(self, call, params, late=late):
                return self.estate.serve(call, params)
        except Refused as refused:
            return refused

    def _perhaps_killed(self, half: float | None) -> None:
        if half is not None and self.kill_at is not None and half >= self.kill_at:
            self.dead = True
        if self.dead:
            raise Killed
