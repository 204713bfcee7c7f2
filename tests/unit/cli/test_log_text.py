"""Log records as paragraphs on a terminal: what, where, why, how to fix it; the worst first, each once."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable
from typing import Any

import pytest
from rich.console import Console

from service.cli.log_text import TerminalLog, log_paragraphs
from service.errors import DrsSyncError


def record(
    level: int, message: str, *, logger: str = "service.sync", error: Exception | None = None, **facts: Any
) -> Any:
    trace = (type(error), error, None) if error else None
    return logging.getLogger(logger).makeRecord(logger, level, "x.py", 1, message, (), trace, extra=facts)


def shown(records: Iterable[logging.LogRecord]) -> str:
    text = io.StringIO()
    Console(file=text, width=80).print(*log_paragraphs(records), sep="\n")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def test_the_worst_comes_first_and_the_same_once_with_its_places() -> None:
    records = [
        *(record(logging.WARNING, "unusable record", server=f"s-{n}", scope=("1", "r"), why="no id") for n in range(5)),
        record(logging.WARNING, "lease not renewed", code="ThrottlingException"),
        record(logging.ERROR, "scan failed unexpectedly", scope=("1", "r"), error=KeyError("x")),
    ]
    assert (
        shown(records)
        == """
ERROR  1 r  scan failed unexpectedly
  KeyError: 'x'
  Fix: report it, with the trace that LOG_LEVEL=WARNING shows

warning  1 r s-0, 1 r s-1, 1 r s-2 and 2 more  unusable record
  no id
  Fix: run it again with LOG_LEVEL=INFO, which logs every step

warning  lease not renewed
  ThrottlingException
  Fix: lower DRS_CALLS_PER_SECOND, or start the syncs at different times"""
    )


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"code": "AccessDeniedException", "reason": "no"}, ["AccessDeniedException: no", "Fix: "]),
        ({"code": "Odd", "advice": "do this"}, ["Odd", "Fix: do this"]),
        (
            {"problem": {"accountId": "1", "region": "r", "cause": "c", "message": "m", "advice": "a"}},
            ["1 r", "c: m", "Fix: a"],
        ),
        ({"server": "arn:aws:drs:r:1:source-server/s-1"}, ["  s-1  "]),
        ({"why": "\x1b[2J"}, ["\N{REPLACEMENT CHARACTER}[2J"]),
    ],
)
def test_facts_say_where_why_and_how_to_fix_it(facts: dict[str, Any], words: list[str]) -> None:
    text = shown([record(logging.WARNING, "something", **facts)])
    assert all(each in text for each in words), text
    assert "\x1b" not in text


def test_what_may_quote_credentials_is_not_shown_of_other_packages() -> None:
    text = shown([record(logging.ERROR, "first\nsecret", logger="botocore", error=ValueError("secret"))])
    assert "first" in text
    assert "ValueError" in text
    assert "secret" not in text
    own = shown([record(logging.ERROR, "first", logger="botocore", error=DrsSyncError("told"))])
    assert "told" in own


def test_a_handler_shows_each_record_at_once_and_held_ones_sorted_and_filtered() -> None:
    text = io.StringIO()
    handler = TerminalLog(Console(file=text, width=80))
    handler.handle(record(logging.WARNING, "at once"))
    assert "at once" in text.getvalue()
    handler.addFilter(lambda each: "left out" not in each.getMessage())
    handler.emit_all(
        [record(logging.WARNING, text_) for text_ in ("late", "left out")] + [record(logging.ERROR, "bad")]
    )
    assert "left out" not in text.getvalue()
    assert text.getvalue().index("bad") < text.getvalue().index("late")
