"""A fourth sync in a few lines, run by the engine against a simulated AWS: a new sync needs little code."""

from __future__ import annotations

from service.app import open_app
from service.aws.client import AccountSession
from service.aws.drs import DrsReader
from service.context import SyncRequest
from service.models import Scope
from service.settings import load_settings
from service.sync.engine.runner import run
from service.sync.engine.sync import Run, ScopeScan, Sync
from tests.support.sandbox import EngineSandbox


class DisconnectedScan(ScopeScan):
    """Counts the servers of a scope whose agent does not report."""

    def __init__(self, scope: Scope, drs: DrsReader) -> None:
        super().__init__(scope)
        self._drs = drs

    async def run(self) -> None:
        async for page in self._drs.source_servers(self.scope.region):
            self.servers += len(page)
            states = [record["dataReplicationInfo"]["dataReplicationState"] for record in page]
            self.counts["serversDisconnected"] += states.count("DISCONNECTED")


class DisconnectedSync(Sync):
    """Counts disconnected servers in active scopes."""

    operation = "count_disconnected"
    counts = ("serversDisconnected",)

    def scan(self, scope: Scope, session: AccountSession, run: Run) -> ScopeScan:
        return DisconnectedScan(scope, run.deps.drs(session))


async def test_a_fourth_sync_is_one_small_package(sandbox: EngineSandbox) -> None:
    sandbox.add(sandbox.names.b, "sa-east-1", servers=2, states={"DISCONNECTED": 2})
    async with open_app(load_settings()) as app:
        await app.sync_inventory(SyncRequest(full_scan=True))
        sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": "eu-west-1", "service": "drs"}])
        report = await run(DisconnectedSync(), SyncRequest(), app.deps)
    assert (report["operation"], report["status"], report["regionSource"]) == (
        "count_disconnected",
        "partial",
        "status_table",
    )
    assert (report["serversDisconnected"], report["serversSynced"]) == (2, 10)
    assert report["scopes"] == {"asked": 14, "complete": 3, "partial": 0, "skipped": 10, "failed": 1, "discovery": 0}
    [problem] = report["errors"]
    assert (problem["accountId"], problem["regions"]) == (sandbox.names.a, ["eu-west-1"])
