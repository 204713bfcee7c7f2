"""Throttled scans: a short throttle is waited out, an endless one is reported."""

from __future__ import annotations

import itertools

import pytest

from tests.acceptance.endpoint import Fault, Rate, throttled
from tests.acceptance.world import World


@pytest.fixture(autouse=True)
def _few_regions(world: World) -> None:
    world.settings["DRS_REGIONS"] = "us-west-2 eu-west-1 sa-east-1 ap-south-1 me-south-1 us-east-1"


def test_a_short_throttle_is_waited_out(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 2)
    world.scope(account, "us-west-2").faults.append(Fault(lambda: throttled("1"), times=2))

    run = world.sync()

    assert world.counts() == {"us-west-2": 2}
    assert run.report["apiCallsThrottled"] == 2
    calls = [call for call in world.calls("drs", "DescribeSourceServers") if call.region == "us-west-2"]
    assert [call.status for call in calls] == [429, 429, 200]
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(calls)]
    assert all(gap >= 0.95 for gap in gaps), "Retry-After says how long to wait"
    assert run.report["apiCalls"]["drs"]["DescribeSourceServers"] == len(world.calls("drs", "DescribeSourceServers"))


def test_calls_stay_within_five_a_second(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 12)
    rate = Rate(per_second=5, burst=5)
    world.scope(account, "us-west-2").rate = rate

    world.sync(DRS_CALLS_PER_SECOND="5", DRS_BURST="10")

    assert world.counts() == {"us-west-2": 12}
    assert rate.refused <= 8, "a throttled caller slows down"
    topologies = world.topologies()
    assert all("originalReplicationConfiguration" in topologies[arn] for arn in world.inventory())


def test_a_throttle_without_end(world: World) -> None:
    throttled_one, other = world.account(), world.account()
    world.servers(throttled_one, "us-west-2", 2)
    world.servers(other, "us-west-2", 1)
    world.sync()
    fault = Fault(lambda: throttled("1"))
    world.scope(throttled_one, "us-west-2").faults.append(fault)

    run = world.sync(code=3, SCOPE_DEADLINE_SECONDS="12")

    assert fault.hits <= 15
    assert run.failed_accounts == {throttled_one}
    assert world.counts() == {"us-west-2": 3}
    assert len(world.inventory()) == 3
    entry = world.entry("us-west-2", throttled_one)
    assert (entry["serverCount"], entry["status"]) == (2, "THROTTLED")


def test_a_failed_first_scan_is_repeated_at_once(world: World) -> None:
    """The count of a region that was throttled at the first sync is unknown: zero would be a guess."""
    account = world.account()
    world.servers(account, "eu-west-1", 1)
    world.servers(account, "us-west-2", 2)
    scope = world.scope(account, "us-west-2")
    scope.faults.append(Fault(lambda: throttled("120")))
    world.sync(code=3, SCOPE_DEADLINE_SECONDS="60")
    assert world.entry("us-west-2", account)["status"] == "THROTTLED"
    scope.faults.clear()

    world.sync()

    assert world.counts() == {"eu-west-1": 1, "us-west-2": 2}


def test_a_wait_longer_than_the_deadline_is_not_begun(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.servers(account, "eu-west-1", 1)
    world.sync()
    fault = Fault(lambda: throttled("120"))
    world.scope(account, "us-west-2").faults.append(fault)

    run = world.sync(code=3, SCOPE_DEADLINE_SECONDS="60")

    assert fault.hits == 1
    assert [error["code"] for error in run.report["errors"]] == ["ThrottlingException"]
    assert world.entry("us-west-2", account)["status"] == "THROTTLED"
    assert world.counts() == {"us-west-2": 1, "eu-west-1": 1}
