"""Commands `drs-sync accounts`: the target accounts and their staging accounts, shown and changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from service.accounts.records import DEFAULT_EXTERNAL_ID, staging_records
from service.accounts.registration import checked_account_id, target_record
from service.accounts.staging import add_staging_account, remove_staging_account, staging_record
from service.app import App, open_app
from service.aws.dynamodb import Item
from service.cli.answers import COMPLETENESS_MEMBERS, counted, show_answer
from service.cli.columns import Column, pairs, table
from service.cli.options import OutputOption
from service.cli.output import Output, is_confirmed, print_result, run_command, sanitize
from service.cli.problem_text import paragraph
from service.errors import RefusalError
from service.settings import Settings

__all__ = [
    "accounts_table",
    "add_account",
    "add_staging",
    "list_accounts",
    "remove_account",
    "remove_staging",
    "validate",
]

Target = Annotated[str, typer.Argument(metavar="TARGET", help="Id of the target account.", show_default=False)]
Staging = Annotated[str, typer.Argument(metavar="STAGING", help="Id of the staging account.", show_default=False)]
ExternalId = Annotated[
    str,
    typer.Option(
        "--external-id", metavar="E", help="External id that the account's role requires.", show_default=False
    ),
]
RoleArn = Annotated[
    str | None, typer.Option("--role-arn", metavar="ARN", help="The account's role. Default: DRSOrchestrationRole.")
]
Change = Callable[[App], Awaitable[tuple[str, Sequence[Item]]]]
"""Changes the staging accounts of a target; returns a message and the staging accounts after the change."""

_COLUMNS: Final = (
    Column("kind"),
    Column("account"),
    Column("name", can_be_cut=True),
    Column("usable"),
    Column("role", 1),
)
_STAGING_COLUMNS: Final = (
    Column("staging account"),
    Column("name", can_be_cut=True),
    Column("added by"),
    Column("role", 1),
)
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)


def list_accounts(output: OutputOption = None) -> int:
    """Show target accounts and their staging accounts, and which records are invalid and why.

    Reads the records and region status only; `drs-sync doctor` also tries the roles.

    Examples:
      drs-sync accounts list

    Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
    3 incomplete: a record cannot be used, or some accounts or regions are
    unknown.
    """
    return show_answer(output or Output.default(), lambda app: app.accounts.run(), accounts_table)


def add_account(
    target: Target,
    *,
    name: Annotated[
        str | None, typer.Option("--name", metavar="N", help='Name of the account. Default: "Account <id>".')
    ] = None,
    role_arn: RoleArn = None,
    external_id: Annotated[
        str | None,
        typer.Option(
            "--external-id",
            metavar="E",
            help=f"External id that the role requires. Default: {DEFAULT_EXTERNAL_ID}.",
        ),
    ] = None,
    output: OutputOption = None,
) -> int:
    """Add a target account: from the next sync on, its servers are in the inventory.

    No call is made to the account; `drs-sync doctor` tries its role.

    Examples:
      drs-sync accounts add 111122223333 --name "Prod DR"

    Exit codes: 0 added; 1 failed; 2 refused, nothing was changed.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        checked_account_id(target)
        async with open_app(settings) as app:
            identity = await app.aws_client.identity()
            record = target_record(
                target,
                name=name,
                role_arn=role_arn,
                external_id=external_id,
                partition=identity.partition,
                hub_account_id=identity.account_id,
                now=app.now(),
            )
            await app.target_accounts().add(record)
        message = (
            f"Added target account {record['accountName']} ({target}). "
            f"Next: drs-sync doctor --account {target}, then drs-sync sync inventory --account {target} --full-scan"
        )
        _print_record(chosen, message, record)
        return 0

    return run_command(chosen, work)


def remove_account(
    target: Target,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    output: OutputOption = None,
) -> int:
    """Remove a target account, and its staging accounts with it: no sync enters it any more.

    Its items stay in the inventory, and queries no longer show them. The
    next inventory sync of all accounts removes it from region status.
    Nothing is changed in the account itself.

    Examples:
      drs-sync accounts remove 111122223333

    Exit codes: 0 removed; 1 failed; 2 refused, nothing was changed.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        checked_account_id(target)
        if not yes and not is_confirmed(f"Remove target account {target} and the list of its staging accounts?"):
            raise RefusalError("NOT_CONFIRMED", "nothing was removed, because you did not say yes")
        async with open_app(settings) as app:
            record = await app.target_accounts().remove(target)
        message = (
            f"Removed target account {record.get('accountName') or target} ({target}). Its items stay in the "
            "inventory, but queries do not show them; drs-sync accounts add brings it back"
        )
        _print_record(chosen, message, record)
        return 0

    return run_command(chosen, work)


def _print_record(output: Output, message: str, record: Item) -> None:
    members = {name: value for name, value in record.items() if name != "stagingAccounts"}
    staging = staging_records(record)

    def render() -> Group:
        shown = pairs("target account", members.items())
        return Group(sanitize(message), shown, *([_staging_table(staging)] if staging else []))

    # Others write to the table, too: a member that JSON does not have, such as bytes, is shown as text.
    account = orjson.loads(orjson.dumps(record, default=str))
    print_result(output, {"success": True, "message": message, "account": account}, render)


def add_staging(
    target: Target,
    staging: Staging,
    *,
    name: Annotated[str, typer.Option("--name", metavar="N", help="Name of the account.", show_default=False)],
    external_id: ExternalId,
    role_arn: RoleArn = None,
    output: OutputOption = None,
) -> int:
    """Add a staging account to a target account.

    Examples:
      drs-sync accounts add-staging 111122223333 444455556666 --name Staging --external-id ID

    Exit codes: 0 added; 1 failed; 2 refused, nothing was changed.
    """
    account = {"accountId": staging, "accountName": name, "externalId": external_id}
    if role_arn is not None:
        account["roleArn"] = role_arn

    def check() -> None:
        checked_account_id(target, "targetAccountId")
        staging_record(account, partition="aws", now=_ANY_TIME, added_by="user")

    async def change(app: App) -> tuple[str, Sequence[Item]]:
        partition, now = (await app.aws_client.identity()).partition, app.now()
        record = staging_record(account, partition=partition, now=now, added_by="user")
        after = await app.target_accounts().change_staging(target, add_staging_account(record, target), now=now)
        return f"Added staging account {record['accountName']} ({record['accountId']}) to {target}", after

    return _change_staging(check, change, output)


def remove_staging(target: Target, staging: Staging, output: OutputOption = None) -> int:
    """Remove a staging account from a target account. Its extended servers stay extended.

    Examples:
      drs-sync accounts remove-staging 111122223333 444455556666

    Exit codes: 0 removed; 1 failed; 2 refused, nothing was changed.
    """

    def check() -> None:
        checked_account_id(target, "targetAccountId")
        checked_account_id(staging, "stagingAccountId")

    async def change(app: App) -> tuple[str, Sequence[Item]]:
        now = app.now()
        try:
            after = await app.target_accounts().change_staging(
                target, remove_staging_account(staging, target, now=now), now=now
            )
        except RefusalError as refusal:
            if refusal.code == "TARGET_ACCOUNT_NOT_FOUND":  # the platform's code for this operation
                raise RefusalError("NOT_FOUND", refusal.message, status=404) from None
            raise
        return f"Removed staging account {staging} from {target}", after

    return _change_staging(check, change, output)


def _change_staging(check: Callable[[], None], change: Change, output: Output | None) -> int:
    """Check the input, which makes no call, then change the record and print the staging accounts it has now."""
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        check()
        async with open_app(settings) as app:
            message, records = await change(app)
        body = {"success": True, "message": message, "stagingAccounts": list(records)}
        print_result(chosen, body, lambda: Group(sanitize(message), _staging_table(records)))
        return 0

    return run_command(chosen, work)


def _staging_table(records: Sequence[Item]) -> Group:
    members = ("accountId", "accountName", "addedBy", "roleArn")
    rows = [tuple(record.get(member, "") for member in members) for record in records]
    return table("staging accounts now" if rows else "no staging accounts now", _STAGING_COLUMNS, rows)


def validate(
    staging: Staging,
    external_id: ExternalId,
    region: Annotated[str, typer.Option("--region", metavar="R", help="Where DRS is checked.", show_default=False)],
    role_arn: RoleArn = None,
    output: OutputOption = None,
) -> int:
    """Check that an account can be a staging account: its role can be assumed and DRS is initialised.

    Examples:
      drs-sync accounts validate 444455556666 --external-id ID --region us-west-2

    Exit codes: 0 it can; 1 it cannot, see the reason that AWS gives;
    2 wrong usage or settings.
    """
    params = {"accountId": staging, "externalId": external_id, "region": region, "roleArn": role_arn}

    def render(body: Mapping[str, Any]) -> Group:
        items = [(name, value) for name, value in body.items() if name not in COMPLETENESS_MEMBERS]
        return pairs(f"account {staging} in {region}", items)

    return show_answer(
        output or Output.default(),
        lambda app: app.validation.validate_staging_account(params),
        render,
        exit_code=lambda answer: 0 if answer.members["valid"] else 1,
    )


def accounts_table(body: Mapping[str, Any]) -> Group:
    """Render a line per account, staging accounts below their target, then why some cannot be used."""
    rows, unusable, accounts = [], list[RenderableType](), body["accounts"]
    for account in accounts:
        for kind, each in (("target", account), *(("  staging", staging) for staging in account["stagingAccounts"])):
            rows.append(_account_row(kind, each))
            if not each["usable"]:
                where = str(each["accountId"])
                unusable += [Text(), *paragraph("not usable", "", where, str(each.get("reason", "")), "")]
    return Group(table(counted(len(accounts), "target account"), _COLUMNS, rows), *unusable)


def _account_row(kind: str, account: Mapping[str, Any]) -> tuple[object, ...]:
    role = account["roleArn"] or ("own credentials" if account["usable"] else "")
    return (kind, account["accountId"], account["accountName"], "yes" if account["usable"] else "no", role)
