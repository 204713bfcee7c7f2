"""Fixtures: a sandbox whose hub has no target accounts yet, and the calls that it receives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.support.estate import Estate, estate_without_accounts
from tests.support.received_calls import ReceivedCalls


@pytest.fixture
def estate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """Start an estate without accounts, for runs over six regions."""
    with estate_without_accounts(monkeypatch) as started:
        started.set(DRS_REGIONS="us-west-2 eu-west-1 sa-east-1 ap-south-1 me-south-1 us-east-1")
        yield started


@pytest.fixture
def received(estate: Estate) -> ReceivedCalls:
    """Record the calls that the sandbox receives."""
    return estate.received_calls()


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that moves the clock of the running event loop ahead by some seconds."""

    def ahead(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + seconds)

    return ahead
