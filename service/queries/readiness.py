"""Readiness: whether the tables of the queries can be read now."""

from __future__ import annotations

from typing import Final

import anyio

from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.errors import AwsError
from service.fanout import fan_out
from service.settings import Settings

__all__ = ["ReadinessQuery"]

_TIMEOUT_S: Final = 5.0


class ReadinessQuery:
    """Reads one item of each table; nothing is kept."""

    def __init__(self, aws_client: AwsClient, settings: Settings) -> None:
        self._aws_client = aws_client
        self._settings = settings

    async def why_not(self) -> str:
        """Return why a table cannot be read now, with the fix; empty if each can.

        Raises:
            ConfigurationError: the target accounts or the inventory table is not set.
        """
        settings = self._settings
        settings.require("target_accounts_table", "source_server_inventory_table")
        names = (
            settings.target_accounts_table,
            settings.source_server_inventory_table,
            settings.drs_region_status_table,
            settings.source_server_topology_table,
        )
        async with fan_out(filter(None, names), self._why_not, concurrency=len(names)) as results:
            return "; ".join(sorted([result async for result in results if result]))

    async def _why_not(self, name: str) -> str:
        with anyio.move_on_after(_TIMEOUT_S):
            try:
                await TableReader(self._aws_client.hub(), name, self._aws_client.hub_region).has_items()
            except AwsError as error:
                return f"{error.explanation}. Fix: {error.fix}"
            return ""
        return f"the table {name} did not answer in {_TIMEOUT_S:g} s. Fix: check the network to DynamoDB"
