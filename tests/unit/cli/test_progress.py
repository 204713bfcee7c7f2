"""Progress of a sync where stderr is no terminal."""

from __future__ import annotations

import time
from typing import Final

import pytest

from service.cli.progress import ProgressLog
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
