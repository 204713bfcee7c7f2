"""Fixtures: one scripted AWS for the session; a hub, accounts and tables for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.endpoint import Aws, serving
from tests.acceptance.world import World


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with serving() as made:
        yield made


@pytest.fixture
def world(aws: Aws) -> Iterator[World]:
    made = World(aws)
    # A busy machine must not cause time-outs, except in tests of time-outs.
    made.settings |= {
        "REGION_STATUS_TIMEOUT_SECONDS": "60",
        "CONNECT_TIMEOUT_SECONDS": "30",
        "READ_TIMEOUT_SECONDS": "60",
        "SCOPE_DEADLINE_SECONDS": "500",
    }
    try:
        yield made
    finally:
        made.close()
