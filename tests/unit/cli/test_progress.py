"""Progress of a sync on stderr: a live display on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import logging
import time
from typing import Final

import pytest
from rich.console import Console

from service.cli.log_text import TerminalLog
from service.cli.progress import ProgressBar, ProgressLog
from service.models import Coverage, Scope
from service.regions.selection import RegionSource, ScanReason, Selection
from service.sync.engine.outcome import ScopeResult

SCOPES: Final = tuple(Scope("111122223333", region) for region in ("a", "b", "c", "d", "e"))
SELECTION: Final = Selection(RegionSource.FULL_SCAN, "", dict.fromkeys(SCOPES, ScanReason.FULL_SCAN), ())
RESULT: Final = ScopeResult(SCOPES[0], Coverage.COMPLETE, servers=7)


def test_a_line_is_printed_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times, lines = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: times[-1])
    with ProgressLog() as log:
        log.planned(SELECTION, 1)
        for seconds in (109.0, 110.0, 119.0, 120.0):
            times.append(seconds)
            log.scanned(RESULT)
            lines.append(capsys.readouterr().err)
    assert lines == ["", "drs-sync: 2/5 scopes, 14 servers\n", "", "drs-sync: 4/5 scopes, 28 servers\n"]


def test_no_log_line_cuts_through_the_live_display_and_none_is_lost() -> None:
    screen, log = io.StringIO(), io.StringIO()
    root, kept = logging.getLogger(), logging.getLogger().handlers[:]
    root.handlers[:] = [handler := logging.StreamHandler(log)]
    try:
        with ProgressBar(Console(file=screen, force_terminal=True, width=80)) as bar:
            assert "servers so far" not in screen.getvalue()
            bar.planned(SELECTION, 1)
            bar.scanned(RESULT)
            logging.getLogger("service").warning("a warning of the run")
            assert not log.getvalue()
        assert log.getvalue() == "a warning of the run\n"
        assert root.handlers == [handler]
    finally:
        root.handlers[:] = kept
    assert "waiting for b, c and 2 more regions; a answered last" in screen.getvalue()
    assert "a warning" not in screen.getvalue()


def test_warnings_that_were_held_back_are_paragraphs_after_the_display_worst_first() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    root, kept = logging.getLogger(), logging.getLogger().handlers[:]
    root.handlers[:] = [TerminalLog(console)]
    try:
        with ProgressBar(console) as bar:
            bar.planned(SELECTION, 1)
            logging.getLogger("service").warning("a warning", extra={"advice": "do this"})
            logging.getLogger("service").error("an error")
            assert "an error" not in screen.getvalue()
    finally:
        root.handlers[:] = kept
    after = screen.getvalue()
    assert after.count("a warning") == 1
    assert after.index("ERROR  an error") < after.index("warning  a warning") < after.index("Fix: do this")
