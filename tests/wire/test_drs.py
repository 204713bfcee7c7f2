"""Broken responses of DRS in one region: only scopes of that region fail, with the cause, and no data is lost."""

from __future__ import annotations

import pytest

from tests.wire.conftest import SpoiledSandbox
from tests.wire.relay import SPOILERS

CAUSES = {
    "silent": "ReadTimeout",
    "silent in mid-body": "ReadTimeout",
    "dripping": "ReadTimeout",
    "cut in mid-body": "ConnectionLost",
    "cut in mid-head": "ConnectionLost",
    "length too great": "ReadTimeout",
    "length too small": "MalformedResponse or ConnectionLost",  # the surplus bytes spoil the next attempt
    "broken chunks": "ConnectionLost or ReadTimeout",  # depends on how the bytes arrive: aiohttp fails at once or waits
    "malformed": "MalformedResponse",
    "a page of a proxy": "MalformedResponse",
    "no HTTP": "ConnectionLost",
    "hung up": "ConnectionLost",
    "reset": "ConnectionLost",
    "reset in mid-body": "ConnectionLost",
}


def test_every_spoiler_is_tried() -> None:
    assert set(CAUSES) == set(SPOILERS)


@pytest.mark.parametrize("spoiler", CAUSES)
async def test_a_bad_answer_costs_its_scope_alone(spoiler: str, spoiled: SpoiledSandbox) -> None:
    with spoiled.spoiling(spoiler, lambda request: request.is_for("drs", region="eu-west-1")):
        report = await spoiled.sandbox.sync()
    assert report["status"] == "partial"
    (error,) = report["errors"]
    assert error["code"] in CAUSES[spoiler].split(" or ")
    assert (error["accountId"], error["regions"]) == (spoiled.sandbox.names.a, ["eu-west-1"])
    assert (error["service"], error["operation"]) == ("drs", "DescribeSourceServers")
    assert report["serversSynced"] == 8
    entry = spoiled.sandbox.status()["eu-west-1"]["accounts"][spoiled.sandbox.names.a]
    assert entry["serverCount"] == 3
    assert error["code"] in entry["errorMessage"]
    spoiled.nothing_lost()
    await spoiled.next_run_is_complete()
