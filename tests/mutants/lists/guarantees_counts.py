"""Mutants of what settles a count, a region status row or the removal of an item."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="empty-list-is-believed",
        breaks=("G2",),
        file="service/sync/inventory/doubt.py",
        before="return stored > 0 or known_count > 0",
        after="return False",
        tests=("unit/sync/engine/test_outcome.py::test_half_of_what_is_stored_is_enough",),
    ),
    Mutant(
        name="short-list-is-believed",
        breaks=("G2",),
        file="service/sync/inventory/doubt.py",
        before="return (absent > 0 and stored - absent < share * stored) or shown < share * known_count",
        after="return shown < share * known_count",
        tests=("unit/sync/engine/test_outcome.py::test_a_listing_is_repeated_where_it_shows_nothing_or_too_little",),
    ),
    Mutant(
        name="half-a-list-is-repeated",
        breaks=("G2",),
        file="service/sync/inventory/doubt.py",
        before="stored - absent < share * stored)",
        after="stored - absent <= share * stored)",
        tests=("unit/sync/engine/test_outcome.py::test_half_of_what_is_stored_is_enough",),
    ),
    Mutant(
        name="first-not-initialised-settles",
        breaks=("G2",),
        file="service/regions/status_guard.py",
        before="entry.server_count and not observation.is_confirmed_empty:",
        after="entry.server_count is None and not observation.is_confirmed_empty:",
        tests=(
            "unit/regions/test_status_guard.py::test_not_initialized_waits_where_another_run_has_found_servers_meanwhile",
        ),
    ),
    Mutant(
        name="text-says-not-initialised",
        breaks=("G3",),
        file="service/error_codes.py",
        before='                (r"\\bkms:|kms key", "KmsKey"),\n',
        after=(
            '                (r"not initiali[sz]ed", "NotInitialized"),\n'
            '                (r"\\bkms:|kms key", "KmsKey"),\n'
        ),
        tests=("unit/test_errors.py::test_no_other_error_settles_a_count",),
    ),
    Mutant(
        name="policy-hides-known-servers",
        breaks=("G4",),
        file="service/sync/engine/outcome.py",
        before="if failure is not None and _is_closed(failure) and not answered and not known:",
        after="if failure is not None and _is_closed(failure) and not answered:",
        tests=("unit/sync/engine/test_outcome.py::test_the_outcome_of_a_scope",),
    ),
    Mutant(
        name="policy-is-always-a-failure",
        breaks=("G4",),
        file="service/sync/engine/outcome.py",
        before="return is_forbidden or is_switched_off(failure) or is_unreachable(failure)",
        after="return is_switched_off(failure) or is_unreachable(failure)",
        tests=("unit/sync/engine/test_outcome.py::test_the_outcome_of_a_scope",),
    ),
    Mutant(
        name="emptied-scope-is-left-alone",
        breaks=("G5",),
        file="service/sync/inventory/scan.py",
        before="return self._rescan_from() if is_emptied or is_unannounced else None",
        after="return self._rescan_from() if is_unannounced else None",
        tests=(
            "unit/sync/engine/test_outcome.py::test_a_scope_that_lost_its_servers_is_scanned_until_no_write_can_arrive",
        ),
    ),
    Mutant(
        name="new-scope-is-not-announced",
        breaks=("G5", "G22"),
        file="service/sync/inventory/scan.py",
        before="        await self._tools.announcements.announce(self.scope, self._rescan_from())\n",
        after="",
        tests=("sync/test_late_writes.py::test_items_of_a_run_that_was_killed_before_its_row_are_scanned_by_the_next",),
    ),
    Mutant(
        name="suspended-scope-goes-on",
        breaks=("G6",),
        file="service/sync/engine/scope_runner.py",
        before=("            if not tenure.is_sure:\n                raise _ScopeExpiredError"),
        after=("            if self._run.deadline.is_over:\n                raise _ScopeExpiredError"),
        tests=("unit/sync/engine/test_runner.py::test_a_scope_of_a_process_that_was_suspended_sends_nothing_more",),
    ),
    Mutant(
        name="unreadable-record-removes-others",
        breaks=("G7",),
        file="service/sync/inventory/scan.py",
        before=(
            "        if not self._shows_all:\n"
            "            return  # a record that cannot be read may be one of those that seem absent\n"
        ),
        after="",
        tests=("sync/test_inventory_sync.py::test_a_record_without_an_arn_is_counted_and_removes_nothing",),
    ),
    Mutant(
        name="removed-though-written-meanwhile",
        breaks=("G7", "G20"),
        file="service/inventory/table.py",
        before=(
            '            " AND ".join(["attribute_exists( #sourceServerArn )", *conditions]),\n'
            "            {name: stamp for name, stamp in stamps.items() if stamp is not None},"
        ),
        after=('            "attribute_exists( #sourceServerArn )",\n            {},'),
        tests=("dynalite/test_writes.py::test_a_server_that_was_written_meanwhile_is_not_removed",),
    ),
    Mutant(
        name="short-list-of-an-unaware-run-settles",
        breaks=("G8",),
        file="service/regions/status_guard.py",
        before="if count is not None and _is_doubted(entry, observation):",
        after="if count == 0 and _is_doubted(entry, observation):",
        tests=(
            "unit/regions/test_status_guard.py::test_a_list_that_the_run_had_no_reason_to_doubt_settles_nothing_where_more_servers_are_known",
        ),
    ),
    Mutant(
        name="any-list-is-believed",
        breaks=("G8",),
        file="service/sync/inventory/doubt.py",
        before="return math.floor(shown / share) if share > 0 else None",
        after="return None",
        tests=(
            "unit/sync/engine/test_outcome.py::test_a_listing_is_believed_up_to_the_count_beside_which_it_would_not_be_repeated",
        ),
    ),
    Mutant(
        name="sync-of-a-part-dates-every-row",
        breaks=("G9",),
        file="service/sync/inventory/sync.py",
        before="if run.request.is_unrestricted and is_readable and not run.deadline.is_over:",
        after="if is_readable and not run.deadline.is_over:",
        tests=("sync/test_age_of_inventory.py::test_a_sync_of_a_part_moves_no_row_that_it_did_not_scan",),
    ),
    Mutant(
        name="rows-are-not-dated",
        breaks=("G9",),
        file="service/sync/inventory/sync.py",
        before="if run.request.is_unrestricted and is_readable and not run.deadline.is_over:",
        after="if run.request.is_unrestricted and is_readable and run.deadline.is_over:",
        tests=(
            "sync/test_age_of_inventory.py::test_every_row_is_as_old_as_the_end_of_the_last_sync_and_scans_keep_their_times",
        ),
    ),
    Mutant(
        name="write-without-condition",
        breaks=("G20",),
        file="service/aws/dynamodb_write.py",
        before="        return await self._table.update_if(self._key, attributes, *self._is_unchanged())\n",
        after=(
            '        return await self._table.update_if(self._key, attributes, f"attribute_exists( '
            '#{next(iter(self._key))} )")\n'
        ),
        tests=("sync/test_races.py::test_of_two_that_append_to_a_history_at_once_both_are_in_it",),
    ),
    Mutant(
        name="older-scan-overwrites-values",
        breaks=("G13",),
        file="service/inventory/values_table.py",
        before='put_if(item, _IS_NEWER, {"scanned": iso(scanned_at)})',
        after='put_if(item, f"{_IS_NEWER} OR #{SCANNED_AT} > :scanned", {"scanned": iso(scanned_at)})',
        tests=("sync/test_moving_values.py::test_an_older_scan_never_overwrites_a_newer_one",),
    ),
    Mutant(
        name="old-values-over-a-newer-item",
        breaks=("G13",),
        file="service/queries/values_overlay.py",
        before="if found is None or (written_at is not None and found[1] < written_at):",
        after="if found is None:",
        tests=("sync/test_moving_values.py::test_an_item_that_a_later_run_wrote_shows_its_own_values",),
    ),
)
