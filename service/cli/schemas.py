"""The tables as the platform has them: what a set-up is held against. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["TABLES", "TableSpec", "problems_of"]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table as the platform has it. `without`: what is lost where its name is not set; empty: nothing works."""

    setting: str
    keys: tuple[str, ...]
    indexes: Mapping[str, str] = field(default_factory=dict)
    without: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that names the table."""
        return self.setting.upper()

    @property
    def check(self) -> str:
        """How findings name the check."""
        return f"table {self.variable}"

    @property
    def wanted(self) -> str:
        """Keys and indexes in words."""
        indexes = (f", index {name} ({key} + {self.keys[0]}, all attributes)" for name, key in self.indexes.items())
        return f"key {' + '.join(self.keys)}, all text{''.join(indexes)}"


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
    TableSpec("drs_region_status_table", ("region",), without="every sync looks at every region"),
    TableSpec("tag_sync_config_table", ("accountId",), without="the tag sync has no lock, memory or last result"),
)


def problems_of(spec: TableSpec, described: Mapping[str, Any]) -> Iterator[str]:
    """Name what of a table, as DescribeTable gives it, is not as it must be."""
    types = {each["AttributeName"]: each["AttributeType"] for each in described.get("AttributeDefinitions", ())}
    if described.get("TableStatus") not in {"ACTIVE", "UPDATING"}:
        yield f"it is {described.get('TableStatus')}, not ACTIVE"
    if _keys(described) != spec.keys:
        yield f"its key is {' + '.join(_keys(described)) or 'none'}, not {' + '.join(spec.keys)}"
    for key in dict.fromkeys((*spec.keys, *spec.indexes.values())):
        if types.get(key, "S") != "S":
            yield f"{key} is of type {types[key]}, not text"
    present = {index["IndexName"]: index for index in described.get("GlobalSecondaryIndexes") or ()}
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


def _keys(described: Mapping[str, Any]) -> tuple[str, ...]:
    ordered = sorted(described.get("KeySchema", ()), key=lambda key: key["KeyType"] != "HASH")
    return tuple(str(key["AttributeName"]) for key in ordered)
