"""Routes of the live pages. Every one reads, and what fails becomes a page that says why and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.errors import AwsError, ConfigurationError, DeadlineExceededError, RefusalError
from service.pages.html import Pages
from service.pages.live import index_page, problem_page, server_href, server_page, servers_page
from service.web.data import LiveData
from service.web.guard import ASGIApp, Guard
from service.web.listing import PAGE_SIZE, SORTS, Choice, choice_of

__all__ = ["build_app"]

_SERVER_ID: Final = re.compile(r"s-[0-9a-f]{17}")
_LAG_FIRST: Final = frozenset({"lag"})  # the longest first, at the first click


def build_app(data: LiveData, pages: Pages, *, names: Collection[str] = (), is_remote: bool = False) -> ASGIApp:
    """Build the application.

    Args:
        data: what the pages read.
        pages: the templates.
        names: host names that are answered beside those of loopback.
        is_remote: other machines may connect.
    """
    views = _Views(data, pages)
    routes = [
        Route("/", views.index),
        Route("/servers", views.servers),
        Route("/servers/{server_id}", views.server),
        Route("/healthz", views.healthz),
        Route("/readyz", views.readyz),
    ]
    handlers: Any = {
        AwsError: views.failed,
        DeadlineExceededError: views.failed,
        ConfigurationError: views.failed,
        RefusalError: views.refused,
        HTTPException: views.not_found,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    policy = f"{pages.policy(with_script=False)}; form-action 'self'; frame-ancestors 'none'"
    return Guard(app, policy=policy, names=names, is_remote=is_remote)


@dataclass(frozen=True, slots=True)
class _Views:
    data: LiveData
    pages: Pages

    async def index(self, _: Request) -> Response:
        return HTMLResponse(index_page(self.pages, await self.data.document(), self.data.now()))

    async def servers(self, request: Request) -> Response:
        choice = choice_of(request.query_params)
        listing = await self.data.listing(choice)
        pages = -(-listing.total // PAGE_SIZE)
        order = f"ordered by {choice.sort.removeprefix('-')}" if choice.sort else "the worst account and region first"
        text = servers_page(
            self.pages,
            listing.rows,
            choice={name: getattr(choice, name) for name in ("q", "posture", "account", "region", "sort")},
            columns={key: _column(choice, key) for key in SORTS},
            caption=f"Page {choice.page:,} of {max(1, pages):,}, {order}.",
            previous=choice.href(page=choice.page - 1 if choice.page > 2 else "") if choice.page > 1 else "",  # noqa: PLR2004 - the first page has no number
            following=choice.href(page=choice.page + 1) if choice.page < pages else "",
            problems=listing.problems,
            total=listing.total,
            read_at=listing.read_at,
            now=self.data.now(),
        )
        return HTMLResponse(text)

    async def server(self, request: Request) -> Response:
        server_id = str(request.path_params["server_id"])
        if not _SERVER_ID.fullmatch(server_id):
            raise HTTPException(404)
        params = request.query_params
        account, region, reads_drs = params.get("account", ""), params.get("region", ""), params.get("live") == "1"
        found = await self.data.server(server_id, account, region, reads_drs=reads_drs)
        text = server_page(
            self.pages,
            server_id=server_id,
            name=found.name,
            row=found.row,
            runbook=found.runbook,
            problems=found.problems,
            read_at=found.read_at,
            is_live=found.is_live,
            live_href=f"{server_href(server_id, account, region)}&live=1",
        )
        return HTMLResponse(text)

    async def healthz(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        try:
            why = await self.data.why_not_ready()
        except (AwsError, ConfigurationError, DeadlineExceededError, RefusalError) as error:
            why = " ".join(_explained(error))
        return PlainTextResponse(f"{why or 'ready'}\n", status_code=503 if why else 200)

    async def failed(self, request: Request, error: Exception) -> Response:
        text, fix = _explained(error)
        return self._problem(request, 503, "The tables cannot be read", text, fix)

    async def refused(self, request: Request, error: Exception) -> Response:
        text, _, fix = str(error).partition(" Fix: ")
        status = error.status if isinstance(error, RefusalError) else 400
        return self._problem(request, status, "Not found" if status == 404 else "Not shown", text, fix)  # noqa: PLR2004

    async def not_found(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return self._problem(request, status, "Not found", "There is no such page", "begin with the estate")

    def _problem(self, request: Request, status: int, title: str, text: str, fix: str) -> Response:
        is_missing = status < 500  # noqa: PLR2004 - HTTP status of an error that is not the caller's
        href = "/" if is_missing else request.url.path
        return HTMLResponse(problem_page(self.pages, title, text, fix, href), status_code=status)


def _column(choice: Choice, key: str) -> tuple[str, str]:
    """Return the address that sorts by a column, and how it is sorted now."""
    current = choice.sort.removeprefix("-")
    descending = choice.sort.startswith("-")
    if current != key:
        return choice.href(sort=f"-{key}" if key in _LAG_FIRST else key, page=""), ""
    return choice.href(sort=key if descending else f"-{key}", page=""), "descending" if descending else "ascending"


def _explained(error: Exception) -> tuple[str, str]:
    """Return what failed and why, and how to fix it."""
    if isinstance(error, AwsError):
        return error.explanation, error.fix
    text, _, fix = str(error).partition(" Fix: ")
    return text, fix
