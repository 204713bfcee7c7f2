"""Reading the inventory: the servers of a region, by the account that sees them. Never a write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Final

import orjson

from service.aws.dynamodb import Item, TableReader
from service.inventory.server import InstanceFacts
from service.models import is_account_id

__all__ = ["InventoryReader", "facts_of", "is_json", "is_server", "seen_by"]

_REGION_INDEX: Final = "ReplicationRegionIndex"
_UNUSED: Final = frozenset({"_inventoryMetadata", "_queryRegion", "agentVersion", "arn", "contentHash", "writtenAt"})
_INITIATION: Final = "dataReplicationInitiation"  # a dozen steps, each with its status
# First part of a region's name -> partition; all others are `aws`.
_PARTITIONS: Final = (("us-gov-", "aws-us-gov"), ("cn-", "aws-cn"), ("eusc-", "aws-eusc"))


class InventoryReader:
    """Reads the inventory table by region."""

    def __init__(self, table: TableReader) -> None:
        self._table = table

    async def by_account(self, region: str, accounts: Collection[str]) -> dict[str, list[Item]]:
        """Give the servers of a region that these accounts see; accounts without any are left out.

        One account costs a read of its own servers, several a read of the whole region. The index may lag behind
        writes of the last seconds.

        Raises:
            AwsError: the table could not be read.
        """
        wanted = frozenset(accounts)
        found: dict[str, list[Item]] = {}
        async for item in self._items(region, wanted):
            account_id = seen_by(item)
            if account_id in wanted and is_server(item):
                found.setdefault(account_id, []).append(item)
        return found

    def _items(self, region: str, accounts: frozenset[str]) -> AsyncIterator[Item]:
        """Give the items. All attributes are read: to choose among them saves no read capacity."""
        condition, values = "#replicationRegion = :region", {"region": region}
        if len(accounts) == 1:
            # The ARN of a server names the account that sees it, and is the index's sort key.
            condition += " AND begins_with( #sourceServerArn , :prefix)"
            values["prefix"] = f"arn:{_partition(region)}:drs:{region}:{next(iter(accounts))}:source-server/"
        return self._table.query(condition, values, index=_REGION_INDEX, trim=_trimmed)


def _trimmed(item: Item) -> Item:
    """Drop what no answer shows before it is decoded: that is half of the work, and of the memory."""
    kept = {name: value for name, value in item.items() if name not in _UNUSED}
    replication = kept.get("dataReplicationInfo", {}).get("M")
    if replication:
        kept["dataReplicationInfo"] = {"M": {n: v for n, v in replication.items() if n != _INITIATION}}
    return kept


def _partition(region: str) -> str:
    return next((partition for prefix, partition in _PARTITIONS if region.startswith(prefix)), "aws")


def is_server(item: Mapping[str, Any]) -> bool:
    """Tell a server from bookkeeping, which lives under staging accounts that cannot be."""
    return is_account_id(item.get("stagingAccountId"))


def seen_by(item: Mapping[str, Any]) -> str:
    """Name the account that sees a server; empty when the item does not say."""
    account_id = item.get("_queryAccount")
    if isinstance(account_id, str) and account_id:
        return account_id
    parts = str(item.get("sourceServerArn", "")).split(":")
    return parts[4] if len(parts) > 5 else ""  # noqa: PLR2004 - parts of an ARN


def facts_of(item: Mapping[str, Any]) -> InstanceFacts | None:
    """Give what EC2 said last of the instance of a server; None when the item does not say.

    EC2 says nothing that is no text or that JSON cannot hold: what is such was put there by another hand.
    """
    tags, network = item.get("sourceTags"), item.get("ec2NetworkConfig")
    told = network if isinstance(network, Mapping) and is_json(network) else None
    if not isinstance(tags, Mapping) and told is None:
        return None
    listed = tags.items() if isinstance(tags, Mapping) else ()
    return InstanceFacts({name: value for name, value in listed if isinstance(value, str)}, told)


def is_json(value: object) -> bool:
    """Tell whether an attribute can be written as JSON: DynamoDB takes longer whole numbers than JSON writers do."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True
