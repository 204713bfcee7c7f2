"""What was not used for an hour is forgotten, and nothing else."""

from __future__ import annotations

import anyio
import pytest

from service.aws.client import AwsClient
from service.aws.recently_used import RecentlyUsed
from service.models import Call, utc_now
from service.settings import Settings


class Clock:
    now = 50_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(anyio, "current_time", clock)
    return clock


def test_a_value_is_made_once_while_it_is_used(clock: Clock) -> None:
    values: RecentlyUsed[str, object] = RecentlyUsed()
    first = values.get("a", object)
    for _ in range(10):
        clock.now += 3000
        assert values.get("a", object) is first


def test_it_does_not_grow_with_keys_that_are_gone(clock: Clock) -> None:
    values: RecentlyUsed[int, object] = RecentlyUsed()
    kept = values.get(-1, object)
    for number in range(5000):
        clock.now += 60
        values.get(number, object)
        assert values.get(-1, object) is kept
        assert len(values) <= 2 * 60 + 1


def test_a_client_forgets_the_rate_limits_of_accounts_that_are_gone(clock: Clock) -> None:
    aws_client = AwsClient(Settings(), utc_now)
    for number in range(5000):
        clock.now += 60
        aws_client._rate_limiter(Call("drs", "DescribeSourceServers", f"{number:012d}", "us-west-2"))
        assert len(aws_client._rate_limiters) <= 2 * 60 + 1
