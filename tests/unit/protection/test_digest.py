"""All summaries together: what is unknown or too old is in no number, and makes the others lower bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from service.models import Scope
from service.protection.digest import MAX_AGE, TOO_OLD, digest_of
from service.protection.reader import EstateCoverage
from service.protection.summary import CoverageRun, CoverageSummary, UnprotectedInstance

NOW: Final = datetime(2026, 11, 23, 5, tzinfo=UTC)
EARLIER: Final = NOW - timedelta(hours=20)
A, B = Scope("111122223333", "us-east-1"), Scope("222233334444", "us-east-1")
RUN: Final = CoverageRun(EARLIER, 2, {"eu-west-1": 2})


def summary(scope: Scope = A, as_of: datetime | None = EARLIER, **members: Any) -> CoverageSummary:
    counts = {"protected": 5, "unprotected": 1, "by_reason": {"NO_SOURCE_SERVER": 1}, "left_out": {"terminated": 2}}
    return CoverageSummary(scope, as_of, **{**counts, **members})


def digest(*summaries: CoverageSummary, run: CoverageRun | None = RUN) -> dict[str, Any]:
    found = digest_of(EstateCoverage({each.scope: each for each in summaries}, run), NOW)
    assert found is not None
    return found


def test_an_estate_without_a_run_has_none() -> None:
    assert digest_of(EstateCoverage({}, None), NOW) is None


def test_numbers_are_added_up() -> None:
    first = (UnprotectedInstance("i-1", "[red]app", "NO_SOURCE_SERVER"),)
    found = digest(summary(first=first), summary(B, NOW))
    assert len(found.pop("byScope")) == 2
    assert found == {
        "lastRun": "2026-11-22T09:00:00.000000+00:00",
        "oldest": "2026-11-22T09:00:00.000000+00:00",
        "scopes": 2,
        "scopesUnknown": 0,
        "isLowerBound": False,
        "instances": 16,
        "protected": 10,
        "unprotected": 2,
        "byReason": {"NO_SOURCE_SERVER": 2},
        "leftOut": {"terminated": 4},
        "serversKnown": True,
        "first": [
            {
                "accountId": A.account_id,
                "region": A.region,
                "instanceId": "i-1",
                "name": "[red]app",
                "reason": "NO_SOURCE_SERVER",
            }
        ],
        "notLookedAt": [{"region": "eu-west-1", "accounts": 2}],
    }


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"as_of": None}, "NEVER_READ"),
        ({"as_of": None, "failure": {"code": "AccessDenied", "advice": "grant it"}}, "AccessDenied"),
        ({"failed_since": NOW, "failure": {"code": "Throttled"}}, "Throttled"),
        ({"as_of": NOW - MAX_AGE - timedelta(seconds=1)}, TOO_OLD),
    ],
)
def test_a_scope_that_is_not_known_is_in_no_number(members: dict[str, Any], code: str) -> None:
    found = digest(summary(), summary(B, **members))
    assert (found["protected"], found["unprotected"], found["scopesUnknown"]) == (5, 1, 1)
    assert found["isLowerBound"]
    assert [(each["isKnown"], each.get("code")) for each in found["byScope"]] == [(True, None), (False, code)]


def test_a_scope_that_could_not_be_read_says_why_and_since_when() -> None:
    failure = {"code": "AccessDenied", "message": "no", "advice": "grant it"}
    [scope] = digest(summary(as_of=None, protected=0, unprotected=0, failed_since=NOW, failure=failure))["byScope"]
    assert (scope["code"], scope["advice"], scope["since"]) == (
        "AccessDenied",
        "grant it",
        "2026-11-23T05:00:00.000000+00:00",
    )


def test_before_a_run_over_everything_there_may_be_more() -> None:
    found = digest(summary(), run=None)
    assert (found["lastRun"], found["isLowerBound"], found["notLookedAt"]) == (None, True, [])


@pytest.mark.parametrize(("unknown", "known"), [(0, True), (3, False), (None, False)])
def test_servers_that_were_not_known_are_told(unknown: int | None, *, known: bool) -> None:
    assert digest(summary(server_scopes_unknown=unknown), summary(B))["serversKnown"] is known
