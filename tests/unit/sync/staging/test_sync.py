"""What a staging sync writes to region status grows with its regions, not with the square of its accounts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final, cast

import anyio
import pytest

from service.context import RunContext, SyncRequest
from service.deadline import Deadline, Shutdown
from service.models import Problem, Scope, utc_now
from service.regions.selection import RegionSource, Selection
from service.regions.status_writer import Recording
from service.settings import Settings
from service.sync.engine.report import RunReport
from service.sync.engine.sync import Deps, Run
from service.sync.staging.sync import _scan_tools
from tests.simulation.clock import VirtualLoop, run

UNUSED: Final = cast("Any", None)


@pytest.mark.parametrize("accounts", [2, 200])
def test_targets_that_got_their_first_servers_share_the_writes_of_their_region(accounts: int) -> None:
    async def work(_: VirtualLoop) -> None:
        writes: list[set[str]] = []

        async def record(_: str, recording: Recording) -> None:
            await anyio.sleep(1.0)
            writes.append(set(recording.scan_requests or ()))

        context = RunContext(
            UNUSED, UNUSED, (), UNUSED, frozenset(), (), Selection(RegionSource.STATUS_TABLE, "", {}, ()), None
        )
        deps = Deps(UNUSED, Settings(), cast("Any", SimpleNamespace(record=record)), utc_now)
        tools = _scan_tools(Run(SyncRequest(), deps, context, Deadline(Shutdown()), utc_now(), RunReport(())))
        problems: list[Problem | None] = []

        async def request(account_id: str) -> None:
            problems.append(await tools.request_scan(Scope(account_id, "us-west-2")))

        account_ids = {f"{number:012}" for number in range(accounts)}
        async with anyio.create_task_group() as tasks:
            for account_id in account_ids:
                tasks.start_soon(request, account_id)
        assert (set().union(*writes), set(problems)) == (account_ids, {None})
        assert len(writes) <= 2

    run(work)
