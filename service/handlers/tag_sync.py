"""Tag sync for callers: on demand, in the background, by schedule; its last result and its schedule's settings."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from service.accounts.records import DEFAULT_ROLE_NAME, parse_account
from service.aws.eventbridge import ScheduleRule
from service.aws.lambda_ import LambdaInvoker
from service.context import ContextLoader, SyncRequest
from service.errors import AwsError, RefusalError
from service.handlers.app import App, TagSyncRunningError
from service.handlers.bodies import AccountId
from service.handlers.front import Asked, Reply

__all__ = [
    "TagSyncBody",
    "check_settings",
    "check_tag_sync",
    "get_last_tag_sync_status",
    "get_tag_sync_settings",
    "handle_drs_tag_sync",
    "update_tag_sync_settings",
]

_log: Final = logging.getLogger(__name__)
_DEFAULT_HOURS: Final = 4
_MAX_HOURS: Final = 24
_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_RUNNING: Final = "A tag sync is running; ask GET /drs/tag-sync for its state"


class TagSyncBody(BaseModel):
    """Body of a tag sync. Members with an underscore are set by this function when it calls itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    account_id: Annotated[AccountId | None, Field(alias="accountId")] = None
    region: str | None = None
    assume_role_name: Annotated[str | None, Field(alias="assumeRoleName")] = None
    in_background: Annotated[bool, Field(alias="async")] = False
    dry_run: Annotated[bool, Field(alias="dryRun")] = False
    is_the_background: Annotated[bool, Field(alias="_async_execution")] = False
    source: Annotated[str, Field(alias="_sync_source", max_length=40)] = "manual"
    lock_owner: Annotated[str | None, Field(alias="_lock_owner", max_length=80)] = None

    def request(self) -> SyncRequest:
        """Give the same as the engine takes it."""
        return SyncRequest(
            accounts=(self.account_id,) if self.account_id else (),
            regions=(self.region,) if self.region else (),
            dry_run=self.dry_run,
        )


def check_tag_sync(asked: Asked) -> None:
    """Judge the members of a tag sync. Raises pydantic's ValidationError."""
    TagSyncBody.model_validate(asked.members)


async def handle_drs_tag_sync(app: App, asked: Asked) -> Reply:
    """Sync EC2 tags to DRS source servers: one account or all, one region or the active ones, now or in the background.

    One at a time: while another runs the answer is 409.
    """
    body = TagSyncBody.model_validate(asked.members)
    await _check_role_name(app, body)
    own_name = app.settings.aws_lambda_function_name
    # A dry run's answer is all it has, so there is nothing to do in the background.
    if body.in_background and not body.is_the_background and not body.dry_run and own_name:
        await _check_scope(app, body.request())
        return await _start(app, body, own_name)
    request = replace(body.request(), remaining_s=asked.remaining_s)
    try:
        report = await app.sync_tags(request, source=body.source, lock_owner=body.lock_owner)
    except TagSyncRunningError:
        return _already_running()
    return _answer(report, len(app.settings.catalog), one_account=body.account_id is not None)


async def _check_scope(app: App, request: SyncRequest) -> None:
    """Make sure that what is named is known: of a run in the background nobody would hear. Raises as a run does."""
    context_loader = ContextLoader(app.aws_client, app.settings, app.status, app.now)
    context_loader.check_regions(request.regions)
    if request.accounts:
        directory, _ = await context_loader.directory()
        context_loader.check_accounts(request, directory)


async def _start(app: App, body: TagSyncBody, own_name: str) -> Reply:
    """Take the lock now, so that the next caller is told; hand it to the run for which this function calls itself."""
    owner, state = uuid4().hex, app.tag_state()
    if not await state.acquire(owner=owner):
        return _already_running()
    members = body.model_dump(by_alias=True, exclude_none=True, include={"account_id", "region", "assume_role_name"})
    passed = {**members, "_async_execution": True, "_sync_source": body.source, "_lock_owner": owner}
    try:
        invoker = LambdaInvoker(app.aws_client.hub(), app.aws_client.hub_region)
        await invoker.invoke_later(own_name, {"operation": "handle_drs_tag_sync", "body": passed})
    except AwsError:
        await state.release(owner)
        raise
    details = "It runs in the background; ask GET /drs/tag-sync for its state"
    return Reply({"message": "Tag sync started", "status": "STARTED", "details": details}, 202)


def _already_running() -> Reply:
    return Reply({"message": "Tag sync is running already", "status": "ALREADY_RUNNING", "details": _RUNNING}, 409)


async def _check_role_name(app: App, body: TagSyncBody) -> None:
    """Refuse a role that is not the one on record: a caller may not choose with which rights we act."""
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


def _answer(report: Mapping[str, Any], catalog_size: int, *, one_account: bool) -> Reply:
    results = [_result(each, catalog_size) for each in report["accountResults"]]
    more = {
        "status": report["status"],
        "regions_scanned": report["regionsScanned"],
        "regions_skipped": report["regionsSkipped"],
        "api_calls": report["apiCallsTotal"],
        "api_call_reduction_percent": report["apiCallReductionPercent"],
        "duration_seconds": report["durationSeconds"],
        "time_saved_seconds": report["timeSavedSeconds"],
        "errors": report["errors"],
        **({"planned": report["planned"], "dryRun": True} if report.get("dryRun") else {}),
    }
    if not results:
        return Reply({"message": "No target accounts: nothing to sync", **more})
    if one_account:
        (entry,) = results
        if "error" in entry:
            raise RefusalError(
                "INTERNAL_ERROR", "the account could not be synced", status=500, details={"error": entry["error"]}
            )
        return Reply({**entry["result"], **more})
    synced = sum(each["totalSynced"] for each in report["accountResults"])
    failed = sum(each["totalFailed"] for each in report["accountResults"])
    body = {
        "message": f"Tags of {synced} servers in {len(results)} accounts are in step, {failed} failed",
        "total_accounts": len(results),
        "total_synced": synced,
        "total_failed": failed,
        "accounts": results,
    }
    return Reply({**body, **more})


def _result(account: Mapping[str, Any], catalog_size: int) -> dict[str, Any]:
    if account.get("error"):
        return {"accountId": account["accountId"], "error": account["error"]}
    regions = account["regionsWithServers"]
    result = {
        "message": f"Tags of {account['totalSynced']} of {account['totalServers']} servers are in step",
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


async def get_last_tag_sync_status(app: App, asked: Asked) -> Reply:  # noqa: ARG001 - takes no parameters
    """Tell of the last tag sync, or of the one under way."""
    last = await app.tag_state().last()
    if last is None:
        return Reply({"message": "No tag sync has run yet"})
    return Reply(
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


def _rule(app: App) -> ScheduleRule:
    name = f"{app.settings.project_name}-tag-sync-schedule-{app.settings.environment}"
    return ScheduleRule(app.aws_client.hub(), name, app.aws_client.hub_region)


def interval_hours(expression: str) -> int:
    """Read the interval of a schedule: minutes round down to at least one hour; what is no rate reads as four."""
    match = _RATE.fullmatch(expression)
    if match is None:
        return _DEFAULT_HOURS
    number, unit = int(match[1]), match[2]
    return max(1, number // 60) if unit == "minute" else number * 24 if unit == "day" else number


def _expression(hours: int) -> str:
    return f"rate({hours} hour{'s' if hours > 1 else ''})"


async def get_tag_sync_settings(app: App, asked: Asked) -> Reply:  # noqa: ARG001 - takes no parameters
    """Tell whether the tag sync is scheduled, and how often."""
    rule = _rule(app)
    found = await rule.read()
    if found is None:
        body = {"enabled": False, "intervalHours": _DEFAULT_HOURS, "scheduleExpression": _expression(_DEFAULT_HOURS)}
        return Reply({**body, "ruleName": rule.name, "lastModified": None, "message": "The schedule's rule is missing"})
    expression = str(found.get("ScheduleExpression", ""))
    return Reply(
        {
            "enabled": found.get("State") == "ENABLED",
            "intervalHours": interval_hours(expression),
            "scheduleExpression": expression,
            "ruleName": rule.name,
            "lastModified": None,  # EventBridge does not tell
        }
    )


def check_settings(asked: Asked) -> None:
    """Judge new settings.

    Raises:
        RefusalError: `enabled` is missing or no boolean, or `intervalHours` is no whole number from 1 to 24.
    """
    if asked.members.get("enabled") is None:
        raise RefusalError("MISSING_PARAMETER", "enabled is required", details={"parameter": "enabled"})
    _expect("enabled", asked.members["enabled"], bool, "boolean")
    hours = asked.members.get("intervalHours")
    if hours is not None:
        _expect("intervalHours", hours, int, "integer")
        if not 1 <= hours <= _MAX_HOURS:
            raise RefusalError("", f"intervalHours must be from 1 to {_MAX_HOURS}, not {hours}")


def _expect(name: str, value: object, kind: type, expected: str) -> None:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        details = {"parameter": name, "value": str(value)[:100], "expected": expected}
        raise RefusalError("INVALID_PARAMETER", f"{name} must be a {expected}", details=details)


async def update_tag_sync_settings(app: App, asked: Asked) -> Reply:
    """Switch the schedule of the tag sync on or off, and set its interval; switching it on starts a sync."""
    enabled = bool(asked.members["enabled"])
    rule = _rule(app)
    found = await rule.read()
    if found is None:
        if enabled:
            message = f"the rule {rule.name} does not exist; deploy it first"
            raise RefusalError("", message, details={"code": "RULE_NOT_FOUND"})
        hours = asked.members.get("intervalHours") or _DEFAULT_HOURS
        message = f"The rule {rule.name} does not exist; the tag sync is off"
        return Reply({"message": message, "enabled": False, "intervalHours": hours})
    given, present = asked.members.get("intervalHours"), str(found.get("ScheduleExpression", ""))
    # Without an interval the schedule stays, as an operator may have set one that no number of hours tells.
    expression = _expression(given or _DEFAULT_HOURS) if given or not present else present
    await rule.write(found, expression=expression, enabled=enabled)
    triggered = await _trigger(app) if enabled else None
    return Reply(
        {
            "message": f"The tag sync is {'on' if enabled else 'off'}: {expression}",
            "enabled": enabled,
            "intervalHours": given or interval_hours(present),
            "scheduleExpression": expression,
            "ruleName": rule.name,
            "lastModified": app.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "syncTriggered": triggered is not None,
            "syncResult": triggered,
        }
    )


async def _trigger(app: App) -> dict[str, str] | None:
    """Start one sync in the background; None where this is no function, one is running, or it cannot be started now."""
    own_name = app.settings.aws_lambda_function_name
    if not own_name:
        return None
    try:
        reply = await _start(app, TagSyncBody.model_validate({"_sync_source": "settings_update"}), own_name)
    except AwsError as error:  # the settings are changed all the same, and the schedule will start the next one
        _log.warning("tag sync not started", extra={"code": error.code, "reason": str(error)})
        return None
    return {"message": str(reply.body["message"])} if reply.body["status"] == "STARTED" else None
