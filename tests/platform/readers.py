"""The platform's readers of the three tables that it shares with us: a double, written from what is known of them.

They read as the platform does, with its faults: it asks one arbitrary row how old everything is, it compares tags
exactly, a record without one of four members stops it, and one item whose tags are null hides those of a whole account.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from tests.platform.views import server_view

__all__ = [
    "FRESH_FOR",
    "REGIONS",
    "STATUS_WORDS",
    "PlatformReaders",
    "PlatformTables",
    "RegionPanel",
    "StagingRecord",
    "UnansweredError",
    "doubled",
    "moment_of",
    "pages",
]

REGIONS: Final = tuple(
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 "  # noqa: SIM905
    "eu-central-2 eu-north-1 eu-south-1 eu-south-2 ap-east-1 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 "
    "ap-southeast-3 ap-southeast-4 ap-northeast-1 ap-northeast-2 ap-northeast-3 me-south-1 me-central-1 af-south-1 "
    "il-central-1".split()
)
"""The regions that the platform knows."""
STATUS_WORDS: Final = frozenset(
    {
        "ACTIVE",
        "NOT_INITIALIZED",
        "IAM_PERMISSION_DENIED",
        "SCP_DENIED",
        "REGION_NOT_ENABLED",
        "REGION_NOT_OPTED_IN",
        "THROTTLED",
        "ENDPOINT_UNREACHABLE",
        "ERROR",
    }
)
"""The words for which the platform's UI has a guidance."""
FRESH_FOR: Final = timedelta(minutes=15)


Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlatformTables:
    """The three tables, as boto3 resources."""

    inventory: Any
    status: Any
    accounts: Any


@dataclass(frozen=True, slots=True)
class StagingRecord:
    """A staging account of a target. The platform stores these six members and no other."""

    accountId: str  # noqa: N815 - as stored
    accountName: str  # noqa: N815
    roleArn: str  # noqa: N815
    externalId: str  # noqa: N815
    addedAt: str  # noqa: N815
    addedBy: str  # noqa: N815


@dataclass(frozen=True, slots=True)
class RegionPanel:
    """What the platform's UI shows of a region."""

    region: str
    status: str
    server_count: int
    last_updated: datetime
    account_id: str
    error_message: str


class UnansweredError(Exception):
    """The platform answers a request with the status 500."""


def doubled(now: datetime) -> str:
    """Return a time with an offset and a Z, as the platform writes some, which no parser of ISO 8601 accepts."""
    return f"{now.isoformat()}Z"


def moment_of(text: str) -> datetime:
    """Parse a time as the platform does. Raises ValueError for a form that it cannot read, such as `+00:00Z`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162 - as the platform does


def pages(read: Any, **params: Any) -> Iterator[Item]:
    """Yield the items of all pages of a scan or a query."""
    while True:
        page = read(**params)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        params["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class PlatformReaders:
    """The readers of one installation.

    Args:
        tables: what they read.
        once: read everything once at most, and answer from that, as of one moment. A check asks much of the same.
    """

    def __init__(self, tables: PlatformTables, *, once: bool = False) -> None:
        self._tables = tables
        self._kept: dict[Hashable, list[Item]] | None = {} if once else None

    def at_one_moment(self) -> PlatformReaders:
        """Return readers of the same tables that read everything once at most."""
        return PlatformReaders(self._tables, once=True)

    def items(self) -> list[Item]:
        """Return everything in the inventory table."""
        return self._read("items", lambda: pages(self._tables.inventory.scan))

    def rows(self) -> list[Item]:
        """Return everything in the region status table."""
        return self._read("rows", lambda: pages(self._tables.status.scan))

    def _read(self, what: Hashable, read: Callable[[], Iterable[Item]]) -> list[Item]:
        if self._kept is None:
            return list(read())
        if what not in self._kept:
            self._kept[what] = list(read())
        return self._kept[what]

    # ---- freshness, as the start of a wave asks for it

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether the inventory is younger than 15 minutes, by one row, whichever a scan returns first.

        No row at all means stale. A row without a `lastChecked` that it can read leaves the answer to one item.
        """
        rows = self._read("first row", lambda: self._tables.status.scan(Limit=1)["Items"])
        if not rows:
            return False
        checked = _age(rows[0].get("lastChecked"), now)
        if checked is not None:
            return checked < FRESH_FOR
        items = self._read("first item", lambda: self._tables.inventory.scan(Limit=1)["Items"])
        return bool(items) and _is_young(items[0], now)

    def stale_if_first(self, now: datetime) -> list[str]:
        """Return the rows and items by which the inventory would be stale if a scan returned them first.

        The order of a scan is DynamoDB's own, so an answer that holds must hold by every row.
        """
        rows = self.rows()
        if not rows:
            return ["no row"]
        ages = {row["region"]: _age(row.get("lastChecked"), now) for row in rows}
        stale = [region for region, age in ages.items() if age is not None and age >= FRESH_FOR]
        if None not in ages.values():
            return sorted(stale)
        items = self.items() or [{"sourceServerArn": "no item"}]
        return sorted([*stale, *(each["sourceServerArn"] for each in items if not _is_young(each, now))])

    # ---- servers by tags

    def wave_servers(self, region: str, tags: Mapping[str, str], now: datetime) -> list[str]:
        """Resolve a tag-based protection group at the start of a wave; empty means "Wave has no server IDs".

        Of several items with the same server id, the first one decides. Without the index it scans the table.
        Raises TypeError if the tags of one item are null.
        """
        if not self.is_fresh(now):
            return []
        try:
            found = self._query("ReplicationRegionIndex", "replicationRegion", region)
        except ClientError:
            filtered = {"FilterExpression": Attr("replicationRegion").is_in([region])}
            found = list(pages(self._tables.inventory.scan, **filtered))
        first: dict[str, Item] = {}
        for each in found:
            if each.get("sourceServerID"):
                first.setdefault(each["sourceServerID"], each)
        return sorted(server_id for server_id, each in first.items() if _has_tags(each, "tags", tags))

    def group_preview(self, account_id: str, region: str, tags: Mapping[str, str]) -> list[str]:
        """Resolve the tags of a protection group for its preview: all tags of servers that run in an account.

        Raises UnansweredError if one item has null in place of its tags, or the index is missing.
        """
        try:
            found = self._of_group(account_id, region, tags, "tags")
        except (ClientError, TypeError) as error:
            raise UnansweredError(f"the preview of a group of account {account_id} in {region}: {error}") from error
        return sorted(each.get("sourceServerID", "") for each in found)

    def group_members(self, account_id: str, region: str, tags: Mapping[str, str]) -> list[str]:
        """Resolve the tags of a protection group that is stored: by the tags of the EC2 instances.

        Where the preview of the group fails for its items, this one finds no server.
        """
        try:
            found = self._of_group(account_id, region, tags, "sourceTags")
        except (ClientError, TypeError):
            return []
        return sorted(each["sourceServerID"] for each in found if each.get("sourceServerID"))

    def _of_group(self, account_id: str, region: str, tags: Mapping[str, str], attribute: str) -> list[Item]:
        items = self._query("SourceAccountIndex", "sourceAccountId", account_id)
        local = [each for each in items if each.get("replicationRegion") == region]
        return [each for each in local if _has_tags(each, attribute, tags)]

    def staged_servers(self, staging_account: str, now: datetime) -> list[str]:
        """Return the ARNs of the servers that an account replicates; none if the inventory is stale."""
        if not self.is_fresh(now):
            return []
        try:
            items = self._query("StagingAccountIndex", "stagingAccountId", staging_account)
        except ClientError:
            return []
        return sorted(each["sourceServerArn"] for each in items)

    def _query(self, index: str, key: str, value: str) -> list[Item]:
        params = {"IndexName": index, "KeyConditionExpression": Key(key).eq(value)}
        return self._read((index, value), lambda: pages(self._tables.inventory.query, **params))

    # ---- accounts

    def target_accounts(self) -> list[Item]:
        """Return the target accounts: every row of the table is one."""
        return self._read("accounts", lambda: pages(self._tables.accounts.scan))

    def recovery_cache_accounts(self) -> list[tuple[str, tuple[str, ...], str | None, str | None]]:
        """Return what the cache of recovery instances needs of each account: id, regions, role name, external id."""
        return [
            (row["accountId"], tuple(row.get("regions", ())), row.get("assumeRoleName"), row.get("externalId"))
            for row in self.target_accounts()
        ]

    def staging_records(self, target: str, now: datetime) -> list[StagingRecord]:
        """Return the staging accounts of a target, those without a time as if they were added now.

        Raises KeyError if a record lacks one of the first four members, and ValueError if the target is unknown.
        """
        row = self._tables.accounts.get_item(Key={"accountId": target}).get("Item")
        if row is None:
            raise ValueError(f"no row of target account {target}")
        return [
            StagingRecord(
                record["accountId"],
                record["accountName"],
                record["roleArn"],
                record["externalId"],
                record.get("addedAt", doubled(now)),
                record.get("addedBy", "system"),
            )
            for record in row.get("stagingAccounts", [])
        ]

    # ---- regions

    def active_regions(self) -> list[str]:
        """Return the regions whose rows count servers, every region if there is none."""
        counted = [row for row in self.rows() if isinstance(row.get("serverCount"), (int, Decimal))]
        return sorted(row["region"] for row in counted if row["serverCount"] > 0) or sorted(REGIONS)

    def panels(self) -> dict[str, RegionPanel]:
        """Return what the UI shows of each region. Raises KeyError and ValueError where it could show nothing."""
        return {row["region"]: _panel(row) for row in self.rows()}

    # ---- servers as the UI shows them

    def views(self) -> dict[str, Item]:
        """Return the servers as the platform's inventory route answers them, by ARN."""
        return {item["sourceServerArn"]: server_view(item) for item in self.items()}


def _age(text: object, now: datetime) -> timedelta | None:
    """Return how old a time is, or None if there is none that can be read and compared."""
    try:
        return now - moment_of(str(text)) if text else None
    except (ValueError, TypeError):  # of another form, or without an offset
        return None


def _is_young(item: Item, now: datetime) -> bool:
    age = _age(item.get("lastUpdated"), now)
    return age is not None and age < FRESH_FOR


def _has_tags(item: Item, attribute: str, wanted: Mapping[str, str]) -> bool:
    """Tell whether an item has all tags. Raises TypeError if it has the attribute, which is not a map."""
    tags = item.get(attribute, {})
    if not isinstance(tags, Mapping):
        raise TypeError(f"{attribute} of {item['sourceServerArn']} is {tags!r}")
    return all(tags.get(name) == value for name, value in wanted.items())


def _panel(row: Item) -> RegionPanel:
    if row["status"] not in STATUS_WORDS:
        raise ValueError(f"{row['region']}: the UI has no guidance for {row['status']!r}")
    return RegionPanel(
        row["region"],
        row["status"],
        int(row["serverCount"]),
        moment_of(row["lastUpdated"]),
        str(row.get("accountId", "")),
        str(row.get("errorMessage") or ""),
    )
