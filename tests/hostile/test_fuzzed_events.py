"""Ten thousand events that are nearly right, to each function: no crash, and the error shape that callers know."""

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
from service.handlers.replies import HEADERS
from service.queries.validation import StagingValidation
from service.settings import Settings
from tests.hostile.mutants import mutants

SEEDS, EVENTS_EACH = 20, 500
TOUCHED = "the app was opened, and something asked of it"
MAX_ANSWER = 20_000  # what came in is not echoed at length


class TouchedError(DrsSyncError):
    """An event got through to where AWS would be asked."""


class Untouchable:
    """Stands for whatever an app holds."""

    def __getattr__(self, name: str) -> Any:
        raise TouchedError(TOUCHED)


class App(SimpleNamespace):
    """An app of which nothing can be asked but what judges input."""

    def __getattr__(self, name: str) -> Any:
        raise TouchedError(TOUCHED)


@pytest.fixture(autouse=True, scope="module")
def without_aws() -> Iterator[None]:
    """Run what both functions let through against an app that only tells that it was touched."""
    settings = Settings()
    app = App(settings=settings, validation=StagingValidation(Untouchable(), settings))  # type: ignore[arg-type]
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        for module in (data_management, query):
            patch.setattr(module._front, "_run", lambda work: runner.run(work(app)))
        yield


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("module", [data_management, query], ids=["data_management", "query"])
def test_a_mutant_gets_an_answer(module: Any, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = {"refused": 0, "touched": 0}
    with caplog.at_level(logging.ERROR):
        for number, event in enumerate(mutants(seed, EVENTS_EACH)):
            where = f"seed {seed}, event {number}: {str(event)[:600]}"
            try:
                outcomes[_judged(module.lambda_handler(event, None))] += 1
            except Exception as error:
                raise AssertionError(where) from error
            assert not caplog.records, where
    assert min(outcomes.values()) > EVENTS_EACH // 20, outcomes  # both kinds are there: the test is not idle


def _judged(answer: Any) -> str:
    """Hold an answer to the platform's shapes; say whether its event got through."""
    text = json.dumps(answer)
    assert len(text) < MAX_ANSWER, len(text)
    if "statusCode" in answer:
        assert answer["headers"] == HEADERS
        body = json.loads(answer["body"])
        # An event of neither kind always got a 500 from the query function.
        is_server_error = TOUCHED in text or body["message"].startswith("the event has neither requestContext nor")
        assert answer["statusCode"] in ({500} if is_server_error else {400, 404, 409, 413})
    else:
        body = answer
    assert isinstance(body["error"], str)
    assert body["error"]
    assert body["error"] not in {"INTERNAL_ERROR", "OPERATION_FAILED"} or TOUCHED in text
    return "touched" if TOUCHED in text else "refused"
