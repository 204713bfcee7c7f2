"""Mutants of what syncs write into the region status table (R5)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

_COUNT: Final = "sync/test_region_rows.py::test_the_count_follows_the_servers_up_down_and_to_zero"
_FAILED: Final = "sync/test_region_rows.py::test_a_failed_scan_is_told_in_the_row_and_dates_it"
_UNUSABLE: Final = "sync/test_region_rows.py::test_what_may_be_of_an_account_whose_record_cannot_be_read_stays"
_RACE: Final = "sync/test_races.py::test_a_region_row_that_another_run_wrote_meanwhile_has_the_counts_of_both"
_SUM: Final = "unit/regions/test_status_rows.py::test_the_count_is_the_sum_of_each_accounts_last_complete_scan"
_DATED: Final = "unit/regions/test_status_rows.py::test_every_scan_moves_last_checked_the_failed_ones_too"
_CLEARED: Final = "unit/regions/test_status_rows.py::test_a_failed_scan_is_reported_and_a_good_one_clears_it"
_ROWS: Final = "service/regions/status_rows.py"
_RECORDING: Final = "service/sync/engine/recording.py"
_SYNC: Final = "service/sync/inventory/sync.py"

MUTANTS: Final = (
    Mutant(
        name="rows-not-written",
        breaks=("R5.1", "R5.2", "R5.3"),
        file=_SYNC,
        before="        await self._recorder.add(result.scope, observation,"
        " rescan_from=found.rescan_from if found else None)\n",
        after="",
        tests=(_COUNT,),
    ),
    Mutant(
        name="row-written-before-the-last-account-is-scanned",
        breaks=("R5.1", "R5.3"),
        file=_RECORDING,
        before="        if self._open_scans[region] == 0:\n",
        after="        if self._open_scans[region] == 1:\n",
        tests=(_COUNT,),
    ),
    Mutant(
        name="complete-scan-recorded-without-its-count",
        breaks=("R5.1", "R5.3"),
        file=_SYNC,
        before="            scan.started_at,\n            scan.servers,\n",
        after="            scan.started_at,\n            None,\n",
        tests=(_COUNT,),
    ),
    Mutant(
        name="count-of-zero-not-stored",
        breaks=("R5.2",),
        file=_ROWS,
        before="    if observation.server_count is not None and _is_newer(\n",
        after="    if observation.server_count and _is_newer(\n",
        tests=(_COUNT,),
    ),
    Mutant(
        name="never-initialised-is-no-count",
        breaks=("R5.2",),
        file=_SYNC,
        before="account_id, RegionStatus.NOT_INITIALIZED, scan.started_at, 0, is_confirmed_empty",
        after="account_id, RegionStatus.NOT_INITIALIZED, scan.started_at, None, is_confirmed_empty",
        tests=(_COUNT,),
    ),
    Mutant(
        name="count-never-goes-down",
        breaks=("R5.2", "R5.3"),
        file=_ROWS,
        before="            server_count=observation.server_count,\n",
        after="            server_count=max(observation.server_count, entry.server_count or 0),\n",
        tests=(_COUNT,),
    ),
    Mutant(
        name="region-keeps-its-earlier-count",
        breaks=("R5.2", "R5.3"),
        file=_ROWS,
        before="        server_count=max(total, unattributed or 0),\n",
        after="        server_count=max(total, row.server_count),\n",
        tests=(_COUNT,),
    ),
    Mutant(
        name="count-of-the-largest-account-alone",
        breaks=("R5.3",),
        file=_ROWS,
        before="    total = sum(entry.server_count or 0 for entry in entries.values())\n",
        after="    total = max((entry.server_count or 0 for entry in entries.values()), default=0)\n",
        tests=(_SUM, _RACE),
    ),
    Mutant(
        name="earlier-scan-overwrites-a-later-one",
        breaks=("R5.3",),
        file=_ROWS,
        before="    return stored[0] is None or (stored[0], stored[1]) <= new\n",
        after="    return True\n",
        tests=(_SUM,),
    ),
    Mutant(
        name="row-written-without-its-condition",
        breaks=("R5.3", "G20"),
        file="service/regions/status_writer.py",
        before='_UNCHANGED: Final = ("lastUpdated",)',
        after="_UNCHANGED: Final = ()",
        tests=("sync/test_races.py::test_a_region_row_that_another_run_wrote_meanwhile_has_the_counts_of_both",),
    ),
    Mutant(
        name="lost-race-is-not-repeated",
        breaks=("R5.3",),
        file="service/regions/status_writer.py",
        before="            if await update_of_row.write(attributes):\n                return\n",
        after="            await update_of_row.write(attributes)\n            return\n",
        tests=(_RACE,),
    ),
    Mutant(
        name="unreadable-record-guard-removed",
        breaks=("R5.3",),
        file="service/context.py",
        before="        if problems:\n            return None\n",
        after="",
        tests=(_UNUSABLE,),
    ),
    Mutant(
        name="count-without-account-dropped-by-the-first-scan",
        breaks=("R5.3",),
        file=_ROWS,
        before="    all_counted = all_accounts is not None and all_accounts <= counted\n",
        after="    all_counted = bool(counted)\n",
        tests=(_UNUSABLE,),
    ),
    Mutant(
        name="failed-scan-does-not-date-the-scope",
        breaks=("R5.4",),
        file=_ROWS,
        before="replace(entry, status=observation.status, last_checked=observation.scanned_at, error_message=message)",
        after="replace(entry, status=observation.status, last_checked=entry.last_checked, error_message=message)",
        tests=(_FAILED, _DATED),
    ),
    Mutant(
        name="row-not-dated-by-its-scans",
        breaks=("R5.4",),
        file=_ROWS,
        before="for each in (last_checked, row.last_scanned) if each is not None",
        after="for each in (last_checked,) if each is not None",
        tests=(_DATED,),
    ),
    Mutant(
        name="row-dated-by-its-first-scan",
        breaks=("R5.4",),
        file=_ROWS,
        before="    return max((entry.last_checked for entry in entries.values() if entry.last_checked is not None),",
        after="    return min((entry.last_checked for entry in entries.values() if entry.last_checked is not None),",
        tests=(_DATED,),
    ),
    Mutant(
        name="failed-scan-not-recorded",
        breaks=("R5.4", "R5.5"),
        file=_SYNC,
        before="    return replace(failed_observation(result, scan.started_at),"
        " is_unconfirmed_empty=scan.is_unconfirmed_empty)\n",
        after="    return None\n",
        tests=(_FAILED,),
    ),
    Mutant(
        name="refused-role-not-recorded",
        breaks=("R5.5",),
        file=_SYNC,
        before="        return unscanned_observation(result, run)\n",
        after="        return None\n",
        tests=(_FAILED,),
    ),
    Mutant(
        name="failed-scan-recorded-as-no-servers",
        breaks=("R5.5", "G1"),
        file=_RECORDING,
        before='return Observation(result.scope.account_id, status, scanned_at, None, f"{problem.code}',
        after='return Observation(result.scope.account_id, status, scanned_at, 0, f"{problem.code}',
        tests=(
            "sync/test_region_rows.py::test_a_failed_scan_is_told_in_the_row_and_dates_it",
            "unit/sync/engine/test_outcome.py::test_an_account_that_cannot_be_entered_fails_everywhere_and_marks_only_what_it_is_known_to_use",
        ),
    ),
    Mutant(
        name="every-failure-has-the-status-error",
        breaks=("R5.5",),
        file=_RECORDING,
        before="    status = problem.status if is_about_drs else RegionStatus.ERROR\n",
        after="    status = RegionStatus.ERROR\n",
        tests=(_FAILED,),
    ),
    Mutant(
        name="message-of-the-failure-not-in-the-row",
        breaks=("R5.5",),
        file=_ROWS,
        before='        "errorMessage": f"{failing[0]}{more}" if failing else None,\n',
        after='        "errorMessage": None,\n',
        tests=(_FAILED, _CLEARED),
    ),
    Mutant(
        name="message-of-an-earlier-failure-stays",
        breaks=("R5.5",),
        file=_ROWS,
        before="last_checked=observation.scanned_at, error_message=message)",
        after="last_checked=observation.scanned_at, error_message=message or entry.error_message)",
        tests=(_FAILED, _CLEARED),
    ),
)
