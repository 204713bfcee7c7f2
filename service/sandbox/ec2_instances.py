"""EC2 instances of a fleet: those of source servers, and further ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from moto.core.utils import utcnow
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.instances import Instance as Ec2Instance
from moto.ec2.models.instances import Reservation
from moto.ec2.utils import random_reservation_id

from service.sandbox.fleet_models import Instance
from service.sandbox.server_plans import InstanceLocation, ServerPlan

__all__ = ["PlannedInstance", "further_instances", "has_zone", "instances_at", "run_instances"]

_IMAGE_ID: Final = "ami-12c6146b"  # an image that moto has
_ROOT_DEVICE: Final = "/dev/sda1"
_ROOT_GIB: Final = 8
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "replication": "AWS Elastic Disaster Recovery Replication Server",
        "conversion": "AWS Elastic Disaster Recovery Conversion Server",
    }
)


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """One EC2 instance to run. Without a zone, it runs in the first one of the region."""

    instance_id: str
    private_ip: str
    tags: Mapping[str, str]
    launched_at: datetime
    zone: str | None = None
    state: str = "running"
    instance_type: str = "m5.large"


def instances_at(
    plans: Iterable[ServerPlan], account_id: str, region: str, launched_at: datetime
) -> list[tuple[PlannedInstance, ...]]:
    """Return the instances of planned servers in an account and region, in one group per availability zone."""
    groups: dict[InstanceLocation, list[PlannedInstance]] = {}
    for plan in plans:
        if plan.origin and (plan.origin.account_id, plan.origin.region) == (account_id, region):
            zone = plan.origin.availability_zone
            planned = PlannedInstance(plan.instance_id, plan.private_ip, plan.tags, launched_at, zone)
            groups.setdefault(plan.origin, []).append(planned)
    return [tuple(group) for group in groups.values()]


def further_instances(
    account_id: str, region: str, instances: Sequence[Instance], launched_at: datetime, *, first: int
) -> tuple[PlannedInstance, ...]:
    """Return declared EC2 instances that are not source servers; their ids are numbered from `first`."""
    planned = []
    for number, declared in enumerate(instances, start=1):
        digest = hashlib.sha256(f"{account_id}/{region}/instance/{first + number}".encode()).hexdigest()
        octets = (int(digest[at : at + 2], 16) for at in (0, 2, 4))
        planned.append(
            PlannedInstance(
                instance_id=f"i-{digest[-17:]}",
                private_ip="10." + ".".join(map(str, octets)),
                tags=_tags(declared, number),
                launched_at=launched_at,
                state=declared.state,
            )
        )
    return tuple(planned)


def has_zone(region: str, zone: str) -> bool:
    """Whether EC2 has an availability zone."""
    return any(each.name == zone for each in RegionsAndZonesBackend.zones.get(region, ()))


def run_instances(backend: Any, planned: Sequence[PlannedInstance]) -> None:  # noqa: ANN401
    """Run instances in one reservation, as moto's `run_instances` does.

    moto chooses the ids itself, and looks through all instances for each volume that it attaches.
    """
    if not planned:
        return
    reservation = Reservation(random_reservation_id(), backend.account_id)
    for index, each in enumerate(planned):
        reservation.instances.append(_launched(backend, each, index))
    backend.reservations[reservation.id] = reservation
    if stopped := [each.instance_id for each in planned if each.state == "stopped"]:
        backend.stop_instances(stopped)
    if terminated := [each.instance_id for each in planned if each.state == "terminated"]:
        backend.terminate_instances(terminated)


def _launched(backend: Any, planned: PlannedInstance, index: int) -> Any:  # noqa: ANN401
    zone = planned.zone or f"{backend.region_name}a"
    instance = Ec2Instance(
        backend,
        _IMAGE_ID,
        None,
        [],
        ami_launch_index=index,
        instance_type=planned.instance_type,
        placement=zone,
        private_ip=planned.private_ip,
        region_name=backend.region_name,
    )
    instance.id, instance.launch_time = planned.instance_id, planned.launched_at
    volume = backend.create_volume(size=_ROOT_GIB, zone_name=zone)
    volume.attachment = VolumeAttachment(volume, instance, _ROOT_DEVICE, "attached")
    instance.block_device_mapping[_ROOT_DEVICE] = BlockDeviceType(
        volume_id=volume.id,
        status=volume.status,
        size=volume.size,
        attach_time=utcnow(),
        delete_on_termination=True,
    )
    backend.create_tags([instance.id], dict(planned.tags))
    return instance


def _tags(declared: Instance, number: int) -> dict[str, str]:
    name = declared.name or _NAMES.get(declared.launched_by_drs or "", f"other-{number:04d}")
    managed = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"} if declared.launched_by_drs else {}
    return {"Name": name, **managed, **declared.tags}
