"""Mutants of the figures that each run logs and publishes (R7)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

_CHOICE: Final = "sync/test_region_choice.py::"
_FILTERED: Final = f"{_CHOICE}test_a_filtered_sync_calls_active_regions_only_and_logs_what_that_saved"
_REPORT: Final = "unit/sync/engine/test_report.py::"
_ADD_UP: Final = f"{_REPORT}test_scopes_servers_and_regions_add_up"
_SAVED: Final = f"{_REPORT}test_what_the_choice_of_regions_saved"
_SWITCHED_OFF: Final = f"{_REPORT}test_a_call_that_found_the_region_switched_off_was_not_saved"
_RUN: Final = "unit/sync/engine/test_runner.py::test_the_report_says_how_long_the_run_took_and_what_the_filter_saved"
_SHARDS: Final = "unit/sync/engine/test_shards.py::test_the_report_of_all_has_the_figures_of_a_single_run"
_QUERY: Final = "queries/test_inventory.py::test_each_query_logs_one_line"
_METRICS: Final = (
    "unit/test_metrics.py::test_all_metrics_are_one_line_without_dimensions_by_operation_and_by_installation"
)
_COUNTED: Final = "unit/test_metrics.py::test_what_a_report_counts_for_the_alarms"

_REPORT_FILE: Final = "service/sync/engine/report.py"
_METRICS_FILE: Final = "service/sync/engine/metrics.py"
_SHARDS_FILE: Final = "service/sync/engine/shards.py"
_APP: Final = "service/app.py"

MUTANTS: Final = (
    Mutant(
        name="sync-finished-not-logged",
        breaks=("R2.4", "R2.5", "R4.5", "R7.1", "R7.2", "R7.3", "R7.4"),
        file=_APP,
        before="        self.log_report(report)\n",
        after="",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="staging-sync-logs-and-measures-nothing",
        breaks=("R7.1", "R7.2", "R7.5"),
        file=_APP,
        before="return await self.publish(\n            await auto_extend_staging_servers(",
        after="return dict(\n            await auto_extend_staging_servers(",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="inventory-sync-logs-and-measures-nothing",
        breaks=("R4.5", "R7.1", "R7.2", "R7.5"),
        file=_APP,
        before="return await self.publish(await sync_inventory(request, self.deps, self.templates, progress))",
        after="return await sync_inventory(request, self.deps, self.templates, progress)",
        tests=(_FILTERED,),
    ),
    *(
        Mutant(
            name=name,
            breaks=(number,),
            file=_METRICS_FILE,
            before='{"errors", "warnings",',
            after=f'{{"{member}", "errors", "warnings",',
            tests=(_FILTERED,),
        )
        for name, number, member in (
            ("regions-scanned-left-out-of-the-log", "R7.1", "regionsScanned"),
            ("duration-left-out-of-the-log", "R7.2", "durationSeconds"),
            ("regions-skipped-left-out-of-the-log", "R7.3", "regionsSkipped"),
            ("reduction-left-out-of-the-log", "R7.4", "apiCallReductionPercent"),
            ("time-saved-left-out-of-the-log", "R2.5", "timeSavedSeconds"),
        )
    ),
    Mutant(
        name="regions-of-the-run-counted-as-scanned",
        breaks=("R7.1",),
        file=_REPORT_FILE,
        before='"regionsScanned": len(self.scanned),',
        after='"regionsScanned": len(run.regions),',
        tests=(_FILTERED,),
    ),
    Mutant(
        name="region-of-two-shards-counted-twice",
        breaks=("R7.1",),
        file=_SHARDS_FILE,
        before='"regionsScanned": len(regions["scanned"]),',
        after='"regionsScanned": sum(len(each["regions"]["scanned"]) for each in summaries),',
        tests=(_SHARDS,),
    ),
    Mutant(
        name="duration-always-zero",
        breaks=("R7.2",),
        file=_REPORT_FILE,
        before='"durationSeconds": round(run.duration_s, 3),',
        after='"durationSeconds": 0.0,',
        tests=(_RUN, _FILTERED),
    ),
    Mutant(
        name="duration-in-milliseconds",
        breaks=("R7.2",),
        file=_REPORT_FILE,
        before='"durationSeconds": round(run.duration_s, 3),',
        after='"durationSeconds": round(1000 * run.duration_s, 3),',
        tests=(_RUN, _FILTERED),
    ),
    Mutant(
        name="seconds-of-scans-taken-for-the-duration",
        breaks=("R7.2",),
        file=_REPORT_FILE,
        before='"durationSeconds": round(run.duration_s, 3),',
        after='"durationSeconds": round(self.seconds, 3),',
        tests=(_RUN,),
    ),
    Mutant(
        name="duration-of-all-shards-always-zero",
        breaks=("R7.2",),
        file=_SHARDS_FILE,
        before='"durationSeconds": round(duration_s, 3),',
        after='"durationSeconds": 0.0,',
        tests=(_SHARDS,),
    ),
    Mutant(
        name="duration-of-a-query-not-logged",
        breaks=("R7.2",),
        file="service/queries/answer.py",
        before='            "durationSeconds": round(result.seconds, 3),\n',
        after="",
        tests=(_QUERY,),
    ),
    Mutant(
        name="duration-of-a-query-always-zero",
        breaks=("R7.2",),
        file="service/queries/scope_reader.py",
        before="tuple(problems), seconds)",
        after="tuple(problems))",
        tests=(_QUERY,),
    ),
    Mutant(
        name="regions-skipped-always-zero",
        breaks=("R7.3",),
        file=_REPORT_FILE,
        before='"regionsSkipped": len(skipped),',
        after='"regionsSkipped": 0,',
        tests=(_FILTERED, _RUN),
    ),
    Mutant(
        name="skipped-regions-are-no-regions-of-the-run",
        breaks=("R7.3",),
        file=_REPORT_FILE,
        before="scopes = [*selection.scopes, *selection.skipped, *selection.left_out]",
        after="scopes = [*selection.scopes]",
        tests=(_FILTERED, _RUN),
    ),
    Mutant(
        name="switched-off-region-counted-as-scanned",
        breaks=("R7.3",),
        file=_REPORT_FILE,
        before="        if result.coverage is not Coverage.SKIPPED:\n            self.scanned[region] += 1",
        after="        self.scanned[region] += 1",
        tests=(_SWITCHED_OFF,),
    ),
    Mutant(
        name="region-that-another-shard-scanned-counted-as-skipped",
        breaks=("R7.3",),
        file=_SHARDS_FILE,
        before='regions["skipped"] = [region for region in regions["skipped"] if region not in regions["scanned"]]',
        after='regions["skipped"] = list(regions["skipped"])',
        tests=(_SHARDS,),
    ),
    Mutant(
        name="reduction-always-zero",
        breaks=("R7.4",),
        file=_REPORT_FILE,
        before='"apiCallReductionPercent": round(100 * self.skipped_scopes / full, 1) if full else 0.0,',
        after='"apiCallReductionPercent": 0.0,',
        tests=(_SAVED, _FILTERED, _RUN),
    ),
    Mutant(
        name="reduction-as-a-share",
        breaks=("R7.4",),
        file=_REPORT_FILE,
        before='"apiCallReductionPercent": round(100 * self.skipped_scopes / full, 1) if full else 0.0,',
        after='"apiCallReductionPercent": round(self.skipped_scopes / full, 3) if full else 0.0,',
        tests=(_SAVED, _FILTERED, _RUN),
    ),
    Mutant(
        name="reduction-of-all-shards-always-zero",
        breaks=("R7.4",),
        file=_SHARDS_FILE,
        before='"apiCallReductionPercent": round(100 * saved / full, 1) if full else 0.0,',
        after='"apiCallReductionPercent": 0.0,',
        tests=(_SHARDS,),
    ),
    Mutant(
        name="skipped-scopes-not-counted",
        breaks=("R7.4", "R2.5"),
        file="service/sync/engine/runner.py",
        before="    report.skip(context.selection.skipped)\n",
        after="",
        tests=(_FILTERED, _RUN),
    ),
    Mutant(
        name="scopes-without-work-counted-as-saved",
        breaks=("R7.4",),
        file="service/sync/engine/runner.py",
        before="report.leave_out(context.selection.left_out)",
        after="report.skip(context.selection.left_out)",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="metrics-not-published",
        breaks=("R7.5",),
        file=_APP,
        before='        await publish_metrics(self.settings, {**report, "operation": metrics_operation(report)},'
        " figures_of(report))\n",
        after="",
        tests=(_FILTERED,),
    ),
    Mutant(
        name="metrics-collected-and-not-written",
        breaks=("R7.5",),
        file="service/metrics.py",
        before="    await logger.flush()\n",
        after="",
        tests=(_FILTERED, _METRICS),
    ),
    Mutant(
        name="scanned-regions-published-as-active",
        breaks=("R7.5",),
        file=_METRICS_FILE,
        before='"activeRegionCount": report["regionsActive"],',
        after='"activeRegionCount": report["regionsScanned"],',
        tests=(_COUNTED,),
    ),
    Mutant(
        name="fallback-never-published",
        breaks=("R7.5",),
        file=_METRICS_FILE,
        before='int(source.is_fallback and scopes["asked"] > 0)',
        after="0",
        tests=(_COUNTED,),
    ),
    Mutant(
        name="regions-skipped-published-of-full-scans-alone",
        breaks=("R7.5",),
        file=_METRICS_FILE,
        before='report["regionsSkipped"] if source.is_filtered else None',
        after='None if source.is_filtered else report["regionsSkipped"]',
        tests=(_COUNTED, _FILTERED),
    ),
    Mutant(
        name="metrics-in-a-namespace-of-their-own",
        breaks=("R7.5",),
        file="service/metrics.py",
        before='NAMESPACE: Final = "DRSOrchestration/ActiveRegionFiltering"',
        after='NAMESPACE: Final = "DrsSync"',
        tests=(_METRICS,),
    ),
)
