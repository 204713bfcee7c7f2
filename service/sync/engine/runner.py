"""One run of any sync: context, selection, fan-out, each scope under its deadline, results, report."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import anyio

from service.aws.call_counter import counting_calls
from service.context import SyncRequest
from service.deadline import Deadline
from service.fanout import fan_out
from service.models import Problem, RegionStatus, Scope
from service.settings import Settings
from service.sync.engine.outcome import RejectedTokens, UnreachableRegions
from service.sync.engine.report import Progress, RunReport, run_facts
from service.sync.engine.scope_runner import Scanned, ScopeRunner
from service.sync.engine.sync import Deps, Run, ScopeScan, Sync

__all__ = ["excluded_requests", "order_scopes", "run"]


async def run(sync: Sync, request: SyncRequest, deps: Deps, progress: Progress | None = None) -> dict[str, Any]:
    """Run a sync once and return its report.

    Raises:
        ConfigurationError: the request or the settings are wrong; nothing was read or written.
        AwsError: the hub's credentials or the target accounts table cannot be used.
        DeadlineExceededError: the time was up before the scopes were selected; nothing was scanned.
        RunEndedError: the run had to end; what it wrote stays.
    """
    began, started_at = anyio.current_time(), request.started_at or deps.now()
    deadline = Deadline(deps.shutdown, request.remaining_s)
    with counting_calls() as calls:
        if progress is not None:
            progress.started(calls)
        this_run = await deadline.run_essential(lambda: _begin(sync, request, deps, deadline, started_at))
        selection = this_run.context.selection
        if progress is not None:
            progress.planned(selection, len({scope.account_id for scope in selection.scopes}))
        await sync.start(this_run)
        async with _scan_all(sync, this_run, progress) as results:
            async for result, scan in results:
                this_run.report.add(result)
                await sync.collect(result, scan, this_run)
        members = await sync.finish(this_run)
    facts = run_facts(
        sync.operation,
        selection,
        calls,
        started_at=started_at,
        duration_s=anyio.current_time() - began,
        scopes_at_once=deps.settings.scopes_at_once,
        dry_run=request.dry_run,
    )
    return {**this_run.report.as_json(facts), **members}


async def _begin(sync: Sync, request: SyncRequest, deps: Deps, deadline: Deadline, started_at: datetime) -> Run:
    context = await sync.select(request, deps)
    report = RunReport(sync.counts)
    report.problem(*context.problems)
    report.warn(*excluded_requests(request, deps.settings))
    report.skip(context.selection.skipped)
    report.leave_out(context.selection.left_out)
    return Run(request, deps, context, deadline, started_at, report)


def excluded_requests(request: SyncRequest, settings: Settings) -> list[Problem]:
    """Name the regions and scopes that were requested and are not scanned, because the settings exclude them."""
    requested: list[tuple[str | None, str]] = [(None, region) for region in request.regions]
    requested += [(scope.account_id, scope.region) for scope in request.scopes]
    if not request.scopes:
        requested += [(account_id, region) for account_id in request.accounts for region in request.regions]
    problems: dict[Problem, None] = {}
    for account_id, region in requested:
        if region in settings.drs_excluded_regions:
            problems[_excluded_problem("", region, "DRS_EXCLUDED_REGIONS")] = None
        elif account_id is not None and settings.excludes(Scope(account_id, region)):
            problems[_excluded_problem(account_id, region, "DRS_EXCLUDED_SCOPES")] = None
    return list(problems)


def _excluded_problem(account_id: str, region: str, setting: str) -> Problem:
    where = f"{region} of {account_id}" if account_id else region
    return Problem(
        "RequestExcluded",
        f"{where} was requested and is not scanned: {setting} excludes it",
        RegionStatus.ACTIVE,
        account_id=account_id,
        region=region,
        advice=f"name another region, or remove {where} from {setting}",
    )


@asynccontextmanager
async def _scan_all(sync: Sync, this_run: Run, progress: Progress | None) -> AsyncIterator[AsyncIterator[Scanned]]:
    """Open a stream of one result per scope, each once it is settled."""

    async def scan(scope: Scope) -> Scanned:
        return await ScopeRunner(sync, this_run, scope).scan()

    context = this_run.context
    scopes = order_scopes(context.selection.scopes, this_run.started_at, unreachable=context.unreachable_regions)
    async with fan_out(scopes, scan, concurrency=this_run.deps.settings.scopes_at_once) as scanned:
        yield _settled(scanned, progress)


async def _settled(scanned: AsyncIterator[Scanned], progress: Progress | None) -> AsyncIterator[Scanned]:
    tokens, network, scans = RejectedTokens(), UnreachableRegions(), dict[Scope, ScopeScan | None]()
    async for result, scan in scanned:
        scans[result.scope] = scan
        if progress is not None:
            progress.scanned(result)
        for accepted in tokens.settle(result):
            for settled in network.settle(accepted):
                yield settled, scans.pop(settled.scope)
    rest = [settled for accepted in tokens.rest() for settled in network.settle(accepted)]
    for settled in (*rest, *network.rest()):
        yield settled, scans.pop(settled.scope)


def order_scopes(scopes: Collection[Scope], started_at: datetime, *, unreachable: Collection[str] = ()) -> list[Scope]:
    """Order scopes region by region, so that the first rows of the status table are written early.

    Each run begins with another region: where the time is always too short, it is not always the same ones that are
    never reached. Of a region that could not be reached before, one scope comes first and tries it, and the others
    come last: they would only wait for that try.
    """
    regions = sorted({scope.region for scope in scopes})
    first = random.Random(started_at.timestamp()).randrange(max(1, len(regions)))  # noqa: S311 - not a secret
    turn = {region: (position - first) % len(regions) for position, region in enumerate(regions)}
    ordered = sorted(scopes, key=lambda scope: (scope.region in unreachable, turn[scope.region], scope.account_id))
    probes = list({scope.region: scope for scope in reversed(ordered) if scope.region in unreachable}.values())
    return [*probes, *(scope for scope in ordered if scope not in probes)]
