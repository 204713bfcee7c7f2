"""Changes of the estate as a whole: one event per cause, however many scopes, and none twice."""

from __future__ import annotations

from service.estate.changes import ChangeKind
from service.estate.estate import Estate, estate_of
from service.estate.estate_changes import estate_changes
from service.estate.scope_posture import ScopePosture
from service.inventory.posture import Posture
from service.models import Scope
from service.regions.scope_state import ScopeState
from service.settings import Settings

SETTINGS = Settings()


def scope(number: int, cause: str = "") -> ScopePosture:
    place = Scope(f"{number:012}", "us-east-1")
    if cause:
        return ScopePosture(place, ScopeState.UNKNOWN, {Posture.UNKNOWN: 2}, cause=cause)
    return ScopePosture(place, ScopeState.FRESH, {Posture.READY: 2})


def estate(*scopes: ScopePosture) -> Estate:
    return estate_of(scopes, SETTINGS)


def test_what_is_unknown_at_first_is_one_summary() -> None:
    changes, kept = estate_changes(estate(scope(1), *(scope(n, "SCP_DENIED") for n in range(2, 9))), SETTINGS, {})
    assert [(change.kind, change.members["unknownScopes"]) for change in changes] == [(ChangeKind.ESTATE, 7)]
    assert estate_changes(estate(scope(1), *(scope(n, "SCP_DENIED") for n in range(2, 9))), SETTINGS, kept) == (
        [],
        kept,
    )
    assert estate_changes(estate(scope(1)), SETTINGS, {})[0] == []


def test_scopes_that_become_unknown_are_one_change_per_cause_and_known_again_one_for_all() -> None:
    _, kept = estate_changes(estate(*map(scope, range(6))), SETTINGS, {})
    now = estate(scope(0), *(scope(n, "SCP_DENIED") for n in (1, 2, 3)), *(scope(n, "THROTTLED") for n in (4, 5)))
    changes, kept = estate_changes(now, SETTINGS, kept)
    assert [(change.kind, change.members["cause"], change.members["scopes"]) for change in changes] == [
        (ChangeKind.SCOPES_UNKNOWN, "SCP_DENIED", 3),
        (ChangeKind.SCOPES_UNKNOWN, "THROTTLED", 2),
    ]
    changes, kept = estate_changes(estate(*map(scope, range(6))), SETTINGS, kept)
    assert [(change.kind, change.members["scopes"]) for change in changes] == [(ChangeKind.SCOPES_KNOWN, 5)]
    assert estate_changes(estate(*map(scope, range(6))), SETTINGS, kept) == ([], kept)


def test_an_account_that_was_removed_is_not_known_again() -> None:
    _, kept = estate_changes(estate(scope(1), scope(2, "THROTTLED")), SETTINGS, {})
    assert estate_changes(estate(scope(1)), SETTINGS, kept)[0] == []


def test_damaged_attributes_count_as_nothing_announced() -> None:
    changes, _ = estate_changes(estate(scope(2, "THROTTLED")), SETTINGS, {"unknown": b"x", "nearFull": []})
    assert [change.kind for change in changes] == [ChangeKind.ESTATE]
