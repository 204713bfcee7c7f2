"""Origins that were unknown when a server was first seen: filled from later records and from recovery instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.server import SourceServer
from service.inventory.table import ItemKey
from service.models import Problem, Scope
from service.sync.inventory.copies import refresh_copies
from service.sync.inventory.servers import ScannedServer
from service.sync.inventory.tools import ScanTools
from service.topology.origin import (
    AWS,
    HOSTNAME,
    ON_PREMISES,
    environment_fill,
    fill_origin,
    known_environment,
    missing_values,
)
from service.topology.original import inventory_copy

__all__ = ["OriginFiller"]

_FILLS_AT_ONCE: Final = 8

Topology = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Fill:
    """What is to be filled: the server, the key of its inventory item, and what finds the values for a topology."""

    key: ItemKey
    server: SourceServer
    values_of: Callable[[Topology], Mapping[str, Any]]


class OriginFiller:
    """Fills the origins of the servers of one scope. What fails is done by a later run."""

    def __init__(self, scope: Scope, drs: DrsReads, tools: ScanTools) -> None:
        self._scope = scope
        self._drs = drs
        self._tools = tools
        self._unchanged: list[_Fill] = []
        self._untold: dict[str, ScannedServer] = {}

    async def fill(self, servers: Sequence[ScannedServer], topologies: Mapping[str, Topology]) -> dict[str, Topology]:
        """Fill the topologies of servers that are about to be written. Returns all topologies, by lineage ARN.

        Raises:
            AwsError: a topology could not be read or written.
        """
        fills = [_from_record(each) for each in servers if fill_origin(topologies[each.server.lineage], each.server)]
        filled = dict(topologies)
        async with fan_out(fills, self._fill, concurrency=_FILLS_AT_ONCE) as done:
            filled.update({topology["pk"]: topology async for topology in done if topology})
        for each in servers:
            self._ask_if_unknown(each, filled[each.server.lineage])
        return filled

    def add_unchanged(self, scanned: ScannedServer, item: Mapping[str, Any]) -> None:
        """Remember an unchanged server whose record reports what the copies on its stored `item` lack.

        No server costs a read if its record adds nothing. Items have no copy of the host name, which is therefore
        filled when the item is next written.
        """
        copies = {**item, HOSTNAME: scanned.server.hostname}
        if fill_origin(copies, scanned.server):
            self._unchanged.append(_from_record(scanned))
        else:
            self._ask_if_unknown(scanned, copies)

    def _ask_if_unknown(self, scanned: ScannedServer, topology: Topology) -> None:
        if scanned.server.recovery_instance and known_environment(topology) is None:
            self._untold[scanned.server.server_id] = scanned

    async def complete(self) -> list[Problem]:
        """Fill what unchanged servers and recovery instances report. Returns warnings about what could not be read."""
        try:
            told = await self._told_by_recovery_instances()
        except AwsError as error:
            return [error.problem, *await self._fill_with_copies(self._unchanged)]
        return await self._fill_with_copies([*self._unchanged, *told])

    async def _told_by_recovery_instances(self) -> list[_Fill]:
        """Read the environment that DRS tells with recovery instances, of servers whose record does not tell it."""
        if not self._untold:
            return []
        records = await self._drs.recovery_instances(self._scope.region, sorted(self._untold))
        fills = []
        for record in records:
            scanned = self._untold.get(str(record.get("sourceServerID")))
            environment = record.get("originEnvironment")
            if scanned is not None and environment in {AWS, ON_PREMISES}:
                fills.append(_from_environment(scanned, str(environment)))
        return fills

    async def _fill_with_copies(self, fills: Sequence[_Fill]) -> list[Problem]:
        """Fill topologies, then the copies on the items of the servers."""
        problems: list[Problem] = []
        copies: dict[ItemKey, Mapping[str, Any]] = {}
        async with fan_out(fills, self._try_to_fill, concurrency=_FILLS_AT_ONCE) as done:
            async for key, topology in done:
                if isinstance(topology, AwsError):
                    problems.append(topology.problem)
                elif topology:
                    copies[key] = inventory_copy(topology)
        return problems + await refresh_copies(self._tools.inventory, copies)

    async def _try_to_fill(self, fill: _Fill) -> tuple[ItemKey, Topology | AwsError]:
        try:
            return fill.key, await self._fill(fill)
        except AwsError as error:
            return fill.key, error

    async def _fill(self, fill: _Fill) -> Topology:
        return await self._tools.topology.fill_origin(fill.server.lineage, fill.key, fill.values_of)


def _from_record(scanned: ScannedServer) -> _Fill:
    return _Fill(scanned.key, scanned.server, lambda topology: fill_origin(topology, scanned.server))


def _from_environment(scanned: ScannedServer, environment: str) -> _Fill:
    reported = environment_fill(environment, "RecoveryInstance.originEnvironment")
    return _Fill(scanned.key, scanned.server, lambda topology: missing_values(topology, reported))
