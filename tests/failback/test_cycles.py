"""The original topology after every step of two failback cycles in a row, in the simulation."""

from __future__ import annotations

import pytest

from service.topology.original import ORIGINALS
from tests.failback.simulated import ACCOUNT, SimulatedFailback
from tests.simulation.failback import A1, HOST

OTHER, THIRD = "777000000004", "777000000005"
STEPS = ("recover", "reverse", "catch_up", "launch_back", "protect_again", "catch_up", "clean_up")


@pytest.mark.usefixtures("simulation")
@pytest.mark.parametrize("source_account", [ACCOUNT, OTHER])
@pytest.mark.parametrize("extended", [False, True])
async def test_originals_survive_every_step_wherever_the_server_is(
    source_account: str,
    extended: bool,  # noqa: FBT001
) -> None:
    tried = SimulatedFailback(OTHER, THIRD, source_account=source_account)
    failback = tried.failback
    if extended:
        failback.extend_into(THIRD)
    assert not (await tried.sync())["errors"]
    before = tried.own(tried.lineage)
    assert {name: before[name] for name in ("originalInstanceId", "originalSourceAccountId")} == {
        "originalInstanceId": A1,
        "originalSourceAccountId": source_account,
    }
    names = [A1, HOST.upper(), f"{HOST}.corp.example", failback.arn, failback.launched_from["arn"]]
    for _ in range(2):
        for step in STEPS:
            getattr(failback, step)()
            if step == "recover":
                names += [failback.recovered["recoveryInstanceID"], failback.recovered["arn"]]
            if step == "reverse":
                names += [failback.reversed["arn"], failback.reversed["sourceServerID"]]
            if step == "launch_back":
                names.append(failback.failed_back["recoveryInstanceID"])
            assert not (await tried.sync())["errors"]
            after = tried.own(tried.lineage)
            assert {name: after.get(name) for name in ORIGINALS} == {name: before.get(name) for name in ORIGINALS}, step
        for name in names:
            facts = await tried.facts(name)
            assert (facts.lineage, facts.original["originalInstanceId"]) == (tried.lineage, A1), name
    moves = [entry["instanceId"] for entry in after["topologyHistory"] if entry["event"] == "moved"]
    assert len(moves) == 2
    assert A1 not in moves
