"""The tag sync under its lock: one at a time, since two at once would double thousands of calls to DRS."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import anyio

from service.context import SyncRequest
from service.deadline import Deadline
from service.errors import AwsError, BusyError
from service.sync.engine.lease import LeaseLostError, under_lease
from service.sync.engine.report import Progress
from service.sync.engine.runner import run
from service.sync.engine.sync import Deps
from service.sync.tags.state import LOCK_S, TagState
from service.sync.tags.sync import TagSync

__all__ = ["TagSyncRunningError", "sync_tags", "tag_state"]

_log = logging.getLogger(__name__)
_MAX_RELEASE_S: Final = 5.0
_RELEASE_S: Final = 1.0  # of a run's time, kept for the release of the lock


class TagSyncRunningError(BusyError):
    """A tag sync is running already."""

    def __init__(self) -> None:
        super().__init__(
            "ALREADY_RUNNING", "a tag sync is running already. Fix: try again when it has ended", status=409
        )


def tag_state(deps: Deps) -> TagState:
    """Return the tag sync's lock, memory and last result."""
    return TagState.of(deps.aws_client, deps.settings, deps.now)


async def sync_tags(
    request: SyncRequest,
    deps: Deps,
    progress: Progress | None = None,
    *,
    source: str = "manual",
    lock_owner: str | None = None,
) -> dict[str, Any]:
    """Run the tag sync once under its lock and return its report. A dry run takes no lock.

    Args:
        request: what to sync.
        deps: of the process.
        progress: shows how the run gets on.
        source: what started it: manual, eventbridge or settings_update; stored with the result.
        lock_owner: owner of a lock that was taken for this run beforehand, which takes it over; shards share it, and
            leave it to the plan that took it.

    Raises:
        TagSyncRunningError: another one is running: nothing was done, or this one stood still for longer than its lease
            and was taken over; what it wrote stays.
        DeadlineExceededError: the time was up before the lock was taken: nothing was done.
        ConfigurationError, AwsError: as `service.sync.engine.runner.run` does.
    """
    shared = lock_owner if request.shard else None
    state = tag_state(deps)
    if request.dry_run or (request.shard and not shared):
        return await run(TagSync(state, source), request, deps, progress)
    owner, deadline = shared or uuid4().hex, Deadline(deps.shutdown, request.remaining_s)
    is_ours: bool | None = None

    async def work() -> dict[str, Any]:
        left_s = deadline.time_left_s()
        within = replace(request, remaining_s=None if left_s is None else left_s - _RELEASE_S)
        return await run(TagSync(state, source), within, deps, progress)

    try:
        is_ours = await deadline.run_essential(lambda: state.acquire(owner=owner, takes_over=lock_owner))
        if not is_ours:
            raise TagSyncRunningError
        return await under_lease(state, owner, LOCK_S, work, now=deps.now)
    except LeaseLostError:
        raise TagSyncRunningError from None
    finally:
        if is_ours is not False and not shared:  # None: it may have been taken all the same
            await _release(state, owner, deadline)


async def _release(state: TagState, owner: str, deadline: Deadline) -> None:
    """Release the lock; where that fails the lock becomes void by itself, and the run's report is worth more."""
    with deadline.grace_period() as cancel_scope:
        cancel_scope.shield = True
        cancel_scope.deadline = min(cancel_scope.deadline, anyio.current_time() + _MAX_RELEASE_S)
        try:
            await state.release(owner)
        except AwsError as error:
            _log.warning("tag sync lock not released", extra={"code": error.code, "reason": error.message})
    if cancel_scope.cancelled_caught:
        _log.warning("tag sync lock not released", extra={"code": "DeadlineExceeded"})
