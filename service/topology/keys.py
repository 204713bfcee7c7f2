"""Kinds and keys of topology and name items, in their own table and as earlier versions stored them. Pure.

Key (`pk`, `sk`) in the topology table:

* topology: (lineage ARN, `TOPOLOGY`)
* member: (lineage ARN, `MEMBER#<server ARN>`)
* alias: (`id#<name>`, `LINEAGE#<lineage ARN>`)

Earlier versions stored the same items in the inventory table, with `pk` as `sourceServerArn` and `sk` as
`stagingAccountId`. Everything outside this module sees `pk` and `sk`, whichever table an item was read from. The
topology table also has items of other kinds, which this package ignores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "ALIAS",
    "CARRY_OVER",
    "IN_INVENTORY",
    "KEYS",
    "LINEAGE",
    "MAX_KEY_BYTES",
    "MEMBER",
    "TOPOLOGY",
    "from_inventory",
    "inventory_key",
    "is_alias",
    "is_known_kind",
    "is_topology",
    "key_of",
    "topology_key",
]

TOPOLOGY: Final = "TOPOLOGY"
ALIAS: Final = "id#"
LINEAGE: Final = "LINEAGE#"
MEMBER: Final = "MEMBER#"
KEYS: Final = ("pk", "sk")
MAX_KEY_BYTES: Final = 2048
"""DynamoDB's limit of a partition key; names of servers that are stored are shorter."""
CARRY_OVER: Final[Mapping[str, str]] = {"pk": "carry-over", "sk": "inventory"}
"""Key of the item that says how far the inventory table has been searched for items of earlier versions."""

IN_INVENTORY: Final = (
    "#stagingAccountId = :topology OR begins_with( #stagingAccountId , :alias) "
    "OR begins_with( #stagingAccountId , :member)",
    {"topology": TOPOLOGY, "alias": LINEAGE, "member": MEMBER},
)
"""Filter and values that select these kinds in the inventory table."""


def topology_key(lineage_arn: str) -> dict[str, str]:
    """Return the key of the topology item of a lineage."""
    return {"pk": lineage_arn, "sk": TOPOLOGY}


def key_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the key of an item in the topology table."""
    return {name: str(item[name]) for name in KEYS}


def inventory_key(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the key of an item in the inventory table."""
    return {"sourceServerArn": str(item["pk"]), "stagingAccountId": str(item["sk"])}


def from_inventory(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an item of the inventory table with the keys of the topology table; None for an item of another kind."""
    rest = dict(item)
    keys = {"pk": rest.pop("sourceServerArn", None), "sk": rest.pop("stagingAccountId", None)}
    renamed = {**keys, **rest}
    return renamed if is_known_kind(renamed) else None


def is_topology(item: Mapping[str, Any]) -> bool:
    """Whether an item is the topology of a lineage."""
    return item.get("sk") == TOPOLOGY


def is_alias(item: Mapping[str, Any]) -> bool:
    """Whether an item is an alias."""
    return str(item.get("pk")).startswith(ALIAS) and str(item.get("sk")).startswith(LINEAGE)


def is_known_kind(item: Mapping[str, Any]) -> bool:
    """Whether an item is of a kind that this package reads."""
    return is_topology(item) or str(item.get("sk")).startswith((LINEAGE, MEMBER))
