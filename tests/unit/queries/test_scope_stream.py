"""Stream of scopes: each server is looked at once, none is kept, and it says how far it got when the time is up."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import anyio
import pytest

from service.aws.dynamodb import Item
from service.errors import AwsError
from service.inventory.posture import Objectives
from service.inventory.reader import InventoryReader, arn_prefix
from service.models import Call, Scope
from service.queries.filters import parse_filters
from service.queries.freshness import Freshness, ScopeFreshness
from service.queries.matches import Matches
from service.queries.paging import Cursor, Key
from service.queries.params import InventoryParams
from service.queries.read_result import DataSource
from service.queries.scope_stream import ScopeStream
from service.queries.values_overlay import StoredValues

NOW: Final = datetime(2026, 11, 28, tzinfo=UTC)
OBJECTIVES: Final = Objectives(900.0, "lag-objective", timedelta(days=180))
REGION: Final = "us-west-2"
SCOPES: Final = tuple(Scope(str(111111111111 + number), REGION) for number in range(4))
FILTERS: Final = parse_filters({"replicationState": "STALLED"})
PAGE: Final = 5


class _Item(dict[str, Any]):
    """An item that can be counted while it is there."""


class _Reader:
    """The inventory of some scopes, of which each tenth server matches.

    Args:
        counts: servers of each scope.
        hangs: no server of these scopes is read from that number on.
        fails: these scopes cannot be read.
    """

    def __init__(
        self, counts: Mapping[Scope, int], *, hangs: Mapping[Scope, int] | None = None, fails: Any = ()
    ) -> None:
        self._counts = counts
        self._hangs = hangs or {}
        self._fails = fails
        self.queries: list[list[str]] = []
        self._live: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most = 0

    async def stream(
        self, region: str, accounts: Sequence[str], *, after: tuple[str, str] | None, only: Any
    ) -> AsyncGenerator[tuple[Scope, Item], None]:
        assert "hostname" in only
        self.queries.append([*accounts])
        for account_id in accounts:
            scope = Scope(account_id, region)
            if scope in self._fails:
                raise AwsError("ThrottlingException", "no", Call("dynamodb", "Query", "hub", "us-east-1"))
            for number in range(self._counts[scope]):
                if number >= self._hangs.get(scope, self._counts[scope]):
                    await anyio.sleep_forever()
                item = _Item(item_of(scope, number))
                if after is not None and (item["sourceServerArn"], item["stagingAccountId"]) <= after:
                    continue
                self._live_of(item)
                yield scope, item
            if self._hangs.get(scope, 1) == 0:
                await anyio.sleep_forever()

    def _live_of(self, item: _Item) -> None:
        self._live.add(_Token(item))
        self.most = max(self.most, len(self._live))


class _Token:
    """Lives as long as its item."""

    def __init__(self, item: _Item) -> None:
        item["_token"] = self


def item_of(scope: Scope, number: int) -> Item:
    return {
        "sourceServerArn": f"{arn_prefix(scope)}s-{number:06}",
        "stagingAccountId": scope.account_id,
        "replicationRegion": scope.region,
        "replicationState": "STALLED" if number % 10 == 0 else "CONTINUOUS",
    }


def key(scope: Scope, number: int) -> Key:
    item = item_of(scope, number)
    return Key(scope.region, item["sourceServerArn"], item["stagingAccountId"])


def fresh(counts: Mapping[Scope, int]) -> dict[Scope, ScopeFreshness]:
    return {scope: ScopeFreshness(Freshness.FRESH, NOW, count) for scope, count in counts.items()}


async def no_values() -> StoredValues:
    return StoredValues()


def matches_of(cursor: Cursor | None = None) -> Matches:
    return Matches(InventoryParams(filters=FILTERS, cursor=cursor), OBJECTIVES, NOW, size=PAGE)


def stream_of(reader: _Reader, matches: Matches, *, is_late: bool = False) -> ScopeStream:
    until = float("-inf") if is_late else float("inf")  # a time that is over ends what waits, and nothing else
    return ScopeStream(cast("InventoryReader", reader), matches, no_values, until)


@pytest.mark.parametrize("servers", [100, 1000])
async def test_however_many_servers_there_are_few_items_are_held(servers: int) -> None:
    counts, matches = dict.fromkeys(SCOPES, servers), matches_of()
    reader = _Reader(counts)
    gc.collect()
    streamed = await stream_of(reader, matches).read(fresh(counts))
    assert streamed.done == counts
    assert matches.counts == dict.fromkeys(SCOPES, servers // 10)
    assert [view["sourceServerArn"] for view in matches.page()] == [key(SCOPES[0], n).arn for n in range(0, 50, 10)]
    assert reader.most <= 3 * len(SCOPES)


@pytest.mark.parametrize(("servers", "queries"), [(99, 1), (100, 4)])
async def test_accounts_with_many_servers_are_read_side_by_side(servers: int, queries: int) -> None:
    counts = dict.fromkeys(SCOPES, servers)
    reader = _Reader(counts)
    await stream_of(reader, matches_of()).read(fresh(counts))
    assert len(reader.queries) == queries
    assert sorted(each for query in reader.queries for each in query) == [scope.account_id for scope in SCOPES]


@pytest.mark.parametrize("servers", [50, 500])
async def test_when_the_time_is_up_it_says_how_far_it_got_and_goes_on_from_there(servers: int) -> None:
    counts, matches = dict.fromkeys(SCOPES, servers), matches_of()
    streamed = await stream_of(_Reader(counts, hangs={SCOPES[1]: 32}), matches, is_late=True).read(fresh(counts))
    assert SCOPES[0] in streamed.done
    assert streamed.late[SCOPES[1]] == (key(SCOPES[1], 30), 31)  # the last one may not be the last with its ARN
    assert [matches.counts[scope] for scope in SCOPES[:2]] == [servers // 10, 4]
    results = streamed.results(fresh(counts), 20.0)
    late = results[SCOPES[1]]
    assert (late.source, late.is_complete, late.read_to) == (DataSource.NONE, False, key(SCOPES[1], 30))
    assert late.problem
    assert late.problem.message == (f"not read within 20 seconds; {len(streamed.done)} of 4 accounts and regions were")
    assert "nextToken" in late.problem.advice

    left = dict.fromkeys(SCOPES[1:], servers)
    assert late.read_to
    again = matches_of(Cursor(late.read_to, 99, late.skipped))
    streamed = await stream_of(_Reader(left), again).read(fresh(left))
    assert (streamed.done, streamed.late) == (left, {})
    assert again.counts[SCOPES[1]] == servers // 10 - 4


async def test_an_order_of_its_own_has_no_page_to_continue_with() -> None:
    matches = Matches(InventoryParams(filters=FILTERS), OBJECTIVES, NOW, size=PAGE, order=lambda view: view["hostname"])
    counts = dict.fromkeys(SCOPES, 50)
    streamed = await stream_of(_Reader(counts, hangs={SCOPES[1]: 32}), matches, is_late=True).read(fresh(counts))
    problem = streamed.results(fresh(counts), 20.0)[SCOPES[1]].problem
    assert problem
    assert problem.advice == "name fewer accounts or regions, or raise QUERY_DEADLINE_SECONDS"


async def test_a_table_that_answers_nothing_settles_no_scope() -> None:
    counts = dict.fromkeys(SCOPES, 50)
    streamed = await stream_of(_Reader(counts, hangs=dict.fromkeys(SCOPES, 0)), matches_of(), is_late=True).read(
        fresh(counts)
    )
    assert (streamed.done, streamed.late) == ({}, {})


async def test_a_scope_that_lacks_servers_or_cannot_be_read_is_left_to_be_read_otherwise() -> None:
    counts, matches = dict.fromkeys(SCOPES, 200), matches_of()
    reader = _Reader({**counts, SCOPES[1]: 199}, fails=SCOPES[2:3])
    streamed = await stream_of(reader, matches).read(fresh(counts))
    assert set(streamed.done) == {SCOPES[0], SCOPES[3]}
    assert streamed.late == {}
    assert set(matches.counts) == {SCOPES[0], SCOPES[3]}
