"""Pages of an answer: where one ends, and the token that leads to the next. Pure.

Pages go by region, server and staging account, so the next one need not read the regions that came before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from service.errors import RefusalError

__all__ = ["MAX_BYTES", "Cursor", "Key", "cut", "digest_of", "key_of", "read_token", "rest_after", "write_token"]

MAX_BYTES: Final = 5_000_000
"""Lambda refuses an answer above 6 MB; envelope and report need room."""
_MAX_TOKEN: Final = 4096
_PARTS: Final = 5


class Key(NamedTuple):
    """What servers are sorted by. The ARN alone may be there twice: under a former staging account, too."""

    region: str
    arn: str
    staging_account: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where an answer ended: its last server, and how many servers the first page counted in all."""

    last: Key
    total: int


def key_of(shown: Mapping[str, Any]) -> Key:
    """Give what a server is sorted by."""
    return Key(shown["replicationRegion"], shown["sourceServerArn"], shown["stagingAccountId"])


def digest_of(question: Mapping[str, Any]) -> str:
    """Give a short fingerprint of a question, so that a token cannot be used with another one."""
    written = orjson.dumps(question, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(written, digest_size=9).hexdigest()


def write_token(cursor: Cursor, digest: str) -> str:
    """Write the token of the page after a cursor: text of A-Z a-z 0-9 - and _."""
    written = orjson.dumps([digest, cursor.total, *cursor.last])
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


def read_token(token: str, digest: str) -> Cursor:
    """Read a token.

    Raises:
        RefusalError: it is none of ours, or belongs to another question.
    """
    parts = _parts(token)
    if parts is None:
        raise _refusal("nextToken is not one that this query gave", token)
    if parts[0] != digest:
        raise _refusal("nextToken belongs to another question: send the same parameters with each page", token)
    return Cursor(Key(*parts[2:]), parts[1])


def _parts(token: str) -> list[Any] | None:
    if len(token) > _MAX_TOKEN or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        parts = orjson.loads(raw)
    except (binascii.Error, orjson.JSONDecodeError):
        return None
    if not isinstance(parts, list) or len(parts) != _PARTS or type(parts[1]) is not int or parts[1] < 0:
        return None
    return parts if all(isinstance(part, str) for part in (parts[0], *parts[2:])) else None


def _refusal(message: str, token: str) -> RefusalError:
    return RefusalError(
        "INVALID_PARAMETER", message, details={"parameter": "nextToken", "value": token[:80], "error": message}
    )


def rest_after(servers: Sequence[Mapping[str, Any]], last: Key | None) -> Sequence[Mapping[str, Any]]:
    """Give the servers after a key, which need not be there any more. They must be sorted by `key_of`."""
    return servers if last is None else servers[bisect_right(servers, last, key=key_of) :]


def cut(servers: Sequence[Mapping[str, Any]], *, limit: int | None, most_bytes: int = MAX_BYTES) -> int:
    """Tell how many servers fit a page: at most `limit`, and at most `most_bytes` as JSON text inside JSON.

    One always fits, however large, or its page would never end.
    """
    room = most_bytes
    for number, server in enumerate(servers[:limit]):
        written = orjson.dumps(server)
        room -= len(written) + written.count(b'"') + written.count(b"\\") + 1
        if room < 0 and number:
            return number
    return len(servers[:limit])
