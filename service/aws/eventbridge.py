"""EventBridge of the hub: a scheduled rule, to read and update its schedule, and a bus, to put events on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.aws.client import AccountSession
from service.errors import AwsError
from service.models import Call

__all__ = ["EventBus", "ScheduleRule"]


class ScheduleRule:
    """One scheduled rule."""

    def __init__(self, session: AccountSession, name: str, region: str) -> None:
        self._session = session
        self.name = name
        self._region = region

    async def read(self) -> dict[str, Any] | None:
        """Return the rule as DescribeRule does; None when it does not exist. Raises AwsError."""
        try:
            response = await self._session.call("events", "DescribeRule", {"Name": self.name}, region=self._region)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        return {name: value for name, value in response.items() if name != "ResponseMetadata"}

    async def write(self, rule: dict[str, Any], *, expression: str, enabled: bool) -> None:
        """Update schedule and state of a rule that `read` returned; targets and other members stay. Raises AwsError."""
        kept = {name: rule[name] for name in ("Description", "RoleArn", "EventBusName") if rule.get(name)}
        params = {
            **kept,
            "Name": self.name,
            "ScheduleExpression": expression,
            "State": "ENABLED" if enabled else "DISABLED",
        }
        await self._session.call("events", "PutRule", params, region=self._region)


class EventBus:
    """An event bus: puts events on it."""

    def __init__(self, session: AccountSession, name: str, region: str) -> None:
        self._session = session
        self.name = name
        self._region = region

    async def put(self, events: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """Put at most ten events on the bus; return the positions of those that were not accepted, and why.

        Raises:
            AwsError: the call failed, or it is unknown which events were accepted.
        """
        entries = [{**event, "EventBusName": self.name} for event in events]
        response = await self._session.call("events", "PutEvents", {"Entries": entries}, region=self._region)
        results = response.get("Entries")
        if not (isinstance(results, list) and len(results) == len(entries)):
            call = Call("events", "PutEvents", "hub", self._region)
            raise AwsError("MalformedResponse", "response is missing the results of the events", call)
        return {position: why for position, result in enumerate(results) if (why := _refusal(result))}


def _refusal(result: object) -> str:
    """Return why an event was not accepted, by its entry of the response; empty if it was."""
    members = result if isinstance(result, dict) else {}
    if isinstance(members.get("EventId"), str) and not members.get("ErrorCode"):
        return ""
    return str(members.get("ErrorCode") or "NoEventId")
