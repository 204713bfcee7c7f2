"""What every sync does with its places: visit many at once, each in its time, and pass on what became of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.ending import Limit
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Place, RegionStatus, Trouble
from service.sync.judge import Tokens, Visit, trouble_at
from service.sync.report import Progress

__all__ = ["Visiting"]


@dataclass(frozen=True, slots=True)
class Visiting:
    """How a run visits its places.

    Args:
        limit: the time of the run.
        most_s: seconds that one place may take.
        at_once: places that are visited side by side.
    """

    limit: Limit
    most_s: float
    at_once: int

    @asynccontextmanager
    async def visits(
        self, places: Iterable[Place], visit: Callable[[Place], Awaitable[Visit]], progress: Progress | None
    ) -> AsyncIterator[AsyncIterator[Visit]]:
        """Open a stream of one visit per place, each once it is settled. Raises as `fan_out` does."""
        async with fan_out(places, visit, at_once=self.at_once) as done:
            yield _settled(done, progress)

    async def in_time(self, place: Place, work: Callable[[], Awaitable[Trouble | None]]) -> Trouble | None:
        """Do the work at one place until its time is up; give what broke it off, None when nothing did."""
        remaining = min(self.most_s, self.limit.remaining_s())
        if remaining <= 0:
            return trouble_at(place, "DeadlineExceeded", f"{self.limit.reason()} before this place's turn")
        failure: Trouble | None = None
        with self.limit.scope(remaining) as scope:
            failure = await work()
        if not scope.cancelled_caught:
            return failure
        if self.limit.is_over:
            return trouble_at(place, "DeadlineExceeded", f"{self.limit.reason()} before this place was done")
        return trouble_at(place, "DeadlineExceeded", f"not done within {remaining:.0f} s")

    async def write_down(self, what: str, work: Callable[[], Awaitable[object]]) -> Trouble | None:
        """Keep something that was found, also at the end of the run's time; give what went wrong."""
        with self.limit.closing() as scope:
            try:
                await work()
            except AwsError as error:
                return error.trouble
        if not scope.cancelled_caught:
            return None
        message = f"{self.limit.reason()} before {what} was written"
        return Trouble("DeadlineExceeded", message, RegionStatus.ERROR, "dynamodb")


async def _settled(done: AsyncIterator[Visit], progress: Progress | None) -> AsyncIterator[Visit]:
    tokens = Tokens()
    async for visit in done:
        if progress is not None:
            progress.looked(visit.looked)
        for settled in tokens.judge(visit):
            yield settled
    for settled in tokens.rest():
        yield settled
