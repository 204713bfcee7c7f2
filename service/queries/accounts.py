"""Accounts query: the target accounts, their staging accounts, and which records cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.accounts.records import Account, RoleRef, parse_account, staging_id_problem, staging_records
from service.aws.client import AwsClient, Identity
from service.aws.dynamodb import Item
from service.errors import ConfigurationError
from service.fanout import prefetch
from service.models import Now, is_account_id
from service.queries.answer import Answer
from service.queries.completeness import all_regions, completeness_of
from service.queries.context import targets_table
from service.queries.freshness import StatusView
from service.regions.scope_state import StateRules
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["AccountsQuery"]


class AccountsQuery:
    """Answers queries for the target accounts; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._status = status
        self._now = now

    async def run(self) -> Answer:
        """Answer with every record, sorted by account id. No role is assumed.

        It is complete if every record can be used and every scope of the accounts is known: a staging account may be
        missing from a record because no sync has read the scope that shows it.

        Raises:
            ConfigurationError: the target accounts table is not set.
            AwsError: it could not be read, or STS did not confirm the identity of this process.
        """
        table = targets_table(self._aws_client, self._settings)
        async with prefetch(self._status.rows) as rows_read:
            hub = await self._aws_client.identity()
            accounts = [_target_json(item, hub) async for item in table.scan()]
            view = StatusView(await rows_read())
        accounts.sort(key=lambda account: str(account["accountId"]))
        members = {
            "operation": "accounts",
            "hubAccountId": hub.account_id,
            "count": len(accounts),
            "accounts": accounts,
        }
        rules = StateRules.of(self._settings, self._now())
        account_ids = [account["accountId"] for account in accounts if is_account_id(account["accountId"])]
        completeness = completeness_of(view, account_ids, all_regions(view, self._settings), rules)
        return Answer(members, completeness, is_whole=all(account["usable"] for account in accounts))


def _target_json(item: Item, hub: Identity) -> dict[str, Any]:
    """Describe a record of the target accounts table; an invalid one with as much as can be read of it."""
    try:
        account = parse_account(item)
    except ConfigurationError as error:
        known = {"accountId": str(item.get("accountId", "")), "accountName": str(item.get("accountName") or "")}
        return {**known, "roleArn": None, "usable": False, "reason": str(error), "stagingAccounts": []}
    return {
        "accountId": account.account_id,
        "accountName": account.name,
        "isHub": account.account_id == hub.account_id,
        **_role_json(account.account_id, account.role, hub),
        "stagingAccounts": [_staging_json(record, account, hub) for record in staging_records(item)],
    }


def _staging_json(record: Mapping[str, Any], target: Account, hub: Identity) -> dict[str, Any]:
    account_id = str(record.get("accountId", ""))
    known = {"accountId": account_id, "accountName": str(record.get("accountName") or "")}
    if problem := staging_id_problem(record, target.account_id):
        return {**known, "roleArn": None, "usable": False, "reason": problem}
    return {**known, **_role_json(account_id, target.staging.get(account_id, RoleRef()), hub)}


def _role_json(account_id: str, role: RoleRef, hub: Identity) -> dict[str, Any]:
    if account_id == hub.account_id:
        return {"roleArn": None, "usable": True}  # the hub uses its own credentials
    try:
        arn = role.arn_in(account_id, hub.partition)
    except ConfigurationError as error:
        return {"roleArn": role.arn or None, "usable": False, "reason": str(error)}
    return {"roleArn": arn, "externalId": role.external_id, "usable": True}
