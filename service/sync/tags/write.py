"""Writing the tags and launch settings of one scope's servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import anyio

from service.aws.drs import DrsReader
from service.aws.drs_write import DrsWriter
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Now
from service.sync.engine.outcome import scope_problem
from service.sync.tags.plan import is_in_turn, needs_copy_tags
from service.sync.tags.results import TagResults
from service.sync.tags.state import TagState

__all__ = ["TagWrites", "Task"]

_SERVERS_AT_ONCE: Final = 16  # the rate limiter holds calls back anyway
_MAX_KEYS: Final = 10  # named in a reason
_MEMORY_S: Final = 5.0  # to write down what was learned, also when the scope's own time is up
_GONE: Final = "ResourceNotFoundException"


@dataclass(slots=True)
class Task:
    """One server whose instance has tags. `leaves_launch`: it is set up for launch into an instance."""

    server_id: str
    arn: str
    changes: Mapping[str, str]
    leaves_launch: bool
    asks_launch: bool = False
    copies_tags: bool = False


class _Kind(Enum):
    LAUNCH = auto()
    TAGS = auto()


class _Attempt(Enum):
    DONE = auto()
    FAILED = auto()
    GONE = auto()


class TagWrites:
    """The writes of one scope. In a dry run the same without the writes.

    There is no bulk read of launch configurations, so those that need nothing are remembered between runs.
    """

    def __init__(
        self, results: TagResults, drs: DrsReader, writer: DrsWriter, state: TagState, now: Now, *, dry_run: bool
    ) -> None:
        self._results = results
        self._scope = results.scope
        self._drs = drs
        self._writer = writer
        self._state = state
        self._now = now
        self._dry_run = dry_run
        self._denied: set[_Kind] = set()
        self._remembered: frozenset[str] | None = None
        self._settled: set[str] = set()
        self._unsettled: set[str] = set()

    async def apply(self, tasks: Sequence[Task]) -> None:
        """Bring the servers up to date, calling only for those that lack something or are due to be read."""
        await self._read_memory()
        known, now = self._remembered or frozenset(), self._now()
        for task in tasks:
            is_known = task.server_id in known and not is_in_turn(task.arn, now)
            task.asks_launch = not (task.leaves_launch or is_known)
        calls = [task for task in tasks if task.changes or task.asks_launch]
        self._results.counts.unchanged += len(tasks) - len(calls)
        async with fan_out(calls, self._apply, concurrency=_SERVERS_AT_ONCE) as done:
            async for _ in done:
                pass

    async def _read_memory(self) -> None:
        if not self._state.remembers:
            return
        try:
            self._remembered = await self._state.settled_launches(self._scope)
        except AwsError as error:
            self._results.warnings.append(scope_problem(error, self._scope))

    async def _apply(self, task: Task) -> None:
        """Do one server: launch settings first, so that a tag still differs when the run dies in between."""
        attempt = _Attempt.DONE
        if task.asks_launch:
            attempt = await self._attempt(_Kind.LAUNCH, task, self._settle_launch)
            (self._settled if attempt is _Attempt.DONE else self._unsettled).add(task.server_id)
        if task.changes and attempt is not _Attempt.GONE:
            # Tags go out even where launch settings may not be changed; the server counts as failed all the same.
            tagged = await self._attempt(_Kind.TAGS, task, self._write_tags)
            attempt = attempt if tagged is _Attempt.DONE else tagged
        self._count(task, attempt)

    async def _attempt(self, kind: _Kind, task: Task, work: Callable[[Task], Awaitable[None]]) -> _Attempt:
        if kind in self._denied:
            return _Attempt.FAILED
        try:
            await work(task)
        except AwsError as error:
            if error.code == _GONE:
                return _Attempt.GONE  # deleted since it was listed
            self._add_problem(kind, task, error)
            return _Attempt.FAILED
        return _Attempt.DONE

    def _add_problem(self, kind: _Kind, task: Task, error: AwsError) -> None:
        problem = scope_problem(error, self._scope)
        if kind is _Kind.TAGS and any(value and value in problem.message for value in task.changes.values()):
            keys = ", ".join(sorted(task.changes)[:_MAX_KEYS])
            problem = replace(problem, message=f"refused with a text that holds tag values; the keys are {keys}")
        if not error.error_class.status.is_denied:
            self._results.explain(problem, task.server_id)
        elif kind not in self._denied:  # it would be the same for every other server
            self._denied.add(kind)
            self._results.problems.append(problem)

    async def _settle_launch(self, task: Task) -> None:
        if not needs_copy_tags(await self._drs.launch_configuration(self._scope.region, task.server_id)):
            return
        task.copies_tags = True
        if self._dry_run:
            self._results.counts.launch_settings_planned += 1
            return
        await self._writer.copy_tags_at_launch(self._scope.region, task.server_id)
        self._results.counts.launch_settings += 1

    async def _write_tags(self, task: Task) -> None:
        if not self._dry_run:
            await self._writer.tag(self._scope.region, task.arn, task.changes)

    def _count(self, task: Task, attempt: _Attempt) -> None:
        counts = self._results.counts
        if attempt is _Attempt.GONE:
            counts.skipped += 1
        elif self._dry_run and (task.changes or task.copies_tags):
            counts.planned += 1
            self._plan(task)
        elif attempt is _Attempt.DONE and task.changes:
            counts.tagged += 1
        elif attempt is _Attempt.DONE:
            counts.unchanged += 1

    def _plan(self, task: Task) -> None:
        self._results.planned.append(
            {
                "accountId": self._scope.account_id,
                "region": self._scope.region,
                "sourceServerID": task.server_id,
                "tagKeys": sorted(task.changes),
                "copyTags": task.copies_tags,
            }
        )

    async def remember(self, present: frozenset[str] | None) -> None:
        """Write down which launch settings need nothing, if that has changed; never raises.

        Not to be called under the scope's deadline: what a slow scope has learned makes the next run faster.

        Args:
            present: ids of the servers there are; None when the listing did not come to its end.
        """
        if self._remembered is None or self._dry_run:
            return
        kept = self._remembered if present is None else self._remembered & present
        settled = (kept - self._unsettled) | self._settled
        if settled == self._remembered:
            return
        try:
            with anyio.move_on_after(_MEMORY_S):
                await self._state.settle_launches(self._scope, settled)
        except AwsError as error:
            self._results.warnings.append(scope_problem(error, self._scope))
