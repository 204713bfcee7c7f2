"""The inventory item of one source server: the DRS record, and beside it the attributes that readers query. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.inventory.server import InstanceFacts, SourceServer
from service.models import Scope, iso

__all__ = ["ServerSnapshot", "WriteStamp", "build_item"]

_REPLICATION: Final = "dataReplicationInfo"
_INITIATION: Final = "dataReplicationInitiation"
_DONE: Final = frozenset({"SUCCEEDED", "SKIPPED"})


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
    snapshot: ServerSnapshot, scope: Scope, stamp: WriteStamp, original: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the inventory item of a server.

    Args:
        snapshot: the server.
        scope: the account and region whose DRS returned the record.
        stamp: version and times of the write.
        original: attributes of the original topology, as far as known.
    """
    record, server, facts = snapshot.record, snapshot.server, snapshot.facts
    moment = iso(stamp.synced_at)
    staging_account = server.staging_account or scope.account_id
    source_account = server.origin_account or scope.account_id
    item = {
        **_without_finished_steps(record),
        "sourceServerArn": server.arn,
        "stagingAccountId": staging_account,
        "sourceAccountId": source_account,
        "replicationRegion": scope.region,
        "region": scope.region,
        "replicationState": server.state,
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
    if facts is not None:
        item["sourceTags"] = dict(facts.tags)
        if facts.network is not None:
            item["ec2NetworkConfig"] = dict(facts.network)
    return item


def _without_finished_steps(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out the eleven steps of setting up replication once all are done.

    They are a sixth of an item, are stored in the table and its three indexes, and say no more than that replication
    has begun, which the state says. DRS leaves out members too, so every reader expects that.
    """
    replication = record.get(_REPLICATION)
    if not isinstance(replication, Mapping) or not _is_set_up(replication.get(_INITIATION)):
        return record
    return {**record, _REPLICATION: {name: value for name, value in replication.items() if name != _INITIATION}}


def _is_set_up(initiation: object) -> bool:
    steps = initiation.get("steps") if isinstance(initiation, Mapping) else None
    return isinstance(steps, list) and bool(steps) and all(_is_done(step) for step in steps)


def _is_done(step: object) -> bool:
    return isinstance(step, Mapping) and str(step.get("status")) in _DONE
