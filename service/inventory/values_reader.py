"""Reader of the moving values of scopes. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from service.aws.dynamodb import Item, TableReader
from service.fanout import fan_out
from service.inventory.values_item import ScopeValues, part_count, part_key, values_of
from service.models import Scope

__all__ = ["ValuesReader"]

_BATCH: Final = 100  # BatchGetItem's own limit
_BATCHES_AT_ONCE: Final = 16


class ValuesReader:
    """Reads moving values from the topology table."""

    def __init__(self, table: TableReader) -> None:
        self._table = table

    async def read(self, scopes: Iterable[Scope]) -> dict[Scope, ScopeValues]:
        """Return the moving values of scopes; one without any is left out. Raises AwsError.

        Costs a key of BatchGetItem per scope, and per further part of the few that have several.
        """
        by_key = {_key_of(part_key(scope, 0)): scope for scope in scopes}
        stored: dict[Scope, list[Mapping[str, Any]]] = {}
        first = await self._get([part_key(scope, 0) for scope in by_key.values()])
        for item in first:
            stored[by_key[_key_of(item)]] = [item]
        further = {
            _key_of(part_key(scope, part)): (scope, part)
            for scope, items in stored.items()
            for part in range(1, part_count(items[0]))
        }
        for item in await self._get([part_key(*each) for each in further.values()]):
            stored[further[_key_of(item)][0]].append(item)
        return {scope: values_of(items) for scope, items in stored.items()}

    async def summaries(self, scopes: Iterable[Scope]) -> dict[Scope, Any]:
        """Return the stored summary of each scope, whatever it is; one without any is left out. Raises AwsError.

        Costs a key of BatchGetItem per scope; the values of the servers are not decoded.
        """
        by_key = {_key_of(part_key(scope, 0)): scope for scope in scopes}
        items = await self._get([part_key(scope, 0) for scope in by_key.values()], trim=_without_values)
        return {by_key[_key_of(item)]: item["summary"] for item in items if "summary" in item}

    async def _get(
        self, keys: list[dict[str, str]], *, trim: Callable[[Item], Item] | None = None
    ) -> list[Mapping[str, Any]]:
        async def get(batch: list[dict[str, str]]) -> list[Item]:
            return await self._table.get_many(batch, trim=trim)

        batches = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
        async with fan_out(batches, get, concurrency=_BATCHES_AT_ONCE) as pages:
            return [item async for page in pages for item in page]


def _without_values(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != "values"}


def _key_of(item: Mapping[str, Any]) -> tuple[Any, Any]:
    return item.get("pk"), item.get("sk")
