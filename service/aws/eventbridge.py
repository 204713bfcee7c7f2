"""EventBridge scheduled rule of the hub: read and update its schedule."""

from __future__ import annotations

from typing import Any

from service.aws.client import AccountSession
from service.errors import AwsError

__all__ = ["ScheduleRule"]


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
