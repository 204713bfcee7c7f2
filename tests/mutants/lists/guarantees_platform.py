"""Mutants of what the platform reads, and of deployment."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="item-without-the-tags-of-drs",
        breaks=("G10",),
        file="service/inventory/item.py",
        before='"tags": {**server.tags, **(facts.tags if facts else {})},',
        after='"tags": {**(facts.tags if facts else {})},',
        tests=("platform/test_upgrade.py::test_a_fresh_installation",),
    ),
    Mutant(
        name="time-of-files-in-the-package",
        breaks=("G55",),
        file="deploy/package.py",
        before="entry = zipfile.ZipInfo(name, _EPOCH)",
        after="entry = zipfile.ZipInfo.from_file(path, name)",
        tests=("deploy/test_package.py::test_the_same_files_give_the_same_bytes",),
    ),
    Mutant(
        name="notes-of-pip-in-the-package",
        breaks=("G55",),
        file="deploy/package.py",
        before="(RECORD|INSTALLER|REQUESTED)",
        after="(INSTALLER|REQUESTED)",
        tests=("deploy/test_package.py::test_what_goes_in",),
    ),
    Mutant(
        name="image-runs-as-root",
        breaks=("G54",),
        file="deploy/container/Dockerfile",
        before="USER 10001:10001\n",
        after="",
        tests=("container/test_image.py::test_the_image_is_built_without_an_emulator_and_runs_without_root",),
    ),
    Mutant(
        name="export-has-a-name-of-the-platform",
        breaks=("G48",),
        file="deploy/templates/rules.yaml",
        before='"${ProjectName}-${NamePart}tag-sync-rule-${Environment}"',
        after='"${ProjectName}-tag-sync-rule-${Environment}"',
        tests=("deploy/test_beside_platform.py::test_with_schedules_only_the_names_of_their_rules_are_the_platform_s",),
    ),
    Mutant(
        name="concurrency-is-reserved-by-default",
        breaks=("G49",),
        file="deploy/templates/functions.yaml",
        before="!If [ReservesQuery, !Ref QueryReservedConcurrency, !Ref AWS::NoValue]",
        after="!Ref QueryReservedConcurrency",
        tests=(
            "deploy/test_fresh_account.py::test_by_default_no_function_takes_concurrency_from_the_quota_of_a_new_account",
        ),
    ),
    Mutant(
        name="table-goes-with-its-stack",
        breaks=("G50",),
        file="deploy/templates/tables.yaml",
        before=(
            "  DRSRegionStatusTable:\n"
            "    Type: AWS::DynamoDB::Table\n"
            "    Condition: WithTables\n"
            "    DeletionPolicy: RetainExceptOnCreate"
        ),
        after=(
            "  DRSRegionStatusTable:\n"
            "    Type: AWS::DynamoDB::Table\n"
            "    Condition: WithTables\n"
            "    DeletionPolicy: Delete"
        ),
        tests=(
            "deploy/test_templates.py::test_tables_and_logs_go_with_a_failed_creation_and_outlive_every_other_deletion",
        ),
    ),
    Mutant(
        name="alarm-about-every-environment",
        breaks=("G58",),
        file="deploy/templates/monitoring.yaml",
        before=(
            "        - {Name: Environment, Value: !Ref Environment}\n"
            "        - {Name: Operation, Value: sync_source_server_inventory}\n"
            "      Statistic: SampleCount"
        ),
        after=("        - {Name: Operation, Value: sync_source_server_inventory}\n      Statistic: SampleCount"),
        tests=(
            "deploy/test_alarms.py::test_every_alarm_can_be_evaluated_within_a_day_and_reads_the_metrics_of_its_installation",
        ),
    ),
    Mutant(
        name="option-of-the-page-is-gone",
        breaks=("G56",),
        file="service/cli/tables.py",
        before='"--all"',
        after='"--every"',
        tests=("operations/test_commands.py::test_the_commands_of_all_pages_have_options_and_parameters_that_exist",),
    ),
    Mutant(
        name="account-of-origin-is-that-of-the-scan",
        breaks=("G10",),
        file="service/inventory/item.py",
        before=('        "sourceAccountId": source_account,\n        "replicationRegion"'),
        after=('        "sourceAccountId": scope.account_id,\n        "replicationRegion"'),
        tests=("platform/test_upgrade.py::test_a_fresh_installation",),
    ),
    Mutant(
        name="item-of-the-platform-stays",
        breaks=("G12",),
        file="service/inventory/table.py",
        before='        stamps = {name: stored.item.get(name) for name in ("writtenAt", "lastUpdated")}',
        after='        stamps = {"writtenAt": stored.item.get("writtenAt", "")}',
        tests=(
            "platform/test_together.py::test_roll_back_gives_what_theirs_gave_before_and_forward_again_nothing_is_lost",
        ),
    ),
    Mutant(
        name="schedule-that-is-off-exists",
        breaks=("G57",),
        file="deploy/templates/rules.yaml",
        before=(
            "  InventorySyncScheduleRule:\n    Type: AWS::Events::Rule\n    Condition: EnableInventorySyncCondition\n"
        ),
        after=("  InventorySyncScheduleRule:\n    Type: AWS::Events::Rule\n"),
        tests=(
            "deploy/test_beside_platform.py::test_both_event_stacks_stand_side_by_side_and_the_schedules_are_moved_over",
        ),
    ),
)
