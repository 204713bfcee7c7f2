"""Mutants of which regions a sync scans (R1 to R4)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

_CHOICE: Final = "sync/test_region_choice.py::"
_FILTERED: Final = f"{_CHOICE}test_a_filtered_sync_calls_active_regions_only_and_logs_what_that_saved"
_FALLBACK: Final = f"{_CHOICE}test_without_region_status_every_region_is_scanned_with_a_warning"
_NONE_ACTIVE: Final = f"{_CHOICE}test_rows_of_which_none_is_active"
_SELECTION: Final = "unit/regions/test_selection.py::"
_EVERY_SCOPE: Final = f"{_SELECTION}test_every_scope_is_scanned_or_skipped_and_active_ones_always"
_WHY: Final = f"{_SELECTION}test_why_a_scope_is_scanned_without_discovery"
_EVERYWHERE: Final = f"{_SELECTION}test_what_is_not_known_or_requested_is_scanned_everywhere"
_READER: Final = "unit/regions/test_status_reader.py::test_a_table_that_cannot_be_read_is_unavailable_with_the_reason"
_DEFAULTS: Final = "unit/test_settings.py::test_the_defaults_are_those_of_the_contract"
_QUERY_LOG: Final = "unit/queries/test_context.py::test_a_query_logs_which_regions_it_reads_and_why"
_SAVED: Final = "unit/sync/engine/test_report.py::test_what_the_choice_of_regions_saved"
_RUN: Final = "unit/sync/engine/test_runner.py::test_the_report_says_how_long_the_run_took_and_what_the_filter_saved"

_SELECT_FILE: Final = "service/regions/selection.py"
_CONTEXT: Final = "service/context.py"
_READER_FILE: Final = "service/regions/status_reader.py"

MUTANTS: Final = (
    # R1: which regions
    Mutant(
        name="region-status-not-used",
        breaks=("R1.1", "R2.1", "R3.1", "R4.1"),
        file=_CONTEXT,
        before="selection = select(rows, selection_request)",
        after="selection = select((), selection_request)",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="every-region-with-a-row-is-active",
        breaks=("R1.2", "R2.2", "R3.2", "R4.2"),
        file=_SELECT_FILE,
        before="    if may_have_servers:\n        return ScanReason.ACTIVE",
        after="    if may_have_servers or entry.server_count == 0:\n        return ScanReason.ACTIVE",
        tests=(_FILTERED, _WHY),
    ),
    Mutant(
        name="one-server-makes-no-region-active",
        breaks=("R1.2",),
        file=_SELECT_FILE,
        before="else entry.server_count > 0\n    if may_have_servers:",
        after="else entry.server_count > 1\n    if may_have_servers:",
        tests=(_WHY,),
    ),
    Mutant(
        name="one-server-of-the-earlier-writer-makes-no-region-active",
        breaks=("R1.2",),
        file=_SELECT_FILE,
        before="    if row.server_count > 0:\n        return ScanReason.ACTIVE",
        after="    if row.server_count > 1:\n        return ScanReason.ACTIVE",
        tests=(_WHY,),
    ),
    Mutant(
        name="active-for-one-account-is-active-for-all",
        breaks=("R1.2", "R4.2"),
        file=_SELECT_FILE,
        before="is_shared = request.shared and row is not None and row.server_count > 0",
        after="is_shared = row is not None and row.server_count > 0",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="active-region-outside-the-catalog-is-forgotten",
        breaks=("R1.2",),
        file=_SELECT_FILE,
        before="regions = list(dict.fromkeys([*request.catalog, *added]))",
        after="regions = list(dict.fromkeys(request.catalog))",
        tests=(_EVERY_SCOPE,),
    ),
    Mutant(
        name="empty-table-without-fallback",
        breaks=("R1.3", "R3.3"),
        file=_SELECT_FILE,
        before="    if not table:\n        return RegionSource.FALLBACK_EMPTY",
        after="    if not table and full_scan_if_none_active:\n        return RegionSource.FALLBACK_EMPTY",
        tests=(_FALLBACK,),
    ),
    Mutant(
        name="empty-table-called-filtered",
        breaks=("R1.3",),
        file=_SELECT_FILE,
        before='return RegionSource.FALLBACK_EMPTY, "the region status table is empty"',
        after='return RegionSource.STATUS_TABLE, "the region status table is empty"',
        tests=(_FALLBACK, _EVERYWHERE),
    ),
    Mutant(
        name="unavailable-table-without-fallback",
        breaks=("R1.3", "R1.4", "R3.3"),
        file=_SELECT_FILE,
        before="    if isinstance(table, StatusUnavailable):\n        return RegionSource.FALLBACK_UNAVAILABLE",
        after="    if isinstance(table, StatusUnavailable) and full_scan_if_none_active:\n"
        "        return RegionSource.FALLBACK_UNAVAILABLE",
        tests=(_FALLBACK,),
    ),
    Mutant(
        name="fallback-leaves-out-a-region",
        breaks=("R1.3",),
        file=_SELECT_FILE,
        before="return Selection(*unfiltered, dict.fromkeys(every_scope, ScanReason.FULL_SCAN), ())",
        after="return Selection(*unfiltered, dict.fromkeys(every_scope[1:], ScanReason.FULL_SCAN), ())",
        tests=(_FALLBACK, _EVERYWHERE),
    ),
    Mutant(
        name="first-region-missing-in-the-catalog",
        breaks=("R1.3",),
        file="service/settings.py",
        before="dict.fromkeys((*default, *added,",
        after="dict.fromkeys((*default[1:], *added,",
        tests=(_DEFAULTS, _FALLBACK),
    ),
    Mutant(
        name="unreadable-table-taken-for-an-empty-one",
        breaks=("R1.4",),
        file=_READER_FILE,
        before='            return StatusUnavailable(f"the region status table could not be read:'
        ' {error.code}: {error.message}")',
        after="            return []",
        tests=(_READER, _FALLBACK),
    ),
    Mutant(
        name="unreadable-table-ends-the-run",
        breaks=("R1.4",),
        file=_READER_FILE,
        before='            return StatusUnavailable(f"the region status table could not be read:'
        ' {error.code}: {error.message}")',
        after="            raise",
        tests=(_READER, _FALLBACK),
    ),
    Mutant(
        name="slow-table-is-waited-for",
        breaks=("R1.4", "R10.1"),
        file=_READER_FILE,
        before="with anyio.fail_after(self._timeout_s):",
        after="with anyio.fail_after(None):",
        tests=(
            "unit/regions/test_status_reader.py::test_a_table_that_cannot_be_read_is_unavailable_with_the_reason",
            "simulation/test_query_times.py::test_region_status_is_read_in_one_round_trip_and_given_up_when_it_hangs",
        ),
    ),
    Mutant(
        name="rows-read-before-the-time-out-count-as-all",
        breaks=("R1.4",),
        file=_READER_FILE,
        before='return StatusUnavailable(f"the region status table took longer than {self._timeout_s:g} s")',
        after="return []",
        tests=(_READER,),
    ),
    Mutant(
        name="regions-chosen-not-logged",
        breaks=("R1.5",),
        file=_CONTEXT,
        before="        _log_selection(selection, operation)\n",
        after="",
        tests=(_FILTERED, _NONE_ACTIVE),
    ),
    Mutant(
        name="active-regions-not-logged",
        breaks=("R1.5",),
        file=_CONTEXT,
        before='            "activeRegions": None if active is None else len(active),\n',
        after="",
        tests=(_FILTERED, _NONE_ACTIVE),
    ),
    Mutant(
        name="chosen-regions-logged-as-active",
        breaks=("R1.5",),
        file=_CONTEXT,
        before='"activeRegions": None if active is None else len(active)',
        after='"activeRegions": None if active is None else len(regions)',
        tests=(_NONE_ACTIVE,),
    ),
    Mutant(
        name="filtering-decision-not-logged",
        breaks=("R1.5",),
        file=_CONTEXT,
        before='            "regionSource": str(selection.source),\n            "reason": selection.reason,\n',
        after="",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="regions-with-rows-counted-as-active",
        breaks=("R1.5",),
        file=_SELECT_FILE,
        before="active_regions = frozenset(row.region for row in rows if row.server_count > 0)",
        after="active_regions = frozenset(row.region for row in rows)",
        tests=(_FILTERED, _NONE_ACTIVE),
    ),
    Mutant(
        name="query-does-not-log-its-regions",
        breaks=("R1.5",),
        file="service/queries/context.py",
        before="        _log_choice(context.view, settings, regions, scopes,"
        " operation=operation, requested=bool(params.regions))\n",
        after="",
        tests=(_QUERY_LOG,),
    ),
    # R2: the tag sync
    Mutant(
        name="tag-sync-scans-all-regions",
        breaks=("R2.1", "R2.2"),
        file="service/sync/tags/sync.py",
        before="        return await loader.load(\n            request,",
        after="        return await loader.load(\n            SyncRequest(full_scan=True),",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="none-active-without-full-scan-of-the-tag-sync",
        breaks=("R2.3",),
        file="service/sync/tags/sync.py",
        before="            full_scan_if_none_active=True,\n",
        after="",
        tests=(_NONE_ACTIVE,),
    ),
    Mutant(
        name="rows-without-servers-count-as-active",
        breaks=("R2.3",),
        file=_SELECT_FILE,
        before="not any(row.server_count > 0 or _has_scan_request(row) for row in rows):",
        after="not rows:",
        tests=(_NONE_ACTIVE, f"{_SELECTION}test_a_sync_may_scan_every_region_where_the_table_has_no_servers"),
    ),
    Mutant(
        name="tag-sync-logs-no-figures",
        breaks=("R2.4", "R2.5"),
        file="service/app.py",
        before="        report = await sync_tags(request, self.deps, progress, source=source, lock_owner=lock_owner)\n"
        "        return await self.publish(report)",
        after="        return await sync_tags(request, self.deps, progress, source=source, lock_owner=lock_owner)",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="total-of-calls-left-out-of-the-log",
        breaks=("R2.4",),
        file="service/sync/engine/metrics.py",
        before='{"errors", "warnings",',
        after='{"apiCallsTotal", "errors", "warnings",',
        tests=(_FILTERED,),
    ),
    Mutant(
        name="each-operation-counted-once",
        breaks=("R2.4",),
        file="service/aws/call_counter.py",
        before="call_counter.calls[service, operation] += 1",
        after="call_counter.calls[service, operation] = 1",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="calls-of-drs-alone-counted-as-all",
        breaks=("R2.4",),
        file="service/sync/engine/report.py",
        before='"apiCallsTotal": sum(sum(operations.values()) for operations in run.calls.values()),',
        after='"apiCallsTotal": made,',
        tests=(_FILTERED,),
    ),
    Mutant(
        name="time-saved-always-zero",
        breaks=("R2.5",),
        file="service/sync/engine/report.py",
        before='"timeSavedSeconds": self._time_saved_s(made, run.scopes_at_once),',
        after='"timeSavedSeconds": 0.0,',
        tests=(_SAVED, _RUN, _FILTERED),
    ),
    Mutant(
        name="time-saved-as-if-scopes-came-one-after-another",
        breaks=("R2.5",),
        file="service/sync/engine/report.py",
        before="return round(self.seconds / drs_calls * self.skipped_scopes / concurrency, 3)",
        after="return round(self.seconds / drs_calls * self.skipped_scopes, 3)",
        tests=(_SAVED, _RUN),
    ),
)
