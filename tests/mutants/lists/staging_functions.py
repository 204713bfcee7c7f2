"""Mutants of the functions of which the staging sync is made, and of the cache of region status."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="no-cache",
        breaks=("R10.4",),
        file="service/regions/status_reader.py",
        before=(
            "            if self._cached is not None and self._cached[0].is_sure:\n"
            "                return self._cached[1]\n"
        ),
        after="",
        tests=(
            "sync/test_region_status_cache.py::test_rows_are_read_again_when_they_are_as_old_as_the_setting_allows",
            "sync/test_region_status_cache.py::test_one_process_reads_region_status_once_until_its_own_inventory_sync",
        ),
    ),
    Mutant(
        name="cache-never-expires",
        breaks=("R10.4",),
        file="service/regions/status_reader.py",
        before="if self._cached is not None and self._cached[0].is_sure:",
        after="if self._cached is not None:",
        tests=(
            "sync/test_region_status_cache.py::test_rows_are_read_again_when_they_are_as_old_as_the_setting_allows",
        ),
    ),
    Mutant(
        name="cache-of-ten-minutes",
        breaks=("R10.4",),
        file="service/settings.py",
        before=("    region_status_cache_seconds: float = Field(\n        60.0,"),
        after=("    region_status_cache_seconds: float = Field(\n        600.0,"),
        tests=("unit/test_settings.py::test_the_defaults_are_those_of_the_contract",),
    ),
    Mutant(
        name="sync-keeps-the-cache",
        breaks=("R10.5",),
        file="service/regions/status_reader.py",
        before=("        self._cached = None\n        self._invalidations += 1"),
        after="        self._invalidations += 1",
        tests=(
            "sync/test_region_status_cache.py::test_one_process_reads_region_status_once_until_its_own_inventory_sync",
        ),
    ),
    Mutant(
        name="rows-read-during-a-sync-cached",
        breaks=("R10.5",),
        file="service/regions/status_reader.py",
        before=(
            "            if invalidations == self._invalidations:  # otherwise a page may have been "
            "read before what was written\n"
            "                self._cached = (tenure, rows)\n"
        ),
        after="            self._cached = (tenure, rows)\n",
        tests=(
            "sync/test_region_status_cache.py::test_rows_that_were_invalidated_while_they_were_read_are_not_cached",
        ),
    ),
    Mutant(
        name="extension-syncs-all-targets",
        breaks=("R11.2",),
        file="service/sync/staging/sync.py",
        before="accounts=tuple(target_accounts), regions=tuple(active_regions))",
        after="regions=tuple(active_regions))",
        tests=("handlers/test_staging_functions.py::test_auto_extension_of_named_targets_in_named_regions",),
    ),
    Mutant(
        name="extension-in-all-active-regions",
        breaks=("R11.2",),
        file="service/sync/staging/sync.py",
        before="accounts=tuple(target_accounts), regions=tuple(active_regions))",
        after="accounts=tuple(target_accounts))",
        tests=("handlers/test_staging_functions.py::test_auto_extension_of_named_targets_in_named_regions",),
    ),
    Mutant(
        name="sync-beside-the-function",
        breaks=("R11.2",),
        file="service/app.py",
        before=(
            "        return await self.publish(\n"
            "            await auto_extend_staging_servers(\n"
            "                self.deps, request.accounts, request.regions, request=request, progress=progress\n"
            "            )\n"
            "        )\n"
        ),
        after=(
            "        from service.sync.engine.runner import run\n"
            "        from service.sync.staging.sync import StagingSync\n"
            "\n"
            "        return await self.publish(await run(StagingSync(), request, self.deps, progress))\n"
        ),
        tests=("handlers/test_staging_functions.py::test_the_operations_go_through_the_four_functions",),
    ),
    Mutant(
        name="repeated-extension-is-an-error",
        breaks=("R11.3", "R14.1", "R14.7"),
        file="service/sync/staging/extend.py",
        before="        if staging_server_arn not in extended:\n",
        after="        if staging_server_arn in extended:\n",
        tests=("handlers/test_staging_functions.py::test_one_server_is_extended_and_the_repeat_is_a_success",),
    ),
    Mutant(
        name="refusal-taken-for-extended",
        breaks=("R11.3",),
        file="service/sync/staging/extend.py",
        before=("        if staging_server_arn not in extended:\n            raise refusal from None\n"),
        after="",
        tests=(
            "handlers/test_staging_functions.py::test_why_a_server_is_not_extended_is_reported_even_if_drs_cannot_be_read",
        ),
    ),
    Mutant(
        name="record-of-the-extension-not-returned",
        breaks=("R11.3",),
        file="service/sync/staging/extend.py",
        before='    return {"extended": True, "sourceServer": record}',
        after='    return {"extended": True}',
        tests=("handlers/test_staging_functions.py::test_one_server_is_extended_and_the_repeat_is_a_success",),
    ),
    Mutant(
        name="extensions-in-error-not-counted",
        breaks=("R11.4",),
        file="service/sync/extension_plan.py",
        before='if area.get("stagingAccountID") != target and area.get("stagingSourceServerArn"):',
        after='if area.get("stagingAccountID") != target and area.get("status") == "EXTENDED":',
        tests=("unit/sync/test_extension_plan.py::test_which_records_say_extended_and_which_replicating",),
    ),
    Mutant(
        name="own-servers-count-as-extended",
        breaks=("R11.4",),
        file="service/sync/extension_plan.py",
        before='if area.get("stagingAccountID") != target and area.get("stagingSourceServerArn"):',
        after='if area.get("stagingSourceServerArn"):',
        tests=("unit/sync/test_extension_plan.py::test_which_records_say_extended_and_which_replicating",),
    ),
    Mutant(
        name="unreadable-target-taken-for-nothing-extended",
        breaks=("R11.4",),
        file="service/sync/extensions.py",
        before=("            return region, await _nothing_or_error(error, Scope(side.account_id, region), access)"),
        after="            return region, frozenset()",
        tests=(
            "handlers/test_staging_functions.py::test_a_region_that_cannot_be_read_is_an_error_and_not_an_empty_set",
        ),
    ),
    Mutant(
        name="first-readable-region-is-enough",
        breaks=("R11.4",),
        file="service/sync/extensions.py",
        before="        raise failures[unread[0]]\n",
        after=("        if not arns:\n            raise failures[unread[0]]\n"),
        tests=(
            "handlers/test_staging_functions.py::test_a_region_that_cannot_be_read_is_an_error_and_not_an_empty_set",
        ),
    ),
    Mutant(
        name="extended-servers-not-excluded",
        breaks=("R11.5",),
        file="service/sync/extension_plan.py",
        before=(
            '        not area.get("stagingSourceServerArn")\n'
            '        and area.get("stagingAccountID", staging) == staging\n'
            "        and record.get("
        ),
        after="        record.get(",
        tests=(
            "unit/sync/test_extension_plan.py::test_which_records_say_extended_and_which_replicating",
            "handlers/test_staging_functions.py::test_servers_of_a_staging_account_are_those_that_it_protects_itself",
        ),
    ),
    Mutant(
        name="servers-of-others-not-excluded",
        breaks=("R11.5",),
        file="service/sync/extension_plan.py",
        before='        and area.get("stagingAccountID", staging) == staging\n',
        after="",
        tests=("unit/sync/test_extension_plan.py::test_which_records_say_extended_and_which_replicating",),
    ),
    Mutant(
        name="failback-servers-not-excluded",
        breaks=("R11.5",),
        file="service/sync/extension_plan.py",
        before='        and record.get("replicationDirection") != "FAILBACK"\n',
        after="",
        tests=(
            "unit/sync/test_extension_plan.py::test_which_records_say_extended_and_which_replicating",
            "handlers/test_staging_functions.py::test_servers_of_a_staging_account_are_those_that_it_protects_itself",
        ),
    ),
    Mutant(
        name="disconnected-servers-not-excluded",
        breaks=("R11.5",),
        file="service/sync/extension_plan.py",
        before='        and replication.get("dataReplicationState") != "DISCONNECTED"\n',
        after="",
        tests=(
            "unit/sync/test_extension_plan.py::test_which_records_say_extended_and_which_replicating",
            "handlers/test_staging_functions.py::test_servers_of_a_staging_account_are_those_that_it_protects_itself",
        ),
    ),
    Mutant(
        name="active-regions-ignored",
        breaks=("R11.12",),
        file="service/sync/staging_access.py",
        before=("        if given:\n            return ChosenRegions(tuple(sorted(set(given))), were_given=True)\n"),
        after="",
        tests=("handlers/test_staging_functions.py::test_regions_that_the_caller_names_are_read_and_no_others",),
    ),
    Mutant(
        name="every-region-without-given-ones",
        breaks=("R11.12",),
        file="service/sync/staging_access.py",
        before=(
            "            tuple(sorted({scope.region for scope in selection.scopes if scope.account_id in targets})),"
        ),
        after="            self.deps.settings.regions,",
        tests=("handlers/test_staging_functions.py::test_without_regions_those_of_region_status_are_read",),
    ),
    Mutant(
        name="query-function-without-cache",
        breaks=("R10.4",),
        file="service/query_app.py",
        before="cache_s=settings.region_status_cache_seconds,",
        after="cache_s=0,",
        tests=(
            "sync/test_region_status_cache.py::test_a_query_process_answers_from_before_a_sync_of_another_for_as_long_as_its_cache_lasts",
        ),
    ),
    Mutant(
        name="sync-function-without-cache",
        breaks=("R10.4",),
        file="service/app.py",
        before="cache_s=settings.region_status_cache_seconds",
        after="cache_s=0",
        tests=(
            "sync/test_region_status_cache.py::test_one_process_reads_region_status_once_until_its_own_inventory_sync",
        ),
    ),
)
