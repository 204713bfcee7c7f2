"""Accounts: which credentials are used for which account, and which region a problem is reported for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.endpoint import Fault, Response, Trap, expired, table_denied, table_unknown_token
from tests.acceptance.world import World, finish


@pytest.fixture(autouse=True)
def _few_regions(world: World) -> None:
    world.settings["DRS_REGIONS"] = "us-west-2 eu-west-1 sa-east-1 ap-south-1 me-south-1 us-east-1"


def test_credentials_that_every_region_rejects_are_a_failure_of_the_account(world: World) -> None:
    """One region that rejects the credentials is switched off; when every region does, the credentials are invalid."""
    healthy, failing = world.account(), world.account()
    world.servers(healthy, "us-west-2", 1)
    for region in world.settings["DRS_REGIONS"].split():
        world.scope(failing, region).enabled = False

    run = world.sync(code=3)

    assert run.failed_accounts == {failing}
    rows = world.status()
    words = {row["accounts"][failing]["status"] for row in rows.values() if failing in row.get("accounts", {})}
    assert words <= {"ERROR"}


def test_an_expired_session_is_renewed_once(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.scope(account, "us-west-2").faults.append(Fault(expired, times=1))

    run = world.sync()

    assert world.counts() == {"us-west-2": 1}
    assert 1 <= len(world.calls("sts", "AssumeRole")) <= 2
    assert run.report["errors"] == []


@pytest.mark.parametrize("refusal", [table_denied, table_unknown_token])
@pytest.mark.parametrize("operation", ["Query", "BatchWriteItem"])
def test_a_problem_with_our_own_table_is_not_blamed_on_drs(
    world: World, operation: str, refusal: Callable[[], Response]
) -> None:
    """DRS responded there, so its region status must be neither a denial by DRS nor switched off."""
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.sync()
    world.servers(account, "us-west-2", 1, first=2)
    world.aws.table_faults[world.tables.inventory, operation] = refusal

    run = world.sync(code=None)

    assert run.code in {1, 3}
    assert world.counts() == {"us-west-2": 1}
    entry = world.entry("us-west-2", account)
    assert entry["status"] in {"ACTIVE", "ERROR", "THROTTLED"}, entry


def test_a_problem_with_our_own_table_names_the_region_whose_servers_are_missing(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.aws.table_faults[world.tables.inventory, "BatchWriteItem"] = table_denied

    run = world.sync(code=3)

    failed_scopes = {(error["accountId"], *error["regions"]) for error in run.report["errors"]}
    assert failed_scopes == {(account, "us-west-2")}


def test_servers_that_could_not_be_written_at_a_first_scan_do_not_count_as_none(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.aws.table_faults[world.tables.inventory, "Query"] = table_unknown_token

    run = world.sync(code=1)  # the items of every scope are read first
    world.aws.table_faults.clear()
    world.sync()

    assert run.report["errors"]
    assert world.counts() == {"us-west-2": 1}
    assert len(world.inventory()) == 1


def test_a_role_of_another_account_is_not_used(world: World) -> None:
    """It would list the servers of another account."""
    healthy = world.account()
    odd = world.account(roleArn=f"arn:aws:iam::{healthy}:role/DRSOrchestrationRole")
    world.servers(healthy, "us-west-2", 1)
    world.servers(odd, "us-west-2", 2)

    run = world.sync(code=3)

    assert run.failed_accounts == {odd}
    assert {item["_queryAccount"] for item in world.inventory().values()} == {healthy}
    assert world.counts() == {"us-west-2": 1}
    assert len(world.calls("sts", "AssumeRole")) == 1


def test_a_record_that_claims_to_be_the_hub_does_not_get_its_credentials(world: World) -> None:
    other = world.account(isCurrentAccount=True)
    world.servers(world.hub, "us-west-2", 3)
    world.servers(other, "us-west-2", 1)

    world.sync()

    assert {item["_queryAccount"] for item in world.inventory().values()} == {other}
    assert {call.account for call in world.calls("drs")} == {other}


def test_records_without_a_role_use_the_usual_one(world: World) -> None:
    plain_one, legacy = world.account(), world.account()
    world.put(world.tables.accounts, {"accountId": plain_one})
    world.put(world.tables.accounts, {"accountId": legacy, "assumeRoleName": "DRSOrchestrationRole"})
    for each in (plain_one, legacy):
        world.servers(each, "us-west-2", 1)

    world.sync()

    assert world.counts() == {"us-west-2": 2}
    assert len(world.calls("sts", "AssumeRole")) == 2


def test_a_record_that_names_no_account_is_reported(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.put(world.tables.accounts, {"accountId": "not-an-account"})

    run = world.sync(code=3)

    assert "not-an-account" in run.out
    assert world.counts() == {"us-west-2": 1}


def test_an_account_that_joins_is_scanned_everywhere(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.sync()
    joined = world.account()
    world.servers(joined, "me-south-1", 1)

    world.sync()

    assert {call.region for call in world.calls("drs") if call.account == joined} == set(
        world.settings["DRS_REGIONS"].split()
    )
    assert world.counts() == {"us-west-2": 1, "me-south-1": 1}


def test_an_account_added_in_mid_run_keeps_the_results_of_another_run_whatever_its_clock(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.sync()
    trap = Trap(lambda call: call.operation == "DescribeSourceServers" and call.region == "us-west-2")
    with world.holding(trap):
        process = world.start("sync", "inventory")
        assert trap.wait_blocked()
        joined = world.account()
        row = world.status()["us-west-2"]
        scanned_at = "2026-01-01T00:00:00+00:00"
        entry = {"serverCount": 3, "status": "ACTIVE", "lastChecked": scanned_at, "lastComplete": scanned_at}
        entries, count = {**row["accounts"], joined: entry}, int(row["serverCount"]) + 3
        world.put(world.tables.status, {**row, "accounts": entries, "serverCount": count, "lastUpdated": scanned_at})

    assert finish(process).code == 0

    assert world.entry("us-west-2", joined)["serverCount"] == 3
    assert world.counts() == {"us-west-2": 4}


def test_accounts_that_all_denied_access_at_first_are_scanned_everywhere_once_they_grant_it(world: World) -> None:
    """The rows that such a run leaves have no entries, so they do not count as a filled table."""
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.servers(account, "ap-south-1", 2)
    world.role(account).refuses = True
    world.sync(code=1)
    world.role(account).refuses = False

    world.sync()

    assert {call.region for call in world.calls("drs")} == set(world.settings["DRS_REGIONS"].split())
    assert world.counts() == {"us-west-2": 1, "ap-south-1": 2}


def test_an_account_that_replaces_the_only_one_is_scanned_everywhere(world: World) -> None:
    left = world.account()
    world.servers(left, "us-west-2", 1)
    world.sync()
    world.table(world.tables.accounts).delete_item(Key={"accountId": left})
    world.sync()  # drops the last entries
    joined = world.account()
    world.servers(joined, "me-south-1", 1)

    world.sync()

    assert world.counts() == {"me-south-1": 1}


def test_an_account_that_leaves_is_counted_no_more(world: World) -> None:
    account, leaving = world.account(), world.account()
    for each in (account, leaving):
        world.servers(each, "us-west-2", 1)
    world.sync()
    world.table(world.tables.accounts).delete_item(Key={"accountId": leaving})

    world.sync()

    assert world.counts() == {"us-west-2": 1}
    assert {call.account for call in world.calls("drs")} == {account}
    assert len(world.inventory()) == 2, "its scope was not read: its records stay"
