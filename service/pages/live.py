"""Live pages: what each shows, rendered as HTML. Pure. Needs the extra `web`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from service.models import iso
from service.pages.estate_page import causes_of, grid_of, lines_of, moment_of, tables_of
from service.pages.html import COLUMNS, Pages
from service.pages.server_facts import ServerRow
from service.pages.words import POSTURE_WORDS, ago, severity

__all__ = ["index_page", "problem_page", "server_href", "server_page", "servers_page"]

_LINKS: Final = (("estate", "/"), ("servers", "/servers"))
_INDEX_LINKS: Final = (
    ("needs you", "#needs-you"),
    ("accounts and regions", "#grid"),
    ("servers", "/servers"),
    ("staging", "#staging"),
    ("drills", "#drills"),
    ("last runs", "#runs"),
)


def server_href(server_id: str, account: str, region: str) -> str:
    """Return the address of the page of a server."""
    return f"/servers/{quote(server_id, safe='')}?{urlencode({'account': account, 'region': region})}"


def index_page(pages: Pages, document: Mapping[str, Any], now: datetime) -> str:
    """Render the first page, from the estate's document alone."""
    ready, believed = lines_of(document)
    examples = [each for cause in document["needsYou"] for each in cause["examples"] if each.get("sourceServerID")]
    hrefs = {
        str(each["sourceServerID"]): server_href(
            str(each["sourceServerID"]), str(each.get("accountId", "")), str(each.get("region", ""))
        )
        for each in examples
    }
    page = {
        "readiness": ready,
        "belief": believed,
        "causes": causes_of(document, hrefs),
        "problems": [_problem(each) for each in document["errors"]],
        "grid": grid_of(document),
        "counts": [
            {
                "word": word,
                "tone": severity(posture),
                "number": f"{document['servers'][posture]:,}",
                "href": f"/servers?posture={posture}",
            }
            for posture, word in POSTURE_WORDS.items()
        ],
        "tables": tables_of(document),
    }
    return pages.render(
        "live_index.html", _members("Could the estate fail over now?", _as_of(document, now), page, _INDEX_LINKS)
    )


def servers_page(
    pages: Pages,
    rows: Sequence[ServerRow],
    *,
    choice: Mapping[str, str],
    columns: Mapping[str, tuple[str, str]],
    caption: str,
    previous: str,
    following: str,
    problems: Sequence[str],
    total: int,
    read_at: datetime,
    now: datetime,
) -> str:
    """Render one page of the list of servers.

    Args:
        pages: the templates.
        rows: the servers of the page.
        choice: what was chosen: q, posture, account, region, sort.
        columns: by key of a column the address that sorts by it, and how it is sorted now; empty if it is not.
        caption: what the table has, and in which order.
        previous: address of the page before; empty if there is none.
        following: address of the next page; empty if there is none.
        problems: what could not be read.
        total: how many servers the choice is about.
        read_at: when they were read.
        now: the time.
    """
    page = {
        "heading": f"{total:,} {'server' if total == 1 else 'servers'}",
        "choice": choice,
        "postures": list(POSTURE_WORDS.items()),
        "problems": problems,
        "caption": caption,
        "columns": [{"word": word, "href": columns[key][0], "order": columns[key][1]} for key, word in COLUMNS],
        "rows": [(row, server_href(row.server_id, row.account, row.region)) for row in rows],
        "previous": previous,
        "next": following,
    }
    return pages.render("live_servers.html", _members("Servers", _as_of({"asOf": iso(read_at)}, now), page, _LINKS))


def server_page(
    pages: Pages,
    *,
    server_id: str,
    name: str,
    row: ServerRow | None,
    runbook: Sequence[str],
    problems: Sequence[str],
    read_at: datetime,
    is_live: bool,
    live_href: str,
) -> str:
    """Render the page of one server.

    Args:
        pages: the templates.
        server_id: its source server id.
        name: what it is called.
        row: the server as the inventory has it; None if it does not.
        runbook: lines of its runbook.
        problems: what could not be read.
        read_at: when all this was read.
        is_live: DRS was read for the runbook, and not the tables alone.
        live_href: address of the page that reads DRS.
    """
    page = {
        "server_id": server_id,
        "row": row,
        "runbook": runbook,
        "problems": problems,
        "is_live": is_live,
        "live_href": live_href,
    }
    source = "facts are those of the inventory, the runbook is of its state in DRS" if is_live else "from the inventory"
    subtitle = f"Read at {moment_of({'asOf': iso(read_at)})}: {source}"
    return pages.render("live_server.html", _members(row.name if row else name, subtitle, page, _LINKS))


def problem_page(pages: Pages, title: str, text: str, fix: str, href: str) -> str:
    """Render what went wrong, and how to fix it."""
    members = {
        "title": title,
        "subtitle": "drs-sync",
        "links": _LINKS,
        "page": {"text": text, "fix": fix, "href": href},
    }
    return pages.render("live_problem.html", members)


def _members(title: str, subtitle: str, page: Mapping[str, Any], links: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"title": title, "subtitle": subtitle, "links": links, "page": page}


def _as_of(document: Mapping[str, Any], now: datetime) -> str:
    return f"Disaster recovery with AWS DRS, as of {moment_of(document)} ({ago(document['asOf'], now)})"


def _problem(error: Mapping[str, Any]) -> str:
    return f"{error['code']}: {error['message']}. Fix: {error.get('advice', '')}"
