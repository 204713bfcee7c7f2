"""Operations of staging accounts: sync them, and add or remove a staging account of a target account."""

from __future__ import annotations

from typing import Any, Final

from service.accounts.records import staging_records
from service.accounts.registration import add_fix
from service.accounts.staging import add_staging_account, remove_staging_account
from service.app import App
from service.context import SyncRequest
from service.errors import RefusalError
from service.handlers.request_models import AddStagingRequest, RemoveStagingRequest, SyncBody, TargetSyncRequest
from service.handlers.router import Params, Response

__all__ = [
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
