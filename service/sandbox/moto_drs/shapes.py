"""Identifiers and plausible records of DRS, in wire format."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from random import Random
from typing import Any, Final, NamedTuple

from moto.moto_api._internal import mock_random

from .clock import drs_clock

Record = dict[str, Any]

_SERVER_ARN: Final = re.compile(
    r"arn:[\w-]+:drs:(?P<region>[\w-]+):(?P<account>\d{12}):source-server/(?P<id>s-[0-9a-zA-Z]{17})"
)
_ID_BITS: Final = 68  # 17 hexadecimal digits
_SCALAR_TYPES: Final = frozenset({str, int, bool, float})
_INITIATION_STEPS: Final = (
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
_LAG_BY_STATE: Final[Mapping[str, str]] = {
    "CONTINUOUS": "P0D",
    "BACKLOG": "PT10M",
    "STALLED": "PT1H",
    "RESCAN": "PT10M",
}
# Replicated share of a disk by state; 1.0 in all other states.
_REPLICATED_SHARE: Final[Mapping[str, float]] = {"INITIATING": 0.0, "INITIAL_SYNC": 0.5, "DISCONNECTED": 0.0}


class ServerArn(NamedTuple):
    """Parts of a source server ARN."""

    region: str
    account: str
    server_id: str


@lru_cache(maxsize=4096)
def parse_server_arn(arn: str) -> ServerArn | None:
    match = _SERVER_ARN.fullmatch(arn)
    return ServerArn(match["region"], match["account"], match["id"]) if match else None


_reproduced: Final[ContextVar[tuple[Random, str] | None]] = ContextVar("reproduced", default=None)


@contextmanager
def reproducible(seed: str, moment: str) -> Iterator[None]:
    """Make the same ids from the same seed, and timestamps of one moment, whenever the records are made."""
    token = _reproduced.set((Random(seed), moment))  # noqa: S311  (ids, not secrets)
    try:
        yield
    finally:
        _reproduced.reset(token)


def new_id(prefix: str) -> str:
    source = _reproduced.get()
    return f"{prefix}{(source[0] if source else mock_random).getrandbits(_ID_BITS):017x}"


def now() -> str:
    source = _reproduced.get()
    if source is not None:
        return source[1]
    return drs_clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_within(timestamp: str, since: str | None, until: str | None) -> bool:
    """Whether a timestamp is in a range, inclusive. Without the Z, fractions of a second compare correctly as text."""
    return (since or "").rstrip("Z") <= timestamp.rstrip("Z") and (
        not until or timestamp.rstrip("Z") <= until.rstrip("Z")
    )


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Record:
    """Merge two records recursively into a deep copy; None in the overlay removes a member."""
    result: Record = copied(base)
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = copied(value)
    return result


def copied(value: Any) -> Any:
    """Deep-copy a record without members that are None, which DRS omits."""
    if type(value) in _SCALAR_TYPES:  # most values are scalars, and isinstance(value, Mapping) is ten times slower
        return value
    if isinstance(value, Mapping):
        return {key: copied(each) for key, each in value.items() if each is not None}
    return [copied(each) for each in value] if isinstance(value, list | tuple) else value


def replication_info(state: str, zone: str, disks: Iterable[Record]) -> Record:
    """Return the dataReplicationInfo of a server in a state."""
    timestamp, step = now(), "NOT_STARTED" if state == "INITIATING" else "SUCCEEDED"
    info = {
        "dataReplicationState": state,
        "stagingAvailabilityZone": zone,
        "dataReplicationInitiation": {
            "startDateTime": timestamp,
            "nextAttemptDateTime": timestamp,
            "steps": [{"name": name, "status": step} for name in _INITIATION_STEPS],
        },
        "replicatedDisks": [_replicated_disk(state, disk) for disk in disks],
    }
    if state in _LAG_BY_STATE:
        info["lagDuration"] = _LAG_BY_STATE[state]
    if state in {"STOPPED", "DISCONNECTED"}:
        del info["dataReplicationInitiation"]
    return info


def _replicated_disk(state: str, disk: Record) -> Record:
    return {
        "deviceName": disk["deviceName"],
        "totalStorageBytes": 0 if state == "DISCONNECTED" else disk["bytes"],
        "replicatedStorageBytes": int(disk["bytes"] * _REPLICATED_SHARE.get(state, 1.0)),
        "rescannedStorageBytes": 0,
        "backloggedStorageBytes": 0,
        "volumeStatus": "REGULAR",
    }


def default_server(arn: str, server_id: str, account_id: str) -> Record:
    """Return the record of a server as its agent reports it, without replication info."""
    timestamp, number = now(), zlib.crc32(server_id.encode())
    octets = [number >> shift & 0xFF for shift in (16, 8, 0)]
    hostname = f"host-{server_id[-6:]}"
    return {
        "sourceServerID": server_id,
        "arn": arn,
        "agentVersion": "6.21.0.2024.197.1043",
        "tags": {},
        "replicationDirection": "FAILOVER",
        "lastLaunchResult": "NOT_STARTED",
        "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": account_id},
        "lifeCycle": {
            "addedToServiceDateTime": timestamp,
            "firstByteDateTime": timestamp,
            "elapsedReplicationDuration": "P1DT2H3M4S",
            "lastSeenByServiceDateTime": timestamp,
        },
        "sourceProperties": {
            "lastUpdatedDateTime": timestamp,
            "recommendedInstanceType": "m6i.large",
            "supportsNitroInstances": True,
            "ramBytes": 8 * 1024**3,
            "os": {"fullString": "Linux version 6.1.112-122.189.amzn2023.x86_64"},
            "identificationHints": {"hostname": hostname, "fqdn": f"{hostname}.example.com"},
            "cpus": [{"cores": 2, "modelName": "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"}],
            "disks": [{"deviceName": "/dev/nvme0n1", "bytes": 32 * 1024**3}],
            "networkInterfaces": [
                {
                    "macAddress": f"0e:{number >> 24:02x}:" + ":".join(f"{octet:02x}" for octet in (0, *octets)),
                    "ips": ["10." + ".".join(str(octet) for octet in octets)],
                    "isPrimary": True,
                }
            ],
        },
    }


def default_template_members() -> Record:
    """Return the members that a template and a replication configuration share."""
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


def default_replication_configuration(server: Record, template: Mapping[str, Any]) -> Record:
    """Return the replication configuration that a server gets from a template; it does not refer to the template."""
    own = {"replicationConfigurationTemplateID", "arn", "tags"}
    shared = {name: value for name, value in template.items() if name not in own}
    return {
        **default_template_members(),
        **copied(shared),
        "sourceServerID": server["sourceServerID"],
        "name": _name_of(server),
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
    """Return the launch configuration of a new server."""
    return {
        "sourceServerID": server["sourceServerID"],
        "name": _name_of(server),
        "ec2LaunchTemplateID": new_id("lt-"),
        "launchDisposition": "STARTED",
        "targetInstanceTypeRightSizingMethod": "NONE",
        "copyPrivateIp": False,
        "copyTags": False,
        "licensing": {"osByol": False},
        "postLaunchEnabled": False,
    }


def _name_of(server: Record) -> str:
    return str(server["sourceProperties"].get("identificationHints", {}).get("hostname", ""))
