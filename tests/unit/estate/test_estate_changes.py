"""Changes of the estate as a whole: one event per cause, however many scopes, and none twice."""

from __future__ import annotations

from typing import Any

from service.estate.changes import ChangeKind
from service.estate.estate import Estate, estate_of
from service.estate.estate_changes import decode_scopes, encode_scopes, estate_changes
from service.estate.grouped import encode_grouped
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


def filled(number: int, replicating: int, *, by: int = 0) -> ScopePosture:
    """Return a scope that replicates so many servers, or sees that an account does."""
    place = Scope(f"{number:012}", "us-east-1")
    summary = {"posture": {}, "replicating": {f"{by:012}" if by else "": replicating}}
    return ScopePosture(place, ScopeState.FRESH, {Posture.READY: 2}, summary=summary)


def kinds(estate: Estate, kept: dict[str, Any]) -> tuple[list[ChangeKind], dict[str, Any]]:
    changes, kept = estate_changes(estate, SETTINGS, kept)
    return [change.kind for change in changes], kept


def test_an_account_is_near_full_until_somebody_can_say_that_it_has_room() -> None:
    unknown = scope(1, "THROTTLED")
    _, kept = estate_changes(estate(filled(1, 10)), SETTINGS, {})
    found, kept = kinds(estate(filled(1, 290)), kept)
    assert found == [ChangeKind.NEAR_FULL]
    found, kept = kinds(estate(unknown), kept)
    assert found == [ChangeKind.SCOPES_UNKNOWN]
    found, kept = kinds(estate(filled(1, 290)), kept)
    assert found == [ChangeKind.SCOPES_KNOWN]
    found, kept = kinds(estate(filled(1, 10)), kept)
    assert found == [ChangeKind.HAS_ROOM]


def test_an_account_that_fewer_targets_can_see_does_not_have_room_again() -> None:
    _, kept = estate_changes(estate(filled(1, 10), filled(2, 10)), SETTINGS, {})
    found, kept = kinds(estate(filled(1, 290, by=9), filled(2, 10, by=9)), kept)
    assert found == [ChangeKind.NEAR_FULL]
    found, kept = kinds(estate(scope(1, "THROTTLED"), filled(2, 10, by=9)), kept)
    assert found == [ChangeKind.SCOPES_UNKNOWN]
    found, kept = kinds(estate(filled(1, 280, by=9), filled(2, 10, by=9)), kept)
    assert found == [ChangeKind.SCOPES_KNOWN]


def test_very_many_accounts_near_full_are_one_summary() -> None:
    _, kept = estate_changes(estate(*(filled(n, 10) for n in range(1, 302))), SETTINGS, {})
    changes, kept = estate_changes(estate(*(filled(n, 290) for n in range(1, 302))), SETTINGS, kept)
    assert [(change.kind, change.members["accountsNearFull"]) for change in changes] == [(ChangeKind.ESTATE, 301)]
    assert kinds(estate(*(filled(n, 290) for n in range(1, 302))), kept)[0] == []


def test_unknown_scopes_of_very_many_accounts_fit_an_item() -> None:
    causes = {
        f"{account * 7919:012}/region-{region}": "SCP_DENIED" if region % 3 else "THROTTLED"
        for account in range(5000)
        for region in range(34)
    }
    encoded = encode_scopes(causes)
    assert len(encoded) < 60_000
    assert decode_scopes(encoded) == causes


def test_attributes_of_another_structure_are_none() -> None:
    assert decode_scopes(encode_grouped({"a": "no cause"})) is None
    assert decode_scopes(encode_scopes({})) == {}
