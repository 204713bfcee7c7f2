"""Work under a lease, on a clock that jumps."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import pytest

from service.aws.call_guard import check_call_guard
from service.errors import AwsError, ConfigurationError
from service.models import Call
from service.sync.engine.lease import LeaseLostError, under_lease
from tests.simulation.clock import VirtualLoop, run

LASTS_S = 900.0
DOWN = AwsError("InternalServerError", "no", Call("dynamodb", "PutItem", "hub", "us-east-1"))


@dataclass
class Row:
    """The row of a lease in a table: owner and expiry."""

    loop: VirtualLoop
    owner: str = "a"
    until: float = LASTS_S
    down: tuple[float, float] = (0.0, 0.0)
    renewals: list[float] = field(default_factory=list)

    async def acquire(self, *, owner: str) -> bool:
        await anyio.sleep(1.0)
        now = self.loop.time()
        if self.down[0] <= now < self.down[1]:
            raise DOWN
        if self.owner != owner and now < self.until:
            return False
        self.owner, self.until = owner, now + LASTS_S
        self.renewals.append(now)
        return True


def test_it_is_renewed_for_as_long_as_the_work_takes() -> None:
    async def work(loop: VirtualLoop) -> None:
        row = Row(loop)

        async def long() -> str:
            await anyio.sleep(10_000.0)
            assert row.until > loop.time()
            return "done"

        assert await under_lease(row, "a", LASTS_S, long, now=loop.wall) == "done"
        assert len(row.renewals) == 33
        await anyio.sleep(10_000.0)
        assert len(row.renewals) == 33  # no renewal after the work has ended

    run(work)


@pytest.mark.parametrize("down_s", [100.0, 500.0])
def test_a_table_that_is_down_for_a_while_does_not_end_the_work(down_s: float) -> None:
    async def work(loop: VirtualLoop) -> None:
        row = Row(loop, down=(290.0, 290.0 + down_s))
        await under_lease(row, "a", LASTS_S, lambda: anyio.sleep(5_000.0), now=loop.wall)

    run(work)


def test_work_ends_before_a_lease_that_cannot_be_renewed_does() -> None:
    async def work(loop: VirtualLoop) -> None:
        row = Row(loop, down=(0.0, 1e9))
        with pytest.raises(LeaseLostError):
            await under_lease(row, "a", LASTS_S, lambda: anyio.sleep(5_000.0), now=loop.wall)
        assert loop.time() < LASTS_S

    run(work)


@pytest.mark.parametrize("clock", ["both", "wall"])
@pytest.mark.parametrize("pause_s", [0.001, 10.0])
def test_a_process_suspended_for_longer_than_its_lease_writes_nothing_on_resume(clock: str, pause_s: float) -> None:
    """After a suspended process resumes, both clocks have moved on; after a machine slept, only the wall clock."""

    async def work(loop: VirtualLoop) -> None:
        row, wrote, slept_s = Row(loop), list[float](), 0.0

        async def writing() -> None:
            nonlocal slept_s
            while True:
                await anyio.sleep(pause_s)
                check_call_guard()  # as the AWS client does before each attempt
                wrote.append(loop.time())
                if len(wrote) == 20:
                    if clock == "both":
                        loop.advance(5_000.0)
                    else:
                        slept_s = 5_000.0
                    row.owner, row.until = "b", loop.time() + LASTS_S  # meanwhile another run acquires the lease

        with pytest.raises(LeaseLostError):
            await under_lease(row, "a", LASTS_S, writing, now=lambda: loop.wall(slept_s))
        assert len(wrote) == 20
        assert row.owner == "b"

    run(work)


def test_a_call_guard_applies_to_every_task_inside_and_none_outside() -> None:
    async def work(loop: VirtualLoop) -> None:
        refused = list[str]()

        async def check(name: str) -> None:
            try:
                check_call_guard()
            except LeaseLostError:
                refused.append(name)

        async def inside() -> None:
            loop.advance(LASTS_S)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(check, "inside")

        await under_lease(Row(loop), "a", LASTS_S, inside, now=loop.wall)
        await check("outside")
        assert refused == ["inside"]

    run(work)


def test_what_the_work_raises_comes_out_as_it_is() -> None:
    async def work(loop: VirtualLoop) -> None:
        async def fail() -> None:
            raise ConfigurationError("no")

        with pytest.raises(ConfigurationError):
            await under_lease(Row(loop), "a", LASTS_S, fail, now=loop.wall)

    run(work)
