"""Work under a lease: renewed while the work lasts, which ends when another owner has the lease or may have it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import anyio

from service.aws.call_guard import guarding_calls
from service.errors import AwsError
from service.fanout import unwrap_group
from service.models import Now
from service.sync.engine.sync import RunEndedError
from service.tenure import Tenure

__all__ = ["Lease", "LeaseLostError", "under_lease"]

T = TypeVar("T")
_log: Final = logging.getLogger(__name__)


class Lease(Protocol):
    """A lease that was taken, and can be taken again by the same owner."""

    async def acquire(self, *, owner: str) -> bool:
        """Take or renew it; return whether it is the owner's now. Raises AwsError when that is not known."""
        ...


class LeaseLostError(RunEndedError):
    """The lease ended before the work did. What was written stays."""


async def under_lease(lease: Lease, owner: str, lasts_s: float, work: Callable[[], Awaitable[T]], *, now: Now) -> T:
    """Do work, and renew its lease each time a third of it has passed.

    A renewal that fails is tried again and again; when nine tenths of the lease have passed without one, or when
    another owner has it, the work is cancelled, and it sends no call any more. So a process that stood still for longer
    than its lease writes nothing beside its successor; only what was on its way already may still arrive.

    Raises:
        LeaseLostError: the lease is lost.
        DrsSyncError: what the work raised.
    """
    done: list[T] = []
    tenure = Tenure(lasts_s * 0.9, now)

    def check() -> None:
        if not tenure.is_sure:
            raise LeaseLostError

    async def renew_until_lost(cancel_scope: anyio.CancelScope) -> None:
        wait_s = lasts_s / 3
        while True:
            await anyio.sleep(wait_s)
            requested = tenure.stamp()
            try:
                is_ours = await lease.acquire(owner=owner)
            except AwsError as error:
                _log.warning("lease not renewed", extra={"code": error.code})
                wait_s = lasts_s / 30
                is_ours = tenure.is_sure
            else:
                tenure.began, wait_s = requested, lasts_s / 3  # it may have been granted as soon as it was requested
            if not is_ours:
                cancel_scope.cancel()
                return

    with unwrap_group():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(renew_until_lost, tasks.cancel_scope)
            with guarding_calls(check):
                done.append(await work())
            tasks.cancel_scope.cancel()
    if not done:
        raise LeaseLostError
    return done[0]
