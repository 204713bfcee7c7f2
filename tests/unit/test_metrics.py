"""Metric documents in the form that CloudWatch and alarms read."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import pytest

from service.metrics import METRICS, Installation, emit_metrics
from service.regions.selection import RegionSource
from service.sync.engine.metrics import figures_of, summary_of

REPORT: Final = {
    "operation": "sync_source_server_inventory",
    "regionsSkipped": 23,
    "apiCallReductionPercent": 82.1,
    "regionsScanned": 5,
    "regionsFailed": 1,
    "serversSynced": 43,
    "apiCallsTotal": 11,
    "apiCallsThrottled": 4,
    "durationSeconds": 1.25,
    "timeSavedSeconds": 5.75,
    "errors": [],
}
ESTATE: Final = {
    "serversReady": 30,
    "serversSyncing": 4,
    "serversStalled": 3,
    "serversDisconnected": 1,
    "serversExtensionError": 1,
    "serversUnknown": 5,
    "scopesUncounted": 2,
    "serversOverLagObjective": 2,
    "serversWithoutRecentDrill": 20,
    "worstLagSeconds": 3600,
    "oldestCompleteScanSeconds": 840,
    "stagingFillPercent": 93.3,
}
INSTALLATION: Final = Installation("hrp", "dev")
NAMES: Final = {"Project": "hrp", "Environment": "dev"}
FIGURES: Final = {
    "activeRegionCount": 2,
    "scopesFailed": 1,
    "scopesToRepair": 1,
    "scopesUnknown": 3,
    "serversNotExtended": 2,
    "fallback": 0,
    "inventoryDatabaseHits": 1,
    "inventoryDatabaseMisses": 0,
    "instancesUnprotected": 4,
    **ESTATE,
}


@pytest.mark.parametrize(
    ("source", "active", "figures"),
    [
        ("status_table", 2, {"activeRegionCount": 2, "regionsSkipped": 23, "fallback": 0}),
        ("status_table_none_active", 0, {"activeRegionCount": 0, "regionsSkipped": 23, "fallback": 0}),
        ("full_scan_none_active", 0, {"activeRegionCount": 0, "regionsSkipped": None, "fallback": 0}),
        ("full_scan", 2, {"activeRegionCount": 2, "regionsSkipped": None, "fallback": 0}),
        ("fallback_table_empty", None, {"activeRegionCount": None, "regionsSkipped": None, "fallback": 1}),
        ("fallback_table_unavailable", None, {"activeRegionCount": None, "regionsSkipped": None, "fallback": 1}),
        ("requested", 2, {"activeRegionCount": 2, "regionsSkipped": None, "fallback": 0}),
    ],
)
def test_what_a_report_counts_for_the_alarms(source: str, active: int | None, figures: dict[str, Any]) -> None:
    """A partly read scope counts as failed; active regions are those of the table, not those with servers to sync."""
    scopes = {"asked": 9, "complete": 3, "partial": 2, "skipped": 0, "failed": 4}
    found = {"regionSource": source, "regionsActive": active, "scopes": scopes, "serversByRegion": {"eu-west-1": 3}}
    assert figures_of({**REPORT, **found}) == {**figures, "scopesFailed": 6, "scopesToRepair": 6}


def test_origin_accounts_that_deny_access_are_nothing_to_repair() -> None:
    scopes = {"asked": 9, "complete": 3, "partial": 2, "skipped": 0, "failed": 4}
    report = {**REPORT, "regionSource": "status_table", "regionsActive": 2, "scopes": scopes, "scopesOriginDenied": 2}
    figures = figures_of(report)
    assert (figures["scopesFailed"], figures["scopesToRepair"]) == (6, 4)


def test_the_figures_of_the_estate_are_metrics_of_the_sync_that_has_them() -> None:
    scopes = {"asked": 1, "complete": 1, "partial": 0, "skipped": 0, "failed": 0}
    report = {**REPORT, "regionSource": "status_table", "regionsActive": 2, "scopes": scopes}
    assert ESTATE.items() <= figures_of({**report, "estate": ESTATE}).items()
    assert not ESTATE.keys() & figures_of(report).keys()
    assert not ESTATE.keys() & figures_of({**report, "estate": None}).keys()


def test_servers_that_a_staging_sync_did_not_extend_are_those_held_back_and_those_refused() -> None:
    scopes = {"asked": 1, "complete": 1, "partial": 0, "skipped": 0, "failed": 0}
    report = {**REPORT, "regionSource": "status_table", "regionsActive": 2, "scopes": scopes}
    assert figures_of({**report, "serversHeldBack": 3, "serversFailed": 2})["serversNotExtended"] == 5
    assert "serversNotExtended" not in figures_of({**report, "serversFailed": 2})  # of a tag sync


@pytest.mark.parametrize(
    ("source", "failed", "published"), [("inventory", 0, 7), ("inventory", 1, None), ("requested", 0, None)]
)
def test_unprotected_instances_are_published_if_all_were_looked_at(
    source: str, failed: int, published: int | None
) -> None:
    scopes = {"asked": 1, "complete": 1, "partial": 0, "skipped": 0, "failed": failed}
    report = {**REPORT, "regionSource": source, "regionsActive": None, "scopes": scopes, "instancesUnprotected": 7}
    figures = {**report, **figures_of(report)}
    assert figures["instancesUnprotected"] == published
    # The sync reads no servers: its zeros would look like those of an inventory sync that found none.
    assert [figures[name] for name in ("serversSynced", "apiCallReductionPercent", "timeSavedSeconds")] == [None] * 3


def test_the_log_line_of_a_run_has_no_list_of_instances() -> None:
    report = {**REPORT, "instances": [{}] * 9, "lookedAt": [], "unknown": [], "notLookedAt": [], "tags": ["dr=yes"]}
    summary = summary_of({**report, "errors": [], "warnings": [], "serverScopesUnknown": []})
    assert {"instances", "lookedAt", "unknown", "notLookedAt", "serverScopesUnknown"} & summary.keys() == set()
    assert summary["tags"] == ["dr=yes"]


def test_every_source_of_regions_has_figures() -> None:
    scopes = {"asked": 0, "complete": 0, "partial": 0, "skipped": 0, "failed": 0}
    for source in RegionSource:
        figures = figures_of({**REPORT, "regionSource": source, "regionsActive": None, "scopes": scopes})
        assert figures["fallback"] == 0  # nothing was scanned: there are no accounts


async def documents(report: dict[str, Any], values: dict[str, Any]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    await emit_metrics(stream, report, values, INSTALLATION)
    assert stream.getvalue().endswith("\n")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_a_person_at_a_terminal_is_shown_no_metrics() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    await emit_metrics(stream, REPORT, FIGURES, INSTALLATION)
    assert stream.getvalue() == ""


async def test_all_metrics_are_one_line_without_dimensions_by_operation_and_by_installation() -> None:
    (document,) = await documents(REPORT, FIGURES)
    (directive,) = document.pop("_aws")["CloudWatchMetrics"]
    assert directive["Namespace"] == "DRSOrchestration/ActiveRegionFiltering"
    # The first two are those of earlier versions and of the platform, and must stay.
    assert directive["Dimensions"] == [[], ["Operation"], ["Project", "Environment", "Operation"]]
    assert {name: document.pop(name) for name in NAMES} == NAMES
    assert document.pop("Operation") == "sync_source_server_inventory"
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {name: unit for name, (_, unit) in METRICS.items()}
    given = {**REPORT, **FIGURES}
    assert document == {name: given[member] for name, (member, _) in METRICS.items()}


@pytest.mark.parametrize(
    ("name", "unit"), [("ActiveRegionCount", "Count"), ("RegionsSkipped", "Count"), ("APICallReduction", "Percent")]
)
def test_what_existing_dashboards_read_keeps_its_name_and_unit(name: str, unit: str) -> None:
    assert METRICS[name][1] == unit


@pytest.mark.parametrize(
    ("project", "written"), [("", "?"), ("  ", "??"), ("größe", "gr??e"), ("x" * 300, "x" * 250), ("a\nb", "a?b")]
)
async def test_an_odd_name_of_an_installation_fails_no_run(project: str, written: str) -> None:
    stream = io.StringIO()
    await emit_metrics(stream, REPORT, FIGURES, Installation(project, "dev"))
    assert json.loads(stream.getvalue())["Project"] == written


async def test_what_is_not_known_is_left_out_and_zero_is_not() -> None:
    (document,) = await documents(REPORT, {**FIGURES, "activeRegionCount": None, "regionsSkipped": None})
    names = {metric["Name"] for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert names == set(METRICS) - {"ActiveRegionCount", "RegionsSkipped"}
    assert {"ActiveRegionCount", "RegionsSkipped"}.isdisjoint(document)
    assert document["FullScanFallbacks"] == 0
    (sparse,) = await documents({"operation": "x", "serversSynced": 0}, {})
    assert set(sparse) == {"_aws", "Operation", "Project", "Environment", "ServersSynced"}


async def test_two_runs_are_two_lines_and_share_nothing() -> None:
    stream = io.StringIO()
    await emit_metrics(stream, REPORT, FIGURES, INSTALLATION)
    await emit_metrics(stream, {"operation": "other", "serversSynced": 1}, {}, INSTALLATION)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["ServersSynced"] == 43
    assert set(second) == {"_aws", "Operation", "Project", "Environment", "ServersSynced"}
