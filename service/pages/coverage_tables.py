"""What the pages show of coverage: instances that no source server protects, and where nobody has looked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from service.pages.page_table import PageTable
from service.pages.words import UNKNOWN, ago
from service.text import printable

__all__ = ["coverage_tables"]

_TITLE: Final = "Coverage"
_NOT_LOOKED_AT: Final = (
    "Not looked at, so it is unknown which instances no source server protects: no coverage sync has left a summary, "
    "it could not be read, or this is about certain accounts or regions only. To look now, type: drs-sync coverage"
)


def coverage_tables(coverage: Mapping[str, Any] | None, now: datetime | None) -> list[PageTable]:
    """Return the numbers of all that was looked at, and of each account and region; a text if nothing was.

    Args:
        coverage: the member `coverage` of the estate's document.
        now: the time of the document.
    """
    if coverage is None:
        return [PageTable("coverage", _TITLE, "", (), (), _NOT_LOOKED_AT)]
    note = f"EC2 instances that no source server protects; the oldest read is of {ago(coverage['oldest'], now)}."
    scopes = PageTable(
        "coverage-scopes",
        "Coverage of each account and region",
        "Only accounts and regions in which the coverage sync has looked.",
        ("account", "region", "protected", "not protected", "looked at"),
        [_scope(each, now) for each in coverage["byScope"]],
        "The coverage sync has looked in no account and region.",
    )
    return [PageTable("coverage", _TITLE, note, ("what", "instances"), list(_numbers(coverage)), ""), scopes]


def _numbers(coverage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    is_known = coverage["scopesUnknown"] < coverage["scopes"]
    least = "at least " if coverage["isLowerBound"] else ""
    for label, member in (("instances", "instances"), ("protected", "protected"), ("not protected", "unprotected")):
        yield label, f"{least}{coverage[member]:,}" if is_known else UNKNOWN
    for reason, number in coverage["byReason"].items():
        yield f"not protected: {printable(reason)}", f"{number:,}"
    if not coverage["serversKnown"]:
        yield "source servers", "not all are known, so some of the instances that count as not protected may be"
    yield "accounts and regions that are unknown", f"{coverage['scopesUnknown']:,} of {coverage['scopes']:,}"
    left = ", ".join(printable(f"{each['region']} ({each['accounts']:,})") for each in coverage["notLookedAt"])
    # Only a run over everything records where it did not look.
    yield "regions (accounts) not looked at", left or ("none" if coverage["lastRun"] else UNKNOWN)
    for each in coverage["first"]:
        where = f"{each['accountId']} {each['region']}: {each['reason']}"
        yield printable(f"{each['name']} {each['instanceId']}".strip()), printable(where)


def _scope(scope: Mapping[str, Any], now: datetime | None) -> tuple[str, ...]:
    where = printable(scope["accountId"]), printable(scope["region"])
    if scope["isKnown"]:
        return (*where, f"{scope['protected']:,}", f"{scope['unprotected']:,}", ago(scope["asOf"], now))
    why = ": ".join(filter(None, (scope["code"], scope.get("message"))))
    return (*where, UNKNOWN, UNKNOWN, f"{ago(scope['asOf'], now)}; {printable(why)}")
