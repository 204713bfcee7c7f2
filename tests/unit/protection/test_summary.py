"""Items of summaries: what is written is read again, stays small, and an odd item is unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.aws.attribute_values import decode, encode
from service.models import Problem, RegionStatus, Scope
from service.protection.decision import Instance, LeftOut, Protected, ProtectionTally, Reason, Unprotected
from service.protection.summary import (
    MAX_NAMED,
    CoverageRun,
    CoverageSummary,
    UnprotectedInstance,
    failure_attributes,
    run_item,
    run_of,
    summary_item,
    summary_of,
)

SCOPE: Final = Scope("111122223333", "us-east-1")
NOW: Final = datetime(2026, 11, 23, 5, tzinfo=UTC)
LATER: Final = datetime(2026, 11, 24, 5, tzinfo=UTC)


def tally_of(unprotected: int = 2, *, name: str = "app") -> ProtectionTally:
    tally = ProtectionTally()
    for number in reversed(range(unprotected)):
        tally.add(Instance(f"i-{number:017x}", tags={"Name": name}), Unprotected(Reason.NO_SOURCE_SERVER))
    tally.add(Instance("i-p"), Protected("s-1"))
    tally.add(Instance("i-t"), LeftOut.TERMINATED)
    return tally


def stored(tally: ProtectionTally, unknown: int | None = 0, **attributes: Any) -> dict[str, Any]:
    item = summary_item(SCOPE, tally, as_of=NOW, server_scopes_unknown=unknown)
    return decode(encode({**item, **attributes}))


def test_a_summary_is_read_as_it_was_written() -> None:
    summary = summary_of(stored(tally_of(), 3))
    assert summary is not None
    assert summary.is_known
    assert summary == CoverageSummary(
        SCOPE,
        NOW,
        protected=1,
        unprotected=2,
        by_reason={"NO_SOURCE_SERVER": 2},
        left_out={"terminated": 1},
        first=(
            UnprotectedInstance("i-00000000000000000", "app", "NO_SOURCE_SERVER"),
            UnprotectedInstance("i-00000000000000001", "app", "NO_SOURCE_SERVER"),
        ),
        server_scopes_unknown=3,
    )


def test_a_summary_names_the_first_and_counts_the_rest() -> None:
    summary = summary_of(stored(tally_of(5000)))
    assert summary is not None
    assert (summary.unprotected, summary.instances, len(summary.first)) == (5000, 5002, MAX_NAMED)
    assert [each.instance_id for each in summary.first] == [f"i-{number:017x}" for number in range(MAX_NAMED)]


def test_a_summary_stays_small_whatever_is_in_the_account() -> None:
    item = stored(tally_of(5000, name="\N{GRINNING FACE}" * 4000), None)
    problem = Problem("x" * 9999, "m" * 9999, RegionStatus.ERROR, cause="c" * 9999, advice="a" * 9999)
    assert len(orjson.dumps({**item, **failure_attributes(problem, at=NOW)})) < 16 * 1024


@pytest.mark.parametrize(
    ("attributes", "as_of"),
    [
        ({"failedAt": LATER.isoformat(), "failedSince": NOW.isoformat()}, NOW),
        ({"failedAt": LATER.isoformat()}, NOW),  # the run ended between the two writes
        ({"asOf": None}, None),
        ({"asOf": "soon"}, None),
        ({"protected": None}, None),
        ({"protected": -1}, None),
        ({"protected": True}, None),
        ({"unprotected": "2"}, None),
    ],
)
def test_what_could_not_be_read_is_not_known(attributes: dict[str, Any], as_of: datetime | None) -> None:
    summary = summary_of(stored(tally_of(), **attributes))
    assert summary is not None
    assert (summary.as_of, summary.is_known) == (as_of, False)
    assert (summary.protected, summary.unprotected) == ((1, 2) if as_of else (0, 0))


def test_a_scope_that_was_never_read_says_why_and_since_when() -> None:
    problem = Problem("AccessDenied", "no", RegionStatus.IAM_PERMISSION_DENIED, cause="c", advice="grant it")
    item = {"pk": "coverage", "sk": "111122223333#us-east-1", "failedSince": NOW.isoformat()}
    summary = summary_of({**item, **failure_attributes(problem, at=LATER)})
    failure = {"code": "AccessDenied", "message": "no", "cause": "c", "advice": "grant it"}
    assert summary == CoverageSummary(SCOPE, failed_since=NOW, failure=failure)
    assert not summary.is_known


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"pk": "coverage"},
        {"pk": "coverage", "sk": "run"},
        {"pk": "coverage", "sk": "1111#us-east-1"},
        {"pk": "coverage", "sk": "111122223333#"},
        {"pk": "other", "sk": "111122223333#us-east-1"},
        {"pk": 5, "sk": None},
    ],
)
def test_an_item_of_another_kind_is_no_summary(keys: dict[str, Any]) -> None:
    assert summary_of({**keys, "asOf": NOW.isoformat(), "protected": 1, "unprotected": 0}) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*sorted(stored(tally_of()).keys() - {"pk", "sk"}), "failure"]), _JSON))
def test_whatever_other_writers_leave_is_read(attributes: dict[str, Any]) -> None:
    summary = summary_of({**stored(tally_of()), **attributes})
    assert summary is not None
    assert summary.instances >= 0
    assert all(type(each) is UnprotectedInstance for each in summary.first)


def test_a_run_is_read_as_it_was_written() -> None:
    run = CoverageRun(NOW, 7, {"eu-west-1": 2}, None)
    assert run_of(decode(encode(run_item(run)))) == run
    assert run_of({**run_item(run), "asOf": 5}) is None
