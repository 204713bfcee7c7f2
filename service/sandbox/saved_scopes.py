"""Saved scopes: what DRS and EC2 hold in one account and region, to the letter, as an export has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, NaiveDatetime

from service.sandbox.faults import AccountId, RegionName, Strict

__all__ = [
    "NOT_SAVED",
    "Numbers",
    "SavedInstance",
    "SavedJob",
    "SavedNetwork",
    "SavedRecoveryInstance",
    "SavedRecoveryPlan",
    "SavedScope",
    "SavedServer",
]

NOT_SAVED: Final = (
    "jobs in progress",
    "executions of recovery plans, and by how much the clock of DRS was moved",
    "rows of tables, beyond those that the fleet declares",
    "sessions of roles, call counts, recorded invocations, and which declared failures have happened",
    "roles, stacks, functions and whatever else was created through other services than DRS",
    "attributes of EC2 instances other than id, address, zone, type, state, tags and launch time; volumes and networks",
)
"""What an export does not have; the document says so itself."""

_SERVER_MEMBERS: Final = ("sourceServerID", "arn", "tags", "stagingArea", "lifeCycle", "sourceProperties")


def _with_members(record: Mapping[str, Any], members: tuple[str, ...]) -> Mapping[str, Any]:
    missing = [name for name in members if name not in record]
    if missing:
        raise ValueError(f"the record has no {missing[0]}. Fix: give it whole, as an export has it")
    return record


def _server_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    _with_members(record.get("dataReplicationInfo") or {}, ("dataReplicationState",))
    return _with_members(record, _SERVER_MEMBERS)


def _recovery_instance_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return _with_members(record, ("recoveryInstanceID", "arn", "sourceServerID", "failback", "dataReplicationInfo"))


def _job_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return _with_members(record, ("jobID", "arn", "status", "creationDateTime", "participatingServers"))


def _template_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return _with_members(record, ("replicationConfigurationTemplateID", "arn"))


def _launch_template_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return _with_members(record, ("launchConfigurationTemplateID", "arn", "tags", "launchIntoSourceInstance"))


def _network_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    origin = ("sourceVpcID", "sourceAccountID", "sourceRegion")
    return _with_members(record, ("sourceNetworkID", "arn", "tags", "replicationStatus", *origin))


def _plan_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return _with_members(record, ("recoveryPlanArn", "name", "status", "tags"))


def _step_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return _with_members(record, ("recoveryPlanStepArn", "stepName", "stepOrder", "configuration"))


class SavedServer(Strict):
    """Source server: its record and configurations in wire format."""

    record: Annotated[Mapping[str, Any], AfterValidator(_server_record)]
    replication_configuration: Mapping[str, Any]
    launch_configuration: Mapping[str, Any]
    snapshots: tuple[Mapping[str, Any], ...] = ()
    next_states: tuple[str, ...] = Field((), description="states that its replication will still pass through")


class SavedRecoveryInstance(Strict):
    """Recovery instance: its record in wire format, and its failback."""

    record: Annotated[Mapping[str, Any], AfterValidator(_recovery_instance_record)]
    failback_configuration: Mapping[str, Any]
    reversed_arn: str | None = Field(None, description="source server that replicates it back")
    next_states: tuple[str, ...] = ()


class SavedJob(Strict):
    """Completed job: its record and log in wire format."""

    record: Annotated[Mapping[str, Any], AfterValidator(_job_record)]
    log: tuple[Mapping[str, Any], ...] = ()


class SavedNetwork(Strict):
    """Source network: its record in wire format, and the newest template of its VPC, which is not saved itself."""

    record: Annotated[Mapping[str, Any], AfterValidator(_network_record)]
    template: Mapping[str, Any] | None = None


class SavedRecoveryPlan(Strict):
    """Recovery plan: its record and those of its steps, in their order, in wire format."""

    record: Annotated[Mapping[str, Any], AfterValidator(_plan_record)]
    steps: tuple[Annotated[Mapping[str, Any], AfterValidator(_step_record)], ...] = ()


class SavedInstance(Strict):
    """EC2 instance."""

    instance_id: str
    private_ip: str
    zone: str
    instance_type: str
    launched_at: NaiveDatetime
    state: Literal["running", "stopped", "terminated"] = "running"
    tags: Mapping[str, str] = {}


class Numbers(Strict):
    """Numbers given last to what is generated in a scope; they make names and ids."""

    servers: int = Field(0, ge=0)
    instances: int = Field(0, ge=0, description="EC2 instances that are no source servers")
    extensions: int = Field(0, ge=0)


class SavedScope(Strict):
    """What an account has in a region. Lists are in the order in which DRS shows them, oldest first."""

    account_id: AccountId
    region: RegionName
    initialized: bool = Field(default=False, description="DRS is initialized")
    numbers: Numbers = Numbers()
    trusted_accounts: tuple[AccountId, ...] = Field((), description="accounts that may extend servers of this one")
    templates: tuple[Annotated[Mapping[str, Any], AfterValidator(_template_record)], ...] = ()
    launch_templates: tuple[Annotated[Mapping[str, Any], AfterValidator(_launch_template_record)], ...] = ()
    launch_actions: Mapping[str, tuple[Mapping[str, Any], ...]] = Field({}, description="by server or launch template")
    source_networks: tuple[SavedNetwork, ...] = ()
    servers: tuple[SavedServer, ...] = ()
    recovery_instances: tuple[SavedRecoveryInstance, ...] = ()
    jobs: tuple[SavedJob, ...] = ()
    recovery_plans: tuple[SavedRecoveryPlan, ...] = ()
    instances: tuple[SavedInstance, ...] = Field((), description="EC2 instances")
