"""The staging sync, end to end: the engine with the real SDK against a simulated AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import pytest
from moto.core.responses import EmptyResult

from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.exceptions import InternalServerException
from service.sandbox.moto_drs.responses import DRSResponse
from tests.support.sandbox import EVERY_REGION, EngineSandbox, Names, new_account_id


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> Iterator[StagingSandbox]:
    """Start a sandbox: A (names.a) extends from two staging accounts, B (names.b) from none.

    In us-west-2 two of five servers of the first are extended and none of the four of the second; in eu-west-1 three of
    the first wait. A has servers of its own in both; B has one in us-west-2.
    """
    with ExitStack() as stack:
        yield stack.enter_context(_estate(monkeypatch))


def _estate(monkeypatch: pytest.MonkeyPatch) -> StagingSandbox:
    names = Names(*(new_account_id() for _ in range(4)))
    second = new_account_id()
    first = names.apps
    members = {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {
                "account_id": names.a,
                "name": "A",
                "staging_accounts": [first, second],
                "regions": {
                    "us-west-2": {"servers": 2, "extended_from": [{"account_id": first, "count": 2}]},
                    "eu-west-1": {"servers": 1},
                },
            },
            {"account_id": names.b, "name": "B", "regions": {"us-west-2": {"servers": 1}}},
            {
                "account_id": first,
                "kind": "staging",
                "regions": {"us-west-2": {"servers": 5}, "eu-west-1": {"servers": 3}},
            },
            {"account_id": second, "kind": "staging", "regions": {"us-west-2": {"servers": 4}}},
        ],
    }
    return StagingSandbox(members, names, monkeypatch, second)


class StagingSandbox(EngineSandbox):
    """A sandbox with a second staging account; the first one is `names.apps`."""

    def __init__(self, members: dict[str, Any], names: Names, monkeypatch: pytest.MonkeyPatch, second: str) -> None:
        super().__init__(members, names, monkeypatch)
        self.second = second


def denied(account_id: str, *operations: str) -> list[dict[str, Any]]:
    """Return the faults that deny operations of DRS in one account."""
    refusal = {
        "account_id": account_id,
        "service": "drs",
        "error": "AccessDeniedException",
        "status": 403,
        "times": 9999,
    }
    return [{**refusal, "operation": operation} for operation in operations]


def extended(sandbox: EngineSandbox, region: str = "us-west-2") -> set[str]:
    """Return the ids of the staging servers that are extended into A."""
    servers = drs_backends[sandbox.names.a][region].source_servers.values()
    return {server.staging_arn for server in servers if server.staging_arn}


def outcome(report: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(report[name] for name in ("status", "serversExtended", "serversFailed", "serversHeldBack"))


async def test_it_extends_what_is_new_and_the_second_time_nothing(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.calls()
    report = await staged.sync_staging()
    assert outcome(report) == ("complete", 10, 0, 0)
    assert report["details"] == [
        {"accountId": staged.names.a, "accountName": "A", "serversExtended": 10, "serversFailed": 0}
    ]
    assert (report["totalAccounts"], report["accountsProcessed"]) == (2, 1)
    assert (len(extended(staged)), len(extended(staged, "eu-west-1"))) == (9, 3)
    calls = staged.calls()
    assert calls["drs", "CreateExtendedSourceServer"] == 10
    again = await staged.sync_staging()
    assert outcome(again) == ("complete", 0, 0, 0)
    assert again["details"] == []
    calls = staged.calls()
    assert calls["drs", "CreateExtendedSourceServer"] == 0
    # Active regions only: two staging accounts in two regions of A, and what DRS reports for A and B.
    assert calls["drs", "ListExtensibleSourceServers"] == 4
    assert calls["drs", "ListStagingAccounts"] == 3
    assert calls["drs", "DescribeSourceServers"] == 0
    assert calls["sts", "AssumeRole"] == 2  # the targets; no role in the staging accounts is needed


async def test_an_extended_server_takes_no_template_of_the_account_it_is_extended_into(staged: StagingSandbox) -> None:
    """It replicates in the staging account, whose templates are read with the role of that account."""
    for account in (staged.names.a, staged.names.apps):
        backend = drs_backends[account]["us-west-2"]
        if not backend.templates:
            backend.create_replication_configuration_template({})
    await staged.sync()
    await staged.sync_staging()
    await staged.sync()
    topologies = staged.topologies()
    waiting = {server.arn for server in drs_backends[staged.names.apps]["us-west-2"].source_servers.values()}
    own = {server.arn for server in drs_backends[staged.names.a]["us-west-2"].source_servers.values()} & set(topologies)
    assert (len(waiting), len(own)) == (5, 2)
    for arn in waiting:
        assert topologies[arn]["originalReplicationConfiguration"]
        (staging_template,) = drs_backends[staged.names.apps]["us-west-2"].templates
        assert topologies[arn]["originalReplicationConfigurationTemplateId"] == staging_template
    (template,) = drs_backends[staged.names.a]["us-west-2"].templates
    assert {topologies[arn]["originalReplicationConfigurationTemplateId"] for arn in own} == {template}


async def test_with_an_empty_status_table_every_region_is_scanned(staged: StagingSandbox) -> None:
    staged.everywhere()
    report = await staged.sync_staging()
    assert outcome(report) == ("complete", 10, 0, 0)
    assert (report["regionSource"], report["regionsScanned"]) == ("fallback_table_empty", len(EVERY_REGION))
    assert (report["apiCallReductionPercent"], report["timeSavedSeconds"]) == (0, 0)
    assert report["regionsActive"] is None


async def test_new_servers_are_due_a_scan_of_the_inventory_sync(staged: StagingSandbox) -> None:
    """The region had no servers of the target when it was last scanned."""
    staged.add(staged.names.apps, "ca-central-1", servers=2)
    staged.add(staged.names.a, "ca-central-1", servers=0)
    staged.add(staged.names.b, "ca-central-1", servers=1)  # B makes the region active
    await staged.sync()
    drs_backends[staged.names.apps]["ca-central-1"].trust(staged.names.a)
    report = await staged.sync_staging()
    assert report["serversExtended"] == 12
    requested = staged.status()["ca-central-1"]["accounts"][staged.names.a].get("lookRequestedAt", "")
    assert requested >= report["startedAt"], "requested by this sync, not before"
    await staged.sync()
    assert staged.counts()["ca-central-1"] == 3


async def test_a_region_that_only_a_staging_account_uses_is_found(staged: StagingSandbox) -> None:
    """No target has a server there, so no row of the table has it as active."""
    staged.add(staged.names.apps, "ca-central-1", servers=2)
    staged.add(staged.names.a, "ca-central-1", servers=0)
    drs_backends[staged.names.apps]["ca-central-1"].trust(staged.names.a)
    await staged.sync()
    assert "ca-central-1" not in staged.counts()
    assert (await staged.sync_staging())["serversExtended"] == 12
    assert len(extended(staged, "ca-central-1")) == 2
    await staged.sync()
    assert staged.counts()["ca-central-1"] == 2
    entry = staged.status()["ca-central-1"]["accounts"][staged.names.a]  # settled, and requested again by new servers
    assert entry["lookRequestedAt"] > entry["lastComplete"]


async def test_a_staging_account_that_cannot_be_read_is_reported_where_its_target_has_no_servers(
    staged: StagingSandbox,
) -> None:
    staged.add(staged.names.a, "ca-central-1", servers=0)
    staged.faults(
        fail=[
            *denied(staged.names.a, "ListExtensibleSourceServers"),
            *denied(staged.names.apps, "DescribeSourceServers"),
        ]
    )
    report = await staged.sync()
    assert report["status"] == "complete"  # of the inventory, all is known
    denials = [warning for warning in report["warnings"] if warning.get("accountId") == staged.names.apps]
    assert [(each["code"], each["regions"]) for each in denials] == [("AccessDeniedException", ["ca-central-1"])]
    assert "lookRequestedAt" not in staged.status()["ca-central-1"]["accounts"][staged.names.a]


async def test_two_runs_at_once_extend_each_server_once(staged: StagingSandbox) -> None:
    reports: list[dict[str, Any]] = []

    async def sync() -> None:
        reports.append(await staged.sync_staging())

    await staged.sync()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(sync)
    assert [report["status"] for report in reports] == ["complete"] * 3
    assert sum(report["serversExtended"] for report in reports) == 10
    servers = drs_backends[staged.names.a]["us-west-2"].source_servers.values()
    arns = [server.staging_arn for server in servers if server.staging_arn]
    assert len(arns) == len(set(arns)) == 9


@pytest.mark.parametrize(
    "error", [{"error": "InternalServerException", "status": 500}, {"error": "Oops", "status": 400}]
)
async def test_a_list_that_fails_holds_back_its_pair_alone(staged: StagingSandbox, error: dict[str, Any]) -> None:
    await staged.sync()
    failing = {"service": "drs", "operation": "ListExtensibleSourceServers", "region": "us-west-2", "times": 1000}
    staged.faults(fail=[{**failing, **error}])
    report = await staged.sync_staging()
    assert report["status"] == "partial"
    assert report["serversExtended"] == 3  # eu-west-1
    assert len(extended(staged)) == 2
    assert {each["code"] for each in report["errors"]} == {error["error"]}
    staged.faults()
    assert outcome(await staged.sync_staging()) == ("complete", 7, 0, 0)


async def test_when_listing_is_denied_both_sides_are_compared(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.faults(fail=denied(staged.names.a, "ListExtensibleSourceServers"))
    report = await staged.sync_staging()
    assert outcome(report) == ("complete", 10, 0, 0)
    assert outcome(await staged.sync_staging()) == ("complete", 0, 0, 0)


async def test_when_listing_is_denied_a_reversed_and_a_disconnected_server_are_not_planned(
    staged: StagingSandbox,
) -> None:
    await staged.sync()
    staged.faults(fail=denied(staged.names.a, "ListExtensibleSourceServers"))
    reversed_, disconnected = list(drs_backends[staged.second]["us-west-2"].source_servers.values())[:2]
    reversed_.record["replicationDirection"] = "FAILBACK"
    disconnected.record["dataReplicationInfo"]["dataReplicationState"] = "DISCONNECTED"
    planned = {each["sourceServerArn"] for each in (await staged.sync_staging(dry_run=True))["planned"]}
    assert len(planned) == 8
    assert not planned & {reversed_.arn, disconnected.arn}
    assert outcome(await staged.sync_staging()) == ("complete", 8, 0, 0)
    assert not extended(staged) & {reversed_.arn, disconnected.arn}


async def test_when_listing_is_denied_and_a_side_cannot_be_read_nothing_is_extended(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.faults(fail=denied(staged.names.a, "ListExtensibleSourceServers", "DescribeSourceServers"))
    report = await staged.sync_staging()
    assert report["status"] == "partial"
    assert report["serversExtended"] == 0
    assert staged.calls()["drs", "CreateExtendedSourceServer"] == 0
    assert len(extended(staged)) == 2


async def test_when_listing_is_denied_and_a_record_cannot_be_used_its_pair_is_held_back(staged: StagingSandbox) -> None:
    """The record may be of a server that is extended already."""
    await staged.sync()
    staged.faults(fail=denied(staged.names.a, "ListExtensibleSourceServers"))
    servers = drs_backends[staged.names.a]["us-west-2"].source_servers.values()
    staging = {str(server.staging_arn).split(":")[4] for server in servers if server.staging_arn}
    for server in servers:
        if server.staging_arn:
            server.record["tags"] = {"a": None}
    staged.calls()
    report = await staged.sync_staging()
    assert {(each["code"], each["accountId"]) for each in report["errors"]} == {("MalformedResponse", staged.names.a)}
    assert all(any(account in each["message"] for account in staging) for each in report["errors"])
    assert staged.calls()["drs", "CreateExtendedSourceServer"] == report["serversExtended"] > 0


async def test_a_denied_staging_account_holds_back_just_that_account(staged: StagingSandbox) -> None:
    await staged.sync()
    for region in ("us-west-2", "eu-west-1"):
        drs_backends[staged.names.apps][region].trusted_accounts.discard(staged.names.a)
    staged.faults(deny=[{"account_id": staged.names.apps, "service": "drs"}])
    report = await staged.sync_staging()
    assert report["status"] == "partial"
    assert report["serversExtended"] == 4  # of the other staging account
    assert all(staged.names.apps in each["message"] for each in report["errors"])
    assert "trust" in report["errors"][0]["advice"]
    assert report["details"][0]["serversExtended"] == 4
    assert "error" in report["details"][0]


async def test_a_denied_target_affects_only_itself(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": staged.names.b},
        UpdateExpression="SET externalId = :wrong",
        ExpressionAttributeValues={":wrong": "not-the-one"},
    )
    report = await staged.sync_staging()
    assert (report["status"], report["serversExtended"]) == ("partial", 10)
    (error,) = report["errors"]
    assert (error["accountId"], error["operation"]) == (staged.names.b, "AssumeRole")


async def test_creation_denied_is_tried_once_per_pair(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.calls()
    staged.set(EXTENSIONS_AT_ONCE="1")
    staged.faults(fail=denied(staged.names.a, "CreateExtendedSourceServer"))
    report = await staged.sync_staging()
    assert outcome(report) == ("partial", 0, 3, 7)
    assert staged.calls()["drs", "CreateExtendedSourceServer"] == 3


async def test_the_quota_ends_a_scope_with_a_clear_message(
    staged: StagingSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await staged.sync()
    staged.calls()
    monkeypatch.setattr(drs_backends[staged.names.a]["us-west-2"], "max_source_servers", 7, raising=False)
    staged.set(EXTENSIONS_AT_ONCE="1")
    report = await staged.sync_staging()
    assert (report["status"], report["serversExtended"]) == ("partial", 3 + 3)  # four of the quota of seven were used
    (error,) = report["errors"]
    assert error["code"] == "ServiceQuotaExceededException"
    assert (error["errorClass"], "raise the DRS quota of account" in error["advice"]) == ("TargetFull", True)
    assert staged.calls()["drs", "CreateExtendedSourceServer"] == 7


async def test_what_does_not_fit_the_known_quota_is_not_even_tried(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.calls()
    staged.set(SERVERS_PER_REGION="6")
    report = await staged.sync_staging()
    assert outcome(report) == ("partial", 2 + 3, 0, 5)
    assert "5 servers do not fit" in report["errors"][0]["message"]
    assert staged.calls()["drs", "CreateExtendedSourceServer"] == 5


@pytest.mark.parametrize(
    ("again", "counts"),
    [
        pytest.param("refused", {"serversExtended": 3, "serversAlreadyExtended": 7}, id="a repeat is refused"),
        pytest.param("taken", {"serversExtended": 10, "serversAlreadyExtended": 0}, id="a repeat gives what is there"),
    ],
)
async def test_a_creation_whose_response_was_lost_counts_by_its_effect(
    staged: StagingSandbox, monkeypatch: pytest.MonkeyPatch, again: str, counts: dict[str, int]
) -> None:
    """Every creation succeeds but returns an error: the target is read again before a creation counts as failed."""
    await staged.sync()
    backend = drs_backends[staged.names.a]["us-west-2"]
    create, created = backend.extend, set[str]()

    def extend(staging_arn: str, *more: Any) -> Any:
        server = create(staging_arn, *more)
        if staging_arn not in created:
            created.add(staging_arn)
            raise InternalServerException
        return server

    monkeypatch.setattr(backend, "extend", extend)
    monkeypatch.setattr(backend, "repeat_extension_is_error", again == "refused", raising=False)
    report = await staged.sync_staging()
    assert outcome(report) == ("complete", counts["serversExtended"], 0, 0)
    assert report["serversAlreadyExtended"] == counts["serversAlreadyExtended"]
    assert len(extended(staged)) == 9
    assert len(created) == 7


async def test_a_success_that_does_not_show_the_new_server_is_not_counted(
    staged: StagingSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await staged.sync()
    with monkeypatch.context() as patch:
        patch.setattr(DRSResponse, "create_extended_source_server", lambda _: EmptyResult())
        report = await staged.sync_staging()
    assert outcome(report) == ("partial", 0, 10, 0)
    assert {each["code"] for each in report["errors"]} == {"MalformedResponse"}
    assert len(extended(staged)) == 2
    assert outcome(await staged.sync_staging()) == ("complete", 10, 0, 0)


@pytest.mark.parametrize("lookup_works", [True, False])
async def test_what_stays_unclear_counts_as_failed_and_is_tried_by_the_next_run(
    staged: StagingSandbox, *, lookup_works: bool
) -> None:
    await staged.sync()
    scope = {"account_id": staged.names.a, "region": "us-west-2", "service": "drs"}
    unclear = ["CreateExtendedSourceServer", *([] if lookup_works else ["DescribeSourceServers"])]
    error = {"error": "InternalServerException", "status": 500, "times": 9999}
    staged.faults(fail=[{**scope, **error, "operation": operation} for operation in unclear])
    report = await staged.sync_staging()
    assert outcome(report) == ("partial", 3, 7, 0)
    assert {each["operation"] for each in report["errors"]} == {unclear[-1]}
    staged.faults()
    assert outcome(await staged.sync_staging()) == ("complete", 7, 0, 0)
    assert len(extended(staged)) == 9


async def test_a_staging_account_that_only_drs_names_waits_until_somebody_adds_it(staged: StagingSandbox) -> None:
    """One server of it was extended by hand. That is no request to extend the three others."""
    found, target = staged.second, staged.names.b
    await staged.sync()
    drs_backends[found]["us-west-2"].trust(target)
    by_hand = min(server.arn for server in drs_backends[found]["us-west-2"].source_servers.values())
    drs_backends[target]["us-west-2"].extend(by_hand)
    table = staged.table("TARGET_ACCOUNTS_TABLE")
    record = table.get_item(Key={"accountId": target})["Item"]
    for dry_run in (True, False, False):
        staged.calls()
        report = await staged.sync_staging(accounts=(target,), dry_run=dry_run)
        assert outcome(report) == ("complete", 0, 0, 0)
        assert (report["serversPlanned"], report["stagingAccountsAdded"]) == (0, {})
        assert report["stagingAccountsFound"] == {target: [found]}
        (warning,) = report["warnings"]
        assert (warning["code"], warning["accountId"]) == ("StagingAccountNotRecorded", target)
        assert warning["regions"] == ["us-west-2"]
        assert f"drs-sync accounts add-staging {target} {found}" in warning["advice"]
        calls = staged.calls()
        assert not calls.keys() & {("drs", "ListExtensibleSourceServers"), ("drs", "CreateExtendedSourceServer")}
        assert calls["dynamodb", "UpdateItem"] == 0
    assert table.get_item(Key={"accountId": target})["Item"] == record
    asked = [{"accountId": found, "accountName": "X"}]
    table.update_item(
        Key={"accountId": target},
        UpdateExpression="SET stagingAccounts = :asked",
        ExpressionAttributeValues={":asked": asked},
    )
    report = await staged.sync_staging(accounts=(target,))
    assert (report["serversExtended"], report["stagingAccountsFound"], report["warnings"]) == (3, {}, [])


async def test_servers_of_a_staging_account_that_only_drs_names_do_not_wait_for_a_scan(staged: StagingSandbox) -> None:
    target, region = staged.names.b, "ca-central-1"
    staged.add(staged.second, region, servers=2)
    staged.add(target, region, servers=0)
    drs_backends[staged.second][region].trust(target)
    drs_backends[staged.second]["us-west-2"].trust(target)
    by_hand = min(server.arn for server in drs_backends[staged.second]["us-west-2"].source_servers.values())
    drs_backends[target]["us-west-2"].extend(by_hand)
    await staged.sync()
    assert "lookRequestedAt" not in staged.status()[region]["accounts"][target]


@pytest.mark.parametrize("text", ["no", "with an explicit deny in a service control policy"])
async def test_a_denied_list_of_staging_accounts_is_a_warning_whatever_its_text_says(
    staged: StagingSandbox, text: str
) -> None:
    await staged.sync()
    (fault,) = denied(staged.names.a, "ListStagingAccounts")
    staged.faults(fail=[{**fault, "message": text}])
    report = await staged.sync_staging()
    assert outcome(report) == ("complete", 10, 0, 0)
    assert {each["code"] for each in report["warnings"]} == {"AccessDeniedException"}


async def test_a_staging_account_that_drs_reports_joins_the_record_once_if_the_settings_say_so(
    staged: StagingSandbox,
) -> None:
    reported = staged.second
    await staged.sync()
    await staged.sync_staging()
    table = staged.table("TARGET_ACCOUNTS_TABLE")
    item = table.get_item(Key={"accountId": staged.names.a})["Item"]
    remaining = [record for record in item["stagingAccounts"] if record["accountId"] != reported]
    table.put_item(Item={**item, "stagingAccounts": remaining, "note": "stays"})
    staged.set(ADOPT_STAGING_ACCOUNTS="true")
    staged.calls()
    report = await staged.sync_staging(dry_run=True)
    assert (report["stagingAccountsFound"], report["stagingAccountsAdded"]) == ({staged.names.a: [reported]}, {})
    assert not [call for call in staged.calls() if call[1] in {"UpdateItem", "PutItem"}]  # reported, but not written
    report = await staged.sync_staging()
    assert report["stagingAccountsFound"] == report["stagingAccountsAdded"] == {staged.names.a: [reported]}
    assert report["warnings"] == []
    item = table.get_item(Key={"accountId": staged.names.a})["Item"]
    (record,) = [each for each in item["stagingAccounts"] if each["accountId"] == reported]
    assert set(record) == {"accountId", "accountName", "roleArn", "externalId", "addedAt", "addedBy"}
    assert (record["accountName"], record["addedBy"], item["note"]) == (
        f"Staging Account {reported[-4:]}",
        "system",
        "stays",
    )
    assert (await staged.sync_staging())["stagingAccountsAdded"] == {}


@pytest.mark.parametrize("wrong", ["4444", "itself"])
async def test_an_invalid_staging_account_affects_only_itself(staged: StagingSandbox, wrong: str) -> None:
    target = staged.names.a
    staging_id = target if wrong == "itself" else wrong
    staged.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": target},
        UpdateExpression="SET stagingAccounts = list_append(stagingAccounts, :more)",
        ExpressionAttributeValues={":more": [{"accountId": staging_id}]},
    )
    assert (await staged.sync())["status"] == "complete"
    report = await staged.sync_staging()
    assert outcome(report) == ("partial", 10, 0, 0)
    (error,) = report["errors"]
    assert (error["code"], error["accountId"]) == ("InvalidAccountRecord", target)
    assert repr(staging_id) in error["message"]
    assert report["details"][0]["error"].startswith("InvalidAccountRecord: ")
    report = await staged.sync_staging(accounts=(staged.names.b,))
    assert report["errors"] == []


async def test_one_that_an_operator_removed_stays_away(staged: StagingSandbox) -> None:
    await staged.sync()
    await staged.sync_staging()
    table = staged.table("TARGET_ACCOUNTS_TABLE")
    table.update_item(
        Key={"accountId": staged.names.a},
        UpdateExpression="SET stagingAccounts = :none, removedStagingAccounts = :gone",
        ExpressionAttributeValues={
            ":none": [],
            ":gone": [{"accountId": each} for each in (staged.names.apps, staged.second)],
        },
    )
    staged.add(staged.names.apps, "us-west-2", servers=1)
    report = await staged.sync_staging()
    members = ("stagingAccountsAdded", "stagingAccountsFound", "serversExtended", "warnings")
    assert [report[name] for name in members] == [{}, {}, 0, []]


async def test_a_dry_run_shows_and_writes_nothing(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.calls()
    report = await staged.sync_staging(dry_run=True)
    assert (report["serversExtended"], report["serversSynced"], report["serversByRegion"]) == (0, 0, {})
    assert (report["serversPlanned"], report["plannedTotal"], len(report["planned"])) == (10, 10, 10)
    assert set(report["planned"][0]) == {"accountId", "stagingAccountId", "region", "sourceServerArn"}
    assert not [call for call in staged.calls() if call[1] in {"CreateExtendedSourceServer", "UpdateItem", "PutItem"}]
    assert len(extended(staged)) == 2


async def test_throttling_delays_and_loses_nothing(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.faults(throttle={"requests_per_second": 20, "burst": 3})
    assert outcome(await staged.sync_staging()) == ("complete", 10, 0, 0)


async def test_a_server_that_leaves_between_list_and_call_is_no_failure(staged: StagingSandbox) -> None:
    await staged.sync()
    deleted = {
        "account_id": staged.names.a,
        "region": "eu-west-1",
        "service": "drs",
        "operation": "CreateExtendedSourceServer",
        "times": 1,
        "error": "ResourceNotFoundException",
        "status": 404,
    }
    staged.faults(fail=[deleted])
    report = await staged.sync_staging()
    assert (report["status"], report["serversExtended"], report["serversVanished"]) == ("complete", 9, 1)


async def test_only_the_account_and_region_requested(staged: StagingSandbox) -> None:
    await staged.sync()
    staged.calls()
    report = await staged.sync_staging(accounts=(staged.names.a,), regions=("eu-west-1",))
    assert (report["serversExtended"], report["regionsScanned"]) == (3, 1)


async def test_a_hub_is_skipped_and_every_run_says_so_where_it_has_staging_accounts(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox()
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(
        Item={
            "accountId": sandbox.names.hub,
            "isCurrentAccount": True,
            "stagingAccounts": [{"accountId": "444455556666"}],
        }
    )
    report = await sandbox.sync_staging()
    assert (report["totalAccounts"], report["accountsProcessed"], report["status"]) == (3, 0, "complete")
    skipped = {
        "accountId": sandbox.names.hub,
        "accountName": f"Account {sandbox.names.hub}",
        "reason": f"{sandbox.names.hub} is the hub: nothing is extended into it",
        "stagingAccounts": ["444455556666"],
    }
    for each in (report, await sandbox.sync_staging(), await sandbox.sync_staging(dry_run=True)):
        assert each["accountsSkipped"] == [skipped]
        (warning,) = each["warnings"]
        assert (warning["code"], warning["accountId"], each["status"]) == (
            "HubNotSynced",
            sandbox.names.hub,
            "complete",
        )
        (details,) = each["details"]
        assert (details["accountId"], details["skipped"]) == (sandbox.names.hub, skipped["reason"])
    sandbox.calls()
    named = await sandbox.sync_staging(accounts=(sandbox.names.hub,))
    assert (named["status"], named["scopes"]["asked"]) == ("complete", 0)
    (warning,) = named["warnings"]
    assert (warning["code"], warning["accountId"]) == ("HubNotSynced", sandbox.names.hub)
    assert "nothing is extended into it" in warning["message"]
    assert not [call for call in sandbox.calls() if call[0] == "drs"]
    record = {"accountId": sandbox.names.hub, "isCurrentAccount": True}
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(Item=record)  # has nothing to extend
    without = await sandbox.sync_staging()
    assert (without["accountsSkipped"], without["details"], without["warnings"]) == ([], [], [])
