"""Mutants of the staging and inventory syncs as far as they concern regions and their servers (R3 and R4)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

_FILTERED: Final = "sync/test_region_choice.py::test_a_filtered_sync_calls_active_regions_only_and_logs_what_that_saved"
_ITEMS: Final = "sync/test_region_rows.py::test_the_inventory_has_what_drs_shows_now"
_ITEM: Final = "unit/inventory/test_server.py::test_the_item_carries_what_every_reader_needs"
_ADD_UP: Final = "unit/sync/engine/test_report.py::test_scopes_servers_and_regions_add_up"
_FUNCTION: Final = (
    "handlers/test_staging_operation.py::test_the_staging_sync_is_an_operation_of_the_function_that_may_write_alone"
)
_TIME: Final = "simulation/test_staging_time.py::*"
_SCAN: Final = "service/sync/inventory/scan.py"

MUTANTS: Final = (
    # R3: the staging sync
    Mutant(
        name="staging-sync-scans-all-regions",
        breaks=("R3.1", "R3.2", "R11.12"),
        file="service/sync/staging/sync.py",
        before="context = await staging_context(deps, request, operation",
        after="context = await staging_context(deps, replace(request, full_scan=True), operation",
        tests=(
            "sync/test_region_choice.py::test_a_filtered_sync_calls_active_regions_only_and_logs_what_that_saved",
            "handlers/test_staging_functions.py::test_auto_extension_without_regions_scans_active_ones",
        ),
    ),
    Mutant(
        name="staging-sync-asks-targets-without-staging-accounts",
        breaks=("R3.2",),
        file="service/sync/staging/sync.py",
        before="return bool(targets[scope.account_id].staging) or scope in selection.known_active",
        after="return scope.region in (selection.active_regions or ())",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="scopes-scanned-one-after-another",
        breaks=("R3.4",),
        file="service/sync/engine/runner.py",
        before="async with fan_out(scopes, scan, concurrency=this_run.deps.settings.scopes_at_once) as scanned:",
        after="async with fan_out(scopes, scan, concurrency=1) as scanned:",
        tests=(_TIME,),
    ),
    Mutant(
        name="servers-extended-one-after-another",
        breaks=("R3.4",),
        file="service/sync/staging/sync.py",
        before="concurrency=deps.settings.extensions_at_once",
        after="concurrency=1",
        tests=(_TIME,),
    ),
    Mutant(
        name="staging-sync-is-no-operation-of-data-management",
        breaks=("R3.5", "R11.10"),
        file="service/handlers/data_management/__init__.py",
        before='        "sync_staging_accounts": Operation(\n'
        '            handle_sync_staging_accounts, SyncBody, aliases=("handle_sync_staging_accounts",),'
        " names_ignored=True\n        ),\n",
        after="",
        tests=(
            "handlers/test_staging_operation.py::test_the_staging_sync_is_an_operation_of_the_function_that_may_write_alone",
            "contract/test_routes_and_operations.py::test_each_operation_of_the_platform_reaches_its_handler",
            "contract/test_sample_events.py::test_2_and_3_staging_sync_with_work_and_without",
        ),
    ),
    Mutant(
        name="query-function-answers-for-the-staging-sync",
        breaks=("R3.5",),
        file="service/handlers/query.py",
        before='        "get_extended_source_servers": Operation(',
        after='        "sync_staging_accounts": Operation(handle_get_extended_source_servers, ScopesRequest),\n'
        '        "get_extended_source_servers": Operation(',
        tests=(_FUNCTION,),
    ),
    Mutant(
        name="earlier-name-of-the-staging-sync-is-unknown",
        breaks=("R3.5",),
        file="service/handlers/data_management/__init__.py",
        before='aliases=("handle_sync_staging_accounts",), names_ignored=True',
        after="names_ignored=True",
        tests=(_FUNCTION,),
    ),
    # R4: the inventory sync
    Mutant(
        name="inventory-sync-scans-all-regions",
        breaks=("R4.1", "R4.2"),
        file="service/sync/inventory/sync.py",
        before="            request, operation=self.operation, discover=True, stored_scopes=inventory.scopes_of\n",
        after="            replace(request, full_scan=True), operation=self.operation, discover=True,"
        " stored_scopes=inventory.scopes_of\n",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="discovery-takes-all-idle-scopes",
        breaks=("R4.2",),
        file="service/regions/selection.py",
        before="min(even_share, affordable))]]",
        after="len(queue))]]",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="record-of-drs-not-in-the-item",
        breaks=("R4.3",),
        file="service/inventory/item.py",
        before="        **record,\n",
        after="",
        tests=(_ITEM,),
    ),
    Mutant(
        name="replication-state-not-in-the-item",
        breaks=("R4.3", "R12.9"),
        file="service/inventory/item.py",
        before='        "replicationState": server.state,\n',
        after="",
        tests=(
            "unit/inventory/test_server.py::test_the_item_carries_what_every_reader_needs",
            "sync/test_region_rows.py::test_the_inventory_has_what_drs_shows_now",
            "unit/inventory/test_item.py::test_an_item_has_every_attribute_that_readers_need",
        ),
    ),
    Mutant(
        name="replication-state-of-the-first-write-stays",
        breaks=("R4.3", "R4.4"),
        file=_SCAN,
        before="if stored is None or stored.digest != scanned.digest or stored.updated_at is None:",
        after="if stored is None or stored.updated_at is None:",
        tests=(_ITEMS,),
    ),
    Mutant(
        name="items-counted-and-not-written",
        breaks=("R4.4",),
        file="service/sync/inventory/server_writer.py",
        before="zip(new, await self._tools.inventory.write_new(new), strict=True)",
        after="zip(new, [True for _ in new], strict=True)",
        tests=(_ITEMS,),
    ),
    Mutant(
        name="servers-that-left-stay-in-the-inventory",
        breaks=("R4.4",),
        file=_SCAN,
        before="if key not in self._present]\n        async with",
        after="if key in self._present and key not in self._stored]\n        async with",
        tests=(_ITEMS,),
    ),
    Mutant(
        name="servers-by-region-left-out-of-the-log",
        breaks=("R4.5",),
        file="service/sync/engine/metrics.py",
        before='{"errors", "warnings",',
        after='{"serversByRegion", "errors", "warnings",',
        tests=(_FILTERED,),
    ),
    Mutant(
        name="servers-of-the-last-account-alone-counted",
        breaks=("R4.5",),
        file="service/sync/engine/report.py",
        before="self.servers_by_region[region] += result.servers",
        after="self.servers_by_region[region] = result.servers",
        tests=(_ADD_UP,),
    ),
    Mutant(
        name="scopes-counted-as-servers",
        breaks=("R4.5",),
        file="service/sync/engine/report.py",
        before="self.servers_by_region[region] += result.servers",
        after="self.servers_by_region[region] += 1",
        tests=(_FILTERED,),
    ),
)
