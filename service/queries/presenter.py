"""A server as callers see it, made of an inventory item of any age. Pure, and lean: answers have thousands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from service.inventory.reader import is_json, owner_account
from service.topology.original import ORIGINALS

__all__ = ["ServerView", "display_state", "present"]

ServerView = dict[str, Any]

_GIB: Final = 1024**3
_MAX_INTEGER: Final = 2**63  # what JSON writers take
_READY: Final = frozenset({"CONTINUOUS", "CONTINUOUS_REPLICATION", "READY_FOR_RECOVERY"})
_DISPLAY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CONTINUOUS": "READY_FOR_RECOVERY",
        "INITIAL_SYNC": "SYNCING",
        "BACKLOG": "SYNCING",
        "RESCAN": "SYNCING",
        "CREATING_SNAPSHOT": "SYNCING",
    }
)
_TEMPLATE: Final = "originalReplicationConfigurationTemplateId"
_TEMPLATE_OF_OLD: Final = "originalReplicationConfigTemplateId"
_NO_MEMBERS: Final[Mapping[str, Any]] = MappingProxyType({})


def present(item: Mapping[str, Any]) -> ServerView:
    """Show a server. Never fails: what an item lacks, or holds in a wrong type, is empty, zero or false.

    The original topology is there as far as it is known; a member that is not known is absent, not empty. Whatever the
    item holds, the answer can be written as JSON.
    """
    arn = _text(item.get("sourceServerArn"))
    properties, cloud = _map(item.get("sourceProperties")), _map(item.get("sourceCloudProperties"))
    hints, replication = _map(properties.get("identificationHints")), _map(item.get("dataReplicationInfo"))
    cycle = _map(item.get("lifeCycle"))
    launch = _map(cycle.get("lastLaunch"))
    initiated = _map(launch.get("initiated"))
    interfaces = _interfaces(properties, item)
    primary: ServerView = next((each for each in interfaces if each["isPrimary"]), interfaces[0] if interfaces else {})
    tags = _tags(item)
    region = _text(item.get("replicationRegion"))
    state = _text(item.get("replicationState")) or _text(replication.get("dataReplicationState")) or "UNKNOWN"
    shown = {
        "sourceServerID": _text(item.get("sourceServerID")) or arn.rpartition("/")[2],
        "sourceServerArn": arn,
        "accountId": owner_account(item),
        "stagingAccountId": _text(item.get("stagingAccountId")),
        "region": region,
        "replicationRegion": region,
        "hostname": _text(item.get("hostname")) or _text(hints.get("hostname")),
        "fqdn": _text(item.get("fqdn")) or _text(hints.get("fqdn")),
        "nameTag": _text(tags.get("Name")),
        "sourceInstanceId": _text(item.get("instanceId")) or _text(hints.get("awsInstanceID")),
        "sourceIp": next(iter(primary.get("ips", ())), "") or _text(_network(item).get("privateIp")),
        "sourceMac": interfaces[0]["macAddress"] if interfaces else "",
        "sourceRegion": _text(cloud.get("originRegion")) or _text(item.get("sourceRegion")),
        "sourceAccount": _text(cloud.get("originAccountID")) or _text(item.get("sourceAccountId")),
        "sourceAvailabilityZone": _text(cloud.get("originAvailabilityZone")),
        "targetAvailabilityZone": _text(replication.get("stagingAvailabilityZone")),
        "os": _text(_map(properties.get("os")).get("fullString")) or _text(item.get("osName")),
        "state": state,
        "replicationState": state,
        "lagDuration": _text(replication.get("lagDuration")) or _text(item.get("lagDuration")),
        "lastSeen": _text(cycle.get("lastSeenByServiceDateTime")) or _text(item.get("lastSeen")),
        "lastLaunchType": _text(initiated.get("type")),
        "lastLaunchStatus": _text(item.get("lastLaunchResult")) or _text(launch.get("status")),
        "lastLaunchTime": _text(initiated.get("apiCallDateTime")),
        "replicatedStorageBytes": _sum(
            _map(disk).get("replicatedStorageBytes") for disk in _list(replication.get("replicatedDisks"))
        ),
        "hardware": _hardware(properties, item),
        "networkInterfaces": interfaces,
        "drsTags": tags,
        "tags": tags,
        "assignedToProtectionGroup": None,
        "selectable": state in _READY,
    }
    for name in ORIGINALS:
        value = item.get(name)
        if isinstance(value, str) or (isinstance(value, Mapping) and is_json(value)):
            shown[name] = value
    if isinstance(item.get("topologyComplete"), bool):
        shown["topologyComplete"] = item["topologyComplete"]
    if _TEMPLATE not in shown and _text(item.get(_TEMPLATE_OF_OLD)):
        shown[_TEMPLATE] = item[_TEMPLATE_OF_OLD]
    return shown


def display_state(shown: ServerView) -> ServerView:
    """Give a server with the word for people in place of the state that DRS reports."""
    return {**shown, "state": _DISPLAY.get(shown["state"], shown["state"])}


def _hardware(properties: Mapping[str, Any], item: Mapping[str, Any]) -> ServerView:
    cpus = [
        {"modelName": _text(cpu.get("modelName")), "cores": _number(cpu.get("cores"))}
        for cpu in map(_map, _list(properties.get("cpus")))
    ]
    if not cpus and item.get("cpuModel"):
        cpus = [{"modelName": _text(item["cpuModel"]), "cores": _number(item.get("cpuCores"))}]
    disks = [
        {"deviceName": _text(disk.get("deviceName")), "bytes": size, "sizeGiB": _gib(size)}
        for disk in map(_map, _list(properties.get("disks") or item.get("disks")))
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
    listed = properties.get("networkInterfaces")
    if isinstance(listed, list):
        return [
            {
                "ips": [address for address in _list(each.get("ips")) if isinstance(address, str)],
                "macAddress": _text(each.get("macAddress")),
                "isPrimary": each.get("isPrimary") is True,
            }
            for each in map(_map, listed)
        ]
    address, mac = _text(item.get("primaryIp")), _text(item.get("macAddress"))
    return [{"ips": [address] if address else [], "macAddress": mac, "isPrimary": True}] if address or mac else []


def _tags(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the tags; flat items of long ago have those of EC2 alone."""
    tags = item.get("tags")
    listed = tags if isinstance(tags, Mapping) else _map(item.get("sourceTags"))
    return {name: _text(value) for name, value in listed.items()}


def _network(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return _map(item.get("ec2NetworkConfig") or item.get("networkConfig"))


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _NO_MEMBERS


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    """Give a whole number; flat items of long ago have some as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:  # noqa: PLR2004 - of 2**63
        return int(value)
    return value if type(value) is int and abs(value) < _MAX_INTEGER else 0


def _sum(values: Iterable[object]) -> int:
    return _number(sum(map(_number, values)))


def _gib(size_bytes: int) -> float:
    return round(size_bytes / _GIB, 2)
