"""What one look at an (account, region) works with: its tools, its rows, and what it has seen so far."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.aws.ec2 import Ec2Reads
from service.inventory.server import InstanceFacts, SourceServer
from service.inventory.table import InventoryTable, ItemKey, StoredItem
from service.models import Now, Problem, RegionStatus, Scope
from service.settings import Settings
from service.sync.inventory.templates import Templates
from service.topology.table import TopologyTable

__all__ = ["LookTools", "Row", "Seen", "unsettled"]


@dataclass(frozen=True, slots=True)
class LookTools:
    """What every look of a run shares."""

    inventory: InventoryTable
    topology: TopologyTable
    ec2_of: Callable[[str], Awaitable[Ec2Reads]]
    settings: Settings
    now: Now
    partition: str
    run_started_at: datetime
    announce: Callable[[set[Scope]], Awaitable[None]]
    templates: Templates
    source_templates: Callable[[Scope], Awaitable[Sequence[Mapping[str, Any]]]]


@dataclass(slots=True)
class Seen:
    """What a look has brought so far. It stays true when the look breaks off."""

    servers: int = 0
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: int = 0
    topologies: int = 0
    listed_completely: bool = False
    settled: bool = False  # listed, written and tidied up; only details of topology may be missing
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    uninitialized: bool = False

    @property
    def synced(self) -> int:
        """How many servers the inventory shows as they are, or that no sync can write; a look cut short has fewer."""
        return self.written + self.unchanged + self.rejected


@dataclass(slots=True)
class Row:
    """One server on its way into the table."""

    record: Mapping[str, Any]
    server: SourceServer
    held: StoredItem | None
    facts: InstanceFacts | None = None
    digest: str = ""
    lineage: str = ""  # empty: not known

    def key(self, scope: Scope) -> ItemKey:
        """Give the key of its item in the inventory table."""
        return ItemKey(self.server.arn, self.server.staging_account or scope.account_id)


def unsettled(scope: Scope, code: str, message: str, status: RegionStatus) -> Problem:
    """Say what is wrong without naming a server: the same trouble of many servers is then one entry."""
    return Problem(code, message, status, account_id=scope.account_id, region=scope.region)
