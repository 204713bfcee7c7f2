"""Bugs that this engine might have had, each patched in at run time to prove that the simulation finds it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from service import errors
from service.aws.attribute_values import encode
from service.aws.drs import DrsReader
from service.aws.dynamodb import TableReader
from service.error_classes import ErrorClass
from service.error_codes import classify
from service.errors import AwsError
from service.inventory.table import InventoryTable
from service.models import Scope
from service.queries.completeness import Completeness
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import Observation
from service.sync.inventory import scan as inventory_scan
from service.sync.inventory import sync as inventory_sync
from service.sync.inventory.scan import InventoryScan
from service.sync.inventory.sync import observation_of
from service.sync.inventory.tools import ScanTools
from service.sync.inventory.values_collector import ValuesCollector
from service.sync.tags.state import TagState
from service.topology.table import TopologyTable

__all__ = ["BUGS", "Bug"]

Bug = Callable[[], AbstractContextManager[Any]]


def _zero_on_throttle() -> AbstractContextManager[Any]:
    """A failed scan writes a count of 0, as the existing platform does."""

    def observation(*arguments: Any) -> Observation | None:
        result = observation_of(*arguments)
        return result if result is None or result.server_count is not None else replace(result, server_count=0)

    return patch.object(inventory_sync, "observation_of", observation)


def _stale_across_accounts() -> AbstractContextManager[Any]:
    """Stale items are searched in the region, not in the scope (account and region)."""
    stored_items = InventoryTable.stored_items

    async def of_region(self: InventoryTable, scope: Scope, *, partition: str) -> Any:
        accounts = ("200000000000", "300000000000")
        by_account = [await stored_items(self, Scope(each, scope.region), partition=partition) for each in accounts]
        return {key: value for items in by_account for key, value in items.items()}

    return patch.object(InventoryTable, "stored_items", of_region)


def _topology_overwritten() -> AbstractContextManager[Any]:
    """Each capture overwrites the topology item."""

    async def capture(self: TopologyTable, topologies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        await self._own.put_many(topologies)
        return {topology["pk"]: dict(topology) for topology in topologies}

    async def none(self: TopologyTable, lineages: object) -> dict[str, Any]:
        return {}

    return patch.multiple(TopologyTable, capture=capture, topologies=none)


def _failure_is_empty() -> AbstractContextManager[Any]:
    """A failed listing or AssumeRole counts as an empty listing."""
    pages = DrsReader.source_servers

    async def without_error(self: DrsReader, *arguments: Any, **named: Any) -> AsyncIterator[Sequence[Any]]:
        try:
            async for page in pages(self, *arguments, **named):
                yield page
        except AwsError:
            return

    return patch.object(DrsReader, "source_servers", without_error)


def _last_page_dropped() -> AbstractContextManager[Any]:
    """The last page of a listing is dropped."""
    pages = DrsReader._pages

    async def all_but_last(self: DrsReader, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        before: list[Any] = []
        number = 0
        async for page in pages(self, *arguments, **named):
            if before:
                yield before.pop()
            before.append(page)
            number += 1
        if number == 1:
            yield before[0]

    return patch.object(DrsReader, "_pages", all_but_last)


def _cache_never_invalidated() -> AbstractContextManager[Any]:
    """The cache of region status never expires."""
    rows = RegionStatusReader.rows

    async def rows_forever(self: RegionStatusReader) -> Any:
        self._cache_s = 1e9
        return await rows(self)

    return patch.multiple(RegionStatusReader, rows=rows_forever, invalidate=lambda _: None)


def _unprocessed_ignored() -> AbstractContextManager[Any]:
    """What a batch leaves unprocessed, items or keys, is not sent again."""
    return patch.object(TableReader, "unprocessed", lambda *_: [])


def _lock_without_condition() -> AbstractContextManager[Any]:
    """The lock of the tag sync is taken without a condition."""

    async def acquire(self: TagState, *, owner: str, takes_over: str | None = None) -> bool:
        assert self._table is not None
        lock = {"accountId": "_tag_sync_lock", "status": "IN_PROGRESS", "startedAt": self._now().timestamp()}
        await self._table.call("PutItem", {"Item": encode({**lock, "owner": owner})})
        return True

    return patch.object(TagState, "acquire", acquire)


def _emptied_not_scanned_again() -> AbstractContextManager[Any]:
    """A scope that was found empty waits for discovery, though writes may still be under way."""
    return patch.object(InventoryScan, "rescan_from", property(lambda _: None))


def _idle_items_not_read() -> AbstractContextManager[Any]:
    """Stored items are read only where region status counts servers."""
    is_idle: ContextVar[bool] = ContextVar("is_idle", default=False)
    scan_run, stored_items = InventoryScan.run, InventoryTable.stored_items

    async def run(self: InventoryScan) -> None:
        is_idle.set(self._known_count == 0)
        await scan_run(self)

    async def of_active(self: InventoryTable, *arguments: Any, **named: Any) -> Any:
        return {} if is_idle.get() else await stored_items(self, *arguments, **named)

    stack = ExitStack()
    stack.enter_context(patch.object(InventoryScan, "run", run))
    stack.enter_context(patch.object(InventoryTable, "stored_items", of_active))
    return stack


def _doubtful_believed() -> AbstractContextManager[Any]:
    """A listing that shows far fewer servers than are stored is not repeated."""
    return patch.object(inventory_scan, "is_doubtful", lambda **_: False)


def _uninitialized_believed() -> AbstractContextManager[Any]:
    """The first "not initialized" removes what is stored."""

    async def yes(*_: Any, **__: Any) -> bool:
        return True

    return patch.object(ScanTools, "was_told_empty", yes)


def _unknown_left_out() -> AbstractContextManager[Any]:
    """An answer is complete if nothing that it read failed, whatever it never read."""
    return patch.object(Completeness, "is_complete", property(lambda _: True))


def _text_decides() -> AbstractContextManager[Any]:
    """An unknown error code counts as "not initialized" if its text says so."""

    def by_text(code: str, *, message: str = "", **more: Any) -> ErrorClass:
        code = "UninitializedAccountException" if "not initialized" in message else code
        return classify(code, message=message, **more)

    return patch.object(errors, "classify", by_text)


def _values_not_written() -> AbstractContextManager[Any]:
    """Moving values are written with the first servers of a scope only."""
    values_write = ValuesCollector.write

    async def write(self: ValuesCollector, *, had_servers: bool) -> Any:
        return () if had_servers else await values_write(self, had_servers=had_servers)

    return patch.object(ValuesCollector, "write", write)


BUGS: Final[Mapping[str, Bug]] = {
    "count set to 0 on throttle": _zero_on_throttle,
    "stale deletion across accounts": _stale_across_accounts,
    "put that overwrites topology": _topology_overwritten,
    "empty set on a failed listing or AssumeRole": _failure_is_empty,
    "last page dropped": _last_page_dropped,
    "cache never invalidated": _cache_never_invalidated,
    "unprocessed items ignored": _unprocessed_ignored,
    "lock taken without a condition": _lock_without_condition,
    "a scope that was emptied is not scanned again": _emptied_not_scanned_again,
    "stored items of idle scopes are not read": _idle_items_not_read,
    "a doubtful listing is not repeated": _doubtful_believed,
    'the first "not initialized" is believed': _uninitialized_believed,
    "unknown regions are left out": _unknown_left_out,
    "text decides": _text_decides,
    "moving values are written once": _values_not_written,
}
"""Each bug by its name; entering the context patches it in."""
