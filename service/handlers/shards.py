"""One sync as many invocations: plan it, run its shards side by side, finish it. A state machine calls these in turn.

Each may be called twice, and a shard may be lost: the tables are then as after a single run that was cut short there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from service.app import App, TagSyncRunningError
from service.context import ContextLoader, SyncRequest
from service.errors import AwsError
from service.handlers.request_models import FinishBody, Job, PlanBody, ShardBody, ShardResult
from service.handlers.router import Operation, Params, Response
from service.models import Problem, RegionStatus, Shard, iso
from service.sync.engine.recording import finish_shards
from service.sync.engine.shards import Lost, merged, shard_count, summary
from service.sync.inventory import sync as inventory
from service.sync.staging import sync as staging
from service.sync.tags import sync as tags

__all__ = ["OPERATIONS"]

# What a job's report is called, and what it counts.
_REPORTS: Final[Mapping[Job, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        Job.INVENTORY: (inventory.OPERATION, inventory.COUNTS),
        Job.STAGING: (staging.OPERATION, staging.COUNTS),
        Job.TAGS: (tags.OPERATION, tags.COUNTS),
    }
)
_RUNS: Final[Mapping[Job, Callable[[App, ShardBody, SyncRequest], Awaitable[dict[str, Any]]]]] = MappingProxyType(
    {
        Job.INVENTORY: lambda app, _, request: app.sync_inventory(request),
        Job.STAGING: lambda app, _, request: app.sync_staging(request),
        Job.TAGS: lambda app, body, request: app.sync_tags(request, source=body.source, lock_owner=body.lock_owner),
    }
)


async def plan_sync(app: App, params: Params) -> Response:
    """Say how a sync is to be parted: `shards` holds the body of each run; a single one does it all.

    The tag sync's lock is taken here for all of them, and each renews it. Where another holds it there are no shards,
    and `alreadyRunning`.
    """
    body = PlanBody.model_validate(params.members)
    directory, problems = await _context_loader(app).directory()
    count = shard_count(len(directory.targets), per_shard=app.settings.accounts_per_shard)
    owner = uuid4().hex if body.job is Job.TAGS and count > 1 else None
    common = {"job": body.job, "count": count, "startedAt": iso(app.now()), "fullScan": body.full_scan}
    common |= {"lockOwner": owner} if owner else {}
    common |= {"source": body.source} if count == 1 else {}  # it stores its result itself
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
    """Run one shard, and give what the report of all needs of its own."""
    body = ShardBody.model_validate(params.members)
    report = await _RUNS[body.job](app, body, body.request(params.remaining_s))
    return Response(summary(report, counts=_REPORTS[body.job][1], shards=body.count))


async def finish_sync(app: App, params: Params) -> Response:
    """Do what only the end of all shards may, and give the report of all."""
    body = FinishBody.model_validate(params.members)
    first = body.shards[0]
    operation, counts = _REPORTS[first.job]
    summaries = _by_index(body.results)
    lost = [await _lost(app, shard, body.results) for shard in body.shards if shard.index not in summaries]
    found = [summaries[shard.index] for shard in body.shards if shard.index in summaries]
    report = merged(
        found,
        lost,
        operation=operation,
        counts=counts,
        started_at=iso(first.started_at),
        duration_s=max(0.0, (app.now() - first.started_at).total_seconds()),
    )
    whole = not lost and not any(each["isOutOfTime"] for each in found)
    warnings = [await _warning_of(_end(app, body, report, first.started_at, whole=whole))]
    report["warnings"] += [each for each in warnings if each]
    app.log_report(report)
    if lost:  # the other metrics are those of the shards, which add up
        await app.publish_lost_scopes(operation, sum(each.scopes for each in lost))
    return Response({**report, "timestamp": report["startedAt"]})


async def _end(app: App, body: FinishBody, report: Mapping[str, Any], started_at: datetime, *, whole: bool) -> None:
    job = body.shards[0].job
    if job is not Job.STAGING:
        await finish_shards(app.deps, started_at, completed=whole)
    if job is Job.TAGS:
        state = app.tag_state()
        if body.lock_owner and not await state.acquire(owner=body.lock_owner):
            raise TagSyncRunningError  # no shard could renew it, and another sync has begun: that one's result counts
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
        return {**error.problem.as_json(), "regions": []}  # what the shards did stays, the next run does the rest
    except TagSyncRunningError as error:
        problem = Problem("LeaseLost", f"the result is not stored: {error.message}", RegionStatus.ERROR, "dynamodb")
        return {**problem.as_json(), "regions": []}
    return None


def _by_index(results: Sequence[ShardResult]) -> dict[int, Mapping[str, Any]]:
    """Give the summaries among results; of a shard that ran twice the later one."""
    return {each.index: each.report for each in results if "sums" in each.report}


async def _lost(app: App, shard: ShardBody, results: Sequence[ShardResult]) -> Lost:
    """Find out what a shard was to look at; nobody did."""
    reasons = [each.reason for each in results if each.index == shard.index]
    context = await _context_loader(app).load(
        SyncRequest(full_scan=shard.full_scan, shard=Shard(shard.index, shard.count)),
        operation=_REPORTS[shard.job][0],
        discover=shard.job is Job.INVENTORY,
    )
    selection = context.selection
    why = reasons[-1] if reasons else "nothing was heard of it"
    return Lost(shard.index, len(context.accounts), len(selection.scopes), len(selection.skipped), why)


def _context_loader(app: App) -> ContextLoader:
    return ContextLoader(app.aws_client, app.settings, app.status, app.now)


OPERATIONS: Final[Mapping[str, Operation[App]]] = MappingProxyType(
    {
        "plan_sync": Operation(plan_sync, lambda params: PlanBody.model_validate(params.members)),
        "sync_shard": Operation(sync_shard, lambda params: ShardBody.model_validate(params.members)),
        "finish_sync": Operation(finish_sync, lambda params: FinishBody.model_validate(params.members)),
    }
)
