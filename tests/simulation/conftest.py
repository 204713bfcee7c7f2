"""Fixture that silences the engine's log in every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.history import quiet


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield
