"""Work under a lease: renewed while it lasts, and ended when another has taken it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import anyio

from service.errors import AwsError
from service.fanout import ungrouped

__all__ = ["Lease", "LeaseLostError", "under_lease"]

T = TypeVar("T")
_log: Final = logging.getLogger(__name__)


class Lease(Protocol):
    """A lease that was taken, and can be taken again by the same owner."""

    async def acquire(self, *, owner: str) -> bool:
        """Take or renew it; tell whether it is the owner's now. Raises AwsError when that is not known."""
        ...


class LeaseLostError(Exception):
    """The lease ended before the work did. What was written stays."""


async def under_lease(lease: Lease, owner: str, lasts_s: float, work: Callable[[], Awaitable[T]]) -> T:
    """Do work, and renew its lease each time a third of it has gone by.

    A renewal that fails is tried again and again; shortly before the lease would end, or when another has it, the work
    is cancelled. So who stood still for longer than its lease does not go on beside its successor for more
    than the calls under way.

    Raises:
        LeaseLostError: the lease is lost.
        DrsSyncError: what the work raised.
    """
    done: list[T] = []

    async def keep(scope: anyio.CancelScope) -> None:
        renewed_at, wait_s = anyio.current_time(), lasts_s / 3
        while True:
            await anyio.sleep(wait_s)
            asked_at = anyio.current_time()
            try:
                is_ours = await lease.acquire(owner=owner)
            except AwsError as error:
                _log.warning("lease not renewed", extra={"code": error.code})
                wait_s = lasts_s / 30
                is_ours = anyio.current_time() < renewed_at + lasts_s * 0.9
            else:
                renewed_at, wait_s = asked_at, lasts_s / 3
            if not is_ours:
                scope.cancel()
                return

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, tasks.cancel_scope)
            done.append(await work())
            tasks.cancel_scope.cancel()
    if not done:
        raise LeaseLostError
    return done[0]
