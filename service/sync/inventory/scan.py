"""One look at one (account, region): list, compare, enrich, write, remove. The scope decides nothing about others."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing, nullcontext
from datetime import timedelta
from typing import Any

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.fanout import fan_out, prefetch
from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.inventory.server import SourceServer, content_hash, instance_facts, parse_server
from service.inventory.table import ItemKey, StoredItem
from service.models import RegionStatus, Scope
from service.sync.inventory.originals import Origins, unknown_names
from service.sync.inventory.rows import LookTools, Row, Seen, unsettled
from service.topology.history import absent_entry
from service.topology.lineage import server_names
from service.topology.original import inventory_copy

__all__ = ["Look"]

_log = logging.getLogger(__name__)


class Look:
    """A look under way. `seen` may be read at any time, also after `run` was cancelled."""

    def __init__(self, scope: Scope, drs: DrsReads, tools: LookTools) -> None:
        self.scope = scope
        self.seen = Seen()
        self.started_at = tools.now()
        self._drs = drs
        self._tools = tools
        self._held: dict[ItemKey, StoredItem] | None = None
        self._present: set[ItemKey] = set()
        self._shows_all = True
        self._origins = Origins(scope, drs, tools, self.seen)

    async def run(self, *, had_servers: bool) -> None:
        """List the scope to its last page, page by page into the table; then remove what it did not show.

        Args:
            had_servers: servers were known here; if DRS turns out not to be in use, their records go.

        Raises:
            AwsError: the listing, or the inventory table, broke off. What was written before stays; nothing is removed.
        """
        try:
            await self._list(had_servers=had_servers)
        except AwsError as error:
            if (
                error.error_class.status is not RegionStatus.NOT_INITIALIZED
                or error.call.service != "drs"
                or self.seen.servers
            ):
                raise
            self.seen.uninitialized = True  # a complete answer: nothing is there
            if had_servers:
                self._held = await self._read_held()
        else:
            self.seen.listed_completely = True
        await self._remove_absent()
        self.seen.settled = True
        await self._origins.finish()

    async def _list(self, *, had_servers: bool) -> None:
        # Where there is something to compare with, it is read while DRS takes its time.
        async with (
            prefetch(self._read_held) if had_servers else nullcontext(self._read_held) as held,
            aclosing(self._drs.source_servers(self.scope.region)) as pages,
        ):
            async for page in pages:
                if self._held is None:
                    self._held = await held()
                await self._take_in(page)

    async def _read_held(self) -> dict[ItemKey, StoredItem]:
        return await self._tools.inventory.stored_items(self.scope, partition=self._tools.partition)

    async def _take_in(self, page: Sequence[Mapping[str, Any]]) -> None:
        rows = self._read(page)
        await self._enrich(rows)
        for row in rows:
            row.digest = content_hash(row.record, row.server, row.facts)
        changed = await self._origins.with_lineage([row for row in rows if self._is_worth_writing(row)], rows)
        self.seen.unchanged += len(rows) - len(changed)
        # Before the item is written: after a crash in between, the server is still a change to the next run.
        await self._tools.announce({scope for row in changed for scope in row.server.referenced_scopes()})
        await self._write(changed)

    def _read(self, page: Sequence[Mapping[str, Any]]) -> list[Row]:
        rows: list[Row] = []
        for record in page:
            server = parse_server(record, reported_by=self.scope)
            if isinstance(server, str):
                self._reject(str(record.get("sourceServerID", "a server")), server)
                self._shows_all = False
                self.seen.servers += 1
                continue
            row = Row(record, server, None)
            key = row.key(self.scope)
            if key not in self._present:  # a server may show up again when pages shift under the listing
                row.held = (self._held or {}).get(key)
                self._present.add(key)
                self.seen.servers += 1
                rows.append(row)
        return rows

    def _reject(self, server_id: str, why: str) -> None:
        self.seen.rejected += 1
        _log.warning("unusable record", extra={"server": server_id, "place": self.scope, "why": why})
        self.seen.problems.append(unsettled(self.scope, "UnusableRecord", why, RegionStatus.ERROR))

    def _is_worth_writing(self, row: Row) -> bool:
        """Whether the table lacks something: the server, a change, its topology, or a refresh after a long time."""
        held = row.held
        if held is None or held.digest != row.digest or held.updated_at is None:
            return True
        self._origins.note_unchanged(row)
        age = self._tools.run_started_at - held.updated_at
        return age > timedelta(seconds=self._tools.settings.inventory_refresh_seconds)

    async def _enrich(self, rows: Sequence[Row]) -> None:
        """Ask EC2 where each instance lives. Instances that EC2 does not show keep what was known of them last."""
        by_origin: dict[Scope, list[Row]] = {}
        for row in rows:
            row.facts = row.held.facts if row.held else None
            origin = row.server.origin(self.scope)
            if origin is not None:
                by_origin.setdefault(origin, []).append(row)
        for origin, group in by_origin.items():
            ids = [row.server.instance_id for row in group if row.server.instance_id]
            try:
                ec2 = await self._tools.ec2_of(origin.account_id)
                instances = await ec2.instances(origin.region, ids)
            except AwsError as error:
                self.seen.problems.append(error.problem)
                continue
            for row in group:
                instance = instances.get(row.server.instance_id or "")
                if instance is not None:
                    row.facts = instance_facts(instance)

    async def _write(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        originals = await self._origins.of(rows)
        # Names lead to a topology that is there; after a crash before the item, they are written once more.
        await self._tools.topology.put_name_items([item for row in rows for item in unknown_names(row)])
        items = [
            build_item(
                ServerSnapshot(row.record, row.server, row.facts),
                self.scope,
                WriteStamp(row.digest, synced_at=self._tools.run_started_at, written_at=self._tools.now()),
                {
                    **self._original(row.server, originals),
                    **(
                        {"lineageArn": row.lineage, "lineageNames": list(server_names(row.server))}
                        if row.lineage
                        else {}
                    ),
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

    def _original(self, server: SourceServer, originals: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        found = originals.get(server.lineage)
        return {} if found is None else inventory_copy(found, replicates_here=server.replicates_in(self.scope))

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

    async def _remove_absent(self) -> None:
        if not self._shows_all:
            return  # a record that cannot be read may be one of those that seem absent
        absent = [key for key in self._held or {} if key not in self._present]

        async def remove(key: ItemKey) -> bool:
            removed = await self._tools.inventory.remove(key, scanned_at=self.started_at)
            if removed:  # its topology stays: deletion of a server is a normal step of cleaning up after a failback
                lineage = str((self._held or {})[key].item.get("lineageArn") or key.arn)
                gone = absent_entry(key.arn, now=self._tools.now())
                await self._tools.topology.add_history(lineage, lambda _: gone)
            return removed

        async with fan_out(absent, remove, concurrency=8) as removals:
            async for removed in removals:
                self.seen.removed += removed
