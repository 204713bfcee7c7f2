"""Command-line options that several commands share, and the check of options that can be repeated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from service.cli.output import Output
from service.errors import RefusalError

__all__ = [
    "ExcludedRegions",
    "OutputOption",
    "QueryAccounts",
    "QueryRegions",
    "Refresh",
    "SyncAccounts",
    "SyncRegions",
    "decoded",
    "join_values",
    "require_values",
]

OutputOption = Annotated[
    Output | None, typer.Option("--output", "-o", help="Default: table on a terminal, json in a pipe.")
]

SyncAccounts = Annotated[
    list[str] | None, typer.Option("--account", metavar="ID", help="Sync this account only; repeatable.")
]
SyncRegions = Annotated[
    list[str] | None, typer.Option("--region", metavar="NAME", help="Scan this region only; repeatable.")
]
ExcludedRegions = Annotated[
    list[str] | None, typer.Option("--exclude-region", metavar="NAME", help="Do not scan this region; repeatable.")
]

QueryAccounts = Annotated[
    list[str] | None, typer.Option("--account", metavar="ID", help="Of this target account only; repeatable.")
]
QueryRegions = Annotated[
    list[str] | None, typer.Option("--region", metavar="NAME", help="In this region only; repeatable.")
]
Refresh = Annotated[
    bool | None,
    typer.Option(
        "--refresh/--no-refresh",
        show_default=False,
        help="Sync stale scopes after answering, or not. Default: ask on a terminal, sync in a pipe.",
    ),
]


def require_values(option: str, values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the values of a repeatable option, none if it was left out.

    Raises:
        RefusalError: a value is empty. An unset shell variable must not select all accounts or regions.
    """
    if any(not value.strip() for value in values or ()):
        raise RefusalError("INVALID_PARAMETER", f"{option} is empty. Fix: give it a value, or leave the option out")
    return tuple(values or ())


def decoded(value: str) -> str:
    """Return an argument as UTF-8 text, also where the locale made Python decode it as something less (`LC_ALL=C`)."""
    return os.fsencode(value).decode("utf-8", "replace") if not value.isascii() else value


def join_values(option: str, values: Sequence[str] | None) -> str:
    """Return the values of a repeatable option separated by commas, as queries take them.

    Raises:
        RefusalError: a value is empty.
    """
    return ",".join(map(decoded, require_values(option, values)))
