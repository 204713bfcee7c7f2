"""Coverage on the pages: what was not looked at is unknown, never none and never 0."""

from __future__ import annotations

from typing import Any

import pytest

from service.pages.coverage_tables import coverage_tables
from service.pages.html import Pages
from service.pages.text_formats import as_markdown
from tests.support.estate import ACCOUNT, HOSTILE, NOW, report_of, view

AT = "2026-11-23T04:00:00+00:00"


def scope(region: str, **members: Any) -> dict[str, Any]:
    known = {"isKnown": True, "asOf": AT, "protected": 7, "unprotected": 2, "leftOut": 1}
    return {"accountId": ACCOUNT, "region": region, **known, **members}


def coverage(**members: Any) -> dict[str, Any]:
    """Return the member of an estate with one known and one unknown scope."""
    denied = scope("us-west-2", isKnown=False, asOf=None, code="UnauthorizedOperation", message="may not", since=AT)
    return {
        "lastRun": AT,
        "oldest": AT,
        "scopes": 2,
        "scopesUnknown": 1,
        "isLowerBound": True,
        "instances": 9,
        "protected": 7,
        "unprotected": 2,
        "byReason": {"NO_SOURCE_SERVER": 2},
        "leftOut": {},
        "serversKnown": True,
        "first": [],
        "byScope": [scope("us-east-1"), denied],
        "notLookedAt": [{"region": "eu-west-1", "accounts": 3}],
        **members,
    }


def numbers(**members: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in coverage_tables(coverage(**members), NOW)[0].rows}


def test_no_summary_is_not_looked_at_in_every_format() -> None:
    report = report_of(view())
    page = Pages().report(report)
    assert '<section id="coverage"' in page
    assert "Not looked at, so it is unknown" in page
    assert "## Coverage\n\nNot looked at, so it is unknown" in as_markdown(report)


def test_the_numbers_leave_out_what_is_unknown_and_say_so() -> None:
    found = numbers()
    assert (found["instances"], found["not protected"]) == ("at least 9", "at least 2")
    assert found["accounts and regions that are unknown"] == "1 of 2"
    assert found["regions (accounts) not looked at"] == "eu-west-1 (3)"
    assert "source servers" not in found


def test_there_is_no_number_where_no_scope_is_known() -> None:
    found = numbers(scopesUnknown=2, instances=0, protected=0, unprotected=0, byReason={}, oldest=None)
    assert [found[each] for each in ("instances", "protected", "not protected")] == ["unknown"] * 3


@pytest.mark.parametrize(("last_run", "shown"), [(AT, "none"), (None, "unknown")])
def test_only_a_run_over_everything_knows_where_nobody_looked(last_run: str | None, shown: str) -> None:
    assert numbers(lastRun=last_run, notLookedAt=[])["regions (accounts) not looked at"] == shown


def test_unknown_source_servers_make_the_numbers_doubtful() -> None:
    assert "not all are known" in numbers(serversKnown=False)["source servers"]


def test_each_account_and_region_has_its_counts_or_why_they_are_unknown() -> None:
    east, west = coverage_tables(coverage(), NOW)[1].rows
    assert east == (ACCOUNT, "us-east-1", "7", "2", "60 min ago")
    assert west == (ACCOUNT, "us-west-2", "unknown", "unknown", "unknown; UnauthorizedOperation: may not")


def test_hostile_text_is_text() -> None:
    first = {"accountId": ACCOUNT, "region": "us-east-1", "instanceId": "i-1", "name": HOSTILE, "reason": HOSTILE}
    denied = scope(HOSTILE, isKnown=False, code=HOSTILE, message=HOSTILE)
    found = coverage(first=[first], byReason={HOSTILE: 1}, byScope=[denied])
    page = Pages().report(report_of(view(), coverage=found))
    assert "<img" not in page
    assert "\x1b" not in page + as_markdown(report_of(view(), coverage=found))
