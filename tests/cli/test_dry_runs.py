"""Dry runs: they name the servers that a run would write, claim none as done, and change nothing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from service.app import open_app
from service.cli.report_tables import report_tables
from service.context import SyncRequest
from service.settings import load_settings
from service.sync.engine.report import planned_members
from tests.support.sandbox import EngineSandbox, Names, new_account_id

ORIGIN_REGION = "us-east-1"
DONE = ("serversSynced", "serversTagged", "serversExtended", "serversAlreadyExtended", "launchSettingsUpdated")


def _fleet(names: Names) -> dict[str, Any]:
    origin = {"account_id": names.apps, "region": ORIGIN_REGION}
    waiting = {"us-west-2": {"servers": 60}}
    return {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {
                "account_id": names.a,
                "name": "A",
                "staging_accounts": [names.b],
                "regions": {"us-west-2": {"servers": 72, "origin": origin}, "eu-west-1": {"servers": 3}},
            },
            {"account_id": names.b, "kind": "staging", "regions": waiting},
            {"account_id": names.apps, "name": "Apps", "kind": "application"},
        ],
    }


def shown(report: Mapping[str, Any]) -> str:
    """Return the tables of a report as text."""
    text = io.StringIO()
    Console(file=text, width=300).print(report_tables(report))
    return text.getvalue()


@pytest.mark.deep
@pytest.mark.parametrize(("job", "count"), [("tags", 75), ("staging", 60)])
async def test_a_dry_run_names_what_it_plans_and_counts_nothing_as_done(
    job: str, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = Names(*(new_account_id() for _ in range(4)))
    with EngineSandbox(_fleet(names), names, monkeypatch) as sandbox:
        await sandbox.sync()
        sandbox.calls()
        capsys.readouterr()
        async with open_app(load_settings()) as app:
            sync = app.sync_tags if job == "tags" else app.sync_staging
            report = await sync(SyncRequest(dry_run=True))
        made = sandbox.calls()
    assert (report["status"], report["dryRun"]) == ("complete", True)
    assert [report.get(name, 0) for name in DONE] == [0] * len(DONE)
    assert report["serversPlanned"] == report["plannedTotal"] == len(report["planned"]) == count
    assert not [call for call in made if call[1].startswith(("Create", "Tag", "Update", "Put", "BatchWrite"))]
    assert "CloudWatchMetrics" not in "".join(capsys.readouterr())
    text = shown(report)
    listed = [each.get("sourceServerID") or each["sourceServerArn"].rpartition("/")[2] for each in report["planned"]]
    assert [each for each in listed if each in text] == listed[:50]
    assert f"{count} servers planned, the first 50 of them" in text
    assert f"planned {count}" in text
    assert "dry run: nothing was written" in text


def test_a_thousand_servers_are_named_and_the_rest_is_counted() -> None:
    servers = [{"accountId": "1", "region": "r", "sourceServerID": f"s-{number:04d}"} for number in range(1500)]
    members = planned_members(reversed(servers))
    assert (members["planned"], members["plannedTotal"]) == (servers[:1000], 1500)


def test_a_run_that_writes_shows_no_plan() -> None:
    report = {
        **dict.fromkeys(("regionsScanned", "regionsSkipped", "regionsFailed", "drsCalls", "apiCallsFullScan"), 0),
        **dict.fromkeys(("apiCallReductionPercent", "durationSeconds", "timeSavedSeconds"), 0.0),
        "operation": "sync_tags",
        "status": "complete",
        "regionSource": "status_table",
        "regionReason": "",
        "scopes": dict.fromkeys(("asked", "complete", "partial", "skipped", "failed"), 0),
        "serversByRegion": {},
        "errors": [],
        "warnings": [],
        "dryRun": False,
        "serversPlanned": 7,
        "serversTagged": 7,
    }
    assert "planned" not in shown(report)
