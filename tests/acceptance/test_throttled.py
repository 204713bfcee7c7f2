"""Throttled scans: a short throttle is waited out, an endless one is reported."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest

from service.sandbox.aws_protocols import Response, json_response
from tests.support.loop_clock import LoopClock
from tests.support.received_calls import ReceivedCall, ReceivedCalls
from tests.support.sandbox import EngineSandbox

WEST, EAST = "us-west-2", "eu-west-1"


@pytest.fixture(autouse=True)
def _few_regions(sandbox: EngineSandbox) -> None:
    sandbox.set(DRS_REGIONS=f"{WEST} {EAST} sa-east-1")


def throttled(retry_after_s: int) -> Response:
    headers = {"x-amzn-ErrorType": "ThrottlingException", "Retry-After": str(retry_after_s)}
    return json_response(429, {"message": "Rate exceeded"}, headers)


def is_west(call: ReceivedCall) -> bool:
    return call.service == "drs" and call.region == WEST


async def test_a_short_throttle_is_waited_out(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    sandbox.add_account(regions={WEST: {"servers": 2}})
    received.answer(is_west, throttled(1), times=2)

    report = await sandbox.sync()

    assert (report["status"], sandbox.counts()) == ("complete", {WEST: 2})
    assert report["apiCallsThrottled"] == 2
    calls = [call for call in received.of("drs", "DescribeSourceServers") if call.region == WEST]
    assert [call.status for call in calls] == [429, 429, 200]
    gaps = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(calls)]
    assert all(gap >= 0.95 for gap in gaps), "Retry-After says how long to wait"
    assert report["apiCalls"]["drs"]["DescribeSourceServers"] == len(received.of("drs", "DescribeSourceServers"))


async def test_a_throttle_without_end(sandbox: EngineSandbox, received: ReceivedCalls, loop_clock: LoopClock) -> None:
    """Of its 100 seconds a scope waits twice 40, and does not begin to wait a third time."""
    throttled_one = sandbox.add_account(regions={WEST: {"servers": 2}})
    other = sandbox.add_account(regions={WEST: {"servers": 1}})
    await sandbox.sync()
    received.clear()
    received.answer(is_west, throttled(40), times=None)
    sandbox.set(SCOPE_DEADLINE_SECONDS="100")
    reports: list[dict[str, Any]] = []

    async def sync() -> None:
        reports.append(await sandbox.sync(accounts=(throttled_one,), regions=(WEST,)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sync)
        for calls in (1, 2):
            while len(received.of("drs")) < calls:  # noqa: ASYNC110 - another thread receives them
                await anyio.sleep(0.02)
            await anyio.sleep(0.2)  # until its response has been read
            loop_clock.advance(41)

    assert [call.status for call in received.of("drs")] == [429, 429, 429]
    assert [report["status"] for report in reports] == ["failed"]
    assert {error["accountId"] for error in reports[0]["errors"]} == {throttled_one}
    assert sandbox.counts() == {WEST: 3}
    assert len(sandbox.items()) == 3
    entry = sandbox.entry(WEST, throttled_one)
    assert (entry["serverCount"], entry["status"]) == (2, "THROTTLED")
    assert sandbox.entry(WEST, other)["status"] == "ACTIVE"


async def test_a_wait_longer_than_the_deadline_is_not_begun_and_the_first_scan_is_repeated_by_the_next_run(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    """The count of a region that was throttled at the first sync is unknown: zero would be a guess."""
    account = sandbox.add_account(regions={EAST: {"servers": 1}, WEST: {"servers": 2}})
    sandbox.set(SCOPE_DEADLINE_SECONDS="60", DISCOVERY_WINDOW_SECONDS="31536000")
    received.answer(is_west, throttled(120))

    report = await sandbox.sync()

    assert report["status"] == "partial"
    assert [error["code"] for error in report["errors"]] == ["ThrottlingException"]
    assert len([call for call in received.of("drs") if is_west(call)]) == 1
    entry = sandbox.entry(WEST, account)
    assert (entry["status"], "serverCount" in entry) == ("THROTTLED", False)

    await sandbox.sync()

    assert sandbox.counts() == {EAST: 1, WEST: 2}
