"""Every test of this folder keeps the engine's log to itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.history import quiet


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield
