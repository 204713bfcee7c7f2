"""Fixtures of the query room."""

from __future__ import annotations

import pytest

from tests.queries.desk import Desk, synced
from tests.support.estate import Estate


@pytest.fixture
async def desk(estate: Estate) -> Desk:
    """Give a desk before an estate whose inventory was synced once: 11 servers of 2 accounts in 2 regions."""
    return await synced(estate)
