"""The platform's own writers of the shared tables: a double, written from what is known of them, faults included.

Its inventory sync asks every region of every account of the first page, puts whole items and whole rows, and removes
nothing. A row has the count of the account that was asked last, 0 after any failure, and neither `lastChecked` nor
`errorMessage`. Calls are repeated once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.platform.readers import PlatformReaders, PlatformTables, StagingRecord, doubled

__all__ = ["EC2_BATCH", "PlatformWriters", "flat_item", "newest_of_each", "word_of"]

ROLE: Final = "arn:aws:iam::{}:role/DRSOrchestrationRole"
EXTERNAL_ID: Final = "drs-orchestration-cross-account"
# The platform waits for 5 and 10 seconds, which a busy machine may need.
_SETTINGS: Final = Config(connect_timeout=30, read_timeout=60, retries={"max_attempts": 1}, proxies={})
EC2_BATCH: Final = 100
"""Number of instances of one call."""
_BY_CODE: Final = {
    "ThrottlingException": "THROTTLED",
    "TooManyRequestsException": "THROTTLED",
    "OptInRequired": "REGION_NOT_OPTED_IN",
}

Item = dict[str, Any]


@dataclass
class PlatformWriters:
    """The writers of one installation.

    Args:
        endpoint_url: of the simulated AWS.
        hub: the account that owns the tables, and whose credentials are in the environment.
        regions: the regions that it asks.
        session: makes its clients; one for many tests, because it parses the models of the services.
    """

    endpoint_url: str
    hub: str
    regions: tuple[str, ...]
    session: boto3.Session = field(repr=False)
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    _keys: dict[str, dict[str, str]] = field(default_factory=dict)

    # ---- the inventory sync

    def sync_inventory(self, tables: PlatformTables, now: datetime) -> Item:
        """Sync the inventory once; every item and row has the time at which the sync began."""
        stamp, synced = now.isoformat(), 0
        for target in tables.accounts.scan()["Items"]:
            account_id = str(target["accountId"])
            # Without a role it asks with the hub's own credentials, whichever account it is.
            role = target.get("roleArn") if account_id != self.hub else None
            try:
                self._client("drs", account_id, self.regions[0], role, target.get("externalId"))
            except (ClientError, BotoCoreError):
                continue  # the account is skipped, and no row is touched
            found: list[Item] = []
            rows: list[Item] = []
            for region in self.regions:
                listed, word = self._list(account_id, region, role, target.get("externalId"))
                found += listed
                row = {"region": region, "accountId": account_id, "status": word, "serverCount": len(listed)}
                rows.append({**row, "lastUpdated": stamp})
            _put(tables.status, rows)
            servers = newest_of_each(found)
            self._describe(servers, account_id, tables)
            _put(tables.inventory, [_whole_item(server, account_id, stamp) for server in servers])
            synced += len(servers)
        return {"totalSynced": synced, "totalErrors": 0, "timestamp": stamp}

    def _list(self, account_id: str, region: str, role: str | None, external_id: str | None) -> tuple[list[Item], str]:
        try:
            drs = self._client("drs", account_id, region, role, external_id)
            found = [each for page in drs.get_paginator("describe_source_servers").paginate() for each in page["items"]]
        except (ClientError, BotoCoreError) as error:
            return [], word_of(error)
        marks = {"_queryRegion": region, "_queryAccount": account_id}
        return [{**each, **marks} for each in found], "ACTIVE"

    def _describe(self, servers: Iterable[Item], account_id: str, tables: PlatformTables) -> None:
        """Add network and tags of the EC2 instances, as far as they can be read."""
        wanted: dict[tuple[str, str], list[str]] = {}
        by_instance: dict[str, list[Item]] = {}
        for server in servers:
            cloud = server.get("sourceCloudProperties", {})
            origin = cloud.get("originAccountID", account_id), cloud.get("originRegion", server["_queryRegion"])
            instance_id = server.get("sourceProperties", {}).get("identificationHints", {}).get("awsInstanceID")
            if instance_id:
                wanted.setdefault(origin, []).append(instance_id)
                by_instance.setdefault(instance_id, []).append(server)
        for (owner, region), instance_ids in wanted.items():
            record = tables.accounts.get_item(Key={"accountId": owner}).get("Item", {})
            role = record.get("roleArn", ROLE.format(owner)) if owner != self.hub else None
            try:
                ec2 = self._client("ec2", owner, region, role, record.get("externalId", EXTERNAL_ID))
                for start in range(0, len(instance_ids), EC2_BATCH):
                    for instance in _instances(ec2, instance_ids[start : start + EC2_BATCH]):
                        for server in by_instance.get(instance["InstanceId"], ()):
                            _enrich(server, instance)
            except (ClientError, BotoCoreError):
                continue

    def _client(self, service: str, account_id: str, region: str, role: str | None, external_id: str | None) -> Any:
        """Return a client in an account. Raises ClientError if its role cannot be assumed."""
        key = (service, account_id, region)
        if key not in self._clients:
            if role and role not in self._keys:
                self._keys[role] = self._assume(role, external_id)
            keys = self._keys[role] if role else {}
            self._clients[key] = self.session.client(
                service, region_name=region, endpoint_url=self.endpoint_url, config=_SETTINGS, **keys
            )
        return self._clients[key]

    def _assume(self, role: str, external_id: str | None) -> dict[str, str]:
        sts = self.session.client("sts", endpoint_url=self.endpoint_url, config=_SETTINGS)
        params = {"RoleArn": role, "RoleSessionName": "inventory-sync", "DurationSeconds": 900}
        issued = sts.assume_role(**params, **({"ExternalId": external_id} if external_id else {}))["Credentials"]
        sts.close()
        return {
            "aws_access_key_id": issued["AccessKeyId"],
            "aws_secret_access_key": issued["SecretAccessKey"],
            "aws_session_token": issued["SessionToken"],
        }

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    # ---- the region status helper that no sync of the platform calls

    def put_helper_row(self, tables: PlatformTables, region: str, count: int, now: datetime) -> None:
        """Put a row as the helper does: words of its own, `lastChecked`, and an error message that is null."""
        word = "AVAILABLE" if count else "UNINITIALIZED"
        row = {"region": region, "status": word, "serverCount": count, "errorMessage": None}
        tables.status.put_item(Item={**row, "lastChecked": now.strftime("%Y-%m-%dT%H:%M:%SZ")})

    # ---- staging accounts

    def add_staging_account(
        self, tables: PlatformTables, target: str, record: Mapping[str, str], now: datetime
    ) -> None:
        """Append a staging account. The whole list is written again, without members that the platform lacks.

        Raises:
            ValueError: the target is unknown, or has the account already.
            KeyError: a record lacks a member that it needs.
        """
        row = tables.accounts.get_item(Key={"accountId": target}).get("Item", {})
        if record["accountId"] in [each.get("accountId") for each in row.get("stagingAccounts", [])]:
            raise ValueError(f"target account {target} already has the staging account {record['accountId']}")
        added = StagingRecord(**record, addedAt=doubled(now), addedBy="user")
        self._put_staging_accounts(tables, target, [*_staging_accounts(tables, target, now), added], now)

    def remove_staging_account(self, tables: PlatformTables, target: str, account_id: str, now: datetime) -> None:
        """Remove a staging account; the others are written again in the same way.

        Raises:
            ValueError: the target is unknown, or lacks the account.
            KeyError: a record lacks a member that it needs.
        """
        records = _staging_accounts(tables, target, now)
        kept = [each for each in records if each.accountId != account_id]
        if kept == records:
            raise ValueError(f"target account {target} lacks the staging account {account_id}")
        self._put_staging_accounts(tables, target, kept, now)

    def _put_staging_accounts(
        self, tables: PlatformTables, target: str, records: list[StagingRecord], now: datetime
    ) -> None:
        tables.accounts.update_item(
            Key={"accountId": target},
            UpdateExpression="SET stagingAccounts = :records, updatedAt = :now",
            ConditionExpression="attribute_exists(accountId)",
            ExpressionAttributeValues={":records": [asdict(each) for each in records], ":now": doubled(now)},
        )


def _put(table: Any, items: Iterable[Item]) -> None:
    with table.batch_writer() as batch:
        for item in items:
            batch.put_item(Item=item)


def _staging_accounts(tables: PlatformTables, target: str, now: datetime) -> list[StagingRecord]:
    return PlatformReaders(tables).staging_records(target, now)


def word_of(error: ClientError | BotoCoreError) -> str:
    """Return the status word of a region whose servers could not be listed: mostly by what its text contains. Pure."""
    text = str(error)
    lower, code = text.lower(), ""
    if isinstance(error, ClientError):
        code = str(error.response["Error"].get("Code", ""))
        signs = {
            "NOT_INITIALIZED": code == "UninitializedAccountException" or "not initialized" in lower,
            "IAM_PERMISSION_DENIED": "AccessDeniedException" in text,  # also where a service control policy denies
            "SCP_DENIED": "service control policy" in lower or "scp" in lower,
        }
    else:
        signs = {
            "REGION_NOT_ENABLED": "UnrecognizedClientException" in text or "security token" in lower,
            "ENDPOINT_UNREACHABLE": "Could not connect" in text or "EndpointConnectionError" in text,
        }
    return next((word for word, is_so in signs.items() if is_so), _BY_CODE.get(code, "ERROR"))


def newest_of_each(servers: Iterable[Item]) -> list[Item]:
    """Return one record of each server id, that with the newest snapshot, else the first; others have no id. Pure."""
    chosen: dict[str, Item] = {}
    for server in servers:
        server_id = server.get("sourceServerID")
        if server_id and (server_id not in chosen or _snapshot(server) > _snapshot(chosen[server_id])):
            chosen[server_id] = server
    return list(chosen.values())


def _snapshot(server: Item) -> str:
    return str(server.get("dataReplicationInfo", {}).get("lastSnapshotDateTime", ""))


def _instances(ec2: Any, instance_ids: Sequence[str]) -> Iterator[Item]:
    """Yield the instances. If the call for all is refused, ask for each alone, and pass over what fails then."""
    try:
        answers = [ec2.describe_instances(InstanceIds=list(instance_ids))]
    except ClientError:
        answers = []
        for instance_id in instance_ids:
            with contextlib.suppress(ClientError, BotoCoreError):
                answers.append(ec2.describe_instances(InstanceIds=[instance_id]))
    for reservation in (each for answer in answers for each in answer["Reservations"]):
        yield from reservation["Instances"]


def _enrich(server: Item, instance: Mapping[str, Any]) -> None:
    server["ec2NetworkConfig"] = {
        "vpcId": instance.get("VpcId", ""),
        "subnetId": instance.get("SubnetId", ""),
        "privateIp": instance.get("PrivateIpAddress", ""),
        "securityGroups": [each["GroupId"] for each in instance.get("SecurityGroups", [])],
        "instanceProfile": instance.get("IamInstanceProfile", {}).get("Arn", ""),
    }
    server["tags"] = {**server.get("tags", {}), **{each["Key"]: each["Value"] for each in instance.get("Tags", [])}}


def _whole_item(server: Item, account_id: str, stamp: str) -> Item:
    staging = server.get("stagingArea", {}).get("stagingAccountID", account_id)
    cloud = server.get("sourceCloudProperties", {})
    owner = cloud.get("originAccountID", account_id)
    described = {"stagingAccountId": staging, "sourceAccountId": owner, "replicationRegion": server["_queryRegion"]}
    source_region = cloud.get("originRegion", server["_queryRegion"])
    return {
        **server,
        **described,
        "sourceServerArn": server["arn"],
        "lastUpdated": stamp,
        "_inventoryMetadata": {**described, "sourceRegion": source_region, "lastUpdated": stamp},
    }


def flat_item(server: Mapping[str, Any], account_id: str, stamp: str) -> Item:
    """Return the item that an earlier platform made of a DRS record: flat, and without the account that was asked."""
    properties, replication = server["sourceProperties"], server["dataReplicationInfo"]
    hints, cloud = properties["identificationHints"], server.get("sourceCloudProperties", {})
    tags = dict(server.get("tags", {}))
    return {
        "sourceServerArn": server["arn"],
        "stagingAccountId": server.get("stagingArea", {}).get("stagingAccountID", account_id),
        "sourceServerID": server["sourceServerID"],
        "sourceAccountId": cloud.get("originAccountID", account_id),
        "sourceRegion": cloud.get("originRegion", ""),
        "hostname": hints.get("hostname", ""),
        "fqdn": hints.get("fqdn", ""),
        "instanceId": hints.get("awsInstanceID", ""),
        "agentVersion": server.get("agentVersion", ""),
        "replicationRegion": server["arn"].split(":")[3],
        "replicationState": replication["dataReplicationState"],
        "lagDuration": replication.get("lagDuration", ""),
        "lastUpdated": stamp,
        "cpuCores": sum(cpu["cores"] for cpu in properties.get("cpus", [])),
        "ramBytes": properties.get("ramBytes", 0),
        "osName": properties.get("os", {}).get("fullString", ""),
        "disks": [{"deviceName": each["deviceName"], "bytes": each["bytes"]} for each in properties.get("disks", [])],
        "networkConfig": {},
        "sourceTags": tags,
    }
