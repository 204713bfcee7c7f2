"""Race: servers leave DRS while a run writes their items, and another run begins."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from service.models import Call, Scope
from tests.simulation.fault_injection import FAULT_KINDS, Fault

__all__ = ["Race", "written_scope"]

_WRITTEN_S: Final = 2.0  # by then the write has taken effect, unless it is late


@dataclass(slots=True)
class Race:
    """The first write of inventory items, at which all servers of its scope leave.

    Chance alone hardly ever makes three things meet: a write, its servers leaving, and a run in between.

    Args:
        rng: source of randomness.
        empty: has all servers of a scope leave, now or in so many seconds.
        has_begun: set at the write.
    """

    rng: random.Random
    empty: Callable[[Scope, float], None]
    has_begun: anyio.Event = field(default_factory=anyio.Event)

    def intercept(self, call: Call, params: Mapping[str, Any]) -> Fault | None:
        """Begin at the first write; half of the time that write hangs, and may arrive late."""
        scope = written_scope(call, params)
        if scope is None or self.has_begun.is_set():
            return None
        self.has_begun.set()
        if self.rng.random() < 0.5:
            self.empty(scope, 0.0)
            return FAULT_KINDS["hang"]
        self.empty(scope, _WRITTEN_S * self.rng.random())
        return None


def written_scope(call: Call, params: Mapping[str, Any]) -> Scope | None:
    """Return the scope whose inventory items a call writes; None when it writes none."""
    if call.operation != "BatchWriteItem":
        return None
    ((_, requests),) = params["RequestItems"].items()
    for request in requests:
        item = request.get("PutRequest", {}).get("Item", {})
        if item.get("stagingAccountId", {"S": ""})["S"].isdigit():
            return Scope(*reversed(item["sourceServerArn"]["S"].split(":")[3:5]))
    return None
