"""The estate query: read from region status and summaries alone, and never ready where something is unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import anyio
import jsonschema

from service.app import open_app
from service.handlers.query import lambda_handler
from service.pages.first_screen import first_screen
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from service.settings import load_settings
from service.sync.coverage.choice import CoverageRequest
from tests.queries.client import QueryClient, synced
from tests.support.sandbox import EngineSandbox

SCHEMA: Final = Path(__file__).parents[2] / "docs" / "estate.schema.json"
READS = {("dynamodb", "Scan"): 2, ("dynamodb", "BatchGetItem"): 1, ("dynamodb", "Query"): 2}


def record_of(sandbox: EngineSandbox, region: str, position: int = 0) -> dict[str, Any]:
    return sandbox.records(sandbox.names.a, region)[position]


async def test_it_reads_two_tables_and_one_summary_per_scope_with_servers(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    body = (await client.estate()).body
    assert client.calls == READS
    assert (body["verdict"], body["complete"], body["errors"]) == ("ready", True, [])
    assert body["servers"] == {
        "total": 11,
        "isLowerBound": False,
        "ready": 11,
        "syncing": 0,
        "stalled": 0,
        "disconnected": 0,
        "extensionError": 0,
        "unknown": 0,
        "readyPercent": 100.0,
    }
    a, b = sandbox.names.a, sandbox.names.b
    assert {(each["accountId"], each["region"]): each["posture"] for each in body["scopes"]} == {
        (a, "eu-west-1"): {"ready": 3},
        (a, "us-west-2"): {"ready": 6},
        (b, "us-west-2"): {"ready": 2},
    }
    assert {each["accountName"] for each in body["scopes"]} == {"A", "B"}
    assert [(each["accountId"], each["replicating"]) for each in body["staging"]["fills"]] == [(a, 6), (a, 3), (b, 2)]
    assert {each["code"] for each in body["needsYou"]} == {"NO_RECENT_DRILL"}


async def test_a_region_denied_since_before_the_first_sync_is_unknown_and_nothing_is_100_percent(
    sandbox: EngineSandbox,
) -> None:
    a = sandbox.names.a
    sandbox.faults(deny=[{"account_id": a, "region": "us-west-2", "service": "drs", "scp": True}])
    client = await synced(sandbox)
    answer = await client.estate(accountId=a)
    body = answer.body
    assert (body["verdict"], body["complete"]) == ("unknown", False)
    assert (body["servers"]["total"], body["servers"]["isLowerBound"], body["servers"]["readyPercent"]) == (
        3,
        True,
        None,
    )
    assert [(each["region"], each["code"]) for each in body["unknown"]] == [("us-west-2", "SCP_DENIED")]
    assert [each["code"] for each in body["needsYou"] if each["severity"] != "info"] == ["UNKNOWN_SCP_DENIED"]
    scope = next(each for each in body["scopes"] if each["region"] == "us-west-2")
    assert (scope["state"], scope["worst"], scope["isCounted"]) == ("unknown", "unknown", False)
    shown = "\n".join(line.text for line in first_screen(body))
    assert "UNKNOWN: 3 of at least 3 servers are ready\n" in shown
    assert "100 %" not in shown


async def test_servers_of_a_scope_that_became_unknown_do_not_count_as_ready(
    client: QueryClient, sandbox: EngineSandbox
) -> None:
    client.age(sandbox.names.a, "us-west-2", 3 * 3600)
    body = (await client.estate()).body
    assert (body["verdict"], body["servers"]["ready"], body["servers"]["unknown"]) == ("unknown", 5, 6)
    assert body["servers"]["readyPercent"] == 45.4
    assert body["needsYou"][0]["code"] == "UNKNOWN_SCAN_TOO_OLD"


async def test_a_server_that_stalls_is_shown_with_reason_and_time_after_one_sync(sandbox: EngineSandbox) -> None:
    await sandbox.sync(full_scan=True)
    stalled = record_of(sandbox, "us-west-2")
    stalled["dataReplicationInfo"]["dataReplicationState"] = "STALLED"
    stalled["dataReplicationInfo"]["dataReplicationError"] = {"error": "AGENT_NOT_SEEN", "rawError": "x"}
    report = await sandbox.sync(regions=("us-west-2",))
    client = QueryClient(sandbox)
    body = (await client.estate()).body
    assert (body["verdict"], body["servers"]["stalled"]) == ("notReady", 1)
    first = body["needsYou"][0]
    assert (first["code"], first["count"], first["since"]) == ("STALLED_AGENT_NOT_SEEN", 1, report["startedAt"])
    assert [each["sourceServerID"] for each in first["examples"]] == [stalled["sourceServerID"]]
    later = await sandbox.sync(regions=("us-west-2",))
    assert (
        (await QueryClient(sandbox).estate()).body["needsYou"][0]["since"] == report["startedAt"] < later["startedAt"]
    )
    stalled["dataReplicationInfo"]["dataReplicationState"] = "CONTINUOUS"
    del stalled["dataReplicationInfo"]["dataReplicationError"]
    await sandbox.sync(regions=("us-west-2",))
    assert (await QueryClient(sandbox).estate()).body["verdict"] == "ready"


async def test_a_lag_over_the_objective_is_not_ready(sandbox: EngineSandbox) -> None:
    record = record_of(sandbox, "eu-west-1")
    record["dataReplicationInfo"]["lagDuration"] = "P6D"
    client = await synced(sandbox)
    body = (await client.estate()).body
    assert (body["verdict"], body["servers"]["syncing"], body["lag"]["overObjective"]) == ("notReady", 1, 1)
    assert body["lag"]["worst"]["seconds"] == 518_400
    assert body["needsYou"][0]["code"] == "LAG_OVER_OBJECTIVE"
    sandbox.set(LAG_OBJECTIVE_SECONDS=str(7 * 86_400))
    await sandbox.sync(full_scan=True)
    assert (await QueryClient(sandbox).estate()).body["verdict"] == "ready"


async def test_without_a_table_of_summaries_the_items_are_read_and_drs_is_not(sandbox: EngineSandbox) -> None:
    sandbox.set(SOURCE_SERVER_TOPOLOGY_TABLE="")
    client = await synced(sandbox)
    body = (await client.estate()).body
    assert client.calls == {("dynamodb", "Scan"): 2, ("dynamodb", "Query"): 2}
    assert (body["verdict"], body["complete"], body["servers"]["ready"]) == ("ready", True, 11)


async def test_without_summaries_and_items_the_servers_are_unknown(client: QueryClient, sandbox: EngineSandbox) -> None:
    sandbox.faults(
        fail=[{"service": "dynamodb", "operation": each, "times": None} for each in ("BatchGetItem", "Query")]
    )
    body = (await client.estate()).body
    assert (body["verdict"], body["complete"], body["servers"]["ready"]) == ("unknown", False, 0)
    assert body["servers"]["unknown"] == 11
    assert {each["code"] for each in body["needsYou"]} == {"NO_SUMMARY"}
    assert body["errors"]


async def test_an_estate_that_was_never_synced_is_unknown(sandbox: EngineSandbox) -> None:
    body = (await QueryClient(sandbox).estate()).body
    assert (body["verdict"], body["complete"], body["servers"]["total"]) == ("unknown", False, 0)
    assert [each["code"] for each in body["needsYou"]] == ["UNKNOWN_NEVER_SCANNED"]


def test_the_route_and_the_operation_give_the_same_document(sandbox: EngineSandbox) -> None:
    anyio.run(lambda: sandbox.sync(full_scan=True))
    given = {"region": "us-west-2"}
    answer = lambda_handler(
        {"requestContext": {}, "httpMethod": "GET", "path": "/drs/estate", "queryStringParameters": given}, None
    )
    direct = lambda_handler({"operation": "get_estate", "queryParams": given}, None)
    assert answer["statusCode"] == 200
    routed = json.loads(answer["body"])
    assert {name for name in direct if direct[name] != routed[name]} <= {"asOf", "scopes", "freshness"}  # ages
    assert direct["servers"]["total"] == 8
    assert {each["region"] for each in direct["scopes"]} == {"us-west-2"}


async def test_it_tells_which_instances_no_server_protects(sandbox: EngineSandbox) -> None:
    """Nothing before the first coverage sync; then what it counted, and what it could not read is unknown."""
    apps, name = sandbox.names.apps, "<b>\u202e[red]"
    client = await synced(sandbox)
    assert (await client.estate()).body["coverage"] is None
    account = {"account_id": apps, "instances": {"us-east-1": [{"name": name}, {"state": "terminated"}]}}
    sandbox.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))
    async with open_app(load_settings()) as app:
        await app.sync_coverage(CoverageRequest())
        body = (await client.estate()).body
        coverage = body["coverage"]
        assert (coverage["unprotected"], coverage["leftOut"]) == (1, {"terminated": 1})
        assert (coverage["isLowerBound"], coverage["serversKnown"]) == (False, True)
        assert [(each["name"], each["accountId"]) for each in coverage["first"]] == [(name, apps)]
        assert "INSTANCES_UNPROTECTED" in {each["code"] for each in body["needsYou"]}
        assert (body["verdict"], body["complete"]) == ("ready", True)  # it is no matter of servers
        sandbox.faults(deny=[{"account_id": apps, "service": "ec2"}])
        await app.sync_coverage(CoverageRequest())
    body = (await client.estate()).body
    coverage = body["coverage"]
    assert (coverage["unprotected"], coverage["scopesUnknown"], coverage["isLowerBound"]) == (0, 1, True)
    [unknown] = [each for each in body["needsYou"] if each["code"] == "COVERAGE_UNKNOWN"]
    assert unknown["severity"] == "warning"
    assert "1 scope whose EC2 instances are unknown: UnauthorizedOperation" in first_screen_text(body)
    jsonschema.validate(json.loads(json.dumps(body)), json.loads(SCHEMA.read_text()))
    assert (await client.estate(accountId=sandbox.names.a)).body["coverage"] is None


def first_screen_text(body: dict[str, Any]) -> str:
    return "\n".join(line.text for line in first_screen(body))
