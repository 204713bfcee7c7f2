"""Command `drs-sync regions`: the region status table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType

from service.cli.answers import show_answer, title_of
from service.cli.options import OutputOption
from service.cli.output import Output, sanitize, table
from service.queries.scope_state import ScopeState

__all__ = ["show_regions"]

_HEADINGS: Final = ("region", "status", "servers", "unknown", "complete", "attempt")
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def show_regions(output: OutputOption = None) -> int:
    """Show the region status table: servers, and the age of the last complete scan and of the last attempt.

    "unknown" is the number of accounts about which nothing is known there,
    "complete" the age of the oldest complete scan among the accounts that
    have servers there, "attempt" that of the last scan, failed ones included.

    Exit codes: 0 complete; 1 the table cannot be read; 2 wrong usage or
    settings; 3 incomplete: some accounts or regions are unknown.
    """
    return show_answer(output or Output.default(), lambda app: app.regions.run(), _table)


def _table(body: Mapping[str, Any]) -> RenderableType:
    if not body["regions"]:
        return sanitize(body["message"])
    title = f"{len(body['activeRegions'])} active regions, {body['serverCount']} servers"
    regions = table(title_of(body, title), _HEADINGS, [_row(region) for region in body["regions"]])
    return Group(regions, *map(sanitize, _failed_attempts(body)))


def _row(region: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        region["region"],
        region["status"] or "",
        region["serverCount"],
        len(region["unknownAccounts"]),
        _age(region["ageSeconds"]),
        _age(region["lastAttemptAgeSeconds"]),
    )


def _failed_attempts(body: Mapping[str, Any]) -> Iterator[str]:
    """Describe the failed attempts in scopes that are known all the same; those of unknown scopes are listed there."""
    for region in body["regions"]:
        for account_id, entry in region["accounts"].items():
            if entry["errorMessage"] and entry["state"] != ScopeState.UNKNOWN:
                attempt, complete = entry["lastAttempt"], _age(entry["ageSeconds"])
                yield (
                    f"{account_id} {region['region']}: last attempt {_age(attempt['ageSeconds'])} ago failed, last "
                    f"complete scan {complete}{'' if complete == 'never' else ' ago'}: {attempt['error']}"
                )


def _age(seconds: int | None) -> str:
    """Write an age in the largest unit of which there are at least two."""
    if seconds is None:
        return "never"
    unit, length = next(((unit, length) for unit, length in _UNITS if seconds >= 2 * length), _UNITS[-1])
    return f"{seconds // length} {unit}"
