"""Log lines in the form that CloudWatch and alarms read."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Final

import pytest

from service.errors import ConfigurationError
from service.telemetry import set_up_logging, stream_for

SDK: Final = ("botocore", "botocore.auth", "botocore.endpoint", "aiobotocore", "aiohttp.client", "urllib3")


def test_log_lines_go_to_stdout_in_lambda_only(capsys: pytest.CaptureFixture[str]) -> None:
    stream_for("function-name").write("in Lambda")
    stream_for("").write("elsewhere")
    assert tuple(capsys.readouterr()) == ("in Lambda", "elsewhere")


@pytest.fixture
def _loggers_as_before() -> Iterator[None]:
    """Restore all loggers that set_up_logging changes; those of the SDK start without a level."""
    root = logging.getLogger()
    names = ("service", "botocore", "aiobotocore", "aiohttp", "urllib3", "httpx", "httpcore")
    logging.captureWarnings(capture=False)
    loggers = [root, *map(logging.getLogger, names)]
    before = [(each.level, list(each.handlers), each.propagate) for each in loggers]
    for each in loggers[2:]:
        each.setLevel(logging.NOTSET)
    yield
    logging.captureWarnings(capture=False)
    for each, (level, handlers, propagate) in zip(loggers, before, strict=True):
        each.setLevel(level)
        each.handlers[:] = handlers
        each.propagate = propagate


@pytest.mark.usefixtures("_loggers_as_before")
def test_log_lines_are_json_on_the_given_stream_and_written_once() -> None:
    stream = io.StringIO()
    set_up_logging(stream, "DEBUG")
    set_up_logging(stream, "INFO")  # a process may set it up again
    logger = logging.getLogger("service.sync.test")
    logger.info("sync finished", extra={"operation": "x", "servers": 3})
    logger.debug("not asked for")
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["level"], record["logger"], record["message"]) == ("INFO", "service.sync.test", "sync finished")
    assert (record["operation"], record["servers"]) == ("x", 3)
    assert "timestamp" in record


@pytest.mark.usefixtures("_loggers_as_before")
@pytest.mark.parametrize("name", SDK)
def test_the_sdk_never_writes_tokens_into_the_log(name: str) -> None:
    logging.getLogger(name).setLevel(logging.DEBUG)
    stream, runtime = io.StringIO(), io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(runtime))  # as Lambda's runtime does
    set_up_logging(stream, "DEBUG")
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)  # as a tool could that is loaded into the process
    logger.debug("X-Amz-Security-Token")
    logger.info("Found credentials")
    logger.warning("retry %s", "one\n<SessionToken>")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["retry one"]
    assert runtime.getvalue() == ""


@pytest.mark.usefixtures("_loggers_as_before")
@pytest.mark.parametrize(
    ("error", "shown"),
    [(ValueError("<SessionToken>hub-token"), "ValueError"), (ConfigurationError("set AWS_REGION"), "set AWS_REGION")],
)
def test_an_exception_in_a_record_of_the_sdk_is_named_and_not_quoted(error: Exception, shown: str) -> None:
    stream = io.StringIO()
    set_up_logging(stream, "INFO")
    try:
        raise error
    except (ValueError, ConfigurationError):
        logging.getLogger("aiobotocore.credentials").warning("Refreshing failed", exc_info=True, stack_info=True)
        logging.getLogger("service.test").warning("own", exc_info=True)  # with its trace
    record, own = map(json.loads, stream.getvalue().splitlines())
    assert (record["message"], record["error"]) == ("Refreshing failed", shown)
    assert set(record) == {"level", "logger", "message", "error", "timestamp"}
    assert "Traceback" in own["exc_info"]


@pytest.mark.usefixtures("_loggers_as_before")
def test_warnings_of_python_are_log_lines() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        set_up_logging(stream, "ERROR")
        warnings.warn("this is old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    (record,) = map(json.loads, stream.getvalue().splitlines())
    assert (record["level"], record["logger"]) == ("WARNING", "py.warnings")
    assert "DeprecationWarning: this is old" in record["message"]
