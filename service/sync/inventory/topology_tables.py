"""Where an inventory run keeps topology: its own table, or the items of the inventory, of which the run then warns."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import anyio

from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.models import Problem, RegionStatus
from service.sync.engine.sync import Deps, Run
from service.topology.carry_over import CarryOver
from service.topology.items import ItemTopology
from service.topology.keys import CARRY_OVER
from service.topology.store import TopologyStore
from service.topology.table import TopologyTable

__all__ = ["carry_over", "topology_of"]

_PAGES: Final = 50  # of at most 1 MB
_MAX_S: Final = 120.0
_LOST: Final = "originals are kept on the inventory's items, and neither names nor history are kept"
_FIX: Final = (
    "create the table (drs-sync tables create, or deploy/templates/tables.yaml), and set SOURCE_SERVER_TOPOLOGY_TABLE"
    " to its name"
)
_SCHEMA_FIX: Final = "drs-sync doctor says what is wrong with the table"
_WRONG_KEYS: Final = "ValidationException"
_UNUSABLE: Final = frozenset({"TableMissing", "KmsKeyUnusable"})  # and denials; other errors pass


def _own_table(deps: Deps) -> Table | None:
    name = deps.settings.source_server_topology_table
    return deps.table(name) if name else None


async def topology_of(run: Run, *, is_first: bool) -> TopologyStore:
    """Return what keeps the topology of a run; warn when there is no topology table that can be used.

    Args:
        run: the run.
        is_first: the inventory has no item, so nothing that an earlier version left.
    """
    inventory, own = run.deps.table(run.deps.settings.source_server_inventory_table), _own_table(run.deps)
    if own is None:
        message = f"SOURCE_SERVER_TOPOLOGY_TABLE is not set: {_LOST}"
        _warn(run, Problem("NoTopologyTable", message, RegionStatus.ERROR, "dynamodb", advice=_FIX))
        return ItemTopology(inventory)
    error = await _check(own, run)
    if error is not None and _is_unusable(error):
        code = "NoTopologyTable" if error.error_class.name == "TableMissing" else "TopologyTableUnusable"
        message = f"the topology table cannot be used ({error.code}: {error.message}): {_LOST}"
        fix = _SCHEMA_FIX if error.code == _WRONG_KEYS else error.fix
        _warn(run, replace(error.problem, code=code, message=message, status=RegionStatus.ERROR, advice=fix))
        return ItemTopology(inventory)
    return TopologyTable(own, inventory, keeps_earlier=not is_first)


async def _check(own: Table, run: Run) -> AwsError | None:
    """Return why the table cannot be read; None if it can, or if it did not answer in time."""
    with run.deadline.cancel_scope():
        try:
            await own.get(CARRY_OVER)
        except AwsError as error:
            return error
    return None


def _is_unusable(error: AwsError) -> bool:
    """Whether the table cannot be used at all; any other error passes, and is a problem of the scopes."""
    error_class = error.error_class
    return error_class.status.is_denied or error_class.name in _UNUSABLE or error.code == _WRONG_KEYS


def _warn(run: Run, problem: Problem) -> None:
    if run.request.shard is None or run.request.shard.index == 0:  # the reports of all shards become one
        run.report.warn(replace(problem, operation="", account_id="", region=""))


async def carry_over(deps: Deps, *, remaining_s: float, has_carried: bool = False) -> None:
    """Carry over some of what earlier versions left in the inventory table, as far as time allows. Raises AwsError.

    Args:
        deps: of the process.
        remaining_s: seconds until it must end.
        has_carried: the run has carried over items that a scan needed.
    """
    own = _own_table(deps)
    if own is None:
        return
    inventory = deps.table(deps.settings.source_server_inventory_table)
    with anyio.move_on_after(min(_MAX_S, remaining_s)) as cancel_scope, deps.shutdown.cancelling(cancel_scope):
        await CarryOver(own, inventory, deps.now).run(pages=_PAGES, has_carried=has_carried)
