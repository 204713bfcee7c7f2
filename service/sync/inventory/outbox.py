"""Outbox: announces each change once, whatever crashes and however many runs there are.

What was announced, and the events that are still to be sent, are one item, written under a condition. Only the run that
wrote the events sends them; if it ends before it could say so, a later run sends them again, with the same ids.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import anyio

from service.aws.dynamodb_write import Table
from service.aws.eventbridge import EventBus
from service.estate.changes import Change
from service.estate.events import event_of
from service.models import Now, Scope, iso, parse_iso
from service.sync.engine.sync import Deps

__all__ = ["Announcer", "Compare", "Outbox", "announcer_of"]

_PER_CALL: Final = 10  # PutEvents' own limit
_ROUNDS: Final = 4
_BACKOFF_S: Final = 0.2
_CLAIM_S: Final = 60.0  # beyond the longest time that a run may still be sending

Compare = Callable[[Mapping[str, Any]], tuple[Sequence[Change], Mapping[str, Any]]]
"""Compares what an item says was announced with what is; returns the changes, and the attributes to keep."""


class Announcer:
    """What every outbox of a run works with.

    Args:
        table: the topology table.
        bus: the event bus.
        now: the wall clock.
        installation: names of the project and the environment.
        sending_s: for how long a run may be busy sending what it has claimed.
    """

    def __init__(
        self, table: Table, bus: EventBus, now: Now, *, installation: Mapping[str, str], sending_s: float
    ) -> None:
        self.table = table
        self.bus = bus
        self.now = now
        self.installation = installation
        self.claim = timedelta(seconds=sending_s + _CLAIM_S)

    async def send(self, events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Put events on the bus, ten at a time, those that were not accepted again; return what is left.

        Raises:
            AwsError: a call failed; how much was sent is then unknown.
        """
        left = list(events)
        for attempt in range(_ROUNDS):
            if attempt:
                await anyio.sleep(random.uniform(0, _BACKOFF_S * 2**attempt))  # noqa: S311 - jitter, not a secret
            refused: list[Mapping[str, Any]] = []
            for start in range(0, len(left), _PER_CALL):
                batch = left[start : start + _PER_CALL]
                refused += [batch[position] for position in await self.bus.put(batch)]
            left = refused
            if not left:
                break
        return left


def announcer_of(deps: Deps) -> Announcer | None:
    """Return what announces changes; None without EVENT_BUS_NAME or SOURCE_SERVER_TOPOLOGY_TABLE."""
    settings = deps.settings
    if not (settings.event_bus_name and settings.source_server_topology_table):
        return None
    return Announcer(
        deps.table(settings.source_server_topology_table),
        EventBus(deps.aws_client.hub(), settings.event_bus_name, deps.aws_client.hub_region),
        deps.now,
        installation={"project": settings.project_name, "environment": settings.environment},
        sending_s=settings.scope_deadline_seconds,
    )


class Outbox:
    """The outbox of one scope, or of the estate as a whole.

    Args:
        announcer: what it works with.
        key: of its item.
        scope: where its changes are; None for those of the estate as a whole.
    """

    def __init__(self, announcer: Announcer, key: Mapping[str, str], scope: Scope | None) -> None:
        self._announcer = announcer
        self._key = dict(key)
        self._scope = scope

    async def announce(self, compare: Compare) -> int:
        """Announce what has changed since it was announced last; return how many events were sent.

        Events that an earlier run left are sent first. While another run is sending, nothing is done: the next run
        finds the same changes.

        Raises:
            AwsError: the item could not be read or written, or the bus does not accept events. What was not sent stays
                in the item.
        """
        item: Mapping[str, Any] = await self._announcer.table.get(self._key) or {}
        sent = 0
        if item.get("pending"):
            if self._is_claimed(item):
                return 0
            claimed = await self._write(item, {"pending": item["pending"]})
            if claimed is None:
                return 0
            sent, item = await self._send(claimed)
            if item.get("pending"):
                return sent
        changes, attributes = compare(item)
        events = [self._event(change) for change in changes]
        if not events and all(item.get(name) == value for name, value in attributes.items()):
            return sent
        claimed = await self._write(item, {**attributes, "pending": events})
        if claimed is None:
            return sent
        return sent + (await self._send(claimed))[0]

    def _event(self, change: Change) -> dict[str, Any]:
        now, installation = self._announcer.now(), self._announcer.installation
        return event_of(change, self._scope, uuid4().hex, now, installation)

    def _is_claimed(self, item: Mapping[str, Any]) -> bool:
        """Whether a run may still be sending. A claim that ends later than any can is that of a wrong clock."""
        until, now = parse_iso(item.get("claimedUntil")), self._announcer.now()
        return until is not None and now < until <= now + 2 * self._announcer.claim

    async def _send(self, item: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """Send what is pending in an item that this run has claimed; return how much was, and the item then."""
        pending = item["pending"]
        if not pending:
            return 0, item
        left = await self._announcer.send(pending)
        written = await self._write(item, {"pending": left}, claims=False)
        return len(pending) - len(left), written or {**item, "pending": left}

    async def _write(
        self, item: Mapping[str, Any], attributes: Mapping[str, Any], *, claims: bool = True
    ) -> Mapping[str, Any] | None:
        """Write the item if it is as it was read; return it as written, None if another run wrote it meanwhile."""
        version = item.get("version")
        known = version if isinstance(version, int) else 0
        until = iso(self._announcer.now() + self._announcer.claim) if claims and attributes["pending"] else ""
        written = {**item, **attributes, **self._key, "version": known + 1, "claimedUntil": until}
        is_same = "#version = :read" if isinstance(version, int) else "attribute_not_exists( #version )"
        values = {"read": version} if isinstance(version, int) else {}
        return written if await self._announcer.table.put_if(written, is_same, values) else None
