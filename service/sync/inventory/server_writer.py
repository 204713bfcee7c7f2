"""Writing what a scan found of servers: their topology, the names that lead to it, and their items, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.aws.transactions import Outcome
from service.errors import AwsError
from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.models import Problem, Scope
from service.sync.inventory.servers import ScannedServer
from service.sync.inventory.tools import ScanTools
from service.sync.inventory.topology_recorder import TopologyRecorder, missing_names
from service.topology.lineage import server_names
from service.topology.original import inventory_copy

__all__ = ["ServerWriter", "Written"]


@dataclass(slots=True)
class Written:
    """What came of writing servers.

    Attributes:
        captured: how many topologies are new.
        servers: how many items were written.
        rejected: ids of the servers whose items DynamoDB refuses, such as those above 400 KB, each with the reason.
        warnings: about what a later run does.
    """

    captured: int = 0
    servers: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    warnings: Sequence[Problem] = ()

    def add(self, item: Mapping[str, Any], outcome: Outcome) -> None:
        """Count an item; one that DynamoDB refuses costs only itself."""
        if isinstance(outcome, AwsError):
            self.rejected.append((str(item["sourceServerID"]), outcome.message))
        else:
            self.servers += 1


class ServerWriter:
    """Writes the servers of one scope."""

    def __init__(self, scope: Scope, tools: ScanTools, topology: TopologyRecorder) -> None:
        self._scope = scope
        self._tools = tools
        self._topology = topology

    async def write(self, servers: Sequence[ScannedServer]) -> Written:
        """Write servers that are new or have changed. Raises AwsError when some could not be written."""
        recorded = await self._topology.record(servers)
        written = Written(recorded.captured, warnings=recorded.warnings)
        # Names lead to a topology that is there; after a crash before the item, they are written once more.
        await self._tools.topology.put_name_items([item for each in servers for item in missing_names(each)])
        new = [self._item(each, recorded.topologies) for each in servers if each.stored is None]
        for item, outcome in zip(new, await self._tools.inventory.write_new(new), strict=True):
            written.add(item, outcome)
        await self._rewrite([self._item(each, recorded.topologies) for each in servers if each.stored], written)
        return written

    def _item(self, scanned: ScannedServer, topologies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        server, topology = scanned.server, topologies.get(scanned.server.lineage)
        original = {}
        if topology is not None:
            original = inventory_copy(topology) | self._tools.topology.item_attributes(topology)
        if scanned.lineage:
            original["lineageArn"] = scanned.lineage
            if self._tools.topology.keeps_names:
                original["lineageNames"] = list(server_names(server))
        return build_item(
            ServerSnapshot(scanned.record, server, scanned.facts),
            self._scope,
            WriteStamp(scanned.digest, synced_at=self._tools.run_started_at, written_at=self._tools.now()),
            original,
            posture_since=scanned.posture_since(self._tools.run_started_at),
        )

    async def _rewrite(self, items: Sequence[Mapping[str, Any]], written: Written) -> None:
        try:
            await self._tools.inventory.write(items)
        except AwsError as error:
            if error.code != "ValidationException":
                raise
            await self._rewrite_one_by_one(items, written)
        else:
            written.servers += len(items)

    async def _rewrite_one_by_one(self, items: Sequence[Mapping[str, Any]], written: Written) -> None:
        """Find the item that DynamoDB refuses."""
        for item in items:
            outcome: Outcome = True
            try:
                await self._tools.inventory.write([item])
            except AwsError as error:
                if error.code != "ValidationException":
                    raise
                outcome = error
            written.add(item, outcome)
