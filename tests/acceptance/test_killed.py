"""A killed run and the next one together leave the tables as one clean run would."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.acceptance.processes import populate
from tests.support.command import start
from tests.support.received_calls import Matches, ReceivedCall, ReceivedCalls
from tests.support.sandbox import EngineSandbox
from tests.support.table_state import clean_state, state

pytestmark = pytest.mark.deep

Kind = Callable[[EngineSandbox], Matches]


def scans(sandbox: EngineSandbox) -> Matches:
    return lambda call: call.operation == "DescribeSourceServers"


def _puts(sandbox: EngineSandbox, variable: str) -> Matches:
    table = sandbox.table(variable).name

    def matches(call: ReceivedCall) -> bool:
        return call.operation != "DeleteItem" and call.is_write(table)

    return matches


def inventory_writes(sandbox: EngineSandbox) -> Matches:
    return _puts(sandbox, "SOURCE_SERVER_INVENTORY_TABLE")


def status_writes(sandbox: EngineSandbox) -> Matches:
    return _puts(sandbox, "DRS_REGION_STATUS_TABLE")


def kill_at(received: ReceivedCalls, matches: Matches, *, after: int, drops: bool = True) -> None:
    """Kill a run at the call after the first `after` that match; `drops`: the call has no effect."""
    with received.holding(matches, after=after, drops=drops) as held:
        process = start("sync", "inventory")
        try:
            held.wait()
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("kind", "after", "drops"),
    [
        pytest.param(scans, 9, True, id="half of the scans"),
        pytest.param(inventory_writes, 1, False, id="second write, arrived"),
        pytest.param(status_writes, 3, True, id="fourth region row, lost"),
    ],
)
async def test_a_first_run_that_is_killed_is_completed_by_the_next(
    kind: Kind,
    after: int,
    drops: bool,  # noqa: FBT001
    sandbox: EngineSandbox,
    received: ReceivedCalls,
) -> None:
    populate(sandbox, many=27)
    kill_at(received, kind(sandbox), after=after, drops=drops)

    await sandbox.sync()

    assert set(sandbox.status()) == set(os.environ["DRS_REGIONS"].split())
    assert state(sandbox) == await clean_state(sandbox)


@pytest.mark.parametrize(("kind", "after"), [(inventory_writes, 1), (status_writes, 1)])
async def test_a_later_run_that_is_killed_is_completed_by_the_next(
    kind: Kind, after: int, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    first, second, hub = populate(sandbox, many=27)
    await sandbox.sync()
    sandbox.remove(first, "us-west-2", sandbox.records(first, "us-west-2")[5:15])
    sandbox.add(first, "us-west-2", servers=27)
    sandbox.remove(second, "sa-east-1", sandbox.records(second, "sa-east-1"))
    sandbox.add(hub, "eu-west-1", servers=5)
    kill_at(received, kind(sandbox), after=after)

    await sandbox.sync()

    inventory, _, rows = state(sandbox)
    clean_inventory, _, clean_rows = await clean_state(sandbox)
    assert inventory == clean_inventory
    # A write of the killed run may still arrive where the last server left, so that scope is scanned for a while.
    (emptied,) = [row["accounts"][second] for row in rows if row["region"] == "sa-east-1"]
    assert emptied.pop("lookRequestedAt")
    assert rows == clean_rows


async def test_a_pointer_outlives_a_run_that_was_killed(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    account = sandbox.add_account(regions={"us-west-2": {"servers": 1}})
    await sandbox.sync()
    sandbox.add(account, "us-east-1", servers=1)
    (reverse,) = sandbox.records(account, "us-east-1")
    (forward,) = sandbox.records(account, "us-west-2")
    forward["reversedDirectionSourceServerArn"] = reverse["arn"]
    sandbox.set(DISCOVERY_WINDOW_SECONDS="31536000")  # only the pointer leads to this scope
    kill_at(received, status_writes(sandbox), after=0)

    for _ in range(2):
        received.clear()
        await sandbox.sync()

    assert len(received.of("drs", "DescribeSourceServers")) < 6
    assert reverse["arn"] in {item["sourceServerArn"] for item in sandbox.items()}
