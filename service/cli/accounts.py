"""`drs-sync accounts`: the target accounts, and the staging accounts beneath them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Group

from service.accounts.records import Account, RoleRef, parse_account, staging_records
from service.app import open_app, utc_now
from service.aws.client import AwsClient, Identity
from service.aws.dynamodb import Item, TableReader
from service.aws.operations import READ_OPERATIONS
from service.cli.output import Output, console, emit_json, guarded, plain, table
from service.cli.watching import OutputOption
from service.errors import ConfigurationError
from service.handlers.data_management import OPERATIONS
from service.handlers.router import Params
from service.query_app import open_query_app
from service.settings import Settings

__all__ = ["add_staging", "list_accounts", "remove_staging", "validate"]

Target = Annotated[str, typer.Argument(metavar="TARGET", help="Id of the target account.", show_default=False)]
Staging = Annotated[str, typer.Argument(metavar="STAGING", help="Id of the staging account.", show_default=False)]
ExternalId = Annotated[
    str, typer.Option("--external-id", metavar="E", help="External id that its role asks for.", show_default=False)
]
RoleArn = Annotated[
    str | None, typer.Option("--role-arn", metavar="ARN", help="Its role. Default: DRSOrchestrationRole.")
]


def list_accounts(output: OutputOption = None) -> int:
    """Show the target accounts and their staging accounts, and which records cannot be used, and why.

    It reads the records only; `drs-sync doctor` tries them.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        settings.require("target_accounts_table")
        async with AwsClient(settings, utc_now, allowed=READ_OPERATIONS) as aws_client:
            hub = await aws_client.identity()
            records = TableReader(aws_client.hub(), settings.target_accounts_table, aws_client.hub_region)
            accounts = [_shown(item, hub) async for item in records.scan()]
        accounts.sort(key=lambda account: str(account["accountId"]))
        document = {"operation": "accounts", "hubAccountId": hub.account_id, "count": len(accounts)}
        _tell(chosen, {**document, "accounts": accounts}, _list_of(accounts))
        return 0

    return guarded(chosen, work)


def add_staging(
    target: Target,
    staging: Staging,
    *,
    name: Annotated[str, typer.Option("--name", metavar="N", help="Its name.", show_default=False)],
    external_id: ExternalId,
    role_arn: RoleArn = None,
    output: OutputOption = None,
) -> int:
    """Add a staging account to a target account. Exit code 0: added; 2: refused, and nothing was changed."""
    record = {"accountId": staging, "accountName": name, "externalId": external_id}
    more = {} if role_arn is None else {"roleArn": role_arn}
    return _change("add_staging_account", {"targetAccountId": target, "stagingAccount": {**record, **more}}, output)


def remove_staging(target: Target, staging: Staging, output: OutputOption = None) -> int:
    """Take a staging account away from a target account; servers of it that are extended stay extended.

    Exit code 0: removed; 2: refused, and nothing was changed.
    """
    return _change("remove_staging_account", {"targetAccountId": target, "stagingAccountId": staging}, output)


def _change(operation: str, members: Mapping[str, Any], output: Output | None) -> int:
    chosen, params, change = output or Output.default(), Params(members), OPERATIONS[operation]

    async def work(settings: Settings) -> int:
        change.check(params)
        async with open_app(settings) as app:
            body = (await change.work(app, params)).body
        headings = ("staging account", "name", "role", "added by")
        rows = [
            tuple(record.get(name, "") for name in ("accountId", "accountName", "roleArn", "addedBy"))
            for record in body["stagingAccounts"]
        ]
        _tell(chosen, body, Group(plain(body["message"]), table("staging accounts now", headings, rows)))
        return 0

    return guarded(chosen, work)


def validate(
    staging: Staging,
    external_id: ExternalId,
    region: Annotated[str, typer.Option("--region", metavar="R", help="Where to look.", show_default=False)],
    role_arn: RoleArn = None,
    output: OutputOption = None,
) -> int:
    """Try whether an account can serve as a staging account: its role lets us in, and DRS is in use in a region.

    Exit code 0: it can; 1: AWS refused, and the answer says why; 2: wrong usage or settings.
    """
    chosen = output or Output.default()
    given = {"accountId": staging, "externalId": external_id, "region": region, "roleArn": role_arn}

    async def work(settings: Settings) -> int:
        async with open_query_app(settings) as app:
            body = await app.validation.validate_staging_account(given)
        _tell(chosen, body, Group(table(f"account {staging} in {region}", ("what", "value"), body.items())))
        return 0 if body["valid"] else 1

    return guarded(chosen, work)


def _tell(chosen: Output, document: Mapping[str, Any], shown: Group) -> None:
    if chosen is Output.JSON:
        emit_json(document)
    else:
        console().print(shown)


def _shown(item: Item, hub: Identity) -> dict[str, Any]:
    """Show a record of the target accounts table; one that cannot be used is shown as far as it can be read."""
    try:
        account = parse_account(item)
    except ConfigurationError as error:
        named = {"accountId": str(item.get("accountId", "")), "accountName": str(item.get("accountName") or "")}
        return {**named, "roleArn": None, "usable": False, "reason": str(error), "stagingAccounts": []}
    return {
        "accountId": account.account_id,
        "accountName": account.name,
        "isHub": account.account_id == hub.account_id,
        **_role(account.account_id, account.role, hub),
        "stagingAccounts": [_staging(record, account, hub) for record in staging_records(item)],
    }


def _staging(record: Mapping[str, Any], target: Account, hub: Identity) -> dict[str, Any]:
    account_id = str(record.get("accountId", ""))
    named = {"accountId": account_id, "accountName": str(record.get("accountName") or "")}
    return {**named, **_role(account_id, target.staging.get(account_id, RoleRef()), hub)}


def _role(account_id: str, role: RoleRef, hub: Identity) -> dict[str, Any]:
    if account_id == hub.account_id:
        return {"roleArn": None, "usable": True}  # it is reached with its own credentials
    try:
        arn = role.arn_in(account_id, hub.partition)
    except ConfigurationError as error:
        return {"roleArn": role.arn or None, "usable": False, "reason": str(error)}
    return {"roleArn": arn, "externalId": role.external_id, "usable": True}


def _list_of(accounts: list[dict[str, Any]]) -> Group:
    rows = []
    for account in accounts:
        rows.append(_row("target", account))
        rows.extend(_row("  staging", staging) for staging in account["stagingAccounts"])
    return Group(table(f"{len(accounts)} target accounts", ("kind", "account", "name", "role", "usable"), rows))


def _row(kind: str, account: Mapping[str, Any]) -> tuple[object, ...]:
    role = account["roleArn"] or ("own credentials" if account["usable"] else "")
    return (kind, account["accountId"], account["accountName"], role, account.get("reason", "yes"))
