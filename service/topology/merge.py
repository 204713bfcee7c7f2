"""Merging of two records of one lineage: the one in the topology table, and one that an earlier version stored. Pure.

The record in the topology table takes precedence, because readers have used its values since it exists. It gets what
it lacks from the other. Originals of the other that differ are kept as an entry of the history, so none is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from service.topology import history
from service.topology.keys import KEYS
from service.topology.origin import ENVIRONMENT, ENVIRONMENT_SOURCE
from service.topology.original import ORIGINALS, RECORDED_ATTRIBUTES

__all__ = ["is_contained", "lacking", "merged", "merged_history", "unchanged_condition"]

Record = Mapping[str, Any]
_TIME: Final = "topologyLastUpdated"


def lacking(own: Record, other: Record) -> dict[str, Any]:
    """Return the attributes of another record that the own one lacks; history is merged separately.

    What told the environment is taken only with the environment that it told.
    """
    values = {name: value for name, value in _attributes(other).items() if own.get(name) is None}
    if own.get(ENVIRONMENT) not in {None, other.get(ENVIRONMENT)}:
        values.pop(ENVIRONMENT_SOURCE, None)
    return values


def merged_history(own: Record, other: Record) -> list[history.Entry]:
    """Return the entries of both histories by time, each once, and the other's originals if they differ."""
    entries = [*history.history_of(own), *history.history_of(other), *_differing(own, other)]
    unique = {json.dumps(entry, sort_keys=True, default=str): entry for entry in entries}  # integers of any size
    by_time = sorted(unique.items(), key=lambda each: (str(each[1].get("at")), each[0]))
    merged_entries: list[history.Entry] = []
    for _, entry in by_time:
        merged_entries = history.append_entry(merged_entries, entry)
    return merged_entries


def merged(own: Record, other: Record) -> dict[str, Any]:
    """Return the own record with everything that only the other has."""
    entries = merged_history(own, other)
    return {**own, **lacking(own, other), **({history.ATTRIBUTE: entries} if entries else {})}


def is_contained(other: Record, own: Record) -> bool:
    """Whether the own record has everything of another one, so that the other can be removed."""
    return not lacking(own, other) and merged_history(own, other) == merged_history(own, {})


def _differing(own: Record, other: Record) -> list[history.Entry]:
    originals = {name: other[name] for name in ORIGINALS if name != _TIME and other.get(name) is not None}
    differing = {name: value for name, value in originals.items() if own.get(name) is not None and own[name] != value}
    return [{"event": "differed", "at": str(other.get(_TIME, "")), "originals": differing}] if differing else []


def _attributes(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in {*KEYS, history.ATTRIBUTE}}


def unchanged_condition(item: Record) -> tuple[str, dict[str, Any]]:
    """Return the condition, with its values, that an item in the inventory table is as it was read.

    Writers add attributes and replace the history, they never change another attribute; so for structured attributes
    it is enough that they are there.
    """
    present = {name: value for name, value in item.items() if name not in KEYS}
    conditions, values = [], {}
    for name in sorted({*present, *RECORDED_ATTRIBUTES, history.ATTRIBUTE}):
        if name not in present:
            conditions.append(f"attribute_not_exists( #{name} )")
        elif isinstance(present[name], str) or name == history.ATTRIBUTE:
            conditions.append(f"#{name} = :{name}")
            values[name] = present[name]
        else:
            conditions.append(f"attribute_exists( #{name} )")
    return " AND ".join(conditions), values
