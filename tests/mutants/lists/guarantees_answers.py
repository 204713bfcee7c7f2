"""Mutants of what AWS answers: odd records, bad responses, unreachable regions, incomplete queries."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="odd-record-ends-its-scope",
        breaks=("G25",),
        file="service/aws/drs.py",
        before="params, keeps_odd=True):",
        after="params):",
        tests=("aws/test_drs.py::test_an_odd_record_of_a_server_costs_only_itself",),
    ),
    Mutant(
        name="stored-types-are-trusted",
        breaks=("G25",),
        file="service/inventory/table.py",
        before="item={name: value for name, value in item.items() if _EXPECTED.get(name, _is_text)(value)},",
        after="item=item,",
        tests=("odd/test_stored_types.py::test_a_stored_item_keeps_only_what_has_its_type",),
    ),
    Mutant(
        name="body-that-is-no-json-is-empty",
        breaks=("G26",),
        file="service/aws/response_check.py",
        before='        raise ResponseParserError(f"response is not a JSON object ({len(body)} bytes)")\n',
        after="        return\n",
        tests=("wire/test_other_shapes.py::test_an_empty_response_is_a_success_and_a_malformed_one_is_not",),
    ),
    Mutant(
        name="error-body-is-a-success",
        breaks=("G27",),
        file="service/aws/response_check.py",
        before="if len(body) <= _MAX_ERROR_BODY and b'\"__type\"' in body and _names_error_type(body):",
        after="if not body and _names_error_type(body):",
        tests=("wire/test_write_responses.py::test_a_response_that_does_not_show_the_write_is_malformed",),
    ),
    Mutant(
        name="extension-without-a-record-is-done",
        breaks=("G27",),
        file="service/aws/response_check.py",
        before='"CreateExtendedSourceServer": ("sourceServer", "arn"),',
        after='"CreateExtendedSourceServer": (),',
        tests=("wire/test_write_responses.py::test_a_response_that_does_not_show_the_write_is_malformed",),
    ),
    Mutant(
        name="no-network-is-no-servers",
        breaks=("G28",),
        file="service/sync/engine/outcome.py",
        before="return [_failed(result) for result in self._held_back]",
        after="return list(self._held_back)",
        tests=("unit/sync/engine/test_outcome.py::test_where_no_region_responds_the_network_is_at_fault",),
    ),
    Mutant(
        name="circuit-never-opens",
        breaks=("G29",),
        file="service/aws/circuit.py",
        before="_ACCOUNTS_TO_OPEN: Final = 3",
        after="_ACCOUNTS_TO_OPEN: Final = 300",
        tests=("unit/aws/test_circuit.py::test_three_accounts_and_a_probe_open_it",),
    ),
    Mutant(
        name="circuit-stays-open",
        breaks=("G29",),
        file="service/aws/circuit.py",
        before="self._state = _State.HALF_OPEN if is_suspect else _State.CLOSED",
        after="self._state = self._state if is_suspect else _State.CLOSED",
        tests=("unit/aws/test_circuit.py::test_a_new_run_tries_it_with_one_probe",),
    ),
    Mutant(
        name="origin-that-denies-costs-the-scope",
        breaks=("G30",),
        file="service/sync/inventory/scan.py",
        before=(
            '        if error.call.service != "sts":\n'
            "            self.problems.append(error.problem)\n"
            "            return\n"
        ),
        after=("        if error.call.service:\n            self.problems.append(error.problem)\n            return\n"),
        tests=(
            "sync/test_inventory_sync.py::test_an_origin_account_that_cannot_be_entered_costs_details_and_not_the_scope",
        ),
    ),
    Mutant(
        name="origin-that-denies-wipes-details",
        breaks=("G30",),
        file="service/sync/inventory/scan.py",
        before="return scanned if instance is None else replace(scanned, facts=instance_facts(instance))",
        after="return replace(scanned, facts=instance_facts(instance) if instance else None)",
        tests=("sync/test_inventory_sync.py::test_when_ec2_cannot_be_read_tags_and_network_stay",),
    ),
    Mutant(
        name="unknown-scopes-do-not-count",
        breaks=("G47",),
        file="service/queries/completeness.py",
        before="        return not self.unknown\n",
        after="        return not self.status_unavailable\n",
        tests=(
            "unit/queries/test_completeness.py::test_every_scope_has_one_state_and_an_answer_is_complete_if_none_is_unknown",
        ),
    ),
    Mutant(
        name="failed-read-leaves-a-scope-known",
        breaks=("G47",),
        file="service/queries/completeness.py",
        before="    return ScopeState.UNKNOWN if lacks_items else state",
        after="    return state",
        tests=("unit/queries/test_completeness.py::test_what_the_query_read_takes_precedence",),
    ),
    Mutant(
        name="servers-offered-while-groups-are-unknown",
        breaks=("G51",),
        file="service/queries/protection_groups.py",
        before='is_free = group is None and not self.problems and "extensionError" not in server',
        after='is_free = group is None and "extensionError" not in server',
        tests=(
            "unit/queries/test_protection_groups.py::test_no_server_of_a_group_is_offered_and_none_at_all_where_groups_are_unknown",
        ),
    ),
    Mutant(
        name="one-tag-of-a-group-is-enough",
        breaks=("G51",),
        file="service/queries/protection_groups.py",
        before="is_of_account and all(server",
        after="is_of_account and any(server",
        tests=("unit/queries/test_protection_groups.py::test_a_group_has_servers_by_id_or_by_all_of_its_tags",),
    ),
    Mutant(
        name="one-region-read-is-enough-to-find-none",
        breaks=("G52",),
        file="service/queries/staging.py",
        before="            tolerated=_without_servers(result, view),\n",
        after="",
        tests=("queries/test_staging.py::test_nothing_is_discovered_only_where_everything_could_be_read",),
    ),
    Mutant(
        name="excluded-request-is-passed-over",
        breaks=("G53",),
        file="service/sync/engine/runner.py",
        before="    report.warn(*excluded_requests(request, deps.settings))\n",
        after="",
        tests=("unit/sync/engine/test_runner.py::test_a_run_warns_of_what_was_requested_and_is_excluded",),
    ),
    Mutant(
        name="hub-is-skipped-silently",
        breaks=("G53",),
        file="service/sync/staging/sync.py",
        before=(
            '            run.report.warn(Problem("HubNotSynced", why, RegionStatus.ACTIVE, '
            "account_id=account_id, advice=fix))\n"
        ),
        after="",
        tests=("sync/test_staging_sync.py::test_a_hub_is_skipped_and_every_run_says_so_where_it_has_staging_accounts",),
    ),
    Mutant(
        name="uncounted-zero-is-trusted",
        breaks=("G11", "G12"),
        file="service/regions/uncounted.py",
        before=(
            "if region not in request.excluded and (row is None or (row.is_legacy_format and row.server_count == 0))"
        ),
        after="if region not in request.excluded and row is None",
        tests=(
            "unit/regions/test_uncounted.py::test_which_regions_the_inventory_is_asked_about",
            "platform/test_together.py::test_roll_back_gives_what_theirs_gave_before_and_forward_again_nothing_is_lost",
        ),
    ),
)
