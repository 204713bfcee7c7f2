"""What needs attention: grouped by cause, the worst first, and nothing where all is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from service.estate.estate import Estate, estate_of
from service.estate.scope_posture import ScopePosture, posture_of_scope
from service.models import Scope, iso
from service.queries.estate.attention import attention_of
from service.regions.scope_state import StateRules, state_of
from service.regions.status_entry import AccountEntry
from service.settings import Settings

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
RULES = StateRules(NOW, fresh=timedelta(minutes=15), allowed=timedelta(hours=2))
A = "111100000001"


def scope(region: str, *, minutes: float = 1, **summary: Any) -> ScopePosture:
    posture = summary.setdefault("posture", {"ready": 5})
    stored = AccountEntry(sum(posture.values()), last_complete=NOW - timedelta(minutes=minutes))
    summary["asOf"] = iso(NOW - timedelta(minutes=minutes))
    return posture_of_scope(Scope(A, region), state_of(stored, RULES), stored, summary, RULES)


def estate(*scopes: ScopePosture) -> Estate:
    return estate_of(scopes, Settings())


def codes(found: Estate, unknown: list[dict[str, Any]] | None = None) -> list[tuple[str, str]]:
    listed = [each.as_json() for each in attention_of(found, unknown or [], Settings(), NOW)]
    assert all(each["title"] and each["fix"] for each in listed)
    return [(each["severity"], each["code"]) for each in listed]


def group(posture: str, reason: str, count: int) -> dict[str, Any]:
    return {"posture": posture, "reason": reason, "count": count}


def unknown(code: str, regions: list[str], scopes: int = 1) -> dict[str, Any]:
    return {"code": code, "regions": regions, "scopes": scopes, "accounts": 1, "advice": "do it", "since": None}


def test_nothing_needs_anybody_where_all_is_well() -> None:
    assert codes(estate(scope("us-east-1"), scope("us-west-2", minutes=44))) == []


def test_the_worst_comes_first_and_then_what_concerns_most() -> None:
    reasons = [
        group("stalled", "AGENT_NOT_SEEN", 2),
        group("disconnected", "DISCONNECTED", 1),
        group("syncing", "LAG_OVER_OBJECTIVE", 9),
        group("extensionError", "EXTENSION_ERROR", 3),
        group("unknown", "NO_STATE_REPORTED", 1),
    ]
    found = estate(
        scope("us-east-1", notReadyByReason=reasons, withoutRecentDrill=40, topologyUnknown=7, unreadableObjectives=1)
    )
    assert codes(found) == [
        ("critical", "EXTENSION_ERROR"),
        ("critical", "STALLED_AGENT_NOT_SEEN"),
        ("critical", "DISCONNECTED"),
        ("critical", "UNKNOWN_NO_STATE_REPORTED"),
        ("warning", "LAG_OVER_OBJECTIVE"),
        ("info", "NO_RECENT_DRILL"),
        ("info", "TOPOLOGY_INCOMPLETE"),
        ("info", "OBJECTIVE_UNREADABLE"),
    ]


def test_a_first_sync_only_needs_time() -> None:
    reasons = [group("syncing", "INITIAL_SYNC", 4), group("syncing", "RESCAN", 1)]
    assert codes(estate(scope("us-east-1", posture={"syncing": 5}, notReadyByReason=reasons))) == []


def test_an_unknown_scope_is_critical_where_servers_were_known() -> None:
    found = estate(scope("us-east-1"), scope("us-west-2", minutes=300))
    assert codes(found, [unknown("SCAN_TOO_OLD", ["us-west-2"])]) == [("critical", "UNKNOWN_SCAN_TOO_OLD")]
    listed = attention_of(found, [unknown("SCP_DENIED", ["eu-west-1"])], Settings(), NOW)
    assert [(each.code, each.as_json()["severity"], each.command) for each in listed] == [
        ("UNKNOWN_SCP_DENIED", "warning", "drs-sync doctor")
    ]


def test_scans_that_are_late_are_told_before_they_are_unknown() -> None:
    found = estate(scope("us-east-1", minutes=46), scope("us-west-2", minutes=44))
    (late,) = attention_of(found, [], Settings(), NOW)
    assert (late.code, late.count, late.title) == ("SCANS_LATE", 1, "1 scope was not scanned completely for 45 min")


def test_servers_without_a_summary_are_named() -> None:
    stored = AccountEntry(3, last_complete=NOW)
    lacking = posture_of_scope(Scope(A, "us-east-1"), state_of(stored, RULES), stored, None, RULES)
    (told,) = attention_of(estate(lacking), [], Settings(), NOW)
    assert (told.code, told.count) == ("NO_SUMMARY", 3)


def test_a_staging_account_near_its_quota_is_named_once() -> None:
    found = estate(scope("us-east-1", replicating={A: 270}), scope("us-west-2", replicating={A: 269}))
    (full,) = attention_of(found, [], Settings(), NOW)
    assert (full.code, full.count) == ("STAGING_NEAR_FULL", 1)
    assert "270 of 300 in 111100000001 us-east-1" in full.title
