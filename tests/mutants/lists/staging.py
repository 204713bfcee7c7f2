"""Mutants of the staging sync, of its functions and of old record formats: R14, and the guarantees about it."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="repeated-page-token-ends-the-list",
        breaks=("R14.8", "G7"),
        file="service/aws/pagination.py",
        before='            raise AwsError("MalformedResponse", f"{cursor} repeats", call)',
        after="            return",
        tests=("aws/test_client.py::test_a_token_that_goes_in_circles_is_an_error",),
    ),
    Mutant(
        name="unread-side-of-a-plan-is-empty",
        breaks=("G17",),
        file="service/sync/extension_plan.py",
        before="        return Plan(pair, held_back=extended.problem)",
        after="        extended = frozenset()",
        tests=("unit/sync/test_extension_plan.py::test_nothing_is_extended_because_of_a_side_that_was_not_read",),
    ),
    Mutant(
        name="unusable-record-of-a-target-passed-over",
        breaks=("R14.8", "G17"),
        file="service/sync/extensions.py",
        before=(
            "    if odd is not None:\n"
            '        raise AwsError("MalformedResponse", f"{name_of_record(odd)}: {odd.why}", call)'
        ),
        after=("    if odd is not None:\n        return"),
        tests=(
            "sync/test_staging_sync.py::test_when_listing_is_denied_and_a_record_cannot_be_used_its_pair_is_held_back",
        ),
    ),
    Mutant(
        name="failed-list-is-an-empty-one",
        breaks=("R14.8", "G17"),
        file="service/sync/extensions.py",
        before="return plan_extensions(pair, Unread(pair_problem(error, pair)))",
        after="return plan_extensions(pair, ())",
        tests=("sync/test_staging_sync.py::test_a_list_that_fails_holds_back_its_pair_alone",),
    ),
    Mutant(
        name="server-of-another-run-counts-as-failed",
        breaks=("R14.9",),
        file="service/sync/staging/extend.py",
        before="            if arn in present:\n",
        after='            if arn in present and error.code == "ConflictException":\n',
        tests=("sync/test_staging_sync.py::test_two_runs_at_once_extend_each_server_once",),
    ),
    Mutant(
        name="extended-ones-are-extended-again",
        breaks=("G17",),
        file="service/sync/extension_plan.py",
        before="tuple(sorted(set(extensible) - set(extended)))",
        after="tuple(sorted(set(extensible)))",
        tests=("unit/sync/test_extension_plan.py::test_nothing_is_extended_because_of_a_side_that_was_not_read",),
    ),
    Mutant(
        name="unclear-extension-counts-as-done",
        breaks=("R14.8", "G27"),
        file="service/sync/staging/extend.py",
        before="            return arn, _Attempt.UNCLEAR\n",
        after="            return arn, _Attempt.EXTENDED\n",
        tests=("sync/test_staging_sync.py::test_what_stays_unclear_counts_as_failed_and_is_tried_by_the_next_run",),
    ),
    Mutant(
        name="extended-servers-wait-for-discovery",
        breaks=("R14.2", "R14.10"),
        file="service/sync/staging/scan.py",
        before="if self.extended and not self._is_known:",
        after="if self.extended and self._is_known:",
        tests=("sync/test_staging_sync.py::test_new_servers_are_due_a_scan_of_the_inventory_sync",),
    ),
    Mutant(
        name="nothing-is-extended",
        breaks=("R14.2", "R14.10"),
        file="service/sync/staging/scan.py",
        before=("        if not self._tools.dry_run:\n            await self._extend()"),
        after=("        if self._tools.dry_run:\n            await self._extend()"),
        tests=("sync/test_staging_sync.py::test_it_extends_what_is_new_and_the_second_time_nothing",),
    ),
    Mutant(
        name="idle-regions-are-scanned",
        breaks=("R14.5", "R14.12"),
        file="service/regions/selection.py",
        before="            idle.append(candidate)\n",
        after="            selected[scope] = ScanReason.DISCOVERY\n",
        tests=("sync/test_staging_sync.py::test_it_extends_what_is_new_and_the_second_time_nothing",),
    ),
    Mutant(
        name="idle-regions-are-tagged",
        breaks=("R14.12",),
        file="service/regions/selection.py",
        before="            idle.append(candidate)\n",
        after="            selected[scope] = ScanReason.ACTIVE\n",
        tests=("sync/test_tag_sync.py::test_a_fallback_fills_the_status_table_and_the_next_run_is_filtered",),
    ),
    Mutant(
        name="functions-read-every-region",
        breaks=("R14.5",),
        file="service/sync/staging_access.py",
        before="tuple(sorted({scope.region for scope in selection.scopes if scope.account_id in targets})),",
        after="tuple(sorted({scope.region for scope in (*selection.scopes, *selection.skipped)})),",
        tests=("handlers/test_staging_functions.py::test_without_regions_those_of_region_status_are_read",),
    ),
    Mutant(
        name="role-of-another-account-accepted",
        breaks=("R14.6",),
        file="service/accounts/records.py",
        before='        if match["account"] != account_id:\n',
        after='        if not match["account"]:\n',
        tests=("handlers/test_staging_functions.py::test_a_role_of_another_account_or_a_wrong_external_id_is_refused",),
    ),
    Mutant(
        name="extension-not-sent",
        breaks=("R14.7",),
        file="service/sync/staging/extend.py",
        before="        record = await writer.extend(region, staging_server_arn)\n",
        after=(
            '        record = {"arn": staging_server_arn, "stagingArea": {"stagingSourceServerArn": '
            "staging_server_arn}}\n"
        ),
        tests=("handlers/test_staging_functions.py::test_one_server_is_extended_and_the_repeat_is_a_success",),
    ),
    Mutant(
        name="unread-region-has-nothing",
        breaks=("R14.1", "G61"),
        file="service/sync/extensions.py",
        before="        raise failures[unread[0]]\n",
        after="        del failures[unread[0]]\n",
        tests=(
            "handlers/test_staging_functions.py::test_a_region_that_cannot_be_read_is_an_error_and_not_an_empty_set",
        ),
    ),
    Mutant(
        name="body-overrules-the-path",
        breaks=("R14.4", "G39"),
        file="service/handlers/router.py",
        before="{**(query if isinstance(query, Mapping) else {}), **(body or {}), **path_params}",
        after="{**path_params, **(query if isinstance(query, Mapping) else {}), **(body or {})}",
        tests=("unit/handlers/test_router.py::test_a_member_of_the_path_cannot_be_overruled",),
    ),
)
