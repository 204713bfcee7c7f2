"""Tables that show the report of a sync to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from service.cli.columns import Column, pairs, table
from service.cli.problem_text import problem_paragraphs
from service.models import Coverage

__all__ = ["report_tables"]

# Members of a report that count servers by what was done with them, and how the table names each.
_COUNTS: Final = {
    "serversWritten": "written",
    "serversRemoved": "removed",
    "serversExtended": "extended",
    "serversAlreadyExtended": "extended by another run",
    "serversPlanned": "planned",
    "serversTagged": "tagged",
    "launchSettingsUpdated": "launch settings updated",
    "launchSettingsPlanned": "launch settings planned",
    "serversSkipped": "skipped",
    "serversHeldBack": "held back",
    "serversFailed": "failed",
}
_PLANS: Final = frozenset({"serversPlanned", "launchSettingsPlanned"})  # shown of a dry run
_REGION_COLUMNS: Final = (Column("region"), Column("servers", is_number=True))
_PLAN_COLUMNS: Final = (Column("account"), Column("region"), Column("server"), Column("plan", can_be_cut=True))
_MAX_PLANNED: Final = 50  # servers listed; the JSON document has up to a thousand


def report_tables(report: Mapping[str, Any]) -> Group:
    """Render a report: a summary, servers by region, and a paragraph for each error and warning, worst first."""
    scopes = report["scopes"]
    coverage = " + ".join(f"{scopes[each]} {each}" for each in Coverage)
    is_dry_run = bool(report.get("dryRun"))
    shown = [name for name in _COUNTS if name in report and (is_dry_run or name not in _PLANS)]
    counts = [f"{_COUNTS[name]} {report[name]}" for name in shown]
    dry_run = " (dry run: nothing was written)" if is_dry_run else ""
    summary = pairs(
        f"{report['operation']}: {report['status']}{dry_run}",
        [
            (
                "regions scanned / skipped / failed",
                " / ".join(str(report[name]) for name in ("regionsScanned", "regionsSkipped", "regionsFailed")),
            ),
            ("how regions were chosen", f"{report['regionSource']}: {report['regionReason']}"),
            ("scopes in total", f"{scopes['asked']} = {coverage}"),
            ("servers", ", ".join([str(sum(report["serversByRegion"].values())), *counts])),
            ("DRS calls / full scan", f"{report['drsCalls']} / {report['apiCallsFullScan']}"),
            ("calls saved", f"{report['apiCallReductionPercent']} %"),
            ("seconds / saved (estimate)", f"{report['durationSeconds']:.1f} / {report['timeSavedSeconds']:.1f}"),
        ],
    )
    tables: list[RenderableType] = [summary]
    if report["serversByRegion"]:
        tables += [Text(), table("servers by region", _REGION_COLUMNS, report["serversByRegion"].items())]
    if is_dry_run:
        tables += [Text(), _planned_table(report["planned"], report["plannedTotal"])]
    return Group(*tables, *problem_paragraphs(report))


def _planned_table(planned: Sequence[Mapping[str, Any]], total: int) -> Group:
    """Name the servers that a run would write; those beyond the first fifty are counted."""
    listed = planned[:_MAX_PLANNED]
    rest = f", the first {len(listed)} of them; --output json has more" if total > len(listed) else ""
    return table(f"{total} servers planned{rest}", _PLAN_COLUMNS, map(_planned_row, listed))


def _planned_row(server: Mapping[str, Any]) -> tuple[object, ...]:
    if "sourceServerArn" in server:
        plan = f"extend from {server['stagingAccountId']}"
        return (server["accountId"], server["region"], server["sourceServerArn"].rpartition("/")[2], plan)
    plan = "; ".join(
        [
            *([f"tags {', '.join(server['tagKeys'])}"] if server["tagKeys"] else []),
            *(["copy tags at launch"] if server["copyTags"] else []),
        ]
    )
    return (server["accountId"], server["region"], server["sourceServerID"], plan)
