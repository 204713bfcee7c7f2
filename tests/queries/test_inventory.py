"""The inventory query: answered from the inventory where it is fresh, and from DRS where it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from service.aws.attribute_values import encode
from service.errors import AwsError, ConfigurationError, RefusalError
from service.models import Scope, iso
from service.queries.paging import Key
from service.queries.read_result import DataSource, ReadResult, ScopeReadResult
from service.sandbox.aws_protocols import json_response
from tests.queries.client import QueryClient
from tests.support.loop_clock import LoopClock
from tests.support.received_calls import ReceivedCall
from tests.support.sandbox import EVERY_REGION, EngineSandbox

DESCRIBE = {"service": "drs", "operation": "DescribeSourceServers", "times": None}


def without_times(servers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return servers without the members that differ in every response of DRS."""
    times = {"lastSeen", "valuesAsOf"}
    return [{name: value for name, value in each.items() if name not in times} for each in servers]


def sources(body: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(scope["accountId"], scope["region"]): scope["source"] for scope in body["scopes"]}


async def test_a_fresh_inventory_answers_alone(client: QueryClient, sandbox: EngineSandbox) -> None:
    answer = await client.inventory()
    body = answer.body
    assert client.calls == {("dynamodb", "Query"): 2, ("dynamodb", "Scan"): 2, ("dynamodb", "BatchGetItem"): 1}
    assert (body["count"], body["totalCount"], len(body["servers"])) == (11, 11, 11)
    assert (body["source"], body["complete"], body["errors"]) == ("inventory_database", True, [])
    assert body["regions"] == ["eu-west-1", "us-west-2"]
    assert "nextToken" not in body
    assert (answer.stale, answer.hits, answer.misses) == ((), 1, 0)
    a, b = sandbox.names.a, sandbox.names.b
    assert [(s["accountId"], s["region"], s["servers"]) for s in body["scopes"]] == [
        (a, "eu-west-1", 3),
        (a, "us-west-2", 6),
        (b, "us-west-2", 2),
    ]
    assert all(scope["lastComplete"] and 60 <= scope["ageSeconds"] < 900 for scope in body["scopes"])


async def test_a_server_shows_every_member(client: QueryClient, sandbox: EngineSandbox) -> None:
    body = (await client.inventory(region="eu-west-1")).body
    server = body["servers"][0]
    assert server["region"] == server["replicationRegion"] == "eu-west-1"
    assert server["sourceServerID"] == server["sourceServerArn"].rpartition("/")[2] != ""
    assert server["accountId"] == server["stagingAccountId"] == server["originalAccountId"] == sandbox.names.a
    assert (server["sourceAccount"], server["sourceRegion"]) == (sandbox.names.apps, "us-east-1")
    assert server["originalSourceRegion"] == "us-east-1"
    assert server["originalReplicationConfigurationTemplateId"].startswith("rct-")
    assert server["tags"]["Name"] == server["nameTag"] == server["hostname"]
    assert (server["state"], server["selectable"]) == ("CONTINUOUS", True)
    assert server["hardware"]["totalCores"] > 0
    assert [name for name, value in server.items() if value is None] == ["assignedToProtectionGroup"]


async def test_freshness_ends_at_the_window_exactly(client: QueryClient, sandbox: EngineSandbox) -> None:
    scope = {"accountId": sandbox.names.b, "region": "us-west-2"}
    client.age(sandbox.names.b, "us-west-2", 899.999)
    assert (await client.inventory(**scope)).stale == ()
    client.age(sandbox.names.b, "us-west-2", 900)
    assert (await client.inventory(**scope)).stale == ((sandbox.names.b, "us-west-2"),)


async def test_drs_is_read_only_for_the_one_stale_scope_of_several(client: QueryClient, sandbox: EngineSandbox) -> None:
    fresh = (await client.inventory()).body["servers"]
    client.age(sandbox.names.a, "us-west-2", 900)
    answer = await client.inventory()
    assert client.calls_beyond_tables == {"DescribeSourceServers": 1, "AssumeRole": 1, "GetCallerIdentity": 1}
    assert (answer.body["source"], answer.body["complete"]) == ("mixed", True)
    assert answer.stale == ((sandbox.names.a, "us-west-2"),)
    assert (answer.hits, answer.misses) == (1, 1)
    assert answer.sources == {"inventory_database": 2, "drs_api": 1}
    # The tags of EC2 and the original topology are still there.
    assert without_times(answer.body["servers"]) == without_times(fresh)


async def test_not_initialized_where_servers_are_known_is_no_empty_scope(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    a = sandbox.names.a
    known = (await client.inventory(accountId=a, region="us-west-2")).body["servers"]
    client.age(a, "us-west-2", 1000)
    uninitialized = {"operation": "DescribeSourceServers", "error": "UninitializedAccountException", "status": 400}
    sandbox.faults(fail=[{"service": "drs", "account_id": a, "region": "us-west-2", "times": 99, **uninitialized}])
    body = (await client.inventory(accountId=a, region="us-west-2")).body
    assert [server["sourceServerID"] for server in body["servers"]] == [server["sourceServerID"] for server in known]
    assert all(server["stale"] for server in body["servers"])
    assert body["complete"] is False
    assert [error["code"] for error in body["errors"]] == ["UninitializedAccountException"]


async def test_a_stale_scope_shows_what_happened_since(client: QueryClient, sandbox: EngineSandbox) -> None:
    a = sandbox.names.a
    removed = (await client.inventory(accountId=a, region="eu-west-1")).body["servers"][0]["sourceServerID"]
    sandbox.server.remove(a, "eu-west-1", [removed])
    sandbox.add(a, "eu-west-1", servers=[{"hostname": "brand-new", "on_premises": True}])
    client.age(a, "eu-west-1", 3600)
    servers = (await client.inventory(accountId=a, region="eu-west-1")).body["servers"]
    assert removed not in {server["sourceServerID"] for server in servers}
    (new,) = [server for server in servers if server["hostname"] == "brand-new"]
    assert "originalAccountId" not in new  # no sync has recorded it yet, and nothing is guessed


async def test_an_empty_inventory_is_stale_however_fresh_its_status(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    table = sandbox.table("SOURCE_SERVER_INVENTORY_TABLE")
    for item in sandbox.items():
        if item["_queryAccount"] == sandbox.names.b:
            table.delete_item(
                Key={"sourceServerArn": item["sourceServerArn"], "stagingAccountId": item["stagingAccountId"]}
            )
    answer = await client.inventory()
    assert answer.body["totalCount"] == 11
    assert answer.stale == ((sandbox.names.b, "us-west-2"),)
    assert client.calls_beyond_tables["DescribeSourceServers"] == 1


async def test_a_denied_account_costs_only_itself_and_shows_what_was_known(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    a, b = sandbox.names.a, sandbox.names.b
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": a},
        UpdateExpression="SET externalId = :wrong",
        ExpressionAttributeValues={":wrong": "not-the-one"},
    )
    for account_id, region in ((a, "us-west-2"), (a, "eu-west-1"), (b, "us-west-2")):
        client.age(account_id, region, 1000)
    answer = await client.inventory()
    body = answer.body
    assert client.calls_beyond_tables["AssumeRole"] == 2  # refused once, not once a region
    assert sources(body) == {
        (a, "eu-west-1"): "inventory_stale",
        (a, "us-west-2"): "inventory_stale",
        (b, "us-west-2"): "drs_api",
    }
    assert (body["source"], body["complete"], body["totalCount"]) == ("mixed", False, 11)
    (error,) = body["errors"]
    assert (error["accountId"], error["code"], error["operation"]) == (a, "AccessDenied", "AssumeRole")
    assert error["regions"] == ["eu-west-1", "us-west-2"]
    assert {server["accountId"] for server in body["servers"] if server.get("stale")} == {a}
    assert [scope["ageSeconds"] for scope in body["scopes"]] == [1000, 1000, 0]
    assert len(answer.stale) == 3


async def test_a_slow_region_costs_only_itself(
    client: QueryClient, sandbox: EngineSandbox, loop_clock: LoopClock
) -> None:
    client.age(sandbox.names.a, "us-west-2", 1000)
    sandbox.latency(loop_clock, drs=90_000)
    body = (await client.inventory()).body
    assert sources(body)[sandbox.names.a, "us-west-2"] == "inventory_stale"
    assert (body["totalCount"], body["complete"], body["source"]) == (11, False, "inventory_database")
    (error,) = body["errors"]
    assert (error["code"], error["service"], error["regions"]) == ("DeadlineExceeded", "drs", ["us-west-2"])


async def test_a_listing_that_fails_midway_is_not_used(client: QueryClient, sandbox: EngineSandbox) -> None:
    a = sandbox.names.a
    client.age(a, "us-west-2", 1000)
    sandbox.set(DRS_PAGE_SIZE="2", SOURCE_SERVER_INVENTORY_TABLE="")
    sandbox.faults(fail=[{**DESCRIBE, "account_id": a, "page": 2}])
    body = (await client.inventory(accountId=a, region="us-west-2")).body
    assert (body["servers"], body["complete"]) == ([], False)
    (scope,) = body["scopes"]
    assert scope["source"] == "none"
    assert scope["error"].startswith("InternalServerException")
    assert {error["code"] for error in body["errors"]} == {"InternalServerException", "NotConfigured"}


@pytest.mark.parametrize("problem", ["unset", "missing", "denied", "failing"])
async def test_without_an_inventory_table_drs_answers(
    problem: str, client: QueryClient, sandbox: EngineSandbox
) -> None:
    if problem == "unset":
        sandbox.set(SOURCE_SERVER_INVENTORY_TABLE="")
    elif problem == "missing":
        sandbox.set(SOURCE_SERVER_INVENTORY_TABLE="no-such-table")
    elif problem == "denied":
        sandbox.faults(deny=[{"account_id": sandbox.names.hub, "service": "dynamodb", "operations": ["Query"]}])
    else:
        sandbox.faults(
            fail=[{"service": "dynamodb", "operation": "Query", "times": None, "error": "InternalServerError"}]
        )
    answer = await client.inventory()
    body = answer.body
    assert client.calls_beyond_tables == {"DescribeSourceServers": 3, "AssumeRole": 2, "GetCallerIdentity": 1}
    assert (body["source"], body["totalCount"], body["complete"]) == ("drs_api", 11, True)
    assert len(body["errors"]) == 1  # once, not once a region
    assert len(answer.stale) == 3
    assert (answer.hits, answer.misses) == (0, 1)


@pytest.mark.parametrize("problem", ["unset", "missing"])
async def test_without_region_status_the_items_show_how_fresh_they_are(
    problem: str, client: QueryClient, sandbox: EngineSandbox
) -> None:
    sandbox.everywhere()
    if problem == "unset":
        sandbox.set(DRS_REGION_STATUS_TABLE="")
    else:
        sandbox.set(DRS_REGION_STATUS_TABLE="no-such-table")
    body = (await client.inventory()).body
    assert (len(body["regions"]), body["totalCount"], body["source"]) == (len(EVERY_REGION), 11, "mixed")
    from_items = {(sandbox.names.a, "us-west-2"), (sandbox.names.a, "eu-west-1"), (sandbox.names.b, "us-west-2")}
    assert {scope for scope, source in sources(body).items() if source == "inventory_database"} == from_items
    assert client.calls_beyond_tables["DescribeSourceServers"] == 2 * len(EVERY_REGION) - 3
    # That every item is new does not prove that all of them were written.
    assert body["complete"] is False
    assert {(each["accountId"], each["region"]) for each in body["unknown"]} == from_items
    assert {each["code"] for each in body["unknown"]} == {"REGION_STATUS_UNAVAILABLE"}
    fresh = 2 * len(EVERY_REGION) - 3
    assert body["scopeStates"] == {"fresh": fresh, "old": 0, "empty": 0, "excluded": 0, "unknown": 3}


async def test_without_region_status_old_items_are_stale(client: QueryClient, sandbox: EngineSandbox) -> None:
    b = sandbox.names.b
    item = next(item for item in sandbox.items() if item["_queryAccount"] == b)
    key = {"sourceServerArn": item["sourceServerArn"], "stagingAccountId": item["stagingAccountId"]}
    sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").update_item(
        Key=key,
        UpdateExpression="SET lastUpdated = :then",
        ExpressionAttributeValues={":then": "2026-01-01T00:00:00Z"},
    )
    sandbox.set(DRS_REGION_STATUS_TABLE="")
    answer = await client.inventory(region="us-west-2")
    assert answer.stale == ((b, "us-west-2"),)


async def test_rows_of_the_earlier_writer_count_as_long_as_they_are_fresh(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    table = sandbox.table("DRS_REGION_STATUS_TABLE")
    for region in sandbox.status():
        table.delete_item(Key={"region": region})
    row = {"accountId": sandbox.names.b, "lastUpdated": iso(client.now()), "serverCount": 2, "status": "AVAILABLE"}
    table.put_item(Item={"region": "us-west-2", **row})
    body = (await client.inventory()).body
    assert (body["regions"], body["totalCount"], body["source"]) == (["us-west-2"], 8, "inventory_database")
    assert client.calls_beyond_tables == {}
    table.put_item(Item={"region": "us-west-2", **row, "status": "THROTTLED"})
    body = (await client.inventory()).body
    assert (body["totalCount"], body["source"]) == (8, "drs_api")


async def test_a_region_where_drs_is_not_in_use_has_no_servers(client: QueryClient) -> None:
    body = (await client.inventory(region="eu-central-1")).body
    assert client.calls_beyond_tables == {}  # known to have no servers, so nothing is read
    assert client.calls == {("dynamodb", "Scan"): 2}
    assert (body["servers"], body["complete"], body["source"]) == ([], True, "inventory_database")


async def test_a_region_that_was_never_scanned_is_read_from_drs(sandbox: EngineSandbox) -> None:
    client = QueryClient(sandbox)
    await sandbox.sync(regions=("us-west-2",))
    answer = await client.inventory(region="eu-central-1")
    assert (answer.body["servers"], answer.body["complete"], answer.body["source"]) == ([], True, "drs_api")
    assert client.calls_beyond_tables["DescribeSourceServers"] == 2
    assert (await client.inventory(region="eu-west-1")).body["totalCount"] == 3


async def test_nothing_synced_yet_means_every_region(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    client = QueryClient(sandbox)
    answer = await client.inventory()
    assert client.calls_beyond_tables == {
        "DescribeSourceServers": 2 * len(EVERY_REGION),
        "AssumeRole": 2,
        "GetCallerIdentity": 1,
    }
    assert (answer.body["totalCount"], answer.body["source"], answer.body["complete"]) == (11, "drs_api", True)
    assert set(answer.body["regions"]) == set(EVERY_REGION)


async def test_a_scope_without_servers_in_an_active_region_is_no_scope(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox(b={"us-west-2": {"servers": 0}})
    client = QueryClient(sandbox)
    await sandbox.sync()
    client.age(sandbox.names.b, "us-west-2", 5000)
    body = (await client.inventory()).body
    assert (sandbox.names.b, "us-west-2") not in sources(body)
    assert client.calls_beyond_tables == {}


async def test_flat_rows_of_long_ago_are_shown(client: QueryClient, sandbox: EngineSandbox) -> None:
    b = sandbox.names.b
    old = {
        "sourceServerArn": f"arn:aws:drs:us-west-2:{b}:source-server/s-00000000000000001",
        "stagingAccountId": b,
        "sourceServerID": "s-00000000000000001",
        "sourceAccountId": sandbox.names.apps,
        "sourceRegion": "us-east-1",
        "hostname": "Old-Timer",
        "fqdn": "old-timer.example",
        "replicationRegion": "us-west-2",
        "replicationState": "STALLED",
        "lagDuration": "PT5M",
        "cpuModel": "x",
        "cpuCores": 6,
        "ramBytes": 8589934592,
        "totalStorageBytes": 1073741824,
        "osName": "Linux",
        "primaryIp": "10.0.0.9",
        "macAddress": "0e:00",
        "disks": [{"deviceName": "/dev/xvda", "bytes": 1073741824}],
        "sourceTags": {"Name": "old"},
        "lastUpdated": "2025-01-01T00:00:00+00:00",
    }
    sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").put_item(Item=old)
    body = (await client.inventory(filters='{"hostname":"old-t"}')).body
    assert client.calls_beyond_tables == {}
    (server,) = body["servers"]
    assert (server["accountId"], server["sourceServerID"]) == (b, "s-00000000000000001")
    assert (server["nameTag"], server["tags"], server["sourceIp"]) == ("old", {"Name": "old"}, "10.0.0.9")
    assert (server["hardware"]["totalCores"], server["hardware"]["ramGiB"]) == (6, 8.0)
    assert (server["os"], server["lagDuration"], server["sourceRegion"]) == ("Linux", "PT5M", "us-east-1")


async def test_bookkeeping_and_strange_accounts_are_not_shown(client: QueryClient, sandbox: EngineSandbox) -> None:
    table = sandbox.table("SOURCE_SERVER_INVENTORY_TABLE")
    arn = "arn:aws:drs:us-west-2:000000000000:source-server/s-1"
    for staging in ("TOPOLOGY", "000000000000"):
        table.put_item(Item={"sourceServerArn": arn, "stagingAccountId": staging, "replicationRegion": "us-west-2"})
    assert (await client.inventory()).body["totalCount"] == 11


async def test_filters_are_combined_and_counted(client: QueryClient, sandbox: EngineSandbox) -> None:
    every = (await client.inventory()).body["servers"]
    wanted = [each for each in every if each["hardware"]["totalCores"] >= 4 and each["accountId"] == sandbox.names.a]
    filters = f'{{"minCpuCores":4,"stagingAccountId":"{sandbox.names.a}"}}'
    body = (await client.inventory(filters=filters)).body
    assert body["servers"] == wanted
    assert body["totalCount"] == len(wanted) == sum(scope["servers"] for scope in body["scopes"])
    assert 0 < len(wanted) < len(every)


async def test_the_account_of_the_instance_is_a_filter(client: QueryClient, sandbox: EngineSandbox) -> None:
    assert (await client.inventory(sourceAccountId=sandbox.names.apps)).body["totalCount"] == 10
    assert (await client.inventory(sourceAccountId=sandbox.names.a)).body["totalCount"] == 1  # the one on premises


@pytest.mark.parametrize("limit", [2, 5, 1000])
async def test_pages_show_every_server_once_and_read_only_what_is_left(limit: int, client: QueryClient) -> None:
    every = (await client.inventory()).body["servers"]
    shown: list[dict[str, Any]] = []
    given: dict[str, Any] = {"limit": str(limit)}
    while True:
        body = (await client.inventory(**given)).body
        assert body["count"] == len(body["servers"]) <= limit
        assert body["totalCount"] == 11
        shown += body["servers"]
        if "nextToken" not in body:
            break
        given["nextToken"] = body["nextToken"]
    assert shown == every
    if 3 < limit < 11:
        assert client.calls["dynamodb", "Query"] == 1  # the last page lies in the last region


async def test_a_page_reads_the_scopes_that_it_reaches_and_counts_the_others(client: QueryClient) -> None:
    whole = (await client.inventory()).body
    reads = client.calls["dynamodb", "Query"]
    body = (await client.inventory(limit=1)).body
    assert client.calls["dynamodb", "Query"] == 1 < reads
    assert body["servers"] == whole["servers"][:1]
    wanted = ("totalCount", "complete", "scopeStates", "source", "regions", "errors")
    assert {name: body[name] for name in wanted} == {name: whole[name] for name in wanted}
    counted = [{name: value for name, value in each.items() if name != "summary"} for each in whole["scopes"]]
    assert [{name: value for name, value in each.items() if name != "summary"} for each in body["scopes"]] == counted


async def pages(client: QueryClient, **given: Any) -> list[dict[str, Any]]:
    """Return the bodies of all pages of a query."""
    bodies: list[dict[str, Any]] = []
    while not bodies or "nextToken" in bodies[-1]:
        token = {"nextToken": bodies[-1]["nextToken"]} if bodies else {}
        bodies.append((await client.inventory(**given, **token)).body)
    return bodies


async def test_each_page_of_a_large_scope_reads_only_its_own_servers(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    given = {"accountId": sandbox.names.a, "region": "us-west-2"}
    whole = (await client.inventory(**given)).body
    received = sandbox.received_calls()
    bodies = await pages(client, **given, limit=2)
    queries = [call.params for call in received.of("dynamodb", "Query")]
    servers = [server for body in bodies for server in body["servers"]]
    assert servers == whole["servers"]
    assert [body["count"] for body in bodies] == [2, 2, 2]
    assert [query["Limit"] for query in queries] == [
        3,
        4,
        4,
    ]  # one more says whether there are more; `after` is read again
    firsts = [query["ExpressionAttributeValues"][":first"]["S"] for query in queries]
    assert firsts[1:] == [servers[1]["sourceServerArn"], servers[3]["sourceServerArn"]]
    for body in bodies:
        assert (body["complete"], body["totalCount"], body["scopes"]) == (True, 6, whole["scopes"])


async def test_a_scope_that_lacks_servers_is_read_from_drs_on_its_last_page(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    given = {"accountId": sandbox.names.a, "region": "us-west-2"}
    every = (await client.inventory(**given)).body["servers"]
    key = {name: every[3][name] for name in ("sourceServerArn", "stagingAccountId")}
    sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").delete_item(Key=key)
    bodies = await pages(client, **given, limit=2)
    assert [body["source"] for body in bodies] == ["inventory_database", "inventory_database", "drs_api"]
    assert [each["sourceServerArn"] for each in bodies[-1]["servers"]] == [every[5]["sourceServerArn"]]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_items_with_the_same_arn_are_each_on_one_page(
    limit: int, client: QueryClient, sandbox: EngineSandbox
) -> None:
    given = {"accountId": sandbox.names.a, "region": "us-west-2"}
    table, first = sandbox.table("SOURCE_SERVER_INVENTORY_TABLE"), (await client.inventory(**given)).body["servers"][0]
    key = {name: first[name] for name in ("sourceServerArn", "stagingAccountId")}
    item = table.get_item(Key=key)["Item"]
    for former in ("000000000001", "999999999999"):
        table.put_item(Item={**item, "stagingAccountId": former})
    every = (await client.inventory(**given)).body["servers"]
    assert len(every) == 8
    assert [server for body in await pages(client, **given, limit=limit) for server in body["servers"]] == every


async def test_servers_that_are_gone_do_not_end_the_pages(client: QueryClient, sandbox: EngineSandbox) -> None:
    """The page counts on those of its first scope, whose inventory is old; DRS then says that they are gone."""
    every = (await client.inventory()).body["servers"]
    first = (every[0]["accountId"], every[0]["region"])
    sandbox.remove(*first, sandbox.records(*first))
    client.age(*first, 10_000)
    left = [each for each in every if (each["accountId"], each["region"]) != first]
    body = (await client.inventory(limit=1)).body
    assert body["servers"] == left[:1]
    assert (body["totalCount"], "nextToken" in body) == (len(left), True)


async def test_a_query_with_filters_says_how_far_it_got_and_goes_on_from_there(
    client: QueryClient, sandbox: EngineSandbox, loop_clock: LoopClock
) -> None:
    given = {"filters": '{"minRamBytes":1}'}
    every = (await client.inventory(**given)).body["servers"]
    assert len(every) == 11
    received = sandbox.received_calls()
    keys = {each["sourceServerArn"] for each in every[:2]}
    items = sorted(sandbox.items(), key=lambda each: str(each["sourceServerArn"]))
    first = [encode(each) for each in items if each["sourceServerArn"] in keys]
    answer = {"Items": first, "Count": 2, "LastEvaluatedKey": {"sourceServerArn": first[-1]["sourceServerArn"]}}

    def is_query(call: ReceivedCall) -> bool:
        return call.operation == "Query" and "eu-west-1" in str(call.params["ExpressionAttributeValues"])

    received.answer(is_query, json_response(200, answer))  # the first page of eu-west-1
    with received.holding(lambda call: is_query(call) and "ExclusiveStartKey" in call.params) as hold:
        with loop_clock.advancing(40, after=hold.wait):  # of 60 seconds, three fifths are for the inventory
            body = (await client.inventory(**given)).body
        hold.release()
    assert body["servers"] == every[:1]  # the second may not be the last item with its ARN
    (error,) = [each for each in body["errors"] if "eu-west-1" in each["regions"]]
    assert error["message"].startswith("not read within 60 seconds; ")
    assert "nextToken" in error["advice"]
    assert body["complete"] is False
    assert {each["region"] for each in body["unknown"]} >= {"eu-west-1"}
    rest = (await client.inventory(**given, nextToken=body["nextToken"])).body
    assert body["servers"] + rest["servers"] == every
    assert (rest["complete"], rest["totalCount"], "nextToken" in rest) == (True, 11, False)


async def test_a_query_with_filters_asks_for_no_sync_of_what_it_has_not_reached() -> None:
    late = ScopeReadResult(Scope("1" * 12, "us-west-2"), DataSource.NONE, read_to=Key("us-west-2", "", ""))
    assert ReadResult((late,)).stale == ()


async def test_a_token_of_another_query_is_refused_before_anything_is_read(client: QueryClient) -> None:
    token = (await client.inventory(limit=2)).body["nextToken"]
    with pytest.raises(RefusalError, match="another query"):
        await client.inventory(limit=2, nextToken=token, region="us-west-2")
    assert client.sandbox.calls() == {}


async def test_an_unknown_account_is_refused(client: QueryClient, sandbox: EngineSandbox) -> None:
    with pytest.raises(RefusalError) as refused:
        await client.inventory(accountId=f"{sandbox.names.a},999999999999")
    assert (refused.value.code, refused.value.status) == ("TARGET_ACCOUNT_NOT_FOUND", 404)


async def test_without_the_accounts_there_is_no_answer(client: QueryClient, sandbox: EngineSandbox) -> None:
    sandbox.set(TARGET_ACCOUNTS_TABLE="no-such-table")
    with pytest.raises(AwsError, match="no-such-table"):
        await client.inventory()
    sandbox.set(TARGET_ACCOUNTS_TABLE="")
    with pytest.raises(ConfigurationError, match="TARGET_ACCOUNTS_TABLE"):
        await client.inventory()


async def test_tables_that_hang_do_not_delay_the_response(
    client: QueryClient, sandbox: EngineSandbox, loop_clock: LoopClock
) -> None:
    sandbox.latency(loop_clock, dynamodb=90_000)
    with pytest.raises(AwsError, match="DeadlineExceeded"):
        await client.inventory()


async def test_hostile_names_do_no_harm(client: QueryClient, sandbox: EngineSandbox) -> None:
    names = ["'; DROP TABLE--", '{"$ne":1}', "\u202egnp.exe", "a" * 250, "h\u00f6st\\n"]
    record = {"tags": {"<script>": "alert(1)", "Name": "\u0000"}}
    sandbox.add(
        sandbox.names.b,
        "us-west-2",
        servers=[{"hostname": name, "on_premises": True, "record": record} for name in names],
    )
    client.age(sandbox.names.b, "us-west-2", 1000)
    body = (await client.inventory(accountId=sandbox.names.b)).body
    assert {server["hostname"] for server in body["servers"]} >= set(names)
    assert body["complete"] is True


async def test_a_record_that_cannot_be_used_is_named_and_costs_no_other(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    sandbox.add(sandbox.names.b, "us-west-2", servers=[{"hostname": "bad", "record": {"arn": "no-arn"}}])
    client.age(sandbox.names.b, "us-west-2", 1000)
    body = (await client.inventory(accountId=sandbox.names.b)).body
    assert (body["count"], body["complete"]) == (2, False)
    (error,) = body["errors"]
    assert (error["code"], error["regions"]) == ("UnusableRecord", ["us-west-2"])


async def test_an_unusable_record_keeps_no_query_from_the_inventory(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    record = {"sourceServerID": "s-short"}
    sandbox.add(sandbox.names.b, "us-west-2", servers=[{"hostname": "bad", "record": record}])
    await sandbox.sync()
    body = (await client.inventory(accountId=sandbox.names.b)).body
    (scope,) = [each for each in body["scopes"] if each["region"] == "us-west-2"]
    assert (scope["source"], body["count"]) == ("inventory_database", 2)
    (error,) = body["errors"]
    assert (error["code"], error["regions"]) == ("UnusableRecord", ["us-west-2"])
    assert error["message"].startswith("s-short: ")
    assert body["complete"] is False  # a server is missing, as it is where DRS was read


async def test_each_query_logs_one_line(client: QueryClient, caplog: pytest.LogCaptureFixture) -> None:
    began = anyio.current_time()
    with caplog.at_level(logging.INFO, logger="service.queries"):
        await client.inventory()
    (line,) = [record for record in caplog.records if record.message == "query answered"]
    assert vars(line)["scopes"] == {"inventory_database": 3}
    assert vars(line)["source"] == "inventory_database"
    assert vars(line)["regions"] == 2
    assert 0 < vars(line)["durationSeconds"] <= anyio.current_time() - began


async def test_scopes_are_what_a_refresh_takes(client: QueryClient, sandbox: EngineSandbox) -> None:
    client.age(sandbox.names.b, "us-west-2", 1000)
    (scope,) = (await client.inventory()).stale
    assert isinstance(scope, Scope)
