"""A server as pages show it."""

from __future__ import annotations

from typing import Any

import pytest

from service.pages.server_facts import row_of, rows_of
from tests.support.estate import NOW, view


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({}, {"lag": "unknown", "since": "unknown", "launch": "never, as far as DRS shows", "lag_s": None}),
        ({"lagDuration": "P0D"}, {"lag": "0 s", "lag_s": 0}),
        ({"lagDuration": "PT14M"}, {"lag": "14 min", "lag_s": 840}),
        ({"lagDuration": "a while"}, {"lag": "unknown", "lag_s": None}),
        ({"postureSince": "2026-11-21T04:00:00+00:00"}, {"since": "2 d"}),
        ({"posture": "of a later version"}, {"word": "unknown", "tone": "doubtful"}),
        ({"posture": "extensionError"}, {"word": "not extended", "tone": "bad"}),
        ({"posture": "ready"}, {"word": "ready", "tone": "good", "rank": 5}),
        ({"hostname": "", "nameTag": "app"}, {"name": "app"}),
        ({"hostname": ""}, {"name": "s-1"}),
        ({"hostname": "  ", "nameTag": " app "}, {"name": "app"}),
        ({"lastLaunchStatus": "NOT_STARTED"}, {"launch": "never, as far as DRS shows"}),
        (
            {"lastLaunchType": "DRILL", "lastLaunchStatus": "SUCCEEDED", "lastLaunchTime": "2026-11-20T05:00:00Z"},
            {"launch": "drill succeeded, 3 d ago"},
        ),
        ({"lastLaunchType": "DRILL"}, {"launch": "drill unknown, unknown"}),
    ],
)
def test_a_row_shows_what_is_known(members: dict[str, Any], shown: dict[str, Any]) -> None:
    row = row_of(view(**members), NOW, anchor="x")
    assert {name: getattr(row, name) for name in shown} == shown


@pytest.mark.parametrize(("known", "text"), [(True, "yes"), (False, "no, something is missing"), (None, "unknown")])
def test_whether_the_origin_is_known(known: bool | None, text: str) -> None:  # noqa: FBT001 - a row of a table
    members: dict[str, Any] = {} if known is None else {"topologyComplete": known}
    assert dict(row_of(view(**members), NOW, anchor="x").facts)["origin known for failback"] == text


def test_without_facts_a_row_shows_the_same_and_keeps_no_more() -> None:
    (whole,), (row,) = rows_of([view()], NOW), rows_of([view()], NOW, with_facts=False)
    assert (row.facts, row.view) == ((), {})
    assert whole.facts
    assert (row.name, row.word, row.anchor) == (whole.name, whole.word, whole.anchor)
