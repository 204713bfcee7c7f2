"""Event loop of a function's process: opened at the first event and kept, with clients, credentials and caches.

A new loop per invocation would take 28 to 90 times as long as a warm invocation, because clients end with their loop.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from threading import current_thread, main_thread
from typing import Generic, TypeVar

from service.deadline import Shutdown
from service.gc_tuning import tune_gc
from service.settings import Settings, load_settings
from service.telemetry import set_up_logging, stream_for

__all__ = ["Runtime"]

A = TypeVar("A")
T = TypeVar("T")


class Runtime(Generic[A]):
    """Runs coroutines with a function's app. One per process; not for use inside a running loop.

    In a Lambda process it handles SIGTERM: a running operation ends early and reports the results so far; without one
    the clients are closed and the process ends.

    Args:
        open_app: opens the app with the given settings; it stays open until they change or the runtime is closed.
        shutdown: signals to running operations that the process is about to end.
    """

    def __init__(
        self, open_app: Callable[[Settings], AbstractAsyncContextManager[A]], shutdown: Shutdown | None = None
    ) -> None:
        self._open_app = open_app
        self._shutdown = shutdown or Shutdown()
        self._is_busy = False
        self._runner: asyncio.Runner | None = None
        self._stack = AsyncExitStack()
        self._app: A | None = None
        self._settings: Settings | None = None

    def run(self, work: Callable[[A], Awaitable[T]]) -> T:
        """Run work on the kept loop. A new app is opened when settings have changed since the last event.

        Raises:
            ConfigurationError: the settings are wrong.
        """
        settings = load_settings()
        if self._runner is None:
            tune_gc()
            self._runner = asyncio.Runner()
            if settings.aws_lambda_function_name and current_thread() is main_thread():
                signal.signal(signal.SIGTERM, self._on_sigterm)

        async def on_loop() -> T:
            return await work(await self._opened(settings))

        self._is_busy = True
        try:
            return self._runner.run(on_loop())
        finally:
            self._is_busy = False

    async def _opened(self, settings: Settings) -> A:
        if self._app is None or self._settings != settings:
            self._app = None  # a failure below must not leave the closed app in use
            await self._stack.aclose()
            set_up_logging(stream_for(settings.aws_lambda_function_name), settings.log_level)
            self._app = await self._stack.enter_async_context(self._open_app(settings))
            self._settings = settings
        return self._app

    def _on_sigterm(self, *_: object) -> None:
        # The loop's own signal handlers would not run between events, when the loop is not running.
        if self._is_busy and self._runner is not None:
            self._runner.get_loop().call_soon_threadsafe(self._shutdown.request)
            return
        self.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)

    def close(self) -> None:
        """Close the app and the loop."""
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()
        self._runner, self._app = None, None
