"""Brief view of a server: what a list shows of it, from an inventory item of any version. Pure.

It needs only some attributes, so that a list of many servers need not read the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.attributes import as_map, as_str
from service.inventory.item import POSTURE, POSTURE_SINCE
from service.inventory.moving_values import lag_value
from service.inventory.posture import LAG_OVER_OBJECTIVE, Objectives, posture_of
from service.inventory.reader import OWNER_ATTRIBUTES, owner_account
from service.queries.filters import UNKNOWN_STATE

__all__ = ["BRIEF_ATTRIBUTES", "VALUES_AS_OF", "ServerView", "brief", "tags_of"]

ServerView = dict[str, Any]

VALUES_AS_OF: Final = "_valuesAsOf"
"""Attribute of an item that was read: when the scan began that its moving values are of."""
BRIEF_ATTRIBUTES: Final = (
    *OWNER_ATTRIBUTES,
    "dataReplicationInfo.dataReplicationError",
    "dataReplicationInfo.dataReplicationState",
    "dataReplicationInfo.lagDuration",
    "hostname",
    "lagDuration",
    "lastLaunchResult",
    "lastSeen",
    "lastUpdated",
    "lifeCycle.lastLaunch",
    "lifeCycle.lastSeenByServiceDateTime",
    POSTURE,
    POSTURE_SINCE,
    "replicationRegion",
    "replicationState",
    "sourceProperties.identificationHints.hostname",
    "sourceServerID",
    "sourceTags",
    "stagingArea",
    "tags",
)
"""Attributes of an item that its brief view is made of; of a map only what is named after the dot."""


def brief(item: Mapping[str, Any], objectives: Objectives | None = None) -> ServerView:
    """Build the brief view of a server. A member that the item lacks, or has in a wrong type, is empty.

    Given objectives, it has `posture`, `postureReason`, `postureSince` and `replicationError`. Lag and last seen are of
    `valuesAsOf`: a scan, or the last write of the item.
    """
    arn = as_str(item.get("sourceServerArn"))
    hints = as_map(as_map(item.get("sourceProperties")).get("identificationHints"))
    replication, cycle = as_map(item.get("dataReplicationInfo")), as_map(item.get("lifeCycle"))
    launch = as_map(cycle.get("lastLaunch"))
    initiated = as_map(launch.get("initiated"))
    tags = tags_of(item)
    region = as_str(item.get("replicationRegion"))
    state = as_str(item.get("replicationState")) or as_str(replication.get("dataReplicationState")) or UNKNOWN_STATE
    view: ServerView = {
        "sourceServerID": as_str(item.get("sourceServerID")) or arn.rpartition("/")[2],
        "sourceServerArn": arn,
        "accountId": owner_account(item),
        "stagingAccountId": as_str(item.get("stagingAccountId")),
        "region": region,
        "replicationRegion": region,
        "hostname": as_str(item.get("hostname")) or as_str(hints.get("hostname")),
        "nameTag": as_str(tags.get("Name")),
        "state": state,
        "replicationState": state,
        "lagDuration": as_str(replication.get("lagDuration")) or as_str(item.get("lagDuration")),
        "lastSeen": as_str(cycle.get("lastSeenByServiceDateTime")) or as_str(item.get("lastSeen")),
        "valuesAsOf": as_str(item.get(VALUES_AS_OF)) or as_str(item.get("lastUpdated")),
        "lastLaunchType": as_str(initiated.get("type")),
        "lastLaunchStatus": as_str(item.get("lastLaunchResult")) or as_str(launch.get("status")),
        "lastLaunchTime": as_str(initiated.get("apiCallDateTime")),
    }
    if objectives is not None:
        view |= _posture(item, tags, objectives)
    return view


def tags_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tags; the flat items of early versions have only those of EC2."""
    all_tags, ec2_tags = item.get("tags"), item.get("sourceTags")
    tags = all_tags if isinstance(all_tags, Mapping) else as_map(ec2_tags)
    return {name: value if type(value) is str else as_str(value) for name, value in tags.items()}


def _posture(item: Mapping[str, Any], tags: Mapping[str, Any], objectives: Objectives) -> ServerView:
    """Return the posture of a server, why, and since when; empty where that is not known.

    The item says since when for its replication alone, so not of a posture that follows from the lag.
    """
    posture, reason = posture_of(item, lag_value(item), objectives.lag_of(tags))
    since = as_str(item.get(POSTURE_SINCE)) if item.get(POSTURE) == posture and reason != LAG_OVER_OBJECTIVE else ""
    error = as_map(as_map(item.get("dataReplicationInfo")).get("dataReplicationError")).get("error")
    return {
        "posture": str(posture),
        "postureReason": reason,
        "postureSince": since,
        "replicationError": as_str(error),
    }
