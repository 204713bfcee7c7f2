"""Credentials of assumed roles: shared by concurrent callers, renewed in time, dropped when AWS reports expiry."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import anyio
import pytest
from botocore.credentials import ReadOnlyCredentials

from service.aws.credentials import AssumedRole
from tests.simulation.clock import BEGIN, VirtualLoop, run

LASTS: Final = timedelta(seconds=900)


class Sts:
    """STS that takes a second per call and returns credentials for 15 minutes."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.calls = 0

    async def assume(self) -> tuple[ReadOnlyCredentials, datetime]:
        self.calls += 1
        number, until = self.calls, self._loop.wall() + LASTS
        await anyio.sleep(1.0)
        return ReadOnlyCredentials(f"key-{number}", "secret", "token", None), until


def test_concurrent_callers_share_a_session() -> None:
    async def work(loop: VirtualLoop) -> None:
        sts = Sts(loop)
        role, keys = AssumedRole(sts.assume, loop.wall), list[str]()

        async def request_session() -> None:
            keys.append((await role()).access_key)

        async with anyio.create_task_group() as tasks:
            for _ in range(28):
                tasks.start_soon(request_session)
        assert (sts.calls, set(keys)) == (1, {"key-1"})

    run(work)


@pytest.mark.parametrize(("after_s", "key"), [(779.0, "key-1"), (780.0, "key-2"), (900.0, "key-2")])
def test_a_session_is_renewed_two_minutes_before_its_end(after_s: float, key: str) -> None:
    """A signed call may wait for its turn, and be retried, before it arrives."""

    async def work(loop: VirtualLoop) -> str:
        role = AssumedRole(Sts(loop).assume, loop.wall)
        await role()
        await anyio.sleep((BEGIN + timedelta(seconds=after_s) - loop.wall()).total_seconds())
        return str((await role()).access_key)

    assert run(work) == key


def test_a_session_that_aws_reports_as_expired_is_renewed_once_however_many_calls_are_rejected() -> None:
    async def work(loop: VirtualLoop) -> None:
        sts = Sts(loop)
        role = AssumedRole(sts.assume, loop.wall)
        used = (await role()).access_key
        for _ in range(28):  # calls in flight: the first rejection renews it, the others arrive later
            role.expire(used)
            assert (await role()).access_key == "key-2"
        assert sts.calls == 2

    run(work)
