"""How long queries take on a virtual clock: reads of many scopes overlap, and what hangs is given up."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from service.context import SyncRequest
from service.models import Call, Scope
from service.queries.answer import Answer
from service.queries.params import InventoryParams, ScopesParams
from service.regions.selection import StatusUnavailable
from tests.simulation.aws import SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import Fault, FaultInjector
from tests.simulation.host import Host
from tests.simulation.promises import Promises

ACTIVE: Final = ("us-east-1", "us-west-2", "eu-west-1")
REGIONS: Final = (*ACTIVE, *(f"{area}-central-1" for area in ("af", "ap", "ca", "eu", "il", "me", "mx", "sa")))
STATUS: Final = "drs_region_status_table"
ROUND_TRIP_S: Final = 0.1  # of each call in these tests
SYNCED_AGO_S: Final = 1800.0  # older than the inventory may be


@dataclass
class Queried:
    """Accounts that have servers in three of eleven regions, of which one sync has told; what is sent is counted."""

    loop: VirtualLoop
    accounts: tuple[str, ...]
    sent: Counter[str] = field(default_factory=Counter)
    round_trip_s: float = ROUND_TRIP_S
    hangs: Callable[[Call, Mapping[str, Any]], bool] = lambda _call, _params: False

    def __post_init__(self) -> None:
        self.aws = SimulatedAws(self.loop, random.Random(0), self.accounts, REGIONS)  # noqa: S311 - not a secret
        for account in self.accounts:
            for region in ACTIVE:
                self.aws.protect(Scope(account, region), tags={})
        self.faults = FaultInjector(self.aws.rng, latency_s=0.0, intercept=self._intercept)
        self.host = Host("host", self.aws, self.faults, Promises())

    def _intercept(self, call: Call, params: Mapping[str, Any]) -> Fault | None:
        self.sent[call.operation] += 1
        return Fault("delayed", None, wait_s=3600.0 if self.hangs(call, params) else self.round_trip_s)

    async def timed(self, query: Callable[[], Coroutine[Any, Any, Answer]]) -> tuple[Answer, float]:
        """Run a query; return its answer and how long it took."""
        self.sent.clear()
        began = self.loop.time()
        answer = await query()
        return answer, self.loop.time() - began

    async def extended(self) -> tuple[Answer, float]:
        return await self.timed(lambda: self.host.query_extended(ScopesParams()))

    async def inventory(self) -> tuple[Answer, float]:
        return await self.timed(lambda: self.host.query(InventoryParams()))


def play(count: int, work: Callable[[Queried], Coroutine[Any, Any, None]]) -> None:
    """Run work with so many accounts that were synced once."""

    async def in_loop(loop: VirtualLoop) -> None:
        queried = Queried(loop, tuple(f"2{number:011}" for number in range(count)))
        await queried.host.run("inventory", SyncRequest(full_scan=True))
        await work(queried)

    run(in_loop)


def test_stale_scopes_of_many_accounts_are_read_at_the_same_time() -> None:
    """One after the other, 48 scopes would take 48 seconds and more; a query has 20 seconds."""

    async def work(queried: Queried) -> None:
        queried.loop.advance(SYNCED_AGO_S)
        queried.round_trip_s = 1.0
        answer, seconds = await queried.extended()
        assert (answer.is_complete, answer.body["source"], len(answer.stale)) == (True, "drs_api", 48)
        assert seconds < queried.host.settings.query_deadline_seconds < 60
        # Only the three active regions, and each role once.
        assert (queried.sent["DescribeSourceServers"], queried.sent["AssumeRole"]) == (48, 16)

    play(16, work)


def test_a_region_that_hangs_is_given_up_and_the_others_are_answered() -> None:
    async def work(queried: Queried) -> None:
        queried.loop.advance(SYNCED_AGO_S)
        queried.hangs = lambda call, _: (call.service, call.region) == ("drs", "eu-west-1")
        answer, seconds = await queried.extended()
        assert seconds <= queried.host.settings.query_deadline_seconds < 60
        assert not answer.is_complete
        sources = {(scope["region"], scope["source"]) for scope in answer.body["scopes"]}
        assert sources == {("eu-west-1", "inventory_stale"), ("us-east-1", "drs_api"), ("us-west-2", "drs_api")}

    play(2, work)


def test_a_fresh_inventory_answers_after_two_rounds_of_table_reads() -> None:
    """First accounts and region status, then the items of all regions and the moving values: half a second at most."""

    async def work(queried: Queried) -> None:
        answer, seconds = await queried.inventory()
        assert (answer.body["source"], answer.body["totalCount"], answer.is_complete) == (
            "inventory_database",
            12,
            True,
        )
        assert seconds == pytest.approx(2 * ROUND_TRIP_S)
        assert seconds < 0.5
        assert queried.sent == {"Scan": 2, "Query": len(ACTIVE), "BatchGetItem": 1}

    play(4, work)


def test_region_status_is_read_in_one_round_trip_and_given_up_when_it_hangs() -> None:
    async def work(queried: Queried) -> None:
        reader, began = queried.host.status_reader(), queried.loop.time()
        queried.sent.clear()
        rows = await reader.rows()
        assert not isinstance(rows, StatusUnavailable)
        assert {row.region for row in rows} == set(REGIONS)
        assert queried.sent == {"Scan": 1}
        assert queried.loop.time() - began == pytest.approx(ROUND_TRIP_S)
        queried.hangs = lambda _, params: params.get("TableName") == STATUS
        reader, began = queried.host.status_reader(), queried.loop.time()
        assert isinstance(await reader.rows(), StatusUnavailable)
        # Of two times as floating-point numbers, so not to the last digit.
        assert round(queried.loop.time() - began, 6) <= queried.host.settings.region_status_timeout_seconds
        queried.hangs = lambda _call, _params: False
        assert not isinstance(await reader.rows(), StatusUnavailable)  # what failed is not cached

    play(2, work)
