"""Lineages: lookup of the topology of a server by any of its names.

Name items map names to lineages. Each is written whole with the same content, so writing them twice, in any order, or
only some of them does no harm:

* alias: the name belongs to the lineage; a name may belong to several.
* member: the server, an extended one or one created by ReverseReplication, belongs to the lineage.

The topology table has them. Those that an earlier version left in the inventory table are read there until they are
carried over. The inventory table is always read first: an item that is carried over meanwhile is then found in at least
one of the two, because it is written to the topology table before it is removed from the inventory table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any, Final

from service.aws.dynamodb import Item, TableReader
from service.errors import AwsError
from service.inventory.reader import is_server
from service.inventory.server import SourceServer
from service.topology.keys import (
    ALIAS,
    KEYS,
    LINEAGE,
    MAX_KEY_BYTES,
    MEMBER,
    from_inventory,
    is_known_kind,
    is_topology,
    key_of,
)
from service.topology.merge import merged

__all__ = [
    "LineageReader",
    "alias_name",
    "lineage_of_item",
    "name_items",
    "normalised_name",
    "server_names",
]


def normalised_name(name: str) -> str:
    """Return the stored form of a name: lower case, and for a DRS ARN only the id of the resource."""
    text = name.strip()
    if text.startswith("arn:"):
        text = text.rpartition("/")[2] or text
    return text.lower()


def server_names(server: SourceServer) -> tuple[str, ...]:
    """Return every name of a server: its id, its instance, its recovery instance, its host name."""
    names = (server.server_id, server.instance_id, server.recovery_instance, server.hostname, server.fqdn)
    return tuple(sorted({normalised_name(name) for name in names if name and name.strip()}))


def name_items(lineage: str, server_arn: str, names: Iterable[str]) -> list[Item]:
    """Build the alias items of names, and the member item of a server, that map them to a lineage."""
    items: list[Item] = [{"pk": f"{ALIAS}{name}", "sk": f"{LINEAGE}{lineage}", "lineageArn": lineage} for name in names]
    if server_arn != lineage:
        member = {"sk": f"{MEMBER}{server_arn}", "memberArn": server_arn, "lineageArn": lineage}
        items.append({"pk": lineage, **member})
    return items


def alias_name(item: Mapping[str, Any]) -> str:
    """Return the name of an alias item."""
    return str(item["pk"]).removeprefix(ALIAS)


def lineage_of_item(item: Mapping[str, Any]) -> str:
    """Return the lineage of any item of both tables, including items of legacy writers, which do not contain it.

    A server created by ReverseReplication without a known lineage belongs to that of the server it was reversed from.
    """
    if lineage := _text(item, "lineageArn"):
        return lineage
    if is_topology(item):
        return str(item["pk"])
    area = item.get("stagingArea")
    staging = _text(area, "stagingSourceServerArn") if isinstance(area, Mapping) else ""
    is_reversed = item.get("replicationDirection") == "FAILBACK"
    reversed_from = _text(item, "reversedDirectionSourceServerArn") if is_reversed else ""
    return reversed_from or staging or _text(item, "sourceServerArn")


def _text(members: Mapping[str, Any], name: str) -> str:
    """Return a member that is text; empty for anything else, which another writer may have left."""
    value = members.get(name)
    return value if isinstance(value, str) else ""


class LineageReader:
    """Reads lineages and their items by name.

    Args:
        inventory: the inventory table.
        own: the topology table, None if there is none.
        must_read_own: a topology table that cannot be read is an error; if False, what the inventory table has is
            returned, and `failure` says why.
    """

    def __init__(self, inventory: TableReader, own: TableReader | None = None, *, must_read_own: bool = True) -> None:
        self._inventory = inventory
        self._own = own
        self._must_read_own = must_read_own
        self.failure: AwsError | None = None

    async def by_name(self, name: str) -> tuple[str, ...]:
        """Return the lineages of a name, sorted; a consistent read. Raises AwsError."""
        partition = f"{ALIAS}{normalised_name(name)}"
        if len(partition.encode(errors="replace")) > MAX_KEY_BYTES:
            return ()  # no item has it, and DynamoDB refuses to look
        items = [item async for item in self._inventory_partition(partition, LINEAGE)]
        items += await self._own_partition(partition, LINEAGE)
        return tuple(sorted({arn for item in items if (arn := _text(item, "lineageArn"))}))

    async def items(self, lineage: str) -> list[Item]:
        """Return the topology of a lineage and the items of its members; a consistent read. Raises AwsError."""
        stored = [item async for item in self._inventory_partition(lineage)]
        own = await self._own_partition(lineage)
        known = _merged_kinds(stored, own)
        members = [arn for item in known if (arn := _text(item, "memberArn"))]
        found = [item for item in known if is_topology(item)] + [item for item in stored if is_server(item)]
        for member in members:
            found += [item async for item in self._inventory_partition(member) if is_server(item)]
        return found

    async def search(self, name: str) -> dict[str, list[Item]]:
        """Return the items of each lineage that may have a name, where no name item leads to it: an item of it says so.

        Earlier versions wrote no name items, and without a topology table there are none. This reads the names of all
        items, and holds only those of servers that belong to the lineage of another one. Raises AwsError.
        """
        wanted = normalised_name(name)
        found: set[str] = set()
        members: dict[str, str] = {}  # servers by ARN -> the lineage that their item names
        async for each in self._inventory.scan(only=_NAMED_BY):
            item = from_inventory(each) or each
            lineage = lineage_of_item(item)
            if is_server(each) and lineage != each.get("sourceServerArn"):
                members[str(each.get("sourceServerArn"))] = lineage
            if (is_server(each) or is_topology(item)) and wanted in _names_of(item):
                found.add(lineage)
        async for item in self._own_topologies():
            if wanted in _names_of(item):
                found.add(lineage_of_item(item))
        # An item may point at an extended record, which itself belongs to the lineage of another server.
        lineages = sorted({members.get(lineage, lineage) for lineage in found} - {""})
        return {
            lineage: await self._with_members(
                lineage,
                {arn for arn, pointed_at in members.items() if members.get(pointed_at, pointed_at) == lineage}
                | ({lineage} - members.keys()),
            )
            for lineage in lineages
        }

    async def _with_members(self, lineage: str, arns: Collection[str]) -> list[Item]:
        found: dict[tuple[str, str], Item] = {}
        for arn in sorted({lineage, *arns}):
            for item in await self.items(arn):
                if is_topology(item) or item.get("sourceServerArn") in arns:
                    found.setdefault((str(item.get("sourceServerArn", arn)), str(item.get("stagingAccountId"))), item)
        return list(found.values())

    async def _own_topologies(self) -> AsyncIterator[Item]:
        if self._own is None:
            return
        try:
            async for item in self._own.scan(only=(*KEYS, "lineageArn", *_ORIGINAL_NAMES)):
                if is_topology(item):
                    yield item
        except AwsError as error:
            if self._must_read_own:
                raise
            self.failure = error

    async def all_items(self) -> list[Item]:
        """Return every item of both tables that belongs to a lineage. Raises AwsError."""
        stored = [item async for item in self._inventory.scan()]
        own = await self._all_own()
        return _merged_kinds(stored, own) + [item for item in stored if is_server(item)]

    async def _all_own(self) -> list[Item]:
        return await self._collected(self._own.scan()) if self._own is not None else []

    async def _own_partition(self, value: str, prefix: str = "") -> list[Item]:
        if self._own is None:
            return []
        return await self._collected(_partition(self._own, "pk", "sk", value, prefix))

    async def _collected(self, items: AsyncIterator[Item]) -> list[Item]:
        try:
            return [item async for item in items if is_known_kind(item)]
        except AwsError as error:
            if self._must_read_own:
                raise
            self.failure = error
            return []

    def _inventory_partition(self, value: str, prefix: str = "") -> AsyncIterator[Item]:
        return _partition(self._inventory, "sourceServerArn", "stagingAccountId", value, prefix)


_ORIGINAL_NAMES: Final = ("originalInstanceId", "originalHostname")
_SERVER_NAMES: Final = ("sourceServerArn", "instanceId", "recoveryInstanceId", "hostname", "fqdn")
_NAMED_BY: Final = (
    *_SERVER_NAMES,
    *_ORIGINAL_NAMES,
    "stagingAccountId",
    "lineageArn",
    "replicationDirection",
    "reversedDirectionSourceServerArn",
    "stagingArea.stagingSourceServerArn",
)
"""Attributes of an item that say which names it has, and to which lineage it belongs."""


def _names_of(item: Mapping[str, Any]) -> set[str]:
    names = [_text(item, name) for name in (_ORIGINAL_NAMES if is_topology(item) else _SERVER_NAMES)]
    return {normalised_name(name) for name in (*names, lineage_of_item(item)) if name}


def _partition(table: TableReader, hash_key: str, range_key: str, value: str, prefix: str) -> AsyncIterator[Item]:
    condition, values = f"#{hash_key} = :value", {"value": value}
    if prefix:
        condition += f" AND begins_with( #{range_key} , :prefix)"
        values["prefix"] = prefix
    return table.query(condition, values)


def _merged_kinds(stored: Iterable[Item], own: Iterable[Item]) -> list[Item]:
    """Return topology and name items of both tables, each key once."""
    items = {tuple(key_of(item).values()): item for each in stored if (item := from_inventory(each)) is not None}
    for item in own:
        key = tuple(key_of(item).values())
        items[key] = merged(item, items[key]) if key in items and is_topology(item) else item
    return list(items.values())
