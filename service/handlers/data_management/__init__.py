"""Entry point of the data-management-handler function: every operation that writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from service.app import App, open_app
from service.deadline import Shutdown
from service.handlers.data_management import shards
from service.handlers.data_management.coverage import handle_sync_coverage
from service.handlers.data_management.inventory import handle_sync_source_server_inventory
from service.handlers.data_management.staging import (
    handle_add_staging_account,
    handle_remove_staging_account,
    handle_sync_single_account,
    handle_sync_staging_accounts,
)
from service.handlers.data_management.tags import (
    get_last_tag_sync_status,
    get_tag_sync_settings,
    handle_drs_tag_sync,
    update_tag_sync_settings,
)
from service.handlers.request_models import (
    AddStagingRequest,
    CoverageBody,
    RemoveStagingRequest,
    SyncBody,
    TagSyncBody,
    TagSyncSettingsBody,
    TargetSyncRequest,
)
from service.handlers.responses import envelope, error_body
from service.handlers.router import Operation, Params, Route, Router
from service.handlers.runtime import Runtime
from service.sync.extensions import get_extended_source_servers, get_staging_account_servers
from service.sync.staging.extend import extend_source_server
from service.sync.staging.sync import auto_extend_staging_servers

__all__ = [
    "OPERATIONS",
    "ROUTES",
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
    "runtime",
    "update_tag_sync_settings",
]

# Kept of the time limit of Lambda, so that a run reports before Lambda ends the process.
_REPORTING_S: Final = 10.0

_shutdown: Final = Shutdown()
runtime: Final = Runtime(partial(open_app, shutdown=_shutdown), _shutdown)

OPERATIONS: Final[Mapping[str, Operation[App]]] = MappingProxyType(
    {
        "sync_source_server_inventory": Operation(
            handle_sync_source_server_inventory,
            SyncBody,
            aliases=("handle_sync_source_server_inventory",),
            names_ignored=True,
        ),
        "sync_staging_accounts": Operation(
            handle_sync_staging_accounts, SyncBody, aliases=("handle_sync_staging_accounts",), names_ignored=True
        ),
        "sync_coverage": Operation(handle_sync_coverage, CoverageBody, names_ignored=True),
        "sync_extended_source_servers": Operation(
            handle_sync_single_account,
            TargetSyncRequest,
            aliases=("sync_single_account", "handle_sync_single_account"),
            names_ignored=True,
        ),
        "add_staging_account": Operation(handle_add_staging_account, AddStagingRequest),
        "remove_staging_account": Operation(handle_remove_staging_account, RemoveStagingRequest),
        "handle_drs_tag_sync": Operation(
            handle_drs_tag_sync, TagSyncBody, aliases=("trigger_tag_sync", "sync_tags"), names_ignored=True
        ),
        "get_last_tag_sync_status": Operation(get_last_tag_sync_status),
        "get_tag_sync_settings": Operation(get_tag_sync_settings),
        "update_tag_sync_settings": Operation(update_tag_sync_settings, TagSyncSettingsBody),
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
    failure_code="OPERATION_FAILED",
    params_key="body",
)


def lambda_handler(event: object, context: object) -> dict[str, Any]:
    """Handle events of API Gateway, direct invocations and schedules."""
    remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
    remaining_s = None if remaining_ms is None else max(0.0, remaining_ms() / 1000 - _REPORTING_S)
    result = _router.answer(event, remaining_s=remaining_s)
    if result is not None:
        return result
    if isinstance(event, Mapping) and ("synch_tags" in event or "synch_instance_type" in event):
        # The hourly rule of the tag sync sends these members; their values have no meaning.
        response = _router.perform("handle_drs_tag_sync", Params({"_sync_source": "eventbridge"}, remaining_s))
        return envelope(response.status, response.body)
    return envelope(
        400, error_body("INVALID_INVOCATION", "the event has neither requestContext, operation nor synch_tags")
    )
