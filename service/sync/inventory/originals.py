"""The origins of the servers of one look: captured at first sight, completed later, led to by every name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.server import SourceServer
from service.inventory.table import ItemKey
from service.models import Problem, RegionStatus, Scope, parse_iso
from service.sync.inventory.rows import LookTools, Row, Seen, unsettled
from service.topology.history import is_configuration_due, moved_entry, reconfigured_entry
from service.topology.lineage import name_items, server_names
from service.topology.original import capture, choose_template, inventory_copy, is_complete

__all__ = ["Origins", "unknown_names"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A server whose topology lacks details; None for a topology that was not read yet."""

    key: ItemKey
    server: SourceServer
    topology: Mapping[str, Any] | None


class Origins:
    """The topology side of one look. What fails or remains is asked for again by the next run."""

    def __init__(self, scope: Scope, drs: DrsReads, tools: LookTools, seen: Seen) -> None:
        self._scope = scope
        self._drs = drs
        self._tools = tools
        self._seen = seen
        self._began = tools.now()
        self._unfinished: list[_Unfinished] = []
        self._due: list[SourceServer] = []
        self._source_side: dict[Scope, Mapping[str, Any] | None] = {}
        self._templates: Sequence[Mapping[str, Any]] | None = None
        self._templates_asked = False

    def note_unchanged(self, row: Row) -> None:
        """Note what the topology of a server still lacks, or that its configuration is due to be read again."""
        held = row.held
        if held is None or not row.server.is_forward:
            return
        if not held.topology_complete:
            self._unfinished.append(_Unfinished(row.key(self._scope), row.server, None))
        elif row.server.lineage == row.server.arn:
            captured_at = parse_iso(held.item.get("topologyLastUpdated"))
            interval_s = self._tools.settings.sync_interval_seconds
            if is_configuration_due(
                row.server.server_id, captured_at=captured_at, now=self._began, interval_s=interval_s
            ):
                self._due.append(row.server)

    async def with_lineage(self, changed: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
        """Give the changed rows with their lineage, and beside them those whose lineage has only now become known."""
        written = {id(row) for row in changed}
        for row in rows:
            known = str(row.held.item.get("lineageArn") or "") if row.held else ""
            if row.server.is_forward:
                row.lineage = row.server.lineage
            elif id(row) in written or not known:
                row.lineage = await self._lineage_of_reversed(row.server) or known
            else:
                row.lineage = known
        found = [
            row
            for row in rows
            if id(row) not in written and row.lineage and row.held and not row.held.item.get("lineageArn")
        ]
        return [*changed, *found]

    async def _lineage_of_reversed(self, server: SourceServer) -> str:
        """Find the forward server of one made by ReverseReplication: its source is that one's recovery instance.

        The ARN that DRS gives for the opposite direction goes stale across cycles, so it is asked last.
        """
        lineages = self._tools.topology.lineages
        opposite = server.reversed_arn or ""
        by_arn = (await lineages.by_name(opposite) or (opposite,)) if opposite else ()
        by_instance = await lineages.by_name(server.instance_id) if server.instance_id else ()
        found = by_instance or by_arn
        if len(found) > 1:
            found = tuple(each for each in found if each in by_arn) or found
        return found[0] if len(found) == 1 else ""

    async def of(self, rows: Sequence[Row]) -> dict[str, Mapping[str, Any]]:
        """Give the original topology of each forward server, captured now where there is none yet.

        Topology is written before the inventory: after a crash in between, the server is still new to the next run.
        """
        forward = {row.server.lineage: row for row in rows if row.server.is_forward}
        if not forward:
            return {}
        known: dict[str, Mapping[str, Any]] = dict(await self._tools.topology.topologies(forward))
        fresh = [row for lineage, row in forward.items() if lineage not in known]
        if fresh:
            await self._read_templates()
            async with fan_out(fresh, self._capture, concurrency=8) as captured:
                known.update({topology["sourceServerArn"]: topology async for topology in captured})
        for row in forward.values():
            topology = known[row.server.lineage]
            await self._note_move(row.server, topology)
            if not is_complete(topology, replicates_here=self._owns(row.server)):
                self._unfinished.append(_Unfinished(row.key(self._scope), row.server, topology))
        return known

    async def _note_move(self, server: SourceServer, topology: Mapping[str, Any]) -> None:
        """Append to the history when a server replicates from elsewhere than was last known."""

        def moved(held: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return moved_entry(held, server, now=self._tools.now())

        if moved(topology) is not None:
            await self._tools.topology.add_history(server.lineage, moved)

    async def _capture(self, row: Row) -> Mapping[str, Any]:
        topology = capture(
            row.server,
            self._scope,
            now=self._tools.now(),
            templates=self._templates if self._owns(row.server) else None,
            legacy=row.held.item if row.held else {},
        )
        self._seen.topologies += 1
        if topology["captureMethod"] == "late":
            _log.warning("topology captured late", extra={"server": row.server.arn})
            why = "servers were launched before they were first seen: check their original topology; the log names them"
            self._seen.warnings.append(unsettled(self._scope, "TopologyCapturedLate", why, RegionStatus.ACTIVE))
        if "originalSourceRegion" not in topology:
            environment = topology.get("originEnvironment", "unknown")
            _log.warning("no region of origin", extra={"server": row.server.arn, "originEnvironment": environment})
            if environment == "unknown":
                why = "DRS does not tell the region some instances came from: it is not guessed; the log names them"
                self._seen.warnings.append(unsettled(self._scope, "TopologyIncomplete", why, RegionStatus.ACTIVE))
        return await self._tools.topology.capture(topology)

    async def _read_templates(self) -> None:
        if self._templates_asked:
            return
        self._templates_asked = True
        try:
            self._templates = await self._tools.templates.of(self._scope, self._drs)
        except AwsError as error:
            self._seen.warnings.append(error.problem)

    async def finish(self) -> None:
        """Complete what lacks details, then read again what is due, both within the run's budget of calls."""
        await self._complete_topologies()
        await self._look_at_configurations()

    async def _complete_topologies(self) -> None:
        """Read the replication configuration of servers whose topology lacks it, within the run's budget.

        What fails or remains is asked for again by the next run.
        """
        if not self._unfinished:
            return
        await self._read_templates()
        todo = [each for each in await self._with_topologies() if self._can_complete(each)]
        todo = todo[: self._tools.settings.topology_reads_per_scope]
        await self._read_source_side({origin for each in todo if (origin := each.server.origin(self._scope))})
        async with fan_out(todo, self._complete, concurrency=self._tools.settings.drs_calls_at_once) as problems:
            async for problem in problems:
                if problem is not None:
                    self._seen.warnings.append(problem)

    async def _with_topologies(self) -> list[_Unfinished]:
        unread = [each.server.lineage for each in self._unfinished if each.topology is None]
        found = await self._tools.topology.topologies(unread) if unread else {}
        return [
            each if each.topology is not None else replace(each, topology=found.get(each.server.lineage, {}))
            for each in self._unfinished
        ]

    def _can_complete(self, unfinished: _Unfinished) -> bool:
        """Whether there is something to add: without templates, one with a configuration waits for a later run."""
        return self._knows_templates(unfinished.server) or _configuration(unfinished) is None

    def _owns(self, server: SourceServer) -> bool:
        """Whether it replicates here: another account's templates are not ours to name."""
        return server.replicates_in(self._scope)

    def _knows_templates(self, server: SourceServer) -> bool:
        """Whether all that can be known of its template is known."""
        return self._templates is not None or not self._owns(server)

    async def _read_source_side(self, origins: set[Scope]) -> None:
        """Read the default template of the places that servers came from: a reversed server will take it.

        It is no part of the originals, and the source side may well be out of reach or not use DRS: then there is none.
        With several templates there is none either, for no API tells which one is the default.
        """
        for origin in sorted(origins - {self._scope}):
            try:
                listed = await self._tools.source_templates(origin)
            except AwsError as error:
                _log.info("no template of the source side", extra={"place": origin, "code": error.code})
                listed = ()
            self._source_side[origin] = listed[0] if len(listed) == 1 else None

    async def _complete(self, unfinished: _Unfinished) -> Problem | None:
        server = unfinished.server
        try:
            configuration = _configuration(unfinished)
            if configuration is None:
                configuration = await self._drs.replication_configuration(self._scope.region, server.server_id)
            template = choose_template(self._templates or (), configuration) if self._owns(server) else None
            origin = server.origin(self._scope)
            topology = await self._tools.topology.complete_topology(
                server.lineage,
                configuration,
                template,
                self._source_side.get(origin) if origin else None,
                settled=self._owns(server) and self._templates is not None,
            )
            copies = inventory_copy(topology, replicates_here=self._owns(server))
            await self._tools.inventory.refresh_copy(unfinished.key, copies)
        except AwsError as error:
            return error.problem
        return None

    async def _look_at_configurations(self) -> None:
        """Read again the configuration of the servers whose turn it is; what differs goes to their history."""
        todo = self._due[: self._tools.settings.topology_reads_per_scope]
        async with fan_out(todo, self._look_at, concurrency=self._tools.settings.drs_calls_at_once) as problems:
            async for problem in problems:
                if problem is not None:
                    self._seen.warnings.append(problem)

    async def _look_at(self, server: SourceServer) -> Problem | None:
        try:
            configuration = await self._drs.replication_configuration(self._scope.region, server.server_id)
            await self._tools.topology.add_history(
                server.lineage, lambda topology: reconfigured_entry(topology, configuration, now=self._tools.now())
            )
        except AwsError as error:
            return error.problem
        return None


def _configuration(unfinished: _Unfinished) -> Mapping[str, Any] | None:
    """Give the replication configuration that a topology has, None when it lacks it."""
    held = (unfinished.topology or {}).get("originalReplicationConfiguration")
    return held if isinstance(held, Mapping) else None


def unknown_names(row: Row) -> list[dict[str, Any]]:
    """Give the bookkeeping that the table lacks of a server; none when its item says that it was written."""
    if not row.lineage:
        return []
    held = row.held.item if row.held and row.held.item.get("lineageArn") == row.lineage else None
    names = set(server_names(row.server)) - set((held or {}).get("lineageNames") or ())
    return name_items(row.lineage, row.server.arn if held is None else row.lineage, sorted(names))
