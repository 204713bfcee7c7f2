"""Presenter: a server as answers show it, from an inventory item of any version. Pure.

An answer has thousands of servers, so this avoids work per server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from service.attributes import as_list, as_map, as_str
from service.inventory.moving_values import backlog_bytes
from service.inventory.posture import Objectives
from service.inventory.reader import is_json
from service.queries.brief import BRIEF_ATTRIBUTES, ServerView, brief, tags_of
from service.topology.original import LEGACY_TEMPLATE_ID, ORIGINALS, TEMPLATE_ID

__all__ = ["BACKLOG", "VIEW_ATTRIBUTES", "display_state", "present"]

BACKLOG: Final = "_backlogBytes"
"""Attribute of an item that was read: the backlog of the last scan, in place of that of its disks."""

VIEW_ATTRIBUTES: Final = (
    *BRIEF_ATTRIBUTES,
    "cpuCores",
    "cpuModel",
    "dataReplicationInfo.etaDateTime",
    "dataReplicationInfo.replicatedDisks",
    "dataReplicationInfo.stagingAvailabilityZone",
    "disks",
    "ec2NetworkConfig",
    "fqdn",
    "instanceId",
    "macAddress",
    "networkConfig.privateIp",
    "osName",
    "primaryIp",
    "ramBytes",
    "sourceAccountId",
    "sourceCloudProperties.originAccountID",
    "sourceCloudProperties.originAvailabilityZone",
    "sourceCloudProperties.originRegion",
    "sourceProperties.cpus",
    "sourceProperties.disks",
    "sourceProperties.identificationHints.awsInstanceID",
    "sourceProperties.identificationHints.fqdn",
    "sourceProperties.networkInterfaces",
    "sourceProperties.os.fullString",
    "sourceProperties.ramBytes",
    "sourceRegion",
    "topologyComplete",
    "totalStorageBytes",
    LEGACY_TEMPLATE_ID,
    *ORIGINALS,
)
"""Attributes of an item that its view is made of; of a map only what is named after the dot."""

_GIB: Final = 1024**3
_MAX_INTEGER: Final = 2**63  # above the largest integer that orjson writes
_READY: Final = frozenset({"CONTINUOUS", "CONTINUOUS_REPLICATION", "READY_FOR_RECOVERY"})
_EXTENSION_ERROR: Final = "EXTENSION_ERROR"
_DISPLAY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CONTINUOUS": "READY_FOR_RECOVERY",
        "INITIAL_SYNC": "SYNCING",
        "BACKLOG": "SYNCING",
        "RESCAN": "SYNCING",
        "CREATING_SNAPSHOT": "SYNCING",
    }
)


def present(item: Mapping[str, Any], objectives: Objectives | None = None) -> ServerView:
    """Build the view of a server. A member that the item lacks, or has in a wrong type, is empty, zero or false.

    Given objectives, the view has `posture`, `postureReason`, `postureSince` and `replicationError`.
    Of the original topology, a member that is not known is absent; an unknown backlog is null. Lag, backlog, ETA and
    last seen are of `valuesAsOf`: a scan, or the last write of the item. `replicatedStorageBytes` is the sum of the
    disks, because DRS tells it of each disk and nowhere else. The view can always be written as JSON, whatever the item
    holds.
    """
    properties, cloud = as_map(item.get("sourceProperties")), as_map(item.get("sourceCloudProperties"))
    hints, replication = as_map(properties.get("identificationHints")), as_map(item.get("dataReplicationInfo"))
    interfaces = _interfaces(properties, item)
    primary: ServerView = next((each for each in interfaces if each["isPrimary"]), interfaces[0] if interfaces else {})
    tags = tags_of(item)
    extension_error = _extension_error(item)
    server = brief(item, objectives)
    server |= {
        "fqdn": as_str(item.get("fqdn")) or as_str(hints.get("fqdn")),
        "sourceInstanceId": as_str(item.get("instanceId")) or as_str(hints.get("awsInstanceID")),
        "sourceIp": next(iter(primary.get("ips", ())), "") or as_str(_network(item).get("privateIp")),
        "sourceMac": interfaces[0]["macAddress"] if interfaces else "",
        "sourceRegion": as_str(cloud.get("originRegion")) or as_str(item.get("sourceRegion")),
        "sourceAccount": as_str(cloud.get("originAccountID")) or as_str(item.get("sourceAccountId")),
        "sourceAvailabilityZone": as_str(cloud.get("originAvailabilityZone")),
        "targetAvailabilityZone": as_str(replication.get("stagingAvailabilityZone")),
        "os": as_str(as_map(properties.get("os")).get("fullString")) or as_str(item.get("osName")),
        "backlogBytes": item[BACKLOG] if BACKLOG in item else backlog_bytes(replication.get("replicatedDisks")),
        "etaDateTime": as_str(replication.get("etaDateTime")),
        "replicatedStorageBytes": _sum(
            [as_map(disk).get("replicatedStorageBytes") for disk in as_list(replication.get("replicatedDisks"))]
        ),
        "hardware": _hardware(properties, item),
        "networkInterfaces": interfaces,
        "drsTags": tags,
        "tags": tags,
        "assignedToProtectionGroup": None,
        "selectable": server["state"] in _READY and not extension_error,
    }
    if extension_error:
        server["extensionError"] = extension_error
    server |= _originals(item)
    return server


def _extension_error(item: Mapping[str, Any]) -> str:
    """Return why DRS cannot reach the staging account of an extended server; empty if it can.

    DRS cannot launch such a server, whatever its last state was.
    """
    area = as_map(item.get("stagingArea"))
    is_error = area.get("status") == _EXTENSION_ERROR
    return (as_str(area.get("errorMessage")) or _EXTENSION_ERROR) if is_error else ""


def _originals(item: Mapping[str, Any]) -> ServerView:
    """Return the members of the original topology that are known."""
    found: dict[str, Any] = {}
    for name in ORIGINALS:
        value = item.get(name)
        if isinstance(value, str) or (isinstance(value, Mapping) and is_json(value)):
            found[name] = value
    if isinstance(item.get("topologyComplete"), bool):
        found["topologyComplete"] = item["topologyComplete"]
    if TEMPLATE_ID not in found and as_str(item.get(LEGACY_TEMPLATE_ID)):
        found[TEMPLATE_ID] = item[LEGACY_TEMPLATE_ID]
    return found


def display_state(server: ServerView) -> ServerView:
    """Replace the state that DRS reports by the word that the older server route displays."""
    return {**server, "state": _DISPLAY.get(server["state"], server["state"])}


def _hardware(properties: Mapping[str, Any], item: Mapping[str, Any]) -> ServerView:
    cpus = [
        {"modelName": as_str(cpu.get("modelName")), "cores": _number(cpu.get("cores"))}
        for cpu in map(as_map, as_list(properties.get("cpus")))
    ]
    if not cpus and item.get("cpuModel"):
        cpus = [{"modelName": as_str(item["cpuModel"]), "cores": _number(item.get("cpuCores"))}]
    disks = [
        {"deviceName": as_str(disk.get("deviceName")), "bytes": size, "sizeGiB": _gib(size)}
        for disk in map(as_map, as_list(properties.get("disks") or item.get("disks")))
        for size in (_number(disk.get("bytes")),)
    ]
    ram = _number(properties.get("ramBytes")) or _number(item.get("ramBytes"))
    storage = _sum(disk["bytes"] for disk in disks) or _number(item.get("totalStorageBytes"))
    return {
        "cpus": cpus,
        "totalCores": _sum(cpu["cores"] for cpu in cpus) or _number(item.get("cpuCores")),
        "ramBytes": ram,
        "ramGiB": _gib(ram),
        "disks": disks,
        "totalDiskGiB": _gib(storage),
    }


def _interfaces(properties: Mapping[str, Any], item: Mapping[str, Any]) -> list[ServerView]:
    interfaces = properties.get("networkInterfaces")
    if isinstance(interfaces, list):
        return [
            {
                "ips": [address for address in as_list(each.get("ips")) if isinstance(address, str)],
                "macAddress": as_str(each.get("macAddress")),
                "isPrimary": each.get("isPrimary") is True,
            }
            for each in map(as_map, interfaces)
        ]
    address, mac = as_str(item.get("primaryIp")), as_str(item.get("macAddress"))
    return [{"ips": [address] if address else [], "macAddress": mac, "isPrimary": True}] if address or mac else []


def _network(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_map(item.get("ec2NetworkConfig") or item.get("networkConfig"))


def _number(value: object) -> int:
    """Return a whole number, also one in text, as in the flat items of early versions; else zero."""
    if type(value) is int:
        return value if -_MAX_INTEGER < value < _MAX_INTEGER else 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:  # noqa: PLR2004 - of 2**63
        return int(value)
    return 0


def _sum(values: Iterable[object]) -> int:
    return _number(sum(map(_number, values)))


@lru_cache(maxsize=1024)  # disks come in few sizes
def _gib(size_bytes: int) -> float:
    return round(size_bytes / _GIB, 2)
