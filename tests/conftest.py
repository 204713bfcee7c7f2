"""Fixtures for all tests, and the settings of generated examples (Hypothesis)."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from service.gc_tuning import tune_gc
from tests.support.blocking import BlockingCalls
from tests.support.costs import Costs
from tests.support.draw import Sample, head
from tests.support.loop_clock import LoopClock
from tests.support.reports import encodable
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets

# The same examples in every run: a failure comes from a change of the code, not from chance or a slow machine.
settings.register_profile(
    "fixed",
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    parser.addoption("--check-budgets", action="store_true", help="fail when a directory is over tests/budgets.toml")
    parser.addoption("--one-of", type=int, default=1, help="of tests that are one of many, run one of so many")
    parser.addoption("--one-of-files", type=int, default=1, help="of files with other long tests, run one of so many")


def pytest_configure(config: pytest.Config) -> None:
    """Measure what each test costs, and leave some out if that was asked for."""
    config.pluginmanager.register(Costs(config), "costs")
    one_of, one_of_files = config.getoption("one_of"), config.getoption("one_of_files")
    if max(one_of, one_of_files) > 1:
        config.pluginmanager.register(Sample(one_of, one_of_files, head()))


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers for `-n auto`: three for two cores, because a quarter of the time is waiting."""
    return max(2, (os.cpu_count() or 2) * 3 // 2)


def pytest_collection_finish() -> None:
    """Let the garbage collector skip what the imports made: that saves a sixth of the time of all tests."""
    gc.collect()
    gc.freeze()
    tune_gc()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let a worker send what a test logged, whatever that is."""
    return encodable((yield))


@pytest.fixture(autouse=True, scope="module")
def _collect_garbage() -> Iterator[None]:
    """Collect garbage after each module, so that a socket left open is still an error of the tests that left it.

    What is still used then, caches of the SDK mostly, is not looked at again: it made a collection take a second.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def watched_calls() -> Iterator[BlockingCalls]:
    """Watch for calls that block the event loop: patched once, because that takes longer than most tests."""
    calls = BlockingCalls()
    with calls.watch():
        yield calls


@pytest.fixture(autouse=True)
def blocking_calls(watched_calls: BlockingCalls) -> Iterator[BlockingCalls]:
    """Fail each test in which code of `service` blocks the event loop."""
    yield watched_calls
    watched_calls.check()


@pytest.fixture(autouse=True, scope="module")
def _restore_logging_of_modules() -> Iterator[None]:
    """Restore handlers and levels that fixtures of a module have changed."""
    with _restored_logging():
        yield


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Restore handlers and levels after each test: one that logs everything would make all later ones slow."""
    with _restored_logging():
        yield


@contextmanager
def _restored_logging() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("service")
    before = root.handlers[:], own.handlers[:], own.propagate
    levels = {logger: logger.level for logger in (root, *_loggers())}
    yield
    root.handlers[:], own.handlers[:], own.propagate = before
    for logger in (root, *_loggers()):
        if logger.level != (level := levels.get(logger, logging.NOTSET)):
            logger.setLevel(level)


def _loggers() -> list[logging.Logger]:
    return [each for each in logging.Logger.manager.loggerDict.values() if isinstance(each, logging.Logger)]


@pytest.fixture
def loop_clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """Replace the clock of event loops."""
    return LoopClock(monkeypatch)


@pytest.fixture
def start_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EngineSandbox]]:
    """Return a function that starts a sandbox; its arguments replace the regions of the targets `a` and `b`."""
    with ExitStack() as stack:

        def start(**regions: Any) -> EngineSandbox:
            names = Names(*(new_account_id() for _ in range(4)))
            return stack.enter_context(EngineSandbox(two_targets(names, **regions), names, monkeypatch))

        yield start


@pytest.fixture
def sandbox(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Start a sandbox: A has 6 servers in us-west-2 and 3 in eu-west-1, B has 2 in us-west-2."""
    return start_sandbox()
