"""A server as the platform's UI shows it: a double. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["server_view"]

_READY: Final = frozenset({"CONTINUOUS", "CONTINUOUS_REPLICATION", "READY_FOR_RECOVERY"})
_GIB: Final = 1024**3

Item = dict[str, Any]


def server_view(item: Mapping[str, Any]) -> Item:
    """Return a server as the platform makes it from the members of its DRS record; of a flat item little is left."""
    properties, cloud = item.get("sourceProperties", {}), item.get("sourceCloudProperties", {})
    hints, replication = properties.get("identificationHints", {}), item.get("dataReplicationInfo", {})
    cycle, interfaces = item.get("lifeCycle", {}), properties.get("networkInterfaces", [])
    initiated = cycle.get("lastLaunch", {}).get("initiated", {})
    primary: Item = next((each for each in interfaces if each.get("isPrimary")), {})
    state, tags = replication.get("dataReplicationState", "UNKNOWN"), item.get("tags", {})
    return {
        "sourceServerID": item.get("sourceServerID", ""),
        "hostname": hints.get("hostname", ""),
        "fqdn": hints.get("fqdn", ""),
        "nameTag": tags.get("Name", ""),
        "sourceInstanceId": hints.get("awsInstanceID", ""),
        "sourceIp": next(iter(primary.get("ips", [])), ""),
        "sourceMac": interfaces[0].get("macAddress", "") if interfaces else "",
        "sourceRegion": cloud.get("originRegion", ""),
        "sourceAccount": cloud.get("originAccountID", ""),
        "sourceAvailabilityZone": cloud.get("originAvailabilityZone", ""),
        "targetAvailabilityZone": replication.get("stagingAvailabilityZone", ""),
        "os": properties.get("os", {}).get("fullString", ""),
        "state": state,
        "replicationState": state,
        "lagDuration": replication.get("lagDuration", ""),
        "lastSeen": cycle.get("lastSeenByServiceDateTime", ""),
        "lastLaunchType": initiated.get("type", ""),
        "lastLaunchStatus": item.get("lastLaunchResult", ""),
        "lastLaunchTime": initiated.get("apiCallDateTime", ""),
        # DRS has this member at each disk only, so what the platform shows is 0.
        "replicatedStorageBytes": int(replication.get("replicatedStorageBytes", 0)),
        "hardware": _hardware(properties),
        "networkInterfaces": [
            {
                "ips": list(each.get("ips", [])),
                "macAddress": each.get("macAddress", ""),
                "isPrimary": each.get("isPrimary", False),
            }
            for each in interfaces
        ],
        "drsTags": dict(tags),
        "tags": dict(tags),
        "assignedToProtectionGroup": None,
        "selectable": state in _READY,
    }


def _hardware(properties: Mapping[str, Any]) -> Item:
    cpus = properties.get("cpus", [])
    disks = [(each.get("deviceName", ""), int(each.get("bytes", 0))) for each in properties.get("disks", [])]
    ram = int(properties.get("ramBytes", 0))
    return {
        "cpus": [{"modelName": cpu.get("modelName", ""), "cores": int(cpu.get("cores", 0))} for cpu in cpus],
        "totalCores": _total(cpus, "cores"),
        "ramBytes": ram,
        "ramGiB": round(ram / _GIB, 2),
        "disks": [{"deviceName": name, "bytes": size, "sizeGiB": round(size / _GIB, 2)} for name, size in disks],
        "totalDiskGiB": round(sum(round(size / _GIB, 2) for _, size in disks), 2),  # of what is shown of each
    }


def _total(members: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(int(each.get(name, 0)) for each in members)
