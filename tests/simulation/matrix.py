"""One cell of the fault matrix: one kind of trouble at one call of one job, then calm."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from service.aws.dynamodb import TableReader
from service.context import SyncRequest
from service.errors import DrsSyncError
from service.models import Call, Scope
from service.queries.failback.query import FailbackQuery
from service.queries.inventory import InventoryQuery
from service.queries.params import InventoryParams
from service.regions.status_reader import RegionStatusReader
from tests.simulation.clock import VirtualLoop
from tests.simulation.estate import HUB_REGION, REGIONS, STAGING, TARGETS
from tests.simulation.history import History, Story
from tests.simulation.host import Host, Killed
from tests.simulation.weather import KINDS, Fault, Weather, refusal

__all__ = ["JOBS", "KINDS_OF_TROUBLE", "SYNCS", "Cell", "Kind"]

SYNCS: Final = ("inventory", "staging", "tags")
JOBS: Final = (*SYNCS, "inventory query", "failback query")
_A1, _A2 = Scope(TARGETS[0], REGIONS[0]), Scope(TARGETS[0], REGIONS[1])
_B1 = Scope(TARGETS[1], REGIONS[0])
_FREEZE_S: Final = 1200.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of trouble, and which calls it can befall. It befalls every try of the call, or, `once`, the first."""

    fault: Fault | Callable[[Host], Fault | None]
    befalls: Callable[[Call, Mapping[str, Any]], bool] = lambda *_: True
    once: bool = False


def _code(name: str, code: str, *, status: int = 400, message: str = "") -> Kind:
    return Kind(Fault(name, lambda call: refusal(call, code, message, status=status)))


def _is_later_page(_: Call, params: Mapping[str, Any]) -> bool:
    return "nextToken" in params or "ExclusiveStartKey" in params


def _is_drs_page(call: Call, params: Mapping[str, Any]) -> bool:
    return call.service == "drs" and "nextToken" in params


def _is_batch(call: Call, _: Mapping[str, Any]) -> bool:
    return call.operation.startswith("Batch")


def _is_conditional(_: Call, params: Mapping[str, Any]) -> bool:
    return "ConditionExpression" in params


def _is_dynamodb(call: Call, _: Mapping[str, Any]) -> bool:
    return call.service == "dynamodb"


def _is_drs(call: Call, _: Mapping[str, Any]) -> bool:
    return call.service == "drs"


def _goes_in_circles(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "nextToken": "1#"}


def _unprocessed(host: Host) -> None:
    host.estate.dynamodb.unprocessed = 1.0


def _skewed(host: Host) -> None:
    host.skew_s = host.dice.choice((-600.0, 600.0))
    host.estate.same_clocks = False


def _frozen(host: Host) -> None:
    host.loop.jump(_FREEZE_S)


def _killed(host: Host) -> None:
    host.dead = True


KINDS_OF_TROUBLE: Final[Mapping[str, Kind]] = {
    "throttled": Kind(KINDS["throttled"]),
    "500": Kind(KINDS["500"]),
    "timeout": Kind(KINDS["timeout"]),
    "reset": Kind(KINDS["reset too late"]),
    "half body": Kind(KINDS["half body too late"]),
    "tls": Kind(KINDS["tls"]),
    "dns": Kind(KINDS["dns"]),
    "denied": Kind(KINDS["denied"]),
    "scp": Kind(KINDS["scp"]),
    "expired": Kind(KINDS["expired"]),
    "uninitialised": replace(_code("uninitialised", "UninitializedAccountException"), befalls=_is_drs),
    "opted out": Kind(KINDS["bad token"]),
    "page 2 fails": Kind(KINDS["500"], _is_later_page),
    "token in circles": Kind(Fault("circles", None, alter=_goes_in_circles), _is_drs_page),
    "unprocessed items": Kind(_unprocessed, _is_batch),
    "condition lost": Kind(
        Fault("condition", lambda call: refusal(call, "ConditionalCheckFailedException")), _is_conditional, once=True
    ),
    "table gone": replace(_code("gone", "ResourceNotFoundException"), befalls=_is_dynamodb),
    "clock wrong by 10 min": Kind(_skewed, once=True),
    "frozen for 20 min": Kind(_frozen, once=True),
    "killed": Kind(_killed, once=True),
}


@dataclass(slots=True)
class _Strike(Weather):
    """Weather that is fair but for one call."""

    host: Host | None = None
    kind: Kind | None = None
    at: int = 0
    struck: bool = False
    seen: list[bytes] = field(default_factory=list)
    _key: bytes = b""

    def draw(self, call: Call, params: Mapping[str, Any]) -> Fault | None:
        kind, host = self.kind, self.host
        if kind is None or host is None or not kind.befalls(call, params):
            return None
        key = orjson.dumps([call, params], default=str)
        if not self.seen or key != self._key:
            self.seen.append(key)
        if len(self.seen) - 1 == self.at and not self._key:
            self._key = key
        if key != self._key or (kind.once and self.struck):
            return None
        self.struck = True
        if isinstance(kind.fault, Fault):
            return kind.fault
        kind.fault(host)
        return None


class Cell(History):
    """A warm estate with work for every job; a fresh host does the job and is struck."""

    def __init__(self, loop: VirtualLoop, job: str) -> None:
        super().__init__(0, loop, jobs=SYNCS, targets=TARGETS, regions=REGIONS[:2])
        self.job = job
        self.estate.dynamodb.page = 1
        self.outcome = ""

    async def prepare(self) -> None:
        """Bring everything up to date, then let there be something new of every kind."""
        for scope in (_A1, _A1, _A1, _A2, _B1, _B1, Scope(STAGING, REGIONS[0])):
            self.estate.drs[Scope(TARGETS[0], scope.region)].initialized = True
            self.estate.protect(scope, tags={"Name": "old"})
        before = Host("before", self.estate, Weather(self.dice, latency_s=0.01), self.promises)
        await self._calm_runs(before)
        await self._calm_runs(before)
        self.estate.delete(_A1, min(self.estate.drs[_A1].servers))
        for scope in (_A1, _A1, _B1, *3 * [Scope(STAGING, REGIONS[0])]):
            self.estate.protect(scope, tags={"Name": "new"})
        for scope, held in self.estate.instances.items():
            self.estate.tag_instance(scope, min(held), "Name", "other")
        # Somebody takes the staging account out of the record: DRS still names it.
        self.estate.dynamodb.tables["target_accounts_table"].items[TARGETS[0],].pop("stagingAccounts")
        await self._next_interval()

    async def strike(self, kind: Kind | None, at: int) -> int:
        """Do the job, struck at the given one of the calls that the trouble can befall; tell how many such there were.

        A negative number strikes none.
        """
        host = Host("struck", self.estate, Weather(self.dice), self.promises)
        self.hosts.append(host)
        weather = host.weather = _Strike(random.Random(1), latency_s=0.01, host=host, kind=kind, at=at)  # noqa: S311
        began = self.loop.time()
        try:
            self.outcome = await self._do(host)
        except* Killed:
            self.outcome = "killed"
        except* DrsSyncError as errors:
            self.outcome = str(errors.exceptions[0])
        if self.job in SYNCS and self.outcome != "killed" and self.loop.time() - began > _MAX_S:
            self.promises.breaks("a sync ends within its deadline", self.loop.time() - began)
        self.estate.dynamodb.unprocessed = 0.0
        assert at < 0 or weather.struck, f"there was no call {at} to strike"
        return len(weather.seen)

    async def _do(self, host: Host) -> str:
        if self.job in SYNCS:
            report = await host.run(self.job, SyncRequest(remaining_s=_BUDGET_S))
            self._report_is_true(report, host)
            return str(report["status"])
        return await _QUERIES[self.job](self, host)

    async def ask_inventory(self, host: Host) -> str:
        """Ask for every server: an answer that calls itself complete is not without one that the inventory had."""
        table = TableReader(host.aws_client.hub(), host.settings.drs_region_status_table, HUB_REGION)
        reader = RegionStatusReader(table, cache_s=60.0, timeout_s=5.0)
        answer = await InventoryQuery(host.aws_client, host.settings, reader, host.now).run(InventoryParams())
        shown = {server["sourceServerArn"] for server in answer.body["servers"]}
        items = self.estate.dynamodb.tables["source_server_inventory_table"].items
        known = {key[0] for key in items if key[1].isdigit()}
        # Where DRS says that it is not in use, it is not to be known better.
        unused = {
            each.scope for each in self.promises.listings if each.host is host and each.complete and not each.arns
        }
        there = [drs for scope, drs in self.estate.drs.items() if scope not in unused]
        here = {record["arn"] for drs in there for record in drs.servers.values()}
        if answer.body["complete"] and (known & here) - shown:
            self.promises.breaks("an answer is true", f"complete without {(known & here) - shown}")
        return "complete" if answer.body["complete"] else "partial"

    async def ask_origin(self, host: Host) -> str:
        """Ask where a server came from."""
        server = max(self.estate.drs[_A2].servers)
        facts = await FailbackQuery(host.aws_client, host.settings, host.now).facts(server)
        if facts.original["originalSourceRegion"] != REGIONS[0]:
            self.promises.breaks("an answer is true", f"{server} from {facts.original['originalSourceRegion']}")
        return "partial" if facts.notes else "complete"

    async def end(self) -> Story:
        """Let it calm down: two runs of each sync, and both questions, are then as if nothing had been."""
        await self.calm()
        host = self.hosts[-1]
        for ask in _QUERIES.values():
            if (outcome := await ask(self, host)) != "complete":
                self.promises.breaks("the next runs repair", outcome)
        return self.story()


_BUDGET_S: Final = 300.0
_MAX_S: Final = _BUDGET_S + 6.001 + _FREEZE_S
_QUERIES: Final[Mapping[str, Callable[[Cell, Host], Awaitable[str]]]] = {
    "inventory query": Cell.ask_inventory,
    "failback query": Cell.ask_origin,
}
