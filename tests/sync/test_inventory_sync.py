"""The inventory sync, end to end: the engine with the real SDK against a simulated AWS."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from service.errors import ConfigurationError
from service.sandbox.moto_drs import drs_backends
from tests.support.sandbox import EVERY_REGION, FEW_REGIONS, EngineSandbox, new_account_id

SCOPE = "us-west-2"

# Contract: attributes of every inventory item besides those of the DRS record.
ATTRIBUTES = {
    "sourceServerArn",
    "stagingAccountId",
    "sourceAccountId",
    "replicationRegion",
    "lastUpdated",
    "tags",
    "_inventoryMetadata",
    "_queryRegion",
    "_queryAccount",
    "arn",
    "sourceServerID",
    "region",
    "replicationState",
    "hostname",
    "fqdn",
    "instanceId",
    "cpuCores",
    "ramBytes",
    "stagingArea",
    "dataReplicationInfo",
    "sourceProperties",
    "lifeCycle",
    "replicationDirection",
}


def adds_up(report: Mapping[str, Any]) -> bool:
    """Whether scopes asked = complete + partial + skipped + failed."""
    scopes = report["scopes"]
    return bool(scopes["asked"] == sum(scopes[each] for each in ("complete", "partial", "skipped", "failed")))


async def test_a_first_sync_looks_up_nothing_in_an_empty_inventory(sandbox: EngineSandbox) -> None:
    assert (await sandbox.sync())["serversWritten"] > 0
    first = sandbox.calls()["dynamodb", "Query"]
    assert first <= 1
    await sandbox.sync(full_scan=True)
    assert (
        sandbox.calls()["dynamodb", "Query"] - first > 1
    )  # from then on there are items, and each scope looks them up


async def test_the_first_sync_scans_every_region_and_fills_both_tables(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    report = await sandbox.sync()
    assert (report["status"], report["regionSource"], report["regionsScanned"]) == (
        "complete",
        "fallback_table_empty",
        len(EVERY_REGION),
    )
    assert report["serversByRegion"] == {"eu-west-1": 3, "us-west-2": 8}
    assert (report["serversSynced"], report["serversWritten"], report["topologiesCaptured"]) == (11, 11, 11)
    assert report["scopes"]["asked"] == 2 * len(EVERY_REGION)
    assert adds_up(report)
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    rows = sandbox.status()
    assert set(rows) == set(EVERY_REGION)
    assert all(row["lastChecked"] and "errorMessage" not in row for row in rows.values())
    assert rows["us-west-2"]["accounts"][sandbox.names.a]["serverCount"] == 6
    assert rows["ca-central-1"]["accounts"][sandbox.names.b]["status"] == "ACTIVE"
    assert rows["eu-central-1"]["status"] == "NOT_INITIALIZED"


async def test_an_empty_inventory_is_not_searched_scope_by_scope(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync()
    searches = [
        call for call in received.of("dynamodb", "Query") if call.params.get("IndexName") == "ReplicationRegionIndex"
    ]
    assert (searches, len(sandbox.items())) == ([], 11)
    received.clear()
    await sandbox.sync(full_scan=True)
    searches = [
        call for call in received.of("dynamodb", "Query") if call.params.get("IndexName") == "ReplicationRegionIndex"
    ]
    assert len(searches) == 2 * len(FEW_REGIONS)


async def test_a_first_sync_writes_many_items_in_one_call(sandbox: EngineSandbox) -> None:
    """One call for the topologies of a scope, one for their names, one for the items, however many there are."""
    received = sandbox.received_calls()
    await sandbox.sync()
    writes = {name: len(received.of("dynamodb", name)) for name in ("PutItem", "TransactWriteItems", "UpdateItem")}
    scopes = 3
    assert writes["TransactWriteItems"] <= 3 * scopes + 4  # the rows of region status
    assert writes["PutItem"] <= 4 * scopes  # of scopes with one server, and the values of each scope
    assert writes["UpdateItem"] <= 2 * scopes + 2  # announcements, the mark of the run
    assert all(topology["originalReplicationConfiguration"] for topology in sandbox.topologies().values())
    assert all(item["topologyComplete"] for item in sandbox.items() if item["instanceId"])


async def test_items_carry_the_record_the_instance_and_the_origin(sandbox: EngineSandbox) -> None:
    report = await sandbox.sync()
    items = sandbox.items()
    assert len(items) == 11
    topologies = sandbox.topologies()
    for item in items:
        assert set(item) >= ATTRIBUTES
        assert item["lastUpdated"] == report["startedAt"]
    ec2_born = [item for item in items if item["instanceId"]]
    assert len(ec2_born) == 10
    for item in ec2_born:
        assert item["sourceAccountId"] == sandbox.names.apps
        assert item["sourceTags"]["Name"] == item["hostname"] == item["tags"]["Name"]
        assert item["ec2NetworkConfig"]["vpcId"].startswith("vpc-")
        assert item["originalSourceRegion"] == "us-east-1"
        assert item["originalAccountId"] == item["_queryAccount"]
        assert item["originalReplicationConfigurationTemplateId"].startswith("rct-")
        configuration = topologies[item["lineageArn"]]["originalReplicationConfiguration"]
        assert configuration["stagingAreaSubnetId"].startswith("subnet-")
        assert (
            "originalReplicationConfiguration" not in item
        )  # four copies would cost more than the rest of the originals
    (on_premises,) = [item for item in items if not item["instanceId"]]
    assert "originalSourceRegion" not in on_premises
    assert on_premises["originEnvironment"] == "ON_PREMISES"


async def test_each_role_is_assumed_once_however_many_regions(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    await sandbox.sync(full_scan=True)
    calls = sandbox.calls()
    assert calls["sts", "AssumeRole"] == 3  # two targets and the account of the instances
    assert calls["sts", "GetCallerIdentity"] == 1
    assert calls["drs", "DescribeSourceServers"] == 2 * len(EVERY_REGION)


async def test_the_report_counts_what_aws_counts(sandbox: EngineSandbox) -> None:
    report = await sandbox.sync()
    counted = {(service, name): count for service, names in report["apiCalls"].items() for name, count in names.items()}
    counted["dynamodb", "PutItem"] += 1  # the record of the run, which is written after its report
    assert counted == dict(sandbox.calls())


async def test_the_second_sync_is_filtered_and_writes_no_server(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    await sandbox.sync()
    before = {item["sourceServerArn"]: item for item in sandbox.items()}
    sandbox.calls()
    report = await sandbox.sync()
    calls = sandbox.calls()
    assert report["regionSource"] == "status_table"
    assert report["serversSynced"] == 11
    assert (report["serversWritten"], report["serversUnchanged"]) == (0, 11)
    assert report["apiCallReductionPercent"] >= 80
    assert calls["drs", "DescribeSourceServers"] == report["drsCalls"] == report["scopes"]["complete"]
    assert report["apiCallsFullScan"] == 2 * len(EVERY_REGION)
    assert calls["dynamodb", "BatchWriteItem"] == calls["drs", "GetReplicationConfiguration"] == 0
    assert {item["sourceServerArn"]: item for item in sandbox.items()} == before
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    assert adds_up(report)


async def test_a_changed_server_is_written_and_keeps_its_topology(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    server = sandbox.items()[0]
    scope = server["_queryAccount"], server["_queryRegion"]
    drs_backends[scope[0]][scope[1]].source_servers[server["sourceServerID"]].record["tags"]["team"] = "payments"
    report = await sandbox.sync()
    assert (report["serversWritten"], report["serversUnchanged"], report["topologiesCaptured"]) == (1, 10, 0)
    (changed,) = [item for item in sandbox.items() if item["sourceServerArn"] == server["sourceServerArn"]]
    assert changed["tags"] == {**server["tags"], "team": "payments"}
    originals = {name for name in server if name.startswith("original")} | {"lineageArn", "topologyComplete"}
    assert {name: changed.get(name) for name in originals} == {name: server[name] for name in originals}
    sandbox.server.remove(*scope, [server["sourceServerID"]])
    await sandbox.sync()
    assert server["sourceServerArn"] not in {item["sourceServerArn"] for item in sandbox.items()}
    topology = sandbox.topologies()[server["sourceServerArn"]]
    assert topology["originalAccountId"] == server["originalAccountId"]
    assert topology["originalReplicationConfiguration"]["stagingAreaSubnetId"].startswith("subnet-")


async def test_an_item_that_nothing_changed_is_written_anew_only_where_no_row_says_how_fresh_it_is(
    sandbox: EngineSandbox,
) -> None:
    regions = ("us-west-2",)
    sandbox.set(INVENTORY_REFRESH_SECONDS="0.001")
    await sandbox.sync(regions=regions)
    before = {item["sourceServerArn"]: item["lastUpdated"] for item in sandbox.items()}
    assert (await sandbox.sync(regions=regions))["serversWritten"] == 0
    sandbox.set(DRS_REGION_STATUS_TABLE="", INVENTORY_REFRESH_SECONDS="3600")
    assert (await sandbox.sync(regions=regions))["serversWritten"] == 0
    sandbox.set(INVENTORY_REFRESH_SECONDS="0.001")
    assert (await sandbox.sync(regions=regions))["serversWritten"] == len(before) == 8
    assert all(item["lastUpdated"] > before[item["sourceServerArn"]] for item in sandbox.items())


async def test_a_full_scan_finds_it_at_once(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    sandbox.add(sandbox.names.b, "ap-southeast-2", servers=4)
    report = await sandbox.sync(full_scan=True)
    assert report["regions"]["newlyActive"] == ["ap-southeast-2"]
    assert report["apiCallReductionPercent"] == 0


async def test_a_throttled_region_keeps_count_and_activity(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    scope = {"account_id": sandbox.names.a, "region": "us-west-2", "requests_per_second": 0.001, "burst": 1}
    sandbox.faults(throttle={"scopes": [scope]})
    await sandbox.sync(accounts=(sandbox.names.a,), regions=("us-west-2",))  # uses up the only call
    report = await sandbox.sync()  # Retry-After is longer than its deadline, so it does not wait
    assert report["status"] == "partial"
    assert report["regions"]["failed"] == ["us-west-2"]
    (error,) = report["errors"]
    assert (error["code"], error["accountId"], error["regions"]) == (
        "ThrottlingException",
        sandbox.names.a,
        ["us-west-2"],
    )
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    row = sandbox.status()["us-west-2"]
    entry = row["accounts"][sandbox.names.a]
    assert (entry["status"], entry["serverCount"]) == ("THROTTLED", 6)
    assert "ThrottlingException" in entry["errorMessage"]
    assert row["status"] == "ACTIVE"
    assert sandbox.names.a in row["errorMessage"]
    assert len(sandbox.items()) == 11
    sandbox.faults()
    report = await sandbox.sync()
    assert report["status"] == "complete"
    assert "errorMessage" not in sandbox.status()["us-west-2"]


async def test_a_listing_that_breaks_on_page_two_removes_nothing_and_counts_nothing(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    deleted = [
        item
        for item in sandbox.items()
        if item["_queryRegion"] == "us-west-2" and item["_queryAccount"] == sandbox.names.a
    ]
    sandbox.server.remove(sandbox.names.a, "us-west-2", [deleted[0]["sourceServerID"]])
    sandbox.set(DRS_PAGE_SIZE="2")
    sandbox.faults(
        fail=[
            {
                "account_id": sandbox.names.a,
                "region": "us-west-2",
                "service": "drs",
                "operation": "DescribeSourceServers",
                "page": 2,
                "times": None,
                "error": "InternalServerException",
                "status": 500,
            }
        ]
    )
    report = await sandbox.sync()
    assert report["status"] == "partial"
    assert report["scopes"]["partial"] == 1
    assert adds_up(report)
    assert len(sandbox.items()) == 11
    assert sandbox.status()["us-west-2"]["accounts"][sandbox.names.a]["serverCount"] == 6
    sandbox.faults()
    assert (await sandbox.sync())["serversRemoved"] == 1
    assert len(sandbox.items()) == 10
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 7}


@pytest.mark.parametrize(
    "where",
    [
        {"service": "drs", "operation": "DescribeSourceServers", "page": 2, "times": None},  # page one had servers
        {"service": "dynamodb", "operation": "Query", "times": 1},  # not an error of DRS
    ],
)
async def test_a_region_with_servers_does_not_count_as_unused(where: dict[str, Any], sandbox: EngineSandbox) -> None:
    here = {"accounts": (sandbox.names.a,), "regions": (SCOPE,)}
    sandbox.set(DRS_PAGE_SIZE="2")
    await sandbox.sync(**here)
    sandbox.faults(fail=[{"error": "UninitializedAccountException", "status": 400, **where}])
    report = await sandbox.sync(**here)
    (error,) = report["errors"]
    assert (error["service"], error["code"]) == (where["service"], "UninitializedAccountException")
    assert report["status"] != "complete"
    assert (report["serversRemoved"], len(sandbox.items())) == (0, 6)
    assert sandbox.status()[SCOPE]["accounts"][sandbox.names.a]["serverCount"] == 6


async def test_a_denied_account_affects_only_itself(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    before = {item["sourceServerArn"]: item for item in sandbox.items()}
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET externalId = :wrong",
        ExpressionAttributeValues={":wrong": "not-the-one"},
    )
    sandbox.calls()
    report = await sandbox.sync()
    assert report["status"] == "partial"
    (error,) = report["errors"]
    assert (error["accountId"], error["operation"], error["code"]) == (sandbox.names.a, "AssumeRole", "AccessDenied")
    assert sandbox.calls()["sts", "AssumeRole"] == 3  # denied once, not once per region
    assert {item["sourceServerArn"]: item for item in sandbox.items()} == before
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    entries = {region: row["accounts"][sandbox.names.a]["status"] for region, row in sandbox.status().items()}
    denied = {region for region, word in entries.items() if word == "IAM_PERMISSION_DENIED"}
    assert denied >= {"eu-west-1", "us-west-2"}  # and regions that discovery selected
    assert len(denied) == report["scopes"]["failed"]
    assert adds_up(report)


async def test_a_service_control_policy_is_distinguished_from_a_missing_permission(sandbox: EngineSandbox) -> None:
    denied = {"account_id": sandbox.names.a, "region": "eu-west-1", "service": "drs"}
    for scp, status, coverage in ((True, "SCP_DENIED", "skipped"), (False, "IAM_PERMISSION_DENIED", "failed")):
        sandbox.faults(deny=[{**denied, "scp": scp}])
        report = await sandbox.sync(full_scan=True)
        assert report["scopes"][coverage] == 1
        assert [problem["status"] for problem in report["warnings" if scp else "errors"]] == [status]
        assert sandbox.status()["eu-west-1"]["accounts"][sandbox.names.a]["status"] == status
        assert "serverCount" not in sandbox.status()["eu-west-1"]["accounts"][sandbox.names.a]  # unknown is not zero


async def test_when_ec2_cannot_be_read_tags_and_network_stay(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    before = {item["sourceServerArn"]: item for item in sandbox.items()}
    sandbox.faults(deny=[{"account_id": sandbox.names.apps, "service": "ec2"}])
    report = await sandbox.sync()
    assert report["status"] == "partial"
    assert {error["service"] for error in report["errors"]} == {"ec2"}
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}  # DRS was read completely
    assert {item["sourceServerArn"]: item for item in sandbox.items()} == before


async def test_an_origin_account_that_cannot_be_entered_costs_details_and_not_the_scope(sandbox: EngineSandbox) -> None:
    here = {"regions": ("us-west-2", "eu-west-1")}
    await sandbox.sync(**here)
    before = {item["sourceServerArn"]: item for item in sandbox.items()}
    known = {arn for arn, item in before.items() if "ec2NetworkConfig" in item}
    assert len(known) == 10
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.b},
        UpdateExpression="SET stagingAccounts = :some",
        ExpressionAttributeValues={":some": [{"accountId": sandbox.names.apps, "externalId": "not-the-one"}]},
    )
    sandbox.add(
        sandbox.names.a,
        "us-west-2",
        servers=[{"hostname": "new", "origin": {"account_id": sandbox.names.apps, "region": "us-east-1"}}],
    )
    for _ in range(2):
        sandbox.calls()
        report = await sandbox.sync(**here)
        assert (report["status"], report["errors"], report["scopes"]["partial"]) == ("complete", [], 0)
        (warning,) = report["warnings"]
        assert (warning["accountId"], warning["operation"]) == (sandbox.names.apps, "AssumeRole")
        assert warning["regions"] == ["eu-west-1", "us-west-2"]  # one entry, whatever the number of scopes
        assert "details of its EC2 instances" in warning["message"]
        assert "role" in warning["advice"]
        assert sandbox.calls()["sts", "AssumeRole"] == 3
    items = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert {arn: items[arn] for arn in before} == before  # nothing that was known is wiped
    (new,) = (item for arn, item in items.items() if arn not in before)
    assert "ec2NetworkConfig" not in new
    entries = sandbox.status()["us-west-2"]["accounts"]
    assert {entry["status"] for entry in entries.values()} == {"ACTIVE"}
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.b}, UpdateExpression="REMOVE stagingAccounts"
    )
    report = await sandbox.sync(**here)
    assert (report["status"], report["warnings"]) == ("complete", [])
    assert sum("ec2NetworkConfig" in item for item in sandbox.items()) == 11  # the next run fills what is missing


async def test_an_instance_that_was_deleted_does_not_affect_the_others(sandbox: EngineSandbox) -> None:
    sandbox.add(
        sandbox.names.a,
        "us-west-2",
        servers=[
            {
                "hostname": "orphan",
                "on_premises": True,
                "record": {
                    "sourceCloudProperties": {"originAccountID": sandbox.names.apps, "originRegion": "us-east-1"},
                    "sourceProperties": {"identificationHints": {"awsInstanceID": "i-0123456789abcdef0"}},
                },
            }
        ],
    )
    report = await sandbox.sync()
    assert report["status"] == "complete"
    items = sandbox.items()
    assert ["sourceTags" in item for item in items if item["hostname"] == "orphan"] == [False]
    assert sum("ec2NetworkConfig" in item for item in items) == 10


async def test_two_syncs_at_once_end_as_one_would(sandbox: EngineSandbox) -> None:
    reports: list[dict[str, Any]] = []

    async def one() -> None:
        reports.append(await sandbox.sync())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)
        tasks.start_soon(one)
    assert [report["status"] for report in reports] == ["complete"] * 3
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    assert len(sandbox.items()) == len(sandbox.topologies()) == 11
    for row in sandbox.status().values():
        assert set(row["accounts"]) == {sandbox.names.a, sandbox.names.b}


async def test_a_server_of_another_region_points_at_its_next_scan(start_sandbox: Callable[..., EngineSandbox]) -> None:
    sandbox = start_sandbox(b={})
    await sandbox.sync()
    sandbox.set(DISCOVERY_CALL_SHARE="0.001")  # discovery alone would not scan it
    arn = f"arn:aws:drs:sa-east-1:{sandbox.names.b}:source-server/s-0123456789abcdef0"
    reversed_record = {"reversedDirectionSourceServerArn": arn}
    sandbox.add(sandbox.names.a, "us-west-2", servers=[{"hostname": "failed-over", "record": reversed_record}])
    report = await sandbox.sync()
    assert "sa-east-1" not in report["regions"]["scanned"]
    sandbox.add(sandbox.names.b, "sa-east-1", servers=1)
    report = await sandbox.sync()
    assert report["serversByRegion"]["sa-east-1"] == 1
    assert "sa-east-1" in report["regions"]["newlyActive"]
    entry = sandbox.status()["sa-east-1"]["accounts"][sandbox.names.b]  # settled, and requested again by its new server
    assert entry["lookRequestedAt"] > entry["lastComplete"]


async def test_rows_of_the_earlier_writer_filter_and_are_brought_up_to_date(sandbox: EngineSandbox) -> None:
    table = sandbox.table("DRS_REGION_STATUS_TABLE")
    old = {"accountId": sandbox.names.b, "lastUpdated": "2026-11-20T05:00:00.123456+00:00"}
    table.put_item(Item={"region": "us-west-2", "serverCount": 2, "status": "AVAILABLE", **old})
    table.put_item(Item={"region": "eu-west-1", "serverCount": 0, "status": "THROTTLED", **old})  # could not be scanned
    table.put_item(Item={"region": "sa-east-1", "serverCount": 0, "status": "UNINITIALIZED", **old})
    report = await sandbox.sync()
    assert report["regionSource"] == "status_table"
    assert {"us-west-2", "eu-west-1"} <= set(report["regions"]["scanned"])
    assert report["regionsScanned"] < len(FEW_REGIONS)
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}


@pytest.mark.parametrize("problem", ["unset", "missing", "denied", "slow"])
async def test_without_region_status_every_region_is_scanned(
    problem: str, sandbox: EngineSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.everywhere()
    table = os.environ["DRS_REGION_STATUS_TABLE"]
    if problem == "denied":
        denied = {"service": "dynamodb", "operations": ["Scan"], "table": table}
        sandbox.faults(deny=[{"account_id": sandbox.names.hub, **denied}])
    elif problem == "slow":
        sandbox.set(REGION_STATUS_TIMEOUT_SECONDS="0.05")
    else:
        sandbox.set(DRS_REGION_STATUS_TABLE={"unset": "", "missing": "no-such-table"}[problem])
    is_held = {("Scan", table)} if problem == "slow" else set()
    with sandbox.received_calls().holding(lambda call: (call.operation, call.params.get("TableName")) in is_held):
        report = await sandbox.sync()
    assert report["regionSource"] == "fallback_table_unavailable"
    assert report["regionsScanned"] == len(EVERY_REGION)
    assert report["serversSynced"] == len(sandbox.items()) == 11
    why = {"unset": "not set", "missing": "ResourceNotFound", "denied": "AccessDenied", "slow": "longer than"}[problem]
    assert why in report["regionReason"]
    (chosen,) = [record for record in caplog.records if record.message == "regions chosen"]
    assert (chosen.levelname, why in vars(chosen)["reason"]) == ("WARNING", True)
    sandbox.faults()
    if problem in {"denied", "slow"}:  # it could not be read, but it could be written
        assert (report["status"], sandbox.counts()) == ("complete", {"eu-west-1": 3, "us-west-2": 8})


async def test_a_run_out_of_time_reports_every_scope(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    report = await sandbox.sync(remaining_s=0.0)
    assert report["status"] == "failed"
    assert report["scopes"]["failed"] == report["scopes"]["asked"] == 2 * len(EVERY_REGION)
    assert {error["code"] for error in report["errors"]} == {"DeadlineExceeded"}
    assert sandbox.items() == []


async def test_accounts_and_regions_can_be_chosen(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    report = await sandbox.sync(accounts=(sandbox.names.a,), regions=("us-west-2", "sa-east-1"))
    assert report["regionSource"] == "requested"
    assert report["scopes"]["asked"] == report["scopes"]["complete"] == 2
    assert report["serversSynced"] == 6
    assert set(sandbox.status()) == {"us-west-2", "sa-east-1"}
    report = await sandbox.sync(full_scan=True, excluded_regions=("us-west-2",))
    assert "us-west-2" not in report["regions"]["scanned"]
    assert report["scopes"]["asked"] == 2 * (len(EVERY_REGION) - 1)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"accounts": ("000000000009",)}, "000000000009 is not in the target accounts table"),
        ({"regions": ("us-west-22",)}, "'us-west-22' is no AWS region; did you mean us-west-2\\?"),
        ({"excluded_regions": ("mars-1",)}, "'mars-1' is no AWS region. Fix"),
    ],
)
async def test_a_wrong_request_changes_nothing(request_: dict[str, Any], message: str, sandbox: EngineSandbox) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await sandbox.sync(**request_)
    assert sandbox.status() == {}


async def test_a_broken_account_record_affects_only_itself(sandbox: EngineSandbox) -> None:
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(Item={"accountId": "12", "accountName": "typo"})
    report = await sandbox.sync()
    assert report["status"] == "partial"
    assert report["serversSynced"] == 11
    assert "12 digits" in report["errors"][0]["message"]


async def test_a_server_too_big_for_an_item_affects_only_itself(sandbox: EngineSandbox) -> None:
    """DynamoDB rejects the whole batch because of it; changed, new and removed servers are written all the same."""
    await sandbox.sync()
    here = [
        item for item in sandbox.items() if (item["_queryAccount"], item["_queryRegion"]) == (sandbox.names.a, SCOPE)
    ]
    big, changed, deleted, *_ = here
    servers = drs_backends[sandbox.names.a][SCOPE].source_servers
    disk = {"deviceName": "/dev/" + "x" * 250, "bytes": 1}
    servers[big["sourceServerID"]].record["sourceProperties"]["disks"] = [disk] * 1_500  # some 420 KB
    servers[changed["sourceServerID"]].record["tags"]["team"] = "payments"
    sandbox.server.remove(sandbox.names.a, SCOPE, [deleted["sourceServerID"]])
    sandbox.add(sandbox.names.a, SCOPE, servers=[{"hostname": "new", "on_premises": True}])
    for _ in range(2):
        report = await sandbox.sync()
        (error,) = report["errors"]
        assert (report["status"], error["code"], error["regions"]) == ("partial", "UnusableRecord", [SCOPE])
        assert "size" in error["message"]
        assert (report["serversRejected"], report["serversSynced"]) == (1, 11)
        assert sandbox.counts() == {"eu-west-1": 3, SCOPE: 8}
        items = {item["sourceServerArn"]: item for item in sandbox.items()}
        assert len(items) == 11
        assert deleted["sourceServerArn"] not in items
        assert items[changed["sourceServerArn"]]["tags"]["team"] == "payments"
        assert "new" in {item["hostname"] for item in items.values()}
        assert items[big["sourceServerArn"]] == big  # as it was last written
    assert (report["serversWritten"], report["serversUnchanged"], report["serversRemoved"]) == (0, 10, 0)


async def test_two_records_of_one_lineage_come_up_at_once(sandbox: EngineSandbox) -> None:
    """Their lineage items are the same, and DynamoDB rejects a batch that has an item twice."""
    sandbox.set(DRS_REGIONS=SCOPE)
    staging = new_account_id()
    area = {
        "status": "EXTENDED",
        "stagingAccountID": staging,
        "stagingSourceServerArn": f"arn:aws:drs:{SCOPE}:{staging}:source-server/s-0123456789abcdef0",
    }
    twins = [{"hostname": "twin", "on_premises": True, "record": {"stagingArea": area}} for _ in range(2)]
    sandbox.add(sandbox.names.a, SCOPE, servers=twins)
    report = await sandbox.sync()
    assert (report["status"], report["errors"]) == ("complete", [])
    found = [item for item in sandbox.items() if item["hostname"] == "twin"]
    assert {item["lineageArn"] for item in found} == {area["stagingSourceServerArn"]}
    assert len(found) == 2


@pytest.mark.parametrize("elsewhere", ["account", "region"])
async def test_a_record_of_another_scope_is_reported_and_changes_nothing_there(
    sandbox: EngineSandbox, elsewhere: str
) -> None:
    await sandbox.sync()
    before = sandbox.items()
    theirs = next(item for item in before if item["_queryAccount"] == sandbox.names.b and item["region"] == SCOPE)
    arn = theirs["sourceServerArn"] if elsewhere == "account" else theirs["sourceServerArn"].replace(SCOPE, "sa-east-1")
    sandbox.add(sandbox.names.a, SCOPE, servers=[{"hostname": "stray", "record": {"arn": arn}}])
    report = await sandbox.sync()
    assert (report["status"], report["serversRejected"], report["serversWritten"]) == ("partial", 1, 0)
    (error,) = report["errors"]
    assert (error["code"], error["accountId"], error["regions"]) == ("UnusableRecord", sandbox.names.a, [SCOPE])
    assert "its ARN is one of" in error["message"]
    assert sorted(sandbox.items(), key=str) == sorted(before, key=str)


async def test_a_record_without_an_arn_is_counted_and_removes_nothing(sandbox: EngineSandbox) -> None:
    """It may be any of the servers that seem to be missing."""
    await sandbox.sync()
    server = next(item for item in sandbox.items() if item["_queryRegion"] == "eu-west-1")
    record = drs_backends[sandbox.names.a]["eu-west-1"].source_servers[server["sourceServerID"]].record
    arn, record["arn"] = record["arn"], "nonsense"
    report = await sandbox.sync()
    assert (report["status"], report["serversRejected"], report["serversSynced"]) == ("partial", 1, 11)
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    assert arn in {item["sourceServerArn"] for item in sandbox.items()}
    record["arn"] = arn
    report = await sandbox.sync()
    assert (report["status"], report["serversWritten"], report["serversRemoved"]) == ("complete", 0, 0)


async def test_a_record_that_no_item_can_hold_affects_only_itself(sandbox: EngineSandbox) -> None:
    """DRS returns half a surrogate pair where it cut a text within a character."""
    sandbox.set(DRS_REGIONS=f"{SCOPE} eu-west-1")
    await sandbox.sync()
    server = next(item for item in sandbox.items() if item["_queryRegion"] == "eu-west-1")
    record = drs_backends[sandbox.names.a]["eu-west-1"].source_servers[server["sourceServerID"]].record
    record["tags"]["note"] = "cut \ud83d"
    report = await sandbox.sync()
    (error,) = report["errors"]
    assert (report["status"], error["code"], error["regions"]) == ("partial", "UnusableRecord", ["eu-west-1"])
    assert (report["serversRejected"], report["serversSynced"]) == (1, 11)
    assert server in sandbox.items()


async def test_the_role_of_another_account_is_refused(sandbox: EngineSandbox) -> None:
    foreign = f"arn:aws:iam::{sandbox.names.b}:role/DRSOrchestrationRole"
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET roleArn = :foreign",
        ExpressionAttributeValues={":foreign": foreign},
    )
    report = await sandbox.sync()
    assert report["errors"][0]["code"] == "InvalidAccountRecord"
    assert {item["_queryAccount"] for item in sandbox.items()} == {sandbox.names.b}


async def test_an_external_id_that_sts_would_not_take_affects_only_its_account(sandbox: EngineSandbox) -> None:
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET externalId = :short",
        ExpressionAttributeValues={":short": "e"},
    )
    report = await sandbox.sync()
    (error,) = report["errors"]
    assert (report["status"], error["code"], error["accountId"]) == ("partial", "InvalidAccountRecord", sandbox.names.a)
    assert "2 to 1224 characters" in error["message"]
    assert {item["_queryAccount"] for item in sandbox.items()} == {sandbox.names.b}


async def test_sessions_that_end_in_mid_run_are_renewed(sandbox: EngineSandbox) -> None:
    ended = {
        "service": "drs",
        "operation": "DescribeSourceServers",
        "error": "ExpiredTokenException",
        "status": 403,
        "times": 1,
    }
    sandbox.faults(fail=[{**ended, "account_id": each} for each in (sandbox.names.a, sandbox.names.b)])
    report = await sandbox.sync(regions=("us-west-2", "eu-west-1", "sa-east-1"))
    assert report["status"] == "complete"
    assert report["serversSynced"] == 11
    assert report["apiCalls"]["sts"]["AssumeRole"] == 5  # two targets twice, the account of the instances once


async def test_entries_of_an_account_that_left_are_dropped(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": sandbox.names.b})
    await sandbox.sync()
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 6}
    assert all(set(row["accounts"]) == {sandbox.names.a} for row in sandbox.status().values())


async def test_stored_facts_that_somebody_edited_are_replaced(sandbox: EngineSandbox) -> None:
    """They are part of the content hash; a number that JSON cannot represent must not end the run of all accounts."""
    await sandbox.sync(regions=("eu-west-1", "us-west-2"))
    item = next(each for each in sandbox.items() if not each["instanceId"])
    edited = {"sourceTags": {"cost": 2**70, "owner": "me"}, "ec2NetworkConfig": {"vpcId": 2**70}}
    sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").put_item(Item={**item, **edited})
    report = await sandbox.sync(regions=("eu-west-1", "us-west-2"))
    assert (report["status"], report["serversWritten"]) == ("complete", 1)
    (rewritten,) = [each for each in sandbox.items() if each["sourceServerArn"] == item["sourceServerArn"]]
    assert rewritten["sourceTags"] == {"owner": "me"}
    assert "ec2NetworkConfig" not in rewritten


async def test_a_real_region_outside_the_catalog_is_scanned_on_request(sandbox: EngineSandbox) -> None:
    sandbox.add(sandbox.names.a, "ca-west-1", servers=2)
    report = await sandbox.sync(regions=("ca-west-1",))
    assert (report["status"], report["serversByRegion"]) == ("complete", {"ca-west-1": 2})
    filtered = await sandbox.sync()  # servers are known there now
    assert filtered["serversByRegion"] == {"ca-west-1": 2}
