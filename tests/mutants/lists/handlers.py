"""Mutants of the operations and routes of staging accounts."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="staging-sync-without-its-time",
        breaks=("R11.1",),
        file="service/handlers/data_management/staging.py",
        before='return Response({**report, "timestamp": report["startedAt"]})',
        after="return Response({**report})",
        tests=("contract/test_sample_events.py::test_2_and_3_staging_sync_with_work_and_without",),
    ),
    Mutant(
        name="staging-sync-extends-nothing",
        breaks=("R11.1",),
        file="service/handlers/data_management/staging.py",
        before="await app.sync_staging(SyncBody.parse(params.values).request(params.remaining_s))",
        after=('await app.sync_staging(SyncBody.parse({**params.values, "dryRun": True}).request(params.remaining_s))'),
        tests=("contract/test_sample_events.py::test_2_and_3_staging_sync_with_work_and_without",),
    ),
    Mutant(
        name="sync-of-one-account-syncs-all",
        breaks=("R11.9",),
        file="service/handlers/data_management/staging.py",
        before="SyncRequest(accounts=(target,), remaining_s=remaining_s)",
        after="SyncRequest(remaining_s=remaining_s)",
        tests=("contract/test_sample_events.py::test_5_no_other_target_is_synced",),
    ),
    Mutant(
        name="sync-of-one-account-only-echoes-the-record",
        breaks=("R11.9",),
        file="service/handlers/data_management/staging.py",
        before="SyncRequest(accounts=(target,), remaining_s=remaining_s)",
        after="SyncRequest(accounts=(target,), remaining_s=remaining_s, dry_run=True)",
        tests=(
            "contract/test_sample_events.py::test_5_single_account_sync",
            "contract/test_sample_events.py::test_5_no_other_target_is_synced",
        ),
    ),
    Mutant(
        name="unknown-target-with-another-code",
        breaks=("R11.9",),
        file="service/handlers/data_management/staging.py",
        before=('        raise RefusalError("TARGET_ACCOUNT_NOT_FOUND", message, status=404)\n    return'),
        after=('        raise RefusalError("NOT_FOUND", message, status=404)\n    return'),
        tests=("contract/test_sample_events.py::test_6_single_account_sync_without_an_account",),
    ),
    Mutant(
        name="sync-of-one-account-always-a-success",
        breaks=("R11.9",),
        file="service/handlers/data_management/staging.py",
        before='"success": report["status"] != "failed",',
        after='"success": True,',
        tests=("contract/test_sample_events.py::test_5_a_process_that_is_about_to_end_begins_nothing",),
    ),
    Mutant(
        name="sync-of-one-account-without-changes",
        breaks=("R11.9",),
        file="service/handlers/data_management/staging.py",
        before='            "changes": {"added": added, "removed": []},\n',
        after="",
        tests=("contract/test_sample_events.py::test_5_single_account_sync",),
    ),
    Mutant(
        name="staging-sync-served-under-its-long-name-alone",
        breaks=("R11.10",),
        file="service/handlers/data_management/__init__.py",
        before=(
            '        "sync_staging_accounts": Operation(\n'
            "            handle_sync_staging_accounts, SyncBody, "
            'aliases=("handle_sync_staging_accounts",), names_ignored=True\n'
            "        ),\n"
        ),
        after=(
            '        "handle_sync_staging_accounts": Operation(handle_sync_staging_accounts, SyncBody, '
            "names_ignored=True),\n"
        ),
        tests=(
            "contract/test_routes_and_operations.py::test_each_operation_of_the_platform_reaches_its_handler",
            "contract/test_sample_events.py::test_2_and_3_staging_sync_with_work_and_without",
        ),
    ),
    Mutant(
        name="staging-sync-runs-the-inventory-sync",
        breaks=("R11.10",),
        file="service/handlers/data_management/__init__.py",
        before="            handle_sync_staging_accounts, SyncBody, aliases=",
        after="            handle_sync_source_server_inventory, SyncBody, aliases=",
        tests=(
            "contract/test_routes_and_operations.py::test_each_operation_of_the_platform_reaches_its_handler",
            "contract/test_sample_events.py::test_2_and_3_staging_sync_with_work_and_without",
        ),
    ),
    Mutant(
        name="unknown-operations-with-another-code",
        breaks=("R11.10",),
        file="service/handlers/router.py",
        before='return error_body("INVALID_OPERATION", message, details={"operation": name[:100]})',
        after='return error_body("NOT_FOUND", message, details={"operation": name[:100]})',
        tests=("contract/test_sample_events.py::test_18_the_query_function_refuses_every_operation_that_writes",),
    ),
    Mutant(
        name="unknown-operations-not-named",
        breaks=("R11.10",),
        file="service/handlers/router.py",
        before='return error_body("INVALID_OPERATION", message, details={"operation": name[:100]})',
        after='return error_body("INVALID_OPERATION", message)',
        tests=("contract/test_sample_events.py::test_18_the_query_function_refuses_every_operation_that_writes",),
    ),
    Mutant(
        name="route-of-removal-gone",
        breaks=("R11.11", "R14.4"),
        file="service/handlers/data_management/__init__.py",
        before=('    Route("DELETE", f"{_STAGING}/{{stagingAccountId}}", "remove_staging_account", _TARGET),\n'),
        after="",
        tests=(
            "contract/test_routes_and_operations.py::test_each_route_of_the_platform_reaches_its_handler",
            "contract/test_sample_events.py::test_16_add_and_remove",
        ),
    ),
    Mutant(
        name="route-of-the-sync-of-one-account-gone",
        breaks=("R11.11",),
        file="service/handlers/data_management/__init__.py",
        before='    Route("POST", f"{_STAGING}/sync", "sync_extended_source_servers", _TARGET),\n',
        after="",
        tests=("contract/test_routes_and_operations.py::test_each_route_of_the_platform_reaches_its_handler",),
    ),
    Mutant(
        name="route-of-discovery-gone",
        breaks=("R11.11",),
        file="service/handlers/query.py",
        before=(
            '    Route("GET", "/accounts/targets/{id}/staging-accounts/discover", '
            '"discover_staging_accounts", _TARGET),\n'
        ),
        after="",
        tests=("contract/test_routes_and_operations.py::test_each_route_of_the_platform_reaches_its_handler",),
    ),
    Mutant(
        name="added-account-replaces-the-others",
        breaks=("R11.11",),
        file="service/accounts/staging.py",
        before="return [*_without(current, account_id), dict(record)], _without(removed, account_id)",
        after="return [dict(record)], _without(removed, account_id)",
        tests=("contract/test_sample_events.py::test_16_add_and_remove",),
    ),
    Mutant(
        name="removal-removes-every-account",
        breaks=("R11.11",),
        file="service/accounts/staging.py",
        before="return _without(current, account_id), [*_without(removed, account_id), removal]",
        after="return [], [*_without(removed, account_id), removal]",
        tests=("contract/test_sample_events.py::test_16_add_and_remove",),
    ),
    Mutant(
        name="account-added-twice",
        breaks=("R11.11",),
        file="service/accounts/staging.py",
        before="        if _find(current, account_id):\n",
        after="        if _find(removed, account_id):\n",
        tests=("contract/test_sample_events.py::test_7_a_staging_account_that_is_there",),
    ),
    Mutant(
        name="removal-of-an-unknown-target-with-another-code",
        breaks=("R11.11",),
        file="service/handlers/data_management/staging.py",
        before='if refusal.code == "TARGET_ACCOUNT_NOT_FOUND":',
        after='if refusal.code == "NOT_FOUND":',
        tests=("contract/test_sample_events.py::test_8_a_staging_account_that_is_not_there",),
    ),
    Mutant(
        name="staging-accounts-of-the-sync-not-counted",
        breaks=("R11.9",),
        file="service/handlers/data_management/staging.py",
        before='"stagingAccountsProcessed": len(after),',
        after='"stagingAccountsProcessed": 0,',
        tests=("contract/test_sample_events.py::test_5_single_account_sync",),
    ),
    Mutant(
        name="external-id-of-an-added-account-lost",
        breaks=("R11.11",),
        file="service/accounts/staging.py",
        before='"externalId": external_id}',
        after='"externalId": DEFAULT_EXTERNAL_ID}',
        tests=("contract/test_sample_events.py::test_16_add_and_remove",),
    ),
)
