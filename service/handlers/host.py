"""The event loop of a function's process: opened at the first event and kept, with clients, credentials and caches.

A new loop per invocation would cost 28 to 90 times as much as a warm call, and clients cannot outlive their loop.
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

__all__ = ["Host"]

A = TypeVar("A")
T = TypeVar("T")


class Host(Generic[A]):
    """Runs coroutines against a function's app. One per process; not for use inside a running loop.

    In a function's process it answers SIGTERM: work under way ends early and reports what it has; without work under
    way clients are closed, and the process ends.

    Args:
        open_app: opens the app for given settings; it stays open until they change or the host is closed.
        stop: told when the process is to end.
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
        """Run work on the kept loop; settings that changed since the last event open a new app.

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
            self._app = None  # whatever becomes of the next one, this one is not used any more
            await self._stack.aclose()
            set_up_logging(stream_for(settings.aws_lambda_function_name), settings.log_level)
            self._app = await self._stack.enter_async_context(self._open_app(settings))
            self._settings = settings
        return self._app

    def _on_sigterm(self, *_: object) -> None:
        # Not a handler of the loop's: those are not heard while the loop waits for the next event.
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
