"""What instances need somebody for: those that are not protected, and those that nobody could list."""

from __future__ import annotations

from typing import Any, Final

from service.queries.estate.attention import Severity
from service.queries.estate.coverage import coverage_attention

HERE: Final = {"accountId": "111122223333", "region": "us-east-1"}
THERE: Final = {"accountId": "222233334444", "region": "us-east-1"}
INSTANCE: Final = {"instanceId": "i-1", "name": "app", "reason": "NO_SOURCE_SERVER"}


def digest(**members: Any) -> dict[str, Any]:
    nothing = {"scopesUnknown": 0, "isLowerBound": False, "unprotected": 0, "first": [], "byScope": []}
    return {**nothing, "byScope": [{**HERE, "isKnown": True}], **members}


def test_nothing_needs_anybody_where_all_is_protected_or_nobody_has_looked() -> None:
    assert coverage_attention(None) == []
    assert coverage_attention(digest()) == []


def test_unprotected_instances_are_counted_and_the_first_named() -> None:
    [found] = coverage_attention(digest(unprotected=1200, first=[{**HERE, **INSTANCE}]))
    assert (found.code, found.severity, found.count) == ("INSTANCES_UNPROTECTED", Severity.INFO, 1200)
    assert (found.title, found.command) == (
        "1,200 EC2 instances that no source server protects",
        "drs-sync coverage",
    )
    assert found.examples == [{**HERE, "instanceId": "i-1"}]


def test_what_could_not_be_listed_is_a_warning_and_the_count_a_lower_bound() -> None:
    denied = {**THERE, "isKnown": False, "code": "AccessDenied", "advice": "grant it", "since": "2026-11-23"}
    old = {**HERE, "isKnown": False, "code": "SUMMARY_TOO_OLD", "since": None}
    unknown, unprotected = coverage_attention(
        digest(byScope=[denied, old], scopesUnknown=2, unprotected=1, isLowerBound=True)
    )
    assert (unknown.code, unknown.severity, unknown.count) == ("COVERAGE_UNKNOWN", Severity.WARNING, 2)
    assert (unknown.title, unknown.fix, unknown.since) == (
        "2 scopes whose EC2 instances are unknown: AccessDenied",
        "grant it",
        "2026-11-23",
    )
    assert [each["code"] for each in unknown.examples] == ["AccessDenied", "SUMMARY_TOO_OLD"]
    assert unprotected.title == "at least 1 EC2 instance that no source server protects"
