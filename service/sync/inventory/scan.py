"""The inventory scan of one scope: list, add what EC2 says, compare, record topology, write, remove."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.fanout import fan_out, prefetch
from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.inventory.server import content_hash, instance_facts, parse_server
from service.inventory.table import ItemKey, StoredItem
from service.models import Problem, RegionStatus, Scope
from service.sync.engine.outcome import ScopeResult, outcome_of
from service.sync.engine.sync import ScopeScan
from service.sync.inventory.servers import ScannedServer, unnamed_problem
from service.sync.inventory.tools import ScanTools
from service.sync.inventory.topology_recorder import TopologyRecorder, missing_names
from service.topology.history import absent_entry
from service.topology.lineage import server_names
from service.topology.original import inventory_copy

__all__ = ["COUNTS", "InventoryScan"]

_log = logging.getLogger(__name__)

COUNTS: Final = ("serversWritten", "serversUnchanged", "serversRemoved", "serversRejected", "topologiesCaptured")
"""What an inventory scan counts, by the report's names."""

_REMOVALS_AT_ONCE: Final = 8


class InventoryScan(ScopeScan):
    """One scan under way.

    Attributes:
        listed_completely: DRS has shown its last page.
        uninitialized: DRS was never initialised here, which is a complete answer: nothing is there.
        settled: listed, written and cleaned up; only details of topology may be missing.
    """

    def __init__(self, scope: Scope, drs: DrsReads, tools: ScanTools, *, had_servers: bool) -> None:
        super().__init__(scope)
        self.started_at = tools.now()
        self.listed_completely = False
        self.uninitialized = False
        self.settled = False
        self._drs = drs
        self._tools = tools
        self._had_servers = had_servers
        self._topology = TopologyRecorder(scope, drs, tools)
        self._stored: dict[ItemKey, StoredItem] | None = None
        self._present: set[ItemKey] = set()
        self._shows_all = True

    async def run(self) -> None:
        """List the scope to its last page, page by page into the table; then remove what it did not show.

        Raises:
            AwsError: the listing, or the inventory table, broke off. What was written before stays; nothing is removed.
        """
        try:
            await self._list()
        except AwsError as error:
            if not error.is_drs_uninitialized or self.servers:
                raise
            self.uninitialized = True
            if self._had_servers:
                self._stored = await self._read_stored()
        else:
            self.listed_completely = True
        await self._remove_absent()
        self.settled = True
        self.warnings += await self._topology.complete()
        await self._probe_staging()

    def result(self, failure: Problem | None, *, known: bool, seconds: float) -> ScopeResult:
        """Say what came of the scan; servers are those that the inventory shows as they are, or that are unusable."""
        return outcome_of(
            self.scope,
            failure=failure,
            known=known,
            answered=self.servers > 0 or self.listed_completely or self.uninitialized,
            settled=self.settled,
            servers=sum(self.counts[name] for name in ("serversWritten", "serversUnchanged", "serversRejected")),
            counts=self.counts,
            problems=self.problems,
            warnings=self.warnings,
            seconds=seconds,
        )

    async def _list(self) -> None:
        # Where there is something to compare with, it is read while DRS takes its time.
        async with (
            prefetch(self._read_stored) if self._had_servers else nullcontext(self._read_stored) as stored,
            aclosing(self._drs.source_servers(self.scope.region)) as pages,
        ):
            async for page in pages:
                if self._stored is None:
                    self._stored = await stored()
                await self._sync_page(page)

    async def _read_stored(self) -> dict[ItemKey, StoredItem]:
        return await self._tools.inventory.stored_items(self.scope, partition=self._tools.partition)

    async def _sync_page(self, page: Sequence[Mapping[str, Any]]) -> None:
        servers = await self._with_instances(self._parse(page))
        servers = [replace(each, digest=content_hash(each.record, each.server, each.facts)) for each in servers]
        changed = {server.key for server in servers if self._is_worth_writing(server)}
        lineages = await self._topology.lineages(servers, changed)
        servers = [replace(each, lineage=lineages[each.key]) for each in servers]
        # A server whose lineage has only now become known is written beside those that changed.
        changed |= {each.key for each in servers if each.lineage and each.stored and not each.stored_lineage}
        to_write = [each for each in servers if each.key in changed]
        self.counts["serversUnchanged"] += len(servers) - len(to_write)
        # Before the item is written: after a crash in between, the server is still a change to the next run.
        await self._tools.request_scans_of_others(
            {scope for each in to_write for scope in each.server.referenced_scopes()}
        )
        await self._write(to_write)

    def _parse(self, page: Sequence[Mapping[str, Any]]) -> list[ScannedServer]:
        """Parse the records of a page; those that cannot be used are set aside and named."""
        servers: list[ScannedServer] = []
        for record in page:
            server = parse_server(record, reported_by=self.scope)
            if isinstance(server, str):
                self._reject(str(record.get("sourceServerID", "a server")), server)
                self._shows_all = False
                self.servers += 1
                continue
            key = ItemKey(server.arn, server.staging_account or self.scope.account_id)
            if key not in self._present:  # a server may show up again when pages shift under the listing
                stored = (self._stored or {}).get(key)
                self._present.add(key)
                self.servers += 1
                servers.append(ScannedServer(record, server, key, stored, stored.facts if stored else None))
        return servers

    def _reject(self, server_id: str, why: str) -> None:
        self.counts["serversRejected"] += 1
        _log.warning("unusable record", extra={"server": server_id, "scope": self.scope, "why": why})
        self.problems.append(unnamed_problem(self.scope, "UnusableRecord", why, RegionStatus.ERROR))

    def _is_worth_writing(self, scanned: ScannedServer) -> bool:
        """Whether the table lacks something: the server, a change, its topology, or a refresh after a long time."""
        stored = scanned.stored
        if stored is None or stored.digest != scanned.digest or stored.updated_at is None:
            return True
        self._topology.add_unchanged(scanned)
        age = self._tools.run_started_at - stored.updated_at
        return age > timedelta(seconds=self._tools.settings.inventory_refresh_seconds)

    async def _with_instances(self, servers: Sequence[ScannedServer]) -> list[ScannedServer]:
        """Add what EC2 says of each instance; one that EC2 does not show keeps what was known of it last."""
        instances: dict[tuple[Scope, str], Mapping[str, Any]] = {}
        by_origin: dict[Scope, list[str]] = {}
        for each in servers:
            origin = each.server.origin(self.scope)
            if origin is not None and each.server.instance_id:
                by_origin.setdefault(origin, []).append(each.server.instance_id)
        for origin, ids in by_origin.items():
            try:
                ec2 = await self._tools.ec2_of(origin.account_id)
                shown = await ec2.instances(origin.region, ids)
            except AwsError as error:
                self.problems.append(error.problem)
                continue
            instances |= {(origin, instance_id): instance for instance_id, instance in shown.items()}
        return [self._with_instance(each, instances) for each in servers]

    def _with_instance(
        self, scanned: ScannedServer, instances: Mapping[tuple[Scope, str], Mapping[str, Any]]
    ) -> ScannedServer:
        origin = scanned.server.origin(self.scope)
        instance = instances.get((origin, scanned.server.instance_id or "")) if origin else None
        return scanned if instance is None else replace(scanned, facts=instance_facts(instance))

    async def _write(self, servers: Sequence[ScannedServer]) -> None:
        if not servers:
            return
        recorded = await self._topology.record(servers)
        self.counts["topologiesCaptured"] += recorded.captured
        self.warnings += recorded.warnings
        # Names lead to a topology that is there; after a crash before the item, they are written once more.
        await self._tools.topology.put_name_items([item for each in servers for item in missing_names(each)])
        items = [self._item(each, recorded.topologies) for each in servers]
        try:
            await self._tools.inventory.write(items)
        except AwsError as error:
            if error.code != "ValidationException":
                raise
            await self._write_one_by_one(items)
        else:
            self.counts["serversWritten"] += len(items)

    def _item(self, scanned: ScannedServer, topologies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        server, topology = scanned.server, topologies.get(scanned.server.lineage)
        original = {} if topology is None else inventory_copy(topology)
        if scanned.lineage:
            original |= {"lineageArn": scanned.lineage, "lineageNames": list(server_names(server))}
        return build_item(
            ServerSnapshot(scanned.record, server, scanned.facts),
            self.scope,
            WriteStamp(scanned.digest, synced_at=self._tools.run_started_at, written_at=self._tools.now()),
            original,
        )

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
                self.counts["serversWritten"] += 1

    async def _remove_absent(self) -> None:
        if not self._shows_all:
            return  # a record that cannot be read may be one of those that seem absent
        absent = [stored for key, stored in (self._stored or {}).items() if key not in self._present]
        async with fan_out(absent, self._remove, concurrency=_REMOVALS_AT_ONCE) as removals:
            async for removed in removals:
                self.counts["serversRemoved"] += removed

    async def _remove(self, stored: StoredItem) -> bool:
        """Remove one server; its topology stays: deleting servers is a normal step of cleaning up after a failback."""
        key = ItemKey(str(stored.item["sourceServerArn"]), str(stored.item["stagingAccountId"]))
        removed = await self._tools.inventory.remove(key, scanned_at=self.started_at)
        if removed:
            gone = absent_entry(key.arn, now=self._tools.now())
            await self._tools.topology.add_history(str(stored.item.get("lineageArn") or key.arn), lambda _: gone)
        return removed

    async def _probe_staging(self) -> None:
        """Where a target has nothing, request a scan when one of its staging accounts has something to extend."""
        if self.servers or not self.listed_completely:
            return
        waiting = await self._tools.find_waiting(self.scope)
        self.warnings += waiting.warnings
        if waiting.found:
            await self._tools.request_scan(self.scope)
