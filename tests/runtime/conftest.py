"""Fixtures: a sandbox with one target account, and the calls that it receives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EngineSandbox, estate_without_accounts


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Start a sandbox of one account with servers in two of three regions."""
    with estate_without_accounts(monkeypatch) as started:
        started.set(DRS_REGIONS="us-east-1 us-west-2 eu-west-1", READ_TIMEOUT_SECONDS="30")
        started.add_account(regions={"us-west-2": {"servers": 3}, "eu-west-1": {"servers": 2}})
        yield started


@pytest.fixture
def received(sandbox: EngineSandbox) -> ReceivedCalls:
    """Record the calls that the sandbox receives."""
    return sandbox.received_calls()
