"""Mutants of concurrency, crashes, selection, deadlines and retries."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="account-that-joined-counts-as-removed",
        breaks=("G18",),
        file="service/regions/known_accounts.py",
        before="        return replace(self, accounts=self.accounts | existing)",
        after="        return self",
        tests=("unit/regions/test_known_accounts.py::test_an_account_that_exists_by_now_is_not_a_removed_one",),
    ),
    Mutant(
        name="unread-accounts-count-as-removed",
        breaks=("G18",),
        file="service/regions/known_accounts.py",
        before="            existing = removed\n",
        after="            existing = frozenset()\n",
        tests=("unit/regions/test_known_accounts.py::test_accounts_that_cannot_be_read_again_do_not_count_as_removed",),
    ),
    Mutant(
        name="removed-account-keeps-its-count",
        breaks=("G18",),
        file="service/regions/status_rows.py",
        before=("    if all_accounts is not None:\n        entries = {"),
        after=("    if all_accounts is None:\n        entries = {"),
        tests=(
            "unit/regions/test_status_rows.py::test_entries_of_unknown_accounts_go_only_when_the_accounts_are_known",
        ),
    ),
    Mutant(
        name="overdue-scopes-wait",
        breaks=("G19",),
        file="service/regions/selection.py",
        before="return list(dict.fromkeys([*next_scopes, *overdue]))",
        after="return next_scopes",
        tests=("unit/regions/test_selection.py::test_a_quarter_of_active_regions_leaves_none_of_the_others_unscanned",),
    ),
    Mutant(
        name="cut-short-scan-is-not-resumed",
        breaks=("G21",),
        file="service/regions/selection.py",
        before=(
            "if reason is None and unfinished_since is not None and not candidate.was_scanned_since(unfinished_since):"
        ),
        after=("if reason is None and unfinished_since is not None and candidate.was_scanned_since(unfinished_since):"),
        tests=("unit/regions/test_selection.py::test_a_full_scan_that_was_cut_short_is_continued",),
    ),
    Mutant(
        name="failed-scope-is-not-tried-again",
        breaks=("G23",),
        file="service/regions/selection.py",
        before="return ScanReason.RETRY if entry.status is not None and entry.status.is_transient else None",
        after="return None",
        tests=("unit/regions/test_selection.py::test_why_a_scope_is_scanned_without_discovery",),
    ),
    Mutant(
        name="bug-of-one-account-ends-the-run",
        breaks=("G24",),
        file="service/sync/engine/scope_runner.py",
        before=(
            '            message = f"unexpected {type(error).__name__} in the scan of this scope; the log '
            'has the trace"\n'
        ),
        after=(
            "            if self._scan is None:\n"
            "                raise\n"
            '            message = f"unexpected {type(error).__name__} in the scan of this scope; the log '
            'has the trace"\n'
        ),
        tests=("unit/sync/engine/test_runner.py::test_a_bug_while_an_account_is_entered_costs_its_scopes",),
    ),
    Mutant(
        name="big-item-ends-its-scope",
        breaks=("G24",),
        file="service/sync/inventory/server_writer.py",
        before="        if isinstance(outcome, AwsError):\n            self.rejected",
        after="        if isinstance(outcome, AwsError):\n            raise outcome\n            self.rejected",
        tests=("sync/test_inventory_sync.py::test_a_server_too_big_for_an_item_affects_only_itself",),
    ),
    Mutant(
        name="no-retry-of-an-accounts-own",
        breaks=("G35",),
        file="service/aws/retry.py",
        before="        if wait and has_own and self._own_left >= 1.0 and longest_wait_s >= 0:",
        after="        if wait and has_own and self._own_left < 0 and longest_wait_s >= 0:",
        tests=("unit/aws/test_rate_limit.py::test_accounts_that_always_fail_take_no_retry_of_accounts_that_fail_once",),
    ),
    Mutant(
        name="retry-budget-is-never-spent",
        breaks=("G43",),
        file="service/aws/retry.py",
        before="        self._tokens -= 1.0\n",
        after="",
        tests=("unit/aws/test_rate_limit.py::test_an_outage_is_probed_and_not_stormed",),
    ),
    Mutant(
        name="writes-for-a-minute-after-the-end",
        breaks=("G36",),
        file="service/deadline.py",
        before="_WRITE_GRACE_S: Final = 6.0",
        after="_WRITE_GRACE_S: Final = 60.0",
        tests=("unit/test_deadline.py::test_however_much_is_to_be_written_a_silent_table_delays_the_end_once",),
    ),
    Mutant(
        name="stop-leaves-scopes-running",
        breaks=("G36",),
        file="service/deadline.py",
        before=("        for cancel_scope in tuple(self._cancelled_at_once):\n            cancel_scope.cancel()\n"),
        after="",
        tests=(
            "unit/sync/engine/test_runner.py::test_a_process_told_to_stop_leaves_its_scopes_at_once_and_enters_no_other",
        ),
    ),
    Mutant(
        name="nothing-is-forgotten",
        breaks=("G44",),
        file="service/aws/recently_used.py",
        before="if now - self._pruned_at >= _MAX_IDLE_S:",
        after="if now < self._pruned_at:",
        tests=("unit/aws/test_recently_used.py::test_it_does_not_grow_with_keys_that_are_gone",),
    ),
    Mutant(
        name="lost-connection-is-not-retried",
        breaks=("G45",),
        file="service/error_classes.py",
        before=(
            '        _AGAIN + "check egress, proxy and firewall of this host",\n'
            "        retry=True,\n"
            "    ),\n"
            "    ErrorClass(\n"
            '        "ProxyRefused",'
        ),
        after=(
            '        _AGAIN + "check egress, proxy and firewall of this host",\n'
            "    ),\n"
            "    ErrorClass(\n"
            '        "ProxyRefused",'
        ),
        tests=("aws/endpoints/test_retries.py::test_a_broken_connection_is_retried",),
    ),
    Mutant(
        name="cached-rows-last-twice-as-long",
        breaks=("G62",),
        file="service/regions/status_reader.py",
        before="Tenure(self._cache_s, self._now)",
        after="Tenure(2 * self._cache_s, self._now)",
        tests=(
            "sync/test_region_status_cache.py::test_rows_are_read_again_when_they_are_as_old_as_the_setting_allows",
        ),
    ),
)
