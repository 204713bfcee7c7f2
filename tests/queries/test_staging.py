"""Staging accounts of a target: discovered, recorded, and counted."""

from __future__ import annotations

import pytest

from service.errors import AwsError, RefusalError
from tests.queries.client import QueryClient, synced
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import EngineSandbox


@pytest.fixture
def client(extending_client: QueryClient) -> QueryClient:
    return extending_client


async def test_staging_accounts_are_discovered_from_the_inventory(client: QueryClient, sandbox: EngineSandbox) -> None:
    async with client.staging() as staging:
        answer = await staging.discover_staging_accounts(sandbox.names.a)
    assert client.calls_beyond_tables == {"GetCallerIdentity": 1}
    b = sandbox.names.b
    account = {
        "accountId": b,
        "accountName": f"Staging Account {b[-4:]}",
        "replicatingServers": 2,
        "totalServers": 2,
        "serverCount": 2,
        "status": "discovered",
    }
    assert (answer.body["targetAccountId"], answer.body["stagingAccounts"]) == (sandbox.names.a, [account])
    assert (answer.body["totalServers"], answer.body["complete"], answer.body["errors"]) == (2, True, [])


async def test_stale_scopes_are_read_from_drs_in_active_regions_only(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    for region in ("us-west-2", "eu-west-1"):
        client.age(sandbox.names.a, region, 1000)
    async with client.staging() as staging:
        answer = await staging.discover_staging_accounts(sandbox.names.a)
    assert client.calls_beyond_tables == {"DescribeSourceServers": 2, "AssumeRole": 1, "GetCallerIdentity": 1}
    assert (answer.body["source"], answer.body["totalServers"]) == ("drs_api", 2)
    assert len(answer.stale) == 2


async def test_a_target_nobody_synced_is_scanned_everywhere(client: QueryClient, sandbox: EngineSandbox) -> None:
    table = sandbox.table("DRS_REGION_STATUS_TABLE")
    for region in sandbox.status():
        table.delete_item(Key={"region": region})
    async with client.staging() as staging:
        answer = await staging.discover_staging_accounts(sandbox.names.a)
    assert [account["accountId"] for account in answer.body["stagingAccounts"]] == [sandbox.names.b]


async def test_a_region_that_fails_is_named_and_its_accounts_stay(client: QueryClient, sandbox: EngineSandbox) -> None:
    client.age(sandbox.names.a, "us-west-2", 1000)
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": "us-west-2"}])
    async with client.staging() as staging:
        body = (await staging.discover_staging_accounts(sandbox.names.a)).body
    assert [account["accountId"] for account in body["stagingAccounts"]] == [sandbox.names.b]
    assert body["complete"] is False
    assert "us-west-2" in body["message"]
    assert body["errors"][0]["regions"] == ["us-west-2"]


@pytest.mark.parametrize("operation", ["DescribeSourceServers", "AssumeRole"])
async def test_nothing_is_discovered_only_where_everything_could_be_read(
    operation: str, sandbox: EngineSandbox
) -> None:
    client = await synced(sandbox)  # no server of A is extended
    a = sandbox.names.a
    client.age(a, "us-west-2", 1000)
    async with client.staging() as staging:
        assert (await staging.discover_staging_accounts(a)).body["stagingAccounts"] == []
    caller, service = (a, "drs") if operation == "DescribeSourceServers" else (sandbox.names.hub, "sts")
    sandbox.faults(deny=[{"account_id": caller, "service": service, "operations": [operation]}])
    async with client.staging() as staging:
        answer = await staging.discover_staging_accounts(a)  # eu-west-1 is fresh, us-west-2 is denied
    assert answer.failure is not None
    assert (answer.failure.status, answer.failure.details["complete"]) == (500, False)
    assert f"nothing was found, but not everything could be read: {a} us-west-2" in answer.failure.message


async def test_a_region_that_a_policy_closes_hides_no_staging_account(sandbox: EngineSandbox) -> None:
    client = await synced(sandbox)
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": "eu-central-1", "scp": True}])
    table = sandbox.table("DRS_REGION_STATUS_TABLE")
    for region in sandbox.status():
        table.delete_item(Key={"region": region})  # nobody synced B, so every region is read
    async with client.staging() as staging:
        answer = await staging.discover_staging_accounts(sandbox.names.b)
    assert (answer.failure, answer.body["stagingAccounts"], answer.body["complete"]) == (None, [], False)
    assert "could not read eu-central-1" in answer.body["message"]


async def test_records_are_given_as_they_are(client: QueryClient, sandbox: EngineSandbox) -> None:
    records = [{"accountId": sandbox.names.b, "accountName": "S", "addedAt": "x+00:00Z", "note": {"kept": True}}]
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET stagingAccounts = :records",
        ExpressionAttributeValues={":records": records},
    )
    async with client.staging() as staging:
        recorded = await staging.get_staging_accounts_direct(sandbox.names.a)
        none = await staging.get_staging_accounts_direct(sandbox.names.b)
    assert recorded.members == {"targetAccountId": sandbox.names.a, "stagingAccounts": records}
    assert none.members == {"targetAccountId": sandbox.names.b, "stagingAccounts": []}
    assert recorded.is_complete
    assert client.calls == {("dynamodb", "GetItem"): 2, ("dynamodb", "Scan"): 1}  # region status is cached


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (None, "MISSING_PARAMETER"),
        ("", "MISSING_PARAMETER"),
        ("1", "INVALID_PARAMETER"),
        (["x"], "INVALID_PARAMETER"),
    ],
)
async def test_a_target_must_be_an_account(target: object, code: str, sandbox: EngineSandbox) -> None:
    async with QueryClient(sandbox).staging() as staging:
        for method in (staging.get_staging_accounts_direct, staging.discover_staging_accounts):
            with pytest.raises(RefusalError) as refused:
                await method(target)
            assert (refused.value.code, refused.value.details["parameter"]) == (code, "targetAccountId")


async def test_an_unknown_target_is_refused(sandbox: EngineSandbox) -> None:
    async with QueryClient(sandbox).staging() as staging:
        with pytest.raises(RefusalError) as refused:
            await staging.get_staging_accounts_direct("999999999999")
        assert (refused.value.code, refused.value.status) == ("NOT_FOUND", 404)
        with pytest.raises(RefusalError) as refused:
            await staging.discover_staging_accounts("999999999999")
        assert (refused.value.code, refused.value.status) == ("TARGET_ACCOUNT_NOT_FOUND", 404)


async def test_servers_are_counted_by_staging_account_and_region(client: QueryClient, sandbox: EngineSandbox) -> None:
    b = sandbox.names.b
    async with client.staging() as staging:
        answer = await staging.query_staging_accounts_from_target(
            sandbox.names.a, [{"accountId": b, "accountName": "STAGING_01"}, {"accountId": sandbox.names.apps}]
        )
    assert answer.is_complete
    first, second = answer.members["stagingAccounts"]
    assert first == {
        "accountId": b,
        "accountName": "STAGING_01",
        "accountType": "staging",
        "replicatingServers": 2,
        "totalServers": 2,
        "regionalBreakdown": [{"region": "us-west-2", "totalServers": 2, "replicatingServers": 2}],
        "accessible": True,
    }
    assert (second["totalServers"], second["regionalBreakdown"], second["accessible"]) == (0, [], True)


async def test_a_record_whose_account_id_is_none_is_counted_as_it_is_and_says_why(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    async with client.staging() as staging:
        answer = await staging.query_staging_accounts_from_target(sandbox.names.a, [{"accountId": "12"}])
    (one,) = answer.members["stagingAccounts"]
    assert (one["totalServers"], one["accessible"], "12 digits" in one["error"]) == (0, False, True)


async def test_a_record_that_is_not_read_in_time_is_an_error_of_the_table(
    sandbox: EngineSandbox, loop_clock: LoopClock
) -> None:
    client = QueryClient(sandbox)
    client.now()  # read before
    sandbox.latency(loop_clock, dynamodb=90_000)
    async with client.staging() as staging:
        with pytest.raises(AwsError, match=r"dynamodb:GetItem.*DeadlineExceeded"):
            await staging.get_staging_accounts_direct(sandbox.names.a)


async def test_counts_of_a_target_that_cannot_be_read_are_not_passed_off_as_zeros(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    sandbox.faults(deny=[{"account_id": sandbox.names.a}])
    sandbox.set(SOURCE_SERVER_INVENTORY_TABLE="")
    async with client.staging() as staging:
        answer = await staging.query_staging_accounts_from_target(sandbox.names.a, [{"accountId": sandbox.names.b}])
    (one,) = answer.members["stagingAccounts"]
    assert not answer.is_complete
    assert (one["totalServers"], one["accessible"]) == (0, False)
    assert one["error"]
