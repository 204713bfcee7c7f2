"""Detector for blocking calls (sleep, file, socket, DNS, subprocess) that `service` makes on a running event loop.

A call counts when an event loop runs in the same thread and `service` made it: worker threads, the servers of the
sandbox, the tests and the functions that tests put in place of others may block. Such a call raises BlockingError at
once. It is also recorded, because a sync reports any exception of a scope as a problem and goes on: `check` fails the
test.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final
from unittest.mock import patch

import pytest
from blockbuster import BlockBuster, BlockBusterFunction, BlockingError, blockbuster

import service

__all__ = ["BlockingCalls"]

_SERVICE: Final = Path(service.__path__[0])
_SANDBOX: Final = str(_SERVICE / "sandbox") + os.sep
_TESTS: Final = str(Path(__file__).parents[1]) + os.sep
_MORE_FUNCTIONS: Final = ("builtins.open", "io.open", "socket.getaddrinfo")
"""Functions that the library does not watch by default: opening a file and a DNS lookup block, too."""

_ALLOWED: Final[dict[str, set[str]]] = {
    # Log lines and metrics go to stderr or stdout, which CloudWatch reads; a line is short.
    "logging/__init__.py": {"handle"},
    # botocore reads its service descriptions when the first client of a service is made: once per process.
    "botocore/loaders.py": {"load_service_model", "load_data_with_path"},
    # The shared configuration and credentials files, small and local: read when a process starts.
    "botocore/configloader.py": {"load_config", "raw_config_parse"},
    # The SDK's providers read or cache a token in a file about once an hour, and offer no other way.
    "aiobotocore/credentials.py": {"load_credentials", "_protected_refresh"},
    "aiobotocore/tokens.py": {"_protected_refresh"},
}


class BlockingCalls:
    """The blocking calls since the last check."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch until the end of the context. Keeps the patched functions: enter it once per process."""
        detector = BlockBuster(service, excluded_modules=["service.sandbox"])
        for name in [name for name in detector.functions if "Lock" in name]:
            del detector.functions[name]  # whether a lock is free depends on other threads: no fixed result
        for name in _MORE_FUNCTIONS:
            detector.functions[name] = BlockBusterFunction(
                None, name, scanned_modules=service, excluded_modules=["service.sandbox"]
            )
        for function in detector.functions.values():
            function.can_block_predicate = _or_made_by_a_test(function.can_block_predicate)
            for file, names in _ALLOWED.items():
                function.can_block_in(file, names)
        with patch.object(blockbuster, "BlockingError", self._recorded):
            detector.activate()
            try:
                yield
            finally:
                detector.deactivate()

    def check(self) -> None:
        """Fail the test when there were blocking calls, also those whose BlockingError was caught."""
        found, self._found = self._found, []
        if found:
            pytest.fail("\n".join(found), pytrace=False)

    def _recorded(self, function: str) -> BlockingError:
        self._found.append(
            f"{_caller(sys._getframe(1))} calls {function}, which blocks the event loop. "
            "Fix: use the asynchronous call, or await anyio.to_thread.run_sync(...)"
        )
        return BlockingError(function)


def _or_made_by_a_test(may_block: Callable[..., bool]) -> Callable[..., bool]:
    """Extend a predicate of the library: what a test calls may block, even if `service` calls the test."""

    def extended(*args: Any, **kwargs: Any) -> bool:
        return may_block(*args, **kwargs) or _is_made_by_a_test(sys._getframe(1))

    return extended


def _is_made_by_a_test(frame: FrameType | None) -> bool:
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith((_TESTS, _SANDBOX)) and path != __file__:
            return True
        if path.startswith(f"{_SERVICE}{os.sep}"):
            return False
        frame = frame.f_back
    return False


def _caller(frame: FrameType | None) -> str:
    """Return path, line and function of the innermost function of `service`."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_SERVICE):
            return f"{path.relative_to(_SERVICE.parent)}:{frame.f_lineno} ({frame.f_code.co_name})"
        frame = frame.f_back
    return "service"
