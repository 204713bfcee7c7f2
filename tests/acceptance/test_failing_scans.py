"""Failing scans change no count, delete nothing, and are reported."""

from __future__ import annotations

import pytest

from service.aws import client as client_module
from tests.support.estate import Estate
from tests.support.received_calls import ReceivedCall, ReceivedCalls, drs_page

WEST, EAST = "us-west-2", "eu-west-1"
LISTING = {"service": "drs", "operation": "DescribeSourceServers", "times": None}
OLD = "2026-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make as many retries as usual, without the pauses."""
    monkeypatch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)


def age_status(estate: Estate) -> None:
    """Set the times of all rows and entries to a time long ago."""
    for row in estate.status().values():
        entries = {account: {**entry, "lastChecked": OLD} for account, entry in row["accounts"].items()}
        estate.table("DRS_REGION_STATUS_TABLE").put_item(Item={**row, "lastChecked": OLD, "accounts": entries})


async def test_denied_accounts_fail_alone_and_keep_what_was_known(estate: Estate, received: ReceivedCalls) -> None:
    """One role denies access, one account is under a service control policy; the third is healthy."""
    healthy = estate.add_account(regions={WEST: {"servers": 2}})
    refusing = estate.add_account(regions={WEST: {"servers": 3}, EAST: {"servers": 1}})
    policed = estate.add_account(regions={WEST: {"servers": 4}})
    await estate.sync()
    before = {item["sourceServerArn"]: item for item in estate.items()}
    age_status(estate)
    estate.change_target(refusing, externalId="not-the-one")
    estate.faults(deny=[{"account_id": policed, "service": "drs", "scp": True}])
    remaining, deleted = estate.records(healthy, WEST)
    estate.remove(healthy, WEST, [deleted])
    for account in (refusing, policed):
        estate.remove(account, WEST, estate.records(account, WEST))
    received.clear()

    report = await estate.sync()

    assert {error["accountId"] for error in report["errors"]} == {refusing, policed}
    assert report["status"] == "partial"
    assert report["regionsFailed"] >= 2
    after = {item["sourceServerArn"]: item for item in estate.items()}
    assert set(before) - set(after) == {deleted["arn"]}
    others = set(after) - {remaining["arn"]}
    assert {arn: after[arn] for arn in others} == {arn: before[arn] for arn in others}
    assert estate.counts() == {WEST: 8, EAST: 1}
    assert estate.entry(WEST, healthy)["serverCount"] == 1
    for account, count, word in ((refusing, 3, "IAM_PERMISSION_DENIED"), (policed, 4, "SCP_DENIED")):
        entry = estate.entry(WEST, account)
        assert (entry["serverCount"], entry["status"]) == (count, word)
        assert entry["errorMessage"]
        assert entry["lastChecked"] > OLD
    assert estate.entry(EAST, refusing)["serverCount"] == 1
    rows = estate.status()
    assert rows[WEST]["errorMessage"]
    assert rows[WEST]["status"] == "ACTIVE"
    assert min(rows[WEST]["lastChecked"], rows[EAST]["lastChecked"]) > OLD
    assert len([call for call in received.of("sts", "AssumeRole") if refusing in call.params["RoleArn"]]) == 1
    assert {account for account, _ in received.scopes()} == {healthy, policed}

    estate.change_target(refusing, externalId="drs-orchestration-cross-account")
    estate.faults()
    repaired = await estate.sync()

    assert repaired["errors"] == []
    assert estate.counts() == {WEST: 1, EAST: 1}
    assert len(estate.items()) == 2
    assert not estate.status()[WEST].get("errorMessage")
    assert not estate.entry(WEST, refusing).get("errorMessage")


async def test_nothing_but_denials_is_a_failed_run(estate: Estate) -> None:
    account = estate.add_account(regions={WEST: {"servers": 1}})
    await estate.sync()
    estate.change_target(account, externalId="not-the-one")

    report = await estate.sync()

    assert report["status"] == "failed"
    assert {error["accountId"] for error in report["errors"]} == {account}
    assert estate.counts() == {WEST: 1}
    assert len(estate.items()) == 1


async def test_a_role_needs_the_external_id_of_its_record(estate: Estate) -> None:
    estate.add_account(role={"external_id": "an-id-of-its-own"}, regions={WEST: {"servers": 1}})
    wrong = estate.add_account(regions={WEST: {"servers": 1}})
    estate.change_target(wrong, externalId="not-what-the-role-asks-for")

    report = await estate.sync()

    assert {error["accountId"] for error in report["errors"]} == {wrong}
    assert estate.counts() == {WEST: 1}
    assert report["scopes"]["failed"] == 6


async def test_a_page_that_fails_for_good(estate: Estate, received: ReceivedCalls) -> None:
    """The servers of page one are written; the items of servers on page two stay as they were."""
    account = estate.add_account(regions={WEST: {"servers": 3}})
    estate.set(DRS_PAGE_SIZE="2")
    await estate.sync()
    age_status(estate)
    first, _, third = estate.records(account, WEST)
    first["sourceProperties"]["identificationHints"]["hostname"] = "renamed"
    estate.remove(account, WEST, [third])
    estate.add(account, WEST, servers=1)
    extra = estate.records(account, WEST)[-1]
    estate.faults(fail=[{**LISTING, "region": WEST, "page": 2}])
    received.clear()

    report = await estate.sync()

    items = {item["sourceServerArn"]: item for item in estate.items()}
    assert items[first["arn"]]["hostname"] == "renamed"
    assert third["arn"] in items
    assert extra["arn"] not in items
    assert estate.counts() == {WEST: 3}
    entry = estate.entry(WEST, account)
    assert (entry["serverCount"], entry["status"]) == (3, "ERROR")
    assert "InternalServer" in entry["errorMessage"]
    assert entry["lastChecked"] > OLD
    assert report["scopes"]["partial"] == 1
    assert report["regions"]["failed"] == [WEST]
    assert 2 <= len([call for call in received.of("drs") if call.status == 500]) <= 5

    estate.faults()
    await estate.sync()

    arns = {item["sourceServerArn"] for item in estate.items()}
    assert (third["arn"] in arns, extra["arn"] in arns) == (False, True)
    entry = estate.entry(WEST, account)
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
    problem: str, word: str, code: str, estate: Estate, received: ReceivedCalls
) -> None:
    account = estate.add_account(regions={WEST: {"servers": 3}, EAST: {"servers": 1}})
    await estate.sync()
    before = {item["sourceServerArn"] for item in estate.items()}
    age_status(estate)
    estate.add(account, EAST, servers=1)
    if problem == "denied":
        estate.faults(deny=[{"account_id": account, "region": WEST, "service": "drs"}])
    elif problem == "broken":
        estate.faults(fail=[{**LISTING, "region": WEST}])
    else:
        page = drs_page(*estate.records(account, WEST), nextToken="the same")
        received.answer(lambda call: call.service == "drs" and call.region == WEST, page, times=None)
    received.clear()

    report = await estate.sync()

    assert len([call for call in received.of("drs") if call.region == WEST]) <= 8
    assert estate.counts() == {WEST: 3, EAST: 2}
    assert before < {item["sourceServerArn"] for item in estate.items()}
    entry = estate.entry(WEST, account)
    assert (entry["status"], entry["serverCount"]) == (word, 3)
    assert code in entry["errorMessage"]
    assert entry["lastChecked"] > OLD
    assert report["regions"]["failed"] == [WEST]
    assert [(error["accountId"], error["code"]) for error in report["errors"]] == [(account, code)]


async def test_a_hang_beyond_the_deadline_of_its_scope(estate: Estate, received: ReceivedCalls) -> None:
    account = estate.add_account(regions={WEST: {"servers": 1}, EAST: {"servers": 1}})
    await estate.sync()
    estate.set(SCOPE_DEADLINE_SECONDS="1.5")

    def is_west(call: ReceivedCall) -> bool:
        return call.service == "drs" and call.region == WEST

    with received.holding(is_west):
        report = await estate.sync(accounts=(account,), regions=(WEST,))

    assert estate.counts() == {WEST: 1, EAST: 1}
    assert report["scopes"]["failed"] == 1
    assert [error["code"] for error in report["errors"]] == ["DeadlineExceeded"]


async def test_one_failure_and_one_closed_connection_are_no_reason_to_fail(
    estate: Estate, received: ReceivedCalls
) -> None:
    estate.add_account(regions={WEST: {"servers": 1}, EAST: {"servers": 1}})
    estate.faults(fail=[{**LISTING, "region": WEST, "times": 1}])
    received.answer(lambda call: call.service == "drs" and call.region == EAST, None)

    report = await estate.sync()

    assert report["status"] == "complete"
    assert estate.counts() == {WEST: 1, EAST: 1}
    assert len([call for call in received.of("drs", "DescribeSourceServers") if call.region == WEST]) == 2
