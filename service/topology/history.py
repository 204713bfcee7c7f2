"""History of a server after its original topology was recorded; the originals themselves never change. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from service.inventory.server import SourceServer
from service.models import iso

__all__ = [
    "ATTRIBUTE",
    "absent_entry",
    "append_entry",
    "history_of",
    "is_configuration_due",
    "moved_entry",
    "moves_of",
    "reconfigured_entry",
]

ATTRIBUTE: Final = "topologyHistory"
_MAX_ENTRIES: Final = 20
_DAY_S: Final = 86_400
_MIN_AGE: Final = timedelta(hours=12)

Entry = dict[str, Any]

# Member of an entry -> the attribute of the original that it is compared with.
_ORIGINAL_OF: Final = {
    "instanceId": "originalInstanceId",
    "availabilityZone": "originalAvailabilityZone",
    "sourceRegion": "originalSourceRegion",
    "sourceAccountId": "originalSourceAccountId",
}


def history_of(topology: Mapping[str, Any]) -> list[Entry]:
    """Return the history entries of a topology item, oldest first."""
    entries = topology.get(ATTRIBUTE)
    return [dict(entry) for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def moves_of(topology: Mapping[str, Any]) -> list[Entry]:
    """Return the entries about moves, oldest first."""
    return [entry for entry in history_of(topology) if entry.get("event") == "moved"]


def moved_entry(topology: Mapping[str, Any], server: SourceServer, *, now: datetime) -> Entry | None:
    """Return the entry for a server that replicates from another instance, zone, region or account than last recorded.

    None if it does not. Reverse replication after a failback, and "protect recovered instance" between zones, change
    the origin of a server in place.
    """
    reported = {
        "instanceId": server.instance_id,
        "availabilityZone": server.origin_zone,
        "sourceRegion": server.origin_region,
        "sourceAccountId": server.origin_account,
    }
    current = {name: value for name, value in reported.items() if value}
    moved = moves_of(topology)
    last = moved[-1] if moved else {name: topology.get(original) for name, original in _ORIGINAL_OF.items()}
    if all(last.get(name) == value for name, value in current.items()):
        return None
    return {"event": "moved", "at": iso(now), **current}


def reconfigured_entry(topology: Mapping[str, Any], configuration: Mapping[str, Any], *, now: datetime) -> Entry | None:
    """Return the entry for a replication configuration that changed since it was last recorded; None if it did not.

    The id of the server is not compared: an extended server has the configuration of the server that replicates.
    """
    recorded = [topology.get("originalReplicationConfiguration")]
    recorded += [entry.get("configuration") for entry in history_of(topology)]
    known = {name: value for each in recorded if isinstance(each, Mapping) for name, value in each.items()}
    changed = {name: value for name, value in configuration.items() if known.get(name) != value}
    changed.pop("sourceServerID", None)
    return {"event": "reconfigured", "at": iso(now), "configuration": changed} if changed else None


def is_configuration_due(server_id: str, *, captured_at: datetime | None, now: datetime, interval_s: float) -> bool:
    """Whether the configuration of a server is to be read again: once a day, in the first sync after a time of day.

    The time of day is a hash of the id, so that with a sync every 15 minutes each sync reads 1 of 96 servers. Never
    within 12 hours after the topology was recorded.

    Args:
        server_id: id of the server.
        captured_at: when its topology was recorded.
        now: time of the scan.
        interval_s: seconds between two syncs.
    """
    if captured_at is None or now - captured_at < _MIN_AGE:
        return False
    read_at_s = int.from_bytes(hashlib.blake2b(server_id.encode(), digest_size=8).digest()) % _DAY_S
    return (now.timestamp() - read_at_s) % _DAY_S < interval_s


def absent_entry(server_arn: str, *, now: datetime) -> Entry:
    """Return the entry for a server that a complete scan did not return."""
    return {"event": "absent", "at": iso(now), "serverArn": server_arn}


def append_entry(history: Sequence[Entry], entry: Entry) -> list[Entry]:
    """Append an entry, and drop the oldest ones beyond the maximum."""
    return [*history, entry][-_MAX_ENTRIES:]
