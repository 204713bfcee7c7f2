"""Identifiers and plausible records of DRS, in wire form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from moto.moto_api._internal import mock_random

Record = dict[str, Any]

SERVER_ID: Final = re.compile(r"s-[0-9A-Za-z]{17}")
RECOVERY_INSTANCE_ID: Final = re.compile(r"i-[0-9a-fA-F]{8,}")
TEMPLATE_ID: Final = re.compile(r"rct-[0-9a-zA-Z]{17}")
JOB_ID: Final = re.compile(r"drsjob-[0-9a-zA-Z]{17}")
ACCOUNT_ID: Final = re.compile(r"\d{12}")
SERVER_ARN: Final = re.compile(
    r"arn:[a-z0-9-]+:drs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):source-server/(?P<id>s-[0-9a-zA-Z]{17})"
)
INITIATION_STEPS: Final = (
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


def new_id(prefix: str) -> str:
    return f"{prefix}{mock_random.get_random_hex(17)}"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Record:
    """Lay one record over another, nested ones member by member; None takes a member away."""
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = dict(value) if isinstance(value, Mapping) else value
    return result


def replicated_disks(disks: list[Record], *, share: float = 1.0) -> list[Record]:
    """Give the progress of replication of each disk."""
    return [
        {
            "deviceName": disk["deviceName"],
            "totalStorageBytes": disk["bytes"],
            "replicatedStorageBytes": int(disk["bytes"] * share),
            "rescannedStorageBytes": 0,
            "backloggedStorageBytes": 0,
            "volumeStatus": "REGULAR",
        }
        for disk in disks
    ]


def default_server(arn: str, server_id: str, account_id: str, region: str) -> Record:
    """Give a server in steady replication."""
    moment = now()
    return {
        "sourceServerID": server_id,
        "arn": arn,
        "agentVersion": "6.21.0.2024.197.1043",
        "tags": {},
        "replicationDirection": "FAILOVER",
        "lastLaunchResult": "NOT_STARTED",
        "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": account_id},
        "dataReplicationInfo": {
            "dataReplicationState": "CONTINUOUS",
            "lagDuration": "P0D",
            "stagingAvailabilityZone": f"{region}a",
            "dataReplicationInitiation": initiation(moment, "SUCCEEDED"),
        },
        "lifeCycle": {
            "addedToServiceDateTime": moment,
            "firstByteDateTime": moment,
            "elapsedReplicationDuration": "P1DT2H3M4S",
            "lastSeenByServiceDateTime": moment,
        },
        "sourceProperties": {
            "lastUpdatedDateTime": moment,
            "recommendedInstanceType": "m6i.large",
            "supportsNitroInstances": True,
            "ramBytes": 8 * 1024**3,
            "os": {"fullString": "Linux version 6.1.112-122.189.amzn2023.x86_64"},
            "identificationHints": {"hostname": f"host-{server_id[-6:]}", "fqdn": f"host-{server_id[-6:]}.example.com"},
            "cpus": [{"cores": 2, "modelName": "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"}],
            "disks": [{"deviceName": "/dev/nvme0n1", "bytes": 32 * 1024**3}],
            "networkInterfaces": [{"macAddress": "0e:1f:2a:3b:4c:5d", "ips": ["10.0.0.10"], "isPrimary": True}],
        },
    }


def initiation(moment: str, status: str) -> Record:
    """Give the steps that start a replication, all in one status."""
    return {
        "startDateTime": moment,
        "nextAttemptDateTime": moment,
        "steps": [{"name": name, "status": status} for name in INITIATION_STEPS],
    }


def default_template_members() -> Record:
    """Give the members that a template and a replication configuration share."""
    return {
        "stagingAreaSubnetId": "subnet-0f1e2d3c4b5a69788",
        "associateDefaultSecurityGroup": True,
        "replicationServersSecurityGroupsIDs": ["sg-0a9b8c7d6e5f40312"],
        "replicationServerInstanceType": "t3.small",
        "useDedicatedReplicationServer": False,
        "defaultLargeStagingDiskType": "GP3",
        "ebsEncryption": "DEFAULT",
        "bandwidthThrottling": 0,
        "dataPlaneRouting": "PRIVATE_IP",
        "createPublicIP": False,
        "autoReplicateNewDisks": True,
        "stagingAreaTags": {},
        "pitPolicy": [
            {"ruleID": 1, "units": "MINUTE", "interval": 10, "retentionDuration": 60, "enabled": True},
            {"ruleID": 2, "units": "HOUR", "interval": 1, "retentionDuration": 24, "enabled": True},
            {"ruleID": 3, "units": "DAY", "interval": 1, "retentionDuration": 7, "enabled": True},
        ],
    }


def default_configuration(server: Record, template: Mapping[str, Any]) -> Record:
    """Give the replication configuration that a server gets from a template."""
    shared = default_template_members()
    return {
        **{name: template.get(name, value) for name, value in shared.items()},
        **({"ebsEncryptionKeyArn": template["ebsEncryptionKeyArn"]} if "ebsEncryptionKeyArn" in template else {}),
        "sourceServerID": server["sourceServerID"],
        "name": server["sourceProperties"]["identificationHints"].get("hostname", ""),
        "replicatedDisks": [
            {
                "deviceName": disk["deviceName"],
                "isBootDisk": number == 0,
                "stagingDiskType": "AUTO",
                "optimizedStagingDiskType": "GP3",
                "iops": 3000,
                "throughput": 125,
            }
            for number, disk in enumerate(server["sourceProperties"].get("disks", []))
        ],
    }


def default_launch_configuration(server: Record) -> Record:
    """Give the launch configuration of a new server."""
    return {
        "sourceServerID": server["sourceServerID"],
        "name": server["sourceProperties"]["identificationHints"].get("hostname", ""),
        "ec2LaunchTemplateID": new_id("lt-"),
        "launchDisposition": "STARTED",
        "targetInstanceTypeRightSizingMethod": "NONE",
        "copyPrivateIp": False,
        "copyTags": False,
        "licensing": {"osByol": False},
        "postLaunchEnabled": False,
    }
