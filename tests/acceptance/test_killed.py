"""A killed run and the next one together leave the tables as one clean run would."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.acceptance.processes import populate
from tests.support.command import start
from tests.support.estate import Estate
from tests.support.received_calls import Matches, ReceivedCall, ReceivedCalls
from tests.support.table_state import clean_state, state

Kind = Callable[[Estate], Matches]


def scans(estate: Estate) -> Matches:
    return lambda call: call.operation == "DescribeSourceServers"


def _puts(estate: Estate, variable: str) -> Matches:
    table = estate.table(variable).name

    def matches(call: ReceivedCall) -> bool:
        return call.operation != "DeleteItem" and call.is_write(table)

    return matches


def inventory_writes(estate: Estate) -> Matches:
    return _puts(estate, "SOURCE_SERVER_INVENTORY_TABLE")


def status_writes(estate: Estate) -> Matches:
    return _puts(estate, "DRS_REGION_STATUS_TABLE")


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
    estate: Estate,
    received: ReceivedCalls,
) -> None:
    populate(estate, many=27)
    kill_at(received, kind(estate), after=after, drops=drops)

    await estate.sync()

    assert set(estate.status()) == set(os.environ["DRS_REGIONS"].split())
    assert state(estate) == await clean_state(estate)


@pytest.mark.parametrize(("kind", "after"), [(inventory_writes, 2), (status_writes, 1)])
async def test_a_later_run_that_is_killed_is_completed_by_the_next(
    kind: Kind, after: int, estate: Estate, received: ReceivedCalls
) -> None:
    first, second, hub = populate(estate, many=27)
    await estate.sync()
    estate.remove(first, "us-west-2", estate.records(first, "us-west-2")[5:15])
    estate.add(first, "us-west-2", servers=27)
    estate.remove(second, "sa-east-1", estate.records(second, "sa-east-1"))
    estate.add(hub, "eu-west-1", servers=5)
    kill_at(received, kind(estate), after=after)

    await estate.sync()

    inventory, _, rows = state(estate)
    clean_inventory, _, clean_rows = await clean_state(estate)
    assert inventory == clean_inventory
    # A write of the killed run may still arrive where the last server left, so that scope is scanned for a while.
    (emptied,) = [row["accounts"][second] for row in rows if row["region"] == "sa-east-1"]
    assert emptied.pop("lookRequestedAt")
    assert rows == clean_rows


async def test_a_pointer_outlives_a_run_that_was_killed(estate: Estate, received: ReceivedCalls) -> None:
    account = estate.add_account(regions={"us-west-2": {"servers": 1}})
    await estate.sync()
    estate.add(account, "us-east-1", servers=1)
    (reverse,) = estate.records(account, "us-east-1")
    (forward,) = estate.records(account, "us-west-2")
    forward["reversedDirectionSourceServerArn"] = reverse["arn"]
    estate.set(DISCOVERY_WINDOW_SECONDS="31536000")  # only the pointer leads to this scope
    kill_at(received, status_writes(estate), after=0)

    for _ in range(2):
        received.clear()
        await estate.sync()

    assert len(received.of("drs", "DescribeSourceServers")) < 6
    assert reverse["arn"] in {item["sourceServerArn"] for item in estate.items()}
