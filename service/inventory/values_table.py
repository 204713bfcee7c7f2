"""Table of moving values: one write per part of a scope and scan, in which a newer scan is never overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from service.aws.dynamodb_write import Table
from service.inventory.moving_values import MovingValues
from service.inventory.values_item import SCANNED_AT, parts_of
from service.models import Scope, iso

__all__ = ["ValuesTable"]

_IS_NEWER: Final = f"attribute_not_exists( #{SCANNED_AT} ) OR #{SCANNED_AT} < :scanned"


class ValuesTable:
    """Writes moving values to the topology table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def write(
        self, scope: Scope, values: Mapping[bytes, MovingValues], summary: Mapping[str, Any], *, scanned_at: datetime
    ) -> bool:
        """Write the moving values of a scope; return whether they are stored, False where a newer scan's are.

        Args:
            scope: the account and region.
            values: the values of each server, by short hash.
            summary: of the scope.
            scanned_at: when the scan began.

        Raises:
            AwsError: some could not be written.
        """
        is_newest = True
        for item in parts_of(scope, values, summary, scanned_at=scanned_at):
            is_newest &= await self._table.put_if(item, _IS_NEWER, {"scanned": iso(scanned_at)})
        return is_newest
