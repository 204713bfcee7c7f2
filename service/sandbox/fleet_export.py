"""Export of a running fleet as a fleet document, and the way back: restoration of the scopes that it saved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

from service.sandbox.ec2_instances import PlannedInstance, run_instances
from service.sandbox.faults import Faults
from service.sandbox.fleet_models import Account, Fleet
from service.sandbox.moto_drs.launch import LaunchConfigurationTemplate
from service.sandbox.moto_drs.network_replication import SourceNetwork
from service.sandbox.moto_drs.plans import RecoveryPlan, RecoveryPlanStep
from service.sandbox.moto_drs.records import Job, RecoveryInstance, ReplicationConfigurationTemplate, SourceServer
from service.sandbox.saved_scopes import NOT_SAVED, SavedScope

__all__ = ["DRS_MEMBERS", "exported", "restore_drs", "restore_instances", "saved_drs", "saved_instances"]

_EC2_STATES: Final = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}
DRS_MEMBERS: Final = frozenset(SavedScope.model_fields) - {"account_id", "region", "numbers", "instances"}
"""Members of a saved scope that are for DRS."""
Members = dict[str, Any]


def exported(fleet: Fleet, faults: Faults, scopes: Iterable[SavedScope]) -> Members:
    """Return the document of a fleet with other faults and the contents of scopes. Loaded, it is that fleet. Pure."""
    saved = list(scopes)
    initialized = {(each.account_id, each.region) for each in saved if each.initialized}
    return {
        **_members(fleet, exclude={"accounts", "faults", "saved", "not_saved"}),
        "accounts": [_account(each, initialized) for each in fleet.accounts],
        "faults": _members(faults),
        "saved": [_members(each) for each in saved],
        "not_saved": list(NOT_SAVED),
    }


def _members(model: Any, exclude: set[str] | None = None) -> Members:  # noqa: ANN401  (any of our models)
    members: Members = model.model_dump(mode="json", exclude=exclude, exclude_defaults=True, by_alias=True)
    return members


def _account(account: Account, initialized: Collection[tuple[str, str]]) -> Members:
    members = _members(account, exclude={"regions", "instances", "regions_off"})
    regions = sorted(region for account_id, region in initialized if account_id == account.account_id)
    return {
        **members,
        **({"regions_off": sorted(account.regions_off)} if account.regions_off else {}),
        **({"regions": {region: {"templates": 0} for region in regions}} if regions else {}),
    }


def saved_drs(backend: Any) -> Members:  # noqa: ANN401  (moto is untyped)
    """Return the members of a saved scope for what DRS has; none if it has nothing."""
    members = {
        "initialized": backend.initialized,
        "trusted_accounts": sorted(backend.trusted_accounts),
        "templates": [each.record for each in backend.templates.values()],
        "launch_templates": [each.record for each in backend.launch_templates.values()],
        "launch_actions": {name: list(each.values()) for name, each in backend.launch_actions.items() if each},
        "source_networks": [_network(each) for each in backend.source_networks.values()],
        "servers": [_server(each) for each in backend.source_servers.values()],
        "recovery_instances": [_recovery_instance(each) for each in backend.recovery_instances.values()],
        "jobs": [
            {"record": each.record, "log": each.log_items} for each in backend.jobs.values() if not each.is_active
        ],
        "recovery_plans": [
            {"record": each.record, "steps": [step.record for step in each.steps]}
            for each in backend.recovery_plans.values()
        ],
    }
    return {name: value for name, value in members.items() if value}


def _network(network: SourceNetwork) -> Members:
    return {"record": network.record, "template": network.newest_template()}


def _server(server: SourceServer) -> Members:
    return {
        "record": server.record,
        "replication_configuration": server.replication_configuration,
        "launch_configuration": server.launch_configuration,
        "snapshots": server.snapshots,
        "next_states": server.next_states,
    }


def _recovery_instance(instance: RecoveryInstance) -> Members:
    return {
        "record": instance.record,
        "failback_configuration": instance.failback_configuration,
        "reversed_arn": instance.reversed_arn,
        "next_states": instance.next_states,
    }


def saved_instances(backend: Any) -> Members:  # noqa: ANN401  (moto is untyped)
    """Return the members of a saved scope for the instances that EC2 has; none if it has none."""
    instances = [
        {
            "instance_id": each.id,
            "private_ip": each.private_ip,
            "zone": each.availability_zone,
            "instance_type": each.instance_type,
            "launched_at": each.launch_time,
            "state": _EC2_STATES.get(each.state, each.state),
            "tags": dict(backend.tags.get(each.id, {})),
        }
        for reservation in backend.reservations.values()
        for each in reservation.instances
    ]
    return {"instances": instances} if instances else {}


def restore_drs(saved: SavedScope, backend: Any) -> None:  # noqa: ANN401  (moto is untyped)
    """Put what was saved into DRS as it was, without the defaults of new servers."""
    backend.initialized = saved.initialized
    backend.trusted_accounts = set(saved.trusted_accounts)
    for template in map(ReplicationConfigurationTemplate, _copies(saved.templates)):
        backend.templates[template.template_id] = template
    for launch_template in map(LaunchConfigurationTemplate, _copies(saved.launch_templates)):
        backend.launch_templates[launch_template.template_id] = launch_template
    for resource_id, actions in saved.launch_actions.items():
        backend.launch_actions[resource_id] = {each["actionId"]: each for each in _copies(actions)}
    for kept in saved.source_networks:
        network = SourceNetwork(deepcopy(dict(kept.record)))
        network.template = deepcopy(dict(kept.template)) if kept.template else None
        backend.source_networks[network.network_id] = network
    for each in saved.servers:
        server = SourceServer(*_copies((each.record, each.replication_configuration, each.launch_configuration)))
        server.snapshots, server.next_states = _copies(each.snapshots), list(each.next_states)
        backend.source_servers[server.source_server_id] = server
        if server.staging_arn is not None:
            backend.extended.setdefault(server.staging_arn, {})[server.source_server_id] = server
    for machine in saved.recovery_instances:
        instance = RecoveryInstance(deepcopy(dict(machine.record)))
        instance.failback_configuration = deepcopy(dict(machine.failback_configuration))
        instance.reversed_arn, instance.next_states = machine.reversed_arn, list(machine.next_states)
        backend.recovery_instances[instance.instance_id] = instance
    for done in saved.jobs:
        job = Job(deepcopy(dict(done.record)), begin=_never, finish=_never)
        job.log_items = _copies(done.log)
        backend.jobs[job.job_id] = job
    for planned in saved.recovery_plans:
        plan = RecoveryPlan(deepcopy(dict(planned.record)))
        plan.steps = [RecoveryPlanStep(plan, record) for record in _copies(planned.steps)]
        backend.recovery_plans[plan.arn] = plan
        backend.recovery_plan_steps.update((step.arn, step) for step in plan.steps)


def _copies(records: Iterable[Mapping[str, Any]]) -> list[Members]:
    return [deepcopy(dict(each)) for each in records]


def _never(job: Job) -> None:
    """Take the place of what a completed job has done already."""


def restore_instances(saved: SavedScope, backend: Any) -> None:  # noqa: ANN401  (moto is untyped)
    """Run the EC2 instances that were saved, with their ids."""
    planned = [
        PlannedInstance(
            instance_id=each.instance_id,
            private_ip=each.private_ip,
            tags=each.tags,
            launched_at=each.launched_at,
            zone=each.zone,
            state=each.state,
            instance_type=each.instance_type,
        )
        for each in saved.instances
    ]
    run_instances(backend, planned)
