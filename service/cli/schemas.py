"""Schemas of the platform's tables, which `drs-sync doctor` compares with the tables it finds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["PLATFORM_TABLES", "TABLES", "TableSpec", "schema_problems"]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Expected schema of a table.

    Attributes:
        setting: the setting that names the table.
        keys: partition key and, if there is one, sort key.
        indexes: partition key by index name; the sort key is the table's partition key.
        if_unset: what does not work while the setting is empty; an empty text if nothing works.
        is_own: no platform creates the table.
    """

    setting: str
    keys: tuple[str, ...]
    indexes: Mapping[str, str] = field(default_factory=dict)
    if_unset: str = ""
    is_own: bool = False

    @property
    def variable(self) -> str:
        """Environment variable that names the table."""
        return self.setting.upper()

    @property
    def check(self) -> str:
        """Name of the check of this table in findings."""
        return f"table {self.variable}"

    @property
    def description(self) -> str:
        """Keys and indexes in words."""
        indexes = (f", index {name} ({key} + {self.keys[0]}, all attributes)" for name, key in self.indexes.items())
        return f"key {' + '.join(self.keys)}, all strings{''.join(indexes)}"


TABLES: Final = (
    TableSpec("target_accounts_table", ("accountId",)),
    TableSpec(
        "source_server_inventory_table",
        ("sourceServerArn", "stagingAccountId"),
        {
            "SourceAccountIndex": "sourceAccountId",
            "StagingAccountIndex": "stagingAccountId",
            "ReplicationRegionIndex": "replicationRegion",
        },
    ),
    TableSpec("drs_region_status_table", ("region",), if_unset="every sync scans every region"),
    TableSpec(
        "source_server_topology_table",
        ("pk", "sk"),
        if_unset="originals are kept on the inventory's items, history and names are not kept, and lag is as old as"
        " each item; `drs-sync tables create` creates the table",
        is_own=True,
    ),
    TableSpec(
        "tag_sync_config_table",
        ("accountId",),
        if_unset="the tag sync has no lock, memory or last result",
        is_own=True,
    ),
)


PLATFORM_TABLES: Final = (TableSpec("protection_groups_table", ("groupId",)),)
"""Tables that belong to the platform alone. An installation without the platform has none, and needs none."""


def schema_problems(spec: TableSpec, description: Mapping[str, Any]) -> Iterator[str]:
    """Yield each way in which a table differs from its schema; `description` is `Table` of DescribeTable."""
    types = {each["AttributeName"]: each["AttributeType"] for each in description.get("AttributeDefinitions", ())}
    if description.get("TableStatus") not in {"ACTIVE", "UPDATING"}:
        yield f"it is {description.get('TableStatus')}, not ACTIVE"
    if _keys(description) != spec.keys:
        yield f"its key is {' + '.join(_keys(description)) or 'none'}, not {' + '.join(spec.keys)}"
    for key in dict.fromkeys((*spec.keys, *spec.indexes.values())):
        if types.get(key, "S") != "S":
            yield f"{key} is of type {types[key]}, not S (string)"
    present = {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes") or ()}
    for name, key in spec.indexes.items():
        index = present.get(name)
        if index is None:
            yield f"it has no index {name}"
        elif _keys(index) != (key, spec.keys[0]):
            yield f"index {name} has the key {' + '.join(_keys(index))}, not {key} + {spec.keys[0]}"
        elif index.get("Projection", {}).get("ProjectionType") != "ALL":
            yield f"index {name} does not hold all attributes"
        elif index.get("IndexStatus", "ACTIVE") not in {"ACTIVE", "UPDATING"}:
            yield f"index {name} is {index['IndexStatus']}, not ACTIVE"


def _keys(description: Mapping[str, Any]) -> tuple[str, ...]:
    ordered = sorted(description.get("KeySchema", ()), key=lambda key: key["KeyType"] != "HASH")
    return tuple(str(key["AttributeName"]) for key in ordered)
