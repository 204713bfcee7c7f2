"""Pagination for operations that page by token: DRS and EC2. DynamoDB pages by key, see `service.aws.dynamodb`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from service.aws.client import AccountSession
from service.errors import AwsError
from service.models import Call

__all__ = ["MAX_PAGES", "paginate"]

MAX_PAGES: Final = 1000
"""Far above what a quota allows (4,000 DRS servers per region): more pages mean that the tokens never end."""


async def paginate(
    session: AccountSession, call: Call, params: Mapping[str, Any], *, items: str, cursor: str
) -> AsyncGenerator[list[dict[str, Any]], None]:
    """Call an operation until a response has no next token, and yield the list of each response.

    Args:
        session: signs the calls.
        call: service, operation and region to call.
        params: parameters of every request; the token is added.
        items: response member with the list.
        cursor: member with the page token, of the same name in request and response.

    Raises:
        AwsError: a call failed; or MalformedResponse: the list is missing, an entry of it is not an object, or the
            tokens repeat or never end.
    """
    used_tokens: set[str] = set()
    next_token: dict[str, str] = {}
    for _ in range(MAX_PAGES):
        response = await session.call(call.service, call.operation, {**params, **next_token}, region=call.region)
        # The SDK parses a body without the list into a response without the member; that is not an empty page.
        records = response.get(items)
        if not isinstance(records, list):
            raise AwsError("MalformedResponse", f"response is missing {items}", call)
        if not all(isinstance(record, dict) for record in records):
            raise AwsError("MalformedResponse", f"an entry of {items} is not an object", call)
        yield records
        value = response.get(cursor)
        if not value:
            return
        if not isinstance(value, str):
            raise AwsError("MalformedResponse", f"{cursor} is not a string", call)
        if value in used_tokens:
            raise AwsError("MalformedResponse", f"{cursor} repeats", call)
        used_tokens.add(value)
        next_token = {cursor: value}
    raise AwsError("MalformedResponse", f"{cursor} does not end after {MAX_PAGES} pages", call)
