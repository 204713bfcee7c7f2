"""One odd answer of DRS where servers are known: nothing is removed and no count changes before it is confirmed."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from service.app import open_app
from service.aws import client as client_module
from service.context import SyncRequest
from service.settings import load_settings
from tests.support.received_calls import ReceivedCalls, drs_page
from tests.support.sandbox import EngineSandbox

pytestmark = pytest.mark.deep

REGION, OTHER = "us-west-2", "eu-west-1"
LISTING = {"service": "drs", "operation": "DescribeSourceServers", "region": REGION}
UNINITIALIZED = {"error": "UninitializedAccountException", "status": 400, "message": "Account not initialized."}


@pytest.fixture
def account(sandbox: EngineSandbox, received: ReceivedCalls, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create an account with 12 servers in one region and one in another, synced once; only these are scanned."""
    monkeypatch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)  # as many retries, without the pauses
    sandbox.set(DRS_REGIONS=f"{REGION} {OTHER} sa-east-1")
    account = sandbox.add_account(regions={REGION: {"servers": 12}, OTHER: {"servers": 1}})
    assert anyio.run(sandbox.sync)["serversWritten"] == 13
    received.clear()
    return account


def is_kept(sandbox: EngineSandbox, account: str) -> dict[str, Any]:
    """Check that all servers are stored and counted; return the entry of the scope."""
    assert len(sandbox.items()) == 13
    assert sandbox.counts() == {REGION: 12, OTHER: 1}
    return sandbox.entry(REGION, account)


def listings(received: ReceivedCalls) -> int:
    return len([call for call in received.of("drs", "DescribeSourceServers") if call.region == REGION])


async def test_that_drs_is_not_initialised_removes_servers_only_when_a_later_run_is_told_the_same(
    account: str, sandbox: EngineSandbox
) -> None:
    sandbox.faults(fail=[{**LISTING, **UNINITIALIZED}])
    report = await sandbox.sync()
    (error,) = report["errors"]
    assert (error["code"], error["regions"], error["status"]) == ("UninitializedAccountException", [REGION], "ERROR")
    assert "12 servers are known there" in error["message"]
    assert error["advice"]
    assert (report["status"], report["scopes"]["partial"]) == ("partial", 1)
    entry = is_kept(sandbox, account)
    assert entry["status"] == "ERROR"
    assert entry["emptySeenAt"] == entry["lastChecked"] > entry["lastComplete"]

    assert (await sandbox.sync())["status"] == "complete"  # a listing in between ends the wait
    assert "emptySeenAt" not in is_kept(sandbox, account)
    sandbox.faults(fail=[{**LISTING, **UNINITIALIZED, "times": 2}])
    assert (await sandbox.sync())["status"] == "partial"
    is_kept(sandbox, account)

    report = await sandbox.sync()
    assert (report["serversRemoved"], report["errors"]) == (12, [])
    assert sandbox.counts() == {OTHER: 1}
    assert len(sandbox.items()) == 1
    entry = sandbox.entry(REGION, account)
    assert (entry["status"], entry["serverCount"]) == ("NOT_INITIALIZED", 0)
    assert "emptySeenAt" not in entry


async def test_items_alone_are_servers_that_are_known(account: str, sandbox: EngineSandbox) -> None:
    """A table of region status that was deleted knows nothing; the stored items do."""
    for region in sandbox.status():
        sandbox.table("DRS_REGION_STATUS_TABLE").delete_item(Key={"region": region})
    sandbox.faults(fail=[{**LISTING, **UNINITIALIZED}])
    report = await sandbox.sync()
    assert (report["status"], report["regionSource"]) == ("partial", "fallback_table_empty")
    assert len(sandbox.items()) == 13
    assert "serverCount" not in sandbox.entry(REGION, account)
    await sandbox.sync()
    is_kept(sandbox, account)


@pytest.mark.parametrize("job", ["tags", "staging"])
async def test_the_other_syncs_do_not_believe_it_either(job: str, account: str, sandbox: EngineSandbox) -> None:
    operations = ("DescribeSourceServers", "ListStagingAccounts")
    sandbox.faults(fail=[{**LISTING, **UNINITIALIZED, "operation": each, "times": None} for each in operations])
    async with open_app(load_settings()) as app:
        run = {"tags": app.sync_tags, "staging": app.sync_staging}[job]
        report = await run(SyncRequest(full_scan=True))
    assert report["status"] != "complete"
    assert "UninitializedAccountException" in {error["code"] for error in report["errors"]}
    assert "emptySeenAt" not in is_kept(sandbox, account)


@pytest.mark.parametrize("code", ["ValidationException", "ConflictException", "SomethingNobodyKnows"])
async def test_a_text_never_says_that_there_is_nothing(code: str, account: str, sandbox: EngineSandbox) -> None:
    sandbox.faults(fail=[{**LISTING, **UNINITIALIZED, "error": code, "times": None}])
    for _ in range(2):
        report = await sandbox.sync()
        assert (report["status"], [error["code"] for error in report["errors"]]) == ("partial", [code])
        entry = is_kept(sandbox, account)
        assert (entry["status"], entry.get("emptySeenAt")) == ("ERROR", None)


async def test_an_empty_list_is_repeated_and_the_second_one_counts(
    account: str, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    received.answer(lambda call: call.service == "drs" and call.region == REGION, drs_page())
    report = await sandbox.sync()
    (warning,) = report["warnings"]
    assert (warning["code"], warning["accountId"], warning["regions"]) == ("ScanRepeated", account, [REGION])
    assert "0 of 12 stored servers" in warning["message"]
    assert (report["status"], report["serversRemoved"], report["serversSynced"]) == ("complete", 0, 13)
    assert is_kept(sandbox, account)["status"] == "ACTIVE"
    assert listings(received) == 2


@pytest.mark.parametrize("left", [0, 5])
async def test_servers_that_two_listings_do_not_show_are_removed_in_the_same_run(
    left: int, account: str, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    sandbox.remove(account, REGION, sandbox.records(account, REGION)[left:])
    report = await sandbox.sync()
    assert report["serversRemoved"] == 12 - left
    assert [warning["code"] for warning in report["warnings"]] == ["ScanRepeated"]
    assert len(sandbox.items()) == left + 1
    assert sandbox.counts().get(REGION, 0) == left
    assert listings(received) == 2


async def test_half_of_the_servers_is_enough_to_be_believed(
    account: str, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    sandbox.remove(account, REGION, sandbox.records(account, REGION)[6:])
    report = await sandbox.sync()
    assert (report["serversRemoved"], report["warnings"]) == (6, [])
    assert listings(received) == 1


@pytest.mark.parametrize(
    "second",
    [
        {"error": "InternalServerException", "status": 500},
        {"error": "AccessDeniedException", "status": 403},
        UNINITIALIZED,
    ],
    ids=["broken", "denied", "not initialised"],
)
async def test_a_repeat_that_fails_removes_nothing(
    second: dict[str, Any], account: str, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    received.answer(lambda call: call.service == "drs" and call.region == REGION, drs_page())
    sandbox.faults(fail=[{**LISTING, **second, "times": None}])
    report = await sandbox.sync()
    assert listings(received) >= 2
    assert (report["status"], report["serversRemoved"], report["scopes"]["partial"]) == ("partial", 0, 1)
    assert [warning["code"] for warning in report["warnings"]] == ["ScanRepeated"]
    is_kept(sandbox, account)
