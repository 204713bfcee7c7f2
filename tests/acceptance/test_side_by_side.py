"""Concurrent runs leave the tables as one run would."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from service.sandbox.moto_drs import drs_backends
from tests.acceptance.processes import finish, populate
from tests.support.command import start
from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EngineSandbox
from tests.support.table_state import clean_state, state

WEST, EAST = "us-west-2", "eu-west-1"


@pytest.mark.deep
@pytest.mark.parametrize(("run", "how"), [("first", "tasks"), ("later", "processes")])
async def test_two_runs_at_once_end_as_one(run: str, how: str, sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    sandbox.set(TOPOLOGY_READS_PER_SCOPE="100")
    first, _, hub = populate(sandbox, many=12)
    if run == "later":
        await sandbox.sync()
        sandbox.remove(first, WEST, sandbox.records(first, WEST)[5:9])
        sandbox.add(hub, EAST, servers=3)

    with received.holding(lambda call: call.operation == "GetCallerIdentity") as start_line:
        if how == "processes":
            processes = [start("sync", "inventory") for _ in range(2)]
            await start_line.blocked(2)
            start_line.release()
            statuses = [finish(process).report["status"] for process in processes]
        else:
            statuses = []
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(_sync, sandbox, statuses)
                await start_line.blocked(2)
                start_line.release()

    assert statuses == ["complete", "complete"]
    inventory, bookkeeping, rows = state(sandbox)
    clean_inventory, clean_bookkeeping, clean_rows = await clean_state(sandbox)
    assert inventory == clean_inventory
    assert rows == clean_rows
    assert run == "later" or bookkeeping == clean_bookkeeping


async def _sync(sandbox: EngineSandbox, statuses: list[str], **request: Any) -> None:
    statuses.append((await sandbox.sync(**request))["status"])


async def test_runs_for_different_accounts_at_once_keep_each_others_counts(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    accounts = [
        sandbox.add_account(regions={WEST: {"servers": number}, EAST: {"servers": 1}}) for number in range(1, 4)
    ]
    statuses: list[str] = []

    with received.holding(lambda call: call.service == "drs") as start_line:
        async with anyio.create_task_group() as tasks:
            for account in accounts:
                request = {"accounts": (account,), "regions": (WEST, EAST)}
                tasks.start_soon(lambda members: _sync(sandbox, statuses, **members), request)
            await start_line.blocked(6)
            start_line.release()

    assert statuses == ["complete"] * 3
    assert sandbox.counts() == {WEST: 6, EAST: 3}
    assert len(sandbox.items()) == 9


async def test_a_server_that_another_run_wrote_meanwhile_stays(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    """It was stored and not listed; before it is removed, another run lists and writes it."""
    account = sandbox.add_account(regions={WEST: {"servers": 3}})
    await sandbox.sync()
    record = sandbox.records(account, WEST)[-1]
    sandbox.remove(account, WEST, [record])
    table = sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").name
    late: list[dict[str, Any]] = []

    async def remove() -> None:
        late.append(await sandbox.sync(regions=(WEST,)))

    with received.holding(lambda call: call.operation == "DeleteItem" and call.is_write(table)) as held:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(remove)
            await held.blocked()
            record["dataReplicationInfo"]["dataReplicationState"] = "STALLED"
            drs_backends[account][WEST].add_source_server(record)
            assert (await sandbox.sync(regions=(WEST,)))["serversWritten"] == 1
            held.release()

    assert [(report["status"], report["serversRemoved"]) for report in late] == [("complete", 0)]
    (item,) = [item for item in sandbox.items() if item["sourceServerArn"] == record["arn"]]
    assert item["replicationState"] == "STALLED"
