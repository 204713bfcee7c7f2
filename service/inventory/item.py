"""The inventory item of one source server: the DRS record, and beside it the attributes that readers query. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.attributes import as_str
from service.inventory.posture import replication_posture
from service.inventory.server import InstanceFacts, SourceServer
from service.models import Scope, iso

__all__ = ["POSTURE", "POSTURE_SINCE", "ServerSnapshot", "WriteStamp", "build_item", "posture_since"]

POSTURE: Final = "posture"
"""Attribute of an item: the posture of its server by its replication alone; its lag is not in the item."""
POSTURE_SINCE: Final = "postureSince"
"""Attribute of an item: when a sync first saw the server in that posture; missing where that is not known."""


def posture_since(item: Mapping[str, Any], record: Mapping[str, Any]) -> str | None:
    """Return since when a server is in the posture that its replication has, by its stored item.

    Args:
        item: the item; empty where there is none.
        record: the DescribeSourceServers record, as it is now.

    Returns:
        Empty if the item does not say since when; None if it does not have that posture.
    """
    is_same = item.get(POSTURE) == str(replication_posture(record).posture)
    return as_str(item.get(POSTURE_SINCE)) if is_same else None


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """One source server as AWS describes it.

    Args:
        record: the DescribeSourceServers record.
        server: the same record, parsed.
        facts: tags and network of its EC2 instance, now or when last read; None when they were never read.
    """

    record: Mapping[str, Any]
    server: SourceServer
    facts: InstanceFacts | None


@dataclass(frozen=True, slots=True)
class WriteStamp:
    """Version and times of one write.

    Args:
        digest: content hash of the server.
        synced_at: start of the sync, the same for all its items.
        written_at: time of the write. A scan that began earlier must not remove the item as absent.
    """

    digest: str
    synced_at: datetime
    written_at: datetime


def build_item(
    snapshot: ServerSnapshot,
    scope: Scope,
    stamp: WriteStamp,
    original: Mapping[str, Any],
    *,
    posture_since: str = "",
) -> dict[str, Any]:
    """Build the inventory item of a server.

    Args:
        snapshot: the server.
        scope: the account and region whose DRS returned the record.
        stamp: version and times of the write.
        original: attributes of the original topology, as far as known.
        posture_since: when the server was first seen in its posture; empty if that is not known.
    """
    record, server, facts = snapshot.record, snapshot.server, snapshot.facts
    moment = iso(stamp.synced_at)
    staging_account = server.staging_account or scope.account_id
    source_account = server.origin_account or scope.account_id
    item = {
        **record,
        "sourceServerArn": server.arn,
        "stagingAccountId": staging_account,
        "sourceAccountId": source_account,
        "replicationRegion": scope.region,
        "region": scope.region,
        "replicationState": server.state,
        POSTURE: str(replication_posture(record).posture),
        "lastUpdated": moment,
        "hostname": server.hostname,
        "fqdn": server.fqdn,
        "instanceId": server.instance_id or "",
        "cpuCores": sum(cpu.cores for cpu in server.cpus),
        "ramBytes": server.ram_bytes,
        "tags": {**server.tags, **(facts.tags if facts else {})},
        "_inventoryMetadata": {
            "stagingAccountId": staging_account,
            "sourceAccountId": source_account,
            "sourceRegion": server.origin_region or scope.region,
            "replicationRegion": scope.region,
            "lastUpdated": moment,
        },
        "_queryRegion": scope.region,
        "_queryAccount": scope.account_id,
        "contentHash": stamp.digest,
        "writtenAt": iso(stamp.written_at),
        **original,
    }
    if posture_since:
        item[POSTURE_SINCE] = posture_since
    if facts is not None:
        item["sourceTags"] = dict(facts.tags)
        if facts.network is not None:
            item["ec2NetworkConfig"] = dict(facts.network)
    return item
