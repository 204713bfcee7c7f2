"""Mutants of queries that the inventory answers: what is fresh, what is read from DRS, what is told."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="inventory-query-over-all-regions",
        breaks=("R12.1",),
        file="service/queries/context.py",
        before="regions = tuple(sorted(params.regions)) or active",
        after="regions = tuple(sorted(params.regions or {*settings.catalog, *active}))",
        tests=("queries/test_inventory.py::test_a_fresh_inventory_answers_alone",),
    ),
    Mutant(
        name="region-status-not-consulted",
        breaks=("R12.1",),
        file="service/queries/context.py",
        before="view = StatusView(rows[0] if rows else",
        after="view = StatusView(() if rows else",
        tests=("queries/test_inventory.py::test_a_fresh_inventory_answers_alone",),
    ),
    Mutant(
        name="inventory-not-used",
        breaks=("R12.2", "R12.5"),
        file="service/queries/scope_reader.py",
        before="            if freshness.level is Freshness.FRESH\n",
        after="            if freshness.is_empty\n",
        tests=("queries/test_inventory.py::test_a_fresh_inventory_answers_alone",),
    ),
    Mutant(
        name="inventory-read-without-its-index",
        breaks=("R12.2",),
        file="service/inventory/reader.py",
        before='condition, values = "#replicationRegion = :region", {"region": region}',
        after='condition, values = "#replicationRegion = :region", {"region": region.upper()}',
        tests=("queries/test_inventory.py::test_a_fresh_inventory_answers_alone",),
    ),
    Mutant(
        name="fresh-at-the-window-itself",
        breaks=("R12.3",),
        file="service/queries/freshness.py",
        before="abs(now - moment) < timedelta(seconds=fresh_s)",
        after="abs(now - moment) <= timedelta(seconds=fresh_s)",
        tests=(
            "unit/queries/test_freshness.py::test_the_last_complete_scan_decides",
            "queries/test_inventory.py::test_freshness_ends_at_the_window_exactly",
        ),
    ),
    Mutant(
        name="a-clock-far-ahead-is-fresh",
        breaks=("R12.3",),
        file="service/queries/freshness.py",
        before="abs(now - moment) < timedelta(seconds=fresh_s)",
        after="now - moment < timedelta(seconds=fresh_s)",
        tests=("unit/queries/test_freshness.py::test_the_last_complete_scan_decides",),
    ),
    Mutant(
        name="failed-scans-make-fresh",
        breaks=("R12.3",),
        file="service/queries/freshness.py",
        before="level = Freshness.FRESH if is_fresh(entry.last_complete, now, fresh_s) else Freshness.STALE",
        after="level = Freshness.FRESH if is_fresh(entry.last_checked, now, fresh_s) else Freshness.STALE",
        tests=(
            "unit/queries/test_freshness.py::test_the_last_complete_scan_decides",
            "queries/test_inventory.py::test_freshness_ends_at_the_window_exactly",
        ),
    ),
    Mutant(
        name="an-hour-counts-as-fresh",
        breaks=("R12.3",),
        file="service/settings.py",
        before='        900.0, description="queries read a scope from the inventory',
        after='        3600.0, description="queries read a scope from the inventory',
        tests=("queries/test_inventory.py::test_freshness_ends_at_the_window_exactly",),
    ),
    Mutant(
        name="one-new-item-makes-all-fresh",
        breaks=("R12.3",),
        file="service/queries/freshness.py",
        before="fresh = bool(items) and all(is_fresh",
        after="fresh = bool(items) and any(is_fresh",
        tests=("unit/queries/test_freshness.py::test_items_may_make_a_scope_stale",),
    ),
    Mutant(
        name="emptied-inventory-is-fresh",
        breaks=("R12.4",),
        file="service/queries/freshness.py",
        before=(
            "    if freshness.level is Freshness.FRESH and freshness.lacks(len(items)):\n"
            "        return replace(freshness, level=Freshness.STALE)\n"
        ),
        after="",
        tests=("queries/test_inventory.py::test_an_empty_inventory_is_stale_however_fresh_its_status",),
    ),
    Mutant(
        name="half-an-inventory-is-fresh",
        breaks=("R12.3",),
        file="service/queries/freshness.py",
        before="too_few = servers < self.stored if self.server_count is not None else not servers",
        after="too_few = not servers",
        tests=("unit/queries/test_freshness.py::test_items_may_make_a_scope_stale",),
    ),
    Mutant(
        name="never-scanned-is-empty",
        breaks=("R12.4",),
        file="service/queries/freshness.py",
        before="_NEVER_SCANNED: Final = ScopeFreshness(Freshness.STALE)",
        after="_NEVER_SCANNED: Final = ScopeFreshness(Freshness.FRESH, may_be_empty=True)",
        tests=("queries/test_inventory.py::test_a_region_that_was_never_scanned_is_read_from_drs",),
    ),
    Mutant(
        name="stale-scopes-answered-by-the-inventory",
        breaks=("R12.4",),
        file="service/queries/scope_reader.py",
        before="        stale_scopes = [scope for scope in scopes if scope not in results]\n",
        after=(
            "        for scope in scopes:\n"
            "            results.setdefault(scope, ScopeReadResult(scope, DataSource.INVENTORY, "
            "inventory.items.get(scope, ())))\n"
            "        stale_scopes = [scope for scope in scopes if scope not in results]\n"
        ),
        tests=(
            "queries/test_inventory.py::test_drs_is_read_only_for_the_one_stale_scope_of_several",
            "queries/test_inventory.py::test_an_empty_inventory_is_stale_however_fresh_its_status",
            "queries/test_inventory.py::test_a_region_that_was_never_scanned_is_read_from_drs",
        ),
    ),
    Mutant(
        name="identity-asked-by-each-query",
        breaks=("R12.5",),
        file="service/queries/scope_reader.py",
        before="        if not scopes:\n            return {}\n",
        after="",
        tests=("queries/test_inventory.py::test_a_fresh_inventory_answers_alone",),
    ),
    Mutant(
        name="accounts-read-before-region-status",
        breaks=("R12.6",),
        file="service/queries/context.py",
        before="lambda read: read(), concurrency=2)",
        after="lambda read: read(), concurrency=1)",
        tests=("simulation/test_query_times.py::test_a_fresh_inventory_answers_after_two_rounds_of_table_reads",),
    ),
    Mutant(
        name="regions-of-the-inventory-read-one-after-another",
        breaks=("R12.6",),
        file="service/queries/scope_reader.py",
        before="_TABLE_READS_AT_ONCE: Final = 16",
        after="_TABLE_READS_AT_ONCE: Final = 1",
        tests=("simulation/test_query_times.py::test_a_fresh_inventory_answers_after_two_rounds_of_table_reads",),
    ),
    Mutant(
        name="moving-values-read-after-the-items",
        breaks=("R12.6",),
        file="service/queries/scope_reader.py",
        before=(
            "            inventory = await self._read_inventory(unsettled, deadline, plan)\n"
            "            moving = await values()\n"
        ),
        after=(
            "            moving = await values()\n"
            "            inventory = await self._read_inventory(unsettled, deadline, plan)\n"
        ),
        tests=("simulation/test_query_times.py::test_a_fresh_inventory_answers_after_two_rounds_of_table_reads",),
    ),
    Mutant(
        name="scopes-beyond-the-page-are-read",
        breaks=("R12.6",),
        file="service/queries/page_scopes.py",
        before="            beyond.add(scope)\n",
        after="            pass\n",
        tests=(
            "unit/queries/test_page_scopes.py::test_most_of_a_fresh_estate_is_not_read",
            "queries/test_inventory.py::test_a_page_reads_the_scopes_that_it_reaches_and_counts_the_others",
        ),
    ),
    Mutant(
        name="page-ends-before-it-is-full",
        breaks=("R12.6",),
        file="service/queries/page_scopes.py",
        before="shown = cursor.shown if cursor and scope == first else 0",
        after="shown = (cursor.shown or 0) if cursor and scope == first else 0",
        tests=("unit/queries/test_page_scopes.py::test_pages_together_show_every_server_once_and_in_order",),
    ),
    Mutant(
        name="pages-end-where-servers-are-gone",
        breaks=("R12.6",),
        file="service/queries/inventory.py",
        before='        if plan and not page["count"]:',
        after='        if False and plan and not page["count"]:',
        tests=("queries/test_inventory.py::test_servers_that_are_gone_do_not_end_the_pages",),
    ),
    Mutant(
        name="page-reads-all-of-a-large-scope",
        breaks=("R12.6",),
        file="service/queries/page_scopes.py",
        before="        if is_fresh and freshness.stored > needed:\n",
        after="        if False:\n",
        tests=(
            "unit/queries/test_page_scopes.py::test_every_page_of_a_large_scope_reads_only_its_own_servers",
            "queries/test_inventory.py::test_each_page_of_a_large_scope_reads_only_its_own_servers",
        ),
    ),
    Mutant(
        name="query-with-filters-keeps-every-match",
        breaks=("R12.6",),
        file="service/queries/matches.py",
        before="        if self._size is not None and len(found.kept) >= 2 * self._size:\n",
        after="        if False:\n",
        tests=("unit/queries/test_matches.py::test_the_page_is_that_of_all_matching_servers",),
    ),
    Mutant(
        name="scope-not-reached-in-time-passed-off-as-read",
        breaks=("R12.8",),
        file="service/queries/scope_stream.py",
        before="                DataSource.NONE,\n",
        after="                DataSource.INVENTORY,\n",
        tests=(
            "unit/queries/test_scope_stream.py::test_when_the_time_is_up_it_says_how_far_it_got_and_goes_on_from_there",
            "queries/test_inventory.py::test_a_query_with_filters_says_how_far_it_got_and_goes_on_from_there",
        ),
    ),
    Mutant(
        name="scope-not-reached-in-time-is-synced",
        breaks=("R12.8",),
        file="service/queries/read_result.py",
        before="if each.source is not DataSource.INVENTORY and each.read_to is None\n",
        after="if each.source is not DataSource.INVENTORY\n",
        tests=("queries/test_inventory.py::test_a_query_with_filters_asks_for_no_sync_of_what_it_has_not_reached",),
    ),
    Mutant(
        name="page-ends-between-items-with-one-arn",
        breaks=("R12.6",),
        file="service/inventory/reader.py",
        before='if len(servers) >= size and item["sourceServerArn"] != servers[-1]["sourceServerArn"]:',
        after="if len(servers) >= size:",
        tests=("unit/inventory/test_reader.py::test_pages_show_every_server_once_and_in_order",),
    ),
    Mutant(
        name="scope-that-lacks-servers-is-paged-to-its-end",
        breaks=("R12.3",),
        file="service/queries/scope_reader.py",
        before="    if page.is_last and part.shown + len(page.items) < part.stored:\n",
        after="    if False:\n",
        tests=("queries/test_inventory.py::test_a_scope_that_lacks_servers_is_read_from_drs_on_its_last_page",),
    ),
    Mutant(
        name="query-not-logged",
        breaks=("R12.7",),
        file="service/queries/answer.py",
        before='    _log.info(\n        "query answered",',
        after='    _log.debug(\n        "query answered",',
        tests=(
            "unit/queries/test_answer.py::test_the_log_and_the_metrics_say_where_the_servers_came_from",
            "queries/test_inventory.py::test_each_query_logs_one_line",
        ),
    ),
    Mutant(
        name="source-always-the-inventory",
        breaks=("R12.7",),
        file="service/queries/answer.py",
        before='"source": result.source,',
        after='"source": str(DataSource.INVENTORY),',
        tests=("unit/queries/test_answer.py::test_the_log_and_the_metrics_say_where_the_servers_came_from",),
    ),
    Mutant(
        name="scopes-by-source-not-logged",
        breaks=("R12.7",),
        file="service/queries/answer.py",
        before='            "scopes": dict(sources),\n',
        after="",
        tests=(
            "unit/queries/test_answer.py::test_the_log_and_the_metrics_say_where_the_servers_came_from",
            "queries/test_inventory.py::test_each_query_logs_one_line",
        ),
    ),
    Mutant(
        name="misses-not-counted",
        breaks=("R12.7",),
        file="service/queries/answer.py",
        before="return int(bool(self.stale))",
        after="return 0",
        tests=("unit/queries/test_answer.py::test_the_log_and_the_metrics_say_where_the_servers_came_from",),
    ),
    Mutant(
        name="mixed-answers-named-after-the-inventory",
        breaks=("R12.7",),
        file="service/queries/read_result.py",
        before=(
            'return "mixed" if from_table and from_drs else str(DataSource.DRS if from_drs else DataSource.INVENTORY)'
        ),
        after="return str(DataSource.INVENTORY if from_table else DataSource.DRS)",
        tests=("unit/queries/test_answer.py::test_the_log_and_the_metrics_say_where_the_servers_came_from",),
    ),
    Mutant(
        name="inventory-that-fails-ends-the-query",
        breaks=("R12.8",),
        file="service/queries/scope_reader.py",
        before='                    problem = replace(error.problem, region="")\n',
        after="                    raise\n",
        tests=("queries/test_inventory.py::test_without_an_inventory_table_drs_answers",),
    ),
    Mutant(
        name="inventory-that-fails-looks-empty-and-fresh",
        breaks=("R12.8",),
        file="service/queries/scope_reader.py",
        before="freshness_by_scope[scope] = replace(freshness_by_scope[scope], level=Freshness.STALE)\n",
        after="pass\n",
        tests=("queries/test_inventory.py::test_without_an_inventory_table_drs_answers",),
    ),
    Mutant(
        name="inventory-that-is-not-set-not-told",
        breaks=("R12.8",),
        file="service/queries/scope_reader.py",
        before="            inventory.unread = dict.fromkeys(scopes, unset)\n",
        after="            del unset\n",
        tests=("queries/test_inventory.py::test_without_an_inventory_table_drs_answers",),
    ),
    Mutant(
        name="stale-items-passed-off-as-fresh",
        breaks=("R12.4",),
        file="service/queries/scope_reader.py",
        before="source = DataSource.STALE if stored else DataSource.NONE",
        after="source = DataSource.INVENTORY if stored else DataSource.NONE",
        tests=("queries/test_inventory.py::test_a_denied_account_costs_only_itself_and_shows_what_was_known",),
    ),
)
