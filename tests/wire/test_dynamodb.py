"""Broken responses of DynamoDB: inventory of one scope, region status, target accounts, a write."""

from __future__ import annotations

import pytest

from service.errors import AwsError
from tests.wire.conftest import SpoiledSandbox
from tests.wire.relay import Request

pytestmark = pytest.mark.deep

CAUSES = {
    "silent in mid-body": "ReadTimeout",
    "dripping": "ReadTimeout",
    "cut in mid-body": "ConnectionLost",
    "length too small": "MalformedResponse or ConnectionLost",  # the surplus bytes spoil the next attempt
    "malformed": "MalformedResponse",
    "a page of a proxy": "MalformedResponse",
    "no HTTP": "ConnectionLost",
    "reset": "ConnectionLost",
}


@pytest.mark.parametrize("spoiler", CAUSES)
async def test_an_inventory_that_cannot_be_read_costs_its_scope_alone(spoiler: str, spoiled: SpoiledSandbox) -> None:
    prefix = f":eu-west-1:{spoiled.sandbox.names.a}:source-server/"

    def is_meant(request: Request) -> bool:
        return request.is_for("dynamodb", text=prefix) and request.is_for("dynamodb", text=".Query")

    with spoiled.spoiling(spoiler, is_meant):
        report = await spoiled.sandbox.sync()
    assert report["status"] == "partial"
    (error,) = report["errors"]
    assert error["code"] in CAUSES[spoiler].split(" or ")
    assert (error["service"], error["operation"], error["regions"]) == ("dynamodb", "Query", ["eu-west-1"])
    assert report["serversSynced"] == 8
    spoiled.nothing_lost()
    await spoiled.next_run_is_complete()


def _scans(spoiled: SpoiledSandbox, variable: str, request: Request) -> bool:
    table = spoiled.sandbox.server.environment()[variable]
    return request.is_for("dynamodb", text=f'"{table}"') and request.is_for("dynamodb", text=".Scan")


@pytest.mark.parametrize("spoiler", ["silent in mid-body", "malformed", "reset"])
async def test_a_region_status_that_cannot_be_read_leads_to_every_region(spoiler: str, spoiled: SpoiledSandbox) -> None:
    with spoiled.spoiling(spoiler, lambda request: _scans(spoiled, "DRS_REGION_STATUS_TABLE", request)):
        report = await spoiled.sandbox.sync()
    assert report["regionSource"] == "fallback_table_unavailable"
    assert CAUSES[spoiler] in report["regionReason"]
    assert report["serversSynced"] == 11
    spoiled.nothing_lost()
    await spoiled.next_run_is_complete()


@pytest.mark.parametrize("spoiler", ["silent in mid-body", "malformed", "reset"])
async def test_without_the_accounts_nothing_is_scanned(spoiler: str, spoiled: SpoiledSandbox) -> None:
    spoiled.sandbox.calls()
    with (
        spoiled.spoiling(spoiler, lambda request: _scans(spoiled, "TARGET_ACCOUNTS_TABLE", request)),
        pytest.raises(AwsError) as raised,
    ):
        await spoiled.sandbox.sync()
    assert (raised.value.code, raised.value.call.operation) == (CAUSES[spoiler], "Scan")
    assert not [call for call in spoiled.sandbox.calls() if call[0] == "drs"]
    spoiled.nothing_lost()
    await spoiled.next_run_is_complete()


@pytest.mark.parametrize("spoiler", ["silent in mid-body", "malformed", "reset"])
async def test_a_write_whose_response_is_lost_is_retried(spoiler: str, spoiled: SpoiledSandbox) -> None:
    """The write succeeded, which the writer cannot know."""
    gone = next(item for item in spoiled.sandbox.items() if item["replicationRegion"] == "eu-west-1")
    key = {name: gone[name] for name in ("sourceServerArn", "stagingAccountId")}
    spoiled.sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").delete_item(Key=key)
    with spoiled.spoiling(
        spoiler,
        lambda request: spoiled.relay.spoiled_count < 1 and request.is_for("dynamodb", text=gone["sourceServerID"]),
    ):
        report = await spoiled.sandbox.sync()
    assert (report["status"], report["errors"]) == ("complete", [])
    spoiled.nothing_lost()
    await spoiled.next_run_is_complete()
