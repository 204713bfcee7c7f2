"""A region whose endpoint cannot be reached: few calls, no more time with more accounts, and the truth about it."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from service.context import SyncRequest
from service.models import Call, Scope
from tests.simulation.aws import SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.host import Host
from tests.simulation.promises import Promises

ACTIVE: Final = "us-west-2"
ORIGIN: Final = "us-east-1"
DARK: Final = "me-south-1"
REGIONS: Final = (ACTIVE, ORIGIN, DARK)
CONNECT_TIMEOUT_S: Final = 3.0  # of the fault "connect timeout"
KINDS: Final = ("connect timeout", "dns")


@dataclass
class Tried:
    """The calls that a run sent to the dark region, its calls of STS, and its report."""

    report: dict[str, Any]
    dark: int
    assumed: int
    seconds: float


@dataclass
class SimulatedOutage:
    """Accounts with a server each in one region, and another region that can be cut off."""

    loop: VirtualLoop
    accounts: tuple[str, ...]
    kind: str = KINDS[0]
    is_dark: bool = True
    everything: bool = False
    sent: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.aws = SimulatedAws(self.loop, random.Random(0), self.accounts, REGIONS)  # noqa: S311 - not a secret
        for account in self.accounts:
            self.protect(account, ACTIVE)
        self.restart()

    def protect(self, account: str, region: str) -> None:
        self.aws.protect(Scope(account, region), tags={})

    def restart(self) -> None:
        """Start a new process: it knows only what the tables say."""
        self.host = Host("host", self.aws, FaultInjector(self.aws.rng), Promises())
        self.host.faults = FaultInjector(
            self.aws.rng, share=1.0, kinds=(self.kind,), applies_to=self._is_cut_off, latency_s=0.01
        )

    def _is_cut_off(self, call: Call) -> bool:
        self.sent.append(call)
        return call.service == "drs" and self.is_dark and (self.everything or call.region == DARK)

    async def sync(self, job: str = "inventory", **request: Any) -> Tried:
        self.sent.clear()
        began = self.loop.time()
        report = await self.host.run(job, SyncRequest(**request))
        return Tried(
            report,
            sum((call.service, call.region) == ("drs", DARK) for call in self.sent),
            sum(call.operation == "AssumeRole" for call in self.sent),
            self.loop.time() - began,
        )


def play(count: int, work: Callable[[SimulatedOutage], Coroutine[Any, Any, None]], **members: Any) -> None:
    async def in_loop(loop: VirtualLoop) -> None:
        await work(SimulatedOutage(loop, tuple(f"2{number:011}" for number in range(count)), **members))

    run(in_loop)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [16, 48])
def test_a_few_accounts_find_out_and_the_next_run_sends_one_probe(count: int, kind: str) -> None:
    async def work(outage: SimulatedOutage) -> None:
        outage.is_dark = False
        normal = await outage.sync(full_scan=True)
        outage.is_dark = True
        first = await outage.sync(full_scan=True)
        assert first.dark <= outage.host.settings.scopes_at_once + 1
        assert first.seconds < normal.seconds + 3 * CONNECT_TIMEOUT_S
        later = list[Tried]()
        for is_new_process in (False, True):
            if is_new_process:
                outage.restart()
            later.append(await outage.sync(full_scan=True))
        for tried in later:
            assert tried.dark == 1
            assert tried.seconds < 1.5 * normal.seconds + CONNECT_TIMEOUT_S
        for tried in (first, *later):
            report = tried.report
            assert (report["status"], report["errors"]) == ("complete", [])
            scopes = report["scopes"]
            assert (scopes["complete"], scopes["skipped"], scopes["failed"]) == (2 * count, count, 0)
            (warning,) = report["warnings"]
            assert (warning["code"], warning["status"]) == ("EndpointUnreachable", "ENDPOINT_UNREACHABLE")
            assert (warning["accounts"], warning["regions"]) == (count, [DARK])
        outage.is_dark = False
        again = await outage.sync(full_scan=True)
        assert (again.report["status"], again.report["warnings"]) == ("complete", [])
        assert again.report["scopes"]["complete"] == 3 * count  # a probe that gets a response lets the others follow

    play(count, work, kind=kind)


def test_where_servers_are_known_it_is_a_failure_of_their_accounts() -> None:
    async def work(outage: SimulatedOutage) -> None:
        active = set(outage.accounts[:6])
        for account in active:
            outage.protect(account, DARK)
        outage.is_dark = False
        await outage.sync(full_scan=True)
        outage.is_dark = True
        for _ in range(2):
            report = (await outage.sync(full_scan=True)).report
            assert report["status"] == "partial"
            scopes = report["scopes"]
            assert (scopes["complete"], scopes["skipped"], scopes["failed"]) == (16 + 16, 10, 6)
            (error,) = report["errors"]
            assert (set(error["accountIds"]), error["status"]) == (active, "ENDPOINT_UNREACHABLE")
            assert [each["accounts"] for each in report["warnings"]] in ([], [10])
        items = outage.aws.dynamodb.tables["source_server_inventory_table"].items
        assert len(items) == 16 + 6

    play(16, work)


def test_an_inventory_without_region_status_still_counts_as_known() -> None:
    async def work(outage: SimulatedOutage) -> None:
        for account in outage.accounts:
            outage.protect(account, DARK)
        outage.is_dark = False
        await outage.sync(full_scan=True)
        outage.aws.dynamodb.tables["drs_region_status_table"].items.clear()
        outage.is_dark = True
        outage.restart()
        report = (await outage.sync()).report
        assert (report["status"], report["scopes"]["failed"], report["warnings"]) == ("partial", 8, [])

    play(8, work)


def test_a_host_that_reaches_no_region_is_at_fault_itself() -> None:
    async def work(outage: SimulatedOutage) -> None:
        outage.is_dark = True
        outage.everything = True
        report = (await outage.sync(full_scan=True)).report
        assert report["status"] == "failed"
        assert {error["status"] for error in report["errors"]} == {"ENDPOINT_UNREACHABLE"}
        assert report["scopes"]["failed"] == 24
        assert not report["warnings"]

    play(8, work)


@pytest.mark.parametrize("job", ["staging", "tags"])
def test_the_other_syncs_make_the_same_difference(job: str) -> None:
    async def work(outage: SimulatedOutage) -> None:
        active = set(outage.accounts[:6])
        for account in active:
            outage.protect(account, DARK)
        outage.is_dark = False
        await outage.sync(full_scan=True)
        outage.is_dark = True
        tried = await outage.sync(job, full_scan=True, regions=(ACTIVE, DARK))
        assert {each for error in tried.report["errors"] for each in error["accountIds"]} <= active
        assert tried.report["scopes"]["failed"] in {
            1,
            6,
        }  # the staging sync leaves out targets without staging accounts

    play(16, work)


def test_accounts_that_need_not_be_entered_are_not() -> None:
    async def work(outage: SimulatedOutage) -> None:
        outage.is_dark = False
        await outage.sync(full_scan=True)
        outage.is_dark = True
        await outage.sync(regions=(ACTIVE, DARK))
        outage.restart()
        tried = await outage.sync(regions=(DARK,))
        assert (tried.dark, tried.report["status"]) == (1, "failed")  # no other endpoint was called
        assert tried.assumed <= outage.host.settings.scopes_at_once

    play(48, work)
