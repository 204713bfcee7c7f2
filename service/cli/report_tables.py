"""Tables that show the report of a sync to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group

from service.cli.output import table
from service.models import Coverage

__all__ = ["report_tables"]

# Members of a report that count servers by what was done with them, and how the table names each.
_COUNTS: Final = {
    "serversWritten": "written",
    "serversRemoved": "removed",
    "serversExtended": "extended",
    "serversAlreadyExtended": "extended by another run",
    "serversPlanned": "to extend",
    "serversTagged": "tagged",
    "launchSettingsUpdated": "launch settings updated",
    "serversSkipped": "skipped",
    "serversHeldBack": "held back",
    "serversFailed": "failed",
}
_PROBLEMS: Final = ("errors", "warnings")
_MAX_REGIONS: Final = 3  # listed by name; more would not fit the column


def report_tables(report: Mapping[str, Any]) -> Group:
    """Render a report: a summary, servers by region, and errors and warnings if there are any."""
    scopes = report["scopes"]
    coverage = " + ".join(f"{scopes[each]} {each}" for each in Coverage)
    counts = [f"{label} {report[name]}" for name, label in _COUNTS.items() if name in report]
    dry_run = " (dry run: nothing was written)" if report.get("dryRun") else ""
    summary = table(
        f"{report['operation']}: {report['status']}{dry_run}",
        ("item", "value"),
        [
            (
                "regions scanned / skipped / failed",
                " / ".join(str(report[name]) for name in ("regionsScanned", "regionsSkipped", "regionsFailed")),
            ),
            ("how regions were chosen", f"{report['regionSource']}: {report['regionReason']}"),
            ("scopes in total", f"{scopes['asked']} = {coverage}"),
            ("servers", ", ".join([str(report["serversSynced"]), *counts])),
            ("DRS calls / full scan", f"{report['drsCalls']} / {report['apiCallsFullScan']}"),
            ("calls saved", f"{report['apiCallReductionPercent']} %"),
            ("seconds / saved (estimate)", f"{report['durationSeconds']:.1f} / {report['timeSavedSeconds']:.1f}"),
        ],
    )
    tables = [summary, table("servers by region", ("region", "servers"), report["serversByRegion"].items())]
    headings = ("account", "regions", "call", "code", "message", "fix")
    tables.extend(table(name, headings, map(_problem_row, report[name])) for name in _PROBLEMS if report[name])
    return Group(*tables)


def _problem_row(problem: Mapping[str, Any]) -> tuple[object, ...]:
    regions = problem["regions"]
    shown = ", ".join(regions) if len(regions) <= _MAX_REGIONS else f"{len(regions)} regions"
    call = f"{problem.get('service', '')}:{problem.get('operation', '')}".strip(":")
    return (problem.get("accountId", ""), shown, call, problem["code"], problem["message"], problem.get("advice", ""))
