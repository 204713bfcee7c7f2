"""data-management-handler: everything that writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from service.accounts.access import AccountAccess
from service.accounts.records import DEFAULT_EXTERNAL_ID, Account, AccountDirectory, RoleRef, staging_records
from service.accounts.staging import add_staging_account, remove_staging_account
from service.app import App, open_app
from service.aws.drs import DrsReader
from service.aws.drs_write import DrsWriter
from service.context import SyncRequest
from service.deadline import Shutdown
from service.errors import AwsError, RefusalError
from service.handlers import shards
from service.handlers.request_models import SyncBody, account_param, staging_account_param
from service.handlers.responses import envelope, error_body
from service.handlers.router import Operation, Params, Response, Route, Router
from service.handlers.runtime import Runtime
from service.handlers.tag_sync import (
    check_settings,
    check_tag_sync,
    get_last_tag_sync_status,
    get_tag_sync_settings,
    handle_drs_tag_sync,
    update_tag_sync_settings,
)
from service.models import RegionStatus
from service.sync.extensions import read_extended, read_replicating

__all__ = [
    "auto_extend_staging_servers",
    "extend_source_server",
    "get_extended_source_servers",
    "get_last_tag_sync_status",
    "get_staging_account_servers",
    "get_tag_sync_settings",
    "handle_add_staging_account",
    "handle_drs_tag_sync",
    "handle_remove_staging_account",
    "handle_sync_single_account",
    "handle_sync_source_server_inventory",
    "handle_sync_staging_accounts",
    "lambda_handler",
    "update_tag_sync_settings",
]

# The end of a run must be told before Lambda ends the process.
_REPORTING_S: Final = 10.0
# API Gateway gives up after 29 s; a sync asked for through it tells what it has before that.
_GATEWAY_S: Final = 25.0

# Members of the report that the answer of a single account's sync has, too.
_TOLD: Final = ("serversExtended", "serversFailed", "status", "details", "errors", "warnings")
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)

_shutdown: Final = Shutdown()
runtime: Final = Runtime(partial(open_app, shutdown=_shutdown), _shutdown)


def _check_sync(params: Params) -> None:
    SyncBody.model_validate(params.members)


async def handle_sync_source_server_inventory(app: App, params: Params) -> Response:
    """Sync the source server inventory and the region status table; members as in `SyncBody`."""
    body = SyncBody.model_validate(params.members)
    if body.dry_run:
        raise RefusalError("INVALID_PARAMETER", "the inventory sync has no dry run: it only writes what it saw")
    report = await app.sync_inventory(body.request(params.remaining_s))
    return Response(
        {
            "message": f"Synced {report['serversSynced']} source servers in {report['regionsScanned']} regions: "
            f"{report['status']}",
            "totalSynced": report["serversSynced"],
            "totalErrors": len(report["errors"]),
            "timestamp": report["startedAt"],
            **report,
        }
    )


async def handle_sync_staging_accounts(app: App, params: Params) -> Response:
    """Extend what the staging accounts of all targets, or some, replicate and the targets lack; as in `SyncBody`."""
    report = await app.sync_staging(SyncBody.model_validate(params.members).request(params.remaining_s))
    return Response({**report, "timestamp": report["startedAt"]})


async def auto_extend_staging_servers(
    app: App, target_accounts: Collection[str], active_regions: Collection[str]
) -> dict[str, Any]:
    """Extend for some targets in some regions; give the report.

    Raises:
        ConfigurationError: an account is no target, or a region is not known.
        AwsError: the target accounts cannot be read.
    """
    return await app.sync_staging(SyncRequest(accounts=tuple(target_accounts), regions=tuple(active_regions)))


async def extend_source_server(
    app: App, target_account_id: str, target_role_arn: str, target_external_id: str, staging_server_arn: str
) -> dict[str, Any]:
    """Extend one server into a target, in the region that its ARN names; one that is extended already is a success.

    Raises:
        RefusalError: the ARN is no source server's.
        AwsError: why DRS refused, where it is not known to be extended already.
    """
    parts = staging_server_arn.split(":")
    if len(parts) != 6 or parts[2] != "drs" or not parts[5].startswith("source-server/"):  # noqa: PLR2004 - parts of an ARN
        raise RefusalError("INVALID_PARAMETER", f"{staging_server_arn[:100]!r} is no ARN of a source server")
    region, access = parts[3], _access(app, target_account_id, target_role_arn, target_external_id)
    session = await access.session(target_account_id)
    try:
        record = await DrsWriter(session).extend(region, staging_server_arn)
    except AwsError as refusal:
        drs = DrsReader(session, page_size=app.settings.drs_page_size)
        try:
            present = await read_extended(drs, target_account_id, region, staging_accounts=(parts[4],))
        except AwsError:
            raise refusal from None  # the look-up answers another question than the one that was asked
        if staging_server_arn not in present:
            raise refusal from None
        return {"extended": False, "alreadyExtended": True}
    return {"extended": True, "sourceServer": record}


async def get_extended_source_servers(
    app: App, target_account_id: str, role_arn: str, external_id: str, active_regions: Collection[str]
) -> set[str]:
    """Name the staging servers that are extended into a target, in some regions.

    Raises:
        AwsError: a region could not be read. An answer that lacks a region would read like "nothing is extended".
    """
    access = _access(app, target_account_id, role_arn, external_id)
    drs = DrsReader(await access.session(target_account_id), page_size=app.settings.drs_page_size)
    found: set[str] = set()
    for region in sorted(active_regions):
        with _unless_unused():
            found |= await read_extended(drs, target_account_id, region)
    return found


async def get_staging_account_servers(
    app: App, staging_account_id: str, role_arn: str, external_id: str, active_regions: Collection[str]
) -> list[str]:
    """Name the servers that a staging account replicates, by ARN, in some regions. Raises AwsError as above."""
    access = _access(app, staging_account_id, role_arn, external_id)
    drs = DrsReader(await access.session(staging_account_id), page_size=app.settings.drs_page_size)
    found: list[str] = []
    for region in sorted(active_regions):
        with _unless_unused():
            found.extend(sorted(await read_replicating(drs, staging_account_id, region)))
    return found


class _unless_unused:  # noqa: N801 - reads as a statement
    """Passes over a region where DRS was never initialised: it answered, and there is nothing."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, AwsError) and error.error_class.status is RegionStatus.NOT_INITIALIZED


def _access(app: App, account_id: str, role_arn: str, external_id: str) -> AccountAccess:
    role = RoleRef(arn=role_arn, external_id=external_id or DEFAULT_EXTERNAL_ID)
    return AccountAccess(app.aws_client, AccountDirectory([Account(account_id, account_id, role)]))


async def handle_sync_single_account(app: App, params: Params) -> Response:
    """Bring one target account up to date: its staging accounts, and what they have to extend."""
    target = account_param(params, "targetAccountId", missing="INVALID_FORMAT")
    before = await _record(app, target)
    remaining_s = _GATEWAY_S if params.remaining_s is None else min(params.remaining_s, _GATEWAY_S)
    report = await app.sync_staging(SyncRequest(accounts=(target,), remaining_s=remaining_s))
    after = await _record(app, target)
    known = {record.get("accountId") for record in before}
    added = [record["accountId"] for record in after if record.get("accountId") not in known]
    return Response(
        {
            "success": report["status"] != "failed",
            "message": f"Extended {report['serversExtended']} servers of {len(after)} staging accounts: "
            f"{report['status']}",
            "targetAccountId": target,
            "stagingAccounts": after,
            "changes": {"added": added, "removed": []},
            "stagingAccountsProcessed": len(after),
            "serversFound": report["serversPlanned"],
            "syncedAt": report["startedAt"],
            **{name: report[name] for name in _TOLD},
        }
    )


async def handle_add_staging_account(app: App, params: Params) -> Response:
    """Add a staging account to a target's record."""
    target, partition = account_param(params, "targetAccountId"), (await app.aws_client.identity()).partition
    record = staging_account_param(params, partition=partition, now=app.now())
    listed = await app.target_accounts().change_staging(target, add_staging_account(record, target), now=app.now())
    return Response(
        {
            "success": True,
            "message": f"Added staging account {record['accountName']} ({record['accountId']}) to {target}",
            "stagingAccounts": list(listed),
        }
    )


async def handle_remove_staging_account(app: App, params: Params) -> Response:
    """Take a staging account away from a target's record. Servers of it that are extended stay extended."""
    target, staging = account_param(params, "targetAccountId"), account_param(params, "stagingAccountId")
    try:
        listed = await app.target_accounts().change_staging(
            target, remove_staging_account(staging, target, now=app.now()), now=app.now()
        )
    except RefusalError as refusal:
        if refusal.code == "TARGET_ACCOUNT_NOT_FOUND":  # here the platform always said it so
            raise RefusalError("NOT_FOUND", refusal.message, status=404) from None
        raise
    return Response(
        {"success": True, "message": f"Removed staging account {staging} from {target}", "stagingAccounts": listed}
    )


async def _record(app: App, target: str) -> list[dict[str, Any]]:
    item = await app.target_accounts().get(target)
    if item is None:
        raise RefusalError("TARGET_ACCOUNT_NOT_FOUND", f"there is no target account {target}", status=404)
    return staging_records(item)


def _check_add(params: Params) -> None:
    account_param(params, "targetAccountId")
    staging_account_param(params, partition="aws", now=_ANY_TIME)


def _check_remove(params: Params) -> None:
    account_param(params, "targetAccountId")
    account_param(params, "stagingAccountId")


OPERATIONS: Final[Mapping[str, Operation[App]]] = MappingProxyType(
    {
        "sync_source_server_inventory": Operation(
            handle_sync_source_server_inventory, _check_sync, aliases=("handle_sync_source_server_inventory",)
        ),
        "sync_staging_accounts": Operation(
            handle_sync_staging_accounts, _check_sync, aliases=("handle_sync_staging_accounts",)
        ),
        "sync_extended_source_servers": Operation(
            handle_sync_single_account,
            lambda params: account_param(params, "targetAccountId", missing="INVALID_FORMAT"),
            aliases=("sync_single_account", "handle_sync_single_account"),
        ),
        "add_staging_account": Operation(handle_add_staging_account, _check_add),
        "remove_staging_account": Operation(handle_remove_staging_account, _check_remove),
        "handle_drs_tag_sync": Operation(
            handle_drs_tag_sync, check_tag_sync, aliases=("trigger_tag_sync", "sync_tags")
        ),
        "get_last_tag_sync_status": Operation(get_last_tag_sync_status),
        "get_tag_sync_settings": Operation(get_tag_sync_settings),
        "update_tag_sync_settings": Operation(update_tag_sync_settings, check_settings),
        **shards.OPERATIONS,
    }
)

_STAGING: Final = "/accounts/targets/{id}/staging-accounts"
_TARGET: Final = MappingProxyType({"id": "targetAccountId"})

ROUTES: Final = (
    Route("POST", _STAGING, "add_staging_account", _TARGET),
    Route("POST", f"{_STAGING}/sync", "sync_extended_source_servers", _TARGET),
    Route("DELETE", f"{_STAGING}/{{stagingAccountId}}", "remove_staging_account", _TARGET),
    Route("POST", "/drs/tag-sync", "handle_drs_tag_sync"),
    Route("GET", "/drs/tag-sync", "get_last_tag_sync_status"),
    Route("GET", "/config/tag-sync", "get_tag_sync_settings"),
    Route("PUT", "/config/tag-sync", "update_tag_sync_settings"),
)

_router: Final = Router(
    runtime.run,
    OPERATIONS,
    ROUTES,
    malformed_code="INVALID_EVENT_FORMAT",
    failed_code="OPERATION_FAILED",
    members_in="body",
)


def lambda_handler(event: object, context: object) -> dict[str, Any]:
    """Entry point of the function: API Gateway, direct operations and schedules."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    remaining_s = None if remaining is None else max(0.0, remaining() / 1000 - _REPORTING_S)
    answer = _router.answer(event, remaining_s=remaining_s)
    if answer is not None:
        return answer
    if isinstance(event, Mapping) and ("synch_tags" in event or "synch_instance_type" in event):
        # The hourly rule; the values never mattered.
        response = _router.perform("handle_drs_tag_sync", Params({"_sync_source": "eventbridge"}, remaining_s))
        return envelope(response.status, response.body)
    return envelope(
        400, error_body("INVALID_INVOCATION", "the event has neither requestContext, operation nor synch_tags")
    )
