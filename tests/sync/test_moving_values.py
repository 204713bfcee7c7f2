"""Moving values between a sync and a query: shown as the last scan saw them, without a write of the item."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.aws.operations import READ_WRITE_OPERATIONS
from service.inventory.moving_values import MovingValues
from service.inventory.posture import Objectives
from service.inventory.table import ItemKey
from service.inventory.values_codec import server_key
from service.inventory.values_item import part_key
from service.inventory.values_reader import ValuesReader
from service.inventory.values_table import ValuesTable
from service.models import Scope, iso, utc_now
from service.sandbox.moto_drs import drs_backends
from service.settings import Settings, load_settings
from service.sync.inventory.values_collector import ValuesCollector
from tests.queries.client import QueryClient
from tests.support.sandbox import EngineSandbox

REGION: Final = "eu-west-1"
TABLE: Final = "SOURCE_SERVER_TOPOLOGY_TABLE"
FOUR_TB: Final = 4 * 1024**4
Record = dict[str, Any]


def records(sandbox: EngineSandbox) -> list[Record]:
    """Return the records that DRS has in a region of account A, to change them there."""
    return [server.record for server in drs_backends[sandbox.names.a][REGION].source_servers.values()]


def item(sandbox: EngineSandbox, part: int = 0) -> dict[str, Any] | None:
    """Return a stored part of the moving values of account A."""
    found: dict[str, Any] | None = (
        sandbox.table(TABLE).get_item(Key=part_key(Scope(sandbox.names.a, REGION), part)).get("Item")
    )
    return found


def denied(operation: str) -> Record:
    """Return the fault that refuses an operation of DynamoDB."""
    return {
        "service": "dynamodb",
        "operation": operation,
        "error": "AccessDeniedException",
        "status": 400,
        "times": None,
    }


async def sync(sandbox: EngineSandbox) -> Record:
    return await sandbox.sync(accounts=(sandbox.names.a,), regions=(REGION,))


async def shown(sandbox: EngineSandbox, **given: str) -> Record:
    """Return the servers of account A as the inventory query shows them, by id, and its answer."""
    answer = await QueryClient(sandbox).inventory(accountId=sandbox.names.a, region=REGION, **given)
    return {**answer.body, "servers": {each["sourceServerID"]: each for each in answer.body["servers"]}}


async def test_every_query_shows_the_values_of_the_last_scan_and_no_item_is_rewritten(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    items = sandbox.items()
    record = records(sandbox)[0]
    server_id, info = record["sourceServerID"], record["dataReplicationInfo"]
    before = ""
    for number, (lag, backlog, eta) in enumerate(
        [
            ("PT0S", 0, None),
            ("PT14M", 5 * 1024**3, "2026-11-23T12:00:00Z"),
            ("P1DT1H", 10**12, "2026-11-25T12:00:00.500Z"),
            ("P6D", FOUR_TB, "2026-12-24T12:00:00Z"),
        ]
    ):
        seen = f"2026-11-2{number}T11:34:53.114Z"
        info["lagDuration"], info["replicatedDisks"][0]["backloggedStorageBytes"] = lag, backlog
        info.pop("etaDateTime", None)
        info |= {} if eta is None else {"etaDateTime": eta}
        record["lifeCycle"]["lastSeenByServiceDateTime"] = seen
        report = await sync(sandbox)
        answer = await shown(sandbox)
        server, (scope,) = answer["servers"][server_id], answer["scopes"]
        assert (server["lagDuration"], server["backlogBytes"]) == (lag, backlog)
        assert (server["etaDateTime"], server["lastSeen"]) == (eta or "", seen)
        assert server["valuesAsOf"] == scope["lastComplete"] == scope["summary"]["asOf"] > before
        assert (answer["source"], answer["complete"], answer["errors"]) == ("inventory_database", True, [])
        assert scope["summary"]["worstLag"]["lagDuration"] in {lag, "PT0S"}
        assert scope["summary"]["backlogBytes"] == backlog
        assert report["serversWritten"] == 0
        before = server["valuesAsOf"]
    assert sandbox.items() == items
    assert (item(sandbox) or {})["servers"] == len(items)


async def test_a_scope_where_nothing_changed_is_dated_by_its_last_scan(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    first = (item(sandbox) or {})["scannedAt"]
    sandbox.calls()
    assert (await sync(sandbox))["serversWritten"] == 0
    calls = sandbox.calls()
    assert (calls["dynamodb", "BatchWriteItem"], calls["dynamodb", "PutItem"]) == (0, 2)  # one is the run's record
    assert (item(sandbox) or {})["scannedAt"] > first


@pytest.mark.parametrize(
    ("change", "member", "value"),
    [
        ({"dataReplicationInfo": {"dataReplicationState": "STALLED"}}, "replicationState", "STALLED"),
        ({"dataReplicationInfo": {"dataReplicationError": {"error": "AGENT_NOT_SEEN"}}}, "dataReplicationInfo", None),
        ({"lastLaunchResult": "FAILED"}, "lastLaunchResult", "FAILED"),
        ({"lifeCycle": {"lastLaunch": {"status": "LAUNCHED"}}}, "lifeCycle", None),
        ({"dataReplicationInfo": {"lagDuration": "a while"}}, "dataReplicationInfo", None),
        ({"dataReplicationInfo": {"etaDateTime": "soon"}}, "dataReplicationInfo", None),
        ({"lifeCycle": {"lastSeenByServiceDateTime": "just now"}}, "lifeCycle", None),
    ],
)
async def test_what_other_readers_need_to_see_rewrites_the_item(
    change: Record, member: str, value: str | None, sandbox: EngineSandbox
) -> None:
    await sync(sandbox)
    record = records(sandbox)[0]
    for name, members in change.items():
        record[name] = {**record[name], **members} if isinstance(members, dict) else members
    assert (await sync(sandbox))["serversWritten"] == 1
    (written,) = [each for each in sandbox.items() if each["sourceServerID"] == record["sourceServerID"]]
    if value is None:
        assert written[member].items() >= change[member].items()
    else:
        assert written[member] == value
    assert (await sync(sandbox))["serversWritten"] == 0


async def test_a_value_that_cannot_be_understood_is_shown_as_the_item_has_it(sandbox: EngineSandbox) -> None:
    record = records(sandbox)[0]
    record["dataReplicationInfo"]["lagDuration"] = "a while"
    record["lifeCycle"]["lastSeenByServiceDateTime"] = "just now"
    await sync(sandbox)
    server = (await shown(sandbox))["servers"][record["sourceServerID"]]
    assert (server["lagDuration"], server["lastSeen"]) == ("a while", "just now")


async def test_steps_of_setting_up_replication_rewrite_nothing(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    for record in records(sandbox):
        steps = [{"name": "WAIT", "status": "FAILED"}]
        record["dataReplicationInfo"]["dataReplicationInitiation"] = {"startDateTime": "2026", "steps": steps}
    assert (await sync(sandbox))["serversWritten"] == 0


async def test_a_listing_that_breaks_off_leaves_the_values_of_the_last_complete_scan(sandbox: EngineSandbox) -> None:
    sandbox.set(DRS_PAGE_SIZE="2")
    await sync(sandbox)
    stored = item(sandbox)
    records(sandbox)[0]["dataReplicationInfo"]["lagDuration"] = "P6D"
    failing = {"service": "drs", "operation": "DescribeSourceServers", "page": 2, "times": None}
    sandbox.faults(fail=[{"error": "InternalServerException", "status": 500, **failing}])
    assert (await sync(sandbox))["status"] != "complete"
    assert item(sandbox) == stored


async def test_a_failed_write_of_the_values_is_a_warning_and_the_items_stay_true(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    sandbox.faults(fail=[denied("PutItem")])
    report = await sync(sandbox)
    assert (report["status"], report["errors"]) == ("complete", [])
    assert [(each["service"], each["operation"]) for each in report["warnings"]] == [("dynamodb", "PutItem")]


async def test_a_scope_that_becomes_empty_keeps_no_values_of_servers_that_left(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    sandbox.server.remove(sandbox.names.a, REGION, [record["sourceServerID"] for record in records(sandbox)])
    for _ in range(3):  # a scan that shows nothing may have to be repeated before it is believed
        await sync(sandbox)
    assert sandbox.items() == []
    stored = item(sandbox) or {}
    assert (stored["servers"], stored["summary"]["servers"]) == (0, 0)


async def test_a_scope_that_never_had_servers_gets_no_item(sandbox: EngineSandbox) -> None:
    await sandbox.sync(accounts=(sandbox.names.b,), regions=("ca-central-1", "us-west-2"))
    found = sandbox.table(TABLE).scan()["Items"]
    assert [each["pk"] for each in found if each["sk"].startswith("values#")] == [f"scope#{sandbox.names.b}#us-west-2"]


async def test_without_the_table_the_values_are_those_of_the_last_write_with_its_age(sandbox: EngineSandbox) -> None:
    sandbox.set(SOURCE_SERVER_TOPOLOGY_TABLE="")
    await sync(sandbox)
    record = records(sandbox)[0]
    server_id = record["sourceServerID"]
    written = {each["sourceServerID"]: each["lastUpdated"] for each in sandbox.items()}
    record["dataReplicationInfo"]["lagDuration"] = "PT10S"
    assert (await sync(sandbox))["serversWritten"] == 0  # jitter
    answer = await shown(sandbox)
    assert answer["servers"][server_id]["lagDuration"] == "P0D"
    assert answer["servers"][server_id]["valuesAsOf"] == written[server_id] < answer["scopes"][0]["lastComplete"]
    assert "summary" not in answer["scopes"][0]
    record["dataReplicationInfo"]["lagDuration"] = "P1DT1H"
    assert (await sync(sandbox))["serversWritten"] == 1  # a step
    assert (await shown(sandbox))["servers"][server_id]["lagDuration"] == "P1DT1H"


@pytest.mark.parametrize("missing", [False, True])
async def test_a_table_that_cannot_be_read_costs_the_new_values_and_is_told(
    sandbox: EngineSandbox, *, missing: bool
) -> None:
    await sync(sandbox)
    written = {each["sourceServerID"]: each["lastUpdated"] for each in sandbox.items()}
    records(sandbox)[0]["dataReplicationInfo"]["lagDuration"] = "P6D"
    await sync(sandbox)
    if missing:
        sandbox.set(SOURCE_SERVER_TOPOLOGY_TABLE="no-such-table")
    else:
        sandbox.faults(fail=[denied("BatchGetItem")])
    answer = await shown(sandbox)
    assert (answer["source"], answer["complete"], answer["count"]) == ("inventory_database", True, 3)
    assert {name: each["valuesAsOf"] for name, each in answer["servers"].items()} == written
    assert {each["lagDuration"] for each in answer["servers"].values()} == {"P0D"}
    (error,) = answer["errors"]
    assert (error["service"], error["operation"]) == ("dynamodb", "BatchGetItem")


async def test_damaged_values_are_unknown_and_told(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    sandbox.table(TABLE).update_item(
        Key=part_key(Scope(sandbox.names.a, REGION), 0),
        UpdateExpression="SET #values = :damaged",
        ExpressionAttributeNames={"#values": "values"},
        ExpressionAttributeValues={":damaged": b"damaged"},
    )
    answer = await shown(sandbox)
    assert answer["complete"]
    assert [(each["code"], each["accountId"], each["regions"]) for each in answer["errors"]] == [
        ("MalformedItem", sandbox.names.a, [REGION])
    ]
    assert {each["lagDuration"] for each in answer["servers"].values()} == {"P0D"}
    await sync(sandbox)
    assert (await shown(sandbox))["errors"] == []


async def test_an_item_that_a_later_run_wrote_shows_its_own_values(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    sandbox.faults(fail=[denied("PutItem")])
    record = records(sandbox)[0]
    record["dataReplicationInfo"] |= {"dataReplicationState": "STALLED", "lagDuration": "P6D"}
    await sync(sandbox)
    sandbox.faults()
    server = (await shown(sandbox))["servers"][record["sourceServerID"]]
    assert (server["state"], server["lagDuration"]) == ("STALLED", "P6D")


async def test_servers_read_from_drs_are_as_of_now(sandbox: EngineSandbox) -> None:
    await sync(sandbox)
    records(sandbox)[0]["dataReplicationInfo"]["lagDuration"] = "PT14M"
    client = QueryClient(sandbox)
    client.age(sandbox.names.a, REGION, 900)
    answer = await client.inventory(accountId=sandbox.names.a, region=REGION)
    assert answer.body["source"] == "drs_api"
    assert {each["valuesAsOf"] for each in answer.body["servers"]} == {iso(client.now())}
    assert answer.body["scopes"][0]["summary"] == {
        "asOf": iso(client.now()),
        "servers": 3,
        "byState": {"CONTINUOUS": 3},
        "worstLag": {
            "seconds": 840,
            "lagDuration": "PT14M",
            "sourceServerID": records(sandbox)[0]["sourceServerID"],
        },
        "backlogBytes": 0,
        "stalled": {"count": 0, "byReason": {}, "sourceServerIDs": []},
        "lastLaunch": None,
        "withoutDrill": 3,
        "posture": {"ready": 3},
        "replicating": {sandbox.names.a: 3},
        "withoutRecentDrill": 3,
    }


@asynccontextmanager
async def topology_table(sandbox: EngineSandbox) -> AsyncIterator[Table]:
    """Open the table, to write it as a sync does."""
    async with AwsClient(load_settings(), utc_now, allowed=READ_WRITE_OPERATIONS) as aws_client:
        yield Table(aws_client.hub(), sandbox.server.environment()[TABLE], aws_client.hub_region)


HERE: Final = Scope("111122223333", "us-west-2")
EARLIER: Final = datetime(2026, 11, 23, 5, tzinfo=UTC)


def values(lag: str, servers: int) -> dict[bytes, MovingValues]:
    return {server_key(f"arn:{n}", HERE.account_id): MovingValues(lag=lag) for n in range(servers)}


@pytest.mark.parametrize("servers", [0, 3, 4000, 20_000])
async def test_an_older_scan_never_overwrites_a_newer_one(servers: int, sandbox: EngineSandbox) -> None:
    later = EARLIER + timedelta(microseconds=1)
    async with topology_table(sandbox) as table:
        assert await ValuesTable(table).write(HERE, values("PT2S", servers), {"n": 2}, scanned_at=later)
        assert not await ValuesTable(table).write(HERE, values("PT1S", servers + 1), {"n": 1}, scanned_at=EARLIER)
        found = (await ValuesReader(table).read([HERE]))[HERE]
        assert {key: held for key, (held, _) in found.by_key.items()} == values("PT2S", servers)
        assert {moment for _, moment in found.by_key.values()} <= {later}
        assert (found.summary, found.damaged) == ({"n": 2}, 0)
        newest = later + timedelta(minutes=15)
        assert await ValuesTable(table).write(HERE, values("PT3S", servers), {"n": 3}, scanned_at=newest)
        assert (await ValuesReader(table).read([HERE]))[HERE].summary == {"n": 3}


async def test_many_scopes_are_read_in_batches(sandbox: EngineSandbox) -> None:
    scopes = [Scope(f"{n:012}", "us-west-2") for n in range(130)]
    async with topology_table(sandbox) as table:
        for scope in scopes[:120]:
            await ValuesTable(table).write(scope, values(f"PT{scope[0]}S", 1), {}, scanned_at=EARLIER)
        sandbox.calls()
        found = await ValuesReader(table).read(scopes)
    assert sandbox.calls()["dynamodb", "BatchGetItem"] == 2
    assert set(found) == set(scopes[:120])


async def test_servers_whose_short_hash_is_the_same_never_show_the_values_of_each_other(sandbox: EngineSandbox) -> None:
    # Found by trying 64 million of them: these two have the hash 3871fd71e9b5.
    ids = [f"s-{number}" for number in ("0000000003bd57687", "0000000003c0073a3", "00000000000000001")]
    keys = [ItemKey(f"arn:aws:drs:us-west-2:{HERE.account_id}:source-server/{each}", HERE.account_id) for each in ids]
    async with topology_table(sandbox) as table:
        objectives = Objectives.of(Settings())
        collector = ValuesCollector(HERE, table, keeps_apart=True, objectives=objectives, scanned_at=EARLIER)
        for number, key in enumerate(keys):
            record = {"dataReplicationInfo": {"lagDuration": f"PT{number}S"}}
            collector.add(key, record, tags={}, since="", topology_known=True)
        assert await collector.write(had_servers=True) == []
        found = (await ValuesReader(table).read([HERE]))[HERE]
    assert {key: held.lag for key, (held, _) in found.by_key.items()} == {server_key(*keys[2]): "PT2S"}
    assert found.summary is not None
    assert found.summary["servers"] == 3
