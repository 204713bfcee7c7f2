"""Computed estate: any number of equal accounts, none of them stored.

Records and instances follow the examples of the API references. Inventory items are what the engine would have written,
so a sync finds nothing new, which is its steady state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.inventory.moving_values import moving_values
from service.inventory.server import SourceServer, content_hash, instance_facts, parse_server
from service.models import Scope
from service.topology.lineage import server_names
from service.topology.original import capture, inventory_copy

__all__ = ["ROLE", "Estate"]

ROLE: Final = "DRSOrchestrationRole"
_REGIONS: Final = ("us-west-2", "eu-west-1", "us-east-2", "eu-central-1", "ap-southeast-2")
_ORIGIN: Final = "us-east-1"
_FIRST_ACCOUNT: Final = 200_000_000_000
_STAGING_OFFSET: Final = 100_000_000_000
_PER_REGION: Final = 10_000  # servers are numbered per region, so that an instance id determines both


@dataclass(frozen=True, slots=True)
class Estate:
    """Size of the estate: target accounts, regions of each (at most five), servers in each region.

    Attributes:
        tls: serve over TLS, as AWS does.
        dark: a region whose DRS takes connections and never responds.
        regions_in_use: the regions of a full scan, instead of all.
        known: region status counts the servers from the start, as after an inventory sync.
        staging: each target has a staging account with as many servers in each region.
        new: nothing was ever synced: the inventory is empty, and stays so, because writes of it are discarded.
        synced: servers have the tags and launch settings that a tag sync gives them, and servers of staging accounts
            are extended. Otherwise they lack all of it, in every run, because nothing that is written is kept.
    """

    targets: int
    regions: int
    servers: int
    tls: bool = False
    dark: str = ""
    regions_in_use: tuple[str, ...] = ()
    known: bool = False
    staging: bool = False
    synced: bool = False
    new: bool = False

    @property
    def environment(self) -> Mapping[str, str]:
        """Further variables of those who use it: few regions, and a time-out as that of a connection."""
        if not self.regions_in_use:
            return {}
        return {"DRS_REGIONS": " ".join(self.regions_in_use), "READ_TIMEOUT_SECONDS": "3"}

    @property
    def accounts(self) -> tuple[str, ...]:
        """Ids of the target accounts."""
        return tuple(str(_FIRST_ACCOUNT + number) for number in range(self.targets))

    @property
    def active_regions(self) -> tuple[str, ...]:
        """Regions in which every account has servers."""
        return _REGIONS[: self.regions]

    def numbers(self, scope: Scope) -> range:
        """Return the numbers of the servers of a scope; empty if it has none."""
        if scope.region not in self.active_regions or not 0 <= int(scope.account_id) - _FIRST_ACCOUNT < self.targets:
            return range(0)
        first = _REGIONS.index(scope.region) * _PER_REGION
        return range(first, first + self.servers)

    def record(self, scope: Scope, number: int) -> dict[str, Any]:
        """Return a server as in DescribeSourceServers, with its instance's tags if it is synced."""
        found = record(scope, number)
        if self.synced:
            found["tags"] |= {tag["Key"]: tag["Value"] for tag in instance(instance_id_of(scope, number))["Tags"]}
        return found

    def staging_account(self, target: str) -> str:
        """Return the id of a target's staging account."""
        return str(int(target) + _STAGING_OFFSET)


def server_id_of(scope: Scope, number: int) -> str:
    """Return the id of a source server."""
    return f"s-{scope.account_id}{number:05}"


def server_arn_of(scope: Scope, number: int) -> str:
    """Return the ARN of a source server."""
    return f"arn:aws:drs:{scope.region}:{scope.account_id}:source-server/{server_id_of(scope, number)}"


def instance_id_of(scope: Scope, number: int) -> str:
    """Return the id of the instance that a source server protects."""
    return f"i-{scope.account_id}{number:05}"


def record(scope: Scope, number: int) -> dict[str, Any]:
    """Return a server as in DescribeSourceServers."""
    return {
        "sourceServerID": server_id_of(scope, number),
        "arn": server_arn_of(scope, number),
        "agentVersion": "6.21.0.2024.197.1043",
        "tags": {"Name": f"srv-{number}", "Tier": "app", "Owner": "payments"},
        "replicationDirection": "FAILOVER",
        "lastLaunchResult": "NOT_STARTED",
        "sourceNetworkID": f"sn-{scope.account_id}",
        "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": scope.account_id},
        "sourceCloudProperties": {
            "originAccountID": scope.account_id,
            "originRegion": _ORIGIN,
            "originAvailabilityZone": f"{_ORIGIN}a",
        },
        "dataReplicationInfo": {
            "dataReplicationState": "CONTINUOUS",
            "lagDuration": "PT4S",
            "stagingAvailabilityZone": f"{scope.region}b",
            "dataReplicationInitiation": {
                "startDateTime": "2026-01-04T09:00:00.000Z",
                "steps": [{"name": name, "status": "SUCCEEDED"} for name in _STEPS],
            },
            "replicatedDisks": [_disk(name) for name in ("/dev/nvme0n1", "/dev/nvme1n1")],
        },
        "lifeCycle": {
            "addedToServiceDateTime": "2026-01-04T08:59:11.402Z",
            "firstByteDateTime": "2026-01-04T09:12:44.000Z",
            "elapsedReplicationDuration": "P322DT3H21M9.512S",
            "lastSeenByServiceDateTime": "2026-11-22T11:34:53.114Z",
        },
        "sourceProperties": {
            "lastUpdatedDateTime": "2026-11-22T06:00:12.000Z",
            "recommendedInstanceType": "m6i.xlarge",
            "supportsNitroInstances": True,
            "ramBytes": 16777216000,
            "os": {"fullString": "Linux version 6.1.112-122.189.amzn2023.x86_64"},
            "identificationHints": {
                "awsInstanceID": instance_id_of(scope, number),
                "hostname": f"ip-10-{number % 250}-4-21",
                "fqdn": f"srv-{number}.{scope.account_id}.example.internal",
            },
            "cpus": [{"cores": 2, "modelName": "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"}] * 2,
            "disks": [{"deviceName": name, "bytes": 34359738368} for name in ("/dev/nvme0n1", "/dev/nvme1n1")],
            "networkInterfaces": [
                {"macAddress": "0e:1f:2a:3b:4c:5d", "ips": [f"10.{number % 250}.4.21"], "isPrimary": True}
            ],
        },
    }


_STEPS: Final = (
    "WAIT",
    "CREATE_SECURITY_GROUP",
    "LAUNCH_REPLICATION_SERVER",
    "BOOT_REPLICATION_SERVER",
    "AUTHENTICATE_WITH_SERVICE",
    "DOWNLOAD_REPLICATION_SOFTWARE",
    "CREATE_STAGING_DISKS",
    "ATTACH_STAGING_DISKS",
    "PAIR_REPLICATION_SERVER_WITH_AGENT",
    "CONNECT_AGENT_TO_REPLICATION_SERVER",
    "START_DATA_TRANSFER",
)


def _disk(name: str) -> dict[str, Any]:
    return {
        "deviceName": name,
        "totalStorageBytes": 34359738368,
        "replicatedStorageBytes": 34359738368,
        "rescannedStorageBytes": 0,
        "backloggedStorageBytes": 0,
        "volumeStatus": "REGULAR",
    }


def instance(instance_id: str) -> dict[str, Any]:
    """Return what the inventory keeps of an instance, as in DescribeInstances, computed from its id."""
    account, number = instance_id[2:14], int(instance_id[14:])
    return {
        "InstanceId": instance_id,
        "VpcId": f"vpc-{account}",
        "SubnetId": f"subnet-{account}",
        "PrivateIpAddress": f"10.{number % 250}.4.21",
        "SecurityGroups": [{"GroupId": f"sg-{account}"}],
        "IamInstanceProfile": {"Arn": f"arn:aws:iam::{account}:instance-profile/app"},
        "Tags": [
            {"Key": key, "Value": f"{key} of {number}"} for key in ("Name", "CostCentre", "Environment", "Backup")
        ],
    }


_REPLICATION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "associateDefaultSecurityGroup": True,
        "autoReplicateNewDisks": False,
        "bandwidthThrottling": 0,
        "createPublicIP": False,
        "dataPlaneRouting": "PRIVATE_IP",
        "defaultLargeStagingDiskType": "GP3",
        "ebsEncryption": "DEFAULT",
        "pitPolicy": [
            {"enabled": True, "interval": 10, "retentionDuration": 60, "ruleID": 1, "units": "MINUTE"},
            {"enabled": True, "interval": 1, "retentionDuration": 24, "ruleID": 2, "units": "HOUR"},
            {"enabled": True, "interval": 1, "retentionDuration": 7, "ruleID": 3, "units": "DAY"},
        ],
        "replicationServerInstanceType": "t3.small",
        "replicationServersSecurityGroupsIDs": [],
        "stagingAreaSubnetId": "subnet-0000000a",
        "stagingAreaTags": {"Owner": "payments"},
        "useDedicatedReplicationServer": False,
    }
)


def template(scope: Scope) -> dict[str, Any]:
    """Return the only template of a scope, as in DescribeReplicationConfigurationTemplates."""
    template_id = f"rct-{scope.account_id}00000"
    arn = f"arn:aws:drs:{scope.region}:{scope.account_id}:replication-configuration-template/{template_id}"
    return {"replicationConfigurationTemplateID": template_id, "arn": arn, "tags": {}, **_REPLICATION}


def replication_configuration(server_id: str) -> dict[str, Any]:
    """Return the configuration of a server, as in GetReplicationConfiguration."""
    disks = [
        {"deviceName": name, "isBootDisk": name.startswith("/dev/nvme0"), "stagingDiskType": "AUTO", "iops": 0}
        for name in ("/dev/nvme0n1", "/dev/nvme1n1")
    ]
    return {"sourceServerID": server_id, "name": server_id, "replicatedDisks": disks, **_REPLICATION}


def stored_item(scope: Scope, number: int, *, since: datetime) -> dict[str, Any]:
    """Return the inventory item of a server as the engine writes it, with complete topology."""
    raw: Mapping[str, Any] = record(scope, number)
    server = parse_server(raw)
    assert isinstance(server, SourceServer)  # noqa: S101 - the record is our own
    facts = instance_facts(instance(server.instance_id or ""))
    topology = capture(server, scope, now=since, templates=[template(scope)], legacy={})
    original = {
        **inventory_copy({**topology, "originalReplicationConfiguration": {"stagingAreaSubnetId": "subnet-0000000a"}}),
        "lineageArn": server.lineage,
        "lineageNames": list(server_names(server)),
    }
    stamp = WriteStamp(content_hash(raw, server, facts, moving_values(raw)), synced_at=since, written_at=since)
    return build_item(ServerSnapshot(raw, server, facts), scope, stamp, original)
