"""A first sync into empty tables, and a second one that finds no changes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.acceptance.endpoint import REGIONS
from tests.acceptance.world import World, plain

_RAW = [
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
_WRITTEN = [
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


def _check_item(item: dict[str, Any], server: dict[str, Any], *, account: str, region: str) -> None:
    missing = [name for name in (*_RAW, *_WRITTEN) if name not in item]
    assert not missing, missing
    for name in _RAW:
        assert plain(item[name]) == server[name], name
    cloud = server["sourceCloudProperties"]
    flat = {
        "sourceServerArn": server["arn"],
        "stagingAccountId": server["stagingArea"]["stagingAccountID"],
        "sourceAccountId": cloud["originAccountID"],
        "replicationRegion": region,
        "region": region,
        "_queryRegion": region,
        "_queryAccount": account,
        "replicationState": "CONTINUOUS",
        "hostname": server["sourceProperties"]["identificationHints"]["hostname"],
        "cpuCores": 6,
        "ramBytes": 16777216000,
        "originalSourceRegion": cloud["originRegion"],
        "originalAccountId": server["stagingArea"]["stagingAccountID"],
    }
    assert {name: plain(item[name]) for name in flat} == flat
    assert item["_inventoryMetadata"] == {
        "stagingAccountId": server["stagingArea"]["stagingAccountID"],
        "sourceAccountId": cloud["originAccountID"],
        "sourceRegion": cloud["originRegion"],
        "replicationRegion": region,
        "lastUpdated": item["lastUpdated"],
    }
    assert set(item["ec2NetworkConfig"]) == {"vpcId", "subnetId", "privateIp", "securityGroups", "instanceProfile"}
    assert item["ec2NetworkConfig"]["securityGroups"] == ["sg-0aa"]
    assert item["tags"]["Drs"] == "yes"
    assert item["tags"]["Name"] == item["sourceTags"]["Name"]
    assert item["tags"]["aws:autoscaling:groupName"] == "g"
    assert "Drs" not in item["sourceTags"]


def test_first_sync_fills_empty_tables_and_the_second_writes_nothing(world: World) -> None:
    """Four accounts, the hub among them; one scope has three pages; one server's instance is in a fifth account."""
    first, second, third, hub = world.account(), world.account(), world.account(), world.list_hub()
    elsewhere = world.account(listed=False)
    servers = {
        (first, "us-west-2"): world.servers(first, "us-west-2", 450),
        (first, "eu-west-1"): world.servers(first, "eu-west-1", 3),
        (second, "us-west-2"): world.servers(second, "us-west-2", 5, origin_account=elsewhere),
        (third, "il-central-1"): world.servers(third, "il-central-1", 1),
        (hub, "eu-west-1"): world.servers(hub, "eu-west-1", 2),
    }
    world.scope(second, "eu-north-1").initialized = True  # initialised, no servers

    run = world.sync(TOPOLOGY_READS_PER_SCOPE="1000")

    report = run.report
    assert report["operation"] == "sync_source_server_inventory"
    assert (report["regionsScanned"], report["regionsSkipped"], report["regionsFailed"]) == (len(REGIONS), 0, 0)
    assert report["serversSynced"] == 461
    assert report["serversByRegion"] == {"us-west-2": 455, "eu-west-1": 5, "il-central-1": 1}
    assert report["scopes"]["asked"] == report["scopes"]["complete"] == 4 * len(REGIONS)
    assert report["apiCallReductionPercent"] == 0
    assert report["errors"] == []
    assert "empty" in run.err
    assert "WARNING" in run.err

    recorded = Counter((call.service, call.operation) for call in world.calls())
    for service, operations in report["apiCalls"].items():
        assert {name: recorded[service, name] for name in operations} == operations, service
    listed = Counter((call.account, call.region) for call in world.calls("drs", "DescribeSourceServers"))
    assert set(listed) == {(account, region) for account in (first, second, third, hub) for region in REGIONS}
    assert listed.pop((first, "us-west-2")) == 3
    assert set(listed.values()) == {1}
    assumed = Counter(call.detail["RoleArn"].split(":")[4] for call in world.calls("sts", "AssumeRole"))
    assert assumed == {first: 1, second: 1, third: 1, elsewhere: 1}
    ec2_scopes = {(call.account, call.region) for call in world.calls("ec2", "DescribeInstances")}
    assert ec2_scopes == {(first, "us-east-2"), (elsewhere, "us-east-2"), (third, "us-east-2"), (hub, "us-east-2")}

    items = world.inventory()
    assert len(items) == 461
    for (account, region), listed_servers in servers.items():
        for server in listed_servers:
            _check_item(items[server["arn"]], server, account=account, region=region)
    assert len({item["lastUpdated"] for item in items.values()}) == 1

    rows = world.status()
    assert set(rows) == set(REGIONS)
    assert world.counts() == {"us-west-2": 455, "eu-west-1": 5, "il-central-1": 1}
    assert all(row["lastChecked"] and row["lastUpdated"] and isinstance(row["accountId"], str) for row in rows.values())
    assert rows["us-west-2"]["status"] == "ACTIVE"
    assert rows["sa-east-1"]["status"] == "NOT_INITIALIZED"
    assert {name: int(each["serverCount"]) for name, each in rows["us-west-2"]["accounts"].items()} == {
        first: 450,
        second: 5,
        third: 0,
        hub: 0,
    }
    assert rows["eu-north-1"]["accounts"][second]["status"] == "ACTIVE"
    assert not any("errorMessage" in row and row["errorMessage"] for row in rows.values())

    again = world.sync()

    assert world.inventory_writes() == []
    assert world.inventory() == items
    assert again.report["serversWritten"] == 0
    assert again.report["serversSynced"] == 461
    active = {(first, "us-west-2"), (first, "eu-west-1"), (second, "us-west-2"), (third, "il-central-1")}
    scanned = {(call.account, call.region) for call in world.calls("drs", "DescribeSourceServers")}
    assert scanned >= {*active, (hub, "eu-west-1")}
    assert len(scanned) == 5 + again.report["scopes"]["discovery"]
    assert world.counts() == {"us-west-2": 455, "eu-west-1": 5, "il-central-1": 1}
