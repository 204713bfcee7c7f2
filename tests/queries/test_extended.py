"""The query for extended servers across accounts."""

from __future__ import annotations

import pytest

from service.errors import RefusalError
from tests.queries.client import QueryClient
from tests.support.sandbox import EngineSandbox


@pytest.fixture
def client(extending_client: QueryClient) -> QueryClient:
    return extending_client


async def test_fresh_extensions_are_reported_without_a_call(client: QueryClient, sandbox: EngineSandbox) -> None:
    body = (await client.extended()).body
    a, b = sandbox.names.a, sandbox.names.b
    assert client.calls_beyond_tables == {}
    assert (body["count"], body["byStagingAccount"], body["source"]) == (2, {b: 2}, "inventory_database")
    assert (body["complete"], body["errors"]) == (True, [])
    for server in body["extendedServers"]:
        assert (server["targetAccountId"], server["stagingAccountId"], server["region"]) == (a, b, "us-west-2")
        assert server["sourceServerArn"].split(":")[4] == a
        assert server["stagingSourceServerArn"].split(":")[4] == b
        assert (server["extensionStatus"], server["replicationState"]) == ("EXTENDED", "CONTINUOUS")
        assert server["hostname"]
    assert {(scope["accountId"], scope["region"]): scope["servers"] for scope in body["scopes"]} == {
        (a, "eu-west-1"): 0,
        (a, "us-west-2"): 2,
        (b, "us-west-2"): 0,
    }


async def test_roles_are_assumed_for_stale_scopes_only(client: QueryClient, sandbox: EngineSandbox) -> None:
    fresh = (await client.extended()).body["extendedServers"]
    client.age(sandbox.names.a, "us-west-2", 1000)
    answer = await client.extended()
    assert client.calls_beyond_tables == {"DescribeSourceServers": 1, "AssumeRole": 1, "GetCallerIdentity": 1}
    assert answer.body["extendedServers"] == fresh
    assert answer.body["source"] == "mixed"
    assert answer.stale == ((sandbox.names.a, "us-west-2"),)


async def test_only_scopes_of_active_regions_are_queried_and_only_their_accounts_entered(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    a, b = sandbox.names.a, sandbox.names.b
    for account_id, region in ((a, "us-west-2"), (a, "eu-west-1")):
        client.age(account_id, region, 1000)
    sandbox.table("DRS_REGION_STATUS_TABLE").delete_item(Key={"region": "us-east-1"})  # known to no sync, so not active
    body = (await client.extended()).body
    assert body["regions"] == ["eu-west-1", "us-west-2"]
    assert [(scope["accountId"], scope["region"], scope["source"]) for scope in body["scopes"]] == [
        (a, "eu-west-1", "drs_api"),
        (a, "us-west-2", "drs_api"),
        (b, "us-west-2", "inventory_database"),
    ]
    # Each account in each region would be 22 listings and two roles.
    assert client.calls_beyond_tables == {"DescribeSourceServers": 2, "AssumeRole": 1, "GetCallerIdentity": 1}
    assert body["count"] == 2


async def test_accounts_and_regions_narrow_it(client: QueryClient, sandbox: EngineSandbox) -> None:
    assert (await client.extended(accountId=sandbox.names.b)).body["count"] == 0
    assert (await client.extended(regions="eu-west-1")).body["count"] == 0
    assert (await client.extended(accountId=sandbox.names.a, region="us-west-2")).body["count"] == 2
    with pytest.raises(RefusalError, match="no target account"):
        await client.extended(accountId="999999999999")


async def test_a_denied_account_is_named_and_its_last_known_servers_stay(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    sandbox.faults(deny=[{"account_id": sandbox.names.a}])
    client.age(sandbox.names.a, "us-west-2", 1000)
    body = (await client.extended()).body
    assert (body["count"], body["complete"]) == (2, False)
    assert [scope["source"] for scope in body["scopes"] if "error" in scope] == ["inventory_stale"]
    assert [error["code"] for error in body["errors"]] == ["AccessDeniedException"]


async def test_an_item_that_somebody_edited_costs_only_itself(client: QueryClient, sandbox: EngineSandbox) -> None:
    """DynamoDB stores numbers that orjson cannot write, and any type where text is expected."""
    table = sandbox.table("SOURCE_SERVER_INVENTORY_TABLE")
    area = {"stagingSourceServerArn": "arn:aws:drs:us-west-2:1:source-server/s-1", "stagingAccountID": {"no": "text"}}
    bad_values = {"tags": {"cost": 2**70}, "sourceTags": {"cost": 2**70}, "stagingArea": area}
    item = next(each for each in sandbox.items() if each["replicationRegion"] == "eu-west-1")
    table.put_item(Item={**item, **bad_values})
    assert (await client.extended()).body["count"] == 2
    assert (await client.inventory()).body["count"] == 13
    assert (await client.servers(region="eu-west-1")).body["serverCount"] == 3
    async with client.staging() as staging:
        assert (await staging.discover_staging_accounts(sandbox.names.a)).body["totalServers"] == 2


async def test_why_an_extension_failed_is_reported(client: QueryClient, sandbox: EngineSandbox) -> None:
    b = sandbox.names.b
    area = {
        "status": "EXTENSION_ERROR",
        "stagingAccountID": b,
        "stagingSourceServerArn": f"arn:aws:drs:us-west-2:{b}:source-server/s-00000000000000009",
        "errorMessage": "no volumes",
    }
    record = {"stagingArea": area}
    sandbox.add(sandbox.names.a, "us-west-2", servers=[{"hostname": "x", "on_premises": True, "record": record}])
    client.age(sandbox.names.a, "us-west-2", 1000)
    servers = (await client.extended(accountId=sandbox.names.a)).body["extendedServers"]
    (failed,) = [server for server in servers if "errorMessage" in server]
    assert (failed["extensionStatus"], failed["errorMessage"]) == ("EXTENSION_ERROR", "no volumes")
