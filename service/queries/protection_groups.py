"""Protection groups of the platform: which group a server is assigned to, and so whether another may select it.

A group has servers by id, or by tags that a server must all have; its region and account limit both.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio

from service.aws.dynamodb import TableReader
from service.errors import AwsError, problem_of
from service.models import Problem, RegionStatus, Scope
from service.queries.brief import ServerView

__all__ = ["NO_TABLE", "Assignments", "ProtectionGroup", "read_assignments"]

_log: Final = logging.getLogger(__name__)
_UNKNOWN: Final = "no server can be selected, because the protection groups are not known"


@dataclass(frozen=True, slots=True)
class ProtectionGroup:
    """One protection group.

    Args:
        group_id: its id.
        name: its name.
        account_id: account of its servers; empty for the hub.
        server_ids: the servers that it names.
        tags: tags that a server must all have to belong to it; empty: it selects none by tags.
    """

    group_id: str
    name: str
    account_id: str = ""
    server_ids: frozenset[str] = frozenset()
    tags: Mapping[str, Any] = field(default_factory=dict)

    def selects(self, server: ServerView, hubs: Collection[str]) -> bool:
        """Whether the tags of the group, which has some, select a server.

        `hubs`: the hub, where it is a target; empty if not known.
        """
        account_id = server["accountId"]
        is_of_account = account_id == self.account_id if self.account_id else not hubs or account_id in hubs
        return is_of_account and all(server["tags"].get(name) == value for name, value in self.tags.items())

    def as_json(self) -> dict[str, str]:
        """Return what the UI shows of the group that a server is assigned to."""
        return {"protectionGroupId": self.group_id, "protectionGroupName": self.name}


@dataclass(frozen=True, slots=True)
class Assignments:
    """The protection groups of one region.

    Args:
        groups: the groups whose servers cannot be selected; without the one that is being edited.
        problems: why some or all groups are not known. Then no server is selectable: one that is offered although
            another group has it would be recovered twice.
        is_configured: a table of protection groups is set.
    """

    groups: tuple[ProtectionGroup, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_configured: bool = True

    def apply(self, servers: Sequence[ServerView], hubs: Collection[str]) -> list[ServerView]:
        """Return servers with `assignedToProtectionGroup` and `selectable` of these groups.

        A group that names a server goes before one that selects it by tags, then the order is that of names.
        """
        if not self.is_configured:
            return [*servers]
        ordered = sorted(self.groups, key=lambda group: (group.name, group.group_id))
        named: dict[str, list[ProtectionGroup]] = {}
        for group in ordered:
            for server_id in group.server_ids:
                named.setdefault(server_id, []).append(group)
        by_tags = [group for group in ordered if group.tags]
        return [self._assigned(server, named.get(server["sourceServerID"], ()), by_tags, hubs) for server in servers]

    def _assigned(
        self,
        server: ServerView,
        named: Iterable[ProtectionGroup],
        by_tags: Iterable[ProtectionGroup],
        hubs: Collection[str],
    ) -> ServerView:
        group = next((each for each in named if each.account_id in {"", server["accountId"]}), None)
        group = group or next((each for each in by_tags if each.selects(server, hubs)), None)
        # Its replication state is no condition: a group may be made while its servers still replicate initially.
        is_free = group is None and not self.problems and "extensionError" not in server
        return {**server, "assignedToProtectionGroup": group.as_json() if group else None, "selectable": is_free}


NO_TABLE: Final = Assignments(is_configured=False)
"""Without a table of protection groups nothing is known about assignment, and `selectable` is that of the server."""


async def read_assignments(table: TableReader, region: str, current: str, *, until: float) -> Assignments:
    """Read the protection groups of a region.

    Args:
        table: the table, which is read to its last page.
        region: the region.
        current: id of the group that is being edited, whose servers may stay selected; empty for none.
        until: when to give up, by the event loop's clock.
    """
    groups: list[ProtectionGroup] = []
    problems: list[Problem] = []
    with anyio.CancelScope(deadline=until) as cancel_scope:
        try:
            async for row in table.scan():
                if not _concerns(row, region, current):
                    continue
                group = _parse(row)
                if isinstance(group, ProtectionGroup):
                    groups.append(group)
                else:
                    problems.append(_unusable(group, table.name))
        except AwsError as error:
            problems.append(replace(error.problem, region="", message=f"{_UNKNOWN}: {error.message}"))
    if cancel_scope.cancelled_caught:
        text = f"{_UNKNOWN}: the table {table.name} did not answer in time"
        late = problem_of(
            "QueryDeadline", "DeadlineExceeded", text, Scope("", ""), service="dynamodb", operation="Scan"
        )
        problems.append(late)
    for problem in problems:
        _log.warning("protection groups are not known", extra={"problem": problem.as_json()})
    return Assignments(tuple(groups), tuple(problems))


def _concerns(row: Mapping[str, Any], region: str, current: str) -> bool:
    """Whether a row is of this region, or of none that is known, and not the group that is being edited."""
    group_region = row.get("region")
    is_elsewhere = isinstance(group_region, str) and group_region not in {"", region}
    return not is_elsewhere and not (current and _group_id(row) == current)


def _group_id(row: Mapping[str, Any]) -> str:
    return str(row.get("groupId") or row.get("protectionGroupId") or "")


def _parse(row: Mapping[str, Any]) -> ProtectionGroup | str:
    """Parse a row; the text says which one cannot be used, and why."""
    group_id = _group_id(row)
    name = str(row.get("groupName") or row.get("name") or group_id)
    server_ids, tags, account_id = (row.get(key) for key in ("sourceServerIds", "serverSelectionTags", "accountId"))
    if not _is_text_list(server_ids or []):
        return f"{group_id[:80]}: sourceServerIds is not a list of texts"
    if not isinstance(tags or {}, Mapping):
        return f"{group_id[:80]}: serverSelectionTags is not a map"
    if not isinstance(account_id or "", str):
        return f"{group_id[:80]}: accountId is not a text"
    return ProtectionGroup(group_id, name, account_id or "", frozenset(server_ids or ()), tags or {})


def _is_text_list(value: object) -> bool:
    return isinstance(value, list | tuple | AbstractSet) and all(isinstance(each, str) for each in value)


def _unusable(why: str, table_name: str) -> Problem:
    return Problem(
        "InvalidProtectionGroup",
        f"{_UNKNOWN}: the row {why}",
        RegionStatus.ERROR,
        "dynamodb",
        "Scan",
        advice=f"correct the row in {table_name}",
    )
