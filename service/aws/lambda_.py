"""Lambda functions of the hub: asking one to do something later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from service.aws.client import AccountSession

__all__ = ["LambdaInvoker"]


class LambdaInvoker:
    """Invokes functions of the hub in its region."""

    def __init__(self, session: AccountSession, region: str) -> None:
        self._session = session
        self._region = region

    async def invoke_later(self, function: str, event: Mapping[str, Any]) -> None:
        """Hand an event to a function; it runs by itself, at least once, and its answer goes nowhere.

        Raises:
            AwsError: the event was not taken.
        """
        params = {"FunctionName": function, "InvocationType": "Event", "Payload": orjson.dumps(event)}
        await self._session.call("lambda", "Invoke", params, region=self._region)
