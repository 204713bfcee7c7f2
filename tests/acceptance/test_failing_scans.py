"""Failing scans change no count, delete nothing, and are reported."""

from __future__ import annotations

import pytest

from service.aws import client as client_module
from tests.support.received_calls import ReceivedCall, ReceivedCalls, drs_page
from tests.support.sandbox import EngineSandbox

WEST, EAST = "us-west-2", "eu-west-1"
LISTING = {"service": "drs", "operation": "DescribeSourceServers", "times": None}
OLD = "2026-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make as many retries as usual, without the pauses."""
    monkeypatch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)


def age_status(sandbox: EngineSandbox) -> None:
    """Set the times of all rows and entries to a time long ago."""
    for row in sandbox.status().values():
        entries = {account: {**entry, "lastChecked": OLD} for account, entry in row["accounts"].items()}
        sandbox.table("DRS_REGION_STATUS_TABLE").put_item(Item={**row, "lastChecked": OLD, "accounts": entries})


async def test_denied_accounts_fail_alone_and_keep_what_was_known(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    """One role denies access, one account is under a service control policy; the third is healthy."""
    healthy = sandbox.add_account(regions={WEST: {"servers": 2}})
    refusing = sandbox.add_account(regions={WEST: {"servers": 3}, EAST: {"servers": 1}})
    policed = sandbox.add_account(regions={WEST: {"servers": 4}})
    await sandbox.sync()
    before = {item["sourceServerArn"]: item for item in sandbox.items()}
    age_status(sandbox)
    sandbox.change_target(refusing, externalId="not-the-one")
    sandbox.faults(deny=[{"account_id": policed, "service": "drs", "scp": True}])
    remaining, deleted = sandbox.records(healthy, WEST)
    sandbox.remove(healthy, WEST, [deleted])
    for account in (refusing, policed):
        sandbox.remove(account, WEST, sandbox.records(account, WEST))
    received.clear()

    report = await sandbox.sync()

    assert {error["accountId"] for error in report["errors"]} == {refusing, policed}
    assert report["status"] == "partial"
    assert report["regionsFailed"] >= 2
    after = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert set(before) - set(after) == {deleted["arn"]}
    others = set(after) - {remaining["arn"]}
    assert {arn: after[arn] for arn in others} == {arn: before[arn] for arn in others}
    assert sandbox.counts() == {WEST: 8, EAST: 1}
    assert sandbox.entry(WEST, healthy)["serverCount"] == 1
    for account, count, word in ((refusing, 3, "IAM_PERMISSION_DENIED"), (policed, 4, "SCP_DENIED")):
        entry = sandbox.entry(WEST, account)
        assert (entry["serverCount"], entry["status"]) == (count, word)
        assert entry["errorMessage"]
        assert entry["lastChecked"] > OLD
    assert sandbox.entry(EAST, refusing)["serverCount"] == 1
    rows = sandbox.status()
    assert rows[WEST]["errorMessage"]
    assert rows[WEST]["status"] == "ACTIVE"
    assert min(rows[WEST]["lastChecked"], rows[EAST]["lastChecked"]) > OLD
    assert len([call for call in received.of("sts", "AssumeRole") if refusing in call.params["RoleArn"]]) == 1
    assert {account for account, _ in received.scopes()} == {healthy, policed}

    sandbox.change_target(refusing, externalId="drs-orchestration-cross-account")
    sandbox.faults()
    repaired = await sandbox.sync()

    assert repaired["errors"] == []
    assert sandbox.counts() == {WEST: 1, EAST: 1}
    assert len(sandbox.items()) == 2
    assert not sandbox.status()[WEST].get("errorMessage")
    assert not sandbox.entry(WEST, refusing).get("errorMessage")


async def test_nothing_but_denials_is_a_failed_run(sandbox: EngineSandbox) -> None:
    account = sandbox.add_account(regions={WEST: {"servers": 1}})
    await sandbox.sync()
    sandbox.change_target(account, externalId="not-the-one")

    report = await sandbox.sync()

    assert report["status"] == "failed"
    assert {error["accountId"] for error in report["errors"]} == {account}
    assert sandbox.counts() == {WEST: 1}
    assert len(sandbox.items()) == 1


async def test_a_role_needs_the_external_id_of_its_record(sandbox: EngineSandbox) -> None:
    sandbox.add_account(role={"external_id": "an-id-of-its-own"}, regions={WEST: {"servers": 1}})
    wrong = sandbox.add_account(regions={WEST: {"servers": 1}})
    sandbox.change_target(wrong, externalId="not-what-the-role-asks-for")

    report = await sandbox.sync()

    assert {error["accountId"] for error in report["errors"]} == {wrong}
    assert sandbox.counts() == {WEST: 1}
    assert report["scopes"]["failed"] == 6


async def test_a_page_that_fails_for_good(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    """The servers of page one are written; the items of servers on page two stay as they were."""
    account = sandbox.add_account(regions={WEST: {"servers": 3}})
    sandbox.set(DRS_PAGE_SIZE="2")
    await sandbox.sync()
    age_status(sandbox)
    first, _, third = sandbox.records(account, WEST)
    first["sourceProperties"]["identificationHints"]["hostname"] = "renamed"
    sandbox.remove(account, WEST, [third])
    sandbox.add(account, WEST, servers=1)
    extra = sandbox.records(account, WEST)[-1]
    sandbox.faults(fail=[{**LISTING, "region": WEST, "page": 2}])
    received.clear()

    report = await sandbox.sync()

    items = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert items[first["arn"]]["hostname"] == "renamed"
    assert third["arn"] in items
    assert extra["arn"] not in items
    assert sandbox.counts() == {WEST: 3}
    entry = sandbox.entry(WEST, account)
    assert (entry["serverCount"], entry["status"]) == (3, "ERROR")
    assert "InternalServer" in entry["errorMessage"]
    assert entry["lastChecked"] > OLD
    assert report["scopes"]["partial"] == 1
    assert report["regions"]["failed"] == [WEST]
    assert 2 <= len([call for call in received.of("drs") if call.status == 500]) <= 5

    sandbox.faults()
    await sandbox.sync()

    arns = {item["sourceServerArn"] for item in sandbox.items()}
    assert (third["arn"] in arns, extra["arn"] in arns) == (False, True)
    entry = sandbox.entry(WEST, account)
    assert (entry["status"], entry.get("errorMessage")) == ("ACTIVE", None)


@pytest.mark.parametrize(
    ("problem", "word", "code"),
    [
        ("denied", "IAM_PERMISSION_DENIED", "AccessDeniedException"),
        ("broken", "ERROR", "InternalServerException"),
        ("in a circle", "ERROR", "MalformedResponse"),
    ],
)
async def test_one_bad_region_is_reported_and_harms_no_other(
    problem: str, word: str, code: str, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    account = sandbox.add_account(regions={WEST: {"servers": 3}, EAST: {"servers": 1}})
    await sandbox.sync()
    before = {item["sourceServerArn"] for item in sandbox.items()}
    age_status(sandbox)
    sandbox.add(account, EAST, servers=1)
    if problem == "denied":
        sandbox.faults(deny=[{"account_id": account, "region": WEST, "service": "drs"}])
    elif problem == "broken":
        sandbox.faults(fail=[{**LISTING, "region": WEST}])
    else:
        page = drs_page(*sandbox.records(account, WEST), nextToken="the same")
        received.answer(lambda call: call.service == "drs" and call.region == WEST, page, times=None)
    received.clear()

    report = await sandbox.sync()

    assert len([call for call in received.of("drs") if call.region == WEST]) <= 8
    assert sandbox.counts() == {WEST: 3, EAST: 2}
    assert before < {item["sourceServerArn"] for item in sandbox.items()}
    entry = sandbox.entry(WEST, account)
    assert (entry["status"], entry["serverCount"]) == (word, 3)
    assert code in entry["errorMessage"]
    assert entry["lastChecked"] > OLD
    assert report["regions"]["failed"] == [WEST]
    assert [(error["accountId"], error["code"]) for error in report["errors"]] == [(account, code)]


async def test_a_hang_beyond_the_deadline_of_its_scope(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    account = sandbox.add_account(regions={WEST: {"servers": 1}, EAST: {"servers": 1}})
    await sandbox.sync()
    sandbox.set(SCOPE_DEADLINE_SECONDS="1.5")

    def is_west(call: ReceivedCall) -> bool:
        return call.service == "drs" and call.region == WEST

    with received.holding(is_west):
        report = await sandbox.sync(accounts=(account,), regions=(WEST,))

    assert sandbox.counts() == {WEST: 1, EAST: 1}
    assert report["scopes"]["failed"] == 1
    assert [error["code"] for error in report["errors"]] == ["DeadlineExceeded"]


async def test_one_failure_and_one_closed_connection_are_no_reason_to_fail(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    sandbox.add_account(regions={WEST: {"servers": 1}, EAST: {"servers": 1}})
    sandbox.faults(fail=[{**LISTING, "region": WEST, "times": 1}])
    received.answer(lambda call: call.service == "drs" and call.region == EAST, None)

    report = await sandbox.sync()

    assert report["status"] == "complete"
    assert sandbox.counts() == {WEST: 1, EAST: 1}
    assert len([call for call in received.of("drs", "DescribeSourceServers") if call.region == WEST]) == 2
