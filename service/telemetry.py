"""Logging as JSON lines on one stream: stdout in Lambda and stderr everywhere else."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from pythonjsonlogger.json import JsonFormatter

from service.errors import DrsSyncError

__all__ = ["safe_record", "set_up_logging", "stream_for"]

_OWN: Final = "service"
# These log session tokens at DEBUG, so they stay at WARNING, whatever else sets their level.
_LOGGERS_WITH_SECRETS: Final = ("botocore", "aiobotocore", "aiohttp", "urllib3", "httpx", "httpcore")


def stream_for(lambda_function: str) -> TextIO:
    """Return stdout in Lambda, else stderr, because stdout carries the report of a command."""
    return sys.stdout if lambda_function else sys.stderr


def set_up_logging(stream: TextIO, level: str, *, handler: logging.Handler | None = None) -> None:
    """Log as JSON lines to a stream: messages of this package from a level on, and warnings of everything else.

    Another handler, as for a terminal, takes the place of the JSON lines.

    One handler of the root logger writes them all, also Python's own `warnings`. Other handlers of the root logger are
    removed, such as the one of Lambda's runtime: it would write warnings of the SDK as plain text, with their traces.
    """
    handler = handler or _line_handler(stream)
    handler.addFilter(_is_own_or_warning)
    root, own = logging.getLogger(), logging.getLogger(_OWN)
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    own.setLevel(level)
    for name in _LOGGERS_WITH_SECRETS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _line_handler(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _LineFormatter(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
        )
    )
    return handler


def _is_own(record: logging.LogRecord) -> bool:
    return record.name == _OWN or record.name.startswith(f"{_OWN}.")


def _is_own_or_warning(record: logging.LogRecord) -> bool:
    return _is_own(record) or record.levelno >= logging.WARNING


def safe_record(record: logging.LogRecord) -> logging.LogRecord:
    """Return what may be shown of a record.

    Of other packages' records that is the first line, and of their exceptions the type: a trace, or the text of an
    exception, may quote a response with credentials. The text of an error of this package is shown, since it has none.
    """
    if _is_own(record):
        return record
    safe = logging.makeLogRecord(record.__dict__)
    safe.msg, safe.args = (record.getMessage().splitlines() or [""])[0], None
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        safe.error = str(error) if isinstance(error, DrsSyncError) else type(error).__name__
    safe.exc_info = safe.exc_text = safe.stack_info = None
    return safe


class _LineFormatter(JsonFormatter):
    """Formats a record as one JSON line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return super().format(safe_record(record))
