"""Items of the topology table that hold the moving values of a scope, in parts, and its summary. Pure.

Each part holds the servers whose short hash falls to it, and says when its scan began, so parts can be written and
read one by one: where two scans mix, each server has the values of one of them, with that scan's time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from service.aws.dynamodb import Item
from service.inventory.moving_values import MovingValues
from service.inventory.values_codec import decode_values, encode_values
from service.models import Scope, iso, parse_iso

__all__ = [
    "MAX_PARTS",
    "SCANNED_AT",
    "SERVERS_PER_PART",
    "ScopeValues",
    "events_key",
    "part_count",
    "part_key",
    "parts_of",
    "values_of",
]

SERVERS_PER_PART: Final = 4000
"""Servers for which one part is enough: 100 KB at most, a quarter of DynamoDB's limit for an item."""
MAX_PARTS: Final = 100
"""No scope has more servers than so many parts hold; an item that says otherwise is damaged."""
SCANNED_AT: Final = "scannedAt"


def part_key(scope: Scope, part: int) -> dict[str, str]:
    """Return the key of a part of a scope's moving values."""
    return {"pk": f"scope#{scope.account_id}#{scope.region}", "sk": f"values#{part}"}


def events_key(scope: Scope) -> dict[str, str]:
    """Return the key of the item that says what was announced of a scope."""
    return {"pk": f"scope#{scope.account_id}#{scope.region}", "sk": "events"}


def parts_of(
    scope: Scope, values: Mapping[bytes, MovingValues], summary: Mapping[str, Any], *, scanned_at: datetime
) -> list[Item]:
    """Build the items of a scope, of which the last one is part 0: it says how many there are, so it is written last.

    Args:
        scope: the account and region.
        values: the values of each server, by short hash.
        summary: what part 0 says of the scope as a whole.
        scanned_at: when the scan began.
    """
    count = min(MAX_PARTS, max(1, -(-len(values) // SERVERS_PER_PART)))
    divided: list[dict[bytes, MovingValues]] = [{} for _ in range(count)]
    for key, each in values.items():
        divided[int.from_bytes(key, "big") % count][key] = each
    base_s = int(scanned_at.timestamp())
    items: list[Item] = [
        {
            **part_key(scope, part),
            SCANNED_AT: iso(scanned_at),
            "parts": count,
            "servers": len(held),
            "values": encode_values(held, base_s=base_s),
        }
        for part, held in enumerate(divided)
    ]
    items[0]["summary"] = dict(summary)
    return items[::-1]


@dataclass(frozen=True, slots=True)
class ScopeValues:
    """The moving values of a scope as they are stored.

    Attributes:
        by_key: the values of each server and when their scan began, by short hash.
        summary: the summary of the scope; None when it has none.
        damaged: how many of its parts are not what a sync writes.
    """

    by_key: Mapping[bytes, tuple[MovingValues, datetime]] = field(default_factory=dict)
    summary: Mapping[str, Any] | None = None
    damaged: int = 0


def part_count(item: Mapping[str, Any]) -> int:
    """Return how many parts a scope has, as one of them says; 0 where it does not say so."""
    count = item.get("parts")
    return count if type(count) is int and 0 < count <= MAX_PARTS else 0


def values_of(items: Sequence[Mapping[str, Any]]) -> ScopeValues:
    """Read the stored parts of one scope, in any order; a damaged part counts as missing. Never raises.

    A server that two parts hold, which happens while their number changes, has the values of the newer scan.
    """
    parts: list[tuple[datetime, Mapping[bytes, MovingValues]]] = []
    summary: Mapping[str, Any] | None = None
    damaged = 0
    for item in items:
        scanned_at, held = parse_iso(item.get(SCANNED_AT)), decode_values(item.get("values"))
        if scanned_at is None or held is None or not part_count(item):
            damaged += 1
            continue
        if isinstance(item.get("summary"), Mapping):
            summary = item["summary"]
        parts.append((scanned_at, held))
    return ScopeValues(_Newest(parts), summary, damaged)


class _Newest(Mapping[bytes, tuple[MovingValues, datetime]]):
    """The values of each server in the newest part that holds it, and when that part's scan began."""

    def __init__(self, parts: Sequence[tuple[datetime, Mapping[bytes, MovingValues]]]) -> None:
        self._parts = sorted(parts, key=itemgetter(0), reverse=True)

    def __getitem__(self, key: bytes) -> tuple[MovingValues, datetime]:
        for scanned_at, held in self._parts:
            if key in held:
                return held[key], scanned_at
        raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        return iter({key for _, held in self._parts for key in held})

    def __len__(self) -> int:
        return len({key for _, held in self._parts for key in held})
