"""Progress of a running sync on stderr: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.output import stderr_console
from service.regions.selection import Selection
from service.sync.engine.outcome import ScopeResult

__all__ = ["ProgressBar", "ProgressLog", "live_progress"]

_LOG_INTERVAL_S: Final = 10.0


def live_progress() -> ProgressBar | ProgressLog:
    """Create the progress display that suits stderr."""
    return ProgressBar(stderr_console()) if sys.stderr.isatty() else ProgressLog()


class ProgressBar:
    """Progress bar for a terminal; it is erased at the end."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, visible=False)
        self._servers = 0

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def planned(self, selection: Selection, accounts: int) -> None:
        """Start the bar with the number of scopes to scan."""
        description, total = f"{accounts} accounts", len(selection.scopes)
        self._progress.update(self._task, description=description, total=total, visible=True)

    def scanned(self, result: ScopeResult) -> None:
        """Count one finished scope."""
        self._servers += result.servers
        self._progress.update(self._task, advance=1, description=f"{self._servers} servers")


class ProgressLog:
    """Progress as one line every ten seconds; a sync shorter than that prints none."""

    def __init__(self) -> None:
        self._last_line_at = time.monotonic()
        self._finished = self._total = self._servers = 0

    def __enter__(self) -> ProgressLog:
        return self

    def __exit__(self, *exc: object) -> None:
        """There is nothing to clean up."""

    def planned(self, selection: Selection, accounts: int) -> None:  # noqa: ARG002 - only the bar shows accounts
        """Store the number of scopes to scan."""
        self._total = len(selection.scopes)

    def scanned(self, result: ScopeResult) -> None:
        """Count one finished scope, and print a line if the last one is ten seconds old."""
        self._finished += 1
        self._servers += result.servers
        if time.monotonic() - self._last_line_at >= _LOG_INTERVAL_S:
            self._last_line_at = time.monotonic()
            sys.stderr.write(f"drs-sync: {self._finished}/{self._total} scopes, {self._servers} servers\n")
            sys.stderr.flush()
