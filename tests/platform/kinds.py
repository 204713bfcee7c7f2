"""Checks that the platform's tables hold nothing of a kind that the platform does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tests.platform.readers import STATUS_WORDS, PlatformReaders, moment_of

__all__ = ["strangers", "strangers_among"]

Holder = Mapping[str, Any]

_ARN: Final = re.compile(r"arn:aws[a-z-]*:drs:([a-z0-9-]+):(\d{12}):source-server/(s-[0-9a-f]{17})")
_ACCOUNT: Final = re.compile(r"\d{12}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_STAGING_MEMBERS: Final = ("accountId", "accountName", "roleArn", "externalId", "addedAt", "addedBy")


def strangers(readers: PlatformReaders) -> list[str]:
    """Return what the platform could not make sense of, each with the reason; its tables should give an empty list."""
    return strangers_among(readers.items(), readers.rows(), readers.target_accounts())


def strangers_among(
    items: Iterable[Holder] = (), rows: Iterable[Holder] = (), accounts: Iterable[Holder] = ()
) -> list[str]:
    """Return the same of given items, rows and target accounts. Pure."""
    found = [f"item {item.get('sourceServerArn')}: {why}" for item in items for why in _of_item(item)]
    found += [f"row {row.get('region')}: {why}" for row in rows for why in _of_row(row)]
    return found + [f"account {row.get('accountId')}: {why}" for row in accounts for why in _of_account(row)]


def _of_item(item: Mapping[str, Any]) -> Iterator[str]:
    arn = _ARN.fullmatch(str(item.get("sourceServerArn")))
    if arn is None:
        yield "its key is not the ARN of a source server"
        return
    region, _, server_id = arn.groups()
    for name, expected in (("sourceServerID", server_id), ("replicationRegion", region)):
        if item.get(name) != expected:
            yield f"{name} is {item.get(name)!r}, and its ARN says {expected!r}"
    for name in ("stagingAccountId", "sourceAccountId"):
        yield from _unless(_is_account, item, name)
    yield from _unless(_is_time, item, "lastUpdated")
    for name in ("tags", "sourceTags"):
        if name in item and not _is_tags(item[name]):
            yield f"{name} is not a map of texts"
    if not {"tags", "sourceTags"} & set(item):
        yield "it has no tags"


def _of_row(row: Mapping[str, Any]) -> Iterator[str]:
    yield from _unless(lambda value: bool(_REGION.fullmatch(str(value))), row, "region")
    yield from _unless(lambda value: value in STATUS_WORDS, row, "status")
    yield from _unless(lambda value: value is not None and value >= 0 and value == int(value), row, "serverCount")
    yield from _unless(_is_time, row, "lastUpdated")
    for name, is_right in (("lastChecked", _is_time), ("accountId", _is_account), ("errorMessage", _is_text)):
        if name in row:
            yield from _unless(is_right, row, name)


def _of_account(row: Mapping[str, Any]) -> Iterator[str]:
    yield from _unless(_is_account, row, "accountId")
    yield from _unless(_is_text, row, "accountName")
    for record in row.get("stagingAccounts", []):
        for name in _STAGING_MEMBERS:
            if not _is_text(record.get(name)):
                yield f"staging account {record.get('accountId')} has no {name}"


def _unless(is_right: Callable[[Any], bool], holder: Mapping[str, Any], name: str) -> Iterator[str]:
    if not is_right(holder.get(name)):
        yield f"{name} is {holder.get(name)!r}"


def _is_account(value: object) -> bool:
    return isinstance(value, str) and _ACCOUNT.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_tags(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for pair in value.items() for each in pair)


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and moment_of(value).tzinfo is not None
    except ValueError:
        return False
