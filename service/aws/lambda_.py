"""Asynchronous invocation of Lambda functions in the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from service.aws.client import AccountSession

__all__ = ["LambdaInvoker"]


class LambdaInvoker:
    """Invokes functions of the hub in one region."""

    def __init__(self, session: AccountSession, region: str) -> None:
        self._session = session
        self._region = region

    async def invoke_later(self, function: str, event: Mapping[str, Any]) -> None:
        """Invoke a function asynchronously: it runs at least once, and its response is dropped.

        Raises:
            AwsError: Lambda did not accept the event.
        """
        params = {"FunctionName": function, "InvocationType": "Event", "Payload": orjson.dumps(event)}
        await self._session.call("lambda", "Invoke", params, region=self._region)
