"""EC2 data, original topology and pointers at servers in other scopes, in inventory items."""

from __future__ import annotations

import pytest

from tests.acceptance.endpoint import Call, Fault, Trap, instances_denied
from tests.acceptance.world import World


@pytest.fixture(autouse=True)
def _few_regions(world: World) -> None:
    world.settings["DRS_REGIONS"] = " ".join(
        [
            "us-west-2",
            "eu-west-1",
            "sa-east-1",
            "ap-south-1",
            "me-south-1",
            "us-east-1",
            "us-east-2",
            "eu-north-1",
            "il-central-1",
        ]
    )


def test_an_ec2_denial_keeps_the_tags_that_were_known(world: World) -> None:
    """Problems of EC2 do not fail the inventory; an unknown instance does not affect the others."""
    account = world.account()
    servers = world.servers(account, "us-west-2", 3)
    world.sync()
    before = world.inventory()
    ec2 = world.scope(account, "us-east-2")
    for server in servers:
        server["dataReplicationInfo"]["dataReplicationState"] = "STALLED"
    ec2.faults.append(Fault(instances_denied, operation="DescribeInstances"))

    denied = world.sync(code=None)

    assert denied.code in {0, 3}
    assert "DescribeInstances" in denied.out
    after = world.inventory()
    for arn, item in after.items():
        assert item["replicationState"] == "STALLED"
        for name in ("tags", "sourceTags", "ec2NetworkConfig"):
            assert item[name] == before[arn][name], name

    ec2.faults.clear()
    ids = list(ec2.instances)
    del ec2.instances[ids[0]]
    ec2.instances[ids[1]].tags["Team"] = "other"
    world.sync(code=None)

    items = world.inventory()
    assert items[servers[0]["arn"]]["tags"]["Team"] == "core", "an instance that is gone keeps its last known tags"
    assert items[servers[1]["arn"]]["tags"]["Team"] == "other"
    assert items[servers[2]["arn"]]["tags"]["Team"] == "core"


def test_original_topology_outlives_a_batch_put_and_a_change_in_aws(world: World) -> None:
    account = world.account()
    server = world.servers(account, "us-west-2", 1)[0]
    world.sync()
    original = world.inventory()[server["arn"]]
    names = [name for name in original if name.startswith("original") or name == "topologyLastUpdated"]
    assert len(names) >= 4
    wiped = {name: value for name, value in original.items() if name not in names and name != "contentHash"}
    with world.table(world.tables.inventory).batch_writer() as batch:
        batch.put_item(Item=wiped)
    server["sourceCloudProperties"]["originRegion"] = "eu-central-1"
    server["sourceCloudProperties"]["originAvailabilityZone"] = "eu-central-1a"
    server["lastLaunchResult"] = "SUCCEEDED"

    world.sync()

    again = world.inventory()[server["arn"]]
    assert again["sourceCloudProperties"]["originRegion"] == "eu-central-1"
    assert {name: again.get(name) for name in names} == {name: original[name] for name in names}

    world.scope(account, "us-west-2").servers.clear()
    world.sync()

    assert world.inventory() == {}
    assert world.bookkeeping() == []
    assert [item["originalSourceRegion"] for item in world.topologies().values()] == ["us-east-2"]


def test_a_failback_record_is_no_source_of_originals(world: World) -> None:
    account = world.account()
    server = world.servers(account, "us-west-2", 1, origin_region="us-east-2")[0]
    server["replicationDirection"] = "FAILBACK"

    run = world.sync(code=None)

    assert run.code in {0, 3}
    item = world.inventory()[server["arn"]]
    assert not item.get("originalSourceRegion")


def test_a_reversed_server_marks_its_region_for_the_next_sync(world: World) -> None:
    account, other = world.account(), world.account()
    forward = world.servers(account, "us-west-2", 1)[0]
    for each in (account, other):
        world.servers(each, "eu-west-1", 1)
    world.sync()
    reverse = world.servers(other, "me-south-1", 1)[0]
    forward["reversedDirectionSourceServerArn"] = reverse["arn"]
    scanned_before = {(call.account, call.region) for call in world.calls("drs")}
    assert (other, "me-south-1") in scanned_before
    world.sync()
    first = {(call.account, call.region) for call in world.calls("drs")}

    world.sync()

    second = {(call.account, call.region) for call in world.calls("drs")}
    assert (other, "me-south-1") in first | second
    assert reverse["arn"] in world.inventory()
    assert world.counts() == {"us-west-2": 1, "eu-west-1": 2, "me-south-1": 1}


def test_a_pointer_at_an_account_or_region_nobody_knows_does_no_harm(world: World) -> None:
    account = world.account()
    elsewhere, nowhere = world.servers(account, "us-west-2", 2)
    elsewhere["reversedDirectionSourceServerArn"] = (
        "arn:aws:drs:eu-west-1:999999999999:source-server/s-00000000000000001"
    )
    nowhere["reversedDirectionSourceServerArn"] = "no arn at all"

    world.sync()
    world.sync()

    assert world.counts() == {"us-west-2": 2}


def test_many_instances_of_one_origin_are_read_in_few_calls(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 250, origin_region="us-east-2")

    world.sync(TOPOLOGY_READS_PER_SCOPE="0")

    assert len(world.calls("ec2", "DescribeInstances")) <= 3
    assert all("ec2NetworkConfig" in item for item in world.inventory().values())


def test_a_pointer_outlives_a_run_that_was_killed(world: World) -> None:
    account = world.account()
    forward = world.servers(account, "us-west-2", 1)[0]
    world.sync()
    scopes = len(world.settings["DRS_REGIONS"].split())
    reverse = world.servers(account, "us-east-2", 1)[0]
    forward["reversedDirectionSourceServerArn"] = reverse["arn"]

    def status_write(call: Call) -> bool:
        return call.table == world.tables.status and call.operation in {"PutItem", "UpdateItem"}

    trap = Trap(status_write, drops=True)
    with world.holding(trap):
        # Only the pointer leads to this scope.
        process = world.start("sync", "inventory", DISCOVERY_WINDOW_SECONDS="31536000")
        try:
            assert trap.wait_blocked()
        finally:
            process.kill()
            process.communicate()
    for _ in range(2):
        world.sync(DISCOVERY_WINDOW_SECONDS="31536000")

    assert len(world.calls("drs", "DescribeSourceServers")) < scopes
    assert reverse["arn"] in world.inventory()


def test_a_warning_shared_by_many_servers_is_reported_once(world: World) -> None:
    """The report grows with regions and kinds of problems, not with servers."""
    account = world.account()
    for server in world.servers(account, "us-west-2", 60):
        server["lastLaunchResult"] = "SUCCEEDED"

    run = world.sync(TOPOLOGY_READS_PER_SCOPE="0")

    assert len(run.report["warnings"]) <= 10
