"""Every order of the calls of two runs over one scope: a scheduler that decides which call takes effect next."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

import anyio

from service.aws.dynamodb import decode
from service.models import Call, Scope
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.estate import REGIONS, TARGETS, Estate
from tests.simulation.fault_injection import FaultInjector, client_error
from tests.simulation.host import Host, Killed, settings
from tests.simulation.promises import Promises

__all__ = ["CHANGES", "Explored", "Scenario", "explore", "play"]

SCOPE: Final = Scope(TARGETS[1], REGIONS[0])
_STEP_S: Final = 0.25
_INTERVAL_S: Final = 900.0
_STATUS: Final = "drs_region_status_table"
_INVENTORY: Final = "source_server_inventory_table"
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_FATES: Final = ("killed", "killed, late", "lost, late")


def _leave(estate: Estate) -> None:
    estate.delete(SCOPE, min(estate.drs[SCOPE].servers))


def _join(estate: Estate) -> None:
    estate.protect(SCOPE, tags={"Name": "new"})


def _leave_all(estate: Estate) -> None:
    for each in list(estate.drs[SCOPE].servers):
        estate.delete(SCOPE, each)


def _close(estate: Estate) -> None:
    """Every server leaves, and DRS answers as if it had never been used."""
    _leave_all(estate)
    estate.drs[SCOPE].initialized = False


def _catch_up(estate: Estate) -> None:
    estate.dynamodb.index_as_of = None


CHANGES: Final[Mapping[str, Callable[[Estate], None]]] = {
    "a server leaves": _leave,
    "a server joins": _join,
    "all servers leave": _leave_all,
    "all servers leave and DRS is closed": _close,
    "the index catches up": _catch_up,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens beside the two runs.

    Args:
        changes: names of changes of the estate, in their order; each comes at any point.
        fate: what becomes of one call of the first run: its process is killed before or while the call is under way, or
            its response is lost; "late" calls take effect at any later point. Empty for nothing.
        is_known: the tables know the scope and one of its servers; otherwise they are empty.
    """

    changes: tuple[str, ...] = ()
    fate: str = ""
    is_known: bool = True


class Choice(NamedTuple):
    """One thing that may happen next: `who` does `what`, and `fate` if that is no plain call."""

    who: str
    what: str
    fate: str = ""


@dataclass(slots=True)
class _Pending:
    """A call that waits for its turn."""

    host: Host
    what: str
    turn: anyio.Event = field(default_factory=anyio.Event)
    fate: str = ""


@dataclass(slots=True)
class Explored:
    """What an exploration found: number of schedules that were played, and those that failed with the reason."""

    schedules: int = 0
    states: int = 0
    failures: dict[tuple[str, ...], str] = field(default_factory=dict)


class _Pruned(Exception):
    """The state was reached before, by another order."""


class _SteppedHost(Host):
    """A process whose calls that touch the scope wait until they are chosen."""

    world: World
    received: list[str]

    async def send_call(self, service: str, region: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        what = _touches(service, operation, params)
        if what is None:
            return await super().send_call(service, region, operation, params)
        pending = _Pending(self, f"{operation} {what}")
        self.world.pending.append(pending)
        try:
            await pending.turn.wait()
        finally:
            if pending in self.world.pending:
                self.world.pending.remove(pending)
        call = Call(service, operation, SCOPE.account_id, region)
        if pending.fate == "lost, late":
            self.world.in_flight.append((self, call, params))
            self.received.append("lost")
            raise client_error(call, "InternalServerException", status=500)
        if pending.fate:
            if pending.fate == "killed, late":
                self.world.in_flight.append((self, call, params))
            self.kill()
            raise Killed
        try:
            answer = await super().send_call(service, region, operation, params)
        except Exception as error:
            self.received.append(repr(error))
            raise
        self.received.append(repr(answer))
        return answer


def _touches(service: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """Return what of the scope a call reads or writes; None when it touches nothing that the order matters for."""
    if service == "drs" and operation == "DescribeSourceServers":
        return "servers"
    if params.get("TableName") == _STATUS:
        return "row"
    if operation == "BatchWriteItem":
        ((_, requests),) = params["RequestItems"].items()
        keys = [each["PutRequest"]["Item"].get("stagingAccountId", {"S": ""})["S"] for each in requests]
        return "items" if any(key.isdigit() for key in keys) else None
    if params.get("TableName") != _INVENTORY:
        return None
    if operation == "Query" and params.get("IndexName"):
        return "items"
    return "item" if operation == "DeleteItem" else None


class World:
    """One schedule being played.

    Args:
        loop: its clock.
        scenario: what happens beside the runs.
        prefix: the choices to make, by number; after them always the first.
        seen: states that were reached before; reaching one ends the schedule. None to play to the end.
    """

    def __init__(self, loop: VirtualLoop, scenario: Scenario, prefix: tuple[int, ...], seen: set[Any] | None) -> None:
        self.loop, self.scenario, self.prefix, self.seen = loop, scenario, prefix, seen
        self.rng = random.Random(0)
        self.estate = Estate(loop, self.rng, (SCOPE.account_id,), (SCOPE.region,))
        self.estate.dynamodb.tables["target_accounts_table"].items[SCOPE.account_id,].pop("stagingAccounts")
        self.promises = Promises()
        self.pending: list[_Pending] = []
        self.in_flight: list[tuple[Host, Call, Mapping[str, Any]]] = []
        self.changes = list(scenario.changes)
        self.fate = scenario.fate
        self.taken: list[Choice] = []
        self.branches: list[int] = []  # number of choices at each step
        self.hosts: list[_SteppedHost] = []
        self.began: list[float] = []
        self.running = 0

    def host(self, name: str, kind: type[Host] = Host) -> Any:
        chosen = settings(drs_regions=(SCOPE.region,), discovery_window_seconds=7200.0)
        host = kind(name, self.estate, FaultInjector(self.rng, latency_s=0.0), self.promises, chosen=chosen)
        return host

    async def play(self) -> str:
        """Play the schedule; return what is wrong at its end."""
        self.prepare()
        async with anyio.create_task_group() as tasks:
            for name in ("A", "B"):
                host = self.host(name, _SteppedHost)
                host.world, host.received = self, []
                self.hosts.append(host)
                tasks.start_soon(self._run, host)
            self.running = 2
            try:
                await self._choose()
            finally:
                tasks.cancel_scope.cancel()
        await anyio.sleep(_INTERVAL_S)
        host = self.host("calm")
        for _ in range(2):
            await host.run("inventory")
            await anyio.sleep(_INTERVAL_S)
        return self.verdict()

    def prepare(self) -> None:
        """Two servers: one that changed since the tables were written, unless they are empty, and a new one."""
        self.estate.protect(SCOPE, tags={"Name": "one"})
        if self.scenario.is_known:
            (server,) = self.estate.drs[SCOPE].servers
            for name, items in _tables_before().items():
                self.estate.dynamodb.tables[name].items = dict(items)
            self.estate.change(SCOPE, server, dataReplicationInfo={"dataReplicationState": "STALLED"})
        self.loop.advance(_INTERVAL_S)
        self.estate.protect(SCOPE, tags={"Name": "two"})
        self.estate.dynamodb.listener = self.promises.on_change
        if "the index catches up" in self.changes:
            self.estate.dynamodb.index_as_of = self.loop.time()

    async def _run(self, host: Host) -> None:
        try:
            with suppress(Killed):
                await host.run("inventory")
        except* Killed:
            pass
        finally:
            self.running -= 1

    async def _choose(self) -> None:
        while True:
            await anyio.sleep(_STEP_S)
            while self.running and not self.pending:
                await anyio.sleep(_STEP_S)
            choices = self.choices()
            if not choices:
                return
            number = len(self.branches)
            if number >= len(self.prefix) and self.seen is not None:
                state = self.state()
                if state in self.seen:
                    raise _Pruned
                self.seen.add(state)
            self.branches.append(len(choices))
            taken = choices[self.prefix[number] if number < len(self.prefix) else 0]
            self.taken.append(taken)
            self._take(taken)

    def choices(self) -> list[Choice]:
        calls = sorted(self.pending, key=lambda each: (each.host.name, each.what))
        plain = [Choice(each.host.name, each.what) for each in calls]
        late = [Choice("late", call.operation) for _, call, _ in self.in_flight]
        change = [Choice("estate", self.changes[0])] if self.changes else []
        fated = [
            Choice("A", each.what, self.fate)
            for each in calls
            if each.host.name == "A" and self.fate and ("late" not in self.fate or _is_write(each.what))
        ]
        return list(dict.fromkeys([*plain, *late, *change, *fated]))

    def _take(self, choice: Choice) -> None:
        if choice.who == "estate":
            CHANGES[self.changes.pop(0)](self.estate)
        elif choice.who == "late":
            host, call, params = self.in_flight.pop(0)
            host._serve("hub", call, params, late=True)
        else:
            pending = next(each for each in self.pending if (each.host.name, each.what) == (choice.who, choice.what))
            if choice.fate:
                self.fate, pending.fate = "", choice.fate
            self.pending.remove(pending)
            pending.turn.set()

    def state(self) -> int:
        """Return a hash of all that the future depends on, with times replaced by their ranks."""
        tables = self.estate.dynamodb.tables
        text = repr(
            (
                sorted(tables[_STATUS].items.items()),
                sorted(tables[_INVENTORY].items.items()),
                sorted(self.estate.drs[SCOPE].servers),
                self.estate.drs[SCOPE].initialized,
                self.changes,
                self.fate,
                [(call.operation, params) for _, call, params in self.in_flight],
                [(host.name, host.dead, sorted(host.received)) for host in self.hosts],
                sorted((each.host.name, each.what) for each in self.pending),
                self.running,
            )
        )
        ranks = {stamp: f"t{rank}" for rank, stamp in enumerate(sorted(set(_TIMESTAMP.findall(text))))}
        return hash(_TIMESTAMP.sub(lambda match: ranks[match[0]], text))

    def verdict(self) -> str:
        items = self.estate.dynamodb.tables[_INVENTORY].items
        stored = {key[0] for key in items if key[1].isdigit()}
        servers = {record["arn"] for record in self.estate.drs[SCOPE].servers.values()}
        wrong = [f"ghost {arn[-4:]}" for arn in sorted(stored - servers)]
        wrong += [f"lost {arn[-4:]}" for arn in sorted(servers - stored)]
        row = decode(self.estate.dynamodb.tables[_STATUS].items.get((SCOPE.region,), {}))
        count = row.get("accounts", {}).get(SCOPE.account_id, {}).get("serverCount")
        if (count, row.get("serverCount")) != (len(servers), len(servers)):
            wrong.append(f"count {count}/{row.get('serverCount')} of {len(servers)}")
        return ", ".join([*wrong, *dict.fromkeys(self.promises.broken)])


def _is_write(what: str) -> bool:
    return what.split(maxsplit=1)[0] in {"BatchWriteItem", "DeleteItem", "UpdateItem"}


@cache
def _tables_before() -> Mapping[str, Mapping[tuple[str, ...], Any]]:
    """Return the items of the tables as a run left them that saw the first server."""

    async def work(loop: VirtualLoop) -> Estate:
        world = World(loop, Scenario(is_known=False), (), None)
        world.estate.protect(SCOPE, tags={"Name": "one"})
        await world.host("before").run("inventory")
        return world.estate

    return {name: table.items for name, table in run(work).dynamodb.tables.items()}


def play(scenario: Scenario, prefix: tuple[int, ...], seen: set[Any] | None = None) -> tuple[World, str | None]:
    """Play one schedule; return it, and what is wrong at its end; None when it was pruned."""
    _tables_before()  # not within another loop
    worlds: list[World] = []

    async def work(loop: VirtualLoop) -> str | None:
        worlds.append(World(loop, scenario, prefix, seen))
        result = None
        try:
            result = await worlds[0].play()
        except* _Pruned:
            pass
        return result

    result = run(work)
    return worlds[0], result


def explore(scenario: Scenario) -> Explored:
    """Play every order of a scenario, except orders that lead to a state that another order led to."""
    explored, seen, stack = Explored(), set[Any](), [()]
    while stack:
        prefix = stack.pop()
        world, wrong = play(scenario, prefix, seen)
        explored.schedules += 1
        for step in range(len(prefix), len(world.branches)):
            taken = tuple(prefix) + (0,) * (step - len(prefix))
            stack += [(*taken, each) for each in range(1, world.branches[step])]
        if wrong:
            explored.failures[tuple("/".join(filter(None, each)) for each in world.taken)] = wrong
    explored.states = len(seen)
    return explored
