"""The inventory item of one source server: the whole record, and beside it what readers of the table look for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.inventory.server import InstanceFacts, SourceServer
from service.models import Scope, iso

__all__ = ["build_item"]


def build_item(
    record: Mapping[str, Any],
    server: SourceServer,
    facts: InstanceFacts | None,
    scope: Scope,
    *,
    digest: str,
    synced_at: datetime,
    written_at: datetime,
    original: Mapping[str, Any],
) -> dict[str, Any]:
    """Make the inventory item: the whole record, and beside it what readers of the table look for.

    Args:
        record: the DescribeSourceServers record.
        server: the same, parsed.
        facts: what EC2 says now, or said last when it cannot be asked; None when it never said anything.
        scope: the account and region that were asked.
        digest: content hash.
        synced_at: start of the run, one value for all its items.
        written_at: now; a look that began earlier may not remove the item for not having seen it.
        original: attributes of the original topology, as far as known.
    """
    moment = iso(synced_at)
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
        "contentHash": digest,
        "writtenAt": iso(written_at),
        **original,
    }
    if facts is not None:
        item["sourceTags"] = dict(facts.tags)
        if facts.network is not None:
            item["ec2NetworkConfig"] = dict(facts.network)
    return item
