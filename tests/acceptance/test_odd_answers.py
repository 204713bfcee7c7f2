"""One odd answer of DRS where servers are known: nothing is removed and no count changes before it is confirmed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.acceptance.endpoint import (
    Fault,
    Response,
    access_denied,
    empty_page,
    internal_error,
    uninitialized,
)
from tests.acceptance.world import World

REGION = "us-west-2"


@pytest.fixture
def account(world: World) -> str:
    """Create an account with 12 servers in one region and one in another, synced once; only these are scanned."""
    world.settings["DRS_REGIONS"] = f"{REGION} eu-west-1 sa-east-1"
    account = world.account()
    world.servers(account, REGION, 12)
    world.servers(account, "eu-west-1", 1)
    world.sync()
    assert len(world.inventory()) == 13
    return account


def fault(world: World, account: str, response: Callable[[], Response], *, times: int | None, page: int = 1) -> Fault:
    """Add a fault of the listing in the region, in place of earlier ones."""
    added = Fault(response, times=times, page=page)
    world.scope(account, REGION).faults[:] = [added]
    return added


def is_kept(world: World, account: str) -> dict[str, Any]:
    """Check that all servers are stored and counted; return the entry of the scope."""
    assert len(world.inventory()) == 13
    assert world.counts() == {REGION: 12, "eu-west-1": 1}
    return world.entry(REGION, account)


def test_that_drs_is_not_initialised_removes_servers_only_when_a_later_run_is_told_the_same(
    world: World, account: str
) -> None:
    fault(world, account, uninitialized, times=1)
    report = world.sync(code=3).report
    (error,) = report["errors"]
    assert (error["code"], error["regions"], error["status"]) == ("UninitializedAccountException", [REGION], "ERROR")
    assert "12 servers are known there" in error["message"]
    assert error["advice"]
    assert report["scopes"]["partial"] == 1
    entry = is_kept(world, account)
    assert entry["status"] == "ERROR"
    assert entry["emptySeenAt"] == entry["lastChecked"] > entry["lastComplete"]

    world.sync()  # a listing in between ends the wait
    assert "emptySeenAt" not in is_kept(world, account)
    fault(world, account, uninitialized, times=2)
    world.sync(code=3)
    is_kept(world, account)

    report = world.sync().report
    assert (report["serversRemoved"], report["errors"]) == (12, [])
    assert world.counts() == {"eu-west-1": 1}
    assert len(world.inventory()) == 1
    entry = world.entry(REGION, account)
    assert (entry["status"], entry["serverCount"]) == ("NOT_INITIALIZED", 0)
    assert "emptySeenAt" not in entry


def test_items_alone_are_servers_that_are_known(world: World, account: str) -> None:
    """A table of region status that was deleted knows nothing; the stored items do."""
    for region in world.status():
        world.table(world.tables.status).delete_item(Key={"region": region})
    fault(world, account, uninitialized, times=1)
    report = world.sync(code=3).report
    assert report["regionSource"] == "fallback_table_empty"
    assert len(world.inventory()) == 13
    assert "serverCount" not in world.entry(REGION, account)
    world.sync()
    is_kept(world, account)


@pytest.mark.parametrize("job", ["tags", "staging"])
def test_the_other_syncs_do_not_believe_it_either(world: World, account: str, job: str) -> None:
    added = fault(world, account, uninitialized, times=None)
    added.operation, added.page = {"staging": "ListStagingAccounts"}.get(job, added.operation), None
    run = world.run("sync", job, "--full-scan")
    assert run.code != 0
    assert "UninitializedAccountException" in {error["code"] for error in run.report["errors"]}
    assert "emptySeenAt" not in is_kept(world, account)


@pytest.mark.parametrize("code", ["ValidationException", "ConflictException", "SomethingNobodyKnows"])
def test_a_text_never_says_that_there_is_nothing(world: World, account: str, code: str) -> None:
    fault(world, account, partial(uninitialized, code), times=None)
    for _ in range(2):
        report = world.sync(code=3).report
        assert [error["code"] for error in report["errors"]] == [code]
        entry = is_kept(world, account)
        assert (entry["status"], entry.get("emptySeenAt")) == ("ERROR", None)


def test_an_empty_list_is_repeated_and_the_second_one_counts(world: World, account: str) -> None:
    fault(world, account, empty_page, times=1)
    report = world.sync().report
    (warning,) = report["warnings"]
    assert (warning["code"], warning["accountId"], warning["regions"]) == ("ScanRepeated", account, [REGION])
    assert "0 of 12 stored servers" in warning["message"]
    assert (report["serversRemoved"], report["serversSynced"]) == (0, 13)
    assert is_kept(world, account)["status"] == "ACTIVE"
    listings = [call for call in world.calls("drs", "DescribeSourceServers") if call.region == REGION]
    assert len(listings) == 2


@pytest.mark.parametrize("left", [0, 5])
def test_servers_that_two_listings_do_not_show_are_removed_in_the_same_run(
    world: World, account: str, left: int
) -> None:
    del world.scope(account, REGION).servers[left:]
    report = world.sync().report
    assert report["serversRemoved"] == 12 - left
    assert [warning["code"] for warning in report["warnings"]] == ["ScanRepeated"]
    assert len(world.inventory()) == left + 1
    assert world.counts().get(REGION, 0) == left
    listings = [call for call in world.calls("drs", "DescribeSourceServers") if call.region == REGION]
    assert len(listings) == 2


def test_half_of_the_servers_is_enough_to_be_believed(world: World, account: str) -> None:
    del world.scope(account, REGION).servers[6:]
    report = world.sync().report
    assert (report["serversRemoved"], report["warnings"]) == (6, [])
    listings = [call for call in world.calls("drs", "DescribeSourceServers") if call.region == REGION]
    assert len(listings) == 1


@pytest.mark.parametrize("second", [internal_error, access_denied, uninitialized])
def test_a_repeat_that_fails_removes_nothing(world: World, account: str, second: Callable[[], Response]) -> None:
    first = fault(world, account, empty_page, times=1)
    world.scope(account, REGION).faults.append(Fault(second))
    report = world.sync(code=3).report
    assert first.hits == 1
    assert (report["serversRemoved"], report["scopes"]["partial"]) == (0, 1)
    assert [warning["code"] for warning in report["warnings"]] == ["ScanRepeated"]
    is_kept(world, account)
