"""The figures of the estate in the report of a sync, its metrics, and the record of the run."""

from __future__ import annotations

from service.app import open_app
from service.context import SyncRequest
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox

TOPOLOGY = "SOURCE_SERVER_TOPOLOGY_TABLE"


async def test_a_sync_of_everything_reports_the_estate_and_one_of_a_part_does_not(sandbox: EngineSandbox) -> None:
    info = sandbox.records(sandbox.names.a, "us-west-2")[0]["dataReplicationInfo"]
    info.update(dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"})
    report = await sandbox.sync()
    figures = report["estate"]
    assert (figures["serversReady"], figures["serversStalled"], figures["serversUnknown"]) == (10, 1, 0)
    assert figures["serversWithoutRecentDrill"] == 11
    assert 0 <= figures["oldestCompleteScanSeconds"] < 60
    assert "estate" not in await sandbox.sync(regions=("us-west-2",))
    assert "estate" not in await sandbox.sync(accounts=(sandbox.names.a,))
    # Also of scopes that this run did not scan: the summaries of earlier runs hold.
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": "eu-west-1", "service": "drs"}])
    assert (await sandbox.sync())["estate"]["serversReady"] == 10


async def test_without_the_table_there_are_no_figures(sandbox: EngineSandbox) -> None:
    sandbox.set(SOURCE_SERVER_TOPOLOGY_TABLE="")
    assert "estate" not in await sandbox.sync()


async def test_summaries_that_cannot_be_read_cost_the_figures_and_a_warning(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    table = sandbox.table(TOPOLOGY).name
    fault = {"service": "dynamodb", "operation": "BatchGetItem", "table": table, "times": None}
    sandbox.faults(fail=[fault])
    report = await sandbox.sync()
    assert "estate" not in report
    assert [(each["operation"], each["service"]) for each in report["warnings"]] == [("BatchGetItem", "dynamodb")]


async def test_the_last_run_of_each_operation_is_recorded(sandbox: EngineSandbox) -> None:
    async with open_app(load_settings()) as app:
        report = await app.sync_inventory(SyncRequest())
        await app.sync_inventory(SyncRequest(regions=("us-west-2",)))
    items = {item["sk"]: item for item in sandbox.table(TOPOLOGY).scan()["Items"] if item["pk"] == "estate"}
    assert items.keys() == {"run#sync_source_server_inventory", "run#sync_source_server_inventory_requested"}
    recorded = items["run#sync_source_server_inventory"]
    assert (recorded["startedAt"], recorded["status"]) == (report["startedAt"], "complete")
