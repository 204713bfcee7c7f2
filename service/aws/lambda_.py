"""Asynchronous invocation of Lambda functions in the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from service.aws.client import AccountSession
from service.errors import AwsError
from service.models import Call

__all__ = ["LambdaInvoker"]

_ACCEPTED: Final = 202  # status of an event that Lambda has queued


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
        response = await self._session.call("lambda", "Invoke", params, region=self._region)
        if response["StatusCode"] != _ACCEPTED:
            call = Call("lambda", "Invoke", self._session.account_id, self._region)
            raise AwsError("MalformedResponse", f"status {response['StatusCode']} instead of {_ACCEPTED}", call)
