"""Problems as short paragraphs for a terminal: what and where, then the cause, then the fix. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from service.cli.indented import Indented
from service.text import printable, shortened

__all__ = ["paragraph", "problem_paragraphs"]

_INDENT: Final = 2
_MAX_NAMED: Final = 3  # regions by name; the others are counted
_LEVELS: Final = (("errors", "ERROR"), ("warnings", "warning"))  # members of a report, worst first


def paragraph(level: str, what: str, where: str, cause: str, fix: str) -> Iterator[RenderableType]:
    """Render one problem; texts from outside are sanitized, and empty parts are left out."""
    head = "  ".join(filter(None, (level, where, what)))
    yield Text(printable(head), style="bold")
    for text in (cause, f"Fix: {fix}" if fix else ""):
        if text:
            yield Indented(text, _INDENT)


def problem_paragraphs(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Render the errors and warnings of a report: errors first, and of these those with the most scopes."""
    for member, level in _LEVELS:
        for problem in sorted(report[member], key=_scopes, reverse=True):
            yield Text("")
            yield from paragraph(
                level, _what(problem), _where(problem), _cause(problem), str(problem.get("advice", ""))
            )


def _scopes(problem: Mapping[str, Any]) -> int:
    return int(problem.get("accounts", 1)) * max(1, len(problem["regions"]))


def _what(problem: Mapping[str, Any]) -> str:
    call = ":".join(filter(None, (problem.get("service", ""), problem.get("operation", ""))))
    return " ".join(filter(None, (problem["code"], f"({call})" if call else "")))


def _where(problem: Mapping[str, Any]) -> str:
    account = f"{problem['accounts']} accounts" if "accounts" in problem else problem.get("accountId", "")
    return " ".join(filter(None, (account, shortened(problem["regions"], _MAX_NAMED) if problem["regions"] else "")))


def _cause(problem: Mapping[str, Any]) -> str:
    texts: Iterable[str] = (problem.get("cause", ""), problem["message"])
    return ": ".join(dict.fromkeys(filter(None, texts)))
