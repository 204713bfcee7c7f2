"""Replication templates: read once an hour per scope, however many callers need them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import anyio
import pytest

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.models import Call, Scope
from service.sync.inventory.templates import RunTemplates, Templates
from tests.simulation.clock import VirtualLoop, run

A: Final = Scope("111122223333", "us-west-2")
SCOPES: Final = (A, Scope("444455556666", "us-west-2"), Scope("111122223333", "eu-west-1"))
NOW: Final = datetime(2026, 11, 23, tzinfo=UTC)


class Drs:
    """DRS of one account, with a latency of one second."""

    def __init__(self, account_id: str, reads: Counter[Scope], refusals: int = 0) -> None:
        self._account_id = account_id
        self._reads = reads
        self._refusals = refusals

    async def templates(self, region: str) -> list[dict[str, Any]]:
        scope = Scope(self._account_id, region)
        self._reads[scope] += 1
        await anyio.sleep(1.0)
        if self._refusals:
            self._refusals -= 1
            raise AwsError("ThrottlingException", "no", Call("drs", "x", *scope))
        return [{"of": scope}]


def drs_of(account_id: str, reads: Counter[Scope], refusals: int = 0) -> DrsReads:
    return cast("DrsReads", Drs(account_id, reads, refusals))


def test_each_scope_has_its_own_and_concurrent_callers_share_one_call() -> None:
    async def work(_: VirtualLoop) -> None:
        templates, reads, received = Templates(lambda: NOW), Counter[Scope](), dict[Scope, list[Any]]()

        async def read(scope: Scope) -> None:
            received.setdefault(scope, []).append(await templates.of(scope, drs_of(scope.account_id, reads)))

        async with anyio.create_task_group() as tasks:
            for scope in SCOPES * 3:
                tasks.start_soon(read, scope)
        assert received == {scope: [[{"of": scope}]] * 3 for scope in SCOPES}
        assert reads == Counter(SCOPES)

    run(work)


@pytest.mark.parametrize(("minutes", "calls"), [(59, 1), (61, 2)])
def test_templates_are_cached_for_an_hour(minutes: int, calls: int) -> None:
    async def work(_: VirtualLoop) -> Mapping[Scope, int]:
        moments, reads = [NOW], Counter[Scope]()
        templates = Templates(lambda: moments[-1])
        await templates.of(A, drs_of(A.account_id, reads))
        moments.append(NOW + timedelta(minutes=minutes))
        await templates.of(A, drs_of(A.account_id, reads))
        return reads

    assert run(work) == {A: calls}


def test_what_could_not_be_read_is_read_again() -> None:
    async def work(_: VirtualLoop) -> None:
        templates, reads = Templates(lambda: NOW), Counter[Scope]()
        drs = drs_of(A.account_id, reads, refusals=1)
        with pytest.raises(AwsError):
            await templates.of(A, drs)
        assert await templates.of(A, drs) == [{"of": A}]

    run(work)


def test_a_run_does_not_ask_twice_what_was_refused_and_the_next_run_does() -> None:
    async def work(_: VirtualLoop) -> None:
        templates, reads = Templates(lambda: NOW), Counter[Scope]()
        drs = drs_of(A.account_id, reads, refusals=1)

        async def enter(account_id: str) -> DrsReads:
            assert account_id == A.account_id
            return drs

        of_run, codes = RunTemplates(templates, enter), []

        async def read() -> None:
            with pytest.raises(AwsError) as raised:
                await of_run.of(A)
            codes.append(raised.value.code)

        async with anyio.create_task_group() as tasks:
            for task in (read, read, read):
                tasks.start_soon(task)
        assert codes == ["ThrottlingException"] * 3
        assert reads == {A: 1}
        assert await RunTemplates(templates, enter).of(A) == [{"of": A}]

    run(work)
