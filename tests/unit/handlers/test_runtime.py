"""Runtime of a function's process: an app closed because of unusable settings is not used again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.errors import ConfigurationError
from service.handlers.runtime import Runtime
from service.settings import Settings


class App:
    """Records whether it is open."""

    is_open = True


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    if settings.project_name == "unusable":
        raise ConfigurationError("no")
    app = App()
    yield app
    app.is_open = False


async def is_open(app: App) -> bool:
    return app.is_open


def test_an_app_that_was_closed_for_another_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(open_app)
    try:
        monkeypatch.setenv("PROJECT_NAME", "first")
        assert runtime.run(is_open)
        monkeypatch.setenv("PROJECT_NAME", "unusable")
        with pytest.raises(ConfigurationError):
            runtime.run(is_open)
        monkeypatch.setenv("PROJECT_NAME", "first")
        assert runtime.run(is_open)
    finally:
        runtime.close()
