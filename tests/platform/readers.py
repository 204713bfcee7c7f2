"""The platform's readers of the three tables that it shares with us: a double, written from what is known of them.

They read as the platform does, with its faults: it asks one arbitrary row how old everything is, it compares tags
exactly, and a record without one of four members stops it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from boto3.dynamodb.conditions import Key

__all__ = [
    "FRESH_FOR",
    "REGIONS",
    "STATUS_WORDS",
    "PlatformReaders",
    "PlatformTables",
    "RegionPanel",
    "StagingRecord",
    "moment_of",
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
_READY: Final = frozenset({"CONTINUOUS", "CONTINUOUS_REPLICATION", "READY_FOR_RECOVERY"})
_GIB: Final = 1024**3

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
    """The readers of one installation."""

    def __init__(self, tables: PlatformTables) -> None:
        self._tables = tables

    def items(self) -> list[Item]:
        """Return everything in the inventory table."""
        return list(pages(self._tables.inventory.scan))

    def rows(self) -> list[Item]:
        """Return everything in the region status table."""
        return list(pages(self._tables.status.scan))

    # ---- freshness, as the start of a wave asks for it

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether the inventory is younger than 15 minutes, by one row, whichever a scan returns first.

        No row at all means stale. A row without `lastChecked` leaves the answer to one inventory item.
        """
        rows = self._tables.status.scan(Limit=1)["Items"]
        if not rows:
            return False
        if rows[0].get("lastChecked"):
            return _is_young(rows[0]["lastChecked"], now)
        items = self._tables.inventory.scan(Limit=1)["Items"]
        return bool(items) and _is_young(items[0].get("lastUpdated"), now)

    def stale_if_first(self, now: datetime) -> list[str]:
        """Return the rows and items by which the inventory would be stale if a scan returned them first.

        The order of a scan is DynamoDB's own, so an answer that holds must hold by every row.
        """
        rows = self.rows()
        if not rows:
            return ["no row"]
        stale = [row["region"] for row in rows if row.get("lastChecked") and not _is_young(row["lastChecked"], now)]
        if all(row.get("lastChecked") for row in rows):
            return sorted(stale)
        items = self.items() or [{"sourceServerArn": "no item"}]
        return sorted(
            [*stale, *(each["sourceServerArn"] for each in items if not _is_young(each.get("lastUpdated"), now))]
        )

    # ---- servers by tags

    def wave_servers(self, region: str, tags: Mapping[str, str], now: datetime) -> list[str]:
        """Resolve a tag-based protection group at the start of a wave; empty means "Wave has no server IDs"."""
        if not self.is_fresh(now):
            return []
        found = self._query("ReplicationRegionIndex", "replicationRegion", region)
        return sorted({each["sourceServerID"] for each in found if _has_tags(each.get("tags", {}), tags)})

    def group_preview(self, account_id: str, region: str, tags: Mapping[str, str]) -> list[str]:
        """Resolve the tags of a protection group for its preview: all tags of servers that run in an account."""
        return self._of_group(account_id, region, tags, "tags")

    def group_members(self, account_id: str, region: str, tags: Mapping[str, str]) -> list[str]:
        """Resolve the tags of a protection group that is stored: by the tags of the EC2 instances."""
        return self._of_group(account_id, region, tags, "sourceTags")

    def _of_group(self, account_id: str, region: str, tags: Mapping[str, str], attribute: str) -> list[str]:
        items = self._query("SourceAccountIndex", "sourceAccountId", account_id)
        local = [each for each in items if each.get("replicationRegion") == region]
        return sorted(each["sourceServerID"] for each in local if _has_tags(each.get(attribute, {}), tags))

    def staged_servers(self, staging_account: str) -> list[str]:
        """Return the ARNs of the servers that an account replicates."""
        items = self._query("StagingAccountIndex", "stagingAccountId", staging_account)
        return sorted(each["sourceServerArn"] for each in items)

    def _query(self, index: str, key: str, value: str) -> Iterator[Item]:
        return pages(self._tables.inventory.query, IndexName=index, KeyConditionExpression=Key(key).eq(value))

    # ---- accounts

    def target_accounts(self) -> list[Item]:
        """Return the target accounts: every row of the table is one."""
        return list(pages(self._tables.accounts.scan))

    def recovery_cache_accounts(self) -> list[tuple[str, tuple[str, ...], str | None, str | None]]:
        """Return what the cache of recovery instances needs of each account: id, regions, role name, external id."""
        return [
            (row["accountId"], tuple(row.get("regions", ())), row.get("assumeRoleName"), row.get("externalId"))
            for row in self.target_accounts()
        ]

    def staging_records(self, target: str) -> list[StagingRecord]:
        """Return the staging accounts of a target. Raises KeyError if a record lacks one of the first four members."""
        row = self._tables.accounts.get_item(Key={"accountId": target})["Item"]
        return [
            StagingRecord(
                record["accountId"],
                record["accountName"],
                record["roleArn"],
                record["externalId"],
                record.get("addedAt", ""),
                record.get("addedBy", "system"),
            )
            for record in row.get("stagingAccounts", [])
        ]

    # ---- regions

    def active_regions(self) -> list[str]:
        """Return the regions with servers, every region if there is none."""
        return sorted(row["region"] for row in self.rows() if row["serverCount"] > 0) or sorted(REGIONS)

    def panels(self) -> dict[str, RegionPanel]:
        """Return what the UI shows of each region. Raises KeyError and ValueError where it could show nothing."""
        return {row["region"]: _panel(row) for row in self.rows()}

    # ---- servers as the UI shows them

    def views(self) -> dict[str, Item]:
        """Return the servers as the platform's inventory route answers them, by ARN."""
        return {item["sourceServerArn"]: server_view(item) for item in self.items()}


def _is_young(text: str | None, now: datetime) -> bool:
    return bool(text) and now - moment_of(str(text)) < FRESH_FOR


def _has_tags(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
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


def server_view(item: Mapping[str, Any]) -> Item:
    """Return a server as the platform makes it from the members of its DRS record; of a flat item little is left."""
    properties, cloud = item.get("sourceProperties", {}), item.get("sourceCloudProperties", {})
    hints, replication = properties.get("identificationHints", {}), item.get("dataReplicationInfo", {})
    cycle, interfaces = item.get("lifeCycle", {}), properties.get("networkInterfaces", [])
    initiated = cycle.get("lastLaunch", {}).get("initiated", {})
    primary: Item = next((each for each in interfaces if each.get("isPrimary")), {})
    state, tags = replication.get("dataReplicationState", "UNKNOWN"), item.get("tags", {})
    return {
        "sourceServerID": item["sourceServerID"],
        "hostname": hints.get("hostname", ""),
        "fqdn": hints.get("fqdn", ""),
        "nameTag": tags.get("Name", ""),
        "sourceInstanceId": hints.get("awsInstanceID", ""),
        "sourceIp": next(iter(primary.get("ips", [])), ""),
        "sourceMac": interfaces[0].get("macAddress", "") if interfaces else "",
        "sourceRegion": cloud.get("originRegion", ""),
        "sourceAccount": cloud.get("originAccountID", ""),
        "sourceAvailabilityZone": cloud.get("originAvailabilityZone", ""),
        "targetAvailabilityZone": replication.get("stagingAvailabilityZone", ""),
        "os": properties.get("os", {}).get("fullString", ""),
        "state": state,
        "replicationState": state,
        "lagDuration": replication.get("lagDuration", ""),
        "lastSeen": cycle.get("lastSeenByServiceDateTime", ""),
        "lastLaunchType": initiated.get("type", ""),
        "lastLaunchStatus": item.get("lastLaunchResult", ""),
        "lastLaunchTime": initiated.get("apiCallDateTime", ""),
        "replicatedStorageBytes": _total(replication.get("replicatedDisks", []), "replicatedStorageBytes"),
        "hardware": _hardware(properties),
        "networkInterfaces": [
            {
                "ips": list(each.get("ips", [])),
                "macAddress": each.get("macAddress", ""),
                "isPrimary": each.get("isPrimary", False),
            }
            for each in interfaces
        ],
        "drsTags": dict(tags),
        "tags": dict(tags),
        "assignedToProtectionGroup": None,
        "selectable": state in _READY,
    }


def _hardware(properties: Mapping[str, Any]) -> Item:
    cpus = properties.get("cpus", [])
    disks = [(each.get("deviceName", ""), int(each.get("bytes", 0))) for each in properties.get("disks", [])]
    ram = int(properties.get("ramBytes", 0))
    return {
        "cpus": [{"modelName": cpu.get("modelName", ""), "cores": int(cpu.get("cores", 0))} for cpu in cpus],
        "totalCores": _total(cpus, "cores"),
        "ramBytes": ram,
        "ramGiB": round(ram / _GIB, 2),
        "disks": [{"deviceName": name, "bytes": size, "sizeGiB": round(size / _GIB, 2)} for name, size in disks],
        "totalDiskGiB": round(sum(size for _, size in disks) / _GIB, 2),
    }


def _total(members: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(int(each.get(name, 0)) for each in members)
