"""Outbox: announces each change once, whatever crashes and however many runs there are.

What was announced, and the events that are still to be sent, are one item, written under a condition. Only the run that
wrote the events sends them; if it ends before it could say so, a later run sends them again, with the same ids.

An event that EventBridge refuses holds up no other: later runs put it again, for a day.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import uuid4

import anyio

from service.aws.dynamodb_write import Table
from service.aws.eventbridge import EventBus
from service.errors import AwsError
from service.estate.changes import Change
from service.estate.events import event_of, found_at
from service.models import Now, Problem, RegionStatus, Scope, iso, parse_iso
from service.sync.engine.sync import Deps

__all__ = ["Announced", "Announcer", "Compare", "Outbox", "announcer_of"]

_PER_CALL: Final = 10  # PutEvents' own limit
_ROUNDS: Final = 4
_BACKOFF_S: Final = 0.2
_CLAIM_S: Final = 60.0  # beyond the longest time that a run may still be sending
_KEPT: Final = timedelta(days=1)  # how long an event is put again that EventBridge refuses by itself
_MAX_LEFT_BYTES: Final = 100_000  # of events that were refused: above that, the item has no room for more changes
_INVALID: Final = frozenset({"ValidationException", "RequestEntityTooLargeException"})
_REFUSED_FIX: Final = (
    "look the code up in the documentation of PutEvents; check the policy and the quotas of the event bus. Later runs"
    " put each of them again, for a day"
)
AS_OF: Final = "asOf"
"""Attribute of an item: from when on what was announced last was read."""

Compare = Callable[[Mapping[str, Any]], tuple[Sequence[Change], Mapping[str, Any]]]
"""Compares what an item says was announced with what is; returns the changes, and the attributes to keep."""


class Sending(NamedTuple):
    """What came of sending events.

    Attributes:
        left: the events that were not accepted, or of which that is unknown.
        refusals: the error codes with which EventBridge refused them.
        error: why sending broke off; None if it did not.
    """

    left: Sequence[Mapping[str, Any]]
    refusals: Sequence[str] = ()
    error: AwsError | None = None


class Announced(NamedTuple):
    """What came of announcing changes.

    Attributes:
        problems: why events were not sent.
        is_unsent: events are kept that a later run has to send.
    """

    problems: Sequence[Problem] = ()
    is_unsent: bool = False


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

    async def send(self, events: Sequence[Mapping[str, Any]]) -> Sending:
        """Put events on the bus, ten at a time, those that were not accepted again."""
        left, refusals = list(events), list[str]()
        for attempt in range(_ROUNDS):
            if attempt:
                await anyio.sleep(random.uniform(0, _BACKOFF_S * 2**attempt))  # noqa: S311 - jitter, not a secret
            refused: list[Mapping[str, Any]] = []
            refusals = []
            for start in range(0, len(left), _PER_CALL):
                batch = left[start : start + _PER_CALL]
                try:
                    found = await self._put(batch)
                except AwsError as error:
                    return Sending([*refused, *left[start:]], error=error)
                refused += [batch[position] for position in found]
                refusals += found.values()
            left = refused
            if not left:
                break
        return Sending(left, tuple(sorted(set(refusals))))

    async def _put(self, batch: Sequence[Mapping[str, Any]]) -> Mapping[int, str]:
        """Put a batch; where EventBridge rejects the request as such, put each event alone to find the one that it is.

        Raises:
            AwsError: the call failed.
        """
        try:
            return await self.bus.put(batch)
        except AwsError as error:
            if error.code not in _INVALID:
                raise
            if len(batch) == 1:
                return {0: error.code}
        return {position: why for position, event in enumerate(batch) for why in (await self._put([event])).values()}


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

    async def announce(self, compare: Compare, *, as_of: datetime) -> Announced:
        """Announce what has changed since it was announced last, and send what an earlier run left.

        While another run is sending, nothing is done, and nothing is compared that is older than what was announced:
        the next run finds the same changes.

        Args:
            compare: compares what is with what was announced.
            as_of: from when on what is compared was read.

        Raises:
            AwsError: the item could not be read or written, or the bus does not accept events. What was not sent stays
                in the item.
        """
        item: Mapping[str, Any] = await self._announcer.table.get(self._key) or {}
        pending: Sequence[Mapping[str, Any]] = item.get("pending") or ()
        if pending and self._is_claimed(item):
            return Announced(is_unsent=True)
        attributes: Mapping[str, Any] = {}
        events: list[Mapping[str, Any]] = [*pending]
        if not self._is_newer(item, as_of) and len(json.dumps(pending)) <= _MAX_LEFT_BYTES:
            changes, attributes = compare(item)
            events += map(self._event, changes)
        if not events and all(item.get(name) == value for name, value in attributes.items()):
            return Announced()
        stamp = {AS_OF: iso(as_of)} if attributes else {}
        claimed = await self._write(item, {**attributes, **stamp, "pending": events})
        return Announced(is_unsent=bool(pending)) if claimed is None else await self._send(claimed)

    def _event(self, change: Change) -> dict[str, Any]:
        now, installation = self._announcer.now(), self._announcer.installation
        return event_of(change, self._scope, uuid4().hex, now, installation)

    def _is_claimed(self, item: Mapping[str, Any]) -> bool:
        """Whether a run may still be sending. A claim that ends later than any can is that of a wrong clock."""
        until, now = parse_iso(item.get("claimedUntil")), self._announcer.now()
        return until is not None and now < until <= now + 2 * self._announcer.claim

    def _is_newer(self, item: Mapping[str, Any], as_of: datetime) -> bool:
        """Whether a later look was announced already. One of a time that has not come yet is that of a wrong clock."""
        announced = parse_iso(item.get(AS_OF))
        return announced is not None and as_of < announced <= self._announcer.now() + self._announcer.claim

    async def _send(self, item: Mapping[str, Any]) -> Announced:
        """Send what is pending in an item that this run has claimed.

        Raises:
            AwsError: the bus does not accept events, or the item could not be written.
        """
        if not item["pending"]:
            return Announced()
        sending = await self._announcer.send(item["pending"])
        left = list(sending.left)
        problems: list[Problem] = []
        if sending.refusals:
            left = [event for event in left if found_at(event) > self._announcer.now() - _KEPT]
            problems.append(self._refusal(sending, lost=len(sending.left) - len(left)))
        await self._write(item, {"pending": left}, claims=False)
        if sending.error is not None:
            raise sending.error
        return Announced(problems, is_unsent=bool(left))

    def _refusal(self, sending: Sending, lost: int) -> Problem:
        codes, count = ", ".join(sending.refusals), len(sending.left)
        message = f"EventBridge does not accept {count} events on the bus {self._announcer.bus.name}: {codes}"
        if lost:
            message += f"; {lost} of them were tried for a day and are lost"
        where = (self._scope.account_id, self._scope.region) if self._scope else ("", "")
        return Problem("EventsRefused", message, RegionStatus.ERROR, "events", "PutEvents", *where, advice=_REFUSED_FIX)

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
