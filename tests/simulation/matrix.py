"""One cell of the fault matrix: one kind of fault at one call of one job, then runs without faults."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio
import orjson

from service.context import SyncRequest
from service.errors import DrsSyncError
from service.models import Call, Scope
from service.queries.failback.query import FailbackQuery
from service.queries.params import InventoryParams
from tests.simulation.aws import REGIONS, STAGING, TARGETS
from tests.simulation.clock import VirtualLoop
from tests.simulation.coverage import check_report, check_summaries
from tests.simulation.fault_injection import FAULT_KINDS, Fault, FaultInjector, client_error
from tests.simulation.history import SHORT_WINDOW_S, History, HistoryResult
from tests.simulation.host import Host, Killed

__all__ = ["CELL_FAULTS", "JOBS", "SYNCS", "Cell", "Kind"]

SYNCS: Final = ("inventory", "staging", "tags")
JOBS: Final = (*SYNCS, "coverage", "inventory query", "failback query")
_A1, _A2 = Scope(TARGETS[0], REGIONS[0]), Scope(TARGETS[0], REGIONS[1])
_B1 = Scope(TARGETS[1], REGIONS[0])
_FREEZE_S: Final = 1200.0
_STALE_S: Final = 600.0  # after an interval: no scope is fresh, and none was scanned too long ago


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault and the calls it matches. It fails every attempt of the call or, if `once`, only the first."""

    fault: Fault | Callable[[Host], Fault | None]
    matches: Callable[[Call, Mapping[str, Any]], bool] = lambda *_: True
    once: bool = False


def _code(name: str, code: str, *, status: int = 400, message: str = "") -> Kind:
    return Kind(Fault(name, lambda call: client_error(call, code, message, status=status)))


def _is_later_page(_: Call, params: Mapping[str, Any]) -> bool:
    return not params.keys().isdisjoint({"nextToken", "NextToken", "ExclusiveStartKey"})


def _is_drs_page(call: Call, params: Mapping[str, Any]) -> bool:
    return call.service == "drs" and "nextToken" in params


def _is_batch(call: Call, _: Mapping[str, Any]) -> bool:
    return call.operation.startswith(("Batch", "Transact"))


def _is_conditional(_: Call, params: Mapping[str, Any]) -> bool:
    members = [params, *(each for action in params.get("TransactItems", ()) for each in action.values())]
    return any("ConditionExpression" in each for each in members)


def _is_dynamodb(call: Call, _: Mapping[str, Any]) -> bool:
    return call.service == "dynamodb"


def _is_drs(call: Call, _: Mapping[str, Any]) -> bool:
    return call.service == "drs"


def _same_page_again(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "nextToken": "1#"}


def _unprocessed(host: Host) -> None:
    host.aws.dynamodb.unprocessed = 1.0


def _condition_lost(host: Host) -> None:
    host.aws.dynamodb.lost_conditions = 1


def _skewed(host: Host) -> None:
    host.skew_s = host.rng.choice((-600.0, 600.0))
    host.aws.same_clocks = False


def _frozen(host: Host) -> None:
    host.loop.advance(_FREEZE_S)


def _killed(host: Host) -> None:
    host.dead = True


CELL_FAULTS: Final[Mapping[str, Kind]] = {
    "throttled": Kind(FAULT_KINDS["throttled"]),
    "500": Kind(FAULT_KINDS["500"]),
    "timeout": Kind(FAULT_KINDS["timeout"]),
    "reset": Kind(FAULT_KINDS["reset too late"]),
    "half body": Kind(FAULT_KINDS["half body too late"]),
    "tls": Kind(FAULT_KINDS["tls"]),
    "dns": Kind(FAULT_KINDS["dns"]),
    "denied": Kind(FAULT_KINDS["denied"]),
    "scp": Kind(FAULT_KINDS["scp"]),
    "expired": Kind(FAULT_KINDS["expired"]),
    "uninitialised": replace(_code("uninitialised", "UninitializedAccountException"), matches=_is_drs),
    "opted out": Kind(FAULT_KINDS["bad token"]),
    "page 2 fails": Kind(FAULT_KINDS["500"], _is_later_page),
    "token in circles": Kind(Fault("circles", None, alter=_same_page_again), _is_drs_page),
    "unprocessed items": Kind(_unprocessed, _is_batch),
    "condition lost": Kind(_condition_lost, _is_conditional, once=True),
    "table gone": replace(_code("gone", "ResourceNotFoundException"), matches=_is_dynamodb),
    "clock wrong by 10 min": Kind(_skewed, once=True),
    "frozen for 20 min": Kind(_frozen, once=True),
    "killed": Kind(_killed, once=True),
}


@dataclass(slots=True)
class _FailOneCall(FaultInjector):
    """Fault injector that fails one call."""

    host: Host | None = None
    kind: Kind | None = None
    at: int = 0
    applied: bool = False
    matched: list[bytes] = field(default_factory=list)
    _key: bytes = b""

    def draw(self, call: Call, params: Mapping[str, Any]) -> Fault | None:
        kind, host = self.kind, self.host
        if kind is None or host is None or not kind.matches(call, params):
            return None
        key = orjson.dumps([call, params], default=str)
        if not self.matched or key != self._key:
            self.matched.append(key)
        if len(self.matched) - 1 == self.at and not self._key:
            self._key = key
        if key != self._key or (kind.once and self.applied):
            return None
        self.applied = True
        if isinstance(kind.fault, Fault):
            return kind.fault
        kind.fault(host)
        return None


class Cell(History):
    """An up-to-date simulated AWS with new work for every job; a new host runs the job and meets one fault."""

    def __init__(self, loop: VirtualLoop, job: str) -> None:
        super().__init__(0, loop, jobs=SYNCS, targets=TARGETS, regions=REGIONS[:2])
        self.job = job
        self.aws.dynamodb.page = 1
        self.window_s = SHORT_WINDOW_S  # as of the hosts of a cell
        self.outcome = ""

    async def prepare(self) -> None:
        """Bring everything up to date, then make a change of every kind."""
        for scope in (_A1, _A1, _A1, _A2, _B1, _B1, Scope(STAGING, REGIONS[0])):
            self.aws.drs[Scope(TARGETS[0], scope.region)].initialized = True
            self.aws.protect(scope, tags={"Name": "old"})
        before = Host("before", self.aws, FaultInjector(self.rng, latency_s=0.01), self.promises)
        for _ in range(3):  # the third round scans the idle scopes again, so that a query knows them after a missed run
            await self._run_all_jobs(before)
        self.aws.delete(_A1, min(self.aws.drs[_A1].servers))
        for scope in (_A1, _A1, _B1, *3 * [Scope(STAGING, REGIONS[0])]):
            self.aws.protect(scope, tags={"Name": "new"})
        for scope, instances in self.aws.instances.items():
            self.aws.tag_instance(scope, min(instances), "Name", "other")
            self.aws.run_instance(scope)
        # The staging account is removed from the target's record, but DRS still lists it.
        self.aws.dynamodb.tables["target_accounts_table"].items[TARGETS[0],].pop("stagingAccounts")
        await anyio.sleep(_STALE_S)

    async def run_with_fault(self, kind: Kind | None, at: int) -> int:
        """Run the job with the fault at one of the calls that it matches; return how many calls it matches.

        A negative number fails none.
        """
        host = Host("faulty", self.aws, FaultInjector(self.rng), self.promises)
        self.hosts.append(host)
        faults = host.faults = _FailOneCall(random.Random(1), latency_s=0.01, host=host, kind=kind, at=at)  # noqa: S311
        began = self.loop.time()
        try:
            self.outcome = await self._run_job(host)
        except* Killed:
            self.outcome = "killed"
        except* DrsSyncError as errors:
            self.outcome = str(errors.exceptions[0])
        if self.job in _RUNS and self.outcome != "killed" and self.loop.time() - began > _MAX_S:
            self.promises.breaks("a sync ends within its deadline", self.loop.time() - began)
        self.aws.dynamodb.unprocessed, self.aws.dynamodb.lost_conditions = 0.0, 0
        check_summaries(self.aws, self.promises)
        assert at < 0 or faults.applied, f"there was no call {at} to fail"
        return len(faults.matched)

    async def _run_job(self, host: Host) -> str:
        if self.job in _RUNS:
            report = await host.run(self.job, SyncRequest(remaining_s=_BUDGET_S))
            self._check_report(report, host)
            if self.job == "coverage":
                check_report(self.aws, self.promises, report)
            return str(report["status"])
        return await _QUERIES[self.job](self, host)

    async def query_inventory(self, host: Host) -> str:
        """Query every server: a complete response must not lack one that the inventory has."""
        answer = await host.query(InventoryParams())
        shown = {server["sourceServerArn"] for server in answer.body["servers"]}
        items = self.aws.dynamodb.tables["source_server_inventory_table"].items
        known = {key[0] for key in items if key[1].isdigit()}
        # In a scope that DRS reports as not initialized, no server can be expected.
        unused = {
            each.scope for each in self.promises.listings if each.host is host and each.complete and not each.arns
        }
        listed = [drs for scope, drs in self.aws.drs.items() if scope not in unused]
        expected = {record["arn"] for drs in listed for record in drs.servers.values()}
        if answer.body["complete"] and (known & expected) - shown:
            self.promises.breaks("an answer is true", f"complete without {(known & expected) - shown}")
        return "complete" if answer.body["complete"] else "partial"

    async def query_failback(self, host: Host) -> str:
        """Query where a server came from."""
        server = max(self.aws.drs[_A2].servers)
        answer = await FailbackQuery(host.aws_client, host.settings, host.status_reader(), host.now).facts(server)
        facts = answer.facts
        if facts.original["originalSourceRegion"] != REGIONS[0]:
            self.promises.breaks("an answer is true", f"{server} from {facts.original['originalSourceRegion']}")
        return "complete" if answer.is_complete else "partial"

    async def end(self) -> HistoryResult:
        """Stop the faults; two runs of each sync must repair everything, and both queries must then be complete."""
        await self.settle()
        host = self.hosts[-1]
        for query in _QUERIES.values():
            if (outcome := await query(self, host)) != "complete":
                self.promises.breaks("the next runs repair", outcome)
        if self.job == "coverage":
            await self.cover(host)
        return self.result()

    async def cover(self, host: Host) -> None:
        """Run the coverage sync without faults: everything must be known then, and each server's instance protected."""
        since = host.now()
        report = await host.run("coverage")
        check_report(self.aws, self.promises, report)
        check_summaries(self.aws, self.promises, since=since)
        if report["status"] != "complete" or report["instancesUnprotected"] != len(self.aws.loose_instances()):
            self.promises.breaks("the next runs repair", f"{report['errors']} {report['instances']}")


_RUNS: Final = (*SYNCS, "coverage")
_BUDGET_S: Final = 300.0
_MAX_S: Final = _BUDGET_S + 6.001 + _FREEZE_S
_QUERIES: Final[Mapping[str, Callable[[Cell, Host], Awaitable[str]]]] = {
    "inventory query": Cell.query_inventory,
    "failback query": Cell.query_failback,
}
