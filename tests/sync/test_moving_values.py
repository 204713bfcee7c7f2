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
from service.inventory.table import ItemKey
from service.inventory.values_codec import server_key
from service.inventory.values_item import part_key
from service.inventory.values_reader import ValuesReader
from service.inventory.values_table import ValuesTable
from service.models import Scope, iso, utc_now
from service.sandbox.moto_drs import drs_backends
from service.settings import load_settings
from service.sync.inventory.values_collector import ValuesCollector
from tests.queries.client import QueryClient
from tests.support.estate import Estate

REGION: Final = "eu-west-1"
TABLE: Final = "SOURCE_SERVER_TOPOLOGY_TABLE"
FOUR_TB: Final = 4 * 1024**4
Record = dict[str, Any]


def records(estate: Estate) -> list[Record]:
    """Return the records that DRS has in a region of account A, to change them there."""
    return [server.record for server in drs_backends[estate.names.a][REGION].source_servers.values()]


def item(estate: Estate, part: int = 0) -> dict[str, Any] | None:
    """Return a stored part of the moving values of account A."""
    found: dict[str, Any] | None = (
        estate.table(TABLE).get_item(Key=part_key(Scope(estate.names.a, REGION), part)).get("Item")
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


async def sync(estate: Estate) -> Record:
    return await estate.sync(accounts=(estate.names.a,), regions=(REGION,))


async def shown(estate: Estate, **given: str) -> Record:
    """Return the servers of account A as the inventory query shows them, by id, and its answer."""
    answer = await QueryClient(estate).inventory(accountId=estate.names.a, region=REGION, **given)
    return {**answer.body, "servers": {each["sourceServerID"]: each for each in answer.body["servers"]}}


async def test_every_query_shows_the_values_of_the_last_scan_and_no_item_is_rewritten(estate: Estate) -> None:
    await sync(estate)
    items = estate.items()
    record = records(estate)[0]
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
        report = await sync(estate)
        answer = await shown(estate)
        server, (scope,) = answer["servers"][server_id], answer["scopes"]
        assert (server["lagDuration"], server["backlogBytes"]) == (lag, backlog)
        assert (server["etaDateTime"], server["lastSeen"]) == (eta or "", seen)
        assert server["valuesAsOf"] == scope["lastComplete"] == scope["summary"]["asOf"] > before
        assert (answer["source"], answer["complete"], answer["errors"]) == ("inventory_database", True, [])
        assert scope["summary"]["worstLag"]["lagDuration"] in {lag, "PT0S"}
        assert scope["summary"]["backlogBytes"] == backlog
        assert report["serversWritten"] == 0
        before = server["valuesAsOf"]
    assert estate.items() == items
    assert (item(estate) or {})["servers"] == len(items)


async def test_a_scope_where_nothing_changed_is_dated_by_its_last_scan(estate: Estate) -> None:
    await sync(estate)
    first = (item(estate) or {})["scannedAt"]
    estate.calls()
    assert (await sync(estate))["serversWritten"] == 0
    calls = estate.calls()
    assert (calls["dynamodb", "BatchWriteItem"], calls["dynamodb", "PutItem"]) == (0, 1)
    assert (item(estate) or {})["scannedAt"] > first


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
    change: Record, member: str, value: str | None, estate: Estate
) -> None:
    await sync(estate)
    record = records(estate)[0]
    for name, members in change.items():
        record[name] = {**record[name], **members} if isinstance(members, dict) else members
    assert (await sync(estate))["serversWritten"] == 1
    (written,) = [each for each in estate.items() if each["sourceServerID"] == record["sourceServerID"]]
    if value is None:
        assert written[member].items() >= change[member].items()
    else:
        assert written[member] == value
    assert (await sync(estate))["serversWritten"] == 0


async def test_a_value_that_cannot_be_understood_is_shown_as_the_item_has_it(estate: Estate) -> None:
    record = records(estate)[0]
    record["dataReplicationInfo"]["lagDuration"] = "a while"
    record["lifeCycle"]["lastSeenByServiceDateTime"] = "just now"
    await sync(estate)
    server = (await shown(estate))["servers"][record["sourceServerID"]]
    assert (server["lagDuration"], server["lastSeen"]) == ("a while", "just now")


async def test_steps_of_setting_up_replication_rewrite_nothing(estate: Estate) -> None:
    await sync(estate)
    for record in records(estate):
        steps = [{"name": "WAIT", "status": "FAILED"}]
        record["dataReplicationInfo"]["dataReplicationInitiation"] = {"startDateTime": "2026", "steps": steps}
    assert (await sync(estate))["serversWritten"] == 0


async def test_a_listing_that_breaks_off_leaves_the_values_of_the_last_complete_scan(estate: Estate) -> None:
    estate.set(DRS_PAGE_SIZE="2")
    await sync(estate)
    stored = item(estate)
    records(estate)[0]["dataReplicationInfo"]["lagDuration"] = "P6D"
    failing = {"service": "drs", "operation": "DescribeSourceServers", "page": 2, "times": None}
    estate.faults(fail=[{"error": "InternalServerException", "status": 500, **failing}])
    assert (await sync(estate))["status"] != "complete"
    assert item(estate) == stored


async def test_a_failed_write_of_the_values_is_a_warning_and_the_items_stay_true(estate: Estate) -> None:
    await sync(estate)
    estate.faults(fail=[denied("PutItem")])
    report = await sync(estate)
    assert (report["status"], report["errors"]) == ("complete", [])
    assert [(each["service"], each["operation"]) for each in report["warnings"]] == [("dynamodb", "PutItem")]


async def test_a_scope_that_becomes_empty_keeps_no_values_of_servers_that_left(estate: Estate) -> None:
    await sync(estate)
    estate.sandbox.remove(estate.names.a, REGION, [record["sourceServerID"] for record in records(estate)])
    for _ in range(3):  # a scan that shows nothing may have to be repeated before it is believed
        await sync(estate)
    assert estate.items() == []
    stored = item(estate) or {}
    assert (stored["servers"], stored["summary"]["servers"]) == (0, 0)


async def test_a_scope_that_never_had_servers_gets_no_item(estate: Estate) -> None:
    await estate.sync(accounts=(estate.names.b,), regions=("ca-central-1", "us-west-2"))
    found = estate.table(TABLE).scan()["Items"]
    assert [each["pk"] for each in found if each["sk"].startswith("values#")] == [f"scope#{estate.names.b}#us-west-2"]


async def test_without_the_table_the_values_are_those_of_the_last_write_with_its_age(estate: Estate) -> None:
    estate.set(SOURCE_SERVER_TOPOLOGY_TABLE="")
    await sync(estate)
    record = records(estate)[0]
    server_id = record["sourceServerID"]
    written = {each["sourceServerID"]: each["lastUpdated"] for each in estate.items()}
    record["dataReplicationInfo"]["lagDuration"] = "PT10S"
    assert (await sync(estate))["serversWritten"] == 0  # jitter
    answer = await shown(estate)
    assert answer["servers"][server_id]["lagDuration"] == "P0D"
    assert answer["servers"][server_id]["valuesAsOf"] == written[server_id] < answer["scopes"][0]["lastComplete"]
    assert "summary" not in answer["scopes"][0]
    record["dataReplicationInfo"]["lagDuration"] = "P1DT1H"
    assert (await sync(estate))["serversWritten"] == 1  # a step
    assert (await shown(estate))["servers"][server_id]["lagDuration"] == "P1DT1H"


@pytest.mark.parametrize("missing", [False, True])
async def test_a_table_that_cannot_be_read_costs_the_new_values_and_is_told(missing: bool, estate: Estate) -> None:  # noqa: FBT001
    await sync(estate)
    written = {each["sourceServerID"]: each["lastUpdated"] for each in estate.items()}
    records(estate)[0]["dataReplicationInfo"]["lagDuration"] = "P6D"
    await sync(estate)
    if missing:
        estate.set(SOURCE_SERVER_TOPOLOGY_TABLE="no-such-table")
    else:
        estate.faults(fail=[denied("BatchGetItem")])
    answer = await shown(estate)
    assert (answer["source"], answer["complete"], answer["count"]) == ("inventory_database", True, 3)
    assert {name: each["valuesAsOf"] for name, each in answer["servers"].items()} == written
    assert {each["lagDuration"] for each in answer["servers"].values()} == {"P0D"}
    (error,) = answer["errors"]
    assert (error["service"], error["operation"]) == ("dynamodb", "BatchGetItem")


async def test_damaged_values_are_unknown_and_told(estate: Estate) -> None:
    await sync(estate)
    estate.table(TABLE).update_item(
        Key=part_key(Scope(estate.names.a, REGION), 0),
        UpdateExpression="SET #values = :damaged",
        ExpressionAttributeNames={"#values": "values"},
        ExpressionAttributeValues={":damaged": b"damaged"},
    )
    answer = await shown(estate)
    assert answer["complete"]
    assert [(each["code"], each["accountId"], each["regions"]) for each in answer["errors"]] == [
        ("MalformedItem", estate.names.a, [REGION])
    ]
    assert {each["lagDuration"] for each in answer["servers"].values()} == {"P0D"}
    await sync(estate)
    assert (await shown(estate))["errors"] == []


async def test_an_item_that_a_later_run_wrote_shows_its_own_values(estate: Estate) -> None:
    await sync(estate)
    estate.faults(fail=[denied("PutItem")])
    record = records(estate)[0]
    record["dataReplicationInfo"] |= {"dataReplicationState": "STALLED", "lagDuration": "P6D"}
    await sync(estate)
    estate.faults()
    server = (await shown(estate))["servers"][record["sourceServerID"]]
    assert (server["state"], server["lagDuration"]) == ("STALLED", "P6D")


async def test_servers_read_from_drs_are_as_of_now(estate: Estate) -> None:
    await sync(estate)
    records(estate)[0]["dataReplicationInfo"]["lagDuration"] = "PT14M"
    client = QueryClient(estate)
    client.age(estate.names.a, REGION, 900)
    answer = await client.inventory(accountId=estate.names.a, region=REGION)
    assert answer.body["source"] == "drs_api"
    assert {each["valuesAsOf"] for each in answer.body["servers"]} == {iso(client.now())}
    assert answer.body["scopes"][0]["summary"] == {
        "asOf": iso(client.now()),
        "servers": 3,
        "byState": {"CONTINUOUS": 3},
        "worstLag": {
            "seconds": 840,
            "lagDuration": "PT14M",
            "sourceServerID": records(estate)[0]["sourceServerID"],
        },
        "backlogBytes": 0,
        "stalled": {"count": 0, "byReason": {}, "sourceServerIDs": []},
        "lastLaunch": None,
        "withoutDrill": 3,
    }


@asynccontextmanager
async def topology_table(estate: Estate) -> AsyncIterator[Table]:
    """Open the table, to write it as a sync does."""
    async with AwsClient(load_settings(), utc_now, allowed=READ_WRITE_OPERATIONS) as aws_client:
        yield Table(aws_client.hub(), estate.sandbox.environment()[TABLE], aws_client.hub_region)


HERE: Final = Scope("111122223333", "us-west-2")
EARLIER: Final = datetime(2026, 11, 23, 5, tzinfo=UTC)


def values(lag: str, servers: int) -> dict[bytes, MovingValues]:
    return {server_key(f"arn:{n}", HERE.account_id): MovingValues(lag=lag) for n in range(servers)}


@pytest.mark.parametrize("servers", [0, 3, 4000, 20_000])
async def test_an_older_scan_never_overwrites_a_newer_one(servers: int, estate: Estate) -> None:
    later = EARLIER + timedelta(microseconds=1)
    async with topology_table(estate) as table:
        assert await ValuesTable(table).write(HERE, values("PT2S", servers), {"n": 2}, scanned_at=later)
        assert not await ValuesTable(table).write(HERE, values("PT1S", servers + 1), {"n": 1}, scanned_at=EARLIER)
        found = (await ValuesReader(table).read([HERE]))[HERE]
        assert {key: held for key, (held, _) in found.by_key.items()} == values("PT2S", servers)
        assert {moment for _, moment in found.by_key.values()} <= {later}
        assert (found.summary, found.damaged) == ({"n": 2}, 0)
        newest = later + timedelta(minutes=15)
        assert await ValuesTable(table).write(HERE, values("PT3S", servers), {"n": 3}, scanned_at=newest)
        assert (await ValuesReader(table).read([HERE]))[HERE].summary == {"n": 3}


async def test_many_scopes_are_read_in_batches(estate: Estate) -> None:
    scopes = [Scope(f"{n:012}", "us-west-2") for n in range(130)]
    async with topology_table(estate) as table:
        for scope in scopes[:120]:
            await ValuesTable(table).write(scope, values(f"PT{scope[0]}S", 1), {}, scanned_at=EARLIER)
        estate.calls()
        found = await ValuesReader(table).read(scopes)
    assert estate.calls()["dynamodb", "BatchGetItem"] == 2
    assert set(found) == set(scopes[:120])


async def test_servers_whose_short_hash_is_the_same_never_show_the_values_of_each_other(estate: Estate) -> None:
    # Found by trying 64 million of them: these two have the hash 3871fd71e9b5.
    ids = [f"s-{number}" for number in ("0000000003bd57687", "0000000003c0073a3", "00000000000000001")]
    keys = [ItemKey(f"arn:aws:drs:us-west-2:{HERE.account_id}:source-server/{each}", HERE.account_id) for each in ids]
    async with topology_table(estate) as table:
        collector = ValuesCollector(HERE, table, keeps_apart=True, scanned_at=EARLIER)
        for number, key in enumerate(keys):
            collector.add(key, {"dataReplicationInfo": {"lagDuration": f"PT{number}S"}})
        assert await collector.write(had_servers=True) == []
        found = (await ValuesReader(table).read([HERE]))[HERE]
    assert {key: held.lag for key, (held, _) in found.by_key.items()} == {server_key(*keys[2]): "PT2S"}
    assert found.summary is not None
    assert found.summary["servers"] == 3
