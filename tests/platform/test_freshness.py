"""The platform asks one arbitrary row how old the whole inventory is: what our runs answer, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.app import open_app
from service.context import SyncRequest
from service.models import Scope, Shard
from service.settings import load_settings
from tests.platform.installation import CYCLE, REGIONS, TAGS, Installation
from tests.platform.readers import FRESH_FOR, moment_of
from tests.support.loop_clock import LoopClock

pytestmark = pytest.mark.deep

MINUTE = timedelta(minutes=1)


def vouched(installation: Installation) -> dict[str, datetime]:
    """Return `lastChecked` of each row."""
    return {row["region"]: moment_of(row["lastChecked"]) for row in installation.readers.rows()}


async def test_nine_cycles_of_an_idle_estate(installation: Installation) -> None:
    """Nothing changes, so no item is written again, and idle regions are scanned every two hours."""
    await installation.ours()
    written = {item["sourceServerArn"]: item["lastUpdated"] for item in installation.readers.items()}
    few = 0
    for _ in range(9):
        last = min(vouched(installation).values())
        installation.wait(FRESH_FOR - timedelta(seconds=1), since=last)
        assert installation.readers.stale_if_first(installation.clock.moment) == []
        installation.require_truth()  # with what a wave finds at this moment
        installation.wait(FRESH_FOR, since=last)
        assert installation.readers.stale_if_first(installation.clock.moment)
        report = await installation.ours()
        few += report["regionsScanned"] < len(REGIONS) / 2
        assert {item["sourceServerArn"]: item["lastUpdated"] for item in installation.readers.items()} == written
        assert set(vouched(installation)) == set(REGIONS)
    assert few > 5, "most runs should leave the idle regions alone"


async def test_each_minute_of_two_cycles_of_which_the_second_takes_longer(installation: Installation) -> None:
    """The schedule is 15 minutes, and the reader wants less: it has to wait for what the second run took longer."""
    readers, clock = installation.readers, installation.clock
    installation.sandbox.set(SCOPE_DEADLINE_SECONDS="800")  # it also ends at a jump of the wall clock
    await installation.ours()
    answers: dict[datetime, bool] = {}
    ends, begin = list[datetime](), installation.wait()
    for pace_s, number in ((1.0, 0), (6.0, 1)):
        clock.moment, clock.pace = begin + number * CYCLE, timedelta(seconds=pace_s)
        if ends:
            await _ask_while(installation, answers, installation.ours())
        else:
            await installation.ours()
        clock.pace = timedelta(milliseconds=1)
        ends.append(clock.moment)
        oldest = min(vouched(installation).values())
        assert ends[-1] - MINUTE < oldest <= ends[-1]
        next_run = begin + (number + 1) * CYCLE
        minute = ends[-1]
        while minute < (next_run if number == 0 else oldest + FRESH_FOR):
            answers[minute] = readers.stale_if_first(minute) == []
            assert answers[minute] is readers.is_fresh(minute)
            minute += MINUTE
    took = [end - (begin + number * CYCLE) for number, end in enumerate(ends)]
    assert timedelta(0) < took[0] < took[1] - 2 * MINUTE < CYCLE, took
    stale = sorted(moment for moment, fresh in answers.items() if not fresh)
    # From 15 minutes after the end of the first run, to the end of the second.
    assert stale, "the second run took long enough for a gap"
    assert ends[0] + FRESH_FOR - MINUTE <= stale[0]
    assert stale[-1] <= ends[1]
    assert stale[-1] - stale[0] <= took[1] - took[0] + MINUTE
    assert all(fresh for moment, fresh in answers.items() if moment < ends[0] + FRESH_FOR - MINUTE)


async def _ask_while(installation: Installation, answers: dict[datetime, bool], work: Any) -> None:
    """Ask the reader again and again while a run goes on; its clock moves meanwhile."""
    run = asyncio.ensure_future(work)
    while not run.done():
        moment = installation.clock.moment
        # What is written meanwhile is newer, so an answer can only be better than it was at this moment.
        answers[moment] = await asyncio.to_thread(installation.readers.stale_if_first, moment) == []
    await run


@pytest.mark.parametrize(
    "restriction",
    [
        pytest.param(lambda _: {"regions": ("us-west-2",)}, id="a region"),
        pytest.param(lambda each: {"accounts": (each.b,)}, id="an account"),
        pytest.param(lambda each: {"scopes": (Scope(each.a, "us-west-2"),)}, id="a scope"),
        pytest.param(lambda _: {"excluded_regions": ("eu-west-1", "sa-east-1", "us-east-1")}, id="all but some"),
        pytest.param(lambda _: {"shard": Shard(0, 3)}, id="a shard"),
    ],
)
async def test_a_restricted_run_vouches_for_nothing_that_it_did_not_scan(
    installation: Installation, restriction: Callable[[Any], dict[str, Any]]
) -> None:
    await installation.ours()
    before = vouched(installation)
    installation.wait()
    began = installation.clock.moment
    await installation.ours(**restriction(installation.sandbox.names))
    scanned = {
        row["region"]
        for row in installation.readers.rows()
        if any(moment_of(entry["lastChecked"]) >= began for entry in row["accounts"].values())
    }
    after = vouched(installation)
    assert {region for region in after if after[region] != before[region]} == scanned
    assert scanned < set(REGIONS)
    assert set(REGIONS) - scanned <= set(installation.readers.stale_if_first(installation.clock.moment))


@pytest.mark.parametrize("sync", ["staging", "tags"])
async def test_other_syncs_vouch_for_nothing_that_they_did_not_scan(installation: Installation, sync: str) -> None:
    await installation.ours()
    before = vouched(installation)
    installation.wait()
    async with open_app(load_settings(), installation.clock) as app:
        report = await (app.sync_staging if sync == "staging" else app.sync_tags)(SyncRequest())
    assert report["scopes"]["asked"]
    installation.read_all()
    idle = set(REGIONS) - set(installation.counts())
    assert {region: moment for region, moment in vouched(installation).items() if region in idle} == {
        region: before[region] for region in idle
    }


async def test_a_run_in_shards_vouches_once_by_its_finish(installation: Installation) -> None:
    installation.sandbox.set(ACCOUNTS_PER_SHARD="1")
    await installation.ours_in_shards()
    installation.require_truth()
    begun = installation.wait()
    await installation.ours_in_shards(before_finish=lambda: _require_stale(installation))
    assert installation.readers.stale_if_first(begun + FRESH_FOR - timedelta(seconds=1)) == []
    installation.require_truth()


async def test_a_run_in_shards_that_lost_one_vouches_for_nothing(installation: Installation) -> None:
    installation.sandbox.set(ACCOUNTS_PER_SHARD="1")
    await installation.ours_in_shards()
    installation.wait()
    await installation.ours_in_shards(lose=1)
    _require_stale(installation)


def _require_stale(installation: Installation) -> None:
    idle = set(REGIONS) - set(installation.counts())
    assert idle & set(installation.readers.stale_if_first(installation.clock.moment))


async def test_a_failing_region_keeps_its_status_and_its_message(installation: Installation) -> None:
    names = installation.sandbox.names
    await installation.ours()
    installation.sandbox.faults(deny=[{"account_id": names.a, "region": "eu-west-1"}])
    installation.wait()
    await installation.ours(allow_errors=True)
    panel = installation.readers.panels()["eu-west-1"]
    assert (panel.status, panel.server_count) == ("IAM_PERMISSION_DENIED", 2)
    assert panel.error_message.startswith(f"{names.a}: AccessDeniedException")
    assert installation.readers.stale_if_first(installation.clock.moment + FRESH_FOR - MINUTE) == []
    # When the scope was truly scanned is in its entry.
    [row] = [row for row in installation.readers.rows() if row["region"] == "eu-west-1"]
    entry = row["accounts"][names.a]
    assert moment_of(entry["lastComplete"]) < moment_of(entry["lastChecked"]) < moment_of(row["lastChecked"]) + MINUTE
    # The wave still finds the servers: they are there as they were last seen.
    now = installation.clock.moment
    assert installation.readers.wave_servers("eu-west-1", TAGS, now) == installation.tagged("eu-west-1")


async def test_a_run_without_time_vouches_for_nothing(installation: Installation, loop_clock: LoopClock) -> None:
    await installation.ours()
    before = vouched(installation)
    installation.wait()
    installation.sandbox.latency(loop_clock, drs=90_000)
    report = await installation.ours(allow_errors=True, remaining_s=60.0)
    assert {error["errorClass"] for error in report["errors"]} == {"RunDeadline"}
    idle = set(REGIONS) - set(installation.counts())
    after = vouched(installation)
    assert {region: after[region] for region in idle} == {region: before[region] for region in idle}
