"""Fixtures: an installation that starts empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform.installation import Installation, start
from tests.support.estate import Names, new_account_id


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """Start an installation with empty tables, but for the target accounts."""
    yield from start(monkeypatch, Names(*(new_account_id() for _ in range(4))))
