"""The origin of servers, from the records of DRS to the runbook: tables in dynalite, DRS and STS scripted by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import boto3
import pytest

from service.app import open_app
from service.context import SyncRequest
from service.query_app import open_query_app
from service.settings import load_settings
from tests.dynalite.server import Dynalite
from tests.support.estate import new_account_id
from tests.support.scripted import answer, scripted_aws
from tests.support.scripted_drs import ScriptedDrs

REGION: Final = "us-west-2"
SERVER: Final = "s-0123456789abcdef1"
STAGED: Final = "s-0fedcba9876543210"
A1, B3 = "i-0123456789abcdef0", "i-0b5c1f2a9d3e47c68"
TEMPLATES: Final = "DescribeReplicationConfigurationTemplates"
CLOUD: Final = {"originAccountID": "111111111111", "originRegion": "us-east-1", "originAvailabilityZone": "us-east-1a"}
IN_AWS: Final = {
    "sourceCloudProperties": CLOUD,
    "sourceProperties": {"identificationHints": {"awsInstanceID": A1, "hostname": "app-1"}},
}
PHYSICAL: Final = {"sourceProperties": {"identificationHints": {"hostname": "db7"}}}
RECOVERED: Final = {"recoveryInstanceId": B3, "lastLaunchResult": "SUCCEEDED"}
ORIGIN: Final = {
    "originalSourceRegion": "us-east-1",
    "originalSourceAccountId": "111111111111",
    "originalInstanceId": A1,
    "originalAvailabilityZone": "us-east-1a",
    "originEnvironment": "AWS",
}
_TABLES: Final = {
    "SOURCE_SERVER_INVENTORY_TABLE": ("sourceServerArn", "stagingAccountId"),
    "SOURCE_SERVER_TOPOLOGY_TABLE": ("pk", "sk"),
    "TARGET_ACCOUNTS_TABLE": ("accountId",),
    "DRS_REGION_STATUS_TABLE": ("region",),
}


@dataclass
class World:
    """One target account A with a staging account S that is no target, and the tables of a hub."""

    drs: ScriptedDrs
    tables: dict[str, Any]
    a: str
    s: str

    def arn(self, account_id: str, server_id: str) -> str:
        return f"arn:aws:drs:{REGION}:{account_id}:source-server/{server_id}"

    def record(self, state: str = "CONTINUOUS", /, **members: Any) -> dict[str, Any]:
        return {
            "sourceServerID": SERVER,
            "arn": self.arn(self.a, SERVER),
            "dataReplicationInfo": {"dataReplicationState": state},
            "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": self.a},
            "replicationDirection": "FAILOVER",
            **members,
        }

    def show(self, record: Mapping[str, Any], *instances: Mapping[str, Any]) -> None:
        """Have DRS show one server in A, and recovery instances."""
        self.drs.servers[self.a] = [record]
        self.drs.instances[self.a] = [
            {"recoveryInstanceID": B3, "sourceServerID": SERVER, **each} for each in instances
        ]

    async def sync(self) -> dict[str, Any]:
        """Run an inventory sync from a new process."""
        self.drs.calls.clear()
        async with open_app(load_settings()) as app:
            report = await app.sync_inventory(SyncRequest())
        assert report["status"] == "complete", report["errors"]
        return report

    async def runbook(self, name: str = SERVER) -> dict[str, Any]:
        async with open_query_app(load_settings()) as app:
            return (await app.failback.run(name)).body

    def _items(self) -> list[dict[str, Any]]:
        return list(self.tables["SOURCE_SERVER_INVENTORY_TABLE"].scan(ConsistentRead=True)["Items"])

    def topology(self) -> dict[str, Any]:
        stored = self.tables["SOURCE_SERVER_TOPOLOGY_TABLE"].scan(ConsistentRead=True)["Items"]
        (topology,) = [item for item in stored if item["sk"] == "TOPOLOGY"]
        return dict(topology)

    def item(self) -> dict[str, Any]:
        (item,) = [item for item in self._items() if item["stagingAccountId"].isdigit()]
        return dict(item)

    def store_as_guess(self, *, history: list[dict[str, Any]] | None = None) -> None:
        """Change the stored items to what an earlier version wrote of a server first seen without its properties."""
        topology = self.topology()
        key = {"pk": topology.pop("pk"), "sk": topology.pop("sk")}
        self.tables["SOURCE_SERVER_TOPOLOGY_TABLE"].delete_item(Key=key)
        topology |= {"sourceServerArn": key["pk"], "stagingAccountId": key["sk"]}
        for item in (topology, self.item()):
            kept = {name: value for name, value in item.items() if name not in {*ORIGIN, "topologyMissing"}}
            kept.pop("originEnvironmentSource", None)
            kept["originEnvironment"] = "ON_PREMISES"
            if item["stagingAccountId"] == "TOPOLOGY" and history:
                kept["topologyHistory"] = history
            self.tables["SOURCE_SERVER_INVENTORY_TABLE"].put_item(Item=kept)


def _create_tables(port: int, prefix: str) -> dict[str, Any]:
    endpoint = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    keys = {"aws_access_key_id": "AKIADYNALITE00000000", "aws_secret_access_key": "opens-nothing"}
    dynamodb = boto3.resource("dynamodb", **endpoint, **keys)
    tables = {}
    for variable, names in _TABLES.items():
        key = [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]
        index: dict[str, Any] = {}
        attributes = [*names]
        if "sourceServerArn" in names:
            attributes.append("replicationRegion")
            keys_by_index = {"ReplicationRegionIndex": "replicationRegion", "StagingAccountIndex": "stagingAccountId"}
            index["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index_name,
                    "KeySchema": [
                        {"AttributeName": hash_key, "KeyType": "HASH"},
                        {"AttributeName": "sourceServerArn", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
                for index_name, hash_key in keys_by_index.items()
            ]
        tables[variable] = dynamodb.create_table(
            TableName=f"{prefix}-{variable.lower()}",
            KeySchema=key,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
            BillingMode="PAY_PER_REQUEST",
            **index,
        )
        dynamodb.meta.client.get_waiter("table_exists").wait(
            TableName=tables[variable].name, WaiterConfig={"Delay": 0, "MaxAttempts": 5000}
        )
    return tables


@pytest.fixture
async def world(dynalite: Dynalite, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Start the endpoint, create the tables, and register A and S."""
    hub, a, s = (new_account_id() for _ in range(3))
    drs = ScriptedDrs(hub)
    async with scripted_aws(drs, monkeypatch):
        dynalite.calls += 1  # the SDK calls it without the forwarding of an estate
        tables = await anyio.to_thread.run_sync(_create_tables, dynalite.port, hub)
        for variable, table in tables.items():
            monkeypatch.setenv(variable, table.name)
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{dynalite.port}")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("DRS_REGIONS", REGION)
        monkeypatch.setenv("DRS_CALLS_PER_SECOND", "1000")
        role = f"arn:aws:iam::{s}:role/reader-of-staging"
        staging = {"accountId": s, "accountName": "S", "roleArn": role, "externalId": "id-of-staging"}
        tables["TARGET_ACCOUNTS_TABLE"].put_item(
            Item={"accountId": a, "accountName": "A", "externalId": "id-of-target", "stagingAccounts": [staging]}
        )
        drs.templates = {each: [{"replicationConfigurationTemplateID": f"rct-{each}"}] for each in (a, s)}
        drs.configurations[f"{a}/{SERVER}"] = {"sourceServerID": SERVER, "stagingAreaSubnetId": "subnet-1"}
        yield World(drs, tables, a, s)


def _origin(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ORIGIN if name in item}


async def test_what_was_unknown_at_first_is_filled_when_drs_reports_it(world: World) -> None:
    world.show(world.record("INITIATING"))
    report = await world.sync()
    assert report["warnings"] == []  # nothing to do about a server that DRS has not described yet
    assert (_origin(world.topology()), _origin(world.item())) == ({}, {})
    assert (world.item()["topologyComplete"], world.item()["topologyMissing"]) == (False, ["origin"])
    assert (await world.runbook())["way"] == "origin-unknown"
    world.show(world.record("INITIAL_SYNC", sourceCloudProperties={"originRegion": "us-east-1"}))
    await world.sync()
    assert _origin(world.topology()) == {"originalSourceRegion": "us-east-1", "originEnvironment": "AWS"}
    world.show(world.record(**IN_AWS))
    await world.sync()
    topology = world.topology()
    assert (_origin(topology), topology["originalHostname"]) == (ORIGIN, "app-1")
    assert (_origin(world.item()), world.item()["topologyComplete"]) == (ORIGIN, True)
    assert "topologyHistory" not in topology
    assert topology["captureMethod"] == "first_sight"
    elsewhere = {"awsInstanceID": "i-0a44444444444444a", "hostname": "other"}
    world.show(world.record(sourceProperties={"identificationHints": elsewhere}, sourceCloudProperties=CLOUD))
    await world.sync()
    after = world.topology()
    assert [entry["event"] for entry in after.pop("topologyHistory")] == ["moved"]
    assert after == topology


@pytest.mark.parametrize("moved", [False, True])
async def test_a_guess_of_an_earlier_version_is_corrected_although_the_server_is_unchanged(
    world: World,
    moved: bool,  # noqa: FBT001
) -> None:
    world.show(world.record(**IN_AWS))
    await world.sync()
    whole, item = world.topology(), world.item()
    entry = {
        "event": "moved",
        "at": "2026-11-23T05:00:00.000000+00:00",
        "instanceId": A1,
        "sourceRegion": "us-east-1",
        "availabilityZone": "us-east-1a",
        "sourceAccountId": "111111111111",
    }
    world.store_as_guess(history=[entry] if moved else None)
    assert world.item()["contentHash"] == item["contentHash"]
    assert (await world.runbook())["way"] == "nothing-to-do"  # DRS was read: it came from AWS, and nothing is launched
    report = await world.sync()
    assert (report["serversWritten"], report["serversUnchanged"]) == (0, 1)
    assert _origin(world.topology()) == _origin(world.item()) == _origin(whole) == ORIGIN
    assert world.item()["topologyComplete"] is True


async def test_two_runs_at_once_fill_an_origin_from_one_report(world: World) -> None:
    world.show(world.record("INITIATING"))
    await world.sync()
    world.show(world.record(**IN_AWS))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(world.sync)
    topology = world.topology()
    assert (_origin(topology), _origin(world.item())) == (ORIGIN, ORIGIN)
    assert "topologyHistory" not in topology


async def test_an_unknown_origin_is_warned_of_once_drs_describes_the_machine(world: World) -> None:
    codes = []
    records = (
        world.record("INITIATING"),
        world.record("INITIATING", agentVersion="6.2"),
        world.record(**PHYSICAL),
        world.record("BACKLOG", **PHYSICAL),
        world.record(**PHYSICAL),
    )
    for record in records:
        world.show(record)
        codes.append([each["code"] for each in (await world.sync())["warnings"]])
    assert codes == [[], [], ["TopologyIncomplete"], [], []]


async def test_a_machine_of_unknown_origin_is_not_on_premises_until_the_recovery_instance_says_so(world: World) -> None:
    world.show(world.record(**PHYSICAL))
    (warning,) = (await world.sync())["warnings"]
    assert warning["code"] == "TopologyIncomplete"
    assert world.drs.calls[world.a, "DescribeRecoveryInstances"] == 0
    running = {"ec2InstanceID": B3, "ec2InstanceState": "RUNNING"}
    world.show(world.record("STALLED", **PHYSICAL, **RECOVERED), running)
    assert (await world.sync())["warnings"] == []
    body = await world.runbook()
    assert body["way"] == "origin-unknown"
    commands = [command for step in body["steps"] for command in step["commands"]]
    assert any("describe-recovery-instances" in command and "originEnvironment" in command for command in commands)
    assert not [command for command in commands if "describe-" not in command]
    world.show(world.record("STALLED", **PHYSICAL, **RECOVERED), {**running, "originEnvironment": "ON_PREMISES"})
    assert (await world.runbook())["way"] == "failback-client"  # DRS was read for this answer
    assert "originEnvironment" not in world.topology()
    await world.sync()
    assert world.topology()["originEnvironment"] == world.item()["originEnvironment"] == "ON_PREMISES"
    assert world.item()["topologyComplete"] is True
    world.show(world.record("STALLED", **PHYSICAL, **RECOVERED), {**running, "originEnvironment": "AWS"})
    await world.sync()
    assert world.drs.calls[world.a, "DescribeRecoveryInstances"] == 0
    assert world.topology()["originEnvironment"] == "ON_PREMISES"
    assert (await world.runbook())["way"] == "origin-unknown"  # the two contradict each other


@pytest.mark.parametrize(
    ("state", "way"),
    [
        ("RUNNING", "reverse-replication"),
        ("STOPPED", "reinstall-as-recovery-instance"),
        ("SHUTTING-DOWN", "launch-new-recovery"),
        ("TERMINATED", "launch-new-recovery"),
        ("NOT_FOUND", "launch-new-recovery"),
    ],
)
async def test_a_recovered_machine_that_is_gone_is_launched_again(world: World, state: str, way: str) -> None:
    instance = {"ec2InstanceID": B3, "ec2InstanceState": state, "originEnvironment": "AWS"}
    world.show(world.record("STALLED", **IN_AWS, **RECOVERED), instance)
    await world.sync()
    body = await world.runbook(A1)
    assert body["way"] == way
    commands = " ".join(command for step in body["steps"] for command in step["commands"])
    assert ("installer" in commands) is (way == "reinstall-as-recovery-instance")
    assert (f"start-recovery --source-servers sourceServerID={SERVER}" in commands) is (way == "launch-new-recovery")


def _extended(world: World) -> dict[str, Any]:
    area = {"status": "EXTENDED", "stagingAccountID": world.s, "stagingSourceServerArn": world.arn(world.s, STAGED)}
    return world.record(**IN_AWS, stagingArea=area)


async def test_an_extended_server_has_its_template_read_with_the_role_of_the_staging_account(world: World) -> None:
    world.show(_extended(world))
    assert (await world.sync())["warnings"] == []
    assert (f"arn:aws:iam::{world.s}:role/reader-of-staging", "id-of-staging") in world.drs.roles
    for item in (world.topology(), world.item()):
        assert item["originalReplicationConfigurationTemplateId"] == f"rct-{world.s}"
    assert world.item()["topologyComplete"] is True
    assert world.drs.calls[world.a, TEMPLATES] == 0
    await world.sync()
    assert world.drs.calls[world.s, TEMPLATES] == world.drs.calls[world.a, "GetReplicationConfiguration"] == 0


@pytest.mark.parametrize("operation", ["AssumeRole", TEMPLATES])
async def test_a_template_that_cannot_be_read_is_told_and_not_called_complete(world: World, operation: str) -> None:
    world.show(_extended(world))
    world.drs.denied = {(world.s, operation)}
    for _ in range(2):
        (warning,) = (await world.sync())["warnings"]
        assert (warning["accountId"], warning["operation"]) == (world.s, operation)
        assert f"account {world.s}" in warning["advice"]
        assert world.drs.calls[world.s, TEMPLATES] <= 1
        item = world.item()
        assert (item["topologyComplete"], item["topologyMissing"]) == (False, ["template"])
        assert world.topology()["originalReplicationConfiguration"]["stagingAreaSubnetId"] == "subnet-1"
    world.drs.denied = set()
    assert (await world.sync())["warnings"] == []
    assert world.item()["topologyComplete"] is True


async def test_a_configuration_that_the_target_does_not_have_is_read_where_the_server_replicates(world: World) -> None:
    world.show(_extended(world))
    own = world.drs.configurations.pop(f"{world.a}/{SERVER}")
    world.drs.configurations[f"{world.s}/{STAGED}"] = {**own, "sourceServerID": STAGED}
    assert (await world.sync())["warnings"] == []
    assert world.topology()["originalReplicationConfiguration"]["sourceServerID"] == STAGED
    assert world.item()["topologyComplete"] is True


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": [None]}, {"items": [5]}])
@pytest.mark.parametrize("operation", ["DescribeSourceServers", "DescribeRecoveryInstances"])
async def test_an_odd_answer_is_a_problem_and_not_an_absence(world: World, operation: str, body: Any) -> None:
    instance = {"ec2InstanceID": B3, "ec2InstanceState": "RUNNING", "originEnvironment": "AWS"}
    world.show(world.record("STALLED", **IN_AWS, **RECOVERED), instance)
    await world.sync()
    world.drs.answers[operation] = answer(body or b"{}")
    body = await world.runbook()
    (note,) = body["facts"]["notes"]
    assert "MalformedResponse" in note
    assert (body["way"], body["facts"]["forward"]["live"]) == ("reverse-replication", False)
