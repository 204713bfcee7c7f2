"""One look at one (account, region): list, compare, enrich, write, remove. The scope decides nothing about others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from service.aws.drs import DrsReads
from service.aws.ec2 import Ec2Reads
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.history import absence, is_due, move, reconfigured
from service.inventory.lineage import bookkeeping, names_of
from service.inventory.servers import (
    InstanceFacts,
    SourceServer,
    build_item,
    content_hash,
    instance_facts,
    parse_server,
)
from service.inventory.table import Held, InventoryTable, ItemKey
from service.inventory.topology import capture, choose_template, copied, is_complete
from service.models import Now, Place, RegionStatus, Trouble, parse_iso
from service.settings import Settings
from service.sync.templates import Templates

__all__ = ["Look", "LookTools", "Seen"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LookTools:
    """What every look of a run shares."""

    inventory: InventoryTable
    ec2_of: Callable[[str], Awaitable[Ec2Reads]]
    settings: Settings
    now: Now
    partition: str
    run_started_at: datetime
    announce: Callable[[set[Place]], Awaitable[None]]
    templates: Templates
    source_templates: Callable[[Place], Awaitable[Sequence[Mapping[str, Any]]]]


@dataclass(slots=True)
class Seen:
    """What a look has brought so far. It stays true when the look breaks off."""

    servers: int = 0
    written: int = 0
    removed: int = 0
    rejected: int = 0
    topologies: int = 0
    listed_completely: bool = False
    settled: bool = False  # listed, written and tidied up; only details of topology may be missing
    troubles: list[Trouble] = field(default_factory=list)
    warnings: list[Trouble] = field(default_factory=list)
    uninitialized: bool = False


@dataclass(slots=True)
class _Row:
    """One server on its way into the table."""

    record: Mapping[str, Any]
    server: SourceServer
    held: Held | None
    facts: InstanceFacts | None = None
    digest: str = ""
    lineage: str = ""  # empty: not known

    def key(self, place: Place) -> ItemKey:
        return ItemKey(self.server.arn, self.server.staging_account or place.account_id)


class Look:
    """A look under way. `seen` may be read at any time, also after `run` was cancelled."""

    def __init__(self, place: Place, drs: DrsReads, tools: LookTools) -> None:
        self.place = place
        self.seen = Seen()
        self.started_at = tools.now()
        self._drs = drs
        self._tools = tools
        self._held: dict[ItemKey, Held] | None = None
        self._present: set[ItemKey] = set()
        self._unfinished: list[tuple[ItemKey, SourceServer]] = []
        self._due: list[SourceServer] = []
        self._source_side: dict[Place, Mapping[str, Any] | None] = {}
        self._templates: Sequence[Mapping[str, Any]] | None = None
        self._templates_asked = False

    async def run(self, *, had_servers: bool) -> None:
        """List the scope to its last page, page by page into the table; then remove what it did not show.

        Args:
            had_servers: servers were known here; if DRS turns out not to be in use, their records go.

        Raises:
            AwsError: the listing, or the inventory table, broke off. What was written before stays; nothing is removed.
        """
        try:
            await self._list()
        except AwsError as error:
            if (
                error.verdict.status is not RegionStatus.NOT_INITIALIZED
                or error.call.service != "drs"
                or self.seen.servers
            ):
                raise
            self.seen.uninitialized = True  # a complete answer: nothing is there
            if had_servers:
                self._held = await self._tools.inventory.held(self.place, partition=self._tools.partition)
        else:
            self.seen.listed_completely = True
        await self._remove_absent()
        self.seen.settled = True
        await self._complete_topologies()
        await self._look_at_configurations()

    async def _list(self) -> None:
        async with aclosing(self._drs.source_servers(self.place.region)) as pages:
            async for page in pages:
                if self._held is None:
                    self._held = await self._tools.inventory.held(self.place, partition=self._tools.partition)
                await self._take_in(page)

    async def _take_in(self, page: Sequence[Mapping[str, Any]]) -> None:
        rows = self._read(page)
        await self._enrich(rows)
        for row in rows:
            row.digest = content_hash(row.record, row.server, row.facts)
        changed = await self._with_lineage([row for row in rows if self._is_worth_writing(row)], rows)
        # Before the item is written: after a crash in between, the server is still a change to the next run.
        await self._tools.announce({place for row in changed for place in row.server.points_at()})
        await self._write(changed)

    def _read(self, page: Sequence[Mapping[str, Any]]) -> list[_Row]:
        rows: list[_Row] = []
        for record in page:
            server = parse_server(record)
            if isinstance(server, str):
                self._reject(str(record.get("sourceServerID", "a server")), server)
                self.seen.servers += 1
                continue
            row = _Row(record, server, None)
            key = row.key(self.place)
            if key not in self._present:  # a server may show up again when pages shift under the listing
                row.held = (self._held or {}).get(key)
                self._present.add(key)
                self.seen.servers += 1
                rows.append(row)
        return rows

    def _reject(self, server_id: str, why: str) -> None:
        self.seen.rejected += 1
        _log.warning("unusable record", extra={"server": server_id, "place": self.place, "why": why})
        self.seen.troubles.append(self._trouble("UnusableRecord", why, RegionStatus.ERROR))

    def _is_worth_writing(self, row: _Row) -> bool:
        """Whether the table lacks something: the server, a change, its topology, or a refresh after a long time."""
        held = row.held
        if held is None or held.digest != row.digest or held.updated_at is None:
            return True
        if row.server.is_forward and not held.topology_complete:
            self._unfinished.append((row.key(self.place), row.server))
        captured_at = parse_iso(held.item.get("topologyLastUpdated"))
        own = row.server.is_forward and row.server.lineage == row.server.arn
        if (
            own
            and held.topology_complete
            and is_due(row.server.server_id, captured_at=captured_at, now=self.started_at)
        ):
            self._due.append(row.server)
        age = self._tools.run_started_at - held.updated_at
        return age > timedelta(seconds=self._tools.settings.inventory_refresh_seconds)

    async def _with_lineage(self, changed: Sequence[_Row], rows: Sequence[_Row]) -> list[_Row]:
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
        names = self._tools.inventory.names
        opposite = server.reversed_arn or ""
        by_arn = (await names.named(opposite) or (opposite,)) if opposite else ()
        by_instance = await names.named(server.instance_id) if server.instance_id else ()
        found = by_instance or by_arn
        if len(found) > 1:
            found = tuple(each for each in found if each in by_arn) or found
        return found[0] if len(found) == 1 else ""

    async def _enrich(self, rows: Sequence[_Row]) -> None:
        """Ask EC2 where each instance lives. Instances that EC2 does not show keep what was known of them last."""
        by_origin: dict[Place, list[_Row]] = {}
        for row in rows:
            row.facts = row.held.facts if row.held else None
            origin = row.server.origin(self.place)
            if origin is not None:
                by_origin.setdefault(origin, []).append(row)
        for origin, group in by_origin.items():
            ids = [row.server.instance_id for row in group if row.server.instance_id]
            try:
                ec2 = await self._tools.ec2_of(origin.account_id)
                instances = await ec2.instances(origin.region, ids)
            except AwsError as error:
                self.seen.troubles.append(error.trouble)
                continue
            for row in group:
                instance = instances.get(row.server.instance_id or "")
                if instance is not None:
                    row.facts = instance_facts(instance)

    async def _write(self, rows: Sequence[_Row]) -> None:
        if not rows:
            return
        originals = await self._originals(rows)
        # Names lead to a topology that is there; after a crash before the item, they are written once more.
        await self._tools.inventory.remember([item for row in rows for item in _unknown_names(row)])
        items = [
            build_item(
                row.record,
                row.server,
                row.facts,
                self.place,
                digest=row.digest,
                synced_at=self._tools.run_started_at,
                written_at=self._tools.now(),
                original={
                    **(copied(originals[row.server.lineage]) if row.server.lineage in originals else {}),
                    **({"lineageArn": row.lineage, "lineageNames": list(names_of(row.server))} if row.lineage else {}),
                },
            )
            for row in rows
        ]
        try:
            await self._tools.inventory.write(items)
        except AwsError as error:
            if error.code != "ValidationException":
                raise
            await self._write_one_by_one(items)
        else:
            self.seen.written += len(items)

    async def _write_one_by_one(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Find the item that DynamoDB refuses, such as one above 400 KB: it costs only itself."""
        for item in items:
            try:
                await self._tools.inventory.write([item])
            except AwsError as error:
                if error.code != "ValidationException":
                    raise
                self._reject(item["sourceServerID"], error.message)
            else:
                self.seen.written += 1

    async def _originals(self, rows: Sequence[_Row]) -> dict[str, Mapping[str, Any]]:
        """Give the original topology of each forward server, captured now where there is none yet.

        Topology is written before the inventory: after a crash in between, the server is still new to the next run.
        """
        forward = {row.server.lineage: row for row in rows if row.server.is_forward}
        if not forward:
            return {}
        known: dict[str, Mapping[str, Any]] = dict(await self._tools.inventory.topologies(forward))
        fresh = [row for lineage, row in forward.items() if lineage not in known]
        if fresh:
            await self._read_templates()
            async with fan_out(fresh, self._capture, at_once=8) as captured:
                known.update({topology["sourceServerArn"]: topology async for topology in captured})
        for row in forward.values():
            await self._note_move(row.server, known[row.server.lineage])
            if not is_complete(known[row.server.lineage]):
                self._unfinished.append((row.key(self.place), row.server))
        return known

    async def _note_move(self, server: SourceServer, topology: Mapping[str, Any]) -> None:
        """Append to the history when a server replicates from elsewhere than was last known."""

        def moved(held: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return move(held, server, now=self._tools.now())

        if moved(topology) is not None:
            await self._tools.inventory.add_history(server.lineage, moved)

    async def _capture(self, row: _Row) -> Mapping[str, Any]:
        own = row.server.staging_account in {None, self.place.account_id}
        topology = capture(
            row.server,
            self.place,
            now=self._tools.now(),
            templates=self._templates if own else None,  # another account's templates are not ours to name
            legacy=row.held.item if row.held else {},
        )
        self.seen.topologies += 1
        if topology["captureMethod"] == "late":
            _log.warning("topology captured late", extra={"server": row.server.arn})
            why = "servers were launched before they were first seen: check their original topology; the log names them"
            self.seen.warnings.append(self._trouble("TopologyCapturedLate", why, RegionStatus.ACTIVE))
        if "originalSourceRegion" not in topology:
            environment = topology.get("originEnvironment", "unknown")
            _log.warning("no region of origin", extra={"server": row.server.arn, "originEnvironment": environment})
            if environment == "unknown":
                why = "DRS does not tell the region some instances came from: it is not guessed; the log names them"
                self.seen.warnings.append(self._trouble("TopologyIncomplete", why, RegionStatus.ACTIVE))
        return await self._tools.inventory.capture(topology)

    async def _read_templates(self) -> None:
        if self._templates_asked:
            return
        self._templates_asked = True
        try:
            self._templates = await self._tools.templates.of(self.place, self._drs)
        except AwsError as error:
            self.seen.warnings.append(error.trouble)

    async def _remove_absent(self) -> None:
        if self.seen.rejected:
            return  # a record that cannot be read may be one of those that seem absent
        absent = [key for key in self._held or {} if key not in self._present]

        async def remove(key: ItemKey) -> bool:
            removed = await self._tools.inventory.remove(key, looked_at=self.started_at)
            if removed:  # its topology stays: deletion of a server is a normal step of cleaning up after a failback
                lineage = str((self._held or {})[key].item.get("lineageArn") or key.arn)
                gone = absence(key.arn, now=self._tools.now())
                await self._tools.inventory.add_history(lineage, lambda _: gone)
            return removed

        async with fan_out(absent, remove, at_once=8) as removals:
            async for removed in removals:
                self.seen.removed += removed

    async def _complete_topologies(self) -> None:
        """Read the replication configuration of servers whose topology lacks it, within the run's budget.

        What fails or remains is asked for again by the next run.
        """
        todo = self._unfinished[: self._tools.settings.topology_reads_per_scope]
        if not todo:
            return
        await self._read_templates()
        await self._read_source_side({origin for _, server in todo if (origin := server.origin(self.place))})
        async with fan_out(todo, self._complete, at_once=self._tools.settings.drs_calls_at_once) as troubles:
            async for trouble in troubles:
                if trouble is not None:
                    self.seen.warnings.append(trouble)

    async def _read_source_side(self, origins: set[Place]) -> None:
        """Read the default template of the places that servers came from: a reversed server will take it.

        It is no part of the originals, and the source side may well be out of reach or not use DRS: then there is none.
        With several templates there is none either, for no API tells which one is the default.
        """
        for origin in sorted(origins - {self.place}):
            try:
                listed = await self._tools.source_templates(origin)
            except AwsError as error:
                _log.info("no template of the source side", extra={"place": origin, "code": error.code})
                listed = ()
            self._source_side[origin] = listed[0] if len(listed) == 1 else None

    async def _complete(self, unfinished: tuple[ItemKey, SourceServer]) -> Trouble | None:
        key, server = unfinished
        try:
            configuration = await self._drs.replication_configuration(self.place.region, server.server_id)
            own = server.staging_account in {None, self.place.account_id}
            template = choose_template(self._templates or (), configuration) if own else None
            origin = server.origin(self.place)
            source_side = self._source_side.get(origin) if origin else None
            topology = await self._tools.inventory.complete_topology(
                server.lineage, configuration, template, source_side
            )
            await self._tools.inventory.refresh_copy(key, copied(topology))
        except AwsError as error:
            return error.trouble
        return None

    async def _look_at_configurations(self) -> None:
        """Read again the configuration of the servers whose turn it is; what differs goes to their history."""
        todo = self._due[: self._tools.settings.topology_reads_per_scope]
        async with fan_out(todo, self._look_at, at_once=self._tools.settings.drs_calls_at_once) as troubles:
            async for trouble in troubles:
                if trouble is not None:
                    self.seen.warnings.append(trouble)

    async def _look_at(self, server: SourceServer) -> Trouble | None:
        try:
            configuration = await self._drs.replication_configuration(self.place.region, server.server_id)
            await self._tools.inventory.add_history(
                server.lineage, lambda topology: reconfigured(topology, configuration, now=self._tools.now())
            )
        except AwsError as error:
            return error.trouble
        return None

    def _trouble(self, code: str, message: str, status: RegionStatus) -> Trouble:
        """Say what is wrong without naming a server: the same trouble of many servers is then one entry."""
        return Trouble(code, message, status, account_id=self.place.account_id, region=self.place.region)


def _unknown_names(row: _Row) -> list[dict[str, Any]]:
    """Give the bookkeeping that the table lacks of a server; none when its item says that it was written."""
    if not row.lineage:
        return []
    held = row.held.item if row.held and row.held.item.get("lineageArn") == row.lineage else None
    names = set(names_of(row.server)) - set((held or {}).get("lineageNames") or ())
    return bookkeeping(row.lineage, row.server.arn if held is None else row.lineage, sorted(names))
