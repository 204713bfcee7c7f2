"""Copies of topologies on the items of servers, written after the topologies themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.errors import AwsError
from service.inventory.table import InventoryTable, ItemKey
from service.models import Problem

__all__ = ["problem_of_server", "refresh_copies"]


def problem_of_server(server_id: str, error: AwsError) -> Problem:
    """Return the problem of an error; one about a server alone, such as an item above 400 KB, names it."""
    if error.code != "ValidationException":
        return error.problem
    return replace(error.problem, message=f"{server_id}: {error.message}")


async def refresh_copies(inventory: InventoryTable, copies: Mapping[ItemKey, Mapping[str, Any]]) -> list[Problem]:
    """Write copies; return what could not be written, which a later run writes."""
    try:
        refused = await inventory.refresh_copies(copies)
    except AwsError as error:
        return [error.problem]
    return [problem_of_server(key.arn.rpartition("/")[2], error) for key, error in refused.items()]
