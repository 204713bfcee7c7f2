"""Lineages: lookup of the topology of a server by any of its names.

Name items in the inventory table map names to lineages. Each is written whole with the same content, so writing them
twice, in any order, or only some of them does no harm:

* alias, key (`id#<name>`, `LINEAGE#<lineage ARN>`): the name belongs to the lineage; a name may belong to several.
* member, key (lineage ARN, `MEMBER#<server ARN>`): the server, an extended one or one created by ReverseReplication,
  belongs to the lineage.

They have neither `replicationRegion` nor `sourceAccountId`, so no index that other readers query contains them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

from service.aws.dynamodb import Item, TableReader
from service.inventory.reader import is_server
from service.inventory.server import SourceServer
from service.topology.original import TOPOLOGY

__all__ = [
    "LineageReader",
    "alias_name",
    "is_alias",
    "lineage_of_item",
    "name_items",
    "normalised_name",
    "server_names",
]

_ALIAS: Final = "id#"
_LINEAGE: Final = "LINEAGE#"
_MEMBER: Final = "MEMBER#"


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
    items: list[Item] = [
        {"sourceServerArn": f"{_ALIAS}{name}", "stagingAccountId": f"{_LINEAGE}{lineage}", "lineageArn": lineage}
        for name in names
    ]
    if server_arn != lineage:
        member = {"stagingAccountId": f"{_MEMBER}{server_arn}", "memberArn": server_arn, "lineageArn": lineage}
        items.append({"sourceServerArn": lineage, **member})
    return items


def is_alias(item: Mapping[str, Any]) -> bool:
    """Whether an item is an alias."""
    return str(item.get("sourceServerArn")).startswith(_ALIAS)


def alias_name(item: Mapping[str, Any]) -> str:
    """Return the name of an alias item."""
    return str(item["sourceServerArn"]).removeprefix(_ALIAS)


def lineage_of_item(item: Mapping[str, Any]) -> str:
    """Return the lineage of any item of the table, including items of legacy writers, which do not contain it.

    A server created by ReverseReplication without a known lineage belongs to that of the server it was reversed from.
    """
    if item.get("lineageArn"):
        return str(item["lineageArn"])
    area = item.get("stagingArea")
    staging = area.get("stagingSourceServerArn") if isinstance(area, Mapping) else None
    reversed_from = (
        item.get("reversedDirectionSourceServerArn") if item.get("replicationDirection") == "FAILBACK" else ""
    )
    return str(reversed_from or staging or item.get("sourceServerArn") or "")


class LineageReader:
    """Reads lineages and their items by name."""

    def __init__(self, table: TableReader) -> None:
        self._table = table

    async def by_name(self, name: str) -> tuple[str, ...]:
        """Return the lineages of a name, sorted; a consistent read. Raises AwsError."""
        items = self._partition(f"{_ALIAS}{normalised_name(name)}", _LINEAGE)
        return tuple(sorted([str(item["lineageArn"]) async for item in items]))

    async def items(self, lineage: str) -> list[Item]:
        """Return the topology of a lineage and the items of its members; a consistent read. Raises AwsError."""
        own = [item async for item in self._partition(lineage)]
        members = [str(item["memberArn"]) for item in own if item.get("memberArn")]
        found = [item for item in own if item.get("stagingAccountId") == TOPOLOGY or is_server(item)]
        for member in members:
            found += [item async for item in self._partition(member) if is_server(item)]
        return found

    async def all_items(self) -> list[Item]:
        """Return every item of the table. Raises AwsError."""
        return [item async for item in self._table.scan()]

    def _partition(self, value: str, prefix: str = "") -> AsyncIterator[Item]:
        condition, values = "#sourceServerArn = :value", {"value": value}
        if prefix:
            condition += " AND begins_with( #stagingAccountId , :prefix)"
            values["prefix"] = prefix
        return self._table.query(condition, values)
