"""Fixtures of the query tests."""

from __future__ import annotations

import pytest

from tests.queries.client import QueryClient, synced
from tests.support.sandbox import EngineSandbox


@pytest.fixture
async def client(sandbox: EngineSandbox) -> QueryClient:
    """Return a client of a sandbox that was synced once: 11 servers of 2 accounts in 2 regions."""
    return await synced(sandbox)
