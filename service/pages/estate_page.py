"""What the pages show of the estate: its three questions, the grid, and the tables below. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from service.models import parse_iso
from service.pages.coverage_tables import coverage_tables
from service.pages.first_screen import Line, Tone, belief, readiness
from service.pages.page_table import PageTable
from service.pages.words import ago, count, duration, posture_word, rank_of, severity
from service.text import printable

__all__ = [
    "Cause",
    "Example",
    "Grid",
    "PageLine",
    "causes_of",
    "grid_of",
    "lines_of",
    "moment_of",
    "tables_of",
]

_TONES: Final[Mapping[Tone, str]] = MappingProxyType(
    {Tone.PLAIN: "", Tone.TITLE: "", Tone.GOOD: "good", Tone.BAD: "bad", Tone.DOUBTFUL: "doubtful"}
)
_SEVERITIES: Final[Mapping[str, str]] = MappingProxyType({"critical": "bad", "warning": "doubtful", "info": "soft"})


class PageLine(NamedTuple):
    """One line of text and how it is emphasised."""

    text: str
    tone: str


class Example(NamedTuple):
    """One server or scope of a cause, and the address that shows it; empty if none does."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause that needs somebody."""

    severity: str
    tone: str
    title: str
    since: str
    fix: str
    command: str
    examples: tuple[Example, ...]


class Cell(NamedTuple):
    """One account in one region."""

    servers: str
    word: str
    tone: str
    age: str


class GridRow(NamedTuple):
    """One account; a cell is None where there is nothing."""

    account: str
    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Accounts by regions."""

    regions: tuple[str, ...]
    rows: tuple[GridRow, ...]
    not_listed: int


def moment_of(document: Mapping[str, Any]) -> str:
    """Return the time of the document for people."""
    moment = parse_iso(document["asOf"])
    return "an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def lines_of(document: Mapping[str, Any]) -> tuple[list[PageLine], list[PageLine]]:
    """Return the answers to the first two questions."""
    return _lines(readiness(document)), _lines(belief(document))


def _lines(lines: Iterator[Line]) -> list[PageLine]:
    return [PageLine(printable(line.text.strip()), _TONES[line.tone]) for line in lines]


def causes_of(document: Mapping[str, Any], hrefs: Mapping[str, str]) -> list[Cause]:
    """Return all that needs somebody, the worst first.

    Args:
        document: the estate's document.
        hrefs: addresses that show a server, by its id.
    """
    now = parse_iso(document["asOf"])
    return [
        Cause(
            each["severity"],
            _SEVERITIES.get(each["severity"], "doubtful"),
            printable(each["title"]),
            "" if each["since"] is None else ago(each["since"], now).removesuffix(" ago"),
            printable(each["fix"]),
            printable(each["command"]),
            tuple(_example(example, hrefs) for example in each["examples"]),
        )
        for each in document["needsYou"]
    ]


def _example(example: Mapping[str, Any], hrefs: Mapping[str, str]) -> Example:
    names = ("hostname", "sourceServerID", "instanceId", "name", "accountId", "region")
    words = [printable(example[name]) for name in names if example.get(name)]
    return Example(" ".join(words), hrefs.get(str(example.get("sourceServerID")), ""))


def grid_of(document: Mapping[str, Any]) -> Grid:
    """Return the scopes of the document by account and region, the account with the worst posture first."""
    scopes = {(each["accountId"], each["region"]): each for each in document["scopes"]}
    regions = sorted({region for _, region in scopes})
    names = {each["accountId"]: each["accountName"] for each in document["scopes"]}
    ranks: dict[str, int] = {}
    for (account, _), each in scopes.items():
        ranks[account] = min(rank_of(each["worst"]), ranks.get(account, rank_of("ready")))
    rows = [
        GridRow(
            printable(account), printable(names[account]), tuple(_cell(scopes.get((account, each))) for each in regions)
        )
        for account in sorted(names, key=lambda account: (ranks[account], account))
    ]
    return Grid(tuple(map(printable, regions)), tuple(rows), document["scopesTotal"] - document["scopesListed"])


def _cell(scope: Mapping[str, Any] | None) -> Cell | None:
    if scope is None:
        return None
    worst = scope["worst"] or "unknown"
    age = "never scanned completely" if scope["ageSeconds"] is None else f"{duration(scope['ageSeconds'])} ago"
    return Cell(count(scope), posture_word(worst), severity(worst), age)


def tables_of(document: Mapping[str, Any]) -> list[PageTable]:
    """Return the tables below the servers: staging, drills, coverage, last runs."""
    now = parse_iso(document["asOf"])
    found = [_staging(document), _drills(document, now), *coverage_tables(document["coverage"], now)]
    if "runs" in document:
        found.append(_runs(document["runs"], now))
    return found


def _staging(document: Mapping[str, Any]) -> PageTable:
    staging = document["staging"]
    rows = [
        (
            printable(each["accountId"]),
            printable(each["region"]),
            f"{'at least ' if each['isLowerBound'] else ''}{each['replicating']:,} of {staging['quota']:,}",
            f"{each['percent']:g} %{', near full' if each['isNearFull'] else ''}",
        )
        for each in staging["fills"]
    ]
    return PageTable(
        "staging",
        "Staging fill",
        f"Replicating servers of each account and region, of {staging['quota']:,} that DRS allows; the fullest first.",
        ("account", "region", "replicating", "fill"),
        rows,
        "No account is known to replicate servers.",
    )


def _drills(document: Mapping[str, Any], now: datetime | None) -> PageTable:
    drills, total = document["drills"], document["servers"]["total"]
    last = drills["lastLaunch"]
    rows = [
        (f"launched in the last {drills['maxAgeDays']} days", f"{total - drills['withoutRecent']:,} of {total:,}"),
        ("not launched in that time, or not known", f"{drills['withoutRecent']:,}"),
    ]
    if last is not None:
        where = f"{last['sourceServerID']} in {last['accountId']} {last['region']}"
        rows.append(
            (
                "last launch",
                printable(f"{last['type'].lower()} {last['result'].lower()}, {ago(last['time'], now)}: {where}"),
            )
        )
    note = "Drills and recoveries: DRS shows the last launch of each server only."
    return PageTable(
        "drills", "Drills", note, ("what", "servers"), rows if total else [], "There is no server to launch."
    )


def _runs(runs: Sequence[Mapping[str, Any]], now: datetime | None) -> PageTable:
    rows = [
        (
            printable(each["operation"]),
            printable(each.get("status") or "unknown"),
            ago(each["startedAt"], now),
            duration(each.get("durationSeconds")),
            "unknown" if each.get("errorCount") is None else f"{each['errorCount']:,}",
            ", ".join(f"{number:,} {printable(name)}" for name, number in each["scopes"].items()) or "unknown",
        )
        for each in runs
    ]
    headings = ("operation", "status", "started", "took", "errors", "scopes")
    return PageTable("runs", "Last runs", "The last run of each operation.", headings, rows, "No run is on record.")
