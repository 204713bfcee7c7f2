"""Lineage: any name that a person may hold of a server leads to the ARN under which its origin is kept.

Bookkeeping items in the inventory table, put whole and always alike, so that writing them twice, in any order, or only
in part does no harm:

* key (`id#<name>`, `LINEAGE#<lineage ARN>`): the name belongs to that lineage; one name may belong to several.
* key (lineage ARN, `MEMBER#<server ARN>`): that record (an extended one, one made by ReverseReplication) belongs to it.

They have neither `replicationRegion` nor `sourceAccountId`, so the indexes that other readers query do not show them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

from service.aws.dynamodb import Item, TableReader
from service.inventory.reader import is_server
from service.inventory.server import SourceServer
from service.topology.original import TOPOLOGY

__all__ = ["LineageReader", "alias_name", "bookkeeping", "is_alias", "lineage_of_item", "names_of", "normalised"]

_ALIAS: Final = "id#"
_LINEAGE: Final = "LINEAGE#"
_MEMBER: Final = "MEMBER#"


def normalised(name: str) -> str:
    """Give the form under which a name is kept: lower case, and of a DRS ARN the resource's own id."""
    text = name.strip()
    if text.startswith("arn:"):
        text = text.rpartition("/")[2] or text
    return text.lower()


def names_of(server: SourceServer) -> tuple[str, ...]:
    """Give every name that a record tells: its id, its instance, its recovery instance, its host."""
    told = (server.server_id, server.instance_id, server.recovery_instance, server.hostname, server.fqdn)
    return tuple(sorted({normalised(name) for name in told if name and name.strip()}))


def bookkeeping(lineage: str, server_arn: str, names: Iterable[str]) -> list[Item]:
    """Give the items to put, so that these names and this record lead to a lineage."""
    items: list[Item] = [
        {"sourceServerArn": f"{_ALIAS}{name}", "stagingAccountId": f"{_LINEAGE}{lineage}", "lineageArn": lineage}
        for name in names
    ]
    if server_arn != lineage:
        member = {"stagingAccountId": f"{_MEMBER}{server_arn}", "memberArn": server_arn, "lineageArn": lineage}
        items.append({"sourceServerArn": lineage, **member})
    return items


def is_alias(item: Mapping[str, Any]) -> bool:
    """Whether an item says which lineage a name belongs to."""
    return str(item.get("sourceServerArn")).startswith(_ALIAS)


def alias_name(item: Mapping[str, Any]) -> str:
    """Give the name that an alias item is about."""
    return str(item["sourceServerArn"]).removeprefix(_ALIAS)


def lineage_of_item(item: Mapping[str, Any]) -> str:
    """Name the lineage of any item of the table; those of earlier writers do not say it themselves.

    A record made by ReverseReplication that was never resolved is taken to belong to the server it was reversed from.
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
    """Finds lineages by name, and all that the table holds of one."""

    def __init__(self, table: TableReader) -> None:
        self._table = table

    async def named(self, name: str) -> tuple[str, ...]:
        """Give the lineages a name belongs to, sorted; consistent. Raises AwsError."""
        items = self._partition(f"{_ALIAS}{normalised(name)}", _LINEAGE)
        return tuple(sorted([str(item["lineageArn"]) async for item in items]))

    async def items(self, lineage: str) -> list[Item]:
        """Give the topology of a lineage, and the inventory items of its members; consistent. Raises AwsError."""
        own = [item async for item in self._partition(lineage)]
        members = [str(item["memberArn"]) for item in own if item.get("memberArn")]
        found = [item for item in own if item.get("stagingAccountId") == TOPOLOGY or is_server(item)]
        for member in members:
            found += [item async for item in self._partition(member) if is_server(item)]
        return found

    async def everything(self) -> list[Item]:
        """Give the whole table. Raises AwsError."""
        return [item async for item in self._table.scan()]

    def _partition(self, value: str, prefix: str = "") -> AsyncIterator[Item]:
        condition, values = "#sourceServerArn = :value", {"value": value}
        if prefix:
            condition += " AND begins_with( #stagingAccountId , :prefix)"
            values["prefix"] = prefix
        return self._table.query(condition, values)
