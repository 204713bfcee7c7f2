"""The estate document: its verdict, and that it can always be written as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from service.estate.estate import Estate, estate_of
from service.estate.scope_posture import ScopePosture
from service.inventory.posture import Posture
from service.models import Scope
from service.queries.estate.document import MAX_SCOPES, Verdict, estate_document, verdict_of
from service.regions.scope_state import ScopeState
from service.settings import Settings

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)


def estate(**counts: int) -> Estate:
    posture = {Posture[name.upper()]: number for name, number in counts.items()}
    scope = ScopePosture(Scope("111100000001", "us-east-1"), ScopeState.FRESH, posture, last_complete=NOW)
    return estate_of([scope], Settings())


@pytest.mark.parametrize(
    ("counts", "is_complete", "verdict"),
    [
        ({"ready": 5}, True, Verdict.READY),
        ({"ready": 5}, False, Verdict.UNKNOWN),
        ({"ready": 5, "unknown": 1}, True, Verdict.UNKNOWN),
        ({"ready": 5, "syncing": 1}, True, Verdict.NOT_READY),
        ({"ready": 5, "stalled": 1}, False, Verdict.NOT_READY),
        ({"disconnected": 1}, True, Verdict.NOT_READY),
        ({"extension_error": 1}, True, Verdict.NOT_READY),
        ({}, True, Verdict.EMPTY),
        ({}, False, Verdict.UNKNOWN),
    ],
)
def test_the_verdict_is_ready_only_where_everything_is_and_is_known(
    counts: dict[str, int], verdict: Verdict, *, is_complete: bool
) -> None:
    assert verdict_of(estate(**counts), is_complete=is_complete) is verdict


def test_the_document_lists_scopes_with_servers_or_unknown_ones_up_to_a_bound() -> None:
    scopes = [
        ScopePosture(Scope(f"{number:012}", "us-east-1"), ScopeState.UNKNOWN, is_counted=False)
        for number in range(MAX_SCOPES + 5)
    ]
    scopes.append(ScopePosture(Scope("9" * 12, "us-east-1"), ScopeState.EMPTY, last_complete=NOW - timedelta(hours=1)))
    document = estate_document(
        estate_of(scopes, Settings()), [], Settings(), NOW, is_complete=False, account_names={"0" * 12: "First"}
    )
    assert (len(document["scopes"]), document["scopesListed"], document["scopesTotal"]) == (
        MAX_SCOPES,
        MAX_SCOPES,
        MAX_SCOPES + 5,
    )
    assert document["scopes"][0]["accountName"] == "First"
    assert document["servers"]["isLowerBound"] is True
    assert document["servers"]["readyPercent"] is None
    assert orjson.dumps(document)
