"""The report of a sync as lines, without boxes."""

from __future__ import annotations

from service.cli.report_tables import report_tables
from tests.support.printed import printed


def test_a_report_is_lines_and_a_dry_run_names_what_it_plans() -> None:
    report = {
        "operation": "sync_staging_accounts",
        "status": "complete",
        "dryRun": True,
        "scopes": {"asked": 3, "complete": 1, "partial": 0, "skipped": 2, "failed": 0},
        "regionsScanned": 1,
        "regionsSkipped": 2,
        "regionsFailed": 0,
        "regionSource": "status_table",
        "regionReason": "1 of 3 regions in the table have servers",
        "serversByRegion": {},
        "serversPlanned": 1,
        "drsCalls": 1,
        "apiCallsFullScan": 3,
        "apiCallReductionPercent": 66.7,
        "durationSeconds": 0.5,
        "timeSavedSeconds": 1.0,
        "planned": [
            {
                "accountId": "111122223333",
                "region": "us-west-2",
                "sourceServerArn": "arn:aws:drs:us-west-2:444455556666:source-server/s-0123456789abcdef0",
                "stagingAccountId": "444455556666",
            }
        ],
        "plannedTotal": 1,
        "errors": [],
        "warnings": [],
    }
    lines = printed(report_tables(report), 80)
    assert lines[0] == "sync_staging_accounts: complete (dry run: nothing was written)"
    assert "servers                             0, planned 1" in lines
    assert lines[-1] == "111122223333  us-west-2  s-0123456789abcdef0  extend from 444455556666"
    assert not set("│┃─━").intersection("".join(lines))
