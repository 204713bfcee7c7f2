"""Pagination for operations that page by token: DRS and EC2. DynamoDB pages by key, see `service.aws.dynamodb`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from service.aws.client import AccountSession
from service.errors import AwsError
from service.models import Call, OddRecord

__all__ = ["MAX_PAGES", "paginate"]

MAX_PAGES: Final = 1000
"""Far above what a quota allows (4,000 DRS servers per region): more pages mean that the tokens never end."""


async def paginate(
    session: AccountSession,
    call: Call,
    params: Mapping[str, Any],
    *,
    items: str,
    cursor: str,
    max_pages: int | None = None,
    keeps_odd: bool = False,
) -> AsyncGenerator[list[dict[str, Any]], None]:
    """Call an operation until a response has no next token, and yield the list of each response.

    Args:
        session: signs the calls.
        call: service, operation and region to call.
        params: parameters of every request; the token is added.
        items: response member with the list.
        cursor: member with the page token, of the same name in request and response.
        max_pages: more pages mean that the tokens never end; None for MAX_PAGES.
        keeps_odd: yield the records of an unexpected structure too, as `OddRecord`; if not, they are an error.

    Raises:
        AwsError: a call failed; or MalformedResponse: the list is missing, a record of it has an unexpected structure,
            or the tokens repeat or never end.
    """
    limit = max_pages or MAX_PAGES
    used_tokens: set[str] = set()
    next_token: dict[str, str] = {}
    for _ in range(limit):
        response = await session.call(call.service, call.operation, {**params, **next_token}, region=call.region)
        # The SDK parses a body without the list into a response without the member; that is not an empty page.
        records = response.get(items)
        if not isinstance(records, list):
            raise AwsError("MalformedResponse", f"response is missing {items}", call)
        if not all(isinstance(record, dict) for record in records):
            raise AwsError("MalformedResponse", f"an entry of {items} is not an object", call)
        odd = None if keeps_odd else next((record for record in records if isinstance(record, OddRecord)), None)
        if odd is not None:
            raise AwsError("MalformedResponse", f"an entry of {items}: {odd.why}", call)
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
    raise AwsError("MalformedResponse", f"{cursor} does not end after {limit} pages", call)
