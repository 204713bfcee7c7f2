"""A tag sync that is frozen at any of its calls while another one takes its lock sends nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import anyio
import pytest

from service.aws import client as client_module
from service.context import SyncRequest
from service.errors import DrsSyncError
from service.models import Call
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FAULT_KINDS, Fault, FaultInjector
from tests.simulation.history import HistoryResult
from tests.simulation.host import Host
from tests.simulation.matrix import Cell

LONG_S = 1200.0  # longer than the lease without renewal
SOON_S = 0.3
BUDGET_S = 15.0


@dataclass(slots=True)
class _FreezesHost(FaultInjector):
    """Freezes its host when it sends one call.

    After a process was stopped, both its clocks have advanced. After a machine slept, only the wall clock has, and the
    lock in the table is older.
    """

    host: Host | None = None
    at: int = 0
    asleep: bool = False

    def draw(self, _call: Call, _params: Mapping[str, Any]) -> Fault | None:
        assert self.host is not None
        if self.host.calls != self.at:
            return None
        if not self.asleep:
            self.host.freeze(LONG_S)
            return None
        self.host.skew_s += LONG_S
        locks = self.host.aws.dynamodb.tables["tag_sync_config_table"].items
        if lock := locks.get(("_tag_sync_lock",)):
            locks["_tag_sync_lock",] = {**lock, "startedAt": {"N": str(int(lock["startedAt"]["N"]) - int(LONG_S))}}
        return None


@dataclass(slots=True)
class _ResultHangs(FaultInjector):
    """Lets writes of a tag sync's result hang; other calls succeed."""

    def draw(self, _call: Call, params: Mapping[str, Any]) -> Fault | None:
        is_result = params.get("Item", {}).get("accountId") == {"S": "_last_tag_sync"}
        return FAULT_KINDS["hang"] if is_result else None


@dataclass(slots=True)
class _LosesResponses(FaultInjector):
    """Loses the first `left` responses of the lock's table; the calls have taken effect."""

    left: int = 0

    def draw(self, _call: Call, params: Mapping[str, Any]) -> Fault | None:
        if not self.left or params.get("TableName") != "tag_sync_config_table":
            return None
        self.left -= 1
        return FAULT_KINDS["reset too late"]


def play(at: int, *, asleep: bool) -> tuple[HistoryResult, list[str], int]:
    """Freeze a run at a call for longer than its lease while another begins; return the results of both."""

    async def work(loop: VirtualLoop) -> tuple[HistoryResult, list[str], int]:
        cell, outcomes = Cell(loop, "tags"), list[str]()
        await cell.prepare()
        hosts = [Host(name, cell.aws, FaultInjector(cell.rng, latency_s=0.1), cell.promises) for name in ("one", "two")]
        hosts[0].faults = _FreezesHost(cell.rng, latency_s=0.1, host=hosts[0], at=at, asleep=asleep)

        async def sync(host: Host, delay_s: float) -> None:
            await anyio.sleep(delay_s)
            try:
                outcomes.append((await host.run("tags"))["status"])
            except DrsSyncError as error:
                outcomes.append(str(error))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sync, hosts[0], 0.0)
            tasks.start_soon(sync, hosts[1], SOON_S if asleep else LONG_S - SOON_S)
        await cell.settle()
        return cell.result(), outcomes, hosts[0].calls

    return run(work)


@pytest.mark.deep
@pytest.mark.parametrize("asleep", [False, True])
def test_a_run_frozen_at_any_call_sends_nothing_after_its_lock_is_lost(*, asleep: bool) -> None:
    result, outcomes, calls = play(-1, asleep=asleep)
    result.check()
    assert "complete" in outcomes
    assert calls > 30
    lost = 0
    for at in range(1, calls):
        result, outcomes, _ = play(at, asleep=asleep)
        result.check()
        lost += any("running already" in each for each in outcomes)
    assert lost > calls / 4, "the first run should often have lost its lock"


def test_without_the_call_guard_a_frozen_run_would_continue() -> None:
    calls = play(-1, asleep=True)[2]
    with patch.object(client_module, "check_call_guard", lambda: None):
        assert any(play(at, asleep=True)[0].broken for at in range(1, calls))


def test_a_lock_that_may_have_been_taken_is_given_back() -> None:
    """Every attempt took the lock and lost its response; unreleased, the lock would block the tag sync for 900 s."""

    async def work(loop: VirtualLoop) -> list[str]:
        cell, outcomes = Cell(loop, "tags"), list[str]()
        await cell.prepare()
        for name, left in (("one", 4), ("two", 0)):
            faults = _LosesResponses(cell.rng, latency_s=0.1, left=left)
            try:
                outcomes.append((await Host(name, cell.aws, faults, cell.promises).run("tags"))["status"])
            except DrsSyncError as error:
                outcomes.append(type(error).__name__)
        return outcomes

    assert run(work) == ["AwsError", "complete"]


def test_a_run_that_writes_to_the_end_of_its_time_still_gives_its_lock_back() -> None:
    """The final writes may use all remaining time except what releasing the lock needs."""

    async def work(loop: VirtualLoop) -> tuple[dict[str, Any], float, Mapping[tuple[str, ...], Any]]:
        cell = Cell(loop, "tags")
        await cell.prepare()
        host, began = Host("one", cell.aws, _ResultHangs(cell.rng, latency_s=0.1), cell.promises), loop.time()
        report = await host.run("tags", SyncRequest(remaining_s=BUDGET_S))
        return report, loop.time() - began, cell.aws.dynamodb.tables["tag_sync_config_table"].items

    report, took_s, items = run(work)
    assert "before the result was written" in report["warnings"][-1]["message"]
    assert BUDGET_S < took_s <= BUDGET_S + 6.001
    assert items["_tag_sync_lock",]["status"] == {"S": "COMPLETED"}
