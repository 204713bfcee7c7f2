"""Reader of the inventory table: the servers of a region, grouped by account. Read-only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, NamedTuple

import orjson

from service.aws.dynamodb import Item, TableReader
from service.inventory.server import InstanceFacts
from service.models import Scope, is_account_id
from service.partitions import partition_of

__all__ = [
    "OWNER_ATTRIBUTES",
    "InventoryReader",
    "ServersPage",
    "arn_prefix",
    "is_json",
    "is_server",
    "owner_account",
    "stored_facts",
]

OWNER_ATTRIBUTES: Final = ("_queryAccount", "sourceServerArn", "stagingAccountId")
"""Attributes that say whether an item is a server, and whose it is."""
_REGION_INDEX: Final = "ReplicationRegionIndex"
_UNUSED: Final = frozenset({"_inventoryMetadata", "_queryRegion", "agentVersion", "arn", "contentHash", "writtenAt"})
_INITIATION: Final = "dataReplicationInitiation"  # a dozen steps with a status each
_MAX_KEY_BYTES: Final = 1024  # DynamoDB's limit of a sort key


class ServersPage(NamedTuple):
    """Some servers of a scope, by ARN and staging account, and whether they are its last ones."""

    items: Sequence[Item]
    is_last: bool


class InventoryReader:
    """Reads the inventory table by region."""

    def __init__(self, table: TableReader) -> None:
        self._table = table

    async def by_account(
        self, region: str, accounts: Collection[str], *, only: Sequence[str] = ()
    ) -> dict[str, list[Item]]:
        """Return the servers of a region by account, for these accounts; accounts without servers are left out.

        For one account only its own servers are read, for several the region. The index is eventually consistent:
        writes of the last seconds may be missing.

        Args:
            region: the region.
            accounts: the accounts.
            only: attributes to read, of which `OWNER_ATTRIBUTES` must be some; empty for all that queries return.

        Raises:
            AwsError: the table could not be read.
        """
        account_ids = frozenset(accounts)
        servers: dict[str, list[Item]] = {}
        async for item in self._items(region, account_ids, only):
            account_id = owner_account(item)
            if account_id in account_ids and is_server(item):
                servers.setdefault(account_id, []).append(item)
        return servers

    async def page(
        self, scope: Scope, *, after: tuple[str, str] | None, size: int, only: Sequence[str] = ()
    ) -> ServersPage:
        """Return the next servers of one account in a region. Not more than that is read, whatever there is.

        Args:
            scope: the account and region.
            after: ARN and staging account of the server before them; None for the first ones.
            size: how many; more only where several items have the last one's ARN, whose order is not known.
            only: as for `by_account`.

        Raises:
            AwsError: the table could not be read.
        """
        prefix = arn_prefix(scope)
        # "0" follows "/", so that the range ends with the scope. It begins with `after`, whose ARN others may have too.
        is_within = after is not None and after[0].startswith(prefix) and len(after[0].encode()) <= _MAX_KEY_BYTES
        pages = self._table.query(
            "#replicationRegion = :region AND #sourceServerArn BETWEEN :first AND :last",
            {"region": scope.region, "first": after[0] if after and is_within else prefix, "last": prefix[:-1] + "0"},
            index=_REGION_INDEX,
            only=only,
            trim=None if only else _trimmed,
            page_size=size + 1 + is_within,  # one more says whether there are more, and `after` itself may be there
        )
        servers: list[Item] = []
        is_last = True
        async with aclosing(pages):
            async for item in pages:
                if owner_account(item) != scope.account_id or not is_server(item):
                    continue
                if after is not None and _range(item) <= after:
                    continue
                if len(servers) >= size and item["sourceServerArn"] != servers[-1]["sourceServerArn"]:
                    is_last = False
                    break
                servers.append(item)
        return ServersPage(sorted(servers, key=_range), is_last)

    async def stream(
        self, region: str, accounts: Sequence[str], *, after: tuple[str, str] | None = None, only: Sequence[str] = ()
    ) -> AsyncGenerator[tuple[Scope, Item], None]:
        """Yield the servers of some accounts in a region, by ARN, holding at most 1 MB of the table at a time.

        Args:
            region: the region.
            accounts: the accounts, in order.
            after: ARN and staging account of the server before the first one; None for all.
            only: as for `by_account`.

        Raises:
            AwsError: the table could not be read.
        """
        wanted = {account_id: Scope(account_id, region) for account_id in accounts}
        first, last = (arn_prefix(Scope(each, region)) for each in (accounts[0], accounts[-1]))
        if after is not None and after[0].startswith(first) and len(after[0].encode()) <= _MAX_KEY_BYTES:
            first = after[0]
        pages = self._table.query(
            "#replicationRegion = :region AND #sourceServerArn BETWEEN :first AND :last",
            {"region": region, "first": first, "last": last[:-1] + "0"},
            index=_REGION_INDEX,
            only=only,
            trim=None if only else _trimmed,
        )
        async with aclosing(pages):
            async for item in pages:
                scope = wanted.get(owner_account({"sourceServerArn": item["sourceServerArn"]}))
                is_theirs = scope is not None and owner_account(item) == scope.account_id and is_server(item)
                if scope is not None and is_theirs and (after is None or _range(item) > after):
                    yield scope, item

    def _items(self, region: str, accounts: frozenset[str], only: Sequence[str]) -> AsyncIterator[Item]:
        """Query the items of a region. A projection saves no read capacity, but most of the time that reading takes."""
        condition, values = "#replicationRegion = :region", {"region": region}
        if len(accounts) == 1:
            # The ARN of a server contains the account and is the sort key of the index.
            condition += " AND begins_with( #sourceServerArn , :prefix)"
            values["prefix"] = arn_prefix(Scope(next(iter(accounts)), region))
        return self._table.query(condition, values, index=_REGION_INDEX, only=only, trim=None if only else _trimmed)


def arn_prefix(scope: Scope) -> str:
    """Return what the ARNs of all source servers of a scope begin with."""
    return f"arn:{partition_of(scope.region).name}:drs:{scope.region}:{scope.account_id}:source-server/"


def _range(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["sourceServerArn"], item["stagingAccountId"]


def _trimmed(item: Item) -> Item:
    """Remove attributes that no query returns before the item is decoded, which halves CPU time and memory."""
    kept = {name: value for name, value in item.items() if name not in _UNUSED}
    replication = kept.get("dataReplicationInfo", {}).get("M")
    if replication:
        kept["dataReplicationInfo"] = {"M": {n: v for n, v in replication.items() if n != _INITIATION}}
    return kept


def is_server(item: Mapping[str, Any]) -> bool:
    """Whether an item is a server; topology and name items have a staging account that is not an account id."""
    return is_account_id(item.get("stagingAccountId"))


def owner_account(item: Mapping[str, Any]) -> str:
    """Return the account whose DRS returned the server; empty when the item does not contain it."""
    account_id = item.get("_queryAccount")
    if isinstance(account_id, str) and account_id:
        return account_id
    parts = str(item.get("sourceServerArn", "")).split(":")
    return parts[4] if len(parts) > 5 else ""  # noqa: PLR2004 - parts of an ARN


def stored_facts(item: Mapping[str, Any]) -> InstanceFacts | None:
    """Return the tags and network of the EC2 instance as an item has them; None when it has neither.

    Values that EC2 cannot have returned, such as tags that are not text, were stored by other writers and are ignored.
    """
    tags, network = item.get("sourceTags"), item.get("ec2NetworkConfig")
    valid_network = network if isinstance(network, Mapping) and is_json(network) else None
    if not isinstance(tags, Mapping) and valid_network is None:
        return None
    pairs = tags.items() if isinstance(tags, Mapping) else ()
    return InstanceFacts({name: value for name, value in pairs if isinstance(value, str)}, valid_network)


def is_json(value: object) -> bool:
    """Whether an attribute can be serialized as JSON. DynamoDB accepts larger integers than JSON serializers do."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True
