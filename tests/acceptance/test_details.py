"""EC2 data, original topology and pointers at servers in other scopes, in inventory items."""

from __future__ import annotations

import pytest
from moto.ec2.models import ec2_backends

from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EngineSandbox

pytestmark = pytest.mark.deep

ORIGIN = "us-east-1"
"""Region of the instances, by default."""


async def test_an_ec2_denial_keeps_the_tags_that_were_known(sandbox: EngineSandbox) -> None:
    """Problems of EC2 do not fail the inventory; an unknown instance does not affect the others."""
    account = sandbox.add_account(regions={"us-west-2": {"servers": 3, "tags": {"Team": "core"}}})
    await sandbox.sync()
    before = {item["sourceServerArn"]: item for item in sandbox.items()}
    for record in sandbox.records(account, "us-west-2"):
        record["dataReplicationInfo"]["dataReplicationState"] = "STALLED"
    sandbox.faults(deny=[{"account_id": account, "service": "ec2"}])

    denied = await sandbox.sync()

    assert denied["status"] == "partial"
    assert {(error["service"], error["operation"]) for error in denied["errors"]} == {("ec2", "DescribeInstances")}
    assert sandbox.counts() == {"us-west-2": 3}  # DRS was read completely
    after = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert set(after) == set(before)
    for arn, item in after.items():
        assert item["replicationState"] == "STALLED"
        for name in ("tags", "sourceTags", "ec2NetworkConfig"):
            assert item[name] == before[arn][name], name

    sandbox.faults()
    ec2 = ec2_backends[account][ORIGIN]
    gone, changed, same = (item["instanceId"] for item in after.values())
    for reservation in ec2.reservations.values():
        reservation.instances = [each for each in reservation.instances if each.id != gone]
    ec2.create_tags([changed], {"Team": "other"})
    await sandbox.sync()

    teams = {item["instanceId"]: item["sourceTags"]["Team"] for item in sandbox.items()}
    assert teams == {gone: "core", changed: "other", same: "core"}, "an instance that is gone keeps its known tags"


@pytest.mark.parametrize("launched", ["NOT_STARTED", "SUCCEEDED"])
async def test_original_topology_outlives_a_batch_put_and_a_change_in_aws(
    launched: str, sandbox: EngineSandbox
) -> None:
    sandbox.set(TOPOLOGY_READS_PER_SCOPE="100")
    account = sandbox.add_account(regions={"us-west-2": {"servers": 1}})
    await sandbox.sync()
    (original,) = sandbox.items()
    names = [name for name in original if name.startswith("original") or name == "topologyLastUpdated"]
    assert len(names) >= 4
    wiped = {name: value for name, value in original.items() if name not in {*names, "contentHash"}}
    with sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").batch_writer() as batch:
        batch.put_item(Item=wiped)
    (record,) = sandbox.records(account, "us-west-2")
    record["sourceCloudProperties"].update(originRegion="eu-central-1", originAvailabilityZone="eu-central-1a")
    record["lastLaunchResult"] = launched

    await sandbox.sync()

    (again,) = sandbox.items()
    assert again["sourceCloudProperties"]["originRegion"] == "eu-central-1"
    assert {name: again.get(name) for name in names} == {name: original[name] for name in names}

    sandbox.remove(account, "us-west-2", [record])
    await sandbox.sync()

    assert (sandbox.items(), sandbox.bookkeeping()) == ([], [])
    assert [item["originalSourceRegion"] for item in sandbox.topologies().values()] == [ORIGIN]


async def test_a_failback_record_is_no_source_of_originals(sandbox: EngineSandbox) -> None:
    sandbox.set(TOPOLOGY_READS_PER_SCOPE="100")
    servers = [{"record": {"replicationDirection": "FAILBACK"}}]
    sandbox.add_account(regions={"us-west-2": {"servers": servers}})

    await sandbox.sync()

    (item,) = sandbox.items()
    assert not item.get("originalSourceRegion")


async def test_a_pointer_at_an_account_or_region_nobody_knows_does_no_harm(sandbox: EngineSandbox) -> None:
    pointers = ("arn:aws:drs:eu-west-1:999999999999:source-server/s-00000000000000001", "no arn at all")
    servers = [{"record": {"reversedDirectionSourceServerArn": each}} for each in pointers]
    sandbox.add_account(regions={"us-west-2": {"servers": servers}})

    for _ in range(2):
        assert (await sandbox.sync())["status"] == "complete"

    assert sandbox.counts() == {"us-west-2": 2}


async def test_many_instances_of_one_origin_are_read_in_few_calls(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    sandbox.add_account(regions={"us-west-2": {"servers": 201}})

    await sandbox.sync()

    assert len(received.of("ec2", "DescribeInstances")) == 2
    assert sum("ec2NetworkConfig" in item for item in sandbox.items()) == 201


async def test_a_warning_shared_by_many_servers_is_reported_once(sandbox: EngineSandbox) -> None:
    """The report grows with regions and kinds of problems, not with servers."""
    servers = [{"record": {"lastLaunchResult": "SUCCEEDED"}}] * 60
    sandbox.add_account(regions={"us-west-2": {"servers": servers}})

    report = await sandbox.sync()

    assert 0 < len(report["warnings"]) <= 10
