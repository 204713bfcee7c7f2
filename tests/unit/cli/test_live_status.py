"""What the live display of a sync says at each moment."""

from __future__ import annotations

from collections import Counter
from typing import Final

from service.aws.call_counter import CallCounter
from service.cli.live_status import LiveStatus
from service.models import Coverage, Problem, RegionStatus, Scope
from service.regions.selection import RegionSource, ScanReason, Selection
from service.sync.engine.outcome import ScopeResult

A: Final = "111122223333"
B: Final = "444455556666"
SCOPES: Final = (Scope(A, "eu-west-1"), Scope(A, "us-east-1"), Scope(A, "us-west-2"), Scope(B, "us-west-2"))
SELECTION: Final = Selection(RegionSource.FULL_SCAN, "", dict.fromkeys(SCOPES, ScanReason.FULL_SCAN), ())


def test_it_says_what_was_found_and_what_it_waits_for() -> None:
    status, calls = LiveStatus(), CallCounter()
    assert not status.is_planned
    status.started(calls)
    calls.calls = Counter({("drs", "DescribeSourceServers"): 1200, ("sts", "AssumeRole"): 3})
    status.planned(SELECTION)
    assert status.lines() == ("0 servers so far, 1,203 calls", "waiting for us-west-2, eu-west-1 and 1 more region")
    calls.throttled = 7
    status.scanned(ScopeResult(SCOPES[0], Coverage.COMPLETE, servers=1500))
    assert status.lines() == (
        "1,500 servers so far, 1,203 calls, 7 throttled by AWS and repeated",
        "waiting for us-west-2, us-east-1; eu-west-1 answered last",
    )
    problem = Problem("AccessDenied", "no", RegionStatus.THROTTLED)
    status.scanned(ScopeResult(SCOPES[1], Coverage.FAILED, problems=(problem,)))
    found, activity = status.lines()
    assert found.endswith("repeated, 1 scope with problems")
    assert activity == f"waiting for {A} us-west-2, {B} us-west-2; us-east-1 answered last"
    for scope in SCOPES[2:]:
        status.scanned(ScopeResult(scope, Coverage.COMPLETE))
    assert status.lines()[1] == "writing what was found"
