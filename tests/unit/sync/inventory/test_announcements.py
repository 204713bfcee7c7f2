"""Announcements of writes: once per scope, shared by scopes that come up together, none where it is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final, cast

import anyio

from service.context import RunContext, SyncRequest
from service.errors import AwsError
from service.models import Call, Scope
from service.regions.selection import RegionSource, Selection, StatusUnavailable
from service.settings import Settings
from service.sync.engine.sync import Deps, Run
from service.sync.inventory.announcements import Announcements
from tests.simulation.clock import VirtualLoop, run

UNUSED: Final = cast("Any", None)
BEGAN: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
REGION: Final = "us-west-2"
A, B, C = (Scope(account_id * 12, REGION) for account_id in "123")
DOWN: Final = AwsError("InternalServerError", "no", Call("dynamodb", "UpdateItem", "hub", REGION))


class Status:
    """Keeps the requests that are written, each of which takes a second; the first ones fail."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.written: list[Mapping[str, datetime]] = []

    async def request_scans(self, _: str, scan_requests: Mapping[str, datetime]) -> None:
        await anyio.sleep(1.0)
        if self.failures:
            self.failures -= 1
            raise DOWN
        self.written.append(dict(scan_requests))


def announcements(
    status: Status,
    *,
    source: RegionSource = RegionSource.STATUS_TABLE,
    rows: tuple[()] | StatusUnavailable = (),
    active: tuple[Scope, ...] = (),
) -> Announcements:
    selection = Selection(source, "", {}, (), frozenset(active))
    context = RunContext(UNUSED, UNUSED, (), UNUSED, frozenset(), rows, selection, None)
    deps = Deps(UNUSED, Settings(), UNUSED, lambda: BEGAN)
    return Announcements(
        Run(SyncRequest(), deps, context, UNUSED, BEGAN, cast("Any", SimpleNamespace())), status.request_scans
    )


async def announce_all(made: Announcements, *scopes: Scope) -> list[Scope]:
    """Announce scopes at once; return those whose announcement failed."""
    failed: list[Scope] = []

    async def announce(scope: Scope) -> None:
        try:
            await made.announce(scope, BEGAN)
        except AwsError:
            failed.append(scope)

    async with anyio.create_task_group() as tasks:
        for scope in scopes:
            tasks.start_soon(announce, scope)
    return failed


def test_scopes_that_come_up_together_share_a_write_and_none_is_announced_twice() -> None:
    async def work(_: VirtualLoop) -> None:
        status = Status()
        made = announcements(status)
        assert await announce_all(made, A, B, C) == []
        assert await announce_all(made, A, B, C) == []
        assert status.written == [{scope.account_id: BEGAN for scope in (A, B, C)}]

    run(work)


def test_a_write_that_fails_costs_only_the_scope_that_made_it() -> None:
    async def work(_: VirtualLoop) -> None:
        status = Status(failures=1)
        made = announcements(status)
        assert await announce_all(made, A, B) == [A]
        assert {account_id for each in status.written for account_id in each} == {A.account_id, B.account_id}
        status.failures = 2
        assert await announce_all(made, A, B, C) == [A, C]  # A raised, so it was not announced; B was

    run(work)


def test_none_is_needed_where_the_next_run_scans_the_scope_anyway() -> None:
    async def work(_: VirtualLoop) -> None:
        status = Status()
        made = announcements(status, active=(A,))
        await made.announce(A, BEGAN)
        assert (status.written, made.has_announced(A)) == ([], False)

    run(work)


def test_without_region_status_a_write_is_announced_if_possible_and_needs_no_announcement() -> None:
    async def work(_: VirtualLoop) -> None:
        status = Status(failures=1)
        made = announcements(status, source=RegionSource.FALLBACK_UNAVAILABLE, rows=StatusUnavailable("down"))
        assert await announce_all(made, A) == []
        assert (status.written, made.has_announced(A)) == ([], False)
        assert await announce_all(made, A) == []
        assert (status.written, made.has_announced(A)) == ([{A.account_id: BEGAN}], True)

    run(work)


def test_a_run_over_an_empty_table_announces_too() -> None:
    """The mark of its full scan is gone when it ends, and its last writes may arrive after that."""

    async def work(_: VirtualLoop) -> None:
        status = Status()
        await announcements(status, source=RegionSource.FALLBACK_EMPTY).announce(A, BEGAN)
        assert status.written == [{A.account_id: BEGAN}]

    run(work)
