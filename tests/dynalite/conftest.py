"""One dynalite per test process; each sandbox has its own tables in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.dynalite.sandbox import DynaliteSandbox
from tests.dynalite.server import Dynalite, running
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets


@pytest.fixture(scope="session")
def dynalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dynalite]:
    """Run dynalite."""
    with running(tmp_path_factory.mktemp("dynalite")) as running_dynalite:
        yield running_dynalite


@pytest.fixture(scope="module", autouse=True)
def _must_call_dynalite(dynalite: Dynalite) -> Iterator[None]:
    """Fail if no test of a module calls dynalite: such a module starts a sandbox of its own."""
    before = dynalite.calls
    yield
    assert dynalite.calls > before


@pytest.fixture
def start_sandbox(dynalite: Dynalite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EngineSandbox]]:
    """Return the usual function; the sandboxes that it starts have their tables in dynalite."""
    with ExitStack() as stack:

        def start(**regions: Any) -> EngineSandbox:
            names = Names(*(new_account_id() for _ in range(4)))
            members = two_targets(names, **regions)
            return stack.enter_context(DynaliteSandbox(members, names, monkeypatch, dynalite=dynalite))

        yield start
