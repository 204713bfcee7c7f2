"""What became of a server after its original topology was taken down. Pure. The originals themselves never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from service.inventory.servers import SourceServer
from service.models import iso

__all__ = ["ATTRIBUTE", "absence", "appended", "history_of", "move"]

ATTRIBUTE: Final = "topologyHistory"
_MOST_ENTRIES: Final = 20

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


def move(topology: Mapping[str, Any], server: SourceServer, *, now: datetime) -> Entry | None:
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


def absence(server_arn: str, *, now: datetime) -> Entry:
    """Say that a complete look did not show a server any more."""
    return {"event": "absent", "at": iso(now), "serverArn": server_arn}


def appended(history: Sequence[Entry], entry: Entry) -> list[Entry]:
    """Append; the oldest entries go."""
    return [*history, entry][-_MOST_ENTRIES:]
