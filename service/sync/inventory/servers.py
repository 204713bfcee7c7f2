"""One server on its way into the inventory table, stage by stage. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.inventory.item import POSTURE, posture_since
from service.inventory.server import InstanceFacts, SourceServer
from service.inventory.table import ItemKey, StoredItem
from service.models import Problem, RegionStatus, Scope, iso

__all__ = ["ScannedServer", "rejected_problem", "unnamed_problem"]

_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class ScannedServer:
    """A server that DRS has shown, and what is known of it so far.

    Attributes:
        record: the DescribeSourceServers record.
        server: the same, parsed.
        key: of its inventory item.
        stored: what the table holds of it, None for a new one.
        facts: what EC2 says of its instance, or said last.
        digest: content hash of all that; empty until it is made.
        lineage: ARN of its lineage; empty while that is not known.
    """

    record: Mapping[str, Any]
    server: SourceServer
    key: ItemKey
    stored: StoredItem | None = None
    facts: InstanceFacts | None = None
    digest: str = ""
    lineage: str = ""

    @property
    def stored_lineage(self) -> str:
        """The lineage that its item names, empty when it names none."""
        return str(self.stored.item.get("lineageArn") or "") if self.stored else ""

    @property
    def tags(self) -> dict[str, str]:
        """Its tags of DRS and those of its instance, of which the latter take precedence."""
        return {**self.server.tags, **(self.facts.tags if self.facts else {})}

    def posture_since(self, now: datetime) -> str:
        """Return when it was first seen in the posture that its replication has; empty if that is not known.

        A first sight, or a change since the stored item was written, was seen `now`. Items of earlier versions do not
        say it.
        """
        if self.stored is None:
            return iso(now)
        stored = self.stored.item
        since = posture_since(stored, self.record)
        if since is not None:
            return since
        has_changed = POSTURE in stored or stored.get("replicationState") != self.server.state
        return iso(now) if has_changed else ""


def unnamed_problem(scope: Scope, code: str, message: str, status: RegionStatus) -> Problem:
    """Make a problem that names no server: the same problem of many servers is then one entry of the report."""
    return Problem(code, message, status, account_id=scope.account_id, region=scope.region)


def rejected_problem(scope: Scope, why: str, names: Sequence[str]) -> Problem:
    """Make the problem of servers that the inventory cannot hold for one and the same reason; it names the first."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return Problem(
        "UnusableRecord",
        f"{', '.join(sorted(names)[:_NAMED])}{more}: {why}",
        RegionStatus.ERROR,
        account_id=scope.account_id,
        region=scope.region,
        advice="look at the server in the account's DRS console; until its record can be used, the inventory lacks it",
    )
