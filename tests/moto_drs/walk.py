"""A walk that calls every operation of DRS with success: protection, drill, failback, networks, a recovery plan.

It is a generator of calls that takes each response, so that every client can play it: boto3, aiobotocore, the AWS CLI.
What has no API operation (an agent that registers, a Failback Client, time that passes) is done to the backend.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.sandbox.moto_drs.models import DRSBackend

__all__ = ["Call", "Walk", "World", "walk"]

ACTION_ID: Final = "0f1e2d3c-4b5a-4697-8887-96a5b4c3d2e1"
_PIT_POLICY: Final = [
    {"units": "MINUTE", "interval": 10, "retentionDuration": 60},
    {"units": "HOUR", "interval": 1, "retentionDuration": 24},
    {"units": "DAY", "interval": 1, "retentionDuration": 3},
]


@dataclass(frozen=True)
class Call:
    """An operation and its parameters."""

    operation: str
    params: Mapping[str, Any]


Walk = Generator[Call, dict[str, Any], None]


@dataclass(frozen=True)
class World:
    """What a walk needs.

    Attributes:
        backend: of a new account and region; only `advance` moves it on.
        origin: of the account and region where its servers are EC2 instances, initialised.
        staging: of another account in the region, that it may extend servers of.
        vpc_id: a VPC of the account and region of origin.
        bucket: a bucket of the account.
    """

    backend: DRSBackend
    origin: DRSBackend
    staging: DRSBackend
    vpc_id: str
    bucket: str

    @property
    def cloud(self) -> dict[str, str]:
        return {"originAccountID": self.origin.account_id, "originRegion": self.origin.region_name}

    def advance(self, steps: int = 3) -> None:
        for _ in range(steps):
            self.backend.advance()


def walk(world: World) -> Walk:
    """Call every operation at least once."""
    yield Call("InitializeService", {})
    yield from _settings(world)
    yield from _servers(world)
    yield from _staging(world)
    yield from _recovery(world)
    yield from _failback(world)
    yield from _networks(world)
    yield from _plan(world)
    yield from _end(world)


def _settings(world: World) -> Walk:
    created = yield Call(
        "CreateReplicationConfigurationTemplate",
        {
            "stagingAreaSubnetId": "subnet-0123456789abcdef0",
            "replicationServersSecurityGroupsIDs": [],
            "ebsEncryption": "DEFAULT",
            "bandwidthThrottling": 0,
            "stagingAreaTags": {},
            "pitPolicy": _PIT_POLICY,
        },
    )
    template = {"replicationConfigurationTemplateID": created["replicationConfigurationTemplateID"]}
    yield Call("UpdateReplicationConfigurationTemplate", {**template, "bandwidthThrottling": 100})
    listed = yield Call("DescribeReplicationConfigurationTemplates", {})
    assert [each["bandwidthThrottling"] for each in listed["items"]] == [100]
    yield Call("DeleteReplicationConfigurationTemplate", template)

    created = yield Call("CreateLaunchConfigurationTemplate", {"copyTags": True})
    launch = {"launchConfigurationTemplateID": created["launchConfigurationTemplate"]["launchConfigurationTemplateID"]}
    bucket = f"arn:aws:s3:::{world.bucket}"
    yield Call("UpdateLaunchConfigurationTemplate", {**launch, "copyTags": False, "exportBucketArn": bucket})
    listed = yield Call("DescribeLaunchConfigurationTemplates", {})
    assert [each["exportBucketArn"] for each in listed["items"]] == [bucket]


def _servers(world: World) -> Walk:
    cloud = {"sourceCloudProperties": {**world.cloud, "originAvailabilityZone": f"{world.origin.region_name}a"}}
    added = [world.backend.add_source_server(cloud if number else {}) for number in range(4)]
    listed = yield Call("DescribeSourceServers", {"filters": {}, "maxResults": 200})
    ids = [each["sourceServerID"] for each in listed["items"]]
    assert ids == [each.source_server_id for each in added]

    last = {"sourceServerID": ids[-1]}
    yield Call("UpdateReplicationConfiguration", {**last, "bandwidthThrottling": 50})
    configuration = yield Call("GetReplicationConfiguration", last)
    assert configuration["bandwidthThrottling"] == 50
    yield Call("UpdateLaunchConfiguration", {**last, "launchDisposition": "STOPPED", "postLaunchEnabled": True})
    configuration = yield Call("GetLaunchConfiguration", last)
    assert configuration["launchDisposition"] == "STOPPED"

    action = {"resourceId": ids[-1], "actionId": ACTION_ID}
    yield Call(
        "PutLaunchAction",
        {
            **action,
            "actionCode": "AWSMigration-VerifyMountedVolumes",
            "order": 1001,
            "optional": True,
            "active": True,
            "name": "Verify volumes",
            "actionVersion": "1",
            "category": "VALIDATION",
            "description": "Looks at the disks.",
        },
    )
    actions = yield Call("ListLaunchActions", {"resourceId": ids[-1]})
    assert [each["actionId"] for each in actions["items"]] == [ACTION_ID]
    yield Call("DeleteLaunchAction", action)

    arn = {"resourceArn": listed["items"][-1]["arn"]}
    yield Call("TagResource", {**arn, "tags": {"Team": "retail", "Cost": "44/11"}})
    yield Call("UntagResource", {**arn, "tagKeys": ["Cost"]})
    tags = yield Call("ListTagsForResource", arn)
    assert tags["tags"] == {"Team": "retail"}

    stopped = yield Call("StopReplication", last)
    assert stopped["sourceServer"]["dataReplicationInfo"]["dataReplicationState"] == "STOPPED"
    yield Call("StartReplication", last)
    world.advance()
    yield Call("RetryDataReplication", last)


def _staging(world: World) -> Walk:
    world.staging.trust(world.backend.account_id)
    arn = world.staging.add_source_server({}).arn
    listed = yield Call("ListExtensibleSourceServers", {"stagingAccountID": world.staging.account_id})
    assert [each["arn"] for each in listed["items"]] == [arn]
    created = yield Call("CreateExtendedSourceServer", {"sourceServerArn": arn})
    assert created["sourceServer"]["stagingArea"]["status"] == "EXTENDED"
    accounts = yield Call("ListStagingAccounts", {})
    assert accounts["accounts"] == [{"accountID": world.staging.account_id}]
    yield Call("DeleteSourceServer", {"sourceServerID": created["sourceServer"]["sourceServerID"]})


def _recovery(world: World) -> Walk:
    server_id = next(iter(world.backend.source_servers))
    snapshots = yield Call("DescribeRecoverySnapshots", {"sourceServerID": server_id})
    entry = {"sourceServerID": server_id, "recoverySnapshotID": snapshots["items"][0]["snapshotID"]}
    started = yield Call("StartRecovery", {"sourceServers": [entry], "isDrill": True})
    world.advance()
    job = {"jobID": started["job"]["jobID"]}
    jobs = yield Call("DescribeJobs", {"filters": {"jobIDs": [job["jobID"]]}})
    assert jobs["items"][0]["participatingServers"][0]["launchStatus"] == "LAUNCHED"
    log = yield Call("DescribeJobLogItems", job)
    assert (log["items"][0]["event"], log["items"][-1]["event"]) == ("JOB_START", "JOB_END")

    instances = yield Call("DescribeRecoveryInstances", {})
    instance = {"recoveryInstanceID": instances["items"][0]["recoveryInstanceID"]}
    yield Call("UpdateFailbackReplicationConfiguration", {**instance, "bandwidthThrottling": 10})
    configuration = yield Call("GetFailbackReplicationConfiguration", instance)
    assert configuration["bandwidthThrottling"] == 10
    world.backend.connect_failback_client(instance["recoveryInstanceID"])
    yield Call("StopFailback", instance)
    world.backend.connect_failback_client(instance["recoveryInstanceID"])
    world.advance(4)
    launched = yield Call("StartFailbackLaunch", {"recoveryInstanceIDs": [instance["recoveryInstanceID"]]})
    world.advance()
    yield Call("DeleteJob", {"jobID": launched["job"]["jobID"]})
    yield Call("DisconnectRecoveryInstance", instance)
    yield Call("DeleteRecoveryInstance", instance)


def _failback(world: World) -> Walk:
    _, server_id, terminated_id, _ = world.backend.source_servers
    servers = [{"sourceServerID": each} for each in (server_id, terminated_id)]
    yield Call("StartRecovery", {"sourceServers": servers})
    world.advance()
    instance_ids = {
        each.source_server_id: instance_id for instance_id, each in world.backend.recovery_instances.items()
    }
    yield Call("TerminateRecoveryInstances", {"recoveryInstanceIDs": [instance_ids[terminated_id]]})
    world.advance()
    reversed_ = yield Call("ReverseReplication", {"recoveryInstanceID": instance_ids[server_id]})
    assert f":{world.origin.region_name}:{world.origin.account_id}:" in reversed_["reversedDirectionSourceServerArn"]


def _networks(world: World) -> Walk:
    created = yield Call("CreateSourceNetwork", {"vpcID": world.vpc_id, **world.cloud})
    network = {"sourceNetworkID": created["sourceNetworkID"]}
    yield Call("StartSourceNetworkReplication", network)
    world.advance()
    yield Call("StartSourceNetworkRecovery", {"sourceNetworks": [{**network, "cfnStackName": "recovered"}]})
    world.advance()
    described = yield Call("DescribeSourceNetworks", {"filters": {"sourceNetworkIDs": [network["sourceNetworkID"]]}})
    assert described["items"][0]["lastRecovery"]["lastRecoveryResult"] == "SUCCESS"
    yield Call("AssociateSourceNetworkStack", {**network, "cfnStackName": "recovered"})
    world.advance()
    exported = yield Call("ExportSourceNetworkCfnTemplate", network)
    assert world.bucket in exported["s3DestinationUrl"]
    yield Call("StopSourceNetworkReplication", network)
    yield Call("DeleteSourceNetwork", network)


def _plan(world: World) -> Walk:
    databases, *_, shop = [each.arn for each in world.backend.source_servers.values()]
    created = yield Call("CreateRecoveryPlan", {"name": "Retail"})
    plan = {"recoveryPlanArn": created["recoveryPlan"]["recoveryPlanArn"]}
    steps = []
    for name, configuration in (
        ("Shop", {"serverStepConfiguration": {"servers": [{"serverArn": shop}]}}),
        ("Databases", {"serverStepConfiguration": {"servers": [{"serverArn": databases}]}}),
        ("Settle", {"waitStepConfiguration": {"waitDurationMinutes": 5}}),
        ("Mistake", {"waitStepConfiguration": {"waitDurationMinutes": 1}}),
    ):
        step = yield Call("CreateRecoveryPlanStep", {**plan, "stepName": name, "configuration": configuration})
        steps.append(step["recoveryPlanStep"]["recoveryPlanStepArn"])
    yield Call("DeleteRecoveryPlanStep", {"recoveryPlanStepArn": steps.pop()})
    shop_step, databases_step, settle_step = steps
    yield Call("ReorderRecoveryPlanSteps", {**plan, "orderedStepArns": [databases_step, settle_step, shop_step]})
    yield Call("UpdateRecoveryPlanStep", {"recoveryPlanStepArn": settle_step, "stepName": "Let them settle"})
    named = yield Call("GetRecoveryPlanStep", {"recoveryPlanStepArn": settle_step})
    assert (named["recoveryPlanStep"]["stepName"], named["recoveryPlanStep"]["stepOrder"]) == ("Let them settle", 2)
    listed = yield Call("ListRecoveryPlanSteps", plan)
    assert [each["stepName"] for each in listed["recoveryPlanSteps"]] == ["Databases", "Let them settle", "Shop"]
    yield Call("UpdateRecoveryPlan", {**plan, "description": "Databases first"})
    got = yield Call("GetRecoveryPlan", plan)
    assert got["recoveryPlan"]["status"] == "ACTIVE"
    plans = yield Call("ListRecoveryPlans", {})
    assert [each["name"] for each in plans["recoveryPlans"]] == ["Retail"]
    yield from _execution(world, plan, failing_server=databases)
    yield Call("DeleteRecoveryPlan", plan)


def _execution(world: World, plan: Mapping[str, Any], *, failing_server: str) -> Walk:
    """Execute the plan: its first step fails and is retried, its second is skipped, and the rest is cancelled."""
    yield Call("StopReplication", {"sourceServerID": failing_server.rpartition("/")[2]})
    started = yield Call("StartRecoveryPlanExecution", {**plan, "mode": "DRILL"})
    execution = {"recoveryPlanExecutionArn": started["recoveryPlanExecution"]["recoveryPlanExecutionArn"]}
    world.advance(4)
    got = yield Call("GetRecoveryPlanExecution", execution)
    assert got["recoveryPlanExecution"]["status"] == "FAILED"
    listed = yield Call("ListRecoveryPlanExecutionSteps", execution)
    first, second, _ = [each["recoveryPlanExecutionStepArn"] for each in listed["recoveryPlanExecutionSteps"]]
    yield Call("UpdateRecoveryPlanExecutionStep", {"recoveryPlanExecutionStepArn": second, "status": "SKIPPED"})
    yield Call("RetryRecoveryPlanExecutionStep", {"recoveryPlanExecutionStepArn": first})
    retried = yield Call("GetRecoveryPlanExecutionStep", {"recoveryPlanExecutionStepArn": first})
    assert retried["recoveryPlanExecutionStep"]["attempt"] == 2
    cancelled = yield Call("CancelRecoveryPlanExecution", execution)
    assert cancelled["recoveryPlanExecution"]["status"] in {"CANCELLING", "CANCELLED"}
    world.advance(4)
    executions = yield Call("ListRecoveryPlanExecutions", plan)
    assert [each["status"] for each in executions["recoveryPlanExecutions"]] == ["CANCELLED"]
    yield Call("DeleteRecoveryPlanExecution", execution)


def _end(world: World) -> Walk:
    server_id = [*world.backend.source_servers][-1]
    world.advance()
    disconnected = yield Call("DisconnectSourceServer", {"sourceServerID": server_id})
    assert disconnected["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED"
    yield Call("DeleteSourceServer", {"sourceServerID": server_id})
    (template_id,) = world.backend.launch_templates
    yield Call("DeleteLaunchConfigurationTemplate", {"launchConfigurationTemplateID": template_id})
