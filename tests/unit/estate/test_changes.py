"""Changes of a scope: each is found once, whatever the order of states, and what a list does not show is not gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.estate.changes import (
    MAX_SINGLE,
    ChangeKind,
    CurrentServer,
    Mark,
    changes_of,
    decode_marks,
    encode_marks,
    mark_of,
)
from service.inventory.posture import LAG_OVER_OBJECTIVE, Posture, ServerPosture

POSTURES = {
    Mark.GOOD: ServerPosture(Posture.READY),
    Mark.BEHIND: ServerPosture(Posture.SYNCING, LAG_OVER_OBJECTIVE),
    Mark.STALLED: ServerPosture(Posture.STALLED, "AGENT_NOT_SEEN"),
    Mark.DISCONNECTED: ServerPosture(Posture.DISCONNECTED, "DISCONNECTED"),
    Mark.EXTENSION_ERROR: ServerPosture(Posture.EXTENSION_ERROR, "EXTENSION_ERROR"),
}
MARKS = st.dictionaries(st.sampled_from([f"s-{n}" for n in range(8)]), st.sampled_from([*Mark]))


def shown(marks: dict[str, Mark]) -> dict[str, CurrentServer]:
    return {server_id: CurrentServer("name", f"arn:{server_id}", POSTURES[mark]) for server_id, mark in marks.items()}


@pytest.mark.parametrize("mark", [*Mark])
def test_a_server_has_the_mark_of_its_posture(mark: Mark) -> None:
    assert mark_of(POSTURES[mark]) is mark


def test_a_server_that_syncs_or_is_unknown_is_not_announced() -> None:
    assert mark_of(ServerPosture(Posture.SYNCING, "INITIAL_SYNC")) is Mark.GOOD
    assert mark_of(ServerPosture(Posture.UNKNOWN, "NO_STATE_REPORTED")) is Mark.GOOD


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (Mark.GOOD, Mark.STALLED, ChangeKind.STALLED),
        (Mark.BEHIND, Mark.DISCONNECTED, ChangeKind.STALLED),
        (Mark.STALLED, Mark.EXTENSION_ERROR, ChangeKind.STALLED),
        (Mark.STALLED, Mark.GOOD, ChangeKind.RECOVERED),
        (Mark.STALLED, Mark.BEHIND, ChangeKind.BEHIND),
        (Mark.GOOD, Mark.BEHIND, ChangeKind.BEHIND),
        (Mark.BEHIND, Mark.GOOD, ChangeKind.CAUGHT_UP),
    ],
)
def test_a_change_has_the_kind_of_where_it_leads(before: Mark, after: Mark, kind: ChangeKind) -> None:
    changes, marks = changes_of({"s-1": before}, shown({"s-1": after}), shows_all=True, was_unknown=False)
    assert [(change.kind, change.subject, change.resources) for change in changes] == [(kind, "s-1", ("arn:s-1",))]
    assert marks == {"s-1": after}


@given(before=MARKS, after=MARKS, shows_all=st.booleans())
def test_what_was_announced_is_not_announced_again(
    before: dict[str, Mark], after: dict[str, Mark], *, shows_all: bool
) -> None:
    changes, marks = changes_of(before, shown(after), shows_all=shows_all, was_unknown=False)
    assert changes_of(marks, shown(after), shows_all=shows_all, was_unknown=False) == ([], marks)
    gone = {change.subject for change in changes if change.kind is ChangeKind.GONE}
    assert gone == (before.keys() - after.keys() if shows_all else set())
    assert len({change.subject for change in changes}) == len(changes)
    assert marks.keys() == after.keys() | (set() if shows_all else before.keys())


@given(MARKS, MARKS)
def test_a_scope_that_was_unknown_or_never_seen_gives_one_summary_at_most(
    before: dict[str, Mark], after: dict[str, Mark]
) -> None:
    returned, _ = changes_of(before, shown(after), shows_all=True, was_unknown=True)
    assert [change.kind for change in returned] in ([], [ChangeKind.SUMMARY])
    first, _ = changes_of(None, shown(after), shows_all=True, was_unknown=False)
    assert [change.kind for change in first] == ([ChangeKind.SUMMARY] if after else [])


def test_very_many_changes_become_one_summary_that_counts_them() -> None:
    ids = [f"s-{n}" for n in range(MAX_SINGLE + 1)]
    stalled = shown(dict.fromkeys(ids, Mark.STALLED))
    (summary,), _ = changes_of(dict.fromkeys(ids, Mark.GOOD), stalled, shows_all=True, was_unknown=False)
    assert summary.members["changes"] == {"STALLED": MAX_SINGLE + 1}
    few, _ = changes_of(
        dict.fromkeys(ids[1:], Mark.GOOD), dict(list(stalled.items())[1:]), shows_all=True, was_unknown=False
    )
    assert len(few) == MAX_SINGLE


def test_few_changes_that_are_too_large_for_an_item_become_one_summary() -> None:
    odd = {f"s-{n}": CurrentServer("n", "arn:" + "x" * 900, POSTURES[Mark.STALLED]) for n in range(MAX_SINGLE)}
    changes, _ = changes_of(dict.fromkeys(odd, Mark.GOOD), odd, shows_all=True, was_unknown=False)
    assert [change.kind for change in changes] == [ChangeKind.SUMMARY]


UNKNOWN = ServerPosture(Posture.UNKNOWN, "NO_STATE_REPORTED")
BACKLOG = ServerPosture(Posture.SYNCING, "BACKLOG")


@pytest.mark.parametrize(
    ("before", "found", "after"),
    [
        *((mark, UNKNOWN, mark) for mark in Mark),
        (Mark.BEHIND, BACKLOG, Mark.BEHIND),
        (Mark.STALLED, BACKLOG, Mark.GOOD),
        (Mark.GOOD, BACKLOG, Mark.GOOD),
    ],
)
def test_a_server_keeps_its_mark_until_something_says_that_it_has_recovered(
    before: Mark, found: ServerPosture, after: Mark
) -> None:
    servers = {"s-1": CurrentServer("name", "arn:s-1", found)}
    changes, marks = changes_of({"s-1": before}, servers, shows_all=True, was_unknown=False)
    assert marks == {"s-1": after}
    assert bool(changes) == (before is not after)


@given(MARKS)
def test_marks_are_kept_as_they_are(marks: dict[str, Mark]) -> None:
    assert decode_marks(encode_marks(marks)) == marks


def test_the_marks_of_a_full_scope_fit_an_item() -> None:
    assert len(encode_marks({f"s-{n:017x}"[:19]: Mark.GOOD for n in range(0, 4000 * 7919, 7919)})) < 100_000


@given(st.none() | st.binary() | st.text() | st.integers())
def test_damaged_marks_are_none(value: object) -> None:
    assert decode_marks(value) is None
