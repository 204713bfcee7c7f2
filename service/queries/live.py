"""What DRS tells of a scope now, in the shape of inventory items. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.inventory.reader import stored_facts
from service.inventory.server import InstanceFacts, parse_server
from service.models import Problem, RegionStatus, Scope
from service.topology.original import inventory_copy

__all__ = ["LiveServers", "items_of"]

_TEMPLATE_OF_OLD = "originalReplicationConfigTemplateId"
_TEMPLATE = "originalReplicationConfigurationTemplateId"


class LiveServers(NamedTuple):
    """Items, the records that they were made of, and what is wrong with the others."""

    items: Sequence[Mapping[str, Any]]
    records: Sequence[Mapping[str, Any]]
    rejected: tuple[Problem, ...]


def items_of(
    records: Iterable[Mapping[str, Any]], held: Iterable[Mapping[str, Any]], scope: Scope, *, now: datetime
) -> LiveServers:
    """Make an item of each record; those that cannot be used are named instead.

    Args:
        records: DescribeSourceServers records; one that shows up twice, as pages shift, counts once.
        held: what the inventory holds of the scope. What EC2 said of a server, and its original topology, stay as they
            are there: both are older than the record, and nobody else knows them.
        scope: the account and region that were asked.
        now: when they were asked.
    """
    known = {str(item.get("sourceServerArn")): item for item in held}
    items: dict[str, dict[str, Any]] = {}
    used: dict[str, Mapping[str, Any]] = {}
    rejected: dict[Problem, None] = {}
    for record in records:
        server = parse_server(record, reported_by=scope)
        if isinstance(server, str):
            where = {"account_id": scope.account_id, "region": scope.region}
            rejected[Problem("UnusableRecord", server, RegionStatus.ERROR, **where)] = None
            continue
        before = known.get(server.arn, {})
        used[server.arn] = record
        items[server.arn] = build_item(
            ServerSnapshot(record, server, _facts(before, record)),
            scope,
            WriteStamp(digest="", synced_at=now, written_at=now),
            _original(before),
        )
    return LiveServers([*items.values()], [*used.values()], tuple(rejected))


def _facts(before: Mapping[str, Any], record: Mapping[str, Any]) -> InstanceFacts | None:
    """Give what EC2 said last. An item that does not tell EC2's tags apart has them among the rest of its tags."""
    facts = stored_facts(before)
    tags, told = before.get("tags"), record.get("tags") or {}
    if not isinstance(tags, Mapping) or isinstance(before.get("sourceTags"), Mapping):
        return facts
    return InstanceFacts(
        {name: value for name, value in tags.items() if name not in told}, facts.network if facts else None
    )


def _original(before: Mapping[str, Any]) -> dict[str, Any]:
    """Give the original topology as an item holds it, under today's names."""
    template = before.get(_TEMPLATE) or before.get(_TEMPLATE_OF_OLD)
    original = inventory_copy({**before, _TEMPLATE: template})
    del original["topologyComplete"]
    complete = before.get("topologyComplete")
    return original if complete is None else {**original, "topologyComplete": complete}
