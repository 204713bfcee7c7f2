"""The rows of the tag sync table: lock, last result, and servers whose launch settings need nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from service.aws.attribute_values import encode
from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.models import Now, Scope, iso
from service.settings import Settings
from service.sync.engine.lease import LeaseLostError

__all__ = ["LOCK_S", "LastSync", "TagState"]

LOCK_S: Final = 900
"""Seconds after which a lock is void unless it was renewed: as long as a function may run."""

_LOCK: Final = {"accountId": "_tag_sync_lock"}
_LAST: Final = {"accountId": "_last_tag_sync"}
_NOT_LATER: Final = "attribute_not_exists(#fence) OR #fence <= :fence"
_IN_PROGRESS: Final = "IN_PROGRESS"
_COMPLETED: Final = "COMPLETED"


@dataclass(frozen=True, slots=True)
class LastSync:
    """The last tag sync, or the one under way: then `at` is its start, and nothing is counted yet.

    `status` is SUCCESS, PARTIAL, IN_PROGRESS, or UNKNOWN where the row does not say.
    """

    status: str
    source: str
    at: datetime | None
    total_accounts: int = 0
    total_synced: int = 0
    total_failed: int = 0
    total_servers: int = 0


class TagState:
    """Rows of the tag sync table. Without a table nothing is locked and nothing remembered.

    Each time the lock is taken its row counts one further. Who has taken it writes that number into the rows it leaves,
    and writes none that has a higher one: a run whose lock went to another cannot undo what that one wrote. The number
    begins with the time in seconds, so it goes on rising after an earlier writer has put a lock without one.

    All methods raise AwsError when the table could not be read or written.
    """

    def __init__(self, table: Table | None, now: Now) -> None:
        self._table = table
        self._now = now
        self._fence: int | None = None

    @classmethod
    def of(cls, aws_client: AwsClient, settings: Settings, now: Now) -> Self:
        """Make it as the settings say. Raises ConfigurationError when no region is set."""
        name = settings.tag_sync_config_table
        return cls(Table(aws_client.hub(), name, aws_client.hub_region) if name else None, now)

    @property
    def remembers(self) -> bool:
        """Whether there is a table."""
        return self._table is not None

    async def acquire(self, *, owner: str, takes_over: str | None = None) -> bool:
        """Take the lock by one conditional write; return whether it is ours now.

        It is free when it was released, is older than 900 s, or never was. Who has it may take it again: that renews
        it, and an answer that was lost on its way does not lock its own run out. `startedAt` is what all readers judge
        its age by, so it is the time of the last renewal.

        Args:
            owner: who takes it; a name that no other run has.
            takes_over: an owner that hands its lock over to this one.
        """
        if self._table is None:
            return True
        now_s = _epoch_s(self._now())
        taken = {"status": _IN_PROGRESS, "startedAt": now_s, "owner": owner, "completedAt": None}
        condition = "NOT (#status = :held AND #startedAt > :void) OR #owner = :owner"
        values: dict[str, Any] = {"held": _IN_PROGRESS, "void": now_s - LOCK_S, "owner": owner}
        if takes_over is not None:
            condition += " OR #owner = :previous"
            values["previous"] = takes_over
        fence = await self._table.advance(_LOCK, taken, "fence", condition, values, base=now_s)
        if fence is not None:
            self._fence = fence
        return fence is not None

    async def release(self, owner: str) -> None:
        """Release the lock, unless somebody else has it by now."""
        if self._table is None:
            return
        freed = {"status": _COMPLETED, "completedAt": _epoch_s(self._now())}
        await self._table.update_if(_LOCK, freed, "#owner = :owner", {"owner": owner})

    async def last(self) -> LastSync | None:
        """Return the sync under way, else the last one; None when there never was one."""
        if self._table is None:
            return None
        lock = await self._table.get(_LOCK)
        if lock is not None and self._is_taken(lock):
            return LastSync(_IN_PROGRESS, "manual", _moment(lock.get("startedAt")))
        item = await self._table.get(_LAST)
        return _parse_last(item) if item is not None else None

    def _is_taken(self, lock: Mapping[str, Any]) -> bool:
        started_s = _number(lock.get("startedAt"))
        return lock.get("status") == _IN_PROGRESS and started_s > _epoch_s(self._now()) - LOCK_S

    async def finish(
        self, *, source: str, accounts: int, synced: int, failed: int, servers: int, complete: bool
    ) -> None:
        """Store the result of a run in place of the one before. Raises LeaseLostError as `settle_launches` does."""
        await self._put(
            {
                **_LAST,
                "timestamp": _epoch_s(self._now()),
                "source": source,
                "totalAccounts": accounts,
                "totalSynced": synced,
                "totalFailed": failed,
                "totalServers": servers,
                "status": "SUCCESS" if complete else "PARTIAL",
            }
        )

    async def settled_launches(self, scope: Scope) -> frozenset[str]:
        """Return the ids of servers of a scope whose launch settings need nothing."""
        item = None if self._table is None else await self._table.get(_launch_key(scope))
        listed = item.get("settled") if item else None
        return frozenset(each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, str))

    async def settle_launches(self, scope: Scope, server_ids: Iterable[str]) -> None:
        """Store the servers of a scope whose launch settings need nothing; 4,000 of them take about 90 KB.

        Raises:
            LeaseLostError: a run that took the lock later has written here already.
        """
        await self._put({**_launch_key(scope), "settled": sorted(server_ids), "updatedAt": iso(self._now())})

    async def _put(self, item: Mapping[str, Any]) -> None:
        if self._table is None:
            return
        if self._fence is None:  # part of a run that others may share: its lock is held elsewhere
            await self._table.call("PutItem", {"Item": encode(item)})
            return
        fenced = {**item, "fence": self._fence}
        if not await self._table.put_if(fenced, _NOT_LATER, {"fence": self._fence}):
            raise LeaseLostError


def _launch_key(scope: Scope) -> dict[str, str]:
    return {"accountId": f"_launch_settings#{scope.account_id}#{scope.region}"}


def _parse_last(item: Mapping[str, Any]) -> LastSync:
    """Read a result as any writer has left it; what cannot be read counts as nothing."""
    names = ("totalAccounts", "totalSynced", "totalFailed", "totalServers")
    status = item.get("status")
    return LastSync(
        status if isinstance(status, str) and status else "UNKNOWN",
        str(item.get("source") or "unknown"),
        _moment(item.get("timestamp")),
        *(int(_number(item.get(name))) for name in names),
    )


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(_number(value), UTC) if _number(value) > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def _epoch_s(moment: datetime) -> int:
    return int(moment.timestamp())
