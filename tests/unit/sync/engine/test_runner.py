"""Runs of a sync that does not call AWS, on a virtual clock: each scope has its own deadline and problems."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final, cast

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.aws.call_counter import CallCounter, count_call
from service.aws.call_guard import check_call_guard, guarding_calls
from service.aws.client import Identity
from service.context import RunContext, SyncRequest
from service.deadline import Shutdown
from service.errors import AwsError, ConfigurationError
from service.models import Call, Coverage, Problem, Scope
from service.regions.selection import RegionSource, ScanReason, Selection
from service.settings import Settings
from service.sync.engine.outcome import ScopeResult
from service.sync.engine.runner import excluded_requests, order_scopes, run
from service.sync.engine.sync import Deps, Run, RunEndedError, ScopeScan, Sync
from tests.simulation.clock import VirtualLoop
from tests.simulation.clock import run as run_virtually

START: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
ACCOUNT: Final = "111122223333"
SCOPES: Final = tuple(Scope(ACCOUNT, f"region-{number}") for number in range(4))
UNUSED: Final = cast("Any", None)
FAILED: Final = AwsError("InternalServerException", "no", Call("drs", "DescribeSourceServers", ACCOUNT, "region-0"))

Work = Callable[[Scope], Awaitable[None]]


class Access:
    """Returns a session for every account except those that deny access."""

    def __init__(self, refuses: BaseException | None = None) -> None:
        self._refuses = refuses

    async def drs_session(self, scope: Scope) -> Any:
        if self._refuses is not None:
            raise self._refuses
        return scope.account_id


class Scan(ScopeScan):
    """Counts one server, then runs the function of the test."""

    def __init__(self, scope: Scope, work: Work) -> None:
        super().__init__(scope)
        self._work = work
        self.closed = False

    async def run(self) -> None:
        self.servers += 1
        self.counts["serversCounted"] += 1
        await self._work(self.scope)

    async def close(self) -> None:
        self.closed = True


class CountingSync(Sync):
    """A sync of given scopes."""

    operation = "count"
    counts = ("serversCounted",)

    def __init__(self, work: Work, access: Access | None = None) -> None:
        self.results: dict[Scope, ScopeResult] = {}
        self.scans: list[Scan] = []
        self._work = work
        self._access = access or Access()

    async def select(self, request: SyncRequest, deps: Deps) -> RunContext:
        selection = Selection(RegionSource.STATUS_TABLE, "", dict.fromkeys(SCOPES, ScanReason.ACTIVE), ())
        access, identity = cast("Any", self._access), Identity(ACCOUNT, "aws")
        return RunContext(identity, UNUSED, (), access, frozenset({ACCOUNT}), (), selection, None)

    def scan(self, scope: Scope, session: Any, run: Run) -> Scan:
        self.scans.append(Scan(scope, self._work))
        return self.scans[-1]

    async def collect(self, result: ScopeResult, scan: ScopeScan | None, run: Run) -> None:
        self.results[result.scope] = result


async def in_order(_: Scope) -> None:
    """Do nothing."""


def failing_in(bad: Scope, error: BaseException) -> Work:
    async def work(scope: Scope) -> None:
        if scope == bad:
            raise error

    return work


async def hanging(_: Scope) -> None:
    await anyio.sleep(1000.0)


async def report_of(
    sync: CountingSync, *, scope_s: float = 20.0, remaining_s: float | None = None, shutdown: Shutdown | None = None
) -> dict[str, Any]:
    deps = Deps(
        UNUSED,
        Settings(scope_deadline_seconds=scope_s, scopes_at_once=2),
        UNUSED,
        lambda: START,
        shutdown or Shutdown(),
    )
    return await run(sync, SyncRequest(remaining_s=remaining_s), deps)


def test_each_scope_is_scanned_once_and_counted() -> None:
    async def work(_: VirtualLoop) -> None:
        sync = CountingSync(in_order)
        report = await report_of(sync)
        assert (report["status"], report["serversCounted"], report["serversSynced"]) == ("complete", 4, 4)
        assert report["scopes"] == {"asked": 4, "complete": 4, "partial": 0, "skipped": 0, "failed": 0, "discovery": 0}
        assert set(sync.results) == set(SCOPES)
        assert all(scan.closed for scan in sync.scans)

    run_virtually(work)


def test_the_report_says_how_long_the_run_took_and_what_the_filter_saved() -> None:
    """Four scopes of three seconds each, two at once, after a second of selecting; six scopes are skipped."""

    class Filtered(CountingSync):
        async def select(self, request: SyncRequest, deps: Deps) -> RunContext:
            await anyio.sleep(1.0)
            context = await super().select(request, deps)
            skipped = tuple(Scope(ACCOUNT, f"skipped-{number}") for number in range(6))
            return replace(context, selection=replace(context.selection, skipped=skipped))

        async def finish(self, run: Run) -> dict[str, Any]:
            await anyio.sleep(0.5)
            return {}

    async def listing(_: Scope) -> None:
        count_call("drs", "DescribeSourceServers")
        await anyio.sleep(3.0)

    async def work(_: VirtualLoop) -> None:
        report = await report_of(Filtered(listing))
        assert report["durationSeconds"] == 1.0 + 2 * 3.0 + 0.5
        assert (report["regionsScanned"], report["regionsSkipped"]) == (4, 6)
        assert (report["drsCalls"], report["apiCallsFullScan"], report["apiCallReductionPercent"]) == (4, 10, 60.0)
        assert report["timeSavedSeconds"] == 6 * 3.0 / 2

    run_virtually(work)


@pytest.mark.parametrize(
    ("error", "code", "is_logged"),
    [
        (FAILED, "InternalServerException", False),
        (ConfigurationError("no such file"), "InternalError", True),
        (KeyError("InstanceId"), "InternalError", True),
        (TypeError("secret text of an answer"), "InternalError", True),
        (ExceptionGroup("several", [ValueError("a"), KeyError("b")]), "InternalError", True),
        (RecursionError(), "InternalError", True),
    ],
)
def test_whatever_a_scope_raises_is_a_problem_of_that_scope_alone(
    error: Exception, code: str, *, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bad = SCOPES[1]

    async def work(_: VirtualLoop) -> None:
        sync = CountingSync(failing_in(bad, error))
        report = await report_of(sync)
        assert report["status"] == "partial"
        assert (report["scopes"]["complete"], report["scopes"]["partial"]) == (3, 1)
        [problem] = report["errors"]
        assert (problem["code"], problem["accountId"], problem["regions"]) == (code, ACCOUNT, [bad.region])
        assert "secret text" not in str(report)
        assert sync.scans[1].closed

    run_virtually(work)
    traced = [record for record in caplog.records if record.exc_info]
    assert [record.message for record in traced] == ["scan failed unexpectedly"] * is_logged


def test_a_bug_while_a_scan_is_closed_costs_its_scope_and_keeps_an_earlier_problem() -> None:
    class UnclosableScan(Scan):
        async def close(self) -> None:
            raise KeyError("InstanceId")

    class UnclosableSync(CountingSync):
        def scan(self, scope: Scope, session: Any, run: Run) -> Scan:
            if scope not in SCOPES[1:3]:
                return super().scan(scope, session, run)
            return UnclosableScan(scope, self._work)

    async def work(_: VirtualLoop) -> None:
        report = await report_of(UnclosableSync(failing_in(SCOPES[1], FAILED)))
        assert (report["status"], report["serversSynced"]) == ("partial", 4)
        found = {region: each["code"] for each in report["errors"] for region in each["regions"]}
        assert found == {SCOPES[1].region: FAILED.code, SCOPES[2].region: "InternalError"}

    run_virtually(work)


def test_an_account_that_cannot_be_entered_fails_without_a_scan_and_blames_no_region() -> None:
    refused = AwsError("AccessDenied", "no", Call("sts", "AssumeRole", ACCOUNT, "us-east-1"))

    async def work(_: VirtualLoop) -> None:
        sync = CountingSync(in_order, Access(refused))
        report = await report_of(sync)
        assert (report["status"], sync.scans) == ("failed", [])
        [problem] = report["errors"]
        assert (problem["code"], problem["accountId"]) == ("AccessDenied", ACCOUNT)
        assert all(result.failure and not result.failure.region for result in sync.results.values())

    run_virtually(work)


def test_a_bug_while_an_account_is_entered_costs_its_scopes() -> None:
    async def work(_: VirtualLoop) -> None:
        report = await report_of(CountingSync(in_order, Access(KeyError("Credentials"))))
        assert (report["status"], {each["code"] for each in report["errors"]}) == ("failed", {"InternalError"})

    run_virtually(work)


def test_what_ends_the_run_ends_it_whatever_scope_noticed_it() -> None:
    async def work(_: VirtualLoop) -> None:
        with pytest.raises(RunEndedError):
            await report_of(CountingSync(failing_in(SCOPES[2], RunEndedError("the lease is lost"))))

    run_virtually(work)


@pytest.mark.parametrize(
    ("remaining_s", "scope_s", "after_s", "why"),
    [
        (60.0, 20.0, 40.0, "not done within 20 s: scan the scope"),
        (60.0, 90.0, 60.0, "the run's time was up before this scope was done: scan the scope"),
        (None, 20.0, 40.0, "not done within 20 s: scan the scope"),
    ],
)
def test_a_scope_without_end_costs_its_time_and_says_which_time_was_up(
    remaining_s: float | None, scope_s: float, after_s: float, why: str
) -> None:
    async def work(loop: VirtualLoop) -> float:
        sync = CountingSync(hanging)
        await report_of(sync, scope_s=scope_s, remaining_s=remaining_s)
        first = sync.results[sync.scans[0].scope].failure
        assert first is not None
        assert (first.code, Scope(first.account_id, first.region)) == ("DeadlineExceeded", sync.scans[0].scope)
        assert first.message == why
        assert ("SCOPE_DEADLINE_SECONDS" in first.advice) is ("within" in why)
        assert ("--time-limit" in first.advice) is ("run's time" in why)
        assert all(scan.closed and scan.servers == 1 for scan in sync.scans)  # earlier counts stay
        return loop.time()

    assert run_virtually(work) == pytest.approx(after_s)


@pytest.mark.parametrize("clock", ["both", "wall"])
def test_a_scope_of_a_process_that_was_suspended_sends_nothing_more(clock: str) -> None:
    """After a suspended process resumes, both clocks have moved on; after a machine slept, only the wall clock."""
    sent: list[Scope] = []

    async def work(loop: VirtualLoop) -> None:
        slept_s = 0.0

        async def sending(scope: Scope) -> None:
            nonlocal slept_s
            check_call_guard()  # as the AWS client does before each attempt
            if scope == SCOPES[1] and clock == "both":
                loop.advance(300.0)
            elif scope == SCOPES[1]:
                slept_s = 300.0
            check_call_guard()
            sent.append(scope)

        sync = CountingSync(sending)
        settings = Settings(scope_deadline_seconds=20.0, scopes_at_once=1)
        deps = Deps(UNUSED, settings, UNUSED, lambda: START + timedelta(seconds=loop.time() + slept_s), Shutdown())
        await run(sync, SyncRequest(), deps)
        failures = {scope: result.failure.message for scope, result in sync.results.items() if result.failure}
        assert failures == {SCOPES[1]: "not done within 20 s: scan the scope"}
        assert all(scan.closed for scan in sync.scans)

    run_virtually(work)
    assert set(sent) == {*SCOPES} - {SCOPES[1]}


def test_the_guard_of_a_scope_leaves_that_of_the_run_in_force() -> None:
    async def work(_: VirtualLoop) -> None:
        def refuse() -> None:
            raise RunEndedError("the lease is lost")

        async def sending(_: Scope) -> None:
            check_call_guard()

        with guarding_calls(refuse), pytest.raises(RunEndedError):
            await report_of(CountingSync(sending))

    run_virtually(work)


def test_scopes_that_had_no_turn_say_so() -> None:
    async def work(_: VirtualLoop) -> list[Problem | None]:
        sync = CountingSync(hanging)
        await report_of(sync, scope_s=90.0, remaining_s=60.0)
        return [result.failure for scope, result in sync.results.items() if scope not in {s.scope for s in sync.scans}]

    messages = [problem.message for problem in run_virtually(work) if problem]
    assert messages == ["the run's time was up before this scope's turn"] * 2


def test_a_process_told_to_stop_leaves_its_scopes_at_once_and_enters_no_other() -> None:
    async def work(loop: VirtualLoop) -> float:
        shutdown, sync = Shutdown(), CountingSync(hanging)
        loop.call_later(5.0, shutdown.request)  # as a signal does, outside of any task
        report = await report_of(sync, shutdown=shutdown)
        assert len(sync.scans) == 2
        assert {each["message"] for each in report["errors"]} == {
            "the process was told to stop before this scope was done: scan the scope",
            "the process was told to stop before this scope's turn",
        }
        return loop.time()

    assert run_virtually(work) == pytest.approx(5.0)


class Shown:
    """Records the progress that a run shows."""

    def __init__(self) -> None:
        self.planned_scopes = 0
        self.scopes: list[Scope] = []

    def started(self, calls: CallCounter) -> None:
        """Not looked at here."""

    def planned(self, selection: Selection, accounts: int) -> None:
        assert accounts == 1
        self.planned_scopes = len(selection.scopes)

    def scanned(self, result: ScopeResult) -> None:
        self.scopes.append(result.scope)


def test_progress_is_shown_once_for_each_scope() -> None:
    shown = Shown()

    async def work(_: VirtualLoop) -> None:
        deps = Deps(UNUSED, Settings(), UNUSED, lambda: START)
        await run(CountingSync(in_order), SyncRequest(), deps, shown)

    run_virtually(work)
    assert (shown.planned_scopes, sorted(shown.scopes)) == (4, sorted(SCOPES))


@given(
    scopes=st.sets(st.builds(Scope, st.sampled_from("ABC"), st.sampled_from("klmnop"))),
    started_at=st.datetimes(timezones=st.just(UTC)),
)
def test_scopes_have_their_turn_region_by_region_from_any_region_on(scopes: set[Scope], started_at: datetime) -> None:
    ordered = order_scopes(scopes, started_at)
    assert set(ordered) == scopes
    assert len(ordered) == len(scopes)
    regions = [region for region, _ in groupby(scope.region for scope in ordered)]
    first = regions.index(min(regions)) if regions else 0
    assert [*regions[first:], *regions[:first]] == sorted({scope.region for scope in scopes})
    assert order_scopes(ordered[::-1], started_at) == ordered


def test_a_region_that_could_not_be_reached_is_tried_first_and_waited_for_last() -> None:
    scopes = [Scope(account, region) for region in "klmn" for account in "ABC"]
    ordered = order_scopes(scopes, START, unreachable={"l", "n"})
    assert sorted(ordered) == sorted(scopes)
    assert {scope.region for scope in ordered[:2]} == {scope.region for scope in ordered[-4:]} == {"l", "n"}
    assert {scope.region for scope in ordered[2:-4]} == {"k", "m"}


@pytest.mark.parametrize(
    ("told", "coverage"),
    [
        (True, Coverage.FAILED),
        (False, Coverage.SKIPPED),
        (AwsError("AccessDenied", "no", Call("dynamodb", "Query", "hub", "us-east-1")), Coverage.FAILED),
    ],
)
def test_a_region_that_cannot_be_reached_is_skipped_only_where_no_servers_can_be(
    told: bool | AwsError,  # noqa: FBT001
    coverage: Coverage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the sync cannot tell whether servers are known, there may be some."""
    dark = SCOPES[1]
    call = Call("drs", "DescribeSourceServers", ACCOUNT, dark.region)

    class TellingSync(CountingSync):
        async def may_have_servers(self, scope: Scope, run: Run) -> bool:
            assert scope == dark
            if isinstance(told, AwsError):
                raise told
            return told

    class CutOff(Access):
        async def drs_session(self, scope: Scope) -> Any:
            if scope == dark:
                raise AwsError("EndpointUnreachable", "no", call)
            return await super().drs_session(scope)

    async def work(_: VirtualLoop) -> None:
        sync = TellingSync(in_order, CutOff())
        await report_of(sync)
        assert {scope: result.coverage for scope, result in sync.results.items()} == {
            each: coverage if each == dark else Coverage.COMPLETE for each in SCOPES
        }

    run_virtually(work)
    messages = [record.message for record in caplog.records]
    assert ("cannot tell whether servers are known" in messages) is isinstance(told, AwsError)


def test_no_region_is_always_the_last() -> None:
    """When the time never suffices, each region still has its turn: within two days every region begins some runs."""
    scopes = [Scope("A", region) for region in "klmnop"]
    runs = [START + timedelta(minutes=15 * number) for number in range(192)]
    firsts = [order_scopes(scopes, each)[0].region for each in runs]
    assert all(firsts.count(region) >= 192 / 6 / 2 for region in "klmnop")


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (SyncRequest(), []),
        (SyncRequest(regions=("us-west-2",)), []),  # one account is left out there, and it was not named
        (SyncRequest(regions=("us-west-2", "eu-west-1")), [("", "eu-west-1")]),
        (SyncRequest(accounts=(ACCOUNT,), regions=("us-west-2",)), [(ACCOUNT, "us-west-2")]),
        (SyncRequest(accounts=(ACCOUNT,)), []),
        (
            SyncRequest(scopes=(Scope(ACCOUNT, "us-west-2"), Scope("1", "eu-west-1"))),
            [(ACCOUNT, "us-west-2"), ("", "eu-west-1")],
        ),
        (SyncRequest(scopes=(Scope("1", "us-west-2"),)), []),
    ],
)
def test_what_is_requested_and_excluded_is_named(request_: SyncRequest, named: list[tuple[str, str]]) -> None:
    settings = Settings(drs_excluded_regions=("eu-west-1",), drs_excluded_scopes=(f"{ACCOUNT}/us-west-2",))
    problems = excluded_requests(request_, settings)
    assert [(problem.account_id, problem.region) for problem in problems] == named
    assert {problem.code for problem in problems} <= {"RequestExcluded"}


def test_a_run_warns_of_what_was_requested_and_is_excluded() -> None:
    async def work(_: VirtualLoop) -> None:
        settings = Settings(drs_excluded_regions=("eu-west-1",), scopes_at_once=2)
        deps = Deps(UNUSED, settings, UNUSED, lambda: START, Shutdown())
        report = await run(CountingSync(in_order), SyncRequest(regions=("eu-west-1", "region-1")), deps)
        assert [(each["code"], each["regions"]) for each in report["warnings"]] == [("RequestExcluded", ["eu-west-1"])]

    run_virtually(work)
