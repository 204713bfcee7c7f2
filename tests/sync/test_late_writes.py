"""Late writes, an index that lags, runs that are killed: the record of a server that left is removed all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest

from service.inventory.table import InventoryTable
from service.models import Scope, parse_iso
from service.regions.status_rows import Observation
from service.regions.status_writer import RegionStatusTable
from tests.support.estate import Estate

WEST: Final = "us-west-2"
NEW: Final = "sa-east-1"


@pytest.fixture
def estate(start_estate: Callable[..., Estate]) -> Estate:
    """Start an estate: A has 2 servers in us-west-2, B has 3 in eu-west-1."""
    estate = start_estate(a={WEST: {"servers": 2}}, b={"eu-west-1": {"servers": 3}})
    # One scope after the other, and none by discovery: what is scanned is scanned because it is known to need it.
    estate.set(DRS_REGIONS=f"{WEST} eu-west-1 {NEW}", DISCOVERY_CALL_SHARE="0.001", DISCOVERY_WINDOW_SECONDS="31536000")
    return estate


def items_in(estate: Estate, region: str) -> list[dict[str, Any]]:
    return [item for item in estate.items() if item["replicationRegion"] == region]


def entry(estate: Estate, region: str, account_id: str) -> dict[str, Any]:
    return dict(estate.status()[region]["accounts"][account_id])


def leave(estate: Estate, account_id: str, region: str) -> None:
    """Remove every server of a scope from DRS."""
    estate.sandbox.remove(account_id, region, [item["sourceServerID"] for item in items_in(estate, region)])


def put(estate: Estate, items: Iterable[dict[str, Any]]) -> None:
    """Let a write of an earlier run arrive."""
    for item in items:
        estate.table("SOURCE_SERVER_INVENTORY_TABLE").put_item(Item=item)


async def test_a_server_that_a_late_write_brings_back_is_removed_by_the_next_run(estate: Estate) -> None:
    await estate.sync()
    late = items_in(estate, WEST)
    leave(estate, estate.names.a, WEST)
    assert (await estate.sync())["serversRemoved"] == 2
    request = parse_iso(entry(estate, WEST, estate.names.a)["lookRequestedAt"])
    scanned = parse_iso(entry(estate, WEST, estate.names.a)["lastComplete"])
    assert request is not None
    assert scanned is not None
    assert (request - scanned).total_seconds() > 10 * 60  # a signed request is valid for 5 minutes, by clocks 4 off
    put(estate, late)
    report = await estate.sync()
    assert report["serversRemoved"] == 2
    assert (items_in(estate, WEST), estate.counts()) == ([], {"eu-west-1": 3})


async def test_a_scope_that_lost_its_servers_is_left_alone_once_no_write_can_arrive(estate: Estate) -> None:
    await estate.sync()
    leave(estate, estate.names.a, WEST)
    await estate.sync()
    assert WEST in (await estate.sync())["regions"]["scanned"]
    table = estate.table("DRS_REGION_STATUS_TABLE")
    table.update_item(
        Key={"region": WEST},
        UpdateExpression="SET accounts.#a.lookRequestedAt = :past",
        ExpressionAttributeNames={"#a": estate.names.a},
        ExpressionAttributeValues={":past": "2026-01-01T00:00:00.000000+00:00"},
    )
    assert WEST in (await estate.sync())["regions"]["scanned"]
    assert "lookRequestedAt" not in entry(estate, WEST, estate.names.a)
    assert WEST not in (await estate.sync())["regions"]["scanned"]


async def test_a_late_write_where_drs_is_no_longer_initialised_is_removed_within_two_runs(estate: Estate) -> None:
    await estate.sync()
    late = items_in(estate, WEST)
    told = {"error": "UninitializedAccountException", "status": 400, "operation": "DescribeSourceServers"}
    estate.faults(fail=[{**told, "account_id": estate.names.a, "region": WEST, "times": None}])
    assert [(await estate.sync())["serversRemoved"] for _ in range(2)] == [0, 2]
    put(estate, late)
    assert [(await estate.sync())["serversRemoved"] for _ in range(2)] == [0, 2]
    assert items_in(estate, WEST) == []


async def test_servers_that_the_index_hid_are_removed_by_the_next_run(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await estate.sync()
    leave(estate, estate.names.a, WEST)

    async def hidden(self: InventoryTable, scope: Scope, *, partition: str) -> dict[Any, Any]:
        return {}

    with monkeypatch.context() as lagging:
        lagging.setattr(InventoryTable, "stored_items", hidden)
        report = await estate.sync(accounts=(estate.names.a,))
    assert report["serversRemoved"] == 0
    assert estate.counts() == {"eu-west-1": 3}
    assert len(items_in(estate, WEST)) == 2
    assert (await estate.sync())["serversRemoved"] == 2
    assert items_in(estate, WEST) == []


async def test_items_of_a_run_that_was_killed_before_its_row_are_scanned_by_the_next(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await estate.sync()
    estate.add(estate.names.b, NEW, servers=2)
    record = RegionStatusTable.record

    async def cut_off(self: RegionStatusTable, region: str, observations: Iterable[Observation], **more: Any) -> None:
        if not observations:  # a row with an observation is written at the end of the run, which is killed before
            await record(self, region, observations, **more)

    with monkeypatch.context() as killed:
        killed.setattr(RegionStatusTable, "record", cut_off)
        await estate.sync(full_scan=True)
    assert len(items_in(estate, NEW)) == 2
    assert entry(estate, NEW, estate.names.b)["serverCount"] == 0
    leave(estate, estate.names.b, NEW)
    assert (await estate.sync())["serversRemoved"] == 2
    assert items_in(estate, NEW) == []


async def test_new_scopes_cost_one_more_write_of_their_row_and_are_scanned_until_no_write_can_arrive(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await estate.sync()
    for account_id in (estate.names.a, estate.names.b):
        estate.add(account_id, NEW, servers=2)
    record, announced = RegionStatusTable.record, list[str]()

    async def counting(self: RegionStatusTable, region: str, observations: Iterable[Observation], **more: Any) -> None:
        announced.extend([region] if not observations and more.get("scan_requests") else [])
        await record(self, region, observations, **more)

    monkeypatch.setattr(RegionStatusTable, "record", counting)
    await estate.sync(full_scan=True)
    assert announced in ([NEW], [NEW, NEW])  # two scopes that come up together share one
    for account_id in (estate.names.a, estate.names.b):
        stored = entry(estate, NEW, account_id)
        assert stored["lookRequestedAt"] > stored["lastComplete"]


async def test_a_row_that_cannot_be_announced_keeps_its_scope_from_being_written(estate: Estate) -> None:
    await estate.sync()
    estate.add(estate.names.b, NEW, servers=2)
    estate.faults(fail=[{"service": "dynamodb", "operation": "UpdateItem", "times": 1, "error": "X", "status": 400}])
    report = await estate.sync(regions=(NEW,), accounts=(estate.names.b,))
    assert (report["serversWritten"], items_in(estate, NEW)) == (0, [])
    assert [error["code"] for error in report["errors"]] == ["X"]
    estate.faults()
    assert (await estate.sync())["serversWritten"] == 2
