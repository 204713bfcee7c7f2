"""Mutants of original topology: R13, and the guarantees about it."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="configurations-read-beyond-the-scopes-time",
        breaks=("R13.3",),
        file="service/sync/inventory/replication_reader.py",
        before="deadline=began + share * time_s)",
        after="deadline=began + share * time_s + 1e9)",
        tests=(
            "unit/sync/inventory/test_replication_reader.py::test_what_there_is_no_time_for_is_left_to_the_next_scan",
        ),
    ),
    Mutant(
        name="refused-write-counts-as-written",
        breaks=("R13.4", "G14"),
        file="service/aws/transactions.py",
        before='    if reason.code == "ConditionalCheckFailed":\n        return False\n',
        after='    if reason.code == "ConditionalCheckFailed":\n        return True\n',
        tests=("aws/test_transactions.py::test_a_refused_write_costs_only_itself",),
    ),
    Mutant(
        name="refused-write-keeps-the-others-from-being-written",
        breaks=("R13.9",),
        file="service/aws/transactions.py",
        before="        return [rest] if rest else []\n",
        after="        self._outcomes.update(dict.fromkeys(rest, False))\n        return []\n",
        tests=("aws/test_transactions.py::test_a_refused_write_costs_only_itself",),
    ),
    Mutant(
        name="region-of-origin-not-recorded",
        breaks=("R13.1", "R13.6"),
        file="service/topology/origin.py",
        before=(
            "        _REGION: server.origin_region,\n"
            '        "originalSourceAccountId": server.origin_account,\n'
            "        _INSTANCE"
        ),
        after=('        "originalSourceAccountId": server.origin_account,\n        _INSTANCE'),
        tests=("unit/topology/test_original.py::test_the_originals_of_a_server_recovered_in_another_region",),
    ),
    Mutant(
        name="replication-region-is-that-of-the-origin",
        breaks=("R13.1",),
        file="service/topology/original.py",
        before='"originalReplicationRegion": server.lineage.split(":")[3],',
        after='"originalReplicationRegion": server.origin_region,',
        tests=("unit/topology/test_original.py::test_the_originals_of_a_server_recovered_in_another_region",),
    ),
    Mutant(
        name="account-of-the-scan-is-the-original",
        breaks=("R13.2",),
        file="service/topology/original.py",
        before='"originalAccountId": server.staging_account or scope.account_id,',
        after='"originalAccountId": scope.account_id,',
        tests=(
            "unit/topology/test_original.py::test_an_extended_record_shares_the_topology_of_the_server_that_replicates",
        ),
    ),
    Mutant(
        name="template-id-not-recorded",
        breaks=("R13.3", "R13.6"),
        file="service/topology/original.py",
        before="        TEMPLATE_ID: choose_template(templates or (), None),\n",
        after="",
        tests=("unit/topology/test_original.py::test_the_originals_of_a_server_recovered_in_another_region",),
    ),
    Mutant(
        name="first-of-several-templates-is-named",
        breaks=("R13.3",),
        file="service/topology/original.py",
        before="return str(candidates[0][_OWN_ID]) if len(candidates) == 1 else None",
        after="return str(candidates[0][_OWN_ID]) if candidates else None",
        tests=("unit/topology/test_original.py::test_a_template_is_named_only_when_it_is_the_only_one_that_fits",),
    ),
    Mutant(
        name="configuration-not-recorded",
        breaks=("R13.3",),
        file="service/topology/original.py",
        before="        _CONFIGURATION: configuration,\n",
        after="",
        tests=("sync/test_inventory_sync.py::test_items_carry_the_record_the_instance_and_the_origin",),
    ),
    Mutant(
        name="fill-overwrites-what-is-there",
        breaks=("R13.4", "G14", "G46"),
        file="service/aws/conditional_write.py",
        before='",".join(f"#{name}=if_not_exists(#{name},:{name})" for name in assign)',
        after='",".join(f"#{name}=:{name}" for name in assign)',
        tests=(
            "sync/test_races.py::test_details_that_come_later_change_no_original",
            "dynalite/test_writes.py::test_an_original_is_written_once_and_only_filled_up",
            "aws/test_dynamodb.py::test_conditions_hold_against_a_real_table",
        ),
    ),
    Mutant(
        name="second-sight-replaces-the-original",
        breaks=("R13.4", "R13.9", "G14"),
        file="service/topology/table.py",
        before='put(each, "attribute_not_exists( #pk )") for each',
        after='put(each, "attribute_not_exists( #pk ) OR attribute_exists( #pk )") for each',
        tests=("sync/test_races.py::test_details_that_come_later_change_no_original",),
    ),
    Mutant(
        name="reversed-server-is-an-original",
        breaks=("R13.4",),
        file="service/topology/original.py",
        before=("    if not server.is_forward:\n        raise"),
        after=("    if not server.arn:\n        raise"),
        tests=("unit/topology/test_original.py::test_a_reversed_server_is_no_source_of_originals",),
    ),
    Mutant(
        name="moved-server-fills-its-origin",
        breaks=("R13.4", "G14", "G15"),
        file="service/topology/origin.py",
        before=(
            "    if any(known.get(name) and reported.get(name) and known[name] != reported[name] for name "
            "in _PLACE):\n"
            "        return {}\n"
        ),
        after="",
        tests=("unit/topology/test_origin.py::test_a_server_that_has_moved_fills_nothing",),
    ),
    Mutant(
        name="failback-route-removed",
        breaks=("R13.5",),
        file="service/handlers/query.py",
        before='    Route("GET", "/drs/failback", "get_failback_topology"),\n',
        after="",
        tests=("failback/test_command.py::test_the_function_answers_route_and_operation",),
    ),
    Mutant(
        name="originals-not-in-the-answer",
        breaks=("R13.5", "R13.6"),
        file="service/queries/failback/query.py",
        before='return FailbackAnswer({"id": name, **as_json(facts, runbook)},',
        after='return FailbackAnswer({"id": name},',
        tests=("failback/test_command.py::test_the_function_answers_route_and_operation",),
    ),
    Mutant(
        name="older-template-id-not-read",
        breaks=("R13.6", "R14.11"),
        file="service/topology/original.py",
        before="named[TEMPLATE_ID] = named[TEMPLATE_ID] or item.get(LEGACY_TEMPLATE_ID) or None",
        after="named[TEMPLATE_ID] = named[TEMPLATE_ID] or None",
        tests=("unit/topology/test_original.py::test_the_template_id_is_read_in_both_spellings",),
    ),
    Mutant(
        name="installer-without-account",
        breaks=("R13.7",),
        file="service/queries/failback/runbook.py",
        before="conditions = (*installation.installer_preconditions(), *installation.fresh_preconditions())",
        after="conditions = tuple(installation.fresh_preconditions())",
        tests=("failback/test_runbook.py::test_the_text_is_what_was_read_and_agreed",),
    ),
    Mutant(
        name="unknown-origin-gets-a-way",
        breaks=("R13.7", "G16"),
        file="service/queries/failback/decision.py",
        before="        return _decision(Way.UNKNOWN, *_unknown_origin(facts))",
        after="        return _decision(Way.FRESH, *_unknown_origin(facts))",
        tests=("failback/test_runbook.py::test_without_a_known_origin_every_step_only_reads",),
    ),
    Mutant(
        name="late-capture-not-warned-of",
        breaks=("R13.8",),
        file="service/sync/inventory/topology_warnings.py",
        before='if topology["captureMethod"] != "late":',
        after='if topology["captureMethod"] in {"late", "first_sight"}:',
        tests=("failback/test_survival.py::test_what_is_seen_late_or_without_origin_is_warned_of",),
    ),
    Mutant(
        name="unknown-origin-not-warned-of",
        breaks=("R13.8",),
        file="service/sync/inventory/topology_warnings.py",
        before="worth_a_warning = not is_origin_known(topology) and is_described(server)",
        after="worth_a_warning = not is_origin_known(topology) and not is_described(server)",
        tests=("failback/test_survival.py::test_what_is_seen_late_or_without_origin_is_warned_of",),
    ),
    Mutant(
        name="failback-page-without-the-route",
        breaks=("R13.10",),
        file="docs/failback.md",
        before="`GET /drs/failback?id=<name>`",
        after="`GET /failback?id=<name>`",
        tests=("failback/test_documents.py::test_the_route_and_the_operation_of_the_page_are_there",),
    ),
    Mutant(
        name="failback-page-lacks-an-attribute",
        breaks=("R13.10",),
        file="service/topology/origin.py",
        before='FILLED_LATE: Final = "originFilledLate"',
        after='FILLED_LATE: Final = "originFilledAfterLaunch"',
        tests=("failback/test_documents.py::test_the_page_names_every_way_and_every_attribute",),
    ),
    Mutant(
        name="on-premises-is-guessed",
        breaks=("G15",),
        file="service/topology/origin.py",
        before='return environment_fill(ON_PREMISES, "vmWareUuid") if server.vmware_uuid else {}',
        after='return environment_fill(ON_PREMISES, "vmWareUuid")',
        tests=("unit/topology/test_origin.py::test_a_guess_of_an_earlier_version_is_not_taken_over",),
    ),
    Mutant(
        name="origin-filled-without-condition",
        breaks=("G15",),
        file="service/topology/table.py",
        before="unchanged=ORIGIN,",
        after="unchanged=(),",
        tests=("sync/test_races.py::test_an_origin_that_another_run_fills_meanwhile_stays",),
    ),
)
