"""What every sync does with its places: visit many at once, each in its time, and pass on what became of them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from service.deadline import Deadline
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Problem, RegionStatus, Scope
from service.sync.engine.outcome import Tokens, Visit, problem_at
from service.sync.engine.report import Progress

__all__ = ["Visiting", "in_turn"]


@dataclass(frozen=True, slots=True)
class Visiting:
    """How a run visits its places.

    Args:
        deadline: of the run.
        max_s: seconds that one place may take.
        concurrency: places that are visited side by side.
        started_at: when the run began.
    """

    deadline: Deadline
    max_s: float
    concurrency: int
    started_at: datetime

    @asynccontextmanager
    async def visits(
        self, scopes: Collection[Scope], visit: Callable[[Scope], Awaitable[Visit]], progress: Progress | None
    ) -> AsyncIterator[AsyncIterator[Visit]]:
        """Open a stream of one visit per place, each once it is settled. Raises as `fan_out` does."""
        async with fan_out(in_turn(scopes, self.started_at), visit, concurrency=self.concurrency) as done:
            yield _settled(done, progress)

    async def in_time(self, scope: Scope, work: Callable[[], Awaitable[Problem | None]]) -> Problem | None:
        """Do the work at one place until its time is up; give what broke it off, None when nothing did."""
        remaining = min(self.max_s, self.deadline.remaining_s())
        if remaining <= 0:
            return problem_at(scope, "DeadlineExceeded", f"{self.deadline.reason()} before this place's turn")
        failure: Problem | None = None
        with self.deadline.cancel_scope(remaining) as cancel_scope:
            failure = await work()
        if not cancel_scope.cancelled_caught:
            return failure
        if self.deadline.is_over:
            return problem_at(scope, "DeadlineExceeded", f"{self.deadline.reason()} before this place was done")
        return problem_at(scope, "DeadlineExceeded", f"not done within {remaining:.0f} s")

    async def write_down(self, what: str, work: Callable[[], Awaitable[object]]) -> Problem | None:
        """Keep something that was found, also at the end of the run's time; give what went wrong."""
        with self.deadline.grace_period() as cancel_scope:
            try:
                await work()
            except AwsError as error:
                return error.problem
        if not cancel_scope.cancelled_caught:
            return None
        message = f"{self.deadline.reason()} before {what} was written"
        return Problem("DeadlineExceeded", message, RegionStatus.ERROR, "dynamodb")


def in_turn(scopes: Collection[Scope], started_at: datetime) -> list[Scope]:
    """Order places region by region, so that the first rows of the status table are written early.

    Each run draws the region that it begins with: where the time is always too short, it is not always the same ones
    that nobody gets to.
    """
    regions = sorted({scope.region for scope in scopes})
    first = random.Random(started_at.timestamp()).randrange(max(1, len(regions)))  # noqa: S311 - not a secret
    turn = {region: (position - first) % len(regions) for position, region in enumerate(regions)}
    return sorted(scopes, key=lambda scope: (turn[scope.region], scope.account_id))


async def _settled(done: AsyncIterator[Visit], progress: Progress | None) -> AsyncIterator[Visit]:
    tokens = Tokens()
    async for visit in done:
        if progress is not None:
            progress.looked(visit.looked)
        for settled in tokens.judge(visit):
            yield settled
    for settled in tokens.rest():
        yield settled
