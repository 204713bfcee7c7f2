"""The tag scan of one scope: list servers, read their instances, plan, write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from service.aws.drs import DrsReader
from service.aws.drs_write import DrsWriter
from service.aws.ec2 import Ec2Reads
from service.errors import AwsError, unconfirmed_empty
from service.fanout import fan_out
from service.inventory.server import SourceServer, instance_facts, name_of_record, parse_server
from service.models import Now, OddRecord, Problem, Scope
from service.sync.engine.metrics import ORIGIN_DENIED
from service.sync.engine.outcome import (
    ScopeResult,
    account_problem,
    outcome_of,
    problem_at,
    scope_problem,
)
from service.sync.engine.sync import ScopeScan
from service.sync.tags.plan import allows_launch_into, plan_tags, wanted_tags
from service.sync.tags.results import TagResults
from service.sync.tags.state import TagState
from service.sync.tags.write import TagWrites, Task

__all__ = ["ScanTools", "TagScan"]

_ORIGINS_AT_ONCE: Final = 4
_REFUSAL_FIX: Final = "shorten or remove tags of the instance, or remove tags of the source server"


@dataclass(frozen=True, slots=True)
class ScanTools:
    """What every scope of a run shares."""

    ec2_of: Callable[[str], Awaitable[Ec2Reads]]
    state: TagState
    now: Now
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Server:
    """A source server and the tags it has."""

    server: SourceServer
    current: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _ShownInstances:
    """What EC2 shows of one origin's servers: those with tags of their instances, and how many it does not show."""

    servers: tuple[tuple[_Server, Mapping[str, str]], ...]
    not_shown: int


class TagScan(ScopeScan):
    """One scope under way.

    Attributes:
        listed_completely: DRS has shown its last page.
        uninitialized: DRS was never initialised here, and no servers are known here that would contradict it.
        failure: broke off the listing; what was listed before is synced all the same.
        results: what came of the servers so far.
        known_count: server count of the scope at its last complete scan; 0 where that is not known.
        unusable: names of the servers whose records cannot be used.

    Args:
        scope: the scope.
        drs: DRS of its account, to read.
        writer: DRS of its account, to write.
        tools: what every scope shares.
        known_count: server count of the scope at its last complete scan; None where that is not known.
    """

    def __init__(
        self, scope: Scope, drs: DrsReader, writer: DrsWriter, tools: ScanTools, *, known_count: int | None
    ) -> None:
        super().__init__(scope)
        self.started_at = tools.now()
        self.results = TagResults(scope, problems=self.problems, warnings=self.warnings)
        self.listed_completely = False
        self.uninitialized = False
        self.failure: Problem | None = None
        self.unusable: list[str] = []
        self._drs = drs
        self._tools = tools
        self.known_count = known_count or 0
        self._has_page = False
        self._is_contradicted = False
        self._listed: dict[str, _Server] = {}
        self._origins_denied = 0
        self._writes = TagWrites(self.results, drs, writer, tools.state, tools.now, dry_run=tools.dry_run)

    @property
    def is_read(self) -> bool:
        """Whether it is known how many servers there are."""
        return self.listed_completely or self.uninitialized

    @property
    def _lacks_only_origins(self) -> bool:
        """Whether accounts of EC2 instances that deny access are all that keeps the scope from being complete."""
        return self.failure is None and 0 < self._origins_denied == len(self.problems)

    async def run(self) -> None:
        """Sync the scope. Whatever goes wrong costs only the servers it concerns, and is added to the results."""
        await self._list()
        if self._listed:
            await self._writes.apply(await self._tasks())

    def result(self, failure: Problem | None, *, known: bool, seconds: float) -> ScopeResult:
        """Say what came of the scan."""
        counts = self.results.counts
        return outcome_of(
            self.scope,
            failure=failure or self.failure,
            known=known,
            answered=self.is_read or self._has_page or self._is_contradicted,
            servers=counts.servers,
            counts={**counts.by_name, ORIGIN_DENIED: int(self._lacks_only_origins and failure is None)},
            problems=self.problems,
            warnings=self.warnings,
            seconds=seconds,
        )

    async def close(self) -> None:
        """Keep what was learned, also after `run` was cancelled. Takes a few seconds at most and never raises."""
        self.results.close()
        present = frozenset(each.server.server_id for each in self._listed.values())
        await self._writes.remember(present if self.listed_completely else None)

    async def _list(self) -> None:
        try:
            async with aclosing(self._drs.source_servers(self.scope.region)) as pages:
                async for page in pages:
                    self._has_page = True
                    for record in page:
                        self._add_record(record)
        except AwsError as error:
            if not error.is_drs_uninitialized or self._has_page:
                self.failure = scope_problem(error, self.scope)
            elif self.known_count:
                self._is_contradicted = True
                self.problems.append(unconfirmed_empty(error, self.scope, self.known_count))
            else:
                self.uninitialized = True
        else:
            self.listed_completely = True

    def _add_record(self, record: Mapping[str, Any]) -> None:
        server = parse_server(record, reported_by=self.scope)
        if isinstance(server, str):
            self.results.counts.servers += 1
            name = name_of_record(record)
            self.unusable.append(name)
            self.results.explain(problem_at(self.scope, "UnusableRecord", server), name)
        elif server.arn not in self._listed:  # a server may show up again when pages shift under the listing
            self.results.counts.servers += 1
            self._listed[server.arn] = _Server(server, record.get("tags") or {})

    async def _tasks(self) -> list[Task]:
        """Read the instances, and plan for each server whose instance has tags; the others are counted."""
        by_origin: dict[Scope, list[_Server]] = {}
        for each in self._listed.values():
            origin = each.server.origin(self.scope)
            if origin is None or each.server.state == "DISCONNECTED":
                self.results.counts.skipped += 1
            else:
                by_origin.setdefault(origin, []).append(each)

        async def read(origin: Scope) -> _ShownInstances | Problem:
            return await self._read_instances(origin, by_origin[origin])

        tasks: list[Task] = []
        async with fan_out(by_origin, read, concurrency=_ORIGINS_AT_ONCE) as answers:
            async for answer in answers:
                if isinstance(answer, Problem):
                    self.results.problems.append(answer)  # its servers are in no count, so they have failed
                    self._origins_denied += answer.service == "sts" or answer.status.is_denied
                else:
                    self.results.counts.skipped += answer.not_shown
                    tasks += self._plan(answer)
        return tasks

    async def _read_instances(self, origin: Scope, servers: Iterable[_Server]) -> _ShownInstances | Problem:
        """Read the instances of one origin with that account's own rights."""
        by_instance: defaultdict[str, list[_Server]] = defaultdict(list)
        for each in servers:
            by_instance[each.server.instance_id or ""].append(each)
        try:
            ec2 = await self._tools.ec2_of(origin.account_id)
            instances = await ec2.instances(origin.region, by_instance)
        except AwsError as error:
            if error.code == "AccountNotRecorded":  # as the settings say: nothing has failed
                self._explain_unread(origin, error)
                return _ShownInstances((), sum(map(len, by_instance.values())))
            return account_problem(error) if error.call.service == "sts" else error.problem
        odd = {instance_id: each for instance_id, each in instances.items() if isinstance(each, OddRecord)}
        for instance_id, instance in odd.items():
            why = f"EC2 shows its instance {instance_id} in a way that cannot be used: {instance.why}"
            for each in by_instance.pop(instance_id):
                self.results.explain(problem_at(self.scope, "MalformedResponse", why), each.server.server_id)
        shown = tuple(
            (each, instance_facts(instance).tags)
            for instance_id, instance in instances.items()
            if instance_id not in odd
            for each in by_instance[instance_id]
        )
        return _ShownInstances(shown, sum(map(len, by_instance.values())) - len(shown))

    def _explain_unread(self, origin: Scope, error: AwsError) -> None:
        """Report that servers of an account are skipped because it may not be entered: one entry, whatever region."""
        problem = account_problem(error)
        message = f"tags of the EC2 instances in {origin.account_id} are not copied: {problem.message}"
        self.results.warnings.append(replace(problem, message=message))

    def _plan(self, shown: _ShownInstances) -> Iterable[Task]:
        for each, instance_tags in shown.servers:
            server, wanted = each.server, wanted_tags(instance_tags)
            plan = plan_tags(each.current, wanted)
            if not wanted:
                self.results.counts.skipped += 1
            elif plan.refusal:
                problem = problem_at(self.scope, "TagsRefused", plan.refusal)
                self.results.explain(replace(problem, advice=_REFUSAL_FIX), server.server_id)
            else:
                yield Task(server.server_id, server.arn, plan.changes, allows_launch_into(instance_tags))
