"""Operations of the tag sync: run it, now or in the background; its last result; the settings of its schedule."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from service.accounts.records import DEFAULT_ROLE_NAME, parse_account
from service.app import App, TagSyncRunningError
from service.aws.eventbridge import ScheduleRule
from service.aws.lambda_ import LambdaInvoker
from service.context import SyncRequest
from service.errors import AwsError, RefusalError
from service.handlers.request_models import TagSyncBody, TagSyncSettingsBody
from service.handlers.router import Params, Response

__all__ = [
    "get_last_tag_sync_status",
    "get_tag_sync_settings",
    "handle_drs_tag_sync",
    "interval_hours_of",
    "update_tag_sync_settings",
]

_log: Final = logging.getLogger(__name__)
_DEFAULT_HOURS: Final = 4
_RATE_EXPRESSION: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_RUNNING: Final = "A tag sync is running; GET /drs/tag-sync returns its status"


async def handle_drs_tag_sync(app: App, params: Params) -> Response:
    """Sync EC2 tags to DRS source servers: one account or all, one region or the active ones, now or in the background.

    Only one runs at a time: while another runs the response is 409.
    """
    body = TagSyncBody.parse(params.values)
    await _check_role_name(app, body)
    own_name = app.settings.aws_lambda_function_name
    # A dry run has no result but its response, so it cannot run in the background.
    if body.in_background and not body.is_background_run and not body.dry_run and own_name:
        await _check_scopes(app, body.request)
        return await _start_in_background(app, body, own_name)
    request = replace(body.request, remaining_s=params.remaining_s)
    try:
        report = await app.sync_tags(request, source=body.source, lock_owner=body.lock_owner)
    except TagSyncRunningError:
        return _already_running()
    return _report_response(report, len(app.settings.catalog), one_account=body.account_id is not None)


async def _check_scopes(app: App, request: SyncRequest) -> None:
    """Check that accounts and regions are known, because the caller gets no errors of a background run."""
    app.settings.check_regions(request.regions, newer=True)
    if request.accounts:
        context_loader = app.context_loader()
        directory, _ = await context_loader.directory()
        context_loader.check_accounts(request, directory)


async def _start_in_background(app: App, body: TagSyncBody, own_name: str) -> Response:
    """Invoke this function to run a tag sync. The lock is taken first and passed on, so that a second call gets 409."""
    owner, state = uuid4().hex, app.tag_state()
    if not await state.acquire(owner=owner):
        return _already_running()
    members = body.model_dump(by_alias=True, exclude_none=True, include={"account_id", "region", "assume_role_name"})
    payload = {**members, "_async_execution": True, "_sync_source": body.source, "_lock_owner": owner}
    try:
        invoker = LambdaInvoker(app.aws_client.hub(), app.aws_client.hub_region)
        await invoker.invoke_later(own_name, {"operation": "handle_drs_tag_sync", "body": payload})
    except AwsError:
        await state.release(owner)
        raise
    details = "It runs in the background; GET /drs/tag-sync returns its status"
    return Response({"message": "Tag sync started", "status": "STARTED", "details": details}, 202)


def _already_running() -> Response:
    return Response({"message": "A tag sync is already running", "status": "ALREADY_RUNNING", "details": _RUNNING}, 409)


async def _check_role_name(app: App, body: TagSyncBody) -> None:
    """Refuse a role other than the one in the account's record: a caller must not choose the permissions of a sync."""
    if not body.assume_role_name or body.assume_role_name == DEFAULT_ROLE_NAME:
        return
    if body.account_id:
        item = await app.target_accounts().get(body.account_id)
        role = parse_account(item).role if item else None
        if role is not None and body.assume_role_name in {role.name, role.arn.rpartition("/")[2]}:
            return
    raise RefusalError(
        "INVALID_PARAMETER",
        "assumeRoleName is not the role on record for the account; change the record instead",
        details={"parameter": "assumeRoleName", "value": body.assume_role_name[:64]},
    )


def _report_response(report: Mapping[str, Any], catalog_size: int, *, one_account: bool) -> Response:
    results = [_account_result(each, catalog_size) for each in report["accountResults"]]
    run = {
        "status": report["status"],
        "regions_scanned": report["regionsScanned"],
        "regions_skipped": report["regionsSkipped"],
        "api_calls": report["apiCallsTotal"],
        "api_call_reduction_percent": report["apiCallReductionPercent"],
        "duration_seconds": report["durationSeconds"],
        "time_saved_seconds": report["timeSavedSeconds"],
        "errors": report["errors"],
        "warnings": report["warnings"],
    }
    if report.get("dryRun"):
        run |= {"dryRun": True, "planned": report["planned"], "planned_total": report["plannedTotal"]}
    if not results:
        return Response({"message": "No target accounts: nothing to sync", **run})
    if one_account:
        (entry,) = results
        if "error" in entry:
            details = {"error": entry["error"], "warnings": report["warnings"]}
            raise RefusalError("INTERNAL_ERROR", "the account could not be synced", status=500, details=details)
        return Response({**entry["result"], **_dry_run_message(report), **run})
    synced = sum(each["totalSynced"] for each in report["accountResults"])
    failed = sum(each["totalFailed"] for each in report["accountResults"])
    body = {
        "message": f"Synced the tags of {synced} servers in {len(results)} accounts, {failed} failed",
        "total_accounts": len(results),
        "total_synced": synced,
        "total_failed": failed,
        "accounts": results,
    }
    return Response({**body, **_dry_run_message(report), **run})


def _dry_run_message(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the message of a dry run, in place of the one that tells what was done."""
    if not report.get("dryRun"):
        return {}
    return {"message": f"Dry run: {report['plannedTotal']} servers would be written, none was"}


def _account_result(account: Mapping[str, Any], catalog_size: int) -> dict[str, Any]:
    if account.get("error"):
        return {"accountId": account["accountId"], "error": account["error"]}
    regions = account["regionsWithServers"]
    result = {
        "message": f"Synced the tags of {account['totalSynced']} of {account['totalServers']} servers",
        "accountId": account["accountId"],
        "accountName": account["accountName"],
        "total_regions": catalog_size,
        "regions_with_servers": len(regions),
        "total_servers": account["totalServers"],
        "total_synced": account["totalSynced"],
        "total_failed": account["totalFailed"],
        "total_skipped": account["totalSkipped"],
        "regions": regions,
    }
    return {"accountId": account["accountId"], "result": result}


async def get_last_tag_sync_status(app: App, params: Params) -> Response:  # noqa: ARG001 - takes no parameters
    """Return the result of the last tag sync, or the status of the running one."""
    last = await app.tag_state().last()
    if last is None:
        return Response({"message": "No tag sync has run yet"})
    return Response(
        {
            "lastSync": last.at.strftime("%Y-%m-%dT%H:%M:%SZ") if last.at else None,
            "source": last.source,
            "totalAccounts": last.total_accounts,
            "totalSynced": last.total_synced,
            "totalFailed": last.total_failed,
            "totalServers": last.total_servers,
            "status": last.status,
        }
    )


def _schedule_rule(app: App) -> ScheduleRule:
    name = f"{app.settings.project_name}-tag-sync-schedule-{app.settings.environment}"
    return ScheduleRule(app.aws_client.hub(), name, app.aws_client.hub_region)


def interval_hours_of(expression: str) -> int:
    """Hours of a rate expression: minutes round down, to at least one hour; four if the expression is not a rate."""
    match = _RATE_EXPRESSION.fullmatch(expression)
    if match is None:
        return _DEFAULT_HOURS
    number, unit = int(match[1]), match[2]
    return max(1, number // 60) if unit == "minute" else number * 24 if unit == "day" else number


def _rate_expression(hours: int) -> str:
    return f"rate({hours} hour{'s' if hours > 1 else ''})"


async def get_tag_sync_settings(app: App, params: Params) -> Response:  # noqa: ARG001 - takes no parameters
    """Return whether the tag sync is scheduled, and how often."""
    rule = _schedule_rule(app)
    settings = await rule.read()
    if settings is None:
        body = {
            "enabled": False,
            "intervalHours": _DEFAULT_HOURS,
            "scheduleExpression": _rate_expression(_DEFAULT_HOURS),
        }
        return Response(
            {**body, "ruleName": rule.name, "lastModified": None, "message": "The rule of the schedule does not exist"}
        )
    expression = str(settings.get("ScheduleExpression", ""))
    return Response(
        {
            "enabled": settings.get("State") == "ENABLED",
            "intervalHours": interval_hours_of(expression),
            "scheduleExpression": expression,
            "ruleName": rule.name,
            "lastModified": None,  # EventBridge does not report it
        }
    )


async def update_tag_sync_settings(app: App, params: Params) -> Response:
    """Switch the schedule of the tag sync on or off, and set its interval; switching it on starts a sync."""
    body = TagSyncSettingsBody.parse(params.values)
    enabled, rule = body.enabled, _schedule_rule(app)
    settings = await rule.read()
    if settings is None:
        if enabled:
            message = f"the rule {rule.name} does not exist. Fix: deploy the schedules first"
            raise RefusalError("", message, details={"code": "RULE_NOT_FOUND"})
        message = f"The rule {rule.name} does not exist; the tag sync is off"
        return Response({"message": message, "enabled": False, "intervalHours": body.interval_hours or _DEFAULT_HOURS})
    hours, current = body.interval_hours, str(settings.get("ScheduleExpression", ""))
    # Without an interval the expression stays: an operator may have set one that is not a number of hours.
    expression = _rate_expression(hours or _DEFAULT_HOURS) if hours or not current else current
    await rule.write(settings, expression=expression, enabled=enabled)
    sync_result = await _start_sync(app) if enabled else None
    return Response(
        {
            "message": f"The tag sync is {'on' if enabled else 'off'}: {expression}",
            "enabled": enabled,
            "intervalHours": hours or interval_hours_of(current),
            "scheduleExpression": expression,
            "ruleName": rule.name,
            "lastModified": app.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "syncTriggered": sync_result is not None,
            "syncResult": sync_result,
        }
    )


async def _start_sync(app: App) -> dict[str, str] | None:
    """Start a tag sync in the background; None outside Lambda, while one is running, or if the invocation failed."""
    own_name = app.settings.aws_lambda_function_name
    if not own_name:
        return None
    try:
        response = await _start_in_background(app, TagSyncBody.parse({"_sync_source": "settings_update"}), own_name)
    except AwsError as error:  # the settings are stored, and the schedule starts the next sync
        _log.warning("tag sync not started", extra={"code": error.code, "reason": str(error)})
        return None
    return {"message": str(response.body["message"])} if response.body["status"] == "STARTED" else None
