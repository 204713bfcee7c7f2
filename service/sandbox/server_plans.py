"""Generation of plausible servers, deterministic: a fleet always gets the same names, ids and hardware."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.sandbox.fleet_models import Region, Server

__all__ = ["InstanceLocation", "ServerPlan", "locations_of", "origin_of", "plan_servers", "record_of"]

_ENVIRONMENTS: Final = ("prod", "prod", "prod", "test")
_COST_CENTERS: Final = ("4411", "4412", "5107", "6020", "7003")
# Cores, memory in GiB and first disk in GiB, in the combinations of real instance types.
_HARDWARE: Final = (
    (2, 8, 30, "m6i.large"),
    (4, 16, 60, "m6i.xlarge"),
    (8, 32, 120, "m6i.2xlarge"),
    (2, 4, 20, "c6i.large"),
)
_OPERATING_SYSTEMS: Final = (
    "Linux version 6.1.112-122.189.amzn2023.x86_64",
    "Linux version 5.14.0-427.el9.x86_64",
    "Microsoft Windows Server 2022 Datacenter 10.0.20348",
)
_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class InstanceLocation:
    """Account, region and availability zone of EC2 instances."""

    account_id: str
    region: str
    availability_zone: str


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One server to seed. `origin` is the location of its EC2 instance, or None when it is on premises.

    Ids and addresses come from a digest of account, region, number and host name.
    """

    number: int
    digest: str
    hostname: str
    state: str
    origin: InstanceLocation | None
    tags: Mapping[str, str]
    drs_tags: Mapping[str, str]
    overlay: Mapping[str, Any]

    @property
    def server_id(self) -> str:
        """Id of the source server."""
        return f"s-{self.digest[:17]}"

    @property
    def instance_id(self) -> str:
        """Id of the EC2 instance."""
        return f"i-{self.digest[17:34]}"

    @property
    def private_ip(self) -> str:
        """Address of the EC2 instance, or of the machine on premises."""
        if self.origin is None:
            return f"192.168.{self.number // 250 % 256}.{self.number % 250 + 2}"
        return "10." + ".".join(str(int(self.digest[at : at + 2], 16)) for at in (34, 36, 38))


def origin_of(account_id: str, region_name: str, region: Region, server: Server) -> InstanceLocation:
    """Return the location of a server's EC2 instance; defaults are its own account and another region."""
    own, shared = server.origin, region.origin
    fallback = "us-east-1" if region_name != "us-east-1" else "us-west-2"
    origin_region = (own and own.region) or shared.region or fallback
    zone = (own and own.availability_zone) or (None if own and own.region else shared.availability_zone)
    return InstanceLocation(
        account_id=(own and own.account_id) or shared.account_id or account_id,
        region=origin_region,
        availability_zone=zone or f"{origin_region}a",
    )


def locations_of(account_id: str, region_name: str, region: Region) -> frozenset[InstanceLocation]:
    """Return the locations of all EC2 instances of a region's servers."""
    return frozenset(
        origin_of(account_id, region_name, region, server)
        for server in region.distinct_servers()
        if not server.on_premises
    )


def plan_servers(account_id: str, region_name: str, region: Region, *, first: int) -> list[ServerPlan]:
    """Plan the servers of a region, numbered from `first`, so that servers added later get new names."""
    remaining_tagged = region.tags_in_drs
    weighted_states = [state for state, weight in region.states.items() for _ in range(weight)]
    plans = []
    for number, server in enumerate(region.all_servers(), start=first):
        hostname = server.hostname or f"{region.hostname_prefix}-{number:04d}"
        default_tags = {
            "Name": hostname,
            "Environment": _ENVIRONMENTS[number % len(_ENVIRONMENTS)],
            "CostCenter": _COST_CENTERS[number % len(_COST_CENTERS)],
        }
        digest = hashlib.sha256(f"{account_id}/{region_name}/{number}/{hostname}".encode()).hexdigest()
        tags = {**default_tags, **region.tags, **server.tags}
        copied = tags if remaining_tagged and not server.on_premises else {}
        remaining_tagged -= bool(copied)
        plans.append(
            ServerPlan(
                number=number,
                digest=digest,
                hostname=hostname,
                state=server.state or weighted_states[number % len(weighted_states)],
                origin=None if server.on_premises else origin_of(account_id, region_name, region, server),
                tags=tags,
                drs_tags={**copied, **region.drs_tags, **server.drs_tags},
                overlay=server.record,
            )
        )
    return plans


def record_of(plan: ServerPlan) -> dict[str, Any]:
    """Build the DescribeSourceServers record of a plan; the DRS backend fills in missing members."""
    cores, memory_gib, disk_gib, instance_type = _HARDWARE[plan.number % len(_HARDWARE)]
    domain = "ec2.internal" if plan.origin else "corp.example"
    hints = {"hostname": plan.hostname, "fqdn": f"{plan.hostname}.{domain}"}
    record: dict[str, Any] = {
        "sourceServerID": plan.server_id,
        "tags": dict(plan.drs_tags),
        "dataReplicationInfo": {"dataReplicationState": plan.state},
        "sourceProperties": {
            "identificationHints": {**hints, **_identity(plan)},
            "os": {"fullString": _OPERATING_SYSTEMS[plan.number % len(_OPERATING_SYSTEMS)]},
            "cpus": [{"cores": cores, "modelName": "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"}],
            "ramBytes": memory_gib * _GIB,
            "disks": [{"deviceName": "/dev/nvme0n1", "bytes": disk_gib * _GIB}],
            "networkInterfaces": [
                {"macAddress": _mac_address(plan.digest), "ips": [plan.private_ip], "isPrimary": True}
            ],
            "recommendedInstanceType": instance_type,
        },
    }
    if plan.origin:
        record["sourceCloudProperties"] = {
            "originAccountID": plan.origin.account_id,
            "originRegion": plan.origin.region,
            "originAvailabilityZone": plan.origin.availability_zone,
        }
    return _merged(record, plan.overlay)


def _identity(plan: ServerPlan) -> dict[str, str]:
    if plan.origin:
        return {"awsInstanceID": plan.instance_id}
    digest = plan.digest
    return {"vmWareUuid": f"{digest[:8]}-{digest[8:12]}-4{digest[12:15]}-8{digest[:3]}-{digest[3:15]}"}


def _mac_address(digest: str) -> str:
    return ":".join(["0e", *(digest[at : at + 2] for at in range(0, 10, 2))])


def _merged(record: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two records recursively; lists and scalars of the overlay replace those of the record."""
    merged = dict(record)
    for key, value in overlay.items():
        nested = merged.get(key)
        merged[key] = _merged(nested, value) if isinstance(nested, dict) and isinstance(value, Mapping) else value
    return merged
