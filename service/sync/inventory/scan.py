"""The inventory scan of one scope: list, add what EC2 says, compare, record topology, write, remove."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from service.aws.drs import DrsReads
from service.errors import AwsError, unconfirmed_empty
from service.estate.changes import Change, CurrentServer, changes_of, decode_marks, encode_marks
from service.fanout import fan_out
from service.inventory.posture import posture_of
from service.inventory.server import content_hash, instance_facts, name_of_record, parse_server
from service.inventory.table import ItemKey, StoredItem
from service.inventory.values_item import events_key
from service.models import OddRecord, Problem, RegionStatus, Scope
from service.sync.engine.outcome import ScopeResult, account_problem, outcome_of
from service.sync.engine.sync import ScopeScan
from service.sync.inventory.doubt import believed_up_to, is_doubtful, repeated_warning
from service.sync.inventory.outbox import Outbox
from service.sync.inventory.server_writer import ServerWriter
from service.sync.inventory.servers import ScannedServer, rejected_problem
from service.sync.inventory.tools import ScanTools
from service.sync.inventory.topology_recorder import TopologyRecorder
from service.sync.inventory.values_collector import ValuesCollector
from service.topology.history import absent_entry

__all__ = ["COUNTS", "InventoryScan"]

_log = logging.getLogger(__name__)

COUNTS: Final = ("serversWritten", "serversUnchanged", "serversRemoved", "serversRejected", "topologiesCaptured")
"""What an inventory scan counts, by the report's names."""

_REMOVALS_AT_ONCE: Final = 8


class InventoryScan(ScopeScan):
    """One scan under way.

    Attributes:
        listed_completely: DRS has shown its last page, once more where the first listing was doubtful.
        uninitialized: DRS was never initialised here, which is a complete answer: nothing is there.
        is_unconfirmed_empty: DRS says so although servers are known here; a later scan has to confirm it.
        is_confirmed_empty: DRS says so, and said so to an earlier run.
        believed_up_to: the listing is believed where no more servers than this are known; None: in any case, since it
            was repeated.
        settled: listed, written and cleaned up; only details of topology may be missing.
        rejected: names of the servers that the inventory cannot hold, by reason.

    Args:
        scope: the scope.
        drs: DRS of its account.
        tools: what every scan of the run shares.
        known_count: server count of the scope at its last complete scan; None where that is not known.
    """

    def __init__(self, scope: Scope, drs: DrsReads, tools: ScanTools, *, known_count: int | None) -> None:
        super().__init__(scope)
        self.started_at = tools.now()
        self.listed_completely = False
        self.uninitialized = False
        self.is_unconfirmed_empty = False
        self.is_confirmed_empty = False
        self.believed_up_to: int | None = None
        self.settled = False
        self.rejected: dict[str, list[str]] = {}
        self._drs = drs
        self._tools = tools
        self._known_count = known_count or 0
        self._topology = TopologyRecorder(scope, drs, tools)
        self._writer = ServerWriter(scope, tools, self._topology)
        self._values = ValuesCollector(
            scope,
            tools.values_table,
            keeps_apart=tools.keeps_values_apart,
            objectives=tools.objectives,
            scanned_at=self.started_at,
        )
        self._stored: dict[ItemKey, StoredItem] = {}
        self._has_page = False
        self._present: set[ItemKey] = set()
        self._shows_all = True
        self._current: dict[str, CurrentServer] = {}
        self._has_unsent = False

    @property
    def rescan_from(self) -> datetime | None:
        """From when on a scan is due again, or None.

        It is, where servers left the scope, or came to it unannounced, and where an empty scope has events to send.
        """
        is_settled_empty = (self.listed_completely or self.uninitialized) and not self.servers
        is_emptied = is_settled_empty and (bool(self._stored) or self._known_count > 0 or self._has_unsent)
        is_unannounced = self.counts["serversWritten"] > 0 and not self._known_count
        is_unannounced = is_unannounced and not self._tools.announcements.has_announced(self.scope)
        return self._rescan_from() if is_emptied or is_unannounced else None

    def _rescan_from(self) -> datetime:
        """Return when the last write of this run or another has arrived, or never will; the index shows it by then."""
        return self._tools.now() + self._tools.latest_arrival

    async def run(self) -> None:
        """List the scope to its last page, page by page into the table; then remove what it did not show.

        Raises:
            AwsError: the listing, or the inventory table, broke off. What was written before stays; nothing is removed.
        """
        # Before the listing begins: an item of that time whose server is not listed is outdated, whatever the clock of
        # the host that wrote it says.
        self.doing = "read what is stored"
        self._stored = await self._tools.stored_items(self.scope)
        self.doing = "list the servers"
        try:
            await self._list_until_sure()
        except AwsError as error:
            if not error.is_drs_uninitialized or self._has_page:
                raise
            await self._settle_uninitialized(error)
            if self.is_unconfirmed_empty:
                return
        else:
            self.listed_completely = True
        await self._announce()
        self.doing = "remove servers that left"
        await self._remove_absent()
        self.settled, self.doing = True, "complete details of the servers, which the next scan does"
        self.warnings += await self._values.write(had_servers=bool(self._stored) or self._known_count > 0)
        self.warnings += await self._topology.complete()
        await self._probe_staging()

    def result(self, failure: Problem | None, *, known: bool, seconds: float) -> ScopeResult:
        """Say what came of the scan; servers are those that the inventory shows as they are, or that are unusable."""
        is_settled = self.listed_completely or self.uninitialized
        return outcome_of(
            self.scope,
            failure=failure,
            known=known or bool(self._stored),
            answered=is_settled or self._has_page or self.is_unconfirmed_empty or self.servers > 0,
            settled=self.settled and (failure is None or failure.code != "DeadlineExceeded"),
            servers=sum(self.counts[name] for name in ("serversWritten", "serversUnchanged", "serversRejected")),
            counts=self.counts,
            problems=[*self.problems, *(rejected_problem(self.scope, *each) for each in self.rejected.items())],
            warnings=self.warnings,
            seconds=seconds,
        )

    async def _list_until_sure(self) -> None:
        """List the scope, a second time where the first listing is doubtful. A server that either shows is present.

        The count is that of the listing that shows more, so it is one that DRS has shown, and never 0 beside a server
        that one of them shows.
        """
        first = await self._list()
        # By ARN: a server that has only changed its staging account is not absent.
        stored, present = {key.arn for key in self._stored}, {key.arn for key in self._present}
        absent = len(stored - present)
        facts = {"shown": first, "stored": len(stored), "absent": absent, "known_count": self._known_count}
        share = self._tools.settings.removal_rescan_share
        if self._shows_all and is_doubtful(**facts, share=share):
            self.warnings.append(repeated_warning(self.scope, **facts))
            self.servers = max(first, await self._list())
        else:
            self.believed_up_to = believed_up_to(first, share=share)

    async def _list(self) -> int:
        """Sync each page of one listing; return how many servers the listing shows."""
        shown: set[ItemKey] = set()
        unusable = 0
        async with aclosing(self._drs.source_servers(self.scope.region)) as pages:
            async for page in pages:
                self._has_page = True
                unusable += await self._sync_page(page, shown)
        return len(shown) + unusable

    async def _settle_uninitialized(self, error: AwsError) -> None:
        known = len(self._stored) or self._known_count
        if known and not await self._tools.was_told_empty(self.scope, before=self.started_at):
            self.is_unconfirmed_empty = True
            self.problems.append(unconfirmed_empty(error, self.scope, known))
        else:
            self.uninitialized = True
            self.is_confirmed_empty = known > 0

    async def _sync_page(self, page: Sequence[Mapping[str, Any]], shown: set[ItemKey]) -> int:
        """Write what changed of a page, and add its servers to `shown`; return how many of its records are unusable."""
        parsed, unusable = self._parse(page, shown)
        servers = await self._with_instances(parsed)
        servers = [replace(each, digest=self._digest(each)) for each in servers]
        changed = {server.key for server in servers if self._is_worth_writing(server)}
        lineages = await self._topology.lineages(servers, changed)
        servers = [replace(each, lineage=lineages[each.key]) for each in servers]
        # A server whose lineage has only now become known, or whose names have only now a table, is written too.
        changed |= {each.key for each in servers if each.lineage and each.stored and self._lacks_lineage(each)}
        to_write = [each for each in servers if each.key in changed]
        self.counts["serversUnchanged"] += len(servers) - len(to_write)
        # Before the item is written: after a crash in between, the server is still a change to the next run.
        await self._tools.request_scans_of_others(
            {scope for each in to_write for scope in each.server.referenced_scopes()}
        )
        await self._write(to_write)
        return unusable

    def _digest(self, scanned: ScannedServer) -> str:
        moving = self._values.add(
            scanned.key,
            scanned.record,
            tags=scanned.tags,
            since=scanned.posture_since(self._tools.run_started_at),
            topology_known=scanned.stored is None or scanned.stored.topology_complete,  # a new one is completed now
        )
        if self._tools.announcer is not None and moving is not None:
            self._current[scanned.server.server_id] = CurrentServer(
                scanned.server.hostname or scanned.server.instance_id or "",
                scanned.server.arn,
                posture_of(scanned.record, moving, self._tools.objectives.lag_of(scanned.tags)),
                scanned.posture_since(self._tools.run_started_at),
            )
        return content_hash(scanned.record, scanned.server, scanned.facts, moving)

    def _parse(self, page: Sequence[Mapping[str, Any]], shown: set[ItemKey]) -> tuple[list[ScannedServer], int]:
        """Parse the records of a page that were not seen before; those that cannot be used are named and counted."""
        servers: list[ScannedServer] = []
        unusable = 0
        for record in page:
            server = parse_server(record, reported_by=self.scope)
            if isinstance(server, str):
                self._reject(name_of_record(record), server)
                self._shows_all = False
                self.servers += 1
                unusable += 1
                continue
            key = ItemKey(server.arn, server.staging_account or self.scope.account_id)
            shown.add(key)
            if key not in self._present:  # a server may show up again when pages shift under the listing
                stored = self._stored.get(key)
                self._present.add(key)
                self.servers += 1
                servers.append(ScannedServer(record, server, key, stored, stored.facts if stored else None))
        return servers, unusable

    def _reject(self, server_id: str, why: str) -> None:
        self.counts["serversRejected"] += 1
        _log.warning("unusable record", extra={"server": server_id, "scope": self.scope, "why": why})
        self.rejected.setdefault(why, []).append(server_id)

    def _is_worth_writing(self, scanned: ScannedServer) -> bool:
        """Whether the table lacks something: the server, a change, its topology, or a refresh after a long time."""
        stored = scanned.stored
        if stored is None or stored.digest != scanned.digest or stored.updated_at is None:
            return True
        self._topology.add_unchanged(scanned)
        refresh_s = self._tools.refresh_s
        return refresh_s is not None and self._tools.run_started_at - stored.updated_at > timedelta(seconds=refresh_s)

    def _lacks_lineage(self, scanned: ScannedServer) -> bool:
        stored = scanned.stored.item if scanned.stored else {}
        return not scanned.stored_lineage or (self._tools.topology.keeps_names and stored.get("lineageNames") is None)

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
                self._explain_unread_origin(error)
                continue
            for instance_id, instance in shown.items():
                if isinstance(instance, OddRecord):
                    self._explain_odd_instance(origin, instance_id, instance)
                else:
                    instances[origin, instance_id] = instance
        return [self._with_instance(each, instances) for each in servers]

    def _explain_unread_origin(self, error: AwsError) -> None:
        """Report an origin whose instances could not be read: their details stay as they were, known or unknown.

        An account that cannot be entered is often not ours to enter: that costs nothing of the scope, and is a warning.
        It names no scope, so that it is one entry of the report.
        """
        if error.call.service != "sts":
            self.problems.append(error.problem)
            return
        problem = account_problem(error)
        message = f"details of its EC2 instances were not read and stay as they were: {problem.message}"
        self.warnings.append(replace(problem, message=message))

    def _explain_odd_instance(self, origin: Scope, instance_id: str, instance: OddRecord) -> None:
        message = f"EC2 shows the instance {instance_id} in a way that cannot be used: {instance.why}"
        status = RegionStatus.ERROR
        self.problems.append(Problem("MalformedResponse", message, status, "ec2", "DescribeInstances", *origin))

    def _with_instance(
        self, scanned: ScannedServer, instances: Mapping[tuple[Scope, str], Mapping[str, Any]]
    ) -> ScannedServer:
        origin = scanned.server.origin(self.scope)
        instance = instances.get((origin, scanned.server.instance_id or "")) if origin else None
        return scanned if instance is None else replace(scanned, facts=instance_facts(instance))

    async def _write(self, servers: Sequence[ScannedServer]) -> None:
        if not servers:
            return
        await self._tools.announcements.announce(self.scope, self._rescan_from())
        written = await self._writer.write(servers)
        self.counts["topologiesCaptured"] += written.captured
        self.counts["serversWritten"] += written.servers
        self.warnings += written.warnings
        for server_id, why in written.rejected:
            self._reject(server_id, why)

    async def _announce(self) -> None:
        """Announce what changed, before servers that left are removed: a later run finds them if this one ends."""
        is_asked = self._tools.is_scan_requested(self.scope)  # an empty scope may have events that could not be sent
        if self._tools.announcer is None or not (self._current or self._stored or self._known_count or is_asked):
            return
        self.doing = "announce what has changed"
        was_unknown = self._tools.was_unknown(self.scope)

        def compare(item: Mapping[str, Any]) -> tuple[Sequence[Change], Mapping[str, Any]]:
            announced = decode_marks(item.get("marks"))
            changes, marks = changes_of(announced, self._current, shows_all=self._shows_all, was_unknown=was_unknown)
            return changes, {"marks": encode_marks(marks)} if announced is not None or marks else {}

        outbox = Outbox(self._tools.announcer, events_key(self.scope), self.scope)
        try:
            announced = await outbox.announce(compare, as_of=self.started_at)
        except AwsError as error:
            self.warnings.append(error.problem)
            self._has_unsent = True
        else:
            self.warnings += announced.problems
            self._has_unsent = announced.is_unsent

    async def _remove_absent(self) -> None:
        if not self._shows_all:
            return  # a record that cannot be read may be one of those that seem absent
        absent = [(key, stored) for key, stored in self._stored.items() if key not in self._present]
        async with fan_out(absent, self._remove, concurrency=_REMOVALS_AT_ONCE) as removals:
            async for removed in removals:
                self.counts["serversRemoved"] += removed

    async def _remove(self, absent: tuple[ItemKey, StoredItem]) -> bool:
        """Remove one server; its topology stays: deleting servers is a normal step of cleaning up after a failback."""
        key, stored = absent
        lineage = str(stored.item.get("lineageArn") or key.arn)
        await self._tools.topology.keep_originals(lineage, key)
        removed = await self._tools.inventory.remove(key, stored)
        if removed:
            gone = absent_entry(key.arn, now=self._tools.now())
            await self._tools.topology.add_history(lineage, lambda _: gone)
        return removed

    async def _probe_staging(self) -> None:
        """Where a target has nothing, request a scan when one of its staging accounts has something to extend."""
        if self.servers or not self.listed_completely:
            return
        waiting = await self._tools.find_waiting(self.scope)
        self.warnings += waiting.warnings
        if waiting.found:
            await self._tools.request_scan(self.scope)
