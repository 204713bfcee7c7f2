"""Fixtures of the query tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.queries.client import QueryClient
from tests.queries.saved import SavedSync
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets

_SAVED: Final = {"extending_client": SavedSync(), "client": SavedSync()}


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Start the usual sandbox; tests of a synced one use the same accounts, one after the other."""
    saved = next((saved for fixture, saved in _SAVED.items() if fixture in request.fixturenames), None)
    names = saved.names if saved else Names(*(new_account_id() for _ in range(4)))
    with EngineSandbox(two_targets(names), names, monkeypatch) as started:
        yield started


@pytest.fixture
async def client(sandbox: EngineSandbox) -> QueryClient:
    """Return a client of a sandbox that was synced once: 11 servers of 2 accounts in 2 regions."""
    return await _SAVED["client"].client(sandbox)


@pytest.fixture
async def extending_client(sandbox: EngineSandbox) -> QueryClient:
    """Return a client of a synced sandbox where A extends both servers of B in us-west-2."""
    sandbox.add(sandbox.names.a, "us-west-2", extended_from=[{"account_id": sandbox.names.b}])
    return await _SAVED["extending_client"].client(sandbox)
