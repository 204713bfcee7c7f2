"""The source server inventory table: the stored items of a scope, batches of changed items, removal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from service.aws.dynamodb_write import Table
from service.inventory.reader import stored_facts
from service.inventory.server import InstanceFacts
from service.models import Scope, iso, parse_iso

__all__ = ["InventoryTable", "ItemKey", "StoredItem"]

_REGION_INDEX: Final = "ReplicationRegionIndex"
_WANTED: Final = (
    "sourceServerArn",
    "stagingAccountId",
    "contentHash",
    "lastUpdated",
    "sourceTags",
    "ec2NetworkConfig",
    "topologyComplete",
    "topologyLastUpdated",
    "originalSourceRegion",
    "originalAccountId",
    "originalReplicationConfigurationTemplateId",
    "originalReplicationConfigTemplateId",
    "lineageArn",
    "lineageNames",
)


class ItemKey(NamedTuple):
    """Primary key of an inventory item."""

    arn: str
    staging_account: str


@dataclass(frozen=True, slots=True)
class StoredItem:
    """What the table holds of a server, as far as a sync needs it."""

    digest: str
    updated_at: datetime | None
    facts: InstanceFacts | None
    topology_complete: bool
    item: Mapping[str, Any]


class InventoryTable:
    """The inventory, by scope."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def stored_items(self, scope: Scope, *, partition: str) -> dict[ItemKey, StoredItem]:
        """Give what the table holds of one (account, region).

        The ARN names both, so a prefix of the index's sort key finds the scope. The index may lag behind writes of the
        last seconds: a server missed here is only written again.

        Raises:
            AwsError: the table could not be read.
        """
        prefix = f"arn:{partition}:drs:{scope.region}:{scope.account_id}:source-server/"
        found: dict[ItemKey, StoredItem] = {}
        async for item in self._table.query(
            "#replicationRegion = :region AND begins_with( #sourceServerArn , :prefix)",
            {"region": scope.region, "prefix": prefix},
            index=_REGION_INDEX,
            only=_WANTED,
        ):
            found[ItemKey(item["sourceServerArn"], item["stagingAccountId"])] = _parse_stored(item)
        return found

    async def write(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Put whole items in batches. Raises AwsError when some could not be written."""
        await self._table.put_many(items)

    async def check(self) -> None:
        """Make sure that the table is there with the keys expected. Raises AwsError."""
        await self._table.get({"sourceServerArn": "-", "stagingAccountId": "-"})

    async def remove(self, key: ItemKey, *, scanned_at: datetime) -> bool:
        """Remove a server that a complete look did not show, unless it was written after that look began."""
        return await self._table.delete_if(
            {"sourceServerArn": key.arn, "stagingAccountId": key.staging_account},
            "#writtenAt < :looked OR ( attribute_not_exists( #writtenAt ) AND "
            "( attribute_not_exists( #lastUpdated ) OR #lastUpdated < :looked ))",
            {"looked": iso(scanned_at)},
        )

    async def refresh_copy(self, key: ItemKey, copies: Mapping[str, Any]) -> None:
        """Bring the topology attributes of an inventory item up to date, if the item is still there."""
        await self._table.update_if(
            {"sourceServerArn": key.arn, "stagingAccountId": key.staging_account},
            copies,
            "attribute_exists( #sourceServerArn )",
        )


def _parse_stored(item: Mapping[str, Any]) -> StoredItem:
    return StoredItem(
        digest=str(item.get("contentHash") or ""),
        updated_at=parse_iso(item.get("lastUpdated")),
        facts=stored_facts(item),
        topology_complete=item.get("topologyComplete") is True,
        item=item,
    )
