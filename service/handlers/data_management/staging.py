"""Operations of staging accounts: extend servers, and add or remove a staging account of a target account."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from service.accounts.access import AccountAccess
from service.accounts.records import DEFAULT_EXTERNAL_ID, Account, AccountDirectory, RoleRef, staging_records
from service.accounts.registration import add_fix
from service.accounts.staging import add_staging_account, remove_staging_account
from service.app import App
from service.aws.drs import DrsReader
from service.aws.drs_write import DrsWriter
from service.context import SyncRequest
from service.errors import AwsError, RefusalError
from service.handlers.request_models import AddStagingRequest, RemoveStagingRequest, SyncBody, TargetSyncRequest
from service.handlers.router import Params, Response
from service.sync.extensions import read_extended, read_replicating

__all__ = [
    "auto_extend_staging_servers",
    "extend_source_server",
    "get_extended_source_servers",
    "get_staging_account_servers",
    "handle_add_staging_account",
    "handle_remove_staging_account",
    "handle_sync_single_account",
    "handle_sync_staging_accounts",
]

# API Gateway ends a request after 29 s, so a sync behind it must report the results so far before that.
_GATEWAY_TIMEOUT_S: Final = 25.0
# Members of the sync's report that the response for a single account has, too.
_REPORT_MEMBERS: Final = (
    "serversExtended",
    "serversFailed",
    "stagingAccountsFound",
    "status",
    "details",
    "accountsSkipped",
    "errors",
    "warnings",
)


async def handle_sync_staging_accounts(app: App, params: Params) -> Response:
    """Extend the servers that staging accounts replicate and their target accounts do not have yet."""
    report = await app.sync_staging(SyncBody.parse(params.values).request(params.remaining_s))
    return Response({**report, "timestamp": report["startedAt"]})


async def auto_extend_staging_servers(
    app: App, target_accounts: Collection[str], active_regions: Collection[str]
) -> dict[str, Any]:
    """Extend the servers of some target accounts in some regions; return the report.

    Raises:
        ConfigurationError: an account is not a target account, or a region is not known.
        AwsError: the target accounts cannot be read.
    """
    return await app.sync_staging(SyncRequest(accounts=tuple(target_accounts), regions=tuple(active_regions)))


async def extend_source_server(
    app: App, target_account_id: str, target_role_arn: str, target_external_id: str, staging_server_arn: str
) -> dict[str, Any]:
    """Extend one server into a target account, in the region of its ARN; success if it is extended already.

    Raises:
        RefusalError: the ARN is not that of a source server.
        UnknownScopeError: its region is none, or in another partition.
        AwsError: DRS refused, and the server is not known to be extended already.
    """
    parts = staging_server_arn.split(":")
    if len(parts) != 6 or parts[2] != "drs" or not parts[5].startswith("source-server/"):  # noqa: PLR2004 - parts of an ARN
        raise RefusalError("INVALID_PARAMETER", f"{staging_server_arn[:100]!r} is not the ARN of a source server")
    app.settings.check_regions((parts[3],), newer=True)
    region = parts[3]
    access = await _access(app, target_account_id, target_role_arn, target_external_id, writes=True)
    session = await access.session(target_account_id)
    try:
        record = await DrsWriter(session).extend(region, staging_server_arn)
    except AwsError as refusal:
        drs = DrsReader(session, page_size=app.settings.drs_page_size)
        try:
            extended = await read_extended(drs, target_account_id, region, staging_accounts=(parts[4],))
        except AwsError:
            raise refusal from None  # the caller needs the reason of the first failure, not that of the look-up
        if staging_server_arn not in extended:
            raise refusal from None
        return {"extended": False, "alreadyExtended": True}
    return {"extended": True, "sourceServer": record}


async def get_extended_source_servers(
    app: App, target_account_id: str, role_arn: str, external_id: str, active_regions: Collection[str]
) -> set[str]:
    """Return the ARNs of the staging servers that are extended into a target account, in some regions.

    Raises:
        UnknownScopeError: a region is none, or in another partition.
        AwsError: a region could not be read; a result without it would look as if nothing were extended there.
    """
    app.settings.check_regions(active_regions, newer=True)
    access = await _access(app, target_account_id, role_arn, external_id)
    drs = DrsReader(await access.session(target_account_id), page_size=app.settings.drs_page_size)
    arns: set[str] = set()
    for region in sorted(active_regions):
        with _ignoring_uninitialized():
            arns |= await read_extended(drs, target_account_id, region)
    return arns


async def get_staging_account_servers(
    app: App, staging_account_id: str, role_arn: str, external_id: str, active_regions: Collection[str]
) -> list[str]:
    """Return the ARNs of the servers that a staging account replicates, in some regions.

    Raises:
        UnknownScopeError: a region is none, or in another partition.
        AwsError: a region could not be read.
    """
    app.settings.check_regions(active_regions, newer=True)
    access = await _access(app, staging_account_id, role_arn, external_id)
    drs = DrsReader(await access.session(staging_account_id), page_size=app.settings.drs_page_size)
    arns: list[str] = []
    for region in sorted(active_regions):
        with _ignoring_uninitialized():
            arns.extend(sorted(await read_replicating(drs, staging_account_id, region)))
    return arns


@contextmanager
def _ignoring_uninitialized() -> Iterator[None]:
    """Ignore that DRS is not initialized in a region: it then has no servers there."""
    try:
        yield
    except AwsError as error:
        if not error.is_drs_uninitialized:
            raise


async def _access(app: App, account_id: str, role_arn: str, external_id: str, *, writes: bool = False) -> AccountAccess:
    """Return access to one account with the role that the caller names, provided that the account has a record."""
    directory, _ = await app.context_loader().directory()
    role = RoleRef(arn=role_arn, external_id=external_id or DEFAULT_EXTERNAL_ID)
    recorded = account_id in (directory.targets if writes else directory)
    accounts = [Account(account_id, account_id, role)] if recorded else []
    return AccountAccess(app.aws_client, AccountDirectory(accounts), writes=writes)


async def handle_sync_single_account(app: App, params: Params) -> Response:
    """Sync one target account: extend the servers that its staging accounts replicate.

    The request names the target, not its staging accounts. So staging accounts that only DRS names wait here too; the
    response lists them.
    """
    target = TargetSyncRequest.parse(params.values).target_account_id
    before = await _staging_records(app, target)
    remaining_s = _GATEWAY_TIMEOUT_S if params.remaining_s is None else min(params.remaining_s, _GATEWAY_TIMEOUT_S)
    report = await app.sync_staging(SyncRequest(accounts=(target,), remaining_s=remaining_s))
    after = await _staging_records(app, target)
    known = {record.get("accountId") for record in before}
    added = [record["accountId"] for record in after if record.get("accountId") not in known]
    done = f"Extended {report['serversExtended']} servers of {len(after)} staging accounts: {report['status']}"
    return Response(
        {
            "success": report["status"] != "failed",
            "message": next((f"Skipped: {each['reason']}" for each in report["accountsSkipped"]), done),
            "targetAccountId": target,
            "stagingAccounts": after,
            "changes": {"added": added, "removed": []},
            "stagingAccountsProcessed": len(after),
            "serversFound": report["serversPlanned"],
            "syncedAt": report["startedAt"],
            **{name: report[name] for name in _REPORT_MEMBERS},
        }
    )


async def handle_add_staging_account(app: App, params: Params) -> Response:
    """Add a staging account to the record of a target account."""
    request = AddStagingRequest.parse(params.values, has_body=params.has_body)
    target, partition = request.target_account_id, (await app.aws_client.identity()).partition
    record = request.staging_account.record(partition=partition, now=app.now())
    staging_accounts = await app.target_accounts().change_staging(
        target, add_staging_account(record, target), now=app.now()
    )
    return Response(
        {
            "success": True,
            "message": f"Added staging account {record['accountName']} ({record['accountId']}) to {target}",
            "stagingAccounts": list(staging_accounts),
        }
    )


async def handle_remove_staging_account(app: App, params: Params) -> Response:
    """Remove a staging account from the record of a target account. Its extended servers stay extended."""
    request = RemoveStagingRequest.parse(params.values)
    target, staging = request.target_account_id, request.staging_account_id
    try:
        staging_accounts = await app.target_accounts().change_staging(
            target, remove_staging_account(staging, target, now=app.now()), now=app.now()
        )
    except RefusalError as refusal:
        if refusal.code == "TARGET_ACCOUNT_NOT_FOUND":  # callers of this operation expect NOT_FOUND
            raise RefusalError("NOT_FOUND", refusal.message, status=404) from None
        raise
    message = f"Removed staging account {staging} from {target}"
    return Response({"success": True, "message": message, "stagingAccounts": staging_accounts})


async def _staging_records(app: App, target: str) -> list[dict[str, Any]]:
    item = await app.target_accounts().get(target)
    if item is None:
        message = f"there is no target account {target}. {add_fix(target)}"
        raise RefusalError("TARGET_ACCOUNT_NOT_FOUND", message, status=404)
    return staging_records(item)
