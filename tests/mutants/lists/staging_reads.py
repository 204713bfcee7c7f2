"""Mutants of what the functions of the staging sync take for read, for extended, and for a role."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="cache-blind-to-wall-clock",
        breaks=("R10.4",),
        file="service/tenure.py",
        before="return anyio.current_time(), self._now().timestamp()",
        after="return anyio.current_time(), 0.0",
        tests=(
            "sync/test_region_status_cache.py::test_rows_are_read_again_when_they_are_as_old_as_the_setting_allows",
        ),
    ),
    Mutant(
        name="cache-counts-from-end-of-read",
        breaks=("R10.4",),
        file="service/regions/status_reader.py",
        before="self._cached = (tenure, rows)",
        after="self._cached = (Tenure(self._cache_s, self._now), rows)",
        tests=("sync/test_region_status_cache.py::test_the_age_of_cached_rows_counts_from_the_begin_of_their_read",),
    ),
    Mutant(
        name="region-of-one-target-not-shared",
        breaks=("R11.12",),
        file="service/sync/staging_access.py",
        before="shared=True",
        after="shared=False",
        tests=("handlers/test_staging_functions.py::test_without_regions_those_of_region_status_are_read",),
    ),
    Mutant(
        name="query-takes-the-staging-sync",
        breaks=("R11.10",),
        file="service/handlers/query.py",
        before=('        "get_extended_source_servers": Operation(handle_get_extended_source_servers, ScopesRequest),'),
        after=(
            '        "get_extended_source_servers": Operation(handle_get_extended_source_servers, '
            'ScopesRequest, aliases=("sync_staging_accounts",)),'
        ),
        tests=("contract/test_sample_events.py::test_18_the_query_function_refuses_every_operation_that_writes",),
    ),
    Mutant(
        name="unreadable-target-extended-again",
        breaks=("R11.3", "R14.8", "G17"),
        file="service/sync/extensions.py",
        before=(
            "            access, pair.target, active_regions=(pair.region,), "
            "staging_accounts=(pair.staging,)\n"
            "        )\n"
            "    except AwsError as error:\n"
            "        return Unread(pair_problem(error, pair))"
        ),
        after=(
            "            access, pair.target, active_regions=(pair.region,), "
            "staging_accounts=(pair.staging,)\n"
            "        )\n"
            "    except AwsError:\n"
            "        return frozenset()"
        ),
        tests=("sync/test_staging_sync.py::test_when_listing_is_denied_and_a_side_cannot_be_read_nothing_is_extended",),
    ),
    Mutant(
        name="sync-extends-past-the-function",
        breaks=("R11.3", "R14.1"),
        file="service/sync/staging/extend.py",
        before=('await extend_source_server(self._access, self._plan.pair.target, "", "", arn, looks_up=False)'),
        after=('await (await self._access.writer(self._plan.pair.target, "", "")).extend(self._plan.pair.region, arn)'),
        tests=("handlers/test_staging_functions.py::test_the_operations_go_through_the_four_functions",),
    ),
    Mutant(
        name="uninitialised-believed-where-servers-are-known",
        breaks=("R11.4",),
        file="service/sync/extensions.py",
        before="    if not count:\n",
        after="    if True:\n",
        tests=(
            "handlers/test_staging_functions.py::test_drs_that_says_it_is_not_initialised_where_servers_are_known_was_not_read",
        ),
    ),
    Mutant(
        name="rejected-session-taken-for-regions-off",
        breaks=("R11.4",),
        file="service/sync/extensions.py",
        before=" if arns else set()",
        after="",
        tests=(
            "handlers/test_staging_functions.py::test_a_region_that_is_switched_off_has_nothing_if_others_accept_the_session",
        ),
    ),
    Mutant(
        name="region-off-where-servers-are-known",
        breaks=("R11.4",),
        file="service/sync/extensions.py",
        before="off - regions.known_active",
        after="off",
        tests=(
            "handlers/test_staging_functions.py::test_a_region_that_is_switched_off_has_nothing_if_others_accept_the_session",
        ),
    ),
    Mutant(
        name="given-region-off-taken-for-nothing",
        breaks=("R11.4",),
        file="service/sync/extensions.py",
        before="set() if regions.were_given else off - regions.known_active",
        after="off - regions.known_active",
        tests=(
            "handlers/test_staging_functions.py::test_a_region_that_is_switched_off_has_nothing_if_others_accept_the_session",
        ),
    ),
    Mutant(
        name="region-off-is-an-error",
        breaks=("R11.4",),
        file="service/sync/extensions.py",
        before="set() if regions.were_given else off - regions.known_active",
        after="set()",
        tests=(
            "handlers/test_staging_functions.py::test_a_region_that_is_switched_off_has_nothing_if_others_accept_the_session",
        ),
    ),
    Mutant(
        name="repeat-not-looked-up",
        breaks=("R11.3",),
        file="service/sync/staging/extend.py",
        before="        if not looks_up:\n",
        after="        if True:\n",
        tests=("handlers/test_staging_functions.py::test_one_server_is_extended_and_the_repeat_is_a_success",),
    ),
    Mutant(
        name="reason-of-the-look-up-reported",
        breaks=("R11.3",),
        file="service/sync/staging/extend.py",
        before="            raise refusal from None  # the caller",
        after="            raise  # the caller",
        tests=(
            "handlers/test_staging_functions.py::test_why_a_server_is_not_extended_is_reported_even_if_drs_cannot_be_read",
        ),
    ),
    Mutant(
        name="arn-of-another-region-accepted",
        breaks=("R11.5",),
        file="service/sync/extensions.py",
        before="if not is_server_arn(arn, staging_account_id, region)",
        after="if not arn",
        tests=(
            "handlers/test_staging_functions.py::test_a_server_whose_arn_is_of_another_region_is_no_server_to_extend",
        ),
    ),
    Mutant(
        name="role-of-the-caller-ignored",
        breaks=("R14.6",),
        file="service/sync/staging_access.py",
        before="arn=role_arn or recorded.arn",
        after="arn=recorded.arn",
        tests=("handlers/test_staging_functions.py::test_a_role_of_another_account_or_a_wrong_external_id_is_refused",),
    ),
    Mutant(
        name="external-id-of-the-caller-ignored",
        breaks=("R14.6",),
        file="service/sync/staging_access.py",
        before="external_id=external_id or recorded.external_id",
        after="external_id=recorded.external_id",
        tests=("handlers/test_staging_functions.py::test_a_role_of_another_account_or_a_wrong_external_id_is_refused",),
    ),
    Mutant(
        name="any-recorded-account-extended-into",
        breaks=("R11.3",),
        file="service/accounts/access.py",
        before="_recorded(account_id, self._directory.targets)",
        after="_recorded(account_id, {account_id})",
        tests=("hostile/test_entered_accounts.py::test_functions_that_are_given_a_role_enter_recorded_accounts_only",),
    ),
    Mutant(
        name="access-always-writes",
        breaks=("R11.13",),
        file="service/app.py",
        before="AccountAccess(self.aws_client, directory, writes=writes)",
        after="AccountAccess(self.aws_client, directory, writes=True)",
        tests=("handlers/test_staging_functions.py::test_access_that_only_reads_extends_nothing",),
    ),
    Mutant(
        name="staging-accounts-of-no-target",
        breaks=("R11.5",),
        file="service/accounts/records.py",
        before="if account_id == target.account_id or account_id in target.staging",
        after="if account_id == target.account_id",
        tests=("unit/accounts/test_records.py::test_the_targets_of_an_account_are_those_that_it_is_or_replicates_for",),
    ),
    Mutant(
        name="any-arn-extended",
        breaks=("R11.3",),
        file="service/sync/staging/extend.py",
        before="if len(parts) < _ARN_PARTS or not is_server_arn(arn, parts[4], parts[3]):",
        after="if len(parts) < _ARN_PARTS:",
        tests=("handlers/test_staging_functions.py::test_what_is_no_server_is_refused",),
    ),
)
