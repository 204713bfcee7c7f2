"""What became of a server after its original topology was taken down. Pure. The originals themselves never change."""

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
    "reconfigured_entry",
]

ATTRIBUTE: Final = "topologyHistory"
_MAX_ENTRIES: Final = 20
_DAY_S: Final = 86_400
_NOT_BEFORE: Final = timedelta(hours=12)

Entry = dict[str, Any]

# Member of an entry -> the original it is compared with.
_ORIGINAL_OF: Final = {
    "instanceId": "originalInstanceId",
    "availabilityZone": "originalAvailabilityZone",
    "sourceRegion": "originalSourceRegion",
    "sourceAccountId": "originalSourceAccountId",
}


def history_of(topology: Mapping[str, Any]) -> list[Entry]:
    """Give the entries of a topology item, oldest first."""
    return [dict(entry) for entry in topology.get(ATTRIBUTE) or () if isinstance(entry, Mapping)]


def moved_entry(topology: Mapping[str, Any], server: SourceServer, *, now: datetime) -> Entry | None:
    """Tell where a server replicates from now, when that is another place than was last known; else None.

    Reverse replication after a failback, and "protect recovered instance" between zones, re-point a server in place.
    """
    told = {
        "instanceId": server.instance_id,
        "availabilityZone": server.origin_zone,
        "sourceRegion": server.origin_region,
        "sourceAccountId": server.origin_account,
    }
    current = {name: value for name, value in told.items() if value}
    moves = [entry for entry in history_of(topology) if entry.get("event") == "moved"]
    last = moves[-1] if moves else {name: topology.get(original) for name, original in _ORIGINAL_OF.items()}
    if all(last.get(name) == value for name, value in current.items()):
        return None
    return {"event": "moved", "at": iso(now), **current}


def reconfigured_entry(topology: Mapping[str, Any], configuration: Mapping[str, Any], *, now: datetime) -> Entry | None:
    """Tell which members of a replication configuration are others than was last known; None when none is.

    The id of the server is no such member: an extended record shares the configuration of the one that replicates.
    """
    known = dict(topology.get("originalReplicationConfiguration") or {})
    for entry in history_of(topology):
        known.update(entry.get("configuration") or {})
    changed = {name: value for name, value in configuration.items() if known.get(name) != value}
    changed.pop("sourceServerID", None)
    return {"event": "reconfigured", "at": iso(now), "configuration": changed} if changed else None


def is_configuration_due(server_id: str, *, captured_at: datetime | None, now: datetime, interval_s: float) -> bool:
    """Whether it is a server's turn to have its configuration read again: once a day, in the first sync after a moment.

    The moment is spread by a hash of the id, so that of syncs every quarter of an hour each reads one of 96. Not within
    half a day of the capture itself.

    Args:
        server_id: id of the server.
        captured_at: when its topology was taken down.
        now: the time of the look.
        interval_s: time between two syncs.
    """
    if captured_at is None or now - captured_at < _NOT_BEFORE:
        return False
    moment_s = int.from_bytes(hashlib.blake2b(server_id.encode(), digest_size=8).digest()) % _DAY_S
    return (now.timestamp() - moment_s) % _DAY_S < interval_s


def absent_entry(server_arn: str, *, now: datetime) -> Entry:
    """Say that a complete look did not show a server any more."""
    return {"event": "absent", "at": iso(now), "serverArn": server_arn}


def append_entry(history: Sequence[Entry], entry: Entry) -> list[Entry]:
    """Append; the oldest entries go."""
    return [*history, entry][-_MAX_ENTRIES:]
