"""Paging of an answer: the end of a page, and the token of the next one. Pure.

Servers are sorted by region, ARN and staging account, so that the next page need not read earlier regions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from service.attributes import as_str
from service.errors import RefusalError

__all__ = [
    "MAX_BYTES",
    "Cursor",
    "Key",
    "digest_of",
    "item_key",
    "key_of",
    "page_length",
    "read_token",
    "write_token",
]

MAX_BYTES: Final = 5_000_000
"""Bytes of servers in a page. Lambda refuses a response above 6 MB; the other members need room too."""
_MAX_TOKEN_CHARACTERS: Final = 4096
_TOKEN_PARTS: Final = (5, 6)  # without and with `shown`


class Key(NamedTuple):
    """Sort key of a server. An ARN alone is not unique: the item of a former staging account may exist too."""

    region: str
    arn: str
    staging_account: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Position after a page.

    Args:
        last: the last server of the page.
        total: the number of servers that the first page counted.
        shown: how many servers of the last one's account and region the pages have shown; None if that is not known.
    """

    last: Key
    total: int
    shown: int | None = None


def key_of(server: Mapping[str, Any]) -> Key:
    """Return the sort key of a server."""
    return Key(server["replicationRegion"], server["sourceServerArn"], server["stagingAccountId"])


def item_key(item: Mapping[str, Any]) -> Key:
    """Return the sort key of the server of an inventory item: that of its view."""
    return Key(*(as_str(item.get(name)) for name in ("replicationRegion", "sourceServerArn", "stagingAccountId")))


def digest_of(params: Mapping[str, Any]) -> str:
    """Compute a short hash of query parameters, so that a token cannot be used with other parameters."""
    written = orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(written, digest_size=9).hexdigest()


def write_token(cursor: Cursor, digest: str) -> str:
    """Encode a cursor as the token of the next page: characters A-Z a-z 0-9 - and _."""
    shown = () if cursor.shown is None else (cursor.shown,)
    written = orjson.dumps([digest, cursor.total, *cursor.last, *shown])
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


def read_token(token: str, digest: str) -> Cursor:
    """Decode a token.

    Raises:
        RefusalError: it is not a token of this query, or belongs to other parameters.
    """
    parts = _parts(token)
    if parts is None:
        raise _refusal("nextToken is not a token of this query. Fix: send it as the previous page returned it", token)
    if parts[0] != digest:
        raise _refusal("nextToken belongs to another query. Fix: send the same parameters with each page", token)
    _, total, region, arn, staging_account, *shown = parts
    return Cursor(Key(region, arn, staging_account), total, *shown)


def _parts(token: str) -> list[Any] | None:
    if len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        parts = orjson.loads(raw)
    except (binascii.Error, orjson.JSONDecodeError):
        return None
    if not isinstance(parts, list) or len(parts) not in _TOKEN_PARTS:
        return None
    digest, total, region, arn, staging_account, *shown = parts
    are_counts = all(type(number) is int and number >= 0 for number in (total, *shown))
    return (
        parts if are_counts and all(isinstance(part, str) for part in (digest, region, arn, staging_account)) else None
    )


def _refusal(message: str, token: str) -> RefusalError:
    return RefusalError(
        "INVALID_PARAMETER", message, details={"parameter": "nextToken", "value": token[:80], "error": message}
    )


def page_length(servers: Sequence[Mapping[str, Any]], *, limit: int | None, max_bytes: int = MAX_BYTES) -> int:
    """Return how many servers fit on a page: at most `limit`, and at most `max_bytes` as JSON text inside JSON.

    One server always fits, however large, so that paging always makes progress.
    """
    remaining = max_bytes
    for number, server in enumerate(servers[:limit]):
        written = orjson.dumps(server)
        remaining -= len(written) + written.count(b'"') + written.count(b"\\") + 1
        if remaining < 0 and number:
            return number
    return len(servers[:limit])
