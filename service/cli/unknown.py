"""The unknown scopes of an answer or an error, rendered for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from service.cli.indented import Indented
from service.text import printable

__all__ = ["unknown_block"]

_NAMED: Final = 3  # accounts or regions of one cause that are named; the others are counted
_MINUTES: Final = 16  # characters of an ISO-8601 time up to its minutes


def unknown_block(body: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Render the unknown scopes of an answer by cause, with the fix of each; nothing for a complete answer."""
    if body["unknownByCause"]:
        yield _text(f"unknown: {_counted(body['scopeStates']['unknown'], 'scope')}")
    for cause in body["unknownByCause"]:
        accounts = dict.fromkeys(each["accountId"] for each in body["unknown"] if _kind(each) == _kind(cause))
        since = f"since {cause['since'][:_MINUTES]}Z" if cause["since"] else "never read"
        named = _named([*filter(None, accounts)], cause["accounts"], "account")
        regions = _named(cause["regions"], len(cause["regions"]), "region")
        where = "; ".join(filter(None, (named, regions, since)))
        yield Indented(f"{cause['code']}: {_counted(cause['scopes'], 'scope')}; {where}", 2)
        if text := ": ".join(filter(None, (cause.get("cause"), cause.get("message")))):
            yield Indented(text, 4)
        yield Indented(f"Fix: {cause['advice']}", 4)
    if not body["complete"]:
        yield _text("This answer is incomplete: some accounts or regions are missing from it.")


def _kind(entry: Mapping[str, Any]) -> tuple[str, str | None]:
    return entry["code"], entry.get("errorClass")


def _text(text: str) -> Text:
    return Text(printable(text))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(names: Sequence[str], total: int, noun: str) -> str:
    """Name the first accounts or regions, and count the rest."""
    shown = names[:_NAMED]
    if not shown:
        return ""
    rest = total - len(shown)
    return ", ".join(shown) + (f" and {_counted(rest, f'more {noun}')}" if rest else "")
