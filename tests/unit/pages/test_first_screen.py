"""The first screen: 24 lines that fit, in words that need no colour, and never 100 % where something is unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pages.first_screen import MAX_LINES, first_screen


def document(**members: Any) -> dict[str, Any]:
    servers = {"total": 5, "isLowerBound": False, "ready": 5, "readyPercent": 100.0}
    others = dict.fromkeys(("syncing", "stalled", "disconnected", "extensionError", "unknown"), 0)
    return {
        "asOf": "2026-11-23T05:00:00+00:00",
        "verdict": "ready",
        "complete": True,
        "servers": {**others, **servers, **members.pop("servers", {})},
        "lag": {"objectiveSeconds": 900, "worst": {"seconds": 840, "sourceServerID": "s-1"}},
        "drills": {"withoutRecent": 1, "maxAgeDays": 180},
        "freshness": {"oldestCompleteScan": {"ageSeconds": 60, "accountId": "111100000001", "region": "us-east-1"}},
        "scopeStates": {"unknown": 0},
        "needsYou": [],
        **members,
    }


def entry(title: str = "2 servers stalled: AGENT_NOT_SEEN", command: str = "drs-sync servers", **more: Any) -> Any:
    return {"title": title, "command": command, "fix": "check", "severity": "critical", "since": None, **more}


def text(body: dict[str, Any], width: int = 80) -> str:
    return "\n".join(line.text for line in first_screen(body, width=width))


def test_all_well_is_said_in_ten_lines() -> None:
    assert text(document()) == (
        "Could it fail over now?\n"
        "  YES: 5 of 5 servers are ready (100 %)\n"
        "  longest lag 14 min (s-1), objective 15 min\n"
        "  4 of 5 were launched in the last 180 days\n"
        "Can it be believed?\n"
        "  YES: every account and region is known\n"
        "  oldest complete scan of servers: 60 s ago (111100000001 us-east-1)\n"
        "What needs you?\n"
        "  Nothing needs you."
    )


def test_a_scope_that_was_never_read_takes_the_percentage_away() -> None:
    shown = text(
        document(
            verdict="unknown",
            complete=False,
            servers={"isLowerBound": True, "readyPercent": None},
            scopeStates={"unknown": 1},
            needsYou=[entry("1 scope unknown: SCP_DENIED (us-west-2)", "drs-sync doctor", severity="warning")],
        )
    )
    assert "UNKNOWN: 5 of at least 5 servers are ready\n" in shown
    assert "100" not in shown.replace("111100000001", "")
    assert "NO: 1 scope is unknown" in shown
    assert "!  1 scope unknown: SCP_DENIED (us-west-2)  drs-sync doctor" in shown


def test_a_command_that_does_not_fit_beside_its_cause_stands_below_it() -> None:
    body = document(
        needsYou=[entry(since="2026-11-21T04:00:00+00:00", command="drs-sync servers --state STALLED -o wide")]
    )
    assert "!! 2 servers stalled: AGENT_NOT_SEEN, for 2 d\n    drs-sync servers --state STALLED -o wide" in text(body)
    assert "for 2 d  drs-sync servers --state STALLED" in text(body, width=160)


@pytest.mark.parametrize("count", [1, 5, 10, 11, 100])
@pytest.mark.parametrize("long", [False, True])
def test_at_most_ten_lines_of_causes_the_rest_is_counted(count: int, *, long: bool) -> None:
    title = "x" * (70 if long else 10)
    lines = [line.text for line in first_screen(document(needsYou=[entry(title)] * count))]
    assert len(lines) <= MAX_LINES
    below = lines[lines.index("What needs you?") + 1 :]
    assert len(below) <= 10
    shown = sum(line.startswith("!!") for line in below)
    assert shown == count or below[-1] == f"  and {count - shown} more: drs-sync status --output json"


@given(st.text(), st.integers(0, 300), st.sampled_from(["ready", "notReady", "unknown", "empty"]))
def test_no_line_is_wider_than_asked_and_none_controls_the_terminal(title: str, width: int, verdict: str) -> None:
    body = document(verdict=verdict, needsYou=[entry(title, since=title), entry(title, command="", fix=title)])
    lines = [line.text for line in first_screen(body, width=width)]
    assert len(lines) <= MAX_LINES
    assert all(len(line) <= max(40, width) for line in lines)
    assert not any(character < " " or character == "\x7f" for line in lines for character in line)
