"""The platform's own writers of the shared tables: a double, written from what is known of them, faults included.

Its inventory sync asks every region of every account, puts whole items and whole rows, and removes nothing. A row has
the count of the account that was asked last, 0 after any failure, and neither `lastChecked` nor `errorMessage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.platform.readers import PlatformTables, pages

__all__ = ["PlatformWriters", "flat_item"]

ROLE: Final = "arn:aws:iam::{}:role/DRSOrchestrationRole"
EXTERNAL_ID: Final = "drs-orchestration-cross-account"
_SETTINGS: Final = Config(connect_timeout=30, read_timeout=60, retries={"max_attempts": 0}, proxies={})
_RECORD: Final = ("accountId", "accountName", "roleArn", "externalId")
_WORDS: Final = {
    "UninitializedAccountException": "NOT_INITIALIZED",
    "AccessDeniedException": "IAM_PERMISSION_DENIED",  # also where a service control policy denies
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
    """

    endpoint_url: str
    hub: str
    regions: tuple[str, ...]
    _session: boto3.Session = field(default_factory=boto3.Session)
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    _keys: dict[str, dict[str, str]] = field(default_factory=dict)

    # ---- the inventory sync

    def sync_inventory(self, tables: PlatformTables, now: datetime) -> Item:
        """Sync the inventory once; every item and row has the time at which the sync began."""
        stamp, synced = now.isoformat(), 0
        for target in pages(tables.accounts.scan):
            account_id = str(target["accountId"])
            # Without a role it asks with the hub's own credentials, whichever account it is.
            role = target.get("roleArn") if account_id != self.hub else None
            try:
                self._client("drs", account_id, self.regions[0], role, target.get("externalId"))
            except ClientError:
                continue  # the account is skipped, and no row is touched
            servers: dict[str, Item] = {}
            for region in self.regions:
                listed, word = self._list(account_id, region, role, target.get("externalId"))
                servers |= {each["sourceServerID"]: each for each in listed}
                row = {"region": region, "accountId": account_id, "status": word, "serverCount": len(listed)}
                tables.status.put_item(Item={**row, "lastUpdated": stamp})
            self._describe(servers.values(), account_id, tables)
            with tables.inventory.batch_writer() as batch:
                for server in servers.values():
                    batch.put_item(Item=_whole_item(server, account_id, stamp))
            synced += len(servers)
        return {"totalSynced": synced, "totalErrors": 0, "timestamp": stamp}

    def _list(self, account_id: str, region: str, role: str | None, external_id: str | None) -> tuple[list[Item], str]:
        try:
            drs = self._client("drs", account_id, region, role, external_id)
            found = [each for page in drs.get_paginator("describe_source_servers").paginate() for each in page["items"]]
        except ClientError as error:
            return [], _WORDS.get(error.response["Error"]["Code"], "ERROR")
        except BotoCoreError:
            return [], "ENDPOINT_UNREACHABLE"
        marks = {"_queryRegion": region, "_queryAccount": account_id}
        return [{**each, **marks} for each in found], "ACTIVE"

    def _describe(self, servers: Iterable[Item], account_id: str, tables: PlatformTables) -> None:
        """Add network and tags of the EC2 instances, as far as they can be read."""
        by_origin: dict[tuple[str, str], dict[str, Item]] = {}
        for server in servers:
            cloud = server.get("sourceCloudProperties", {})
            origin = cloud.get("originAccountID", account_id), cloud.get("originRegion", server["_queryRegion"])
            instance_id = server.get("sourceProperties", {}).get("identificationHints", {}).get("awsInstanceID")
            if instance_id:
                by_origin.setdefault(origin, {})[instance_id] = server
        for (owner, region), wanted in by_origin.items():
            record = tables.accounts.get_item(Key={"accountId": owner}).get("Item", {})
            role = record.get("roleArn", ROLE.format(owner)) if owner != self.hub else None
            try:
                ec2 = self._client("ec2", owner, region, role, record.get("externalId", EXTERNAL_ID))
                reservations = ec2.describe_instances(InstanceIds=sorted(wanted))["Reservations"]
            except ClientError:
                continue
            for instance in (each for reservation in reservations for each in reservation["Instances"]):
                _enrich(wanted[instance["InstanceId"]], instance)

    def _client(self, service: str, account_id: str, region: str, role: str | None, external_id: str | None) -> Any:
        """Return a client in an account. Raises ClientError if its role cannot be assumed."""
        key = (service, account_id, region)
        if key not in self._clients:
            if role and role not in self._keys:
                self._keys[role] = self._assume(role, external_id)
            keys = self._keys[role] if role else {}
            self._clients[key] = self._session.client(
                service, region_name=region, endpoint_url=self.endpoint_url, config=_SETTINGS, **keys
            )
        return self._clients[key]

    def _assume(self, role: str, external_id: str | None) -> dict[str, str]:
        sts = self._session.client("sts", endpoint_url=self.endpoint_url, config=_SETTINGS)
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
        """Append a staging account. The whole list is written again, without members that the platform lacks."""
        added = {**record, "addedAt": _doubled(now), "addedBy": "user"}
        self._put_staging_accounts(tables, target, [*_staging_accounts(tables, target), added], now)

    def remove_staging_account(self, tables: PlatformTables, target: str, account_id: str, now: datetime) -> None:
        """Remove a staging account; the others are written again in the same way."""
        kept = [each for each in _staging_accounts(tables, target) if each["accountId"] != account_id]
        self._put_staging_accounts(tables, target, kept, now)

    def _put_staging_accounts(
        self, tables: PlatformTables, target: str, records: list[dict[str, str]], now: datetime
    ) -> None:
        members = (*_RECORD, "addedAt", "addedBy")
        tables.accounts.update_item(
            Key={"accountId": target},
            UpdateExpression="SET stagingAccounts = :records, updatedAt = :now",
            ConditionExpression="attribute_exists(accountId)",
            ExpressionAttributeValues={
                ":records": [{name: each[name] for name in members} for each in records],
                ":now": _doubled(now),
            },
        )


def _staging_accounts(tables: PlatformTables, target: str) -> list[dict[str, str]]:
    row = tables.accounts.get_item(Key={"accountId": target})["Item"]
    return [{**each, **{name: each[name] for name in _RECORD}} for each in row.get("stagingAccounts", [])]


def _doubled(now: datetime) -> str:
    """Return a time with an offset and a Z, which no parser of ISO 8601 accepts."""
    return f"{now.isoformat()}Z"


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
