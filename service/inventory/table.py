"""Inventory table: the stored items of a scope, batch writes, conditional removal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from service.aws.conditional_write import put, update
from service.aws.dynamodb_write import Table
from service.aws.transactions import Outcome
from service.errors import AwsError
from service.inventory.item import POSTURE, POSTURE_SINCE
from service.inventory.reader import is_server, owner_account, stored_facts
from service.inventory.server import InstanceFacts
from service.models import Scope, parse_iso

__all__ = ["InventoryTable", "ItemKey", "StoredItem"]

_REGION_INDEX: Final = "ReplicationRegionIndex"
_OWNER_PROJECTION: Final = ("sourceServerArn", "stagingAccountId", "_queryAccount")
_PROJECTION: Final = (
    "sourceServerArn",
    "stagingAccountId",
    "contentHash",
    "lastUpdated",
    "writtenAt",
    "sourceTags",
    "ec2NetworkConfig",
    "topologyComplete",
    "topologyMissing",
    "topologyLastUpdated",
    "originalSourceRegion",
    "originalSourceAccountId",
    "originalInstanceId",
    "originalAvailabilityZone",
    "originEnvironment",
    "originEnvironmentSource",
    "originalAccountId",
    "originalReplicationConfigurationTemplateId",
    "originalReplicationConfigTemplateId",
    "lineageArn",
    "lineageNames",
    "replicationState",
    POSTURE,
    POSTURE_SINCE,
)


class ItemKey(NamedTuple):
    """Primary key of an inventory item."""

    arn: str
    staging_account: str

    @property
    def attributes(self) -> dict[str, str]:
        """The key as attributes of the item."""
        return {"sourceServerArn": self.arn, "stagingAccountId": self.staging_account}


@dataclass(frozen=True, slots=True)
class StoredItem:
    """The attributes of a stored inventory item that a sync compares with."""

    digest: str
    updated_at: datetime | None
    facts: InstanceFacts | None
    topology_complete: bool
    item: Mapping[str, Any]


class InventoryTable:
    """Reads and writes the inventory table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def stored_items(self, scope: Scope, *, partition: str) -> dict[ItemKey, StoredItem]:
        """Return the stored items of a scope.

        The ARN contains account and region, so a prefix of the sort key of the index selects the scope. The index is
        eventually consistent: a server missing here is written once more, and removed by a later scan.

        Raises:
            AwsError: the table could not be read.
        """
        prefix = f"arn:{partition}:drs:{scope.region}:{scope.account_id}:source-server/"
        stored: dict[ItemKey, StoredItem] = {}
        async for item in self._table.query(
            "#replicationRegion = :region AND begins_with( #sourceServerArn , :prefix)",
            {"region": scope.region, "prefix": prefix},
            index=_REGION_INDEX,
            only=_PROJECTION,
        ):
            if not isinstance(item.get("stagingAccountId"), str):
                raise self._table.malformed("Query", "an item is missing stagingAccountId")
            stored[ItemKey(item["sourceServerArn"], item["stagingAccountId"])] = _parse_stored(item)
        return stored

    async def scopes_of(self, regions: Iterable[str]) -> frozenset[Scope]:
        """Return the scopes of some regions of which the table has items of servers. Raises AwsError."""
        found: set[Scope] = set()
        for region in regions:
            query = self._table.query(
                "#replicationRegion = :region", {"region": region}, index=_REGION_INDEX, only=_OWNER_PROJECTION
            )
            async for item in query:
                if is_server(item) and (account_id := owner_account(item)):
                    found.add(Scope(account_id, region))
        return frozenset(found)

    async def write(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Put items in batches. Raises AwsError when some could not be written."""
        await self._table.put_many(items)

    async def write_new(self, items: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Put items of new servers, in a quarter of the calls of `write`; in the table they cost twice as much.

        Returns:
            For each True, or why DynamoDB refuses it, in their order.

        Raises:
            AwsError: some could not be written.
        """
        return await self._table.write_each([put(item) for item in items])

    async def check(self) -> None:
        """Check that the table exists with the expected key schema. Raises AwsError."""
        await self._table.get({"sourceServerArn": "-", "stagingAccountId": "-"})

    async def remove(self, key: ItemKey, stored: StoredItem) -> bool:
        """Remove a server if its item is still the one that was read, which needs no clock: no other run wrote it."""
        stamps = {name: stored.item.get(name) for name in ("writtenAt", "lastUpdated")}
        conditions = [
            f"attribute_not_exists( #{name} )" if stamp is None else f"#{name} = :{name}"
            for name, stamp in stamps.items()
        ]
        return await self._table.delete_if(
            key.attributes,
            " AND ".join(["attribute_exists( #sourceServerArn )", *conditions]),
            {name: stamp for name, stamp in stamps.items() if stamp is not None},
        )

    async def refresh_copies(self, copies: Mapping[ItemKey, Mapping[str, Any]]) -> dict[ItemKey, AwsError]:
        """Update the topology attributes of inventory items that still exist.

        Returns:
            The items that DynamoDB refuses to change, with its error.

        Raises:
            AwsError: some could not be written.
        """
        writes = [update(key.attributes, each, "attribute_exists( #sourceServerArn )") for key, each in copies.items()]
        outcomes = zip(copies, await self._table.write_each(writes), strict=True)
        return {key: outcome for key, outcome in outcomes if isinstance(outcome, AwsError)}


def _parse_stored(item: Mapping[str, Any]) -> StoredItem:
    return StoredItem(
        digest=str(item.get("contentHash") or ""),
        updated_at=parse_iso(item.get("lastUpdated")),
        facts=stored_facts(item),
        topology_complete=item.get("topologyComplete") is True,
        item={name: value for name, value in item.items() if _EXPECTED.get(name, _is_text)(value)},
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_anything(_: object) -> bool:
    return True


# What an attribute is expected to be, if not text; one of another type, from another writer, counts as missing. Stamps
# stay as they are: a removal compares them.
_EXPECTED: Final[Mapping[str, Callable[[object], bool]]] = MappingProxyType(
    {
        "topologyMissing": _is_names,
        "lineageNames": _is_names,
        "topologyComplete": lambda value: isinstance(value, bool),
        "sourceTags": lambda value: isinstance(value, Mapping),
        "ec2NetworkConfig": lambda value: isinstance(value, Mapping),
        "lastUpdated": _is_anything,
        "writtenAt": _is_anything,
    }
)
