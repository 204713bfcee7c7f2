"""Late writes, an index that lags, runs that are killed: the record of a server that left is removed all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import pytest

from service.errors import AwsError
from service.inventory.table import InventoryTable
from service.models import Scope, parse_iso
from service.regions.status_writer import Recording, RegionStatusTable
from tests.support.sandbox import EngineSandbox

WEST: Final = "us-west-2"
NEW: Final = "sa-east-1"


@pytest.fixture
def sandbox(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Start a sandbox: A has 2 servers in us-west-2, B has 3 in eu-west-1."""
    sandbox = start_sandbox(a={WEST: {"servers": 2}}, b={"eu-west-1": {"servers": 3}})
    # One scope after the other, and none by discovery: what is scanned is scanned because it is known to need it.
    sandbox.set(
        DRS_REGIONS=f"{WEST} eu-west-1 {NEW}", DISCOVERY_CALL_SHARE="0.001", DISCOVERY_WINDOW_SECONDS="31536000"
    )
    return sandbox


def items_in(sandbox: EngineSandbox, region: str) -> list[dict[str, Any]]:
    return [item for item in sandbox.items() if item["replicationRegion"] == region]


def entry(sandbox: EngineSandbox, region: str, account_id: str) -> dict[str, Any]:
    return dict(sandbox.status()[region]["accounts"][account_id])


def leave(sandbox: EngineSandbox, account_id: str, region: str) -> None:
    """Remove every server of a scope from DRS."""
    sandbox.server.remove(account_id, region, [item["sourceServerID"] for item in items_in(sandbox, region)])


def put(sandbox: EngineSandbox, items: Iterable[dict[str, Any]]) -> None:
    """Let a write of an earlier run arrive."""
    for item in items:
        sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").put_item(Item=item)


async def test_a_server_that_a_late_write_brings_back_is_removed_by_the_next_run(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    late = items_in(sandbox, WEST)
    leave(sandbox, sandbox.names.a, WEST)
    assert (await sandbox.sync())["serversRemoved"] == 2
    request = parse_iso(entry(sandbox, WEST, sandbox.names.a)["lookRequestedAt"])
    scanned = parse_iso(entry(sandbox, WEST, sandbox.names.a)["lastComplete"])
    assert request is not None
    assert scanned is not None
    assert (request - scanned).total_seconds() > 10 * 60  # a signed request is valid for 5 minutes, by clocks 4 off
    put(sandbox, late)
    report = await sandbox.sync()
    assert report["serversRemoved"] == 2
    assert (items_in(sandbox, WEST), sandbox.counts()) == ([], {"eu-west-1": 3})


async def test_a_scope_that_lost_its_servers_is_left_alone_once_no_write_can_arrive(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    leave(sandbox, sandbox.names.a, WEST)
    await sandbox.sync()
    assert WEST in (await sandbox.sync())["regions"]["scanned"]
    table = sandbox.table("DRS_REGION_STATUS_TABLE")
    table.update_item(
        Key={"region": WEST},
        UpdateExpression="SET accounts.#a.lookRequestedAt = :past",
        ExpressionAttributeNames={"#a": sandbox.names.a},
        ExpressionAttributeValues={":past": "2026-01-01T00:00:00.000000+00:00"},
    )
    assert WEST in (await sandbox.sync())["regions"]["scanned"]
    assert "lookRequestedAt" not in entry(sandbox, WEST, sandbox.names.a)
    assert WEST not in (await sandbox.sync())["regions"]["scanned"]


async def test_a_late_write_where_drs_is_no_longer_initialised_is_removed_within_two_runs(
    sandbox: EngineSandbox,
) -> None:
    await sandbox.sync()
    late = items_in(sandbox, WEST)
    told = {"error": "UninitializedAccountException", "status": 400, "operation": "DescribeSourceServers"}
    sandbox.faults(fail=[{**told, "account_id": sandbox.names.a, "region": WEST, "times": None}])
    assert [(await sandbox.sync())["serversRemoved"] for _ in range(2)] == [0, 2]
    put(sandbox, late)
    assert [(await sandbox.sync())["serversRemoved"] for _ in range(2)] == [0, 2]
    assert items_in(sandbox, WEST) == []


async def test_servers_that_the_index_hid_are_removed_by_the_next_run(
    sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sandbox.sync()
    leave(sandbox, sandbox.names.a, WEST)

    async def hidden(self: InventoryTable, scope: Scope, *, partition: str) -> dict[Any, Any]:
        return {}

    with monkeypatch.context() as lagging:
        lagging.setattr(InventoryTable, "stored_items", hidden)
        report = await sandbox.sync(accounts=(sandbox.names.a,))
    assert report["serversRemoved"] == 0
    assert sandbox.counts() == {"eu-west-1": 3}
    assert len(items_in(sandbox, WEST)) == 2
    assert (await sandbox.sync())["serversRemoved"] == 2
    assert items_in(sandbox, WEST) == []


async def test_items_of_a_run_that_was_killed_before_its_row_are_scanned_by_the_next(
    sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sandbox.sync()
    sandbox.add(sandbox.names.b, NEW, servers=2)

    async def cut_off(_: RegionStatusTable, recordings: Mapping[str, Recording]) -> dict[str, AwsError]:
        return {}  # rows are written at the end of the scans; the run is killed before

    with monkeypatch.context() as killed:
        killed.setattr(RegionStatusTable, "record_all", cut_off)
        await sandbox.sync(full_scan=True)
    assert len(items_in(sandbox, NEW)) == 2
    assert entry(sandbox, NEW, sandbox.names.b)["serverCount"] == 0
    leave(sandbox, sandbox.names.b, NEW)
    assert (await sandbox.sync())["serversRemoved"] == 2
    assert items_in(sandbox, NEW) == []


async def test_new_scopes_cost_one_more_write_of_their_row_and_are_scanned_until_no_write_can_arrive(
    sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sandbox.sync()
    for account_id in (sandbox.names.a, sandbox.names.b):
        sandbox.add(account_id, NEW, servers=2)
    record, announced = RegionStatusTable.record, list[str]()

    async def counting(self: RegionStatusTable, region: str, recording: Recording) -> None:
        announced.extend([region] if not recording.observations and recording.scan_requests else [])
        await record(self, region, recording)

    monkeypatch.setattr(RegionStatusTable, "record", counting)
    await sandbox.sync(full_scan=True)
    assert announced in ([NEW], [NEW, NEW])  # two scopes that come up together share one
    for account_id in (sandbox.names.a, sandbox.names.b):
        stored = entry(sandbox, NEW, account_id)
        assert stored["lookRequestedAt"] > stored["lastComplete"]


async def test_a_row_that_cannot_be_announced_keeps_its_scope_from_being_written(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    sandbox.add(sandbox.names.b, NEW, servers=2)
    sandbox.faults(fail=[{"service": "dynamodb", "operation": "UpdateItem", "times": 1, "error": "X", "status": 400}])
    report = await sandbox.sync(regions=(NEW,), accounts=(sandbox.names.b,))
    assert (report["serversWritten"], items_in(sandbox, NEW)) == (0, [])
    assert [error["code"] for error in report["errors"]] == ["X"]
    sandbox.faults()
    assert (await sandbox.sync())["serversWritten"] == 2
