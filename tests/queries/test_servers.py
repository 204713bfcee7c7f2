"""The servers of one region: from the inventory, from DRS, or a refusal with a phrase that old clients search."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import RefusalError
from service.models import Problem, RegionStatus, Scope
from service.queries.servers import failure_of, refusal_of
from tests.queries.client import QueryClient
from tests.support.sandbox import EngineSandbox

# What old clients search in a message, in this order: the first phrase or status that occurs counts.
ORDERED_PHRASES = (
    ("NOT_INITIALIZED", "not initialized"),
    ("IAM_PERMISSION_DENIED", "not authorized"),
    ("SCP_DENIED", "service control policy"),
    ("REGION_NOT_ENABLED", "not enabled"),
    ("REGION_NOT_OPTED_IN", "not opted"),
    ("THROTTLED", "rate limit"),
    ("ENDPOINT_UNREACHABLE", "unreachable"),
)
PHRASES = tuple(phrase for _, phrase in ORDERED_PHRASES)


def phrase(message: str) -> str | None:
    return next((each for each in PHRASES if each in message.lower()), None)


async def refused(client: QueryClient, **given: Any) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        await client.servers(**given)
    return caught.value


async def test_a_fresh_region_is_answered_from_the_inventory(client: QueryClient, sandbox: EngineSandbox) -> None:
    answer = await client.servers(region="us-west-2", accountId=sandbox.names.a)
    body = answer.body
    assert client.calls == {("dynamodb", "Query"): 1, ("dynamodb", "Scan"): 2, ("dynamodb", "BatchGetItem"): 1}
    assert (body["serverCount"], body["region"], body["source"]) == (6, "us-west-2", "inventory_database")
    assert {server["state"] for server in body["servers"]} == {"CONTINUOUS"}
    assert {server["accountId"] for server in body["servers"]} == {sandbox.names.a}
    assert "sourceServers" not in body
    assert (answer.hits, answer.misses) == (1, 0)


async def test_a_stale_region_is_answered_by_drs_with_its_own_records(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    client.age(sandbox.names.a, "us-west-2", 901)
    answer = await client.servers(region="us-west-2", accountId=sandbox.names.a, currentProtectionGroupId="x")
    body = answer.body
    assert client.calls_beyond_tables == {"DescribeSourceServers": 1, "AssumeRole": 1, "GetCallerIdentity": 1}
    assert (body["serverCount"], body["source"], body["complete"]) == (6, "drs_api", True)
    assert {server["state"] for server in body["servers"]} == {"READY_FOR_RECOVERY"}
    assert {server["replicationState"] for server in body["servers"]} == {"CONTINUOUS"}
    assert {record["arn"] for record in body["sourceServers"]} == {each["sourceServerArn"] for each in body["servers"]}
    assert {each["sourceRegion"] for each in body["servers"]} == {"us-east-1", ""}
    assert (answer.stale, answer.misses) == ((Scope(sandbox.names.a, "us-west-2"),), 1)


async def test_without_an_account_every_target_is_queried(client: QueryClient) -> None:
    assert (await client.servers(region="us-west-2")).body["serverCount"] == 8
    assert client.calls_beyond_tables == {}


async def test_a_region_where_drs_is_not_in_use_is_refused_without_a_call(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    error = await refused(client, region="eu-central-1", accountId=sandbox.names.a)
    assert (error.code, error.status) == ("DRS_NOT_INITIALIZED", 400)
    assert error.details == {"region": "eu-central-1", "initialized": False}
    assert phrase(error.message) == "not initialized"
    assert ("drs", "DescribeSourceServers") not in sandbox.calls()


async def test_an_old_region_status_is_checked_again(client: QueryClient, sandbox: EngineSandbox) -> None:
    sandbox.table("DRS_REGION_STATUS_TABLE").update_item(
        Key={"region": "eu-central-1"},
        UpdateExpression="SET accounts.#a.lastChecked = :t, accounts.#a.lastComplete = :t",
        ExpressionAttributeNames={"#a": sandbox.names.a},
        ExpressionAttributeValues={":t": "2026-01-01T00:00:00+00:00"},
    )
    sandbox.add(sandbox.names.a, "eu-central-1", servers=1)
    body = (await client.servers(region="eu-central-1", accountId=sandbox.names.a)).body
    assert (body["serverCount"], body["source"]) == (1, "drs_api")


@pytest.mark.parametrize(
    ("fault", "code", "status", "words"),
    [
        ({"deny": [{"scp": False}]}, "REGION_ACCESS_DENIED", 403, "not authorized"),
        ({"deny": [{"scp": True}]}, "REGION_ACCESS_DENIED", 403, "service control policy"),
        ({"fail": [{"error": "UnrecognizedClientException", "status": 403}]}, "REGION_NOT_ENABLED", 400, "not enabled"),
        ({"fail": [{"error": "UninitializedAccountException", "status": 400}]}, "DRS_NOT_INITIALIZED", 400, PHRASES[0]),
        ({"fail": [{"error": "OptInRequired", "status": 403}]}, "DRS_ERROR", 500, "not opted"),
        ({"fail": [{"error": "ValidationException", "status": 400}]}, "DRS_ERROR", 500, None),
    ],
)
async def test_what_drs_refuses_now_is_refused_likewise(
    fault: dict[str, Any], code: str, status: int, words: str | None, sandbox: EngineSandbox
) -> None:
    scope = {"account_id": sandbox.names.a, "region": "us-west-2", "service": "drs"}
    if "deny" in fault:
        sandbox.faults(deny=[{**scope, **each} for each in fault["deny"]])
    else:
        once = {"operation": "DescribeSourceServers", "times": None, "message": "not authorized, not enabled"}
        sandbox.faults(fail=[{**scope, **once, **each} for each in fault["fail"]])
    error = await refused(QueryClient(sandbox), region="us-west-2", accountId=sandbox.names.a)
    assert (error.code, error.status) == (code, status)
    assert phrase(error.message) == words
    assert error.details["region"] == "us-west-2"


async def test_a_role_that_is_refused_is_a_region_that_is_refused(client: QueryClient, sandbox: EngineSandbox) -> None:
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET externalId = :wrong",
        ExpressionAttributeValues={":wrong": "not-the-one"},
    )
    client.age(sandbox.names.a, "us-west-2", 1000)
    error = await refused(client, region="us-west-2", accountId=sandbox.names.a)
    assert (error.code, phrase(error.message)) == ("REGION_ACCESS_DENIED", "not authorized")


async def test_without_an_identity_of_the_hub_stale_servers_are_shown_and_no_scope_is_tried(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    client.age(sandbox.names.a, "us-west-2", 1000)
    expired = {"operation": "GetCallerIdentity", "error": "ExpiredToken", "status": 403, "times": None}
    sandbox.faults(fail=[{"service": "sts", **expired}])
    body = (await client.servers(region="us-west-2", accountId=sandbox.names.a)).body
    assert ({each["stale"] for each in body["servers"]}, body["complete"]) == ({True}, False)
    assert [(each["operation"], each["code"]) for each in body["errors"]] == [("GetCallerIdentity", "ExpiredToken")]
    assert set(client.calls_beyond_tables) == {"GetCallerIdentity"}


async def test_a_throttled_region_shows_what_was_known(client: QueryClient, sandbox: EngineSandbox) -> None:
    client.age(sandbox.names.a, "us-west-2", 1000)
    sandbox.set(QUERY_DEADLINE_SECONDS="10")
    throttled = {"service": "drs", "operation": "DescribeSourceServers", "error": "ThrottlingException", "status": 429}
    sandbox.faults(fail=[{"account_id": sandbox.names.a, "times": None, **throttled}])
    body = (await client.servers(region="us-west-2", accountId=sandbox.names.a)).body
    assert (body["serverCount"], body["complete"], len(body["errors"])) == (6, False, 1)
    assert all(server["stale"] for server in body["servers"])


async def test_one_account_that_is_refused_does_not_hide_the_others(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": "us-west-2"}])
    for account_id in (sandbox.names.a, sandbox.names.b):
        client.age(account_id, "us-west-2", 1000)
    body = (await client.servers(region="us-west-2")).body
    assert (body["serverCount"], body["complete"]) == (8, False)
    assert [error["code"] for error in body["errors"]] == ["AccessDeniedException"]


@pytest.mark.parametrize("still_refused", [True, False])
async def test_one_account_that_was_refused_at_the_last_scan_is_not_left_out_in_silence(
    client: QueryClient, sandbox: EngineSandbox, *, still_refused: bool
) -> None:
    scope = {"account_id": sandbox.names.b, "region": "us-west-2"}
    if still_refused:
        sandbox.faults(deny=[scope])
    sandbox.table("DRS_REGION_STATUS_TABLE").update_item(
        Key={"region": "us-west-2"},
        UpdateExpression="SET accounts.#b.#s = :denied",
        ExpressionAttributeNames={"#b": sandbox.names.b, "#s": "status"},
        ExpressionAttributeValues={":denied": "IAM_PERMISSION_DENIED"},
    )
    client.age(sandbox.names.b, "us-west-2", 1000)
    body = (await client.servers(region="us-west-2")).body
    assert (body["serverCount"], body["complete"]) == (8, not still_refused)
    assert [(error["accountId"], error["code"]) for error in body["errors"]] == [
        (sandbox.names.b, "AccessDeniedException")
    ] * still_refused
    assert (await refused(client, region="us-west-2", accountId=sandbox.names.b)).code == "REGION_ACCESS_DENIED"


async def test_an_account_whose_record_cannot_be_used_is_lacking_unless_others_were_requested(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(Item={"accountId": "12"})
    given = {"region": "us-west-2"}
    for run_query in (client.servers, client.inventory, client.extended):
        body = (await run_query(**given)).body
        assert (body["complete"], [error["code"] for error in body["errors"]]) == (False, ["InvalidAccountRecord"])
        body = (await run_query(**given, accountId=sandbox.names.a)).body
        assert (body["complete"], body["errors"]) == (True, [])


async def test_an_excluded_scope_is_never_read(client: QueryClient, sandbox: EngineSandbox) -> None:
    client.age(sandbox.names.a, "us-west-2", 1000)
    sandbox.set(DRS_EXCLUDED_SCOPES=f"{sandbox.names.a}/us-west-2")
    for run_query in (client.servers, client.inventory, client.extended):
        body = (await run_query(region="us-west-2")).body
        assert client.calls_beyond_tables == {}
        assert (body["complete"], body["scopeStates"]["excluded"]) == (True, 1)
        assert {each["accountId"] for each in body.get("servers", ())} <= {sandbox.names.b}
    body = (await client.servers(region="us-west-2", accountId=sandbox.names.a)).body
    assert (body["servers"], body["complete"], body["scopeStates"]["excluded"]) == ([], True, 1)


async def test_a_response_that_is_too_large_is_truncated_and_says_so(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    tags = {f"tag-{number:02d}": "\\" * 256 for number in range(40)}
    sandbox.add(
        sandbox.names.b,
        "us-west-2",
        servers=[{"hostname": f"big-{number}", "on_premises": True, "drs_tags": tags} for number in range(140)],
    )
    client.age(sandbox.names.b, "us-west-2", 1000)
    body = (await client.servers(region="us-west-2", accountId=sandbox.names.b)).body
    assert (body["serverCount"], body["truncated"], body["complete"]) == (142, True, False)
    assert 0 < len(body["servers"]) < 142
    counts, given = [], {"region": "us-west-2", "accountId": sandbox.names.b}
    while True:
        page = (await client.inventory(**given)).body
        counts.append(page["count"])
        if "nextToken" not in page:
            break
        given["nextToken"] = page["nextToken"]
    assert sum(counts) == page["totalCount"] == 142
    assert len(counts) > 1


@pytest.mark.parametrize(
    ("given", "code", "parameter"),
    [
        ({}, "MISSING_PARAMETER", "region"),
        ({"region": ""}, "MISSING_PARAMETER", "region"),
        ({"region": "mars-1"}, "INVALID_PARAMETER", "region"),
        ({"region": "us-west-2", "accountId": "12"}, "INVALID_PARAMETER", "accountId"),
        ({"region": "us-west-2", "accountId": 12}, "INVALID_PARAMETER", "accountId"),
        ({"region": "us-west-2", "accountId": "999999999999"}, "TARGET_ACCOUNT_NOT_FOUND", "accountId"),
    ],
)
async def test_wrong_parameters_are_refused(
    given: dict[str, Any], code: str, parameter: str, sandbox: EngineSandbox
) -> None:
    error = await refused(QueryClient(sandbox), **given)
    assert (error.code, error.details["parameter"]) == (code, parameter)


def test_only_four_region_statuses_refuse() -> None:
    scope = Scope("111122223333", "us-west-2")
    refusing = {status for status in RegionStatus if refusal_of(status, scope)}
    assert refusing == {"NOT_INITIALIZED", "IAM_PERMISSION_DENIED", "SCP_DENIED", "REGION_NOT_ENABLED"}


def message_for(status: RegionStatus) -> str:
    scope = Scope("111122223333", "us-west-2")
    aws_text = " ".join(part for pair in ORDERED_PHRASES for part in pair)
    return (refusal_of(status, scope) or failure_of(Problem("Code", aws_text, status), scope)).message


@pytest.mark.parametrize("position", range(len(ORDERED_PHRASES)))
def test_a_message_has_its_own_phrase_and_none_that_old_clients_find_before(position: int) -> None:
    status, own = ORDERED_PHRASES[position]
    message = message_for(RegionStatus(status))
    assert own in message  # spelled exactly so: clients compare case
    for earlier in (part for pair in ORDERED_PHRASES[:position] for part in pair):
        assert earlier.casefold() not in message.casefold()


def test_every_region_status_but_two_has_a_phrase() -> None:
    without = set(RegionStatus) - {RegionStatus(status) for status, _ in ORDERED_PHRASES}
    assert without == {RegionStatus.ACTIVE, RegionStatus.ERROR}
    assert phrase(message_for(RegionStatus.ERROR)) is None
