"""How fast and how often we call: pace per (service, account, region) and the shared budget for further tries.

Both are arithmetic over a time that is handed in; `door.py` does the waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["Pace", "Rate", "RetryBudget", "backoff_s", "rates"]


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a pace starts: calls per second, calls at once after a pause, calls in flight.

    `most` is how many calls per second a pace may reach where the service never throttles; None: it stays at the start.
    """

    per_second: float
    burst: int
    at_once: int
    most: float | None = None


_OTHERS: Final[Mapping[str, Rate]] = MappingProxyType(
    {
        # EC2 API throttling guide: filtered DescribeInstances has a bucket of 100 refilled at 20/s, shared with others.
        "ec2": Rate(per_second=10.0, burst=20, at_once=4),
        # IAM and STS quotas: 600 requests/s per account and region, charged to the caller; ten shards share them.
        "sts": Rate(per_second=50.0, burst=50, at_once=16),
        # A new on-demand table takes 4,000 writes/s; a batch is 25 of them.
        "dynamodb": Rate(per_second=200.0, burst=200, at_once=32),
        # Asked a few times an hour at most; the quotas are far above (EventBridge PutRule 50/s, Lambda Invoke 10/s up).
        "events": Rate(per_second=5.0, burst=5, at_once=2),
        "lambda": Rate(per_second=5.0, burst=10, at_once=4),
    }
)


def rates(drs: Rate) -> Mapping[str, Rate]:
    """Give the start rate of every service; DRS publishes none, so its own is a setting."""
    return MappingProxyType({**_OTHERS, "drs": drs})


@dataclass(slots=True)
class Pace:
    """A token bucket whose rate looks for what the service bears: up call by call, by half down on throttling.

    It grows only while calls have to wait for it: by one a second per success until the first throttling, which doubles
    it about once a second; afterwards by a twentieth of the start rate, and ten times slower near the rate that was
    throttled last. Times are seconds of one monotonic clock.
    """

    rate: Rate
    per_second: float = field(init=False)
    pauses: int = 0
    """How often the service asked for a pause: places that were taken before the last one are void."""
    _tokens: float = field(init=False)
    _most: float = field(init=False)
    _at: float = 0.0
    _not_before: float = 0.0
    _slowed_at: float = float("-inf")
    _refused_at_rate: float = float("inf")
    _is_waited_for: bool = False

    def __post_init__(self) -> None:
        self.per_second = self.rate.per_second
        self._most = max(self.rate.per_second, self.rate.most or 0.0)
        self._tokens = float(self.rate.burst)

    def paused_s(self, now: float) -> float:
        """Tell how long the pause that the service asked for still lasts."""
        return max(0.0, self._not_before - now)

    def reserve(self, now: float) -> float:
        """Take the next place in the queue; tell how many seconds to wait for it."""
        start = max(now, self._not_before)
        self._tokens = min(float(self.rate.burst), self._tokens + max(0.0, start - self._at) * self.per_second)
        self._at = max(self._at, start)
        self._tokens -= 1.0
        self._is_waited_for = self._tokens < 0
        return start - now + max(0.0, -self._tokens / self.per_second)

    def throttled(self, now: float, *, sent_at: float, retry_after_s: float | None) -> None:
        """Slow down. Calls that were already under way at the last slow-down do not slow down twice."""
        if retry_after_s is not None and now + retry_after_s > self._not_before:
            self._not_before = now + retry_after_s
            self._at = max(self._at, self._not_before)  # nothing is saved up meanwhile
            self._tokens = 0.0  # whoever waits takes a new place behind the pause
            self.pauses += 1
        if sent_at <= self._slowed_at:
            return
        self._slowed_at = now
        self._refused_at_rate = self.per_second
        self.per_second = max(self.rate.per_second / 16, self.per_second / 2)
        self._tokens = min(self._tokens, 0.0)

    def succeeded(self) -> None:
        """Speed up a little, if this pace is what holds calls back."""
        start = self.rate.per_second
        if self._refused_at_rate == float("inf"):
            step = 1.0 if self._is_waited_for else 0.0
        elif self.per_second < max(start, 0.9 * self._refused_at_rate):
            step = start / 20
        else:
            step = start / 200 if self._is_waited_for else 0.0
        self.per_second = min(self._most, self.per_second + step)


@dataclass(slots=True)
class RetryBudget:
    """Further tries are paid for by successes, so that an outage is not met with a storm.

    Every success pays for one further try (a service that refuses every other call is still got through); a small start
    sum and a trickle let the first ones probe; no more than that is ever saved, or an outage after a good run would be
    met with all that the run had paid in. Shared by all calls of a door to one service: what DynamoDB answers says
    nothing about DRS.
    """

    start: float = 10.0
    per_success: float = 1.0
    per_second: float = 0.05
    most: float = 10.0
    _tokens: float = field(init=False)
    _at: float | None = None

    def __post_init__(self) -> None:
        self._tokens = self.start

    def succeeded(self) -> None:
        """Pay in."""
        self._tokens = min(self.most, self._tokens + self.per_success)

    def spend(self, now: float, *, longest_wait_s: float) -> float | None:
        """Take one try; tell how long to wait for it, or None when that would be longer than `longest_wait_s`."""
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        if self._tokens < self.start:
            self._tokens = min(self.start, self._tokens + elapsed * self.per_second)
        wait = max(0.0, (1.0 - self._tokens) / self.per_second)
        if wait > longest_wait_s:
            return None
        self._tokens -= 1.0
        return wait


_BASE_S: Final = 0.25
_CAP_S: Final = 8.0


def backoff_s(attempt: int, *, dice: float, retry_after_s: float | None) -> float:
    """Tell how long to wait before the next try: exponential with full jitter, never less than AWS asked for.

    Args:
        attempt: tries made so far, from 1.
        dice: uniform in [0, 1).
        retry_after_s: what the service asked for, if it did.
    """
    jittered = dice * min(_CAP_S, _BASE_S * 2.0**attempt)
    return jittered if retry_after_s is None else retry_after_s + jittered / 4
