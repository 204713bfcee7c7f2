"""Log records as short paragraphs for a terminal: what and where, then the cause, then the fix; the worst first."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from rich.console import Console, RenderableType
from rich.text import Text

from service.cli.problem_text import paragraph
from service.error_codes import classify, facts_of
from service.telemetry import safe_record
from service.text import shortened

__all__ = ["TerminalLog", "log_paragraphs"]

_MAX_NAMED: Final = 3  # places of one warning that are named; the others are counted
_OF_EVERY_RECORD: Final = frozenset(logging.makeLogRecord({}).__dict__)
_WHERE: Final = ("accountId", "target", "region", "server", "lineage", "operation")  # facts that say where
_WHY: Final = ("reason", "why", "error")  # facts that say why
_CLASS_WITHOUT_FIX: Final = "Unknown"
_FIX_OF_A_BUG: Final = "report it, with the trace that LOG_LEVEL=WARNING shows"
_FIX_OF_NOTHING_KNOWN: Final = "run it again with LOG_LEVEL=INFO, which logs every step"


class TerminalLog(logging.Handler):
    """Shows log records on a terminal as paragraphs, in place of JSON lines."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        self._show([record])

    def emit_all(self, records: Iterable[logging.LogRecord]) -> None:
        """Show records that were held back: the worst first, and those that say the same once."""
        self._show([record for record in records if self.filter(record)])

    def _show(self, records: Iterable[logging.LogRecord]) -> None:
        for each in log_paragraphs(records):
            self._console.print(each)


class _Said(NamedTuple):
    """What a record says, without where."""

    level: int
    what: str
    cause: str
    fix: str


def log_paragraphs(records: Iterable[logging.LogRecord]) -> Iterator[RenderableType]:
    """Render records: the worst first, and of these what is so in most places."""
    places: dict[_Said, list[str]] = {}
    for each in map(safe_record, records):
        facts = _facts(each)
        places.setdefault(_said(each, facts), []).append(_where(facts))
    for said, where in sorted(places.items(), key=lambda item: (-item[0].level, -len(item[1]))):
        level = "ERROR" if said.level >= logging.ERROR else logging.getLevelName(said.level).lower()
        named = [*dict.fromkeys(filter(None, where))]
        yield Text()
        yield from paragraph(level, said.what, shortened(named, _MAX_NAMED) if named else "", said.cause, said.fix)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was logged beside the message; the members of a problem, and of a scope, as facts of their own."""
    facts = {name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD and value}
    problem, scope = facts.pop("problem", None), facts.pop("scope", None)
    if isinstance(scope, tuple):
        facts |= dict(zip(("accountId", "region"), scope, strict=False))
    if isinstance(problem, Mapping):
        cause = ": ".join(dict.fromkeys(filter(None, (problem.get("cause"), problem.get("message")))))
        facts |= {
            "why": cause,
            **{name: problem[name] for name in ("accountId", "region", "code", "advice") if name in problem},
        }
    if record.exc_info and record.exc_info[1]:
        error = record.exc_info[1]
        facts |= {"error": f"{type(error).__name__}: {error}", "advice": facts.get("advice", _FIX_OF_A_BUG)}
    return facts


def _said(record: logging.LogRecord, facts: Mapping[str, Any]) -> _Said:
    code, why = str(facts.get("code", "")), str(next((facts[name] for name in _WHY if name in facts), ""))
    cause = ": ".join(dict.fromkeys(filter(None, (code, why))))
    return _Said(record.levelno, record.getMessage(), cause, str(facts.get("advice") or _fix(facts, code, why)))


def _fix(facts: Mapping[str, Any], code: str, why: str) -> str:
    error_class = classify(code, message=why)
    if not code or error_class.name == _CLASS_WITHOUT_FIX:
        return _FIX_OF_NOTHING_KNOWN
    return error_class.fix_with(facts_of("", "", str(facts.get("accountId", "")), why))


def _where(facts: Mapping[str, Any]) -> str:
    return " ".join(str(facts[name]).rpartition("/")[2] for name in _WHERE if name in facts)
