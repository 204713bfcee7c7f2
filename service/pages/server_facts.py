"""One server as pages show it: a row of the table, and its facts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from service.durations import human_duration
from service.models import iso, parse_iso
from service.pages.words import UNKNOWN, ago, lag_seconds, posture_word, rank_of, severity
from service.text import printable

__all__ = ["ServerRow", "in_order", "name_of", "row_of", "rows_of"]

_NEVER: Final = "never, as far as DRS shows"


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server as a page shows it; every text is for people, and what is not known is "unknown".

    Args:
        server_id: its source server id.
        anchor: id of its section, unique in the page.
        name: its host name, tag Name or id.
        account: the account whose DRS has it.
        region: the region of that DRS.
        posture: its posture, as in the document.
        word: the posture as a word.
        tone: how the word is emphasised.
        reason: why it is not ready; empty if it is.
        since: how long it has been so.
        since_at: since when, ISO 8601; empty where that is not known.
        lag: its lag.
        lag_s: the same in seconds; None where it is not known.
        launch: its last launch.
        launch_at: when, ISO 8601; empty if never.
        facts: labels and values of its section.
        view: the server as queries show it.
    """

    server_id: str
    anchor: str
    name: str
    account: str
    region: str
    posture: str
    word: str
    tone: str
    reason: str
    since: str
    since_at: str
    lag: str
    lag_s: float | None
    launch: str
    launch_at: str
    facts: tuple[tuple[str, str], ...]
    view: Mapping[str, Any]

    @property
    def rank(self) -> int:
        """Its place in the order of severity."""
        return rank_of(self.posture)


def name_of(view: Mapping[str, Any]) -> str:
    """Return the name by which people know a server."""
    names = (str(view[member] or "").strip(" ") for member in ("hostname", "nameTag", "sourceServerID"))
    return printable(next(filter(None, names), UNKNOWN))


def rows_of(views: Iterable[Mapping[str, Any]], now: datetime, *, with_facts: bool = True) -> list[ServerRow]:
    """Return the rows of servers, the worst first, each with an anchor of its own.

    Without facts a row keeps nothing but what the table shows, which takes half the time, for lists of all servers.
    """
    seen: Counter[str] = Counter()
    rows: list[ServerRow] = []
    for view in in_order(views):
        server_id = printable(view["sourceServerID"])
        seen[server_id] += 1
        number = seen[server_id]
        anchor = f"server-{server_id}" + ("" if number == 1 else f"-{number}")
        rows.append(row_of(view, now, anchor=anchor, with_facts=with_facts))
    return rows


def in_order(views: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return servers with the worst first."""
    return sorted(views, key=_order)


def _order(view: Mapping[str, Any]) -> tuple[Any, ...]:
    name, server_id = name_of(view).casefold(), view["sourceServerID"]
    return rank_of(view["posture"]), name, view["accountId"], view["region"], server_id, view["stagingAccountId"]


def row_of(view: Mapping[str, Any], now: datetime, *, anchor: str, with_facts: bool = True) -> ServerRow:
    """Return the row of a server.

    Args:
        view: a view of a server with its posture.
        now: the time of the page.
        anchor: id of its section.
        with_facts: it has its facts and its view.
    """
    posture, since, lag_s = view["posture"], parse_iso(view["postureSince"]), lag_seconds(view["lagDuration"])
    launched = parse_iso(view["lastLaunchTime"])
    row = ServerRow(
        server_id=printable(view["sourceServerID"]) or UNKNOWN,
        anchor=anchor,
        name=name_of(view),
        account=printable(view["accountId"]) or UNKNOWN,
        region=printable(view["region"]) or UNKNOWN,
        posture=posture,
        word=posture_word(posture),
        tone=severity(posture),
        reason=printable(view["postureReason"]),
        since=UNKNOWN if since is None else human_duration((now - since).total_seconds()),
        since_at="" if since is None else iso(since),
        lag=UNKNOWN if lag_s is None else human_duration(lag_s),
        lag_s=lag_s,
        launch=_launch(view, now),
        launch_at="" if launched is None else iso(launched),
        facts=(),
        view=view if with_facts else {},
    )
    if not with_facts:
        return row
    return replace(row, facts=tuple((label, printable(value) or UNKNOWN) for label, value in _facts(view, row, now)))


def _launch(view: Mapping[str, Any], now: datetime) -> str:
    kind, result = (_words(view[name]) for name in ("lastLaunchType", "lastLaunchStatus"))
    if result in {"", "not started"} and not kind and not view["lastLaunchTime"]:
        return _NEVER
    return f"{kind or 'launch'} {result or UNKNOWN}, {ago(view['lastLaunchTime'], now)}"


def _words(text: object) -> str:
    return printable(text).lower().replace("_", " ")


def _facts(view: Mapping[str, Any], row: ServerRow, now: datetime) -> Iterable[tuple[str, object]]:
    reason = f": {row.reason}" if row.reason else ""
    yield "posture", f"{row.word}{reason}"
    yield "since", row.since if not row.since_at else f"{row.since} ({row.since_at})"
    yield "replication state", view["replicationState"]
    if "extensionError" in view:
        yield "extension error", view["extensionError"]
    yield "lag", row.lag
    yield "backlog", UNKNOWN if view["backlogBytes"] is None else f"{view['backlogBytes']:,} bytes"
    yield "agent last seen", ago(view["lastSeen"], now)
    yield "values as of", ago(view["valuesAsOf"], now)
    yield "last launch", row.launch
    yield "account and region", f"{row.account} {row.region}"
    yield "staging account", view["stagingAccountId"]
    yield (
        "origin",
        " ".join(filter(None, (view["sourceAccount"], view["sourceRegion"], view["sourceAvailabilityZone"]))),
    )
    yield "source instance", view["sourceInstanceId"]
    yield "source address", view["sourceIp"]
    yield "name tag", view["nameTag"]
    yield "full name", view["fqdn"]
    yield "operating system", view["os"]
    known = view.get("topologyComplete")
    yield "origin known for failback", UNKNOWN if known is None else "yes" if known else "no, something is missing"
    yield "source server", view["sourceServerArn"]
