"""One history: the simulated AWS, a few hosts, overlapping jobs, every kind of fault, then a phase without faults."""

from __future__ import annotations

import gc
import logging
import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import anyio

from service.errors import DrsSyncError
from service.gc_tuning import tune_gc
from service.models import Scope
from tests.simulation.answers import check_inventory_answer
from tests.simulation.aws import REGIONS, STAGING, TARGETS, SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.comparison import Comparison
from tests.simulation.fault_injection import FAULT_KINDS, FaultInjector
from tests.simulation.host import Host, Killed, settings
from tests.simulation.odd_answers import ODD_ANSWERS
from tests.simulation.promises import Promises
from tests.simulation.race import Race

__all__ = ["SHORT_WINDOW_S", "History", "HistoryResult", "play", "quiet"]

_INTERVAL_S: Final = 900.0
SHORT_WINDOW_S: Final = 2 * _INTERVAL_S
_MAX_ROUNDS: Final = 6  # two discovery windows, and two rounds of repair
_EVENTS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "inventory": ("sync_source_server_inventory", {}),
    "staging": ("sync_staging_accounts", {}),
    "tags": ("handle_drs_tag_sync", {"_sync_source": "eventbridge"}),
}
"""Events of the schedules in `deploy/`, as operation and parameters."""
_JOBS: Final = (
    ("inventory",),
    ("inventory",),
    ("inventory", "staging"),
    ("inventory", "tags"),
    ("inventory", "staging", "tags"),
)
_CHANGES: Final = (
    *("protect", "protect_staged", "delete", "stall", "launch", "repoint", "tag", "nothing"),
    *("deny", "join", "empty", "empty", "cluster"),
)
_RACES: Final = 0.2  # share of rounds with servers that leave while they are written
_LONGEST_RUN_S: Final = 120.0
_QUERIED: Final = 0.3  # share of rounds that a query follows
_FAULT_MIXES: Final = ("none", "throttled", "any", "any", "late", "tables", "storm")


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """Result of a history."""

    seed: int
    broken: tuple[str, ...]
    trace: str
    events: tuple[str, ...]
    calls: int
    seconds: float
    option: str = ""  # of the command that replays it

    @classmethod
    def of(cls, seed: int, promises: Promises, hosts: Iterable[Host], loop: VirtualLoop, option: str = "") -> Self:
        """Return the result of what the hosts have done so far."""
        return cls(
            seed,
            tuple(dict.fromkeys(promises.broken)),
            promises.digest,
            tuple(promises.events),
            sum(host.calls for host in hosts),
            loop.time(),
            option,
        )

    def check(self) -> None:
        """Raise AssertionError when a promise was broken, with the command that replays the history."""
        assert not self.broken, (
            f"seed {self.seed}: {'; '.join(self.broken)}\n  after {' / '.join(self.events)}\n"
            f"  again: python -m tests.simulation --seed {self.seed} --histories 1 {self.option}"
        )


def play(seed: int) -> HistoryResult:
    """Play the history of a seed on a virtual clock."""
    random.seed(seed)  # the engine's jitter between attempts to update a contended row
    with quiet():
        return run(lambda loop: History(seed, loop).play())


@contextmanager
def quiet() -> Iterator[None]:
    """Disable logging and tune garbage collection as the Lambda functions do."""
    threshold = gc.get_threshold()
    logging.disable(logging.CRITICAL)
    tune_gc()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        gc.set_threshold(*threshold)


class History:
    """A running history."""

    def __init__(
        self,
        seed: int,
        loop: VirtualLoop,
        *,
        jobs: tuple[str, ...] | None = None,
        targets: tuple[str, ...] | None = None,
        regions: tuple[str, ...] | None = None,
    ) -> None:
        self.seed, self.loop = seed, loop
        self.rng = random.Random(seed)  # noqa: S311 - not a secret
        self.jobs = jobs or self.rng.choice(_JOBS)
        targets = targets or TARGETS[: self.rng.choice((1, 2))]
        regions = regions or REGIONS[: self.rng.choice((2, 2, 3))]
        self.aws = SimulatedAws(loop, self.rng, targets, regions)
        self.promises = Promises()
        self.aws.dynamodb.listener = self.promises.on_change
        self.promises.tables = self.aws.dynamodb.tables
        self.aws.dynamodb.page = self.rng.choice((2, 5, 1000))
        self.hosts: list[Host] = []
        self._race: Race | None = None
        self.window_s = self.rng.choice((SHORT_WINDOW_S, 7200.0))
        self.late: list[str] = []  # jobs whose event is delivered after the next one's
        self._joining: dict[str, Any] = {}  # accounts that are not targets yet
        self._names = 0

    async def play(self) -> HistoryResult:
        """Run rounds of jobs under faults, then rounds without, and compare the tables with DRS."""
        if len(self.aws.targets) > 1 and self.rng.random() < 0.5:
            self._joining[TARGETS[1]] = self._target_records.pop((TARGETS[1],))
        for _ in range(self.rng.randint(1, 4)):
            self._change_protect()
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            await self._round()
            self._change_something()
            if self.rng.random() < 0.2:
                self.downgrade()
            await self._next_interval()
        await self.settle()
        return self.result()

    def result(self) -> HistoryResult:
        """Return the result so far."""
        return HistoryResult.of(self.seed, self.promises, self.hosts, self.loop)

    def downgrade(self) -> None:
        """Leave topology and names where an earlier version would have left them: in the inventory table.

        What is on its way to the tables does not arrive any more: it was sent to items that are not there, and a delete
        would find the same item again that its sender had carried over.
        """
        for each in self.aws.late_calls:
            each.cancel()
        self.aws.late_calls.clear()
        own, inventory = (self.aws.dynamodb.tables[f"source_server_{name}_table"] for name in ("topology", "inventory"))
        self.promises.events.append("downgrade")
        for (pk, sk), item in list(own.items.items()):
            if sk == "TOPOLOGY" or sk.startswith(("LINEAGE#", "MEMBER#")):
                rest = {name: value for name, value in item.items() if name not in {"pk", "sk"}}
                inventory.items[pk, sk] = {"sourceServerArn": {"S": pk}, "stagingAccountId": {"S": sk}, **rest}
            del own.items[pk, sk]

    # Hosts and rounds

    def _host(self) -> Host:
        """Choose a warm host or start a new one."""
        warm = [host for host in self.hosts if not host.dead]
        if warm and self.rng.random() < 0.6:
            return self.rng.choice(warm)
        self._names += 1
        skew_s = self.rng.uniform(-240.0, 240.0) if self.rng.random() < 0.2 else 0.0
        if skew_s:
            self.aws.same_clocks = False
        return self._add_host(f"host{self._names}", FaultInjector(self.rng), skew_s=skew_s)

    def _add_host(
        self, name: str, faults: FaultInjector, *, window_s: float | None = None, skew_s: float = 0.0
    ) -> Host:
        chosen = settings(
            drs_regions=self.aws.regions, accounts_per_shard=1, discovery_window_seconds=window_s or self.window_s
        )
        self.hosts.append(Host(name, self.aws, faults, self.promises, skew_s=skew_s, chosen=chosen))
        return self.hosts[-1]

    async def _round(self) -> None:
        """Deliver events of one job or two overlapping ones; some come twice or late, or start a state machine."""
        self._choose_faults(self.rng.choice(_FAULT_MIXES))
        one = self.rng.choice(self.jobs)
        if self.rng.random() < 0.5:
            self._arm_odd_answer()
        jobs = [one] if self.rng.random() < 0.5 else [one, self.rng.choice((one, "inventory"))]
        late, self.late = self.late, []
        if self.rng.random() < 0.1:
            self.late.append(jobs.pop())
        if jobs and self.rng.random() < 0.1:
            jobs.append(jobs[-1])
        async with anyio.create_task_group() as tasks:
            for number, job in enumerate([*jobs, *late]):
                play = self._in_shards if self.rng.random() < 0.1 else self._run
                tasks.start_soon(play, job, number * self.rng.random() * self.rng.choice((5.0, 5.0, 5.0, 1500.0)))
            if self.rng.random() < _RACES:
                self._race = Race(self.rng, self._empty_later)
                tasks.start_soon(self._run, "inventory", 0.0)
                tasks.start_soon(self._run_into, self._race)
            elif self.rng.random() < 0.5:
                tasks.start_soon(self._change_during_round)
        if self.rng.random() < _QUERIED:
            await self._query()

    async def _query(self) -> None:
        """Query the inventory on some host, half of the time with the faults of the round."""
        host = self._host()
        if self.rng.random() < 0.5:
            self._inject_faults(host)
        else:
            host.faults = FaultInjector(self.rng, latency_s=0.01)
        self.promises.events.append(f"query on {host.name}")
        try:
            await check_inventory_answer(host)
        except* Killed:
            self.promises.events.append("killed")

    def _arm_odd_answer(self) -> None:
        """Have DRS answer the next listing of a scope with servers wrongly, once."""
        scopes = [scope for scope, drs in self.aws.drs.items() if drs.servers and scope.account_id != STAGING]
        if scopes:
            scope, kind = self.rng.choice(scopes), self.rng.choice(ODD_ANSWERS)
            self.promises.events.append(f"{kind} once in {scope.account_id} {scope.region}")
            self.aws.odd_answers.arm(scope, kind)

    async def _run_into(self, race: Race) -> None:
        """Begin a run soon after a race has begun."""
        with anyio.move_on_after(_LONGEST_RUN_S):
            await race.has_begun.wait()
        self._race = None
        await self._run("inventory", self.rng.random() * self.rng.choice((3.0, 60.0)))

    def _empty_later(self, scope: Scope, delay_s: float) -> None:
        self.promises.events.append(f"race in {scope.account_id} {scope.region}")
        self.loop.call_later(delay_s, self._empty, scope)

    async def _change_during_round(self) -> None:
        await anyio.sleep(self.rng.random() * 2.0)
        if self._joining and self.rng.random() < 0.5:
            self._change_join()
        elif self.rng.random() < 0.4:
            self._change_empty()
        else:
            self._change_something()

    def _choose_faults(self, name: str) -> None:
        self.promises.events.append(name)
        self._kinds: tuple[str, ...] = tuple(FAULT_KINDS)
        self._share = {"none": 0.0, "storm": 0.9, "throttled": 0.3, "tables": 0.15}.get(name, 0.12)
        self._only_tables = name == "tables"
        if name == "throttled":
            self._kinds = ("throttled", "throttled, retry after")
        elif name == "late":
            self._kinds = tuple(kind for kind in FAULT_KINDS if kind.endswith("too late"))
        self.aws.dynamodb.lag_s = self.rng.choice((0.0, 0.5, 5.0))
        self.aws.dynamodb.unprocessed = self.rng.choice((0.0, 0.0, 0.3))

    def _inject_faults(self, host: Host) -> None:
        only_tables = self._only_tables
        host.faults = FaultInjector(
            self.rng,
            self._share,
            self._kinds,
            applies_to=lambda call: call.service == "dynamodb" or not only_tables,
            latency_s=self.rng.choice((0.01, 0.1, 0.5)),
            slow=0.05,
            intercept=self._race.intercept if self._race else None,
        )

    async def _run(self, job: str, delay_s: float) -> None:
        await anyio.sleep(delay_s)
        remaining_s = self.rng.choice((None, 10.0, 120.0))
        began = self.loop.time()
        host, answer = await self._deliver(*_EVENTS[job], remaining_s)
        if answer is not None and answer[1] is None:
            self.promises.was_locked_out(host)
        if remaining_s is not None and not host.dead:
            took = self.loop.time() - began - host.frozen_s
            if took > remaining_s + 6.0 + 0.001:
                self.promises.breaks("a sync ends within its deadline", f"{job} took {took:.1f} s of {remaining_s} s")

    async def _deliver(
        self, operation: str, members: Mapping[str, Any], remaining_s: float | None = None
    ) -> tuple[Host, tuple[Mapping[str, Any], dict[str, Any] | None] | None]:
        """Invoke a host, which may be killed meanwhile; return it with the response and the sync's report, if any."""
        host = self._host()
        self._inject_faults(host)
        if self.rng.random() < 0.3:
            if self.rng.random() < 0.7:
                host.kill_at = host.calls + self.rng.randint(1, 80) / 2
            else:
                self.loop.call_later(self.rng.random() * 3.0, host.kill)
        elif self.rng.random() < 0.1:
            self.loop.call_later(self.rng.random() * 5.0, host.freeze, self.rng.choice((30.0, 1000.0, 2000.0)))
        self.promises.events.append(f"{operation} on {host.name}{' to be killed' if host.kill_at else ''}")
        answer = None
        try:
            reply, report = await host.deliver(operation, members, remaining_s)
        except* Killed:
            self.promises.events.append("killed")
        except* DrsSyncError as errors:
            self.promises.events.append(str(errors.exceptions[0])[:60])
        else:
            answer = reply.body, report
            if report is not None:
                self._check_report(report, host)
        host.kill_at = None
        return host, answer

    async def _in_shards(self, job: str, delay_s: float) -> None:
        """Run a job in shards as the state machine does, each on some host; some shards run twice, some are lost."""
        await anyio.sleep(delay_s)
        host, answer = await self._deliver("plan_sync", {"job": job})
        if answer is None:
            return
        plan, results = answer[0], list[dict[str, Any]]()
        if plan["alreadyRunning"]:
            self.promises.was_locked_out(host)

        async def shard(body: Mapping[str, Any], delay_s: float) -> None:
            await anyio.sleep(delay_s)
            _, answer = await self._deliver("sync_shard", body)
            if answer is None:
                results.append({"index": body["index"], "failure": "States.Timeout"})
            else:
                results.append({"index": body["index"], "report": answer[0]})

        async with anyio.create_task_group() as tasks:
            for body in plan["shards"]:
                for number in range(1 + (self.rng.random() < 0.2)):
                    tasks.start_soon(shard, body, number * self.rng.random() * 5.0)
        if len(plan["shards"]) > 1 and self.rng.random() < 0.9:  # otherwise the execution is aborted
            members = {name: plan[name] for name in ("shards", "source", "lockOwner")}
            _, answer = await self._deliver("finish_sync", {**members, "results": results})
            if answer is not None:
                self._check_totals(answer[0])

    def _check_totals(self, report: Mapping[str, Any]) -> None:
        scopes = report["scopes"]
        if scopes["asked"] != sum(scopes[name] for name in ("complete", "partial", "skipped", "failed")):
            self.promises.breaks("a report is true", scopes)
        if report["status"] == "complete" and report["errors"]:
            self.promises.breaks("a report is true", f"complete, with {report['errors']}")

    def _check_report(self, report: Mapping[str, Any], host: Host) -> None:
        self._check_totals(report)
        if report["operation"] == _EVENTS["inventory"][0]:
            listings = [each for each in self.promises.listings if each.run == host.run_number]
            scans = [each for each in listings if each.scope.account_id in self.aws.targets]
            if report["scopes"]["complete"] > sum(each.complete for each in scans):
                self.promises.breaks("a report is true", f"{report['scopes']['complete']} complete scans of {scans}")
            unwritten = {arn for each in scans for arn in each.arns} - self.promises.written.keys()
            if report["status"] == "complete" and unwritten:
                self.promises.breaks("a report is true", f"complete, and never written: {unwritten}")

    async def _next_interval(self) -> None:
        await anyio.sleep(_INTERVAL_S - self.loop.time() % _INTERVAL_S)

    # Changes of the simulated AWS

    def _change_something(self) -> None:
        """Make a random change, if it is possible."""
        kind = self.rng.choice(_CHANGES)
        getattr(self, f"_change_{kind}")()

    def _change_deny(self) -> None:
        """Toggle whether the role of an account can be assumed."""
        self.aws.denied ^= {self.rng.choice(self.aws.targets)}

    @property
    def _target_records(self) -> dict[tuple[str, ...], Any]:
        return self.aws.dynamodb.tables["target_accounts_table"].items

    def _change_join(self) -> None:
        """Register the accounts that are not targets yet."""
        while self._joining:
            account_id, record = self._joining.popitem()
            self._target_records[account_id,] = record

    def _change_nothing(self) -> None:
        """Change nothing."""

    def _change_protect(self) -> None:
        scope = Scope(self.rng.choice(self.aws.targets), self.rng.choice(self.aws.regions))
        self.aws.protect(scope, tags={"Name": f"n{self.rng.randint(1, 9)}"})

    def _change_protect_staged(self) -> None:
        region = self.rng.choice(self.aws.regions)
        self.aws.drs[Scope(TARGETS[0], region)].initialized = True
        self.aws.protect(Scope(STAGING, region), tags={"Name": "staged"})

    def _any_server(self) -> tuple[Scope, str] | None:
        servers = [(scope, each) for scope, drs in self.aws.drs.items() for each in drs.servers]
        return self.rng.choice(servers) if servers else None

    def _change_delete(self) -> None:
        if server := self._any_server():
            self.aws.delete(*server)

    def _change_empty(self) -> None:
        """All servers of a scope leave; half of the time DRS then answers as where it was never used."""
        if server := self._any_server():
            self._empty(server[0])

    def _empty(self, scope: Scope) -> None:
        drs = self.aws.drs[scope]
        for each in list(drs.servers):
            if each in drs.servers:
                self.aws.delete(scope, each)
        # DRS of a target is used as long as there are servers to extend into it.
        waiting = scope.account_id == TARGETS[0] and self.aws.drs[Scope(STAGING, scope.region)].servers
        drs.initialized = self.rng.random() < 0.5 or bool(waiting)

    def _change_cluster(self) -> None:
        """Several servers join one scope at once."""
        scope = Scope(self.rng.choice(self.aws.targets), self.rng.choice(self.aws.regions))
        for number in range(3):
            self.aws.protect(scope, tags={"Name": f"c{number}"})

    def _change_stall(self) -> None:
        if server := self._any_server():
            self.aws.change(*server, dataReplicationInfo={"dataReplicationState": self.rng.choice(_STATES)})

    def _change_launch(self) -> None:
        if server := self._any_server():
            self.aws.change(
                *server, lastLaunchResult="SUCCEEDED", recoveryInstanceId=f"i-9{self.rng.randint(1, 9):016d}"
            )

    def _change_repoint(self) -> None:
        """Fail back: the forward server replicates from another region from now on."""
        if server := self._any_server():
            origin = self.rng.choice(self.aws.regions)
            members = {
                "originAccountID": server[0].account_id,
                "originRegion": origin,
                "originAvailabilityZone": f"{origin}b",
            }
            self.aws.change(*server, sourceCloudProperties=members)

    def _change_tag(self) -> None:
        instances = [(scope, each) for scope, known in self.aws.instances.items() for each in known]
        if instances:
            self.aws.tag_instance(*self.rng.choice(instances), "Name", f"n{self.rng.randint(1, 9)}")

    # The phase without faults

    async def settle(self) -> None:
        """Stop all faults and changes: two runs of each job must bring everything up to date.

        An account may stay denied: what is stored of it stays, and all others are brought up to date.
        """
        self.promises.events.append("faults stop")
        self._change_join()
        if self.rng.random() < 0.5:
            self.aws.denied.clear()
        self.aws.odd_answers.armed.clear()
        self.aws.dynamodb.lag_s = self.aws.dynamodb.unprocessed = 0.0
        host = self._add_host("last", FaultInjector(self.rng, latency_s=0.01))
        await anyio.sleep(max(0.0, self.aws.last_arrival_s - self.loop.time()))
        await anyio.sleep(max(0.0, self.promises.lock_free_at - self.loop.time()))  # the lock of a killed run expires
        await self._next_interval()
        comparison = Comparison(self.aws, self.promises, self.jobs)
        denied = comparison.denied_scopes()
        closed = {scope for scope, drs in self.aws.drs.items() if not drs.initialized}
        missed = comparison.missed_scopes()
        await self._run_all_jobs(host, may_be_unconfirmed=closed)
        missed += comparison.missed_scopes()
        await self._run_all_jobs(host, is_queried=self.rng.random() < _QUERIED)
        comparison.compare_ghosts(excepted=denied)
        if self.window_s > SHORT_WINDOW_S:
            host = self._add_host("short window", host.faults, window_s=SHORT_WINDOW_S)
        rounds = 2
        is_open = bool(missed or comparison.missed_scopes() or comparison.ghosts())
        more = 2 if is_open else 0
        while rounds < _MAX_ROUNDS and more:
            # Discovery needs some rounds to find a newly active scope, and the syncs two more to repair it: servers are
            # extended into it after the inventory sync of the first one.
            rounds += 1
            await self._run_all_jobs(host, may_be_unconfirmed=closed)
            more = 2 if comparison.missed_scopes() or comparison.ghosts() else more - 1
        for scope in comparison.missed_scopes():
            self.promises.breaks("a region that becomes active is found", scope)
        comparison.compare()

    async def _run_all_jobs(
        self, host: Host, *, may_be_unconfirmed: Collection[Scope] = (), is_queried: bool = False
    ) -> None:
        """Run each job; only denied accounts and scopes that wait for a second "not initialized" may be in error."""
        for job in self.jobs:
            report = await host.run(job)
            denied, accounts = self.aws.denied, {scope.account_id for scope in may_be_unconfirmed}
            expected = [
                error
                for error in report["errors"]
                if error["accountId"] in denied
                or (error["code"] == "UninitializedAccountException" and error["accountId"] in accounts)
            ]
            if (report["status"] == "complete") == bool(expected) or expected != report["errors"]:
                self.promises.breaks("the next runs repair", f"{job}: {report['status']} {report['errors']}")
            if job == "inventory" and is_queried and not self.aws.denied:
                await check_inventory_answer(host, of_run=host.last_run)
        await self._next_interval()


_STATES: Final = ("CONTINUOUS", "STALLED", "DISCONNECTED", "INITIAL_SYNC")
