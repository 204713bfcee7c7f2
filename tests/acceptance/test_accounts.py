"""Accounts: which credentials are used for which account, and which region a problem is reported for."""

from __future__ import annotations

import os
from typing import Any

import anyio
import pytest

from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EngineSandbox

ONE = {"us-west-2": {"servers": 1}}


def regions() -> set[str]:
    return set(os.environ["DRS_REGIONS"].split())


async def test_credentials_that_every_region_rejects_are_a_failure_of_the_account(sandbox: EngineSandbox) -> None:
    """One region that rejects the credentials is switched off; when every region does, the credentials are invalid."""
    sandbox.add_account(regions=ONE)
    failing = sandbox.add_account(regions_off=sorted(regions()))

    report = await sandbox.sync()

    assert report["status"] == "partial"
    assert {error["accountId"] for error in report["errors"]} == {failing}
    words = {row["accounts"][failing]["status"] for row in sandbox.status().values() if failing in row["accounts"]}
    assert words == {"ERROR"}


@pytest.mark.parametrize("error", ["AccessDeniedException", "UnrecognizedClientException"])
@pytest.mark.parametrize("operation", ["Query", "PutItem"])
async def test_a_problem_with_our_own_table_is_not_blamed_on_drs(
    operation: str, error: str, sandbox: EngineSandbox
) -> None:
    """DRS responded there, so its region status must be neither a denial by DRS nor switched off."""
    account = sandbox.add_account(regions=ONE)
    await sandbox.sync()
    sandbox.add(account, "us-west-2", servers=1)
    failing = {"service": "dynamodb", "operation": operation, "error": error, "status": 400, "times": None}
    sandbox.faults(fail=[failing])

    report = await sandbox.sync()

    (problem,) = [each for each in report["errors"] if each["regions"] == ["us-west-2"]]
    assert (problem["service"], problem["operation"], problem["accountId"]) == ("dynamodb", operation, account)
    assert sandbox.counts() == {"us-west-2": 1}
    assert sandbox.entry("us-west-2", account)["status"] in {"ACTIVE", "ERROR"}


async def test_a_table_that_cannot_be_written_fails_only_the_regions_whose_servers_are_missing(
    sandbox: EngineSandbox,
) -> None:
    account = sandbox.add_account(regions=ONE)
    failing = {"service": "dynamodb", "operation": "PutItem", "error": "AccessDeniedException", "status": 400}
    sandbox.faults(fail=[{**failing, "times": None}])

    report = await sandbox.sync()

    assert report["status"] == "partial"
    assert {(error["accountId"], *error["regions"]) for error in report["errors"]} == {(account, "us-west-2")}


async def test_servers_that_could_not_be_written_at_a_first_scan_do_not_count_as_none(sandbox: EngineSandbox) -> None:
    sandbox.add_account(regions=ONE)
    failing = {"service": "dynamodb", "operation": "PutItem", "error": "UnrecognizedClientException", "status": 400}
    sandbox.faults(fail=[{**failing, "times": None}])

    report = await sandbox.sync()
    assert (report["status"], sandbox.counts()) == ("partial", {})
    sandbox.faults()
    await sandbox.sync()

    assert sandbox.counts() == {"us-west-2": 1}
    assert len(sandbox.items()) == 1


async def test_a_record_that_claims_to_be_the_hub_does_not_get_its_credentials(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    other = sandbox.add_account(regions=ONE)
    sandbox.change_target(other, isCurrentAccount=True)
    sandbox.add(sandbox.names.hub, "us-west-2", servers=3)
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": sandbox.names.hub})

    await sandbox.sync()

    assert {item["_queryAccount"] for item in sandbox.items()} == {other}
    assert {account for account, _ in received.scopes()} == {other}


async def test_an_account_that_joins_is_scanned_everywhere(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    sandbox.add_account(regions=ONE)
    await sandbox.sync()
    joined = sandbox.add_account(regions={"me-south-1": {"servers": 1}})
    received.clear()

    await sandbox.sync()

    assert {region for account, region in received.scopes() if account == joined} == regions()
    assert sandbox.counts() == {"us-west-2": 1, "me-south-1": 1}


async def test_an_account_added_in_mid_run_keeps_the_results_of_another_run_whatever_its_clock(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    sandbox.add_account(regions=ONE)
    await sandbox.sync()
    reports: list[dict[str, Any]] = []

    async def run() -> None:
        reports.append(await sandbox.sync())

    with received.holding(lambda call: call.scope[1] == "us-west-2" and call.service == "drs") as held:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await held.blocked()
            joined = sandbox.add_account()
            row = sandbox.status()["us-west-2"]
            scanned_at = "2026-01-01T00:00:00+00:00"
            entry = {"serverCount": 3, "status": "ACTIVE", "lastChecked": scanned_at, "lastComplete": scanned_at}
            entries, count = {**row["accounts"], joined: entry}, int(row["serverCount"]) + 3
            changed = {**row, "accounts": entries, "serverCount": count, "lastUpdated": scanned_at}
            sandbox.table("DRS_REGION_STATUS_TABLE").put_item(Item=changed)
            held.release()

    assert [report["status"] for report in reports] == ["complete"]
    assert sandbox.entry("us-west-2", joined)["serverCount"] == 3
    assert sandbox.counts() == {"us-west-2": 4}


async def test_accounts_that_all_denied_access_at_first_are_scanned_everywhere_once_they_grant_it(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    """The rows that such a run leaves have no entries, so they do not count as a filled table."""
    account = sandbox.add_account(regions={**ONE, "ap-south-1": {"servers": 2}})
    sandbox.change_target(account, externalId="not-the-one")
    assert (await sandbox.sync())["status"] == "failed"
    sandbox.change_target(account, externalId="drs-orchestration-cross-account")
    received.clear()

    await sandbox.sync()

    assert {region for _, region in received.scopes()} == regions()
    assert sandbox.counts() == {"us-west-2": 1, "ap-south-1": 2}


async def test_an_account_that_replaces_the_only_one_is_scanned_everywhere(sandbox: EngineSandbox) -> None:
    left = sandbox.add_account(regions=ONE)
    await sandbox.sync()
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": left})
    await sandbox.sync()  # drops the last entries
    sandbox.add_account(regions={"me-south-1": {"servers": 1}})

    await sandbox.sync()

    assert sandbox.counts() == {"me-south-1": 1}


async def test_an_account_that_leaves_is_counted_no_more(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    account, leaving = (sandbox.add_account(regions=ONE) for _ in range(2))
    await sandbox.sync()
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": leaving})
    received.clear()

    await sandbox.sync()

    assert sandbox.counts() == {"us-west-2": 1}
    assert all(set(row["accounts"]) == {account} for row in sandbox.status().values())
    assert {called for called, _ in received.scopes()} == {account}
    assert len(sandbox.items()) == 2, "its scope was not read: its records stay"
