"""DynamoDB tables of the syncs, and the rows of the target-accounts table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from moto.dynamodb.models import dynamodb_backends

from service.sandbox.fast_dynamodb import is_fast_dynamodb_registered, use_fast_queries
from service.sandbox.fleet_models import Account, Fleet, Tables

__all__ = ["create_tables", "put_account_rows", "put_hub_row", "table_environment"]

_ADDED_AT: Final = "2026-01-10T09:00:00+00:00"


class _Table(NamedTuple):
    base: str
    variable: str
    hash_key: str
    range_key: str | None = None
    indexes: Mapping[str, str] = MappingProxyType({})  # hash key by index name; the range key is the table's hash key


_TARGET_ACCOUNTS: Final = _Table("target-accounts", "TARGET_ACCOUNTS_TABLE", "accountId")
_TABLES: Final = (
    _Table(
        "source-server-inventory",
        "SOURCE_SERVER_INVENTORY_TABLE",
        "sourceServerArn",
        "stagingAccountId",
        MappingProxyType(
            {
                "SourceAccountIndex": "sourceAccountId",
                "StagingAccountIndex": "stagingAccountId",
                "ReplicationRegionIndex": "replicationRegion",
            }
        ),
    ),
    _Table("drs-region-status", "DRS_REGION_STATUS_TABLE", "region"),
    _TARGET_ACCOUNTS,
    _Table("source-server-topology", "SOURCE_SERVER_TOPOLOGY_TABLE", "pk", "sk"),
    _Table("tag-sync-config", "TAG_SYNC_CONFIG_TABLE", "accountId"),
)


def table_environment(tables: Tables) -> dict[str, str]:
    """Return the environment variables that name the tables."""
    return {table.variable: tables.name_of(table.base) for table in _TABLES}


def create_tables(fleet: Fleet) -> None:
    """Create empty tables in the hub."""
    backend = dynamodb_backends[fleet.hub.account_id][fleet.hub.region]
    for table in _TABLES:
        name = fleet.tables.name_of(table.base)
        keys = [table.hash_key, *filter(None, [table.range_key]), *table.indexes.values()]
        backend.create_table(
            name,
            schema=_schema(table.hash_key, table.range_key),
            throughput=None,
            attr=[{"AttributeName": key, "AttributeType": "S"} for key in dict.fromkeys(keys)],
            global_indexes=[_index(index, key, table.hash_key) for index, key in table.indexes.items()],
            indexes=[],
            streams=None,
            billing_mode="PAY_PER_REQUEST",
            sse_specification=None,
            tags=[],
            deletion_protection_enabled=False,
            warm_throughput=None,
        )
        if is_fast_dynamodb_registered():
            use_fast_queries(backend.get_table(name))
        backend.update_time_to_live(name, {"AttributeName": "TTL", "Enabled": True})


def _schema(hash_key: str, range_key: str | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    return [*schema, {"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else schema


def _index(name: str, hash_key: str, range_key: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": _schema(hash_key, range_key),
        "Projection": {"ProjectionType": "ALL"},
    }


def put_account_rows(fleet: Fleet, accounts: Iterable[Account]) -> None:
    """Write the target-accounts rows of those accounts that have one."""
    for account in accounts:
        if account.has_row:
            _put(fleet, _account_row(fleet, account))


def put_hub_row(fleet: Fleet) -> None:
    """Write the hub's row, unless the hub is also a declared account, whose row is written with the others."""
    if fleet.hub.registered and fleet.account(fleet.hub.account_id) is None:
        _put(fleet, _row(fleet.hub.account_id, fleet.hub.name, is_hub=True))


def _put(fleet: Fleet, row: dict[str, Any]) -> None:
    dynamodb_backends[fleet.hub.account_id][fleet.hub.region].put_item(fleet.tables.name_of(_TARGET_ACCOUNTS.base), row)


def _account_row(fleet: Fleet, account: Account) -> dict[str, Any]:
    is_hub = account.account_id == fleet.hub.account_id
    row = _row(account.account_id, account.title, is_hub=is_hub)
    if not is_hub:  # the hub needs no role to reach itself
        row.update(_role_attributes(fleet, account))
    if account.staging_accounts:
        staging = filter(None, map(fleet.account, account.staging_accounts))
        row["stagingAccounts"] = {"L": [{"M": _staging_record(fleet, each)} for each in staging]}
    return row


def _row(account_id: str, name: str, *, is_hub: bool) -> dict[str, Any]:
    return {
        "accountId": {"S": account_id},
        "accountName": {"S": name},
        "status": {"S": "active"},
        "isCurrentAccount": {"BOOL": is_hub},
        **{attribute: {"S": _ADDED_AT} for attribute in ("createdAt", "lastValidated", "updatedAt")},
        "createdBy": {"S": "system" if is_hub else "user"},
    }


def _role_attributes(fleet: Fleet, account: Account) -> dict[str, Any]:
    """Return role ARN and external id as an operator would enter them, even if the account does not have the role."""
    partition = "aws-us-gov" if fleet.hub.region.startswith("us-gov-") else "aws"
    name = account.role.name if account.role else "DRSOrchestrationRole"
    external_id = account.role.external_id if account.role else "drs-orchestration-cross-account"
    attributes = {"roleArn": {"S": f"arn:{partition}:iam::{account.account_id}:role/{name}"}}
    return {**attributes, "externalId": {"S": external_id}} if external_id else attributes


def _staging_record(fleet: Fleet, account: Account) -> dict[str, Any]:
    return {
        "accountId": {"S": account.account_id},
        "accountName": {"S": account.title},
        **_role_attributes(fleet, account),
        "addedAt": {"S": _ADDED_AT},
        "addedBy": {"S": "user"},
    }
