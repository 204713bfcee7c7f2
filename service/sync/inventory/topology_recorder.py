"""The topology side of an inventory scan: captured at first sight, completed later, found by every name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.fanout import fan_out, unwrap_group
from service.inventory.server import SourceServer
from service.inventory.table import ItemKey
from service.models import Problem, Scope, parse_iso
from service.sync.inventory.copies import problem_of_server, refresh_copies
from service.sync.inventory.origin_filler import OriginFiller
from service.sync.inventory.replication_reader import ReplicationReader
from service.sync.inventory.servers import ScannedServer
from service.sync.inventory.tools import ScanTools
from service.sync.inventory.topology_warnings import (
    is_newly_described,
    warnings_of_capture,
    warnings_of_origin,
)
from service.topology.history import is_configuration_due, moved_entry, reconfigured_entry
from service.topology.kept import server_item_key
from service.topology.lineage import name_items, server_names
from service.topology.original import (
    MISSING,
    ORIGIN_MISSING,
    TEMPLATE_ID,
    TEMPLATE_MISSING,
    capture,
    details,
    inventory_copy,
    missing_details,
)
from service.topology.store import Completion

__all__ = ["Recorded", "TopologyRecorder", "missing_names"]

_log = logging.getLogger(__name__)
_SHARE_WHILE_LISTING: Final = 0.5  # of a scope's time, for configurations of new servers before these are written
_SHARE_OF_READS: Final = 0.9  # of a scope's time, for those of all others; the rest is for writing what was read


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording the topology of a batch found: topologies by lineage ARN, how many are new, and warnings."""

    topologies: Mapping[str, Mapping[str, Any]]
    captured: int = 0
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A server whose topology lacks details; None for a topology that was not read yet.

    `claimed_complete`: its inventory item says that nothing is missing. `lacks_template`: it says that only the
    template is.
    """

    key: ItemKey
    server: SourceServer
    topology: Mapping[str, Any] | None
    claimed_complete: bool = False
    lacks_template: bool = False

    @property
    def configuration(self) -> Mapping[str, Any] | None:
        """The replication configuration that its topology has, None when it lacks it."""
        configuration = (self.topology or {}).get("originalReplicationConfiguration")
        return configuration if isinstance(configuration, Mapping) else None


class TopologyRecorder:
    """Records the topology of the servers of one scope. What fails or remains is done by the next run."""

    def __init__(self, scope: Scope, drs: DrsReads, tools: ScanTools) -> None:
        self._scope = scope
        self._drs = drs
        self._tools = tools
        self._began = tools.now()
        self._unfinished: list[_Unfinished] = []
        self._due: list[SourceServer] = []
        self._source_side: dict[Scope, Mapping[str, Any] | None] = {}
        self._replication = ReplicationReader(scope, drs, tools)
        self._origins = OriginFiller(scope, drs, tools)

    def add_unchanged(self, scanned: ScannedServer) -> None:
        """Remember what the topology of an unchanged server lacks, or that its configuration is due to be reread."""
        stored = scanned.stored
        if stored is None or not scanned.server.is_forward:
            return
        self._origins.add_unchanged(scanned, stored.item)
        if self._lacks_details(stored.item, scanned.server):
            only_template = set(stored.item.get(MISSING) or ()) - {ORIGIN_MISSING} == {TEMPLATE_MISSING}
            self._unfinished.append(
                _Unfinished(scanned.key, scanned.server, None, stored.topology_complete, only_template)
            )
        elif scanned.server.lineage == scanned.server.arn:
            captured_at = parse_iso(stored.item.get("topologyLastUpdated"))
            interval_s = self._tools.settings.sync_interval_seconds
            if is_configuration_due(
                scanned.server.server_id, captured_at=captured_at, now=self._began, interval_s=interval_s
            ):
                self._due.append(scanned.server)

    def _lacks_details(self, item: Mapping[str, Any], server: SourceServer) -> bool:
        """Whether a read may complete the topology of a server, as its inventory item says.

        Items of earlier versions do not say what is missing, and call an extended server complete without a template.
        """
        missing = item.get(MISSING)
        if missing is not None:
            return bool(set(missing) - {ORIGIN_MISSING})
        is_extended = server.replication_scope(self._scope) != self._scope
        return item.get("topologyComplete") is not True or (is_extended and TEMPLATE_ID not in item)

    async def lineages(self, servers: Sequence[ScannedServer], changed: Collection[ItemKey]) -> dict[ItemKey, str]:
        """Return the lineage of each server, empty where it is not known; only changed and unknown ones cost a read."""
        return {each.key: await self._lineage(each, is_changed=each.key in changed) for each in servers}

    async def _lineage(self, scanned: ScannedServer, *, is_changed: bool) -> str:
        if scanned.server.is_forward:
            return scanned.server.lineage
        if is_changed or not scanned.stored_lineage:
            return await self._lineage_of_reversed(scanned.server) or scanned.stored_lineage
        return scanned.stored_lineage

    async def _lineage_of_reversed(self, server: SourceServer) -> str:
        """Find the forward server of one made by ReverseReplication: its source is that one's recovery instance.

        The ARN that DRS gives for the opposite direction goes stale across cycles, so it is used last.
        """
        lineages = self._tools.topology.lineages
        opposite = server.reversed_arn or ""
        by_arn = (await lineages.by_name(opposite) or (opposite,)) if opposite else ()
        by_instance = await lineages.by_name(server.instance_id) if server.instance_id else ()
        found = by_instance or by_arn
        if len(found) > 1:
            found = tuple(each for each in found if each in by_arn) or found
        return found[0] if len(found) == 1 else ""

    async def record(self, servers: Sequence[ScannedServer]) -> Recorded:
        """Capture the original topology of each forward server that has none yet; return those of all of them.

        Topology is written before the inventory: after a crash in between, the server is still new to the next run.
        """
        forward = {each.server.lineage: each for each in servers if each.server.is_forward}
        if not forward:
            return Recorded({})
        wanted = {lineage: _items_of(each.server, each.key) for lineage, each in forward.items()}
        topologies: dict[str, Mapping[str, Any]] = dict(await self._tools.topology.topologies(wanted))
        new = [each for lineage, each in forward.items() if lineage not in topologies]
        warnings = await self._capture(new, topologies) if new else []
        new_lineages = {each.server.lineage for each in new}
        topologies = await self._origins.fill([*forward.values()], topologies)
        for lineage, each in forward.items():
            topology = topologies[lineage]
            if lineage in new_lineages or is_newly_described(each):
                warnings += warnings_of_origin(each.server, topology, self._scope)
            await self._record_move(each.server, topology)
            if set(missing_details(topology)) - {ORIGIN_MISSING}:
                self._unfinished.append(_Unfinished(each.key, each.server, topology))
        return Recorded(topologies, len(new), tuple(warnings))

    async def _record_move(self, server: SourceServer, topology: Mapping[str, Any]) -> None:
        """Append to the history when a server replicates from elsewhere than was last known."""

        def moved(stored: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return moved_entry(stored, server, now=self._tools.now())

        if moved(topology) is not None:
            await self._tools.topology.add_history(server.lineage, moved)

    async def _capture(
        self, servers: Sequence[ScannedServer], topologies: dict[str, Mapping[str, Any]]
    ) -> list[Problem]:
        """Capture the original topology of servers into `topologies`, complete as far as it can be read now.

        Raises:
            AwsError: one could not be written.
        """
        found, warnings = await self._read_details([each.server for each in servers])
        originals = {each.server.lineage: self._original_of(each, found.get(each.server.arn)) for each in servers}
        for each in servers:
            warnings += warnings_of_capture(each.server, originals[each.server.lineage], self._scope)
        refused: list[ScannedServer] = []
        captured = await self._tools.topology.capture([*originals.values()])
        for each in servers:
            outcome = captured[each.server.lineage]
            if isinstance(outcome, AwsError):  # its configuration, the one part of it without a limit, may be too large
                warnings.append(problem_of_server(each.server.server_id, outcome))
                refused.append(each)
            else:
                topologies[each.server.lineage] = outcome
        for lineage, outcome in (await self._tools.topology.capture([self._original_of(e) for e in refused])).items():
            if isinstance(outcome, AwsError):
                raise outcome
            topologies[lineage] = outcome
        return warnings

    async def _read_details(
        self, servers: Sequence[SourceServer]
    ) -> tuple[dict[str, Mapping[str, Any]], list[Problem]]:
        """Read templates, configurations and the source side of new servers side by side: none needs another's answer.

        Returns:
            The replication configurations by the ARN of their server, and warnings about what could not be read.
        """
        warnings: list[Problem] = []

        async def read_templates() -> None:
            warnings.extend(await self._replication.read_templates(servers))

        with unwrap_group():
            async with anyio.create_task_group() as reads:
                reads.start_soon(read_templates)
                reads.start_soon(self._read_source_side, self._replication.next_to_read(servers))
                found, problems = await self._replication.configurations(servers, share=_SHARE_WHILE_LISTING)
        return found, warnings + problems

    def _original_of(self, scanned: ScannedServer, configuration: Mapping[str, Any] | None = None) -> dict[str, Any]:
        original = capture(
            scanned.server,
            self._scope,
            now=self._tools.now(),
            templates=self._replication.templates_of(scanned.server),
            legacy=scanned.stored.item if scanned.stored else {},
        )
        return original if configuration is None else {**self._details_of(scanned.server, configuration), **original}

    def _details_of(self, server: SourceServer, configuration: Mapping[str, Any]) -> dict[str, Any]:
        origin = server.origin(self._scope)
        return details(
            configuration,
            self._replication.templates_of(server),
            self._source_side.get(origin) if origin is not None else None,
        )

    async def complete(self) -> list[Problem]:
        """Complete what lacks details, then read again what is due, both within the run's budget of calls.

        Returns:
            Warnings about what could not be read; the next run tries again.
        """
        warnings = await self._origins.complete()
        warnings += await self._complete_topologies()
        return warnings + await self._reread_configurations()

    async def _complete_topologies(self) -> list[Problem]:
        """Read the replication configuration of servers whose topology lacks it, within the run's budget of calls."""
        if not self._unfinished:
            return []
        warnings = await self._replication.read_templates(each.server for each in self._unfinished)
        unfinished = await self._with_topologies([each for each in self._unfinished if self._is_worth_reading(each)])
        warnings += await self._correct_copies([each for each in unfinished if not self._can_complete(each)])
        todo = [each for each in unfinished if self._can_complete(each)]
        unread = [each.server for each in todo if each.configuration is None]
        found, problems = await self._replication.configurations(unread, share=_SHARE_OF_READS)
        configurations = {each.server.arn: each.configuration or found.get(each.server.arn) for each in todo}
        await self._read_source_side(each.server for each in todo if configurations[each.server.arn])
        completions = [
            (each, Completion(each.server.lineage, each.key, self._details_of(each.server, configuration)))
            for each in todo
            if (configuration := configurations[each.server.arn])
        ]
        return [*warnings, *problems, *await self._complete(completions)]

    def _is_worth_reading(self, unfinished: _Unfinished) -> bool:
        """Whether its topology may be completed now: not if only a template is missing that could not be read."""
        return not unfinished.lacks_template or self._replication.templates_of(unfinished.server) is not None

    async def _with_topologies(self, unfinished: Sequence[_Unfinished]) -> list[_Unfinished]:
        unread = {each.server.lineage: _items_of(each.server, each.key) for each in unfinished if each.topology is None}
        found = await self._tools.topology.topologies(unread) if unread else {}
        return [
            each if each.topology is not None else replace(each, topology=found.get(each.server.lineage, {}))
            for each in unfinished
        ]

    def _can_complete(self, unfinished: _Unfinished) -> bool:
        """Whether there is something to add: without templates, one with a configuration waits for a later run."""
        return self._replication.templates_of(unfinished.server) is not None or unfinished.configuration is None

    async def _correct_copies(self, unfinished: Sequence[_Unfinished]) -> list[Problem]:
        """Have inventory items not call a topology complete that lacks something which could not be read."""
        wrong = [each for each in unfinished if each.claimed_complete and each.topology]
        return await refresh_copies(
            self._tools.inventory, {each.key: inventory_copy(each.topology or {}) for each in wrong}
        )

    async def _read_source_side(self, servers: Iterable[SourceServer]) -> None:
        """Read the default template of the scopes that servers came from: a reversed server will take it.

        It is no part of the originals, and the source side may well be out of reach or not use DRS: then there is none.
        With several templates there is none either, since no API says which one is the default.
        """
        origins = {origin for server in servers if (origin := server.origin(self._scope)) is not None}
        for origin in sorted(origins - {self._scope} - self._source_side.keys()):
            try:
                listed = await self._tools.source_templates(origin)
            except AwsError as error:
                _log.info("no template of the source side", extra={"scope": origin, "code": error.code})
                listed = ()
            self._source_side[origin] = listed[0] if len(listed) == 1 else None

    async def _complete(self, completions: Sequence[tuple[_Unfinished, Completion]]) -> list[Problem]:
        """Write what was found to the topologies, then the copies on the items of the servers."""
        problems: list[Problem] = []
        copies: dict[ItemKey, Mapping[str, Any]] = {}
        try:
            topologies = await self._tools.topology.complete([completion for _, completion in completions])
        except AwsError as error:
            return [error.problem]
        for each, _ in completions:
            topology = topologies[each.server.lineage]
            if isinstance(topology, AwsError):
                problems.append(problem_of_server(each.server.server_id, topology))
            else:
                copies[each.key] = inventory_copy(topology)
        return problems + await refresh_copies(self._tools.inventory, copies)

    async def _reread_configurations(self) -> list[Problem]:
        """Read again the configuration of the servers whose turn it is; what differs goes to their history."""
        todo = self._due[: self._tools.settings.topology_reads_per_scope]
        async with fan_out(todo, self._reread, concurrency=self._tools.settings.drs_calls_at_once) as problems:
            return [problem async for problem in problems if problem is not None]

    async def _reread(self, server: SourceServer) -> Problem | None:
        try:
            configuration = await self._drs.replication_configuration(self._scope.region, server.server_id)
            await self._tools.topology.add_history(
                server.lineage, lambda topology: reconfigured_entry(topology, configuration, now=self._tools.now())
            )
        except AwsError as error:
            return error.problem
        return None


def _items_of(server: SourceServer, key: ItemKey) -> tuple[ItemKey, ...]:
    """Return the keys of the inventory items that may have a copy of the originals of a server."""
    return (key,) if server.lineage == server.arn else (key, server_item_key(server.lineage))


def missing_names(scanned: ScannedServer) -> list[dict[str, Any]]:
    """Return the name items that the table lacks of a server; none when its item says that they were written."""
    if not scanned.lineage:
        return []
    stored = scanned.stored.item if scanned.stored and scanned.stored_lineage == scanned.lineage else None
    names = set(server_names(scanned.server)) - set((stored or {}).get("lineageNames") or ())
    return name_items(scanned.lineage, scanned.server.arn if stored is None else scanned.lineage, sorted(names))
