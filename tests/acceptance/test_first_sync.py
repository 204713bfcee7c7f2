"""A first sync into empty tables, and a second one that finds no changes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EVERY_REGION, EngineSandbox
from tests.support.table_state import plain

RAW = [
    "sourceServerID",
    "arn",
    "agentVersion",
    "replicationDirection",
    "lastLaunchResult",
    "lifeCycle",
    "dataReplicationInfo",
    "sourceCloudProperties",
    "sourceProperties",
    "sourceNetworkID",
    "stagingArea",
]
WRITTEN = [
    "sourceServerArn",
    "stagingAccountId",
    "sourceAccountId",
    "replicationRegion",
    "lastUpdated",
    "tags",
    "ec2NetworkConfig",
    "_inventoryMetadata",
    "_queryRegion",
    "_queryAccount",
    "region",
    "replicationState",
    "sourceTags",
    "hostname",
    "fqdn",
    "instanceId",
    "cpuCores",
    "ramBytes",
    "originalSourceRegion",
    "originalAccountId",
    "originalReplicationConfigurationTemplateId",
    "topologyLastUpdated",
]


def check_item(item: dict[str, Any], record: dict[str, Any], *, account: str, region: str) -> None:
    missing = [name for name in (*RAW, *WRITTEN) if name not in item]
    assert not missing, missing
    for name in RAW:
        assert plain(item[name]) == record[name], name
    cloud, staging = record["sourceCloudProperties"], record["stagingArea"]["stagingAccountID"]
    flat = {
        "sourceServerArn": record["arn"],
        "stagingAccountId": staging,
        "sourceAccountId": cloud["originAccountID"],
        "replicationRegion": region,
        "region": region,
        "_queryRegion": region,
        "_queryAccount": account,
        "replicationState": "CONTINUOUS",
        "hostname": record["sourceProperties"]["identificationHints"]["hostname"],
        "cpuCores": sum(cpu["cores"] for cpu in record["sourceProperties"]["cpus"]),
        "ramBytes": record["sourceProperties"]["ramBytes"],
        "originalSourceRegion": cloud["originRegion"],
        "originalAccountId": staging,
    }
    assert {name: plain(item[name]) for name in flat} == flat
    assert item["_inventoryMetadata"] == {
        "stagingAccountId": staging,
        "sourceAccountId": cloud["originAccountID"],
        "sourceRegion": cloud["originRegion"],
        "replicationRegion": region,
        "lastUpdated": item["lastUpdated"],
    }
    assert set(item["ec2NetworkConfig"]) >= {"vpcId", "subnetId", "privateIp", "securityGroups"}
    assert item["tags"]["Drs"] == "yes"
    assert item["tags"]["Name"] == item["sourceTags"]["Name"] == item["hostname"]
    assert item["sourceTags"]["Team"] == "core"
    assert "Drs" not in item["sourceTags"]


def check_status(rows: dict[str, dict[str, Any]], first: str, second: str, *, others: tuple[str, ...]) -> None:
    assert set(rows) == set(EVERY_REGION)
    assert all(row["lastChecked"] and row["lastUpdated"] and isinstance(row["accountId"], str) for row in rows.values())
    assert (rows["us-west-2"]["status"], rows["sa-east-1"]["status"]) == ("ACTIVE", "NOT_INITIALIZED")
    entries = {name: int(each["serverCount"]) for name, each in rows["us-west-2"]["accounts"].items()}
    assert entries == {first: 8, second: 2, **dict.fromkeys(others, 0)}
    assert rows["eu-north-1"]["accounts"][second]["status"] == "ACTIVE"
    assert not any(row.get("errorMessage") for row in rows.values())


async def test_first_sync_fills_empty_tables_and_the_second_writes_nothing(
    sandbox: EngineSandbox, received: ReceivedCalls, caplog: pytest.LogCaptureFixture
) -> None:
    """Four accounts, the hub among them; one scope has three pages; one server's instance is in a fifth account."""
    sandbox.everywhere()
    sandbox.set(TOPOLOGY_READS_PER_SCOPE="1000", DRS_PAGE_SIZE="3")

    def servers(count: int, **members: Any) -> dict[str, Any]:
        origin = {"region": "us-east-2", **members}
        records = [{"record": {"sourceNetworkID": "sn-0123456789abcdef0"}}] * count
        return {"servers": records, "drs_tags": {"Drs": "yes"}, "tags": {"Team": "core"}, "origin": origin}

    elsewhere = sandbox.add_account(kind="application")
    counts = {"us-west-2": 8, "eu-west-1": 2}
    first = sandbox.add_account(regions={region: servers(count) for region, count in counts.items()})
    second = sandbox.add_account(
        regions={"us-west-2": servers(2, account_id=elsewhere), "eu-north-1": {"servers": 0}}  # initialised, no servers
    )
    third = sandbox.add_account(regions={"il-central-1": servers(1)})
    hub = sandbox.names.hub
    sandbox.add(hub, "eu-west-1", **servers(2))
    active = {(first, "us-west-2"), (first, "eu-west-1"), (second, "us-west-2"), (third, "il-central-1")}
    active.add((hub, "eu-west-1"))

    report = await sandbox.sync()

    assert report["operation"] == "sync_source_server_inventory"
    assert (report["regionsScanned"], report["regionsSkipped"], report["regionsFailed"]) == (len(EVERY_REGION), 0, 0)
    assert report["serversSynced"] == 15
    assert report["serversByRegion"] == {"us-west-2": 10, "eu-west-1": 4, "il-central-1": 1}
    assert report["scopes"]["asked"] == report["scopes"]["complete"] == 4 * len(EVERY_REGION)
    assert (report["apiCallReductionPercent"], report["errors"]) == (0, [])
    (chosen,) = [record for record in caplog.records if record.message == "regions chosen"]
    assert (chosen.levelname, vars(chosen)["regionSource"]) == ("WARNING", "fallback_table_empty")

    report["apiCalls"]["dynamodb"]["PutItem"] += 1  # the record of the run, which is written after its report
    for service, operations in report["apiCalls"].items():
        assert {name: len(received.of(service, name)) for name in operations} == operations, service
    listed = Counter(call.scope for call in received.of("drs", "DescribeSourceServers"))
    assert set(listed) == {(account, region) for account in (first, second, third, hub) for region in EVERY_REGION}
    assert listed.pop((first, "us-west-2")) == 3
    assert set(listed.values()) == {1}
    assumed = Counter(call.params["RoleArn"].split(":")[4] for call in received.of("sts", "AssumeRole"))
    assert assumed == {first: 1, second: 1, third: 1, elsewhere: 1}
    instances = {call.scope for call in received.of("ec2", "DescribeInstances")}
    assert instances == {(account, "us-east-2") for account in (first, elsewhere, third, hub)}

    items = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert len(items) == 15
    for account, region in active:
        for record in sandbox.records(account, region):
            check_item(items[record["arn"]], record, account=account, region=region)
    assert {item["lastUpdated"] for item in items.values()} == {report["startedAt"]}
    check_status(sandbox.status(), first, second, others=(third, hub))
    assert sandbox.counts() == report["serversByRegion"]

    received.clear()
    again = await sandbox.sync()

    assert received.writes(sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").name) == []
    assert {item["sourceServerArn"]: item for item in sandbox.items()} == items
    assert (again["serversWritten"], again["serversSynced"]) == (0, 15)
    scanned = {call.scope for call in received.of("drs", "DescribeSourceServers")}
    assert scanned >= active
    assert len(scanned) == 5 + again["scopes"]["discovery"]
    assert sandbox.counts() == report["serversByRegion"]
