"""EC2 instances of a fleet: those of source servers, and further ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from moto.ec2.models import ec2_backends

from service.sandbox.fleet_models import Instance
from service.sandbox.server_plans import InstanceLocation, ServerPlan

__all__ = ["run_further_instances", "run_instances_of"]

_IMAGE_ID: Final = "ami-12c6146b"  # an image that moto has
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "replication": "AWS Elastic Disaster Recovery Replication Server",
        "conversion": "AWS Elastic Disaster Recovery Conversion Server",
    }
)


def run_instances_of(plans: Sequence[ServerPlan]) -> dict[int, Any]:
    """Run the EC2 instances of planned servers, one call per location; returns them by server number."""
    by_location: dict[InstanceLocation, list[ServerPlan]] = defaultdict(list)
    for plan in plans:
        if plan.origin:
            by_location[plan.origin].append(plan)
    instances: dict[int, Any] = {}
    for location, group in by_location.items():
        launched = _run(location, len(group))
        for plan, instance in zip(group, launched, strict=True):
            ec2_backends[location.account_id][location.region].create_tags([instance.id], dict(plan.tags))
            instances[plan.number] = instance
    return instances


def run_further_instances(account_id: str, region: str, instances: Sequence[Instance]) -> None:
    """Run declared EC2 instances that are not source servers, and bring them into their states."""
    if not instances:
        return
    backend = ec2_backends[account_id][region]
    launched = _run(InstanceLocation(account_id, region, f"{region}a"), len(instances))
    by_state: dict[str, list[str]] = defaultdict(list)
    for number, (declared, instance) in enumerate(zip(instances, launched, strict=True), start=1):
        backend.create_tags([instance.id], _tags(declared, number))
        by_state[declared.state].append(instance.id)
    if by_state["stopped"]:
        backend.stop_instances(by_state["stopped"])
    if by_state["terminated"]:
        backend.terminate_instances(by_state["terminated"])


def _tags(declared: Instance, number: int) -> dict[str, str]:
    name = declared.name or _NAMES.get(declared.launched_by_drs or "", f"other-{number:04d}")
    managed = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"} if declared.launched_by_drs else {}
    return {"Name": name, **managed, **declared.tags}


def _run(location: InstanceLocation, count: int) -> list[Any]:
    reservation = ec2_backends[location.account_id][location.region].run_instances(
        _IMAGE_ID,
        count,
        None,
        [],
        is_instance_type_default=True,
        instance_type="m5.large",
        placement=location.availability_zone,
        region_name=location.region,
    )
    instances: list[Any] = reservation.instances
    return instances
