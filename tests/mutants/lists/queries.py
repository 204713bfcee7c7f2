"""Mutants of the query for extended servers, and of how region status is read."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="extended-query-over-all-regions",
        breaks=("R9.1", "R9.2"),
        file="service/queries/context.py",
        before="regions = tuple(sorted(params.regions)) or active",
        after="regions = tuple(sorted(params.regions or settings.catalog))",
        tests=(
            "queries/test_extended.py::test_only_scopes_of_active_regions_are_queried_and_only_their_accounts_entered",
        ),
    ),
    Mutant(
        name="regions-without-servers-are-active",
        breaks=("R9.2",),
        file="service/queries/freshness.py",
        before="if row.server_count > 0 and row.region not in excluded",
        after="if row.region not in excluded",
        tests=(
            "queries/test_extended.py::test_only_scopes_of_active_regions_are_queried_and_only_their_accounts_entered",
        ),
    ),
    Mutant(
        name="excluded-regions-are-active",
        breaks=("R9.2",),
        file="service/queries/freshness.py",
        before="if row.server_count > 0 and row.region not in excluded",
        after="if row.server_count > 0",
        tests=("unit/queries/test_freshness.py::test_excluded_regions_are_never_active",),
    ),
    Mutant(
        name="empty-scopes-of-active-regions-are-read",
        breaks=("R9.2", "R9.4"),
        file="service/queries/freshness.py",
        before="return state_of(entry, rules) is not ScopeState.EMPTY",
        after="return True",
        tests=(
            "unit/queries/test_freshness.py::test_scopes_without_servers_are_left_out_of_active_regions",
            "queries/test_extended.py::test_only_scopes_of_active_regions_are_queried_and_only_their_accounts_entered",
        ),
    ),
    Mutant(
        name="scopes-that-were-empty-long-ago-are-left-out",
        breaks=("R9.2",),
        file="service/queries/freshness.py",
        before="return state_of(entry, rules) is not ScopeState.EMPTY",
        after="return entry is None or entry.server_count != 0",
        tests=("unit/queries/test_freshness.py::test_a_scope_is_left_out_only_while_it_is_known_to_be_empty",),
    ),
    Mutant(
        name="every-role-assumed",
        breaks=("R9.3",),
        file="service/queries/scope_reader.py",
        before="        stale_scopes = [scope for scope in scopes if scope not in results]\n",
        after=(
            "        for account_id in {scope.account_id for scope in scopes}:\n"
            "            await access.session(account_id)\n"
            "        stale_scopes = [scope for scope in scopes if scope not in results]\n"
        ),
        tests=(
            "queries/test_extended.py::test_only_scopes_of_active_regions_are_queried_and_only_their_accounts_entered",
            "queries/test_extended.py::test_roles_are_assumed_for_stale_scopes_only",
        ),
    ),
    Mutant(
        name="role-assumed-for-each-scope-that-is-stale-or-not",
        breaks=("R9.3", "R9.4", "R12.4", "R12.5"),
        file="service/queries/scope_reader.py",
        before="stale_scopes = [scope for scope in scopes if scope not in results]",
        after="stale_scopes = [*scopes] if len(results) < len(scopes) else []",
        tests=(
            "queries/test_extended.py::test_only_scopes_of_active_regions_are_queried_and_only_their_accounts_entered",
            "queries/test_extended.py::test_roles_are_assumed_for_stale_scopes_only",
            "queries/test_inventory.py::test_drs_is_read_only_for_the_one_stale_scope_of_several",
        ),
    ),
    Mutant(
        name="stale-scopes-read-one-after-another",
        breaks=("R9.5",),
        file="service/queries/scope_reader.py",
        before="async with fan_out(scopes, read, concurrency=self._settings.scopes_at_once) as results:",
        after="async with fan_out(scopes, read, concurrency=1) as results:",
        tests=("simulation/test_query_times.py::test_stale_scopes_of_many_accounts_are_read_at_the_same_time",),
    ),
    Mutant(
        name="no-deadline-of-drs",
        breaks=("R9.5",),
        file="service/queries/scope_reader.py",
        before="with anyio.CancelScope(deadline=until) as cancel_scope:",
        after="with anyio.CancelScope() as cancel_scope:",
        tests=("simulation/test_query_times.py::test_a_region_that_hangs_is_given_up_and_the_others_are_answered",),
    ),
    Mutant(
        name="deadline-of-the-query-doubled",
        breaks=("R9.5",),
        file="service/queries/query_deadline.py",
        before="return self.at(0.95)",
        after="return self.at(1.95)",
        tests=("simulation/test_query_times.py::test_a_region_that_hangs_is_given_up_and_the_others_are_answered",),
    ),
    Mutant(
        name="each-query-reads-region-status-for-itself",
        breaks=("R10.1",),
        file="service/regions/status_reader.py",
        before="async with self._read_lock:",
        after="async with anyio.Lock():",
        tests=("queries/test_status_reads.py::test_concurrent_queries_share_one_read_of_region_status",),
    ),
    Mutant(
        name="rows-read-one-by-one",
        breaks=("R10.1", "R10.2"),
        file="service/regions/status_reader.py",
        before="items = [item async for item in table.scan()]",
        after=(
            'keys = [{"region": item["region"]} async for item in table.scan()]\n'
            "                items = [await table.get(key) or key for key in keys]"
        ),
        tests=(
            "simulation/test_query_times.py::test_region_status_is_read_in_one_round_trip_and_given_up_when_it_hangs",
            "queries/test_status_reads.py::test_more_rows_than_regions_are_read_by_scans_to_the_last_page",
        ),
    ),
    Mutant(
        name="only-the-first-page-of-region-status",
        breaks=("R10.3",),
        file="service/aws/dynamodb.py",
        before="            if not last_key:\n                return\n",
        after="            return\n",
        tests=("queries/test_status_reads.py::test_more_rows_than_regions_are_read_by_scans_to_the_last_page",),
    ),
    Mutant(
        name="no-more-rows-than-there-were-regions",
        breaks=("R10.3",),
        file="service/regions/status_reader.py",
        before="items = [item async for item in table.scan()]",
        after="items = [item async for item in table.scan()][:28]",
        tests=("queries/test_status_reads.py::test_more_rows_than_regions_are_read_by_scans_to_the_last_page",),
    ),
)
