"""Fixtures: a sandbox whose hub has no target accounts yet, and the calls that it receives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EngineSandbox, estate_without_accounts


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Start a sandbox without accounts, for runs over six regions."""
    with estate_without_accounts(monkeypatch) as started:
        started.set(DRS_REGIONS="us-west-2 eu-west-1 sa-east-1 ap-south-1 me-south-1 us-east-1")
        yield started


@pytest.fixture
def received(sandbox: EngineSandbox) -> ReceivedCalls:
    """Record the calls that the sandbox receives."""
    return sandbox.received_calls()
