"""Mutants of what existing installations have in their tables: nothing, or what earlier versions wrote."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="queries-of-an-empty-table-read-nothing",
        breaks=("R8.1",),
        file="service/queries/freshness.py",
        before="return tuple(active) or tuple(sorted(set(catalog) - set(excluded)))",
        after="return tuple(active)",
        tests=(
            "unit/queries/test_freshness.py::test_a_table_that_shows_nothing_leaves_it_to_the_items",
            "queries/test_inventory.py::test_nothing_synced_yet_means_every_region",
        ),
    ),
    Mutant(
        name="without-status-no-item-is-fresh",
        breaks=("R8.1",),
        file="service/queries/freshness.py",
        before="    if not view.rows:\n        return _UNKNOWN\n",
        after="",
        tests=("unit/queries/test_freshness.py::test_a_table_that_shows_nothing_leaves_it_to_the_items",),
    ),
    Mutant(
        name="an-empty-table-has-no-active-region",
        breaks=("R8.1", "R8.3"),
        file="service/regions/selection.py",
        before='    if not table:\n        return RegionSource.FALLBACK_EMPTY, "the region status table is empty"\n',
        after="",
        tests=(
            "sync/test_region_figures.py::test_a_staging_sync_fills_an_empty_status_table_and_the_next_one_is_filtered",
        ),
    ),
    Mutant(
        name="hub-in-the-earlier-spelling-not-read",
        breaks=("R8.2", "R14.11"),
        file="service/accounts/records.py",
        before='item.get("isCurrentAccount", item.get("IsCurrentAccount"))',
        after='item.get("isCurrentAccount")',
        tests=("unit/accounts/test_records.py::test_the_record_of_the_hub_says_so_in_either_spelling",),
    ),
    Mutant(
        name="assume-role-name-not-read",
        breaks=("R8.2", "R14.11"),
        file="service/accounts/records.py",
        before='name = item.get("assumeRoleName")',
        after='name = item.get("roleName")',
        tests=("unit/accounts/test_records.py::test_which_role_reaches_an_account",),
    ),
    Mutant(
        name="cross-account-role-arn-not-read",
        breaks=("R8.2", "R14.11"),
        file="service/accounts/records.py",
        before='item.get("roleArn") or ("" if valid_name else item.get("crossAccountRoleArn")) or ""',
        after='item.get("roleArn") or ""',
        tests=("unit/accounts/test_records.py::test_which_role_reaches_an_account",),
    ),
    Mutant(
        name="no-external-id-by-default",
        breaks=("R8.2", "R14.11"),
        file="service/accounts/records.py",
        before='external_id=str(item.get("externalId") or DEFAULT_EXTERNAL_ID),',
        after='external_id=str(item.get("externalId") or ""),',
        tests=("unit/accounts/test_records.py::test_external_ids",),
    ),
    Mutant(
        name="earlier-status-words-not-read",
        breaks=("R8.2",),
        file="service/regions/status_entry.py",
        before="    if value in _LEGACY_STATUSES:\n        return _LEGACY_STATUSES[value]\n",
        after="",
        tests=("unit/regions/test_status_rows.py::test_every_format_of_a_row_is_read",),
    ),
    Mutant(
        name="times-with-two-offsets-not-read",
        breaks=("R8.2",),
        file="service/models.py",
        before='text = value.removesuffix("Z")',
        after="text = value",
        tests=("unit/regions/test_status_rows.py::test_every_format_of_a_row_is_read",),
    ),
    Mutant(
        name="age-of-earlier-rows-unknown",
        breaks=("R8.2",),
        file="service/regions/status_rows.py",
        before='parse_iso(item.get("lastScanned")) or checked or written',
        after='parse_iso(item.get("lastScanned")) or checked',
        tests=("unit/regions/test_status_rows.py::test_every_format_of_a_row_is_read",),
    ),
    Mutant(
        name="count-of-earlier-rows-forgotten-at-once",
        breaks=("R8.2",),
        file="service/regions/status_rows.py",
        before='parse_count(item.get("unattributedCount")) if entries else count',
        after='parse_count(item.get("unattributedCount"))',
        tests=("unit/regions/test_status_rows.py::test_every_format_of_a_row_is_read",),
    ),
    Mutant(
        name="count-of-earlier-rows-forgotten-by-a-failure",
        breaks=("R8.2",),
        file="service/regions/status_rows.py",
        before="unattributed = None if all_counted else row.unattributed",
        after="unattributed = None if entries else row.unattributed",
        tests=("unit/regions/test_status_rows.py::test_a_count_without_account_stays_until_every_account_was_scanned",),
    ),
    Mutant(
        name="zero-of-a-failed-scan-is-a-count",
        breaks=("R8.2",),
        file="service/regions/selection.py",
        before="return None if is_settled else ScanReason.RETRY",
        after="return None",
        tests=("sync/test_inventory_sync.py::test_rows_of_the_earlier_writer_filter_and_are_brought_up_to_date",),
    ),
    Mutant(
        name="flat-items-lose-their-tags",
        breaks=("R8.2",),
        file="service/queries/brief.py",
        before="tags = all_tags if isinstance(all_tags, Mapping) else as_map(ec2_tags)",
        after="tags = as_map(all_tags)",
        tests=("unit/queries/test_presenter.py::test_a_flat_item_of_an_early_version_is_shown",),
    ),
    Mutant(
        name="flat-items-lose-their-hardware",
        breaks=("R8.2",),
        file="service/queries/presenter.py",
        before=(
            '    if not cpus and item.get("cpuModel"):\n'
            '        cpus = [{"modelName": as_str(item["cpuModel"]), "cores": _number(item.get("cpuCores"))}]\n'
        ),
        after="",
        tests=("unit/queries/test_presenter.py::test_a_flat_item_of_an_early_version_is_shown",),
    ),
    Mutant(
        name="flat-items-lose-their-address",
        breaks=("R8.2",),
        file="service/queries/presenter.py",
        before=(
            'return [{"ips": [address] if address else [], "macAddress": mac, "isPrimary": True}] if '
            "address or mac else []"
        ),
        after="return []",
        tests=("unit/queries/test_presenter.py::test_a_flat_item_of_an_early_version_is_shown",),
    ),
    Mutant(
        name="template-id-in-the-earlier-spelling-not-shown",
        breaks=("R8.2",),
        file="service/queries/presenter.py",
        before=(
            "    if TEMPLATE_ID not in found and as_str(item.get(LEGACY_TEMPLATE_ID)):\n"
            "        found[TEMPLATE_ID] = item[LEGACY_TEMPLATE_ID]\n"
        ),
        after="",
        tests=("unit/queries/test_presenter.py::test_the_template_id_is_found_under_its_older_name",),
    ),
    Mutant(
        name="items-without-query-account-belong-to-nobody",
        breaks=("R8.2",),
        file="service/inventory/reader.py",
        before='return parts[4] if len(parts) > 5 else ""',
        after='return "" if len(parts) > 5 else ""',
        tests=("queries/test_reading.py::test_the_account_that_sees_a_server",),
    ),
    Mutant(
        name="staging-sync-fills-no-table",
        breaks=("R8.3",),
        file="service/sync/staging/sync.py",
        before="return is_empty and request.covers_all_accounts and not request.dry_run",
        after="return is_empty and request.dry_run",
        tests=(
            "sync/test_region_figures.py::test_a_staging_sync_fills_an_empty_status_table_and_the_next_one_is_filtered",
        ),
    ),
    Mutant(
        name="tag-sync-fills-no-table",
        breaks=("R8.3",),
        file="service/sync/tags/sync.py",
        before="source.is_fallback and not isinstance(run.context.rows, StatusUnavailable)",
        after="source.is_fallback and isinstance(run.context.rows, StatusUnavailable)",
        tests=("sync/test_tag_sync.py::test_a_fallback_fills_the_status_table_and_the_next_run_is_filtered",),
    ),
    Mutant(
        name="rows-only-of-regions-with-servers",
        breaks=("R8.3",),
        file="service/sync/engine/recording.py",
        before="        if observation is not None:\n            self._observations",
        after="        if observation is not None and observation.server_count:\n            self._observations",
        tests=(
            "sync/test_region_figures.py::test_a_staging_sync_fills_an_empty_status_table_and_the_next_one_is_filtered",
            "sync/test_inventory_sync.py::test_the_first_sync_scans_every_region_and_fills_both_tables",
        ),
    ),
)
