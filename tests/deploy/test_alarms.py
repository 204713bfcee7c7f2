"""The alarms, evaluated over metrics of real syncs: which ring in which sandbox, and that none does in a healthy one.

Syncs run against the sandbox; the metrics that they emitted are replayed on the schedules for thirty hours.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any, Final

import pytest

from service.app import App, open_app
from service.context import SyncRequest
from service.metrics import NAMESPACE
from service.settings import load_settings
from service.sync.coverage.choice import CoverageRequest
from tests.deploy.alarm_states import CLOCKS, STEP_S, Clock, Metrics, ringing
from tests.deploy.resolving import resolved
from tests.deploy.templates import FOLDER, Template, of_type, template
from tests.support.sandbox import EngineSandbox, Names, new_account_id

pytestmark = pytest.mark.deep

PROJECT: Final = "hrp"
INSTALLATION: Final = {"ProjectName": PROJECT, "Environment": "dev", "AlarmTopicArn": "topic"}
FUNCTIONS: Final = {
    "DataManagementHandlerFunctionName": "d",
    "QueryHandlerFunctionName": "q",
    "SyncDeadLetterQueueName": "dlq",
}
SWITCHES: Final = ("EnableTagSync", "EnableStagingAccountSync", "EnableInventorySync")
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY_AND_MORE: Final = 30 * HOUR
# Operation -> (seconds between two runs, seconds from a start to its report). The slowest run that is no failure.
SCHEDULES: Final = {
    "sync_staging_accounts": (5 * MINUTE, 100.0),
    "sync_source_server_inventory": (15 * MINUTE, 590.0),
    "sync_tags": (HOUR, 590.0),
}
INVENTORY, STAGING, TAGS = "sync_source_server_inventory", "sync_staging_accounts", "sync_tags"
COVERAGE: Final = "sync_coverage"
DAY: Final = 24 * HOUR
TAG_RULE: Final = {"RuleName": f"{PROJECT}-tag-sync-schedule-dev"}
Emitted = Mapping[str, Sequence[Mapping[str, Any]]]
"""Operation -> the EMF documents of its runs, one after another."""


def stack(**parameters: str) -> Template:
    return resolved(template("monitoring.yaml"), {**INSTALLATION, **FUNCTIONS, **parameters})


def replayed(emitted: Emitted, *, until_s: Mapping[str, float] | None = None, tag_interval_s: float = HOUR) -> Metrics:
    """Return the metrics of thirty hours on the schedules; after its last document an operation repeats that.

    Args:
        emitted: what the syncs emitted.
        until_s: operation -> when it stops to finish, if it does. Its rule goes on starting it.
        tag_interval_s: rate of the tag sync's rule.
    """
    metrics = Metrics()
    for operation, documents in emitted.items():
        interval, latency = SCHEDULES[operation]
        interval = tag_interval_s if operation == TAGS else interval
        for run in range(int(DAY_AND_MORE // interval)):
            at_s = (run + 1) * interval
            if operation == TAGS:
                metrics.add("AWS/Events", TAG_RULE, at_s, {"TriggeredRules": 1})
            if at_s < (until_s or {}).get(operation, DAY_AND_MORE):
                document = documents[min(run, len(documents) - 1)]
                [directive] = document["_aws"]["CloudWatchMetrics"]
                values = {each["Name"]: document[each["Name"]] for each in directive["Metrics"]}
                for names in directive["Dimensions"]:
                    dimensions = {name: document[name] for name in names}
                    metrics.add(directive["Namespace"], dimensions, at_s + latency, values)
    return metrics


def rang(monitoring: Template, metrics: Metrics, clock: Clock, *, from_s: float = 2 * HOUR) -> dict[str, list[float]]:
    """Return when each alarm rang; before `from_s` the installation is new."""
    times = [step * STEP_S for step in range(int(DAY_AND_MORE // STEP_S) + 1)]
    found = {
        logical: [at for at in each if at >= from_s]
        for logical, each in ringing(monitoring, metrics, times, clock).items()
    }
    return {logical: each for logical, each in found.items() if each}


def always(metrics: Metrics, monitoring: Template | None = None) -> set[str]:
    """Return the alarms that ring at the end, which are the same however CloudWatch evaluates."""
    by_clock = [rang(monitoring or stack(), metrics, clock) for clock in CLOCKS]
    at_the_end = [{logical for logical, times in each.items() if times[-1] == DAY_AND_MORE} for each in by_clock]
    assert all(each == at_the_end[0] for each in at_the_end)
    return at_the_end[0]


@contextmanager
def sandbox_of(
    monkeypatch: pytest.MonkeyPatch, accounts: Callable[[Names], list[dict[str, Any]]], **settings: str
) -> Iterator[EngineSandbox]:
    """Start a sandbox of three regions with these accounts."""
    names = Names(*(new_account_id() for _ in range(4)))
    members = {"hub": {"account_id": names.hub, "registered": False}, "tables": {"environment": names.hub[:6]}}
    with EngineSandbox({**members, "accounts": accounts(names)}, names, monkeypatch) as sandbox:
        sandbox.set(DRS_REGIONS="us-west-2 eu-west-1 sa-east-1", PROJECT_NAME=PROJECT, ENVIRONMENT="dev", **settings)
        yield sandbox


async def emit(runs: int = 3, jobs: Sequence[str] = (INVENTORY, STAGING, TAGS)) -> Emitted:
    """Run every sync some times and return what they emitted."""
    with redirect_stderr(io.StringIO()) as stream:
        async with open_app(load_settings()) as app:
            for _ in range(runs):
                for job in jobs:
                    await _run(app, job)
    documents = [json.loads(line) for line in stream.getvalue().splitlines() if '"_aws"' in line]
    found = {job: [each for each in documents if each["Operation"] == job] for job in jobs}
    assert {job: len(each) for job, each in found.items()} == dict.fromkeys(jobs, runs)
    return found


async def _run(app: App, job: str) -> None:
    if job == COVERAGE:
        await app.sync_coverage(CoverageRequest())
        return
    runs = {INVENTORY: app.sync_inventory, STAGING: app.sync_staging, TAGS: app.sync_tags}
    await runs[job](SyncRequest())


def no_accounts(names: Names) -> list[dict[str, Any]]:
    return []


def no_servers(names: Names) -> list[dict[str, Any]]:
    return [{"account_id": names.a, "name": "A", "regions": {"us-west-2": {"servers": 0}}}]


def usual(names: Names) -> list[dict[str, Any]]:
    """Return a target with a staging account and instances in an account without role, and a small target."""
    origin = {"account_id": names.apps, "region": "us-east-1"}
    regions = {"us-west-2": {"servers": 2, "origin": origin}, "eu-west-1": {"servers": 1}}
    return [
        {"account_id": names.a, "name": "A", "staging_accounts": [names.hub[:-1] + "9"], "regions": regions},
        {"account_id": names.b, "name": "B", "regions": {"us-west-2": {"servers": 1}}},
        {"account_id": names.apps, "name": "Apps", "kind": "application", "role": None},
        {"account_id": names.hub[:-1] + "9", "kind": "staging", "regions": {"us-west-2": {"servers": 2}}},
    ]


@pytest.fixture(scope="module")
def healthy() -> Emitted:
    """Return what syncs emit in a sandbox with an origin account without role, and regions that a policy denies."""
    with pytest.MonkeyPatch.context() as monkeypatch, sandbox_of(monkeypatch, usual) as sandbox:
        closed = ("eu-west-1", "sa-east-1")
        sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": region, "scp": True} for region in closed])
        return asyncio.run(emit())


@pytest.mark.parametrize("accounts", [no_accounts, no_servers])
async def test_no_alarm_rings_in_an_estate_without_servers(
    monkeypatch: pytest.MonkeyPatch, accounts: Callable[[Names], list[dict[str, Any]]]
) -> None:
    with sandbox_of(monkeypatch, accounts):
        metrics = replayed(await emit())
    assert [rang(stack(), metrics, clock) for clock in CLOCKS] == [{}] * len(CLOCKS)


def test_alarms_of_an_estate_with_closed_regions_and_accounts_that_take_no_part(healthy: Emitted) -> None:
    """None rings in it; that of a sync does when it finishes no more, and none for what is switched off."""
    assert healthy[TAGS][-1]["ScopesFailed"] > 0  # the sandbox is one that would ring for ever if this were watched
    for hours in (1, 3, 6, 24):
        metrics = replayed(healthy, tag_interval_s=hours * HOUR)
        assert [rang(stack(), metrics, clock) for clock in CLOCKS] == [{}] * len(CLOCKS), hours
    stopped = dict.fromkeys(SCHEDULES, 8 * HOUR)
    silent = {"InventorySyncSilentAlarm", "StagingAccountSyncSilentAlarm", "TagSyncSilentAlarm"}
    assert always(replayed(healthy, until_s=stopped)) == silent
    for hours in (2, 3):
        assert "TagSyncSilentAlarm" in always(replayed(healthy, until_s=stopped, tag_interval_s=hours * HOUR))
    for operation, alarm in zip((INVENTORY, STAGING, TAGS), sorted(silent), strict=True):
        assert always(replayed(healthy, until_s={operation: 8 * HOUR})) == {alarm}
    off = stack(**dict.fromkeys(SWITCHES, "false"))
    assert always(replayed(healthy, until_s=stopped), off) == set()
    elsewhere = stack(**dict.fromkeys(SWITCHES, "false"), SyncsRunElsewhere="true")
    assert always(replayed(healthy, until_s=stopped), elsewhere) == silent


def test_no_alarm_rings_when_an_operator_switches_the_tag_schedule_off(healthy: Emitted) -> None:
    metrics = replayed(healthy)
    for kept in (2, 9, 20):  # hours until it is switched off: neither starts nor reports come after that
        for (namespace, name, dimensions), (times, values) in metrics.points.items():
            if dimensions == frozenset(TAG_RULE.items()) or ("Operation", TAGS) in dimensions:
                left = [at for at in times if at < kept * HOUR + 700]
                metrics.points[namespace, name, dimensions] = (left, values[: len(left)])
    assert [rang(stack(), metrics, clock) for clock in CLOCKS] == [{}] * len(CLOCKS)


def test_alarms_of_another_environment_do_not_ring(healthy: Emitted) -> None:
    """Metrics of two installations do not mix: the silence of one is heard although the other one runs."""
    prod = {"ProjectName": PROJECT, "Environment": "prod", **FUNCTIONS, "AlarmTopicArn": "topic"}
    other = resolved(template("monitoring.yaml"), prod)
    assert always(replayed(healthy), other) == {"InventorySyncSilentAlarm", "StagingAccountSyncSilentAlarm"}


async def test_an_account_that_denies_drs_rings_in_every_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox_of(monkeypatch, usual) as sandbox:
        first = await emit(1)
        sandbox.faults(deny=[{"account_id": sandbox.names.a}])
        later = await emit(2)
    emitted = {job: [*first[job], *later[job]] for job in SCHEDULES}
    assert always(replayed(emitted)) == {"ScopesFailedAlarm", "StagingAccountSyncFailingAlarm", "TagSyncFailingAlarm"}


async def test_servers_that_need_somebody_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, dict[str, Any]] = {
        "ServersStalledAlarm": {"dataReplicationState": "STALLED"},
        "ServersDisconnectedAlarm": {"dataReplicationState": "DISCONNECTED"},
        "LagOverObjectiveAlarm": {"lagDuration": "PT1H"},
    }
    with sandbox_of(monkeypatch, usual, REPLICATING_SERVERS_PER_REGION="2") as sandbox:
        info = sandbox.records(sandbox.names.a, "us-west-2")[0]["dataReplicationInfo"]
        before = dict(info)
        for alarm, change in changes.items():
            info.update(before, **change)
            emitted = await emit(2, (INVENTORY,))  # the first fills an empty table
            only_inventory = stack(EnableTagSync="false", EnableStagingAccountSync="false")
            near_full = set() if "DISCONNECTED" in change.values() else {"StagingNearFullAlarm"}
            assert always(replayed(emitted), only_inventory) == {alarm, *near_full}


async def test_servers_over_the_quota_are_held_back_and_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox_of(monkeypatch, usual, SERVERS_PER_REGION="3"):
        emitted = await emit(2, (INVENTORY, STAGING))
    assert emitted[STAGING][-1]["ServersHeldBack"] > 0
    assert "ServersHeldBackAlarm" in always(replayed(emitted))


async def test_a_denied_region_without_servers_is_unknown_and_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails once in two hours only, so that no other alarm sees it."""
    with sandbox_of(monkeypatch, usual) as sandbox:
        sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": "sa-east-1"}])
        emitted = await emit(3, (INVENTORY,))
    assert (emitted[INVENTORY][-1]["ScopesUnknown"], emitted[INVENTORY][-1]["ScopesFailed"]) == (1, 0)
    only_inventory = stack(EnableTagSync="false", EnableStagingAccountSync="false")
    assert always(replayed(emitted), only_inventory) == {"ScopesUnknownAlarm"}


async def test_a_region_status_table_that_cannot_be_read_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox_of(monkeypatch, usual, DRS_REGION_STATUS_TABLE="drs-sync-no-such-table"):
        emitted = await emit(2, (INVENTORY,))
    assert "FullScanFallbackAlarm" in always(replayed(emitted))


def coverage_states(document: Mapping[str, Any], *, days: Sequence[int]) -> dict[str, set[int]]:
    """Return on which of ten days each alarm rings, where the coverage sync has run on these days, about noon."""
    metrics = Metrics()
    [directive] = document["_aws"]["CloudWatchMetrics"]
    values = {each["Name"]: document[each["Name"]] for each in directive["Metrics"]}
    for day in days:
        at_s = (day + 0.5) * DAY + (590.0 if day % 2 else 0.0)  # one run takes ten minutes longer than the next
        for names in directive["Dimensions"]:
            metrics.add(directive["Namespace"], {name: document[name] for name in names}, at_s, values)
    monitoring = stack(**dict.fromkeys(SWITCHES, "false"), EnableCoverageSync="true")
    times = [step * HOUR for step in range(int(10 * DAY / HOUR) + 1)]
    found: dict[str, set[int]] = {}
    for clock in CLOCKS:
        for logical, rung in ringing(monitoring, metrics, times, clock).items():
            found.setdefault(logical, set()).update(int(at // DAY) for at in rung if at >= 3 * DAY)
    return {logical: each for logical, each in found.items() if each}


async def test_the_coverage_sync_rings_when_it_is_silent_or_cannot_read_what_it_should(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An account without a record that cannot be entered takes no part: it is unknown, and rings nothing."""
    with sandbox_of(monkeypatch, usual) as sandbox:
        await emit(1, (INVENTORY,))
        [healthy] = (await emit(1, (COVERAGE,)))[COVERAGE]
        sandbox.faults(deny=[{"account_id": sandbox.names.a, "service": "ec2"}])
        [denied] = (await emit(1, (COVERAGE,)))[COVERAGE]
    assert healthy["ScopesFailed"] > 0  # Apps, which has no role
    assert coverage_states(healthy, days=range(10)) == {}
    assert "CoverageSyncFailingAlarm" in coverage_states(denied, days=range(10))
    silent = coverage_states(healthy, days=range(5))
    assert set(silent) == {"CoverageSyncSilentAlarm"}
    assert {8, 9, 10} <= silent["CoverageSyncSilentAlarm"] <= {6, 7, 8, 9, 10}


@pytest.mark.parametrize("switch", ["false", "true"])
def test_alarms_of_the_coverage_sync_exist_where_it_is_enabled(switch: str) -> None:
    alarms = {logical for logical, _ in of_type(stack(EnableCoverageSync=switch), "AWS::CloudWatch::Alarm")}
    assert ({"CoverageSyncSilentAlarm", "CoverageSyncFailingAlarm"} <= alarms) == (switch == "true")


def test_the_number_of_metrics_is_the_one_that_the_documentation_tells(healthy: Emitted) -> None:
    documents = [each for found in healthy.values() for each in found]
    metrics = {
        (metric["Name"], tuple((name, document[name]) for name in names))
        for document in documents
        for directive in document["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }
    by_installation = sum(len(dimensions) == 3 for _, dimensions in metrics)
    page = (FOLDER.parents[1] / "docs" / "report.md").read_text(encoding="utf-8")
    assert f"publish {len(metrics)} metrics, {by_installation} of them" in page


def test_every_alarm_can_be_evaluated_within_a_day_and_reads_the_metrics_of_its_installation() -> None:
    """CloudWatch takes no alarm whose periods are longer than a day together, or a week if each has an hour."""
    for name in ("monitoring.yaml", "container.yaml", "statemachine.yaml"):
        for logical, alarm in of_type(template(name), "AWS::CloudWatch::Alarm"):
            longest = 604_800 if alarm["Period"] >= HOUR else 86_400
            assert alarm["Period"] * alarm["EvaluationPeriods"] <= longest, logical
            if alarm["Namespace"] == NAMESPACE:
                names = [each["Name"] for each in alarm["Dimensions"]]
                assert names == ["Project", "Environment", "Operation"], logical


def test_beside_a_container_alone_there_are_no_alarms_about_functions() -> None:
    container = {**INSTALLATION, "SyncsRunElsewhere": "true", "SyncLogGroupName": "/aws/ecs/hrp-drs-sync-dev"}
    alone = resolved(template("monitoring.yaml"), {**container, **dict.fromkeys(SWITCHES, "false")})
    kinds = {alarm["Namespace"] for _, alarm in of_type(alone, "AWS::CloudWatch::Alarm")}
    assert kinds == {NAMESPACE}
    [(_, dashboard)] = of_type(alone, "AWS::CloudWatch::Dashboard")
    assert "/aws/ecs/hrp-drs-sync-dev" in str(dashboard["DashboardBody"])
