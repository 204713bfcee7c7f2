"""Lambda functions of the hub: asking one to do something later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from service.aws.door import Caller

__all__ = ["FunctionInvoker"]


class FunctionInvoker:
    """Invokes functions of the hub in its region."""

    def __init__(self, caller: Caller, region: str) -> None:
        self._caller = caller
        self._region = region

    async def later(self, function: str, event: Mapping[str, Any]) -> None:
        """Hand an event to a function; it runs by itself, at least once, and its answer goes nowhere.

        Raises:
            AwsError: the event was not taken.
        """
        params = {"FunctionName": function, "InvocationType": "Event", "Payload": orjson.dumps(event)}
        await self._caller.call("lambda", "Invoke", params, region=self._region)
