"""A hundred concurrent queries while a sync runs: each is answered, and no socket is left open."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from service.app import open_app
from service.context import SyncRequest
from service.queries.params import InventoryParams
from service.query_app import open_query_app
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox

QUERIES = 100


def _sockets() -> int:
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # a thread of the server has closed it since it was listed
            count += "socket" in str(each.readlink())
    return count


@pytest.mark.deep
@pytest.mark.timeout(120)
async def test_a_hundred_concurrent_queries_while_a_sync_runs(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    sockets, answers = _sockets(), list[int]()
    settings = load_settings()
    async with open_app(settings) as app, open_query_app(settings) as query_app:

        async def run_query() -> None:
            answer = await query_app.inventory.run(InventoryParams())
            answers.append(len(answer.body["servers"]))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.sync_inventory, SyncRequest(full_scan=True))
            for _ in range(QUERIES):
                tasks.start_soon(run_query)
        # Two connection pools, each with its own limit of concurrent calls.
        assert _sockets() - sockets <= 2 * 2 * (settings.calls_at_once + 8)
    assert answers == [11] * QUERIES
    while _sockets() > sockets + 4:  # noqa: ASYNC110 - the server's side closes in threads of its own
        await anyio.sleep(0.1)
