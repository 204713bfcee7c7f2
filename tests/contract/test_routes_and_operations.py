"""Every route and operation of the platform is served, at the entry point where its callers send it."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

import pytest

from service.handlers import data_management, query

TARGET: Final = "111122223333"
STAGING: Final = "444455556666"
TARGETS: Final = f"/accounts/targets/{TARGET}/staging-accounts"
OF_TARGET: Final = {"targetAccountId": TARGET}
UNUSABLE: Final = {"x": 10**400}
NAMES: Final = {data_management: "data-management", query: "query"}

ROUTES: Final[tuple[tuple[ModuleType, str, str, str, dict[str, str]], ...]] = (
    (data_management, "POST", "/drs/tag-sync", "handle_drs_tag_sync", {}),
    (data_management, "GET", "/drs/tag-sync", "get_last_tag_sync_status", {}),
    (data_management, "GET", "/config/tag-sync", "get_tag_sync_settings", {}),
    (data_management, "PUT", "/config/tag-sync", "update_tag_sync_settings", {}),
    (data_management, "POST", TARGETS, "handle_add_staging_account", OF_TARGET),
    (data_management, "POST", f"{TARGETS}/sync", "handle_sync_single_account", OF_TARGET),
    (
        data_management,
        "DELETE",
        f"{TARGETS}/{STAGING}",
        "handle_remove_staging_account",
        {**OF_TARGET, "stagingAccountId": STAGING},
    ),
    (query, "GET", f"{TARGETS}/discover", "handle_discover_staging_accounts", OF_TARGET),
    (query, "GET", f"/accounts/{TARGET}/staging-accounts/discover", "handle_discover_staging_accounts", OF_TARGET),
    (query, "POST", "/staging-accounts/validate", "handle_validate_staging_account", {}),
    (query, "GET", "/drs/source-server-inventory", "handle_get_source_server_inventory", {}),
    (query, "GET", "/drs/source-servers", "get_drs_source_servers", {}),
)
OPERATIONS: Final = (
    (data_management, "sync_staging_accounts", "handle_sync_staging_accounts"),
    (data_management, "sync_source_server_inventory", "handle_sync_source_server_inventory"),
    (data_management, "sync_extended_source_servers", "handle_sync_single_account"),
    (data_management, "add_staging_account", "handle_add_staging_account"),
    (data_management, "remove_staging_account", "handle_remove_staging_account"),
    (data_management, "handle_drs_tag_sync", "handle_drs_tag_sync"),
    (data_management, "trigger_tag_sync", "handle_drs_tag_sync"),
    (data_management, "get_tag_sync_settings", "get_tag_sync_settings"),
    (data_management, "update_tag_sync_settings", "update_tag_sync_settings"),
    (query, "discover_staging_accounts", "handle_discover_staging_accounts"),
    (query, "validate_staging_account", "handle_validate_staging_account"),
    (query, "get_source_server_inventory", "handle_get_source_server_inventory"),
    (query, "get_drs_source_servers", "get_drs_source_servers"),
    (query, "get_staging_accounts", "get_staging_accounts_direct"),
)


def named(value: object) -> str | None:
    """Return the name of a function of ours for the id of a test."""
    return NAMES.get(value) if isinstance(value, ModuleType) else None


@pytest.mark.parametrize(("function", "method", "path", "handler", "members"), ROUTES, ids=named)
def test_each_route_of_the_platform_reaches_its_handler(
    function: Any, method: str, path: str, handler: str, members: dict[str, str]
) -> None:
    found = [
        (route, given)
        for route in function.ROUTES
        if route.method == method and (given := route.match(path)) is not None
    ]
    ((route, given),) = found
    assert function.OPERATIONS[route.operation].work is getattr(function, handler)
    assert given == members
    # A number that no operation can use is refused before anything is called, where the route is known.
    event = {"requestContext": {}, "httpMethod": method, "path": path, "queryStringParameters": UNUSABLE}
    answer = function.lambda_handler(event, None)
    assert answer["statusCode"] == 400
    assert "x is a number out of range" in answer["body"]


@pytest.mark.parametrize(("function", "operation", "handler"), OPERATIONS, ids=named)
def test_each_operation_of_the_platform_reaches_its_handler(function: Any, operation: str, handler: str) -> None:
    works = [each.work for name, each in function.OPERATIONS.items() if operation == name or operation in each.aliases]
    assert works == [getattr(function, handler)]
    # A number that no operation can use is refused before anything is called, where the operation is known.
    answer = function.lambda_handler({"operation": operation, "body": UNUSABLE, "queryParams": UNUSABLE}, None)
    assert "error" in answer
    assert "x is a number out of range" in str(answer)


@pytest.mark.parametrize(("function", "operation", "_"), OPERATIONS, ids=named)
def test_no_operation_is_served_by_both_functions(function: Any, operation: str, _: str) -> None:
    other = query if function is data_management else data_management
    answer = other.lambda_handler({"operation": operation}, None)
    assert (answer["error"], answer["details"]) == ("INVALID_OPERATION", {"operation": operation})
