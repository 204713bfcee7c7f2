"""Tests on the simulated AWS run on its virtual clock: those whose module has the fixture `simulation`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.failback.simulated import SimulatedFailback
from tests.simulation.clock import VirtualLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the event loop of a test: a virtual one where it uses the simulation."""
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return {"virtual": VirtualLoop} if "simulation" in fixtures else {"real": asyncio.new_event_loop}


@pytest.fixture
async def simulation() -> Any:
    """Return a new lineage in the simulated AWS."""
    started = SimulatedFailback()
    yield started
    assert not started.loop.errors
