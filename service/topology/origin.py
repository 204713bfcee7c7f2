"""Origin of a server: what DRS reports about where it came from, and what of that fills an unknown value. Pure.

Known means that DRS has reported it. A missing member of a record proves nothing: a server that is INITIATING has no
sourceProperties yet. So the origin is ON_PREMISES only if something says so: `originEnvironment` of a recovery
instance, or a VMware id on a server of which DRS shows neither an EC2 instance nor cloud properties. A host name alone
says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.inventory.server import SourceServer
from service.topology.history import moves_of

__all__ = [
    "AWS",
    "ENVIRONMENT",
    "ENVIRONMENT_SOURCE",
    "FILLED_LATE",
    "HOSTNAME",
    "ON_PREMISES",
    "ORIGIN",
    "environment_fill",
    "fill_origin",
    "is_described",
    "is_origin_known",
    "is_untouched",
    "known_environment",
    "missing_values",
    "reported_origin",
]

AWS: Final = "AWS"
ON_PREMISES: Final = "ON_PREMISES"
ENVIRONMENT: Final = "originEnvironment"
ENVIRONMENT_SOURCE: Final = "originEnvironmentSource"
"""Attribute: the DRS member that told the environment. Earlier versions stored ON_PREMISES, without it, as a guess."""
FILLED_LATE: Final = "originFilledLate"
"""Attribute: an original value was filled after the server had been launched, so a person should check it."""

_REGION: Final = "originalSourceRegion"
_INSTANCE: Final = "originalInstanceId"
HOSTNAME: Final = "originalHostname"
_PLACE: Final = (_REGION, "originalSourceAccountId", _INSTANCE, "originalAvailabilityZone")
ORIGIN: Final = (*_PLACE, HOSTNAME, ENVIRONMENT, ENVIRONMENT_SOURCE)
"""The attributes that a later record may fill."""
_UNTOUCHED: Final = frozenset({None, "NOT_STARTED"})

Attributes = Mapping[str, Any]


def is_untouched(server: SourceServer) -> bool:
    """Whether the server was never launched, so that it still replicates its original machine."""
    return server.last_launch in _UNTOUCHED and not server.recovery_instance


def is_described(server: SourceServer) -> bool:
    """Whether DRS has reported anything about the machine; of a server that is INITIATING it has not."""
    return bool(server.hostname or server.fqdn or server.instance_id or server.vmware_uuid or server.origin_region)


def known_environment(topology: Attributes) -> str | None:
    """Return the environment that DRS has told, AWS or ON_PREMISES; None if it is unknown or was only inferred."""
    if topology.get(ENVIRONMENT_SOURCE):
        return str(topology.get(ENVIRONMENT))
    instance = str(topology.get(_INSTANCE) or "")
    has_cloud = any(topology.get(name) for name in _PLACE if name != _INSTANCE)
    return AWS if has_cloud or instance.startswith("i-") or topology.get(ENVIRONMENT) == AWS else None


def is_origin_known(topology: Attributes) -> bool:
    """Whether it is known where the server came from: a region, or told to be on premises."""
    return bool(topology.get(_REGION)) or known_environment(topology) == ON_PREMISES


def reported_origin(server: SourceServer) -> dict[str, Any]:
    """Return the original values that the record of a forward server reports, under the names of the topology.

    A server that replicates its own recovery instance, as after protection between zones, reports that one's origin:
    then only its host name counts.
    """
    if _is_recovered(server, server.instance_id):
        return {HOSTNAME: server.hostname} if server.hostname else {}
    values = {
        _REGION: server.origin_region,
        "originalSourceAccountId": server.origin_account,
        _INSTANCE: server.instance_id,
        "originalAvailabilityZone": server.origin_zone,
        HOSTNAME: server.hostname,
        **_reported_environment(server),
    }
    return {name: value for name, value in values.items() if value}


def _is_recovered(server: SourceServer, instance_id: object) -> bool:
    return bool(instance_id) and instance_id == server.recovery_instance


def _reported_environment(server: SourceServer) -> dict[str, str]:
    if server.origin_region or server.origin_account or server.origin_zone:
        return environment_fill(AWS, "sourceCloudProperties")
    if server.instance_id:
        return environment_fill(AWS, "awsInstanceID") if server.instance_id.startswith("i-") else {}
    return environment_fill(ON_PREMISES, "vmWareUuid") if server.vmware_uuid else {}


def environment_fill(environment: str, source: str) -> dict[str, str]:
    """Return the attributes of an environment that a member of DRS, `source`, told."""
    return {ENVIRONMENT: environment, ENVIRONMENT_SOURCE: source}


def fill_origin(topology: Attributes, server: SourceServer) -> dict[str, Any]:
    """Return the attributes that the record of a forward server adds to a topology; empty when it adds none.

    Only missing values are filled, and an environment that was inferred. A record that contradicts what is known is
    of a server that has moved: it fills nothing. Moves in the history are older than the record, so they fill first:
    an earlier version recorded the first report of an unknown origin as a move.
    """
    found: dict[str, Any] = {}
    moves = [entry for entry in moves_of(topology) if not _is_recovered(server, entry.get("instanceId"))]
    for reported in (*map(_reported_by_move, moves), reported_origin(server)):
        found |= missing_values({**topology, **found}, reported)
    is_late = not is_untouched(server) and any(name in found for name in _PLACE)
    return found | ({FILLED_LATE: True} if is_late else {})


def missing_values(known: Attributes, reported: Attributes) -> dict[str, Any]:
    """Return the reported values that are not known; none if one of the reported values contradicts a known one."""
    environment, told = known_environment(known), known_environment(reported)
    if environment and told and environment != told:
        return {}
    if any(known.get(name) and reported.get(name) and known[name] != reported[name] for name in _PLACE):
        return {}
    values = {name: reported[name] for name in (*_PLACE, HOSTNAME) if reported.get(name) and not known.get(name)}
    if told and (environment is None or known.get(ENVIRONMENT) != told):
        values |= environment_fill(told, str(reported.get(ENVIRONMENT_SOURCE) or "topologyHistory"))
    return values


def _reported_by_move(entry: Attributes) -> dict[str, Any]:
    names = ("sourceRegion", "sourceAccountId", "instanceId", "availabilityZone")
    return {original: entry[name] for original, name in zip(_PLACE, names, strict=True) if entry.get(name)}
