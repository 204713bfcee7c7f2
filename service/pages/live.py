"""Live pages: what each shows, rendered as HTML. Pure. Needs the extra `web`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from service.pages.estate_page import causes_of, grid_of, lines_of, moment_of, tables_of
from service.pages.html import COLUMNS, Pages
from service.pages.server_facts import ServerRow
from service.pages.words import POSTURE_WORDS, severity

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


def index_page(pages: Pages, document: Mapping[str, Any]) -> str:
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
    return pages.render("live_index.html", _members("Could the estate fail over now?", document, page, _INDEX_LINKS))


def servers_page(
    pages: Pages,
    document: Mapping[str, Any],
    rows: Sequence[ServerRow],
    *,
    choice: Mapping[str, str],
    columns: Mapping[str, tuple[str, str]],
    caption: str,
    previous: str,
    following: str,
    problems: Sequence[str],
    total: int,
) -> str:
    """Render one page of the list of servers.

    Args:
        pages: the templates.
        document: the estate's document.
        rows: the servers of the page.
        choice: what was chosen: q, posture, account, region, sort.
        columns: by key of a column the address that sorts by it, and how it is sorted now; empty if it is not.
        caption: what the table has, and in which order.
        previous: address of the page before; empty if there is none.
        following: address of the next page; empty if there is none.
        problems: what could not be read.
        total: how many servers the choice is about.
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
    return pages.render("live_servers.html", _members("Servers", document, page, _LINKS))


def server_page(
    pages: Pages,
    document: Mapping[str, Any],
    *,
    server_id: str,
    name: str,
    row: ServerRow | None,
    runbook: Sequence[str],
    problems: Sequence[str],
) -> str:
    """Render the page of one server; without a row, the inventory does not have it."""
    page = {"server_id": server_id, "row": row, "runbook": runbook, "problems": problems}
    return pages.render("live_server.html", _members(row.name if row else name, document, page, _LINKS))


def problem_page(pages: Pages, title: str, text: str, fix: str, href: str) -> str:
    """Render what went wrong, and how to fix it."""
    members = {
        "title": title,
        "subtitle": "drs-sync",
        "links": _LINKS,
        "page": {"text": text, "fix": fix, "href": href},
    }
    return pages.render("live_problem.html", members)


def _members(
    title: str, document: Mapping[str, Any], page: Mapping[str, Any], links: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    subtitle = f"Disaster recovery with AWS DRS, as of {moment_of(document)}"
    return {"title": title, "subtitle": subtitle, "links": links, "page": page}


def _problem(error: Mapping[str, Any]) -> str:
    return f"{error['code']}: {error['message']}. Fix: {error.get('advice', '')}"
