"""Source servers as the inventory has them: which instances they protect, and which accounts and regions they are from.

Only the few attributes that matter are read, region by region from the index of the inventory table. Memory is that of
one entry per source instance.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.aws.dynamodb import Item, TableReader
from service.fanout import fan_out
from service.inventory.reader import is_server, owner_account
from service.models import Scope, is_account_id
from service.protection.decision import ServerIndex, SourceRef

__all__ = ["KnownServers", "read_known_servers", "source_ref"]

_REGION_INDEX: Final = "ReplicationRegionIndex"
_ATTRIBUTES: Final = (
    "sourceServerArn",
    "stagingAccountId",
    "_queryAccount",
    "replicationRegion",
    "replicationState",
    "instanceId",
    "recoveryInstanceId",
    "sourceCloudProperties",
    "originalInstanceId",
    "originalSourceAccountId",
    "originalSourceRegion",
)
_REGIONS_AT_ONCE: Final = 8
_MAX_WITNESSES: Final = 3
_REGION_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")
_INSTANCE: Final = "i-"


@dataclass(slots=True)
class KnownServers:
    """What the inventory knows of source instances.

    Attributes:
        index: source servers by instance.
        origins: accounts and regions from which servers come.
        witnesses: for each of these accounts the ARNs of a few of its servers, by which DRS can confirm that.
    """

    index: ServerIndex = field(default_factory=ServerIndex)
    origins: set[Scope] = field(default_factory=set)
    witnesses: dict[str, list[str]] = field(default_factory=dict)

    def add(self, server: SourceRef) -> None:
        """Add a source server."""
        self.index.add(server)
        self.origins |= server.origins
        for origin in server.origins:
            arns = self.witnesses.setdefault(origin.account_id, [])
            if len(arns) < _MAX_WITNESSES and server.arn not in arns:
                arns.append(server.arn)


async def read_known_servers(table: TableReader, regions: Collection[str]) -> KnownServers:
    """Read the source servers of regions from the inventory table.

    The index is eventually consistent: writes of the last seconds may be missing.

    Raises:
        AwsError: the table could not be read; a part of the servers would make protected instances look unprotected.
    """
    known = KnownServers()

    async def read(region: str) -> None:
        query = table.query("#replicationRegion = :region", {"region": region}, index=_REGION_INDEX, only=_ATTRIBUTES)
        async for item in query:
            if is_server(item):
                known.add(source_ref(item))

    async with fan_out(sorted(set(regions)), read, concurrency=_REGIONS_AT_ONCE) as done:
        async for _ in done:
            pass
    return known


def source_ref(item: Item) -> SourceRef:
    """Read the inventory item of a source server; an attribute of another type, from another writer, is missing."""
    cloud = item.get("sourceCloudProperties")
    properties: Mapping[str, Any] = cloud if isinstance(cloud, Mapping) else {}
    instance_id, original_id = _instance_id(item, "instanceId"), _instance_id(item, "originalInstanceId")
    current = Scope(
        _text(properties, "originAccountID") or owner_account(item),
        _text(properties, "originRegion") or _text(item, "replicationRegion"),
    )
    original = Scope(_text(item, "originalSourceAccountId"), _text(item, "originalSourceRegion"))
    origins = {current if instance_id else None, original if original_id else None}
    return SourceRef(
        _text(item, "sourceServerArn"),
        _text(item, "replicationState"),
        instance_id,
        original_id,
        _instance_id(item, "recoveryInstanceId"),
        frozenset(origin for origin in origins if origin is not None and _is_usable(origin)),
    )


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _instance_id(item: Mapping[str, Any], name: str) -> str:
    """Return the id of an EC2 instance; empty for anything else, such as the id of another cloud's machine."""
    text = _text(item, name)
    return text if text.startswith(_INSTANCE) else ""


def _is_usable(origin: Scope) -> bool:
    return is_account_id(origin.account_id) and _REGION_NAME.fullmatch(origin.region) is not None
