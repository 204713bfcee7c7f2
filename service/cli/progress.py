"""Progress of a running sync on stderr: a live display on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable
from logging.handlers import MemoryHandler
from typing import Final

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from service.aws.call_counter import CallCounter
from service.cli.live_status import LiveStatus
from service.cli.log_text import TerminalLog
from service.cli.output import stderr_console
from service.regions.selection import Selection
from service.sync.engine.outcome import ScopeResult

__all__ = ["ProgressBar", "ProgressLog", "live_progress"]

_LOG_INTERVAL_S: Final = 10.0
_MAX_HELD: Final = 100_000  # records; more are written at once, through the display
_NEVER: Final = logging.CRITICAL + 1  # a level that no record has


def live_progress() -> ProgressBar | ProgressLog:
    """Create the progress display that suits stderr."""
    return ProgressBar(stderr_console()) if sys.stderr.isatty() else ProgressLog()


class _Display(Progress):
    """Bar with the lines of a `LiveStatus` under it, cut where the terminal ends."""

    status = LiveStatus()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bar and the lines; nothing before the scopes are known, so that an early error stands alone."""
        if not self.status.is_planned:
            return
        yield from super().get_renderables()
        for line in self.status.lines():
            yield Text(f"  {line}", no_wrap=True, overflow="ellipsis")


class ProgressBar:
    """Live display for a terminal; it is erased at the end. Log records are held back until then, and none is lost."""

    def __init__(self, console: Console) -> None:
        self._status = LiveStatus()
        self._progress = _Display(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._progress.status = self._status
        self._task = self._progress.add_task("scopes", total=None)
        self._handlers: list[logging.Handler] = []
        self._held: list[MemoryHandler] = []

    def __enter__(self) -> ProgressBar:
        root = logging.getLogger()
        self._handlers = root.handlers[:]
        self._held = [MemoryHandler(_MAX_HELD, _NEVER, handler) for handler in self._handlers]
        root.handlers[:] = self._held
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()
        logging.getLogger().handlers[:] = self._handlers
        for held in self._held:
            if isinstance(held.target, TerminalLog):
                held.target.emit_all(held.buffer)
                held.buffer = []
            held.close()  # hands the records on

    def started(self, calls: CallCounter) -> None:
        """Show the number of calls, and of those that AWS throttles."""
        self._status.started(calls)

    def planned(self, selection: Selection, accounts: int) -> None:
        """Start the bar with the number of scopes to scan."""
        self._status.planned(selection)
        self._progress.update(self._task, description=f"{accounts} accounts", total=len(selection.scopes))

    def scanned(self, result: ScopeResult) -> None:
        """Count one finished scope."""
        self._status.scanned(result)
        self._progress.update(self._task, advance=1)


class ProgressLog:
    """Progress as one line every ten seconds; a sync shorter than that prints none."""

    def __init__(self) -> None:
        self._last_line_at = time.monotonic()
        self._finished = self._total = self._servers = 0

    def __enter__(self) -> ProgressLog:
        return self

    def __exit__(self, *exc: object) -> None:
        """There is nothing to clean up."""

    def started(self, calls: CallCounter) -> None:
        """Only the live display shows calls."""

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
