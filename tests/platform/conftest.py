"""Fixtures: an installation that starts empty."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from tests.platform.installation import Installation, start
from tests.support.sandbox import Names, new_account_id


@pytest.fixture(scope="session")
def boto3_session() -> boto3.Session:
    """Return a session, which parses the model of each service once. Its keys are those of every simulated AWS."""
    return boto3.Session()


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch, boto3_session: boto3.Session) -> Iterator[Installation]:
    """Start an installation with empty tables, but for the target accounts."""
    yield from start(monkeypatch, Names(*(new_account_id() for _ in range(4))), boto3_session)
