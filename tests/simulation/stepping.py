"""Calls of two runs that wait for their turn, so that a schedule decides which of them takes effect next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import anyio

from service.models import Call
from tests.simulation.aws import SimulatedAws
from tests.simulation.fault_injection import FaultInjector, client_error
from tests.simulation.host import Host, Killed, settings
from tests.simulation.promises import Promises

__all__ = ["FATES", "INVENTORY", "STATUS", "Choice", "Late", "Pending", "SteppedHost", "are_independent", "ranked"]

STATUS: Final = "drs_region_status_table"
INVENTORY: Final = "source_server_inventory_table"
FATES: Final = ("killed", "killed, late", "lost, late")
"""What may become of a call: its process is killed before it is sent; or while it is under way, and it takes effect at
any later point; or its response is lost, so that it is repeated, and it takes effect at any later point as well."""
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_WRITES: Final = ("BatchWriteItem", "DeleteItem", "UpdateItem")


class Choice(NamedTuple):
    """One thing that may happen next: `who` (a run, a late call, or AWS itself) does `what`, with its fate if any."""

    who: str
    what: str
    fate: str = ""

    @property
    def is_write(self) -> bool:
        """Whether it is a write of a table."""
        return self.what.startswith(_WRITES)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.who, self.what, f"({self.fate})" if self.fate else "")))


@dataclass(slots=True, eq=False)
class Pending:
    """A call that waits for its turn."""

    who: str
    what: str
    turn: anyio.Event = field(default_factory=anyio.Event)
    fate: str = ""


class Late(NamedTuple):
    """A call whose sender is gone or has given up; it takes effect later."""

    who: str
    call: Call
    params: Mapping[str, Any]
    arrive: Callable[[], object]


class SteppedHost(Host):
    """Process whose calls that touch the scope wait for their turn.

    Attributes:
        received: the responses so far.
        pending: the calls that wait.
        late: the calls that are under way for too long.
    """

    def __init__(self, name: str, aws: SimulatedAws, promises: Promises, *, window_s: float) -> None:
        chosen = settings(drs_regions=aws.regions, discovery_window_seconds=window_s)
        super().__init__(name, aws, FaultInjector(aws.rng, latency_s=0.0), promises, chosen=chosen)
        self.received: list[str] = []
        self.pending: list[Pending] = []
        self.late: list[Late] = []

    async def send_call(self, service: str, region: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        what = _touches(service, operation, params)
        if what is None:
            return await super().send_call(service, region, operation, params)
        waiting = Pending(self.name, what)
        self.pending.append(waiting)
        try:
            await waiting.turn.wait()
        finally:
            self.pending.remove(waiting)
        if waiting.fate.endswith("late"):
            call = Call(service, operation, "hub", region)
            arrive = lambda: self._serve("hub", call, params, late=True)  # noqa: E731 - the hub's own key
            self.late.append(Late(self.name, call, params, arrive))
        if waiting.fate.startswith("killed"):
            self.kill()
            raise Killed
        if waiting.fate:
            self.received.append(f"{what}: lost")
            raise client_error(Call(service, operation, "hub", region), "InternalServerException", status=500)
        try:
            answer = await super().send_call(service, region, operation, params)
        except Exception as error:
            self.received.append(f"{what}: {error!r}")
            raise
        self.received.append(f"{what}: {answer!r}")
        return answer


def _touches(service: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """Name a call by what it does to the scope; None when it touches nothing that the order matters for."""
    table = params.get("TableName")
    if service == "drs" and operation == "DescribeSourceServers":
        return f"{operation} {params.get('nextToken', '')}".rstrip()
    if table == STATUS:
        return f"{operation} row"
    if operation == "BatchWriteItem":
        ((name, requests),) = params["RequestItems"].items()
        keys = [each["PutRequest"]["Item"].get("stagingAccountId", {"S": ""})["S"] for each in requests]
        return f"{operation} items" if name == INVENTORY and all(key.isdigit() for key in keys) else None
    if table == INVENTORY and operation == "Query" and params.get("IndexName") == "ReplicationRegionIndex":
        return f"{operation} items"
    if table == INVENTORY and operation == "DeleteItem":
        return f"{operation} item {params['Key']['sourceServerArn']['S'][-4:]}"
    return None


def are_independent(one: Choice, other: Choice) -> bool:
    """Whether two things have the same effect in either order.

    Those of one run never are. Of two runs, those are that concern different tables, and two reads. The first read of a
    row counts as a write, because it is when a run begins, and rows are merged by that time.
    """
    if one.who == other.who:
        return False
    first, second = _subject(one), _subject(other)
    is_change = one.is_write or other.is_write or "aws" in {one.who, other.who} or one.what == other.what == "Scan row"
    return not first & second or not is_change


def _subject(choice: Choice) -> frozenset[str]:
    """Return what a choice reads or writes; a killed run touches nothing, but its call may be late."""
    if choice.who == "aws":
        return frozenset({"servers", "items"} if "index" in choice.what else {"servers"})
    if choice.what.startswith("DescribeSourceServers"):
        return frozenset({"servers"})
    return frozenset({"row"} if choice.what.endswith("row") else {"items"})


def ranked(text: str) -> str:
    """Replace each time in a text by its rank: what happens later does not depend on how much time has passed."""
    ranks = {stamp: f"t{rank}" for rank, stamp in enumerate(sorted(set(_TIMESTAMP.findall(text))))}
    return _TIMESTAMP.sub(lambda match: ranks[match[0]], text)
