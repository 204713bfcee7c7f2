"""Contents of the tables without their times, so that two ways to the same state compare equal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from tests.support.sandbox import EngineSandbox

__all__ = ["clean_state", "plain", "state"]

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def plain(value: Any) -> Any:
    """Convert DynamoDB's numbers to integers."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return int(value) if isinstance(value, Decimal) else value


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items()}
    return "<time>" if isinstance(value, str) and _TIME.fullmatch(value) else value


def _sorted(items: Iterable[Mapping[str, Any]]) -> list[Any]:
    return sorted((_timeless(plain(dict(item))) for item in items), key=lambda item: json.dumps(item, sort_keys=True))


def state(sandbox: EngineSandbox) -> tuple[list[Any], list[Any], list[Any]]:
    """Return server items, other inventory items and region status rows."""
    rows = [{name: value for name, value in row.items() if name != "accountId"} for row in sandbox.status().values()]
    # The account of a row is the one that was scanned last, which is arbitrary.
    return _sorted(sandbox.items()), _sorted(sandbox.bookkeeping()), _sorted(rows)


async def clean_state(sandbox: EngineSandbox) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the state after one full scan of the same AWS into empty tables."""
    with sandbox.other_tables():
        assert (await sandbox.sync(full_scan=True))["status"] == "complete"
        return state(sandbox)
