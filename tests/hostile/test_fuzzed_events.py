"""Fuzzing: ten thousand nearly valid events for each function cause no crash, and errors in the known structure."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from service.errors import DrsSyncError
from service.handlers import data_management, query
from service.handlers.responses import HEADERS
from service.queries.validation import StagingValidation
from service.settings import Settings
from tests.hostile.mutants import mutants

pytestmark = pytest.mark.deep

SEEDS, EVENTS_EACH = 20, 500
TOUCHED = "the app was opened and used"
MAX_ANSWER = 20_000  # bytes; a response does not repeat a long request


class TouchedError(DrsSyncError):
    """An event passed all checks, and AWS would be called."""


class Untouchable:
    """Placeholder of every part of an app."""

    def __getattr__(self, name: str) -> Any:
        raise TouchedError(TOUCHED)


class App(SimpleNamespace):
    """An app that fails when anything but its checks of a request is used."""

    def __getattr__(self, name: str) -> Any:
        raise TouchedError(TOUCHED)


@pytest.fixture(autouse=True, scope="module")
def without_aws() -> Iterator[None]:
    """Run the events that pass the checks with an app that only reports its use."""
    settings = Settings()
    app = App(settings=settings, validation=StagingValidation(Untouchable(), settings))  # type: ignore[arg-type]
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        for module in (data_management, query):
            patch.setattr(module._router, "_run", lambda work: runner.run(work(app)))
        yield


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("module", [data_management, query], ids=["data_management", "query"])
def test_a_mutant_gets_an_answer(module: Any, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = {"refused": 0, "touched": 0}
    with caplog.at_level(logging.ERROR):
        for number, event in enumerate(mutants(seed, EVENTS_EACH)):
            where = f"seed {seed}, event {number}: {str(event)[:600]}"
            try:
                outcomes[_outcome_of(module.lambda_handler(event, None))] += 1
            except Exception as error:
                raise AssertionError(where) from error
            assert not caplog.records, where
    assert min(outcomes.values()) > EVENTS_EACH // 20, outcomes  # otherwise one branch is hardly tested


def _outcome_of(answer: Any) -> str:
    """Check the structure of a response; return whether its event was refused or reached the app."""
    text = json.dumps(answer)
    assert len(text) < MAX_ANSWER, len(text)
    if "statusCode" in answer:
        assert answer["headers"] == HEADERS
        body = json.loads(answer["body"])
        # Callers of the query function expect 500 for an event of neither kind, and of one operation the text alone.
        text_of_error = body.get("message", body["error"])
        is_server_error = TOUCHED in text or text_of_error.startswith("the event has neither requestContext nor")
        assert answer["statusCode"] in ({500} if is_server_error else {400, 404, 409, 413})
    else:
        body = answer
    assert isinstance(body["error"], str)
    assert body["error"]
    assert body["error"] not in {"INTERNAL_ERROR", "OPERATION_FAILED"} or TOUCHED in text
    return "touched" if TOUCHED in text else "refused"
