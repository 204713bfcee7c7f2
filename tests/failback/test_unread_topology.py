"""Calls about topology that AWS refuses: each is a warning, costs itself alone, and is made by a later run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio
import pytest

from service.context import SyncRequest
from service.models import Call
from service.sync.inventory.topology_tables import carry_over
from service.topology.original import MISSING, ORIGIN_MISSING, RECORDED_ATTRIBUTES, TEMPLATE_ID
from tests.failback.simulated import ACCOUNT, INVENTORY, OWN, SimulatedFailback
from tests.failback.test_carry_over import GONE
from tests.simulation.dynamodb import ServiceError
from tests.simulation.failback import RECOVERY

OTHER: Final = "888000000003"
DAY_S: Final = 86_400.0
REGION: Final = "originalSourceRegion"
ENVIRONMENT: Final = "originEnvironment"
INSTANCES: Final = "DescribeRecoveryInstances"
READ: Final = "GetReplicationConfiguration"
TEMPLATES: Final = "DescribeReplicationConfigurationTemplates"


class Refusals:
    """Refuses calls of a simulation. What is refused: operation, and the account or table where."""

    def __init__(self, simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused: list[Call] = []
        self._what: tuple[tuple[str, str], ...] = ()
        self._code = self._having = ""
        self._serve = simulation.aws.serve
        monkeypatch.setattr(simulation.aws, "serve", self._answer)

    def refuse(self, *what: tuple[str, str], code: str = "AccessDeniedException", having: str = "") -> None:
        """Refuse these from now on, and no others; with `having`, those of an item with this attribute only."""
        self._what, self._code, self._having = what, code, having
        self.refused.clear()

    def _answer(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        is_refused = (call.operation, str(params.get("TableName", call.account_id))) in self._what
        if is_refused and (not self._having or self._having in params["Item"]):
            self.refused.append(call)
            raise ServiceError(self._code, "no")
        return self._serve(call, params)


@pytest.fixture
def refusals(simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch) -> Refusals:
    return Refusals(simulation, monkeypatch)


async def warnings_of(simulation: SimulatedFailback, **changes: Any) -> list[tuple[str, str]]:
    """Run a sync that does all but what it warns of; return operation and account of the calls it warns of."""
    report = await simulation.sync(**changes)
    assert (report["status"], report["errors"]) == ("complete", [])
    return [(each["operation"], each["accountId"]) for each in report["warnings"] if "operation" in each]


def add_recovered(simulation: SimulatedFailback) -> str:
    """Add a server whose record tells nothing of its origin, and recover it; return the ARN."""
    failback = simulation.failback
    server_id = simulation.aws.add_server(failback.recovery_side, {"hostname": "nas-1"}, None)
    failback._launch(failback.recovery_side, server_id)
    return str(simulation.aws.drs[failback.recovery_side].servers[server_id]["arn"])


def without(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


def forget(simulation: SimulatedFailback, *names: str) -> None:
    """Remove attributes from the topology and from the inventory item of the lineage."""
    simulation.put(without(simulation.own(simulation.lineage), *names), OWN)
    simulation.put(without(_item(simulation), *names))


def _item(simulation: SimulatedFailback) -> dict[str, Any]:
    return simulation.servers()[simulation.lineage]


# Origins


async def test_recovery_instances_that_cannot_be_read_are_read_by_the_next_run(
    simulation: SimulatedFailback, refusals: Refusals
) -> None:
    arn = add_recovered(simulation)
    refusals.refuse((INSTANCES, ACCOUNT))
    assert await warnings_of(simulation) == [(INSTANCES, ACCOUNT)]
    assert (simulation.own(arn).get(ENVIRONMENT), simulation.servers()[arn].get(ENVIRONMENT)) == (None, None)
    forget(simulation, REGION)
    assert await warnings_of(simulation) == [(INSTANCES, ACCOUNT)]
    assert simulation.own(simulation.lineage)[REGION] == _item(simulation)[REGION]  # what records tell is filled
    refusals.refuse()
    assert await warnings_of(simulation) == []
    told = "ON_PREMISES"
    assert (simulation.own(arn)[ENVIRONMENT], simulation.servers()[arn][ENVIRONMENT]) == (told, told)


async def test_an_origin_whose_copy_could_not_be_written_is_copied_by_the_next_run(
    simulation: SimulatedFailback, refusals: Refusals
) -> None:
    await simulation.sync()
    before = _item(simulation)
    forget(simulation, REGION)
    refusals.refuse(("UpdateItem", INVENTORY))
    ((operation, _),) = await warnings_of(simulation)
    assert operation == "UpdateItem"
    assert (simulation.own(simulation.lineage)[REGION], REGION in _item(simulation)) == (before[REGION], False)
    refusals.refuse()
    assert await warnings_of(simulation) == []
    assert _item(simulation) == before


async def test_of_a_topology_that_somebody_deleted_with_all_its_copies_nothing_is_copied(
    simulation: SimulatedFailback,
) -> None:
    """What its record tells now need not be what it told at first sight."""
    await simulation.sync()
    simulation.delete(simulation.own(simulation.lineage), OWN)
    bare = without(_item(simulation), *RECORDED_ATTRIBUTES)
    simulation.put({**bare, "topologyComplete": False, MISSING: [ORIGIN_MISSING]})
    before = _item(simulation)
    assert await warnings_of(simulation) == []
    assert (_item(simulation), simulation.own(simulation.lineage)) == (before, {})


@pytest.mark.parametrize("is_named", [True, False])
async def test_of_several_lineages_of_one_machine_drs_names_the_one_of_a_reversed_server(
    simulation: SimulatedFailback, *, is_named: bool
) -> None:
    failback = simulation.failback
    failback.recover()
    await simulation.sync()
    failback.reverse()
    machine, reversed_arn = failback.recovered["recoveryInstanceID"], failback.reversed["arn"]
    simulation.put({"pk": f"id#{machine}", "sk": f"LINEAGE#{GONE}", "lineageArn": GONE}, OWN)
    if not is_named:
        drs, server_id = simulation.aws.drs[failback.source_side], failback.reversed["sourceServerID"]
        del drs.servers[server_id]["reversedDirectionSourceServerArn"]
    assert await warnings_of(simulation) == []
    lineage = simulation.servers()[reversed_arn].get("lineageArn")
    assert lineage == (simulation.lineage if is_named else None)


# Configurations and templates


async def test_a_configuration_that_dynamodb_refuses_is_a_warning_that_names_the_server(
    simulation: SimulatedFailback, refusals: Refusals
) -> None:
    refusals.refuse(("PutItem", OWN), code="ValidationException", having="originalReplicationConfiguration")
    report = await simulation.sync()
    (message,) = [each["message"] for each in report["warnings"] if each["code"] == "ValidationException"]
    assert message.startswith(f"{simulation.failback.forward_id}: ")
    assert report["status"] == "complete"
    assert simulation.own(simulation.lineage)["originalInstanceId"]  # recorded, without what is refused
    refusals.refuse(("UpdateItem", OWN), code="ValidationException")
    assert [operation for operation, _ in await warnings_of(simulation)] == ["UpdateItem"]
    refusals.refuse()
    assert await warnings_of(simulation) == []
    assert _item(simulation)["topologyComplete"] is True


async def test_a_configuration_that_could_not_be_read_again_is_a_warning(
    simulation: SimulatedFailback, refusals: Refusals
) -> None:
    daily: dict[str, Any] = {"sync_interval_seconds": DAY_S}
    await simulation.sync(**daily)
    await anyio.sleep(2 * DAY_S)
    refusals.refuse((READ, ACCOUNT))
    assert await warnings_of(simulation, **daily) == [(READ, ACCOUNT)]
    refusals.refuse()
    assert await warnings_of(simulation, **daily) == []


@pytest.mark.usefixtures("simulation")
async def test_an_item_that_could_not_be_corrected_is_corrected_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An earlier version called an extended server complete without its template, which cannot be read now."""
    simulation = SimulatedFailback(OTHER)
    simulation.failback.extend_into(OTHER)
    refusals = Refusals(simulation, monkeypatch)
    await simulation.sync()
    arn = str(simulation.failback.launched_from["arn"])
    for item, table in ((simulation.own(simulation.lineage), OWN), (simulation.servers()[arn], INVENTORY)):
        simulation.put(without(item, TEMPLATE_ID, MISSING), table)
    refusals.refuse((TEMPLATES, ACCOUNT), ("UpdateItem", INVENTORY))
    assert [operation for operation, _ in await warnings_of(simulation)] == [TEMPLATES, "UpdateItem"]
    assert simulation.servers()[arn]["topologyComplete"] is True
    refusals.refuse((TEMPLATES, ACCOUNT))
    assert await warnings_of(simulation) == [(TEMPLATES, ACCOUNT)]
    corrected = simulation.servers()[arn]
    assert (corrected["topologyComplete"], corrected[MISSING]) == (False, ["template"])


@pytest.mark.usefixtures("simulation")
async def test_a_staging_account_that_refuses_one_configuration_is_asked_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulation = SimulatedFailback(OTHER)
    refusals, failback = Refusals(simulation, monkeypatch), simulation.failback
    failback.extend_into(OTHER)
    second = simulation.aws.add_server(failback.recovery_side, {"hostname": "host-2"}, failback.source_side)
    simulation.aws.extend(failback.launches_in, str(simulation.aws.drs[failback.recovery_side].servers[second]["arn"]))
    refusals.refuse((READ, ACCOUNT), (READ, OTHER))
    request = SyncRequest(accounts=(OTHER,), regions=(RECOVERY,))
    report = await simulation.host(drs_calls_at_once=1).run("inventory", request)
    assert [each.account_id for each in refusals.refused] == [OTHER, ACCOUNT, OTHER]
    assert {(each["operation"], each["accountId"]) for each in report["warnings"]} == {(READ, ACCOUNT), (READ, OTHER)}
    refusals.refuse((READ, OTHER))
    report = await simulation.host().run("inventory", request)
    assert report["warnings"] == []
    assert {each["topologyComplete"] for each in simulation.servers().values()} == {True}


async def test_without_a_topology_table_the_end_of_a_sync_in_shards_searches_nothing(
    simulation: SimulatedFailback,
) -> None:
    host = simulation.host(source_server_topology_table="")
    await carry_over(host.app.deps, remaining_s=60.0)
    assert not simulation.aws.calls
