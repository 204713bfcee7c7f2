"""Codec for the entries of many accounts in one attribute, a tenth of the size of a map. Pure.

DynamoDB limits an item to 400 KB and charges one write unit per KB; a map reaches the limit at about 2,500 accounts.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

__all__ = ["MAX_MAPPED", "pack", "unpack", "unpack_one"]

MAX_MAPPED: Final = 100
"""Maximum number of accounts that a row stores as a map, which people and other programs can read."""

_MEMBERS: Final = (
    "serverCount",
    "status",
    "lastChecked",
    "lastComplete",
    "errorMessage",
    "lookRequestedAt",
    "firstChecked",
    "emptySeenAt",
    "unusable",
    "unusableNames",
)
"""Members of an entry, in the order of their values. New ones are appended, because earlier versions read by place."""
_SAME: Final = 0  # the last complete scan was the last one, as in nearly all entries
_MAX_BYTES: Final = 16_000_000  # after decompression; 5,000 accounts are below 1 MB


def pack(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Serialize entries as compressed text: the account id, then the values in the order of `_MEMBERS`."""
    rows = [[account_id, *_values(entry)] for account_id, entry in sorted(entries.items())]
    return base64.b85encode(zlib.compress(orjson.dumps(rows), 9)).decode()


def _values(entry: Mapping[str, Any]) -> Iterable[Any]:
    values = [entry.get(name) for name in _MEMBERS]
    if values[3] is not None and values[3] == values[2]:
        values[3] = _SAME
    while values and values[-1] is None:
        values.pop()
    return values


def unpack(text: object) -> dict[str, dict[str, Any]]:
    """Parse the output of `pack`; anything else gives no entries."""
    return {account_id: _members(values) for account_id, *values in _rows(text)}


def unpack_one(text: object, account_id: str) -> dict[str, Any] | None:
    """Parse the entry of one account in the output of `pack`; None where there is none."""
    found = None
    for each, *values in _rows(text):
        if each == account_id:
            found = values  # the last one counts, as in `unpack`
    return None if found is None else _members(found)


def _rows(text: object) -> list[list[Any]]:
    """Return the lists of values of the entries, each with the account id first."""
    if not isinstance(text, str):
        return []
    try:
        reader = zlib.decompressobj()
        rows = orjson.loads(reader.decompress(base64.b85decode(text), _MAX_BYTES))
    except (ValueError, binascii.Error, zlib.error):
        return []
    if not reader.eof or not isinstance(rows, list):
        return []
    return [row for row in rows if isinstance(row, list) and row and isinstance(row[0], str)]


def _members(values: list[Any]) -> dict[str, Any]:
    members = dict(zip(_MEMBERS, values, strict=False))
    if members.get("lastComplete") == _SAME and type(members["lastComplete"]) is int:
        members["lastComplete"] = members["lastChecked"]
    return {name: value for name, value in members.items() if value is not None}
