"""Live servers: DescribeSourceServers records in the structure of inventory items. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from service.inventory.item import ServerSnapshot, WriteStamp, build_item, posture_since
from service.inventory.reader import stored_facts
from service.inventory.server import InstanceFacts, name_of_record, parse_server
from service.models import Problem, RegionStatus, Scope
from service.topology.original import stored_originals

__all__ = ["LiveServers", "to_items"]


class LiveServers(NamedTuple):
    """The items, the records that they were built from, and a problem for each record that cannot be used."""

    items: Sequence[Mapping[str, Any]]
    records: Sequence[Mapping[str, Any]]
    rejected: tuple[Problem, ...]


def to_items(
    records: Iterable[Mapping[str, Any]], stored: Iterable[Mapping[str, Any]], scope: Scope, *, now: datetime
) -> LiveServers:
    """Build an item from each record; a record that cannot be used becomes a problem.

    Args:
        records: DescribeSourceServers records; one that appears on two pages counts once.
        stored: inventory items of the scope. Tags of EC2 and the original topology are copied from them, because DRS
            does not have them.
        scope: the account and region of the records.
        now: when they were read.
    """
    items_before = {str(item.get("sourceServerArn")): item for item in stored}
    items: dict[str, dict[str, Any]] = {}
    used: dict[str, Mapping[str, Any]] = {}
    rejected: dict[Problem, None] = {}
    for record in records:
        server = parse_server(record, reported_by=scope)
        if isinstance(server, str):
            where = {"account_id": scope.account_id, "region": scope.region}
            why = f"{name_of_record(record)}: {server}"
            rejected[Problem("UnusableRecord", why, RegionStatus.ERROR, **where)] = None
            continue
        before = items_before.get(server.arn, {})
        used[server.arn] = record
        items[server.arn] = build_item(
            ServerSnapshot(record, server, _facts(before, record)),
            scope,
            WriteStamp(digest="", synced_at=now, written_at=now),
            _original(before),
            posture_since=posture_since(before, record) or "",
        )
    return LiveServers([*items.values()], [*used.values()], tuple(rejected))


def _facts(before: Mapping[str, Any], record: Mapping[str, Any]) -> InstanceFacts | None:
    """Return what EC2 reported last. An item without `sourceTags` has the tags of EC2 among the others."""
    facts = stored_facts(before)
    tags, drs_tags = before.get("tags"), record.get("tags") or {}
    if not isinstance(tags, Mapping) or isinstance(before.get("sourceTags"), Mapping):
        return facts
    ec2_tags = {name: value for name, value in tags.items() if name not in drs_tags}
    return InstanceFacts(ec2_tags, facts.network if facts else None)


def _original(before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the original topology that an item carries."""
    complete = before.get("topologyComplete")
    return stored_originals(before) | ({} if complete is None else {"topologyComplete": complete})
