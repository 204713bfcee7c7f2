"""Every order of the calls of two runs over one scope, with late calls, kills and changes of DRS at any point.

The runs are played again from the beginning for each schedule. A schedule ends early where it reaches a state that
another one reached, and orders that differ only in calls that do not concern each other are played once (sleep sets,
see Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import anyio

from service.aws.attribute_values import decode
from service.context import SyncRequest
from service.models import Scope
from tests.simulation.aws import REGIONS, TARGETS, SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.host import Host, Killed, settings
from tests.simulation.promises import Promises
from tests.simulation.stepping import INVENTORY, STATUS, Choice, Pending, SteppedHost, are_independent, ranked

__all__ = ["CHANGES", "STARTS", "Explored", "Scenario", "explore", "play"]

_SCOPE: Final = Scope(TARGETS[1], REGIONS[0])
_STEP_S: Final = 0.25
_INTERVAL_S: Final = 900.0
_WINDOW_S: Final = 7200.0  # the default: two runs without faults discover nothing by themselves
STARTS: Final = ("active", "idle", "empty tables")
_Schedule = tuple[Choice, ...]
_Sleep = frozenset[Choice]


def _leave(aws: SimulatedAws) -> None:
    aws.delete(_SCOPE, min(aws.drs[_SCOPE].servers))


def _join(aws: SimulatedAws) -> None:
    aws.protect(_SCOPE, tags={"Name": "new"})


def _leave_all(aws: SimulatedAws) -> None:
    for each in list(aws.drs[_SCOPE].servers):
        aws.delete(_SCOPE, each)


def _close(aws: SimulatedAws) -> None:
    _leave_all(aws)
    aws.drs[_SCOPE].initialized = False


def _index_catches_up(aws: SimulatedAws) -> None:
    aws.dynamodb.index_as_of = None


CHANGES: Final[Mapping[str, Callable[[SimulatedAws], None]]] = {
    "a server leaves": _leave,
    "a server joins": _join,
    "all leave": _leave_all,
    "all leave, DRS is not initialized": _close,
    "the index catches up": _index_catches_up,
}
"""Changes by their name. Until the index catches up, it shows what it showed when the runs began."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens beside the two runs.

    Args:
        start: what the tables say before: the scope has one of its two servers, or none, or there is no row at all.
        changes: names of changes, in their order; each comes at any point.
        fate: one of FATES, of one call of the first run; empty for none.
    """

    start: str
    changes: tuple[str, ...] = ()
    fate: str = ""


@dataclass(slots=True)
class Explored:
    """What an exploration found: numbers of schedules and states, and what was wrong after which schedules."""

    schedules: int = 0
    states: int = 0
    failures: dict[str, str] = field(default_factory=dict)


class _PrunedError(Exception):
    """What follows was or will be played by another schedule."""


class _Played:
    """One schedule being played.

    Attributes:
        taken: what has happened.
        alternatives: other schedules to play, each with what need not be tried first in it.
    """

    def __init__(self, loop: VirtualLoop, scenario: Scenario) -> None:
        self.loop, self.scenario = loop, scenario
        rng = random.Random(0)  # noqa: S311 - not a secret
        self.aws = SimulatedAws(loop, rng, (_SCOPE.account_id,), (_SCOPE.region,), staging_of={})
        self.promises = Promises()
        self.taken: list[Choice] = []
        self.alternatives: list[tuple[_Schedule, _Sleep]] = []
        self._changes, self._fate = list(scenario.changes), scenario.fate
        self._running = 0
        self._hosts: list[SteppedHost] = []
        self._request = SyncRequest(full_scan=scenario.start == "idle")

    async def play(self, schedule: _Schedule, sleep: _Sleep, seen: dict[int, _Sleep]) -> str:
        """Play a schedule to its end, then two runs without faults; return what is wrong then, empty for nothing.

        Raises:
            _PrunedError: in an exception group; the end need not be reached.
        """
        self._prepare()
        async with anyio.create_task_group() as tasks:
            for name in ("A", "B"):
                host = SteppedHost(name, self.aws, self.promises, window_s=_WINDOW_S)
                self._hosts.append(host)
                tasks.start_soon(self._run, host)
            self._running = 2
            await self._choose(schedule, sleep, seen)
            tasks.cancel_scope.cancel()
        calm = self.calm()
        for _ in range(2):
            await anyio.sleep(_INTERVAL_S)
            await calm.run("inventory")
        return self._wrong()

    def calm(self) -> Host:
        """Return a new process without faults."""
        chosen = settings(drs_regions=self.aws.regions, discovery_window_seconds=_WINDOW_S)
        return Host("calm", self.aws, FaultInjector(self.aws.rng, latency_s=0.0), self.promises, chosen=chosen)

    def _prepare(self) -> None:
        """Bring tables and DRS into their state before: the known server, if any, has changed; the others are new."""
        if self.scenario.start != "idle":
            self.aws.protect(_SCOPE, tags={"Name": "one"})
        if self.scenario.start != "empty tables":
            for name, items in _tables_before(self.scenario.start).items():
                self.aws.dynamodb.tables[name].items = dict(items)
        self.loop.advance(_INTERVAL_S)
        for server in self.aws.drs[_SCOPE].servers:
            self.aws.change(_SCOPE, server, dataReplicationInfo={"dataReplicationState": "STALLED"})
        while len(self.aws.drs[_SCOPE].servers) < 2:
            self.aws.protect(_SCOPE, tags={"Name": "two"})
        self.aws.dynamodb.listener, self.promises.tables = self.promises.on_change, self.aws.dynamodb.tables
        if "the index catches up" in self._changes:
            self.aws.dynamodb.index_as_of = self.loop.time()

    async def _run(self, host: SteppedHost) -> None:
        try:
            await host.run("inventory", self._request)
        except* Killed:
            pass
        finally:
            self._running -= 1

    @property
    def _pending(self) -> list[Pending]:
        return [call for host in self._hosts for call in host.pending]

    async def _choose(self, schedule: _Schedule, sleep: _Sleep, seen: dict[int, _Sleep]) -> None:
        """Have one thing happen after the other until nothing is left, and note the alternatives to each."""
        while choices := await self._choices():
            if len(self.taken) < len(schedule):
                chosen = schedule[len(self.taken)]
            else:
                chosen, sleep = self._branch(choices, sleep, seen)
            self.taken.append(chosen)
            self._take(chosen)

    def _branch(self, choices: Collection[Choice], sleep: _Sleep, seen: dict[int, _Sleep]) -> tuple[Choice, _Sleep]:
        """Choose in a state, and note the alternatives; return the choice, and what need not be tried after it."""
        state = self._state()
        skipped = seen.get(state)
        seen[state] = sleep if skipped is None else skipped & sleep
        todo = [each for each in choices if each not in sleep and (skipped is None or each in skipped)]
        if not todo:
            raise _PrunedError
        after = [
            frozenset(other for other in (*sleep, *todo[:number]) if are_independent(each, other))
            for number, each in enumerate(todo)
        ]
        taken = tuple(self.taken)
        self.alternatives += [((*taken, each), after[number + 1]) for number, each in enumerate(todo[1:])]
        return todo[0], after[0]

    async def _choices(self) -> list[Choice]:
        """Return what may happen next, once every run waits for its turn; empty at the end."""
        await anyio.sleep(_STEP_S)
        while self._running and not self._pending:  # noqa: ASYNC110 - a run backs off
            await anyio.sleep(_STEP_S)
        calls = sorted({Choice(each.who, each.what) for each in self._pending})
        if self.taken and self.taken[-1].what == "GetItem row":
            update = Choice(self.taken[-1].who, "UpdateItem row")
            if update in calls:  # one step: if another write came in between, both would be repeated
                return [update, *self._fated([update])]
        late = [Choice("late", f"{each.call.operation} of {each.who}") for each in self._hosts[0].late]
        change = [Choice("aws", each) for each in self._changes[:1]]
        return [*calls, *late, *change, *self._fated(calls)]

    def _fated(self, calls: Sequence[Choice]) -> list[Choice]:
        """Return the calls that the fate may still befall; only a write has an effect that may be late."""
        is_late = self._fate.endswith("late")
        mine = [each for each in calls if self._fate and each.who == "A" and (each.is_write or not is_late)]
        return [each._replace(fate=self._fate) for each in mine]

    def _take(self, choice: Choice) -> None:
        if choice.who == "aws":
            CHANGES[self._changes.pop(0)](self.aws)
        elif choice.who == "late":
            self._hosts[0].late.pop().arrive()
        else:
            call = next(each for each in self._pending if (each.who, each.what) == (choice.who, choice.what))
            if choice.fate:
                call.fate, self._fate = self._fate, ""
            call.turn.set()

    def _state(self) -> int:
        """Return a hash of all that the future depends on."""
        tables, drs = self.aws.dynamodb.tables, self.aws.drs[_SCOPE]
        return hash(
            ranked(
                repr(
                    (
                        sorted(tables[STATUS].items.items()),
                        sorted(tables[INVENTORY].items.items()),
                        (sorted(drs.servers), drs.initialized, self._changes, self._fate),
                        [(each.who, each.call, each.params) for each in self._hosts[0].late],
                        [(host.dead, sorted(host.received)) for host in self._hosts],
                        sorted((each.who, each.what) for each in self._pending),
                        self._running,
                    )
                )
            )
        )

    def _wrong(self) -> str:
        items = self.aws.dynamodb.tables[INVENTORY].items
        stored = {key[0] for key in items if key[1].isdigit()}
        servers = {record["arn"] for record in self.aws.drs[_SCOPE].servers.values()}
        row = decode(self.aws.dynamodb.tables[STATUS].items.get((_SCOPE.region,), {}))
        count = row.get("accounts", {}).get(_SCOPE.account_id, {}).get("serverCount")
        wrong = [f"item of {arn[-4:]}, which has left" for arn in sorted(stored - servers)]
        wrong += [f"no item of {arn[-4:]}" for arn in sorted(servers - stored)]
        if (count, row.get("serverCount")) != (len(servers), len(servers)):
            wrong.append(f"counts {count} of {len(servers)}")
        return "; ".join([*wrong, *dict.fromkeys(self.promises.broken)])


@cache
def _tables_before(start: str) -> Mapping[str, Mapping[tuple[str, ...], Any]]:
    """Return the items of the tables after a run that saw the first server, or none."""

    async def work(loop: VirtualLoop) -> SimulatedAws:
        played = _Played(loop, Scenario("empty tables"))
        if start == "active":
            played.aws.protect(_SCOPE, tags={"Name": "one"})
        await played.calm().run("inventory")
        return played.aws

    return {name: table.items for name, table in run(work).dynamodb.tables.items()}


def play(
    scenario: Scenario, schedule: _Schedule = (), sleep: _Sleep = frozenset(), seen: dict[int, _Sleep] | None = None
) -> tuple[_Played, str | None]:
    """Play one schedule; return it, and what is wrong at its end; None when others play what follows."""
    started: list[_Played] = []
    _tables_before("active"), _tables_before("idle")  # not within the loop of the schedule

    async def work(loop: VirtualLoop) -> str | None:
        started.append(_Played(loop, scenario))
        wrong = None
        try:
            wrong = await started[0].play(schedule, sleep, {} if seen is None else seen)
        except* _PrunedError:
            pass
        return wrong

    wrong = run(work)
    return started[0], wrong


def explore(scenario: Scenario) -> Explored:
    """Play every order of a scenario."""
    explored, seen = Explored(), dict[int, _Sleep]()
    todo: list[tuple[_Schedule, _Sleep]] = [((), frozenset())]
    while todo:
        played, wrong = play(scenario, *todo.pop(), seen)
        todo += played.alternatives
        explored.schedules += 1
        if wrong:
            explored.failures[" / ".join(map(str, played.taken))] = wrong
    explored.states = len(seen)
    return explored
