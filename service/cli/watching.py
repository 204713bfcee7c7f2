"""What the sync commands share: options, progress, and how a report looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from service.cli.output import Output, stderr_console, table
from service.models import Coverage
from service.regions.selection import Selection
from service.sync.engine.outcome import ScopeResult

__all__ = ["Accounts", "Excluded", "OutputOption", "Regions", "live_progress", "tables_of"]

Accounts = Annotated[
    list[str] | None, typer.Option("--account", metavar="ID", help="Sync this account only; repeatable.")
]
Regions = Annotated[
    list[str] | None, typer.Option("--region", metavar="NAME", help="Look at this region only; repeatable.")
]
Excluded = Annotated[
    list[str] | None, typer.Option("--exclude-region", metavar="NAME", help="Never look at this region; repeatable.")
]
OutputOption = Annotated[
    Output | None, typer.Option("--output", "-o", help="Default: table on a terminal, json in a pipe.")
]


def live_progress() -> Bar | Heartbeat:
    """Show progress on stderr: a bar on a terminal, a line every ten seconds elsewhere."""
    return Bar(stderr_console()) if sys.stderr.isatty() else Heartbeat()


class Bar:
    """A progress bar that leaves nothing behind."""

    def __init__(self, on: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=on,
            transient=True,
        )
        self._task: TaskID | None = None
        self._servers = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def planned(self, selection: Selection, accounts: int) -> None:
        """Begin to count."""
        self._task = self._progress.add_task(f"{accounts} accounts", total=len(selection.scopes))

    def scanned(self, result: ScopeResult) -> None:
        """Count one place."""
        self._servers += result.servers
        if self._task is not None:
            self._progress.update(self._task, advance=1, description=f"{self._servers} servers")


_HEARTBEAT_S: Final = 10.0


class Heartbeat:
    """A sign of life for logs; a run shorter than ten seconds gives none."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._done = self._planned = self._servers = 0

    def __enter__(self) -> Heartbeat:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing to put away."""

    def planned(self, selection: Selection, accounts: int) -> None:  # noqa: ARG002 - the bar shows it
        """Begin to count."""
        self._planned = len(selection.scopes)

    def scanned(self, result: ScopeResult) -> None:
        """Count one place."""
        self._done += 1
        self._servers += result.servers
        if time.monotonic() - self._last >= _HEARTBEAT_S:
            self._last = time.monotonic()
            sys.stderr.write(f"drs-sync: {self._done}/{self._planned} places, {self._servers} servers\n")
            sys.stderr.flush()


# Members of a report that say what came of the servers, with a person's word for each.
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


def tables_of(report: Mapping[str, Any]) -> Group:
    """Show a report to a person."""
    scopes = report["scopes"]
    servers = report["serversByRegion"]
    came = [f"{word} {report[name]}" for name, word in _COUNTS.items() if name in report]
    dry = " (dry run: nothing was written)" if report.get("dryRun") else ""
    summary = table(
        f"{report['operation']}: {report['status']}{dry}",
        ("what", "value"),
        [
            (
                "regions scanned / skipped / failed",
                _slashed(report, "regionsScanned", "regionsSkipped", "regionsFailed"),
            ),
            ("why these regions", f"{report['regionSource']}: {report['regionReason']}"),
            ("scopes asked", f"{scopes['asked']} = {' + '.join(f'{scopes[each]} {each}' for each in Coverage)}"),
            ("servers", ", ".join([str(report["serversSynced"]), *came])),
            ("DRS calls / full scan", f"{report['drsCalls']} / {report['apiCallsFullScan']}"),
            ("calls saved", f"{report['apiCallReductionPercent']} %"),
            ("seconds / saved (estimate)", f"{report['durationSeconds']:.1f} / {report['timeSavedSeconds']:.1f}"),
        ],
    )
    shown = [summary, table("servers by region", ("region", "servers"), servers.items())]
    headings = ("account", "regions", "call", "code", "message", "do")
    shown.extend(table(title, headings, map(_row, report[title])) for title in ("errors", "warnings") if report[title])
    return Group(*shown)


def _slashed(report: Mapping[str, Any], *names: str) -> str:
    return " / ".join(str(report[name]) for name in names)


def _row(problem: Mapping[str, Any]) -> tuple[object, ...]:
    regions = problem["regions"]
    where = ", ".join(regions) if len(regions) <= 3 else f"{len(regions)} regions"  # noqa: PLR2004 - fits a line
    call = f"{problem.get('service', '')}:{problem.get('operation', '')}".strip(":")
    return (problem.get("accountId", ""), where, call, problem["code"], problem["message"], problem.get("advice", ""))
