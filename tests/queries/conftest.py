"""Fixtures of the query tests."""

from __future__ import annotations

import pytest

from tests.queries.client import QueryClient, synced
from tests.support.estate import Estate


@pytest.fixture
async def client(estate: Estate) -> QueryClient:
    """Return a client of an estate that was synced once: 11 servers of 2 accounts in 2 regions."""
    return await synced(estate)
