"""Mutants of how both functions are reached: schedules, routes, operations, and the shape of answers."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="hourly-event-not-recognised",
        breaks=("R8.4",),
        file="service/handlers/data_management/__init__.py",
        before='("synch_tags" in event or "synch_instance_type" in event)',
        after='("sync_tags" in event or "sync_instance_type" in event)',
        tests=(
            "contract/test_sample_events.py::test_1_the_hourly_rule_syncs_tags",
            "contract/test_sample_events.py::test_1_the_presence_of_either_word_selects_the_tag_sync",
        ),
    ),
    Mutant(
        name="hourly-event-recognised-by-its-value",
        breaks=("R8.4", "R14.3"),
        file="service/handlers/data_management/__init__.py",
        before='("synch_tags" in event or "synch_instance_type" in event)',
        after='(event.get("synch_tags") or event.get("synch_instance_type"))',
        tests=("contract/test_sample_events.py::test_1_the_presence_of_either_word_selects_the_tag_sync",),
    ),
    Mutant(
        name="hourly-event-recognised-by-one-word",
        breaks=("R8.4", "R14.3"),
        file="service/handlers/data_management/__init__.py",
        before='("synch_tags" in event or "synch_instance_type" in event)',
        after='"synch_tags" in event',
        tests=("contract/test_sample_events.py::test_1_the_presence_of_either_word_selects_the_tag_sync",),
    ),
    Mutant(
        name="source-of-the-hourly-sync-not-told",
        breaks=("R8.4",),
        file="service/handlers/data_management/__init__.py",
        before='Params({"_sync_source": "eventbridge"}, remaining_s)',
        after="Params({}, remaining_s)",
        tests=("contract/test_sample_events.py::test_1_the_hourly_rule_syncs_tags",),
    ),
    Mutant(
        name="hourly-event-answered-without-envelope",
        breaks=("R8.4",),
        file="service/handlers/data_management/__init__.py",
        before="return envelope(response.status, response.body)",
        after="return dict(response.body)",
        tests=(
            "contract/test_sample_events.py::test_1_the_hourly_rule_syncs_tags",
            "contract/test_sample_events.py::test_1_the_presence_of_either_word_selects_the_tag_sync",
        ),
    ),
    Mutant(
        name="staging-sync-less-often",
        breaks=("R8.4",),
        file="deploy/templates/rules.yaml",
        before="rate(5 minutes)",
        after="rate(1 hour)",
        tests=("deploy/test_templates.py::test_schedules_and_payloads_are_those_of_the_platform",),
    ),
    Mutant(
        name="payload-of-the-staging-schedule-changed",
        breaks=("R8.4",),
        file="deploy/templates/rules.yaml",
        before='\'{"operation": "sync_staging_accounts"}\'',
        after='\'{"operation": "sync_staging"}\'',
        tests=("deploy/test_templates.py::test_schedules_and_payloads_are_those_of_the_platform",),
    ),
    Mutant(
        name="rule-of-the-tag-schedule-renamed",
        breaks=("R8.4",),
        file="deploy/templates/rules.yaml",
        before="${ProjectName}-tag-sync-schedule-${Environment}",
        after="${ProjectName}-tag-sync-${Environment}",
        tests=("deploy/test_templates.py::test_schedules_and_payloads_are_those_of_the_platform",),
    ),
    Mutant(
        name="inventory-schedule-disabled",
        breaks=("R8.4",),
        file="deploy/templates/rules.yaml",
        before="      ScheduleExpression: rate(15 minutes)\n      State: ENABLED",
        after="      ScheduleExpression: rate(15 minutes)\n      State: DISABLED",
        tests=("deploy/test_templates.py::test_schedules_and_payloads_are_those_of_the_platform",),
    ),
    Mutant(
        name="total-of-a-page-is-its-length",
        breaks=("R8.5",),
        file="service/queries/inventory.py",
        before="total = params.cursor.total if params.cursor else counts.total()",
        after="total = params.cursor.total if params.cursor else len(counts)",
        tests=("contract/test_sample_events.py::test_24_the_inventory_when_it_is_fresh",),
    ),
    Mutant(
        name="route-of-the-last-tag-sync-removed",
        breaks=("R8.5",),
        file="service/handlers/data_management/__init__.py",
        before='    Route("GET", "/drs/tag-sync", "get_last_tag_sync_status"),\n',
        after="",
        tests=(
            "contract/test_routes_and_operations.py::test_each_route_of_the_platform_reaches_its_handler",
            "contract/test_sample_events.py::test_13_no_history",
        ),
    ),
    Mutant(
        name="route-of-the-tag-settings-removed",
        breaks=("R8.5",),
        file="service/handlers/data_management/__init__.py",
        before='    Route("PUT", "/config/tag-sync", "update_tag_sync_settings"),\n',
        after="",
        tests=("contract/test_routes_and_operations.py::test_each_route_of_the_platform_reaches_its_handler",),
    ),
    Mutant(
        name="path-without-targets-not-served",
        breaks=("R8.5",),
        file="service/handlers/query.py",
        before='    Route("GET", "/accounts/{id}/staging-accounts/discover", "discover_staging_accounts", _TARGET),\n',
        after="",
        tests=("contract/test_routes_and_operations.py::test_each_route_of_the_platform_reaches_its_handler",),
    ),
    Mutant(
        name="trigger-tag-sync-not-recognised",
        breaks=("R8.5",),
        file="service/handlers/data_management/__init__.py",
        before='aliases=("trigger_tag_sync", "sync_tags")',
        after='aliases=("sync_tags",)',
        tests=("contract/test_routes_and_operations.py::test_each_operation_of_the_platform_reaches_its_handler",),
    ),
    Mutant(
        name="target-in-the-path-ignored",
        breaks=("R8.5",),
        file="service/handlers/data_management/__init__.py",
        before='_TARGET: Final = MappingProxyType({"id": "targetAccountId"})',
        after='_TARGET: Final = MappingProxyType({"id": "accountId"})',
        tests=("contract/test_routes_and_operations.py::test_each_route_of_the_platform_reaches_its_handler",),
    ),
    Mutant(
        name="any-method-of-a-known-path",
        breaks=("R8.5",),
        file="service/handlers/router.py",
        before="route.match(path) if route.method == method else None",
        after="route.match(path)",
        tests=("contract/test_sample_events.py::test_27_an_unknown_route_or_method",),
    ),
    Mutant(
        name="parameters-beside-the-operation-ignored",
        breaks=("R8.5",),
        file="service/handlers/router.py",
        before='{} if self._params_key == "body" else _top_level_params(event, self._params_key)',
        after="{}",
        tests=("contract/test_sample_events.py::test_19_and_20_staging_accounts_on_record",),
    ),
    Mutant(
        name="code-of-an-empty-operation-changed",
        breaks=("R8.5",),
        file="service/handlers/data_management/__init__.py",
        before='malformed_code="INVALID_EVENT_FORMAT"',
        after='malformed_code="INVALID_OPERATION"',
        tests=("contract/test_sample_events.py::test_9_and_10_unknown_and_empty_operations",),
    ),
    Mutant(
        name="security-header-left-out",
        breaks=("R8.5",),
        file="service/handlers/responses.py",
        before='        "X-Frame-Options": "DENY",\n',
        after="",
        tests=("unit/handlers/test_responses.py::test_the_envelope_of_the_api",),
    ),
    Mutant(
        name="direct-answers-in-an-envelope",
        breaks=("R8.5",),
        file="service/handlers/router.py",
        before='return dict(self.perform(event["operation"], params, failure_code=self._failure_code).body)',
        after=(
            'response = self.perform(event["operation"], params, failure_code=self._failure_code)\n'
            "        return envelope(response.status, response.body)"
        ),
        tests=(
            "contract/test_sample_events.py::test_4_inventory_sync",
            "contract/test_routes_and_operations.py::test_each_operation_of_the_platform_reaches_its_handler",
        ),
    ),
)
