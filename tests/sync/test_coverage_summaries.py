"""Summaries of how instances are protected, in the simulated DynamoDB: which write wins, and what readers see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from service.app import open_app
from service.models import Problem, RegionStatus, Scope
from service.protection.decision import Instance, Protected, ProtectionTally, Reason, Unprotected
from service.protection.reader import CoverageReader, EstateCoverage
from service.protection.summary import CoverageRun
from service.protection.table import CoverageTable
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox

HERE: Final = Scope("111122223333", "us-east-1")
THERE: Final = Scope("111122223333", "eu-west-1")
MONDAY: Final = datetime(2026, 11, 23, 5, tzinfo=UTC)
TUESDAY: Final = MONDAY + timedelta(days=1)
DENIED: Final = Problem("AccessDenied", "no", RegionStatus.IAM_PERMISSION_DENIED, advice="grant it")
WORSE: Final = Problem("Unreachable", "no", RegionStatus.ERROR, advice="wait")


def tally_of(protected: int, unprotected: int = 0) -> ProtectionTally:
    tally = ProtectionTally()
    for number in range(protected):
        tally.add(Instance(f"i-p{number}"), Protected("s-1"))
    for number in range(unprotected):
        tally.add(Instance(f"i-u{number}"), Unprotected(Reason.NO_SOURCE_SERVER))
    return tally


@pytest.fixture
async def tables(start_sandbox: Callable[..., EngineSandbox]) -> AsyncIterator[tuple[CoverageTable, CoverageReader]]:
    """Provide the table of summaries, to write and to read."""
    start_sandbox(a={}, b={})
    async with open_app(load_settings()) as app:
        table = app.deps.table(app.settings.source_server_topology_table)
        yield CoverageTable(table), CoverageReader(table)


async def write(table: CoverageTable, protected: int, at: datetime, scope: Scope = HERE) -> bool:
    return await table.write(scope, tally_of(protected, 1), as_of=at, server_scopes_unknown=0)


async def test_an_older_read_never_overwrites_a_newer_one(tables: tuple[CoverageTable, CoverageReader]) -> None:
    table, reader = tables
    assert await reader.read([HERE]) == {}
    assert await write(table, 2, TUESDAY)
    assert not await write(table, 1, MONDAY)
    await table.write_failure(HERE, DENIED, at=MONDAY)
    found = await reader.read([HERE, THERE, HERE])
    assert list(found) == [HERE]
    assert (found[HERE].protected, found[HERE].as_of, found[HERE].is_known) == (2, TUESDAY, True)


async def test_a_failure_keeps_what_was_counted_and_the_next_read_ends_it(
    tables: tuple[CoverageTable, CoverageReader],
) -> None:
    table, reader = tables
    await write(table, 2, MONDAY)
    for days, problem in enumerate((DENIED, WORSE)):
        await table.write_failure(HERE, problem, at=TUESDAY + timedelta(days=days))
    summary = (await reader.read([HERE]))[HERE]
    assert (summary.protected, summary.as_of, summary.failed_since) == (2, MONDAY, TUESDAY)
    assert (summary.is_known, summary.failure["code"]) == (False, "Unreachable")
    await write(table, 3, TUESDAY + timedelta(days=2))
    summary = (await reader.read([HERE]))[HERE]
    assert (summary.is_known, summary.protected, summary.failed_since, summary.failure) == (True, 3, None, {})


async def test_a_scope_that_was_never_read_is_listed_and_not_known(
    tables: tuple[CoverageTable, CoverageReader],
) -> None:
    table, reader = tables
    await write(table, 1, MONDAY, THERE)
    await table.write_failure(HERE, DENIED, at=MONDAY)
    await table.write_run(CoverageRun(TUESDAY, 2, {"sa-east-1": 1}))
    await table.write_run(CoverageRun(MONDAY, 1))
    estate = await reader.read_all()
    assert estate.run == CoverageRun(TUESDAY, 2, {"sa-east-1": 1})
    assert {scope: summary.is_known for scope, summary in estate.summaries.items()} == {HERE: False, THERE: True}
    assert estate.summaries[HERE].as_of is None


async def test_what_nobody_has_looked_at_for_a_week_is_dropped(tables: tuple[CoverageTable, CoverageReader]) -> None:
    table, reader = tables
    await table.write_run(CoverageRun(MONDAY))
    await write(table, 1, MONDAY)
    await write(table, 1, MONDAY, THERE)
    week = MONDAY + timedelta(days=7)
    assert await table.prune([], now=week) == 0
    await table.write_failure(THERE, DENIED, at=TUESDAY)
    assert await table.prune([HERE], now=week + timedelta(hours=1)) == 0
    assert await table.prune([], now=week + timedelta(hours=1)) == 1
    assert list((await reader.read_all()).summaries) == [THERE]
    assert await table.prune([], now=week + timedelta(days=2)) == 1
    assert await reader.read_all() == EstateCoverage({}, CoverageRun(MONDAY))
