"""Operations of a sync that runs in shards: plan it, run each shard, finish it. A state machine invokes them in turn.

Each can be invoked twice, and a shard can be lost: the tables are then as after a single run that ended early there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from service.app import App, TagSyncRunningError
from service.context import ContextLoader, SyncRequest
from service.errors import AwsError
from service.handlers.request_models import FinishBody, PlanBody, ShardBody, ShardResult, SyncType
from service.handlers.router import Operation, Params, Response
from service.models import Problem, RegionStatus, Shard, iso
from service.regions.status_rows import RegionRow
from service.sync.engine.recording import finish_shards
from service.sync.engine.shards import Lost, merged, shard_count, summary
from service.sync.inventory import sync as inventory
from service.sync.inventory.estate import ESTATE, announce_estate, read_estate
from service.sync.inventory.topology_tables import carry_over
from service.sync.staging import sync as staging
from service.sync.tags import sync as tags

__all__ = ["OPERATIONS"]

# Operation in the report of each sync, and the counts in it that add up over shards.
_REPORTS: Final[Mapping[SyncType, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        SyncType.INVENTORY: (inventory.OPERATION, inventory.COUNTS),
        SyncType.STAGING: (staging.OPERATION, staging.COUNTS),
        SyncType.TAGS: (tags.OPERATION, tags.COUNTS),
    }
)
_RUNS: Final[Mapping[SyncType, Callable[[App, ShardBody, SyncRequest], Awaitable[dict[str, Any]]]]] = MappingProxyType(
    {
        SyncType.INVENTORY: lambda app, _, request: app.sync_inventory(request),
        SyncType.STAGING: lambda app, _, request: app.sync_staging(request),
        SyncType.TAGS: lambda app, body, request: app.sync_tags(
            request, source=body.source, lock_owner=body.lock_owner
        ),
    }
)


async def plan_sync(app: App, params: Params) -> Response:
    """Plan the shards of a sync: `shards` contains the body of each run; a single shard is a complete run.

    The lock of the tag sync is acquired here for all shards, and each shard renews it. If another run has the lock,
    there are no shards and `alreadyRunning` is true.
    """
    body = PlanBody.parse(params.values)
    directory, problems = await _context_loader(app).directory()
    count = shard_count(len(directory.targets), per_shard=app.settings.accounts_per_shard)
    owner = uuid4().hex if body.job is SyncType.TAGS and count > 1 else None
    common = {"job": body.job, "count": count, "startedAt": iso(app.now()), "fullScan": body.full_scan}
    common |= {"lockOwner": owner} if owner else {}
    common |= {"source": body.source} if count == 1 else {}  # a single shard stores the result of the tag sync itself
    plan: dict[str, Any] = {
        "accounts": len(directory.targets),
        "unusableAccounts": len(problems),
        "shardCount": count,
        "shards": [{"index": index, **common} for index in range(count)],
        "source": body.source,
        "alreadyRunning": False,
        "lockOwner": owner,
    }
    if owner and not await app.tag_state().acquire(owner=owner):
        return Response({**plan, "shardCount": 0, "shards": [], "alreadyRunning": True, "lockOwner": None})
    return Response(plan)


async def sync_shard(app: App, params: Params) -> Response:
    """Run one shard, and return the part of its report that the report of all shards needs."""
    body = ShardBody.parse(params.values)
    report = await _RUNS[body.job](app, body, body.request(params.remaining_s))
    return Response(summary(report, counts=_REPORTS[body.job][1], shards=body.count))


async def finish_sync(app: App, params: Params) -> Response:
    """Record the end of a sync after its last shard, and return the report of all shards."""
    body = FinishBody.parse(params.values)
    first = body.shards[0]
    operation, counts = _REPORTS[first.job]
    summaries = _by_index(body.results)
    lost = [await _lost(app, shard, body.results) for shard in body.shards if shard.index not in summaries]
    received = [summaries[shard.index] for shard in body.shards if shard.index in summaries]
    report = merged(
        received,
        lost,
        operation=operation,
        counts=counts,
        started_at=iso(first.started_at),
        duration_s=max(0.0, (app.now() - first.started_at).total_seconds()),
    )
    is_complete = not lost and not any(each["isOutOfTime"] for each in received)
    rows: list[RegionRow] = []
    warnings = [await _warning_of(_record_end(app, body, report, rows, is_complete=is_complete))]
    if first.job is SyncType.INVENTORY:  # no shard covers all accounts
        remaining_s = float("inf") if params.remaining_s is None else params.remaining_s
        warnings.append(await _warning_of(carry_over(app.deps, remaining_s=remaining_s)))
        warnings.append(await _warning_of(_add_estate(app, report, rows)))
    report["warnings"] += [each for each in warnings if each]
    app.log_report(report)
    if ESTATE in report:
        await app.publish_estate(operation, report[ESTATE])
    if lost:  # the shards emitted all other metrics, which add up
        await app.publish_lost_scopes(operation, sum(each.scopes for each in lost))
    return Response({**report, "timestamp": report["startedAt"]})


async def _add_estate(app: App, report: dict[str, Any], rows: Sequence[RegionRow]) -> None:
    """Add the figures of the estate to the report, which no shard knows; nothing after runs that were cut short."""
    if not rows:
        return
    directory, _ = await _context_loader(app).directory()
    as_of = app.now()
    estate = await read_estate(app.deps, directory.targets, rows)
    if estate is not None:
        report[ESTATE] = estate.figures(app.now())
        problems = await announce_estate(app.deps, estate, as_of=as_of)
        report["warnings"] += [problem.as_json() for problem in problems]


async def _record_end(
    app: App, body: FinishBody, report: Mapping[str, Any], rows: list[RegionRow], *, is_complete: bool
) -> None:
    job = body.shards[0].job
    if job is not SyncType.STAGING:
        rows += await finish_shards(
            app.deps,
            body.shards[0].started_at,
            completed=is_complete,
            reads_inventory=job is SyncType.INVENTORY,
        )
    if job is SyncType.TAGS:
        state = app.tag_state()
        if body.lock_owner and not await state.acquire(owner=body.lock_owner):
            raise TagSyncRunningError  # the lease expired and another sync has it: keep that result
        await state.finish(
            source=body.source,
            accounts=report["accounts"],
            synced=report["serversTagged"] + report["serversUnchanged"],
            failed=report["serversFailed"],
            servers=report["serversSynced"],
            complete=not report["errors"],
        )
        if body.lock_owner:
            await state.release(body.lock_owner)


async def _warning_of(work: Awaitable[None]) -> dict[str, Any] | None:
    try:
        await work
    except AwsError as error:
        return {**error.problem.as_json(), "regions": []}  # the next run does what is missing
    except TagSyncRunningError as error:
        problem = Problem("LeaseLost", f"the result is not stored: {error.message}", RegionStatus.ERROR, "dynamodb")
        return {**problem.as_json(), "regions": []}
    return None


def _by_index(results: Sequence[ShardResult]) -> dict[int, Mapping[str, Any]]:
    """Summaries by the index of their shard; the later one of a shard that ran twice."""
    return {each.index: each.report for each in results if "sums" in each.report}


async def _lost(app: App, shard: ShardBody, results: Sequence[ShardResult]) -> Lost:
    """Determine the scopes of a shard that has no summary: none of them was scanned."""
    reasons = [each.reason for each in results if each.index == shard.index]
    context = await _context_loader(app).load(
        SyncRequest(full_scan=shard.full_scan, shard=Shard(shard.index, shard.count)),
        operation=_REPORTS[shard.job][0],
        discover=shard.job is SyncType.INVENTORY,
        shared=shard.job is SyncType.STAGING,
        full_scan_if_none_active=shard.job is SyncType.TAGS,
    )
    selection = context.selection
    reason = reasons[-1] if reasons else "it has no result"
    return Lost(shard.index, len(context.accounts), len(selection.scopes), len(selection.skipped), reason)


def _context_loader(app: App) -> ContextLoader:
    return ContextLoader(app.aws_client, app.settings, app.status, app.now)


OPERATIONS: Final[Mapping[str, Operation[App]]] = MappingProxyType(
    {
        "plan_sync": Operation(plan_sync, PlanBody),
        "sync_shard": Operation(sync_shard, ShardBody),
        "finish_sync": Operation(finish_sync, FinishBody),
    }
)
