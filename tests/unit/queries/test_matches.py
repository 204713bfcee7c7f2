"""Servers that match: the page is that of all servers, whatever the order of scopes, and little more is kept."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from service.inventory.posture import Objectives
from service.models import Scope
from service.queries.filters import Filters, parse_filters
from service.queries.matches import Matches, Order, ScopeMatches
from service.queries.paging import Cursor, Key, key_of
from service.queries.params import InventoryParams
from service.queries.presenter import present
from service.queries.read_result import DataSource, ScopeReadResult

NOW: Final = datetime(2026, 11, 28, tzinfo=UTC)
OBJECTIVES: Final = Objectives(900.0, "lag-objective", timedelta(days=180))
SCOPES: Final = tuple(Scope(a, r) for r in ("eu-west-1", "us-west-2") for a in ("111111111111", "222222222222"))
STATES: Final = ("CONTINUOUS", "STALLED")
SERVERS: Final = st.lists(st.tuples(st.sampled_from(SCOPES), st.integers(0, 30), st.sampled_from(STATES)), max_size=40)
FILTERED: Final = parse_filters({"replicationState": "STALLED"})
MANY_CORES: Final = parse_filters({"replicationState": "STALLED", "hostname": "HOST-", "minCpuCores": 4})


def item(scope: Scope, number: int, state: str) -> dict[str, Any]:
    return {
        "sourceServerArn": f"arn:aws:drs:{scope.region}:{scope.account_id}:source-server/s-{number:03}",
        "stagingAccountId": scope.account_id,
        "replicationRegion": scope.region,
        "replicationState": state,
        "hostname": f"host-{(number * 7) % 31:02}",
        "cpuCores": 2 if number % 3 else 8,
    }


def by_name(server: Any) -> str:
    return str(server["hostname"])


QUERIES: Final = st.tuples(
    st.integers(1, 6),
    st.sampled_from([None, by_name]),
    st.none() | st.tuples(st.sampled_from(SCOPES), st.integers(0, 30)),
    st.sampled_from([FILTERED, MANY_CORES]),
)
"""Size of the page, order, the server that it follows, and filters."""


@given(SERVERS, QUERIES, st.randoms(use_true_random=False))
def test_the_page_is_that_of_all_matching_servers(
    servers: list[tuple[Scope, int, str]],
    query: tuple[int, Order | None, tuple[Scope, int] | None, Filters],
    rng: random.Random,
) -> None:
    size, order, after, filters = query
    items = list({(scope, number): (scope, item(scope, number, state)) for scope, number, state in servers}.values())
    last = Key(after[0].region, item(*after, "")["sourceServerArn"], after[0].account_id) if after else None
    params = InventoryParams(filters=filters, cursor=Cursor(last, 0) if last else None)
    matches = Matches(params, OBJECTIVES, NOW, size=size, order=order)
    for scope in rng.sample(SCOPES, len(SCOPES)):
        found = ScopeMatches()
        for owner, each in rng.sample(items, len(items)):
            if owner == scope:
                matches.look_at(found, each)
                assert len(found.kept) <= 2 * size
        matches.accept(scope, found)
        assert len(matches.page()) <= size
    every = sorted((present(each, OBJECTIVES) for _, each in items), key=key_of)
    wanted = [view for view in every if view["replicationState"] == "STALLED"]
    if filters is MANY_CORES:
        wanted = [view for view in wanted if view["hardware"]["totalCores"] >= 4]
    following = [view for view in wanted if last is None or key_of(view) > last]
    assert matches.page() == (sorted(following, key=order) if order else following)[:size]
    assert matches.counts.total() == len(wanted)
    assert matches.following == len(following)


def test_what_was_read_as_a_whole_is_counted_and_not_kept() -> None:
    scope = SCOPES[0]
    items = [item(scope, number, STATES[number % 2]) for number in range(5)]
    matches = Matches(InventoryParams(filters=FILTERED), OBJECTIVES, NOW, size=9)
    result = matches.take(ScopeReadResult(scope, DataSource.STALE, items, [{}]))
    assert (result.items, result.records, result.servers) == ((), (), 5)
    assert [view["stale"] for view in matches.page()] == [True, True]
    assert matches.counts == {scope: 2}
