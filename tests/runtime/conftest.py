"""Fixtures: a sandbox with one target account, and the calls that it receives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.estate import Estate, estate_without_accounts
from tests.support.received_calls import ReceivedCalls


@pytest.fixture
def estate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """Start an estate of one account with servers in two of three regions."""
    with estate_without_accounts(monkeypatch) as started:
        started.set(DRS_REGIONS="us-east-1 us-west-2 eu-west-1", READ_TIMEOUT_SECONDS="30")
        started.add_account(regions={"us-west-2": {"servers": 3}, "eu-west-1": {"servers": 2}})
        yield started


@pytest.fixture
def received(estate: Estate) -> ReceivedCalls:
    """Record the calls that the sandbox receives."""
    return estate.received_calls()
