"""Retry amplification: an outage causes no storm of retries, and throttling costs few extra calls."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import pytest

from service.aws.roles import NamedBy, RoleToAssume
from service.context import SyncRequest
from service.models import Call, Scope
from service.settings import Settings
from tests.simulation.aws import SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.host import Host, settings
from tests.simulation.promises import Promises

pytestmark = pytest.mark.deep

ACCOUNTS = tuple(f"2000000000{number:02}" for number in range(5))
REGIONS = Settings().catalog
ACTIVE = REGIONS[:3]
SCOPES = len(ACCOUNTS) * len(REGIONS)
SERVERS_EACH = 12  # six pages


@dataclass(frozen=True)
class Outcome:
    """Result of a run: its report, its calls by service, and its duration."""

    report: dict[str, Any]
    calls: dict[str, int]
    seconds: float


def full_scan(
    seed: int,
    *,
    share: float = 0.0,
    kinds: tuple[str, ...] = (),
    service: str = "drs",
    operation: str = "",
    warm: bool = False,
) -> Outcome:
    """Scan every region of five accounts, of which three have servers, under injected faults."""

    async def work(loop: VirtualLoop) -> Outcome:
        rng = random.Random(seed)  # noqa: S311 - not a secret
        aws = SimulatedAws(loop, rng, ACCOUNTS, REGIONS)
        for account in ACCOUNTS:
            for region in ACTIVE:
                for _ in range(SERVERS_EACH):
                    aws.protect(Scope(account, region), tags={})
        promises, calls = Promises(), dict[str, int]()

        def applies_to(call: Call) -> bool:
            calls[call.service] = calls.get(call.service, 0) + 1
            return call.service == service and operation in {"", call.operation}

        # The share is applied here, so that every call is counted.
        faults = FaultInjector(rng, share=1.0, kinds=kinds or ("500",))
        faults.applies_to = lambda call: applies_to(call) and rng.random() < share
        host = Host("host", aws, FaultInjector(rng), promises)
        if warm:
            await host.run("inventory", SyncRequest(full_scan=True))
        host.faults = faults
        began = loop.time()
        report = await host.run("inventory", SyncRequest(full_scan=True))
        assert not promises.broken
        return Outcome(report, calls, loop.time() - began)

    return run(work)


@pytest.mark.parametrize("kind", ["throttled", "throttled, retry after"])
@pytest.mark.parametrize("seed", range(5))
def test_thirty_percent_throttled_costs_half_as_many_calls_again_at_most(kind: str, seed: int) -> None:
    baseline = full_scan(seed)
    throttled = full_scan(seed, share=0.3, kinds=(kind,))
    assert baseline.report["status"] == "complete"
    incomplete = throttled.report["scopes"]["failed"] + throttled.report["scopes"]["partial"]
    assert incomplete <= 0.05 * SCOPES  # with Retry-After of two seconds, a scope may exceed its 60 s deadline
    assert throttled.report["apiCallsThrottled"] > 0.2 * baseline.calls["drs"]
    assert throttled.calls["drs"] <= 1.5 * baseline.calls["drs"], (
        throttled.calls["drs"],
        baseline.calls["drs"],
        throttled.seconds,
    )


@pytest.mark.parametrize("kind", ["500", "throttled", "dns", "reset", "tls"])
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_where_everything_fails_each_scope_is_probed_and_little_more(kind: str, seed: int, *, warm: bool) -> None:
    outage = full_scan(seed, share=1.0, kinds=(kind,), warm=warm)
    assert outage.report["status"] == "failed"
    assert outage.report["scopes"]["failed"] == SCOPES
    assert outage.calls["drs"] <= 1.1 * SCOPES, (outage.calls, outage.seconds)


def test_where_no_role_can_be_assumed_each_account_is_tried_and_little_more() -> None:
    outage = full_scan(0, share=1.0, kinds=("500",), service="sts", operation="AssumeRole")
    assert "drs" not in outage.calls
    assert outage.report["scopes"]["failed"] == SCOPES
    assert outage.calls["sts"] <= 1 + len(ACCOUNTS) + 12  # the initial retry budget and what GetCallerIdentity adds


@pytest.mark.parametrize("kind", ["500", "throttled"])
@pytest.mark.parametrize("failing", [4, 30])
def test_accounts_that_always_fail_do_not_take_the_retries_of_others(kind: str, failing: int) -> None:
    accounts = tuple(f"2000000000{number:02}" for number in range(failing + 10))
    good = frozenset(accounts[failing:])
    region = ACTIVE[0]

    async def work(loop: VirtualLoop) -> dict[str, Any]:
        aws = SimulatedAws(loop, random.Random(0), accounts, ACTIVE[:1])  # noqa: S311 - not a secret
        for account in accounts:
            aws.protect(Scope(account, region), tags={})
        listed: set[str] = set()

        def applies_to(call: Call) -> bool:
            fails = call.operation == "DescribeSourceServers" and call.account_id not in good & listed
            listed.add(call.account_id)
            return fails and call.service == "drs"

        host = Host("host", aws, FaultInjector(aws.rng), Promises())
        host.faults = FaultInjector(aws.rng, share=1.0, kinds=(kind,), applies_to=applies_to)
        return await host.run("inventory", SyncRequest())

    report = run(work)
    assert {error["accountId"] for error in report["errors"]} == set(accounts) - good
    assert (report["scopes"]["complete"], report["scopes"]["failed"]) == (10, failing)


def test_retry_after_delays_queued_calls_too() -> None:
    """Calls already queued by the rate limit wait again when the service answers with Retry-After."""
    pause_s, wait_s = 2.0, 0.2  # Retry-After of the response; 5 calls a second

    async def work(loop: VirtualLoop) -> list[float]:
        aws = SimulatedAws(loop, random.Random(0), ACCOUNTS[:1], ACTIVE[:1])  # noqa: S311 - not a secret
        aws.protect(Scope(ACCOUNTS[0], ACTIVE[0]), tags={})
        sent: list[float] = []

        def applies_to(_: Call) -> bool:
            sent.append(loop.time())
            return len(sent) == 1

        faults = FaultInjector(
            aws.rng, share=1.0, kinds=("throttled, retry after",), applies_to=applies_to, latency_s=wait_s / 2
        )
        chosen = settings(drs_burst=1, drs_calls_per_second=1 / wait_s, drs_most_calls_per_second=1 / wait_s)
        host = Host("host", aws, FaultInjector(aws.rng), Promises(), chosen=chosen)
        role = RoleToAssume(
            ACCOUNTS[0], f"arn:aws:iam::{ACCOUNTS[0]}:role/DRSOrchestrationRole", "e" * 32, NamedBy.RECORD
        )
        session = await host.aws_client.account(role)
        host.faults = faults
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(partial(session.call, "drs", "DescribeSourceServers", {}, region=ACTIVE[0]))
        return sent

    first, *rest = run(work)
    assert len(rest) == 10  # with the retry of the throttled one
    assert min(rest) > first + pause_s
    assert all(later - sooner > wait_s * 0.9 for sooner, later in pairwise(rest))
