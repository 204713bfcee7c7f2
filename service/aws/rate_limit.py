"""Client-side rate limit: an adaptive token bucket and a concurrency limit (semaphore) per (service, account, region).

The rate is additive increase, multiplicative decrease (AIMD): it grows while nothing is throttled and halves when AWS
throttles. `AdaptiveRate` is arithmetic over a time that is passed in; `RateLimiter` waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import anyio

from service.errors import AwsError
from service.models import Call

__all__ = ["AdaptiveRate", "RateLimiter", "RateSettings", "start_rates"]


@dataclass(frozen=True, slots=True)
class RateSettings:
    """Start values of a rate limit: calls per second, burst after a pause, concurrent calls.

    `maximum` is how many calls per second the rate may reach while nothing is throttled; None: it stays at the start.
    """

    per_second: float
    burst: int
    concurrency: int
    maximum: float | None = None


_FIXED_RATES: Final[Mapping[str, RateSettings]] = MappingProxyType(
    {
        # EC2 API throttling guide: filtered DescribeInstances has a bucket of 100 refilled at 20/s, shared with others.
        "ec2": RateSettings(per_second=10.0, burst=20, concurrency=4),
        # IAM and STS quotas: 600 requests/s per account and region, charged to the caller; ten shards share them.
        "sts": RateSettings(per_second=50.0, burst=50, concurrency=16),
        # A new on-demand table takes 4,000 writes/s; a batch is 25 of them.
        "dynamodb": RateSettings(per_second=200.0, burst=200, concurrency=32),
        # At most a few calls an hour; the quotas are far higher (EventBridge PutRule 50/s, Lambda Invoke 10/s up).
        "events": RateSettings(per_second=5.0, burst=5, concurrency=2),
        "lambda": RateSettings(per_second=5.0, burst=10, concurrency=4),
    }
)


def start_rates(drs: RateSettings) -> Mapping[str, RateSettings]:
    """Return the initial rate limit of every service; AWS publishes none for DRS, so that one is a setting."""
    return MappingProxyType({**_FIXED_RATES, "drs": drs})


@dataclass(slots=True)
class AdaptiveRate:
    """A token bucket with an AIMD rate. Times are seconds of one monotonic clock.

    The rate grows only while calls have to wait for it: by one call per second for each success until the first
    throttling, which doubles it about once a second; afterwards by a twentieth of the start rate, and ten times slower
    near the rate that was throttled last. It halves on throttling.
    """

    start: RateSettings
    per_second: float = field(init=False)
    pauses: int = 0
    """Number of Retry-After pauses so far; a reservation made before the last one is void."""
    _tokens: float = field(init=False)
    _maximum: float = field(init=False)
    _at: float = 0.0
    _not_before: float = 0.0
    _slowed_at: float = float("-inf")
    _throttled_at_rate: float = float("inf")
    _is_waited_for: bool = False

    def __post_init__(self) -> None:
        self.per_second = self.start.per_second
        self._maximum = max(self.start.per_second, self.start.maximum or 0.0)
        self._tokens = float(self.start.burst)

    def paused_s(self, now: float) -> float:
        """Return the seconds left of the pause that a Retry-After demanded."""
        return max(0.0, self._not_before - now)

    def reserve(self, now: float) -> float:
        """Reserve the next call; return the seconds to wait before it is sent."""
        start = max(now, self._not_before)
        self._tokens = min(float(self.start.burst), self._tokens + max(0.0, start - self._at) * self.per_second)
        self._at = max(self._at, start)
        self._tokens -= 1.0
        self._is_waited_for = self._tokens < 0
        return start - now + max(0.0, -self._tokens / self.per_second)

    def throttled(self, now: float, *, sent_at: float, retry_after_s: float | None) -> None:
        """Halve the rate, and pause for Retry-After. Calls sent before the last halving do not halve it again."""
        if retry_after_s is not None and now + retry_after_s > self._not_before:
            self._not_before = now + retry_after_s
            self._at = max(self._at, self._not_before)  # no tokens are added during the pause
            self._tokens = 0.0  # waiting calls reserve again after the pause
            self.pauses += 1
        if sent_at <= self._slowed_at:
            return
        self._slowed_at = now
        self._throttled_at_rate = self.per_second
        self.per_second = max(self.start.per_second / 16, self.per_second / 2)
        self._tokens = min(self._tokens, 0.0)

    def succeeded(self) -> None:
        """Raise the rate a little, if calls have to wait for it."""
        start = self.start.per_second
        if self._throttled_at_rate == float("inf"):
            step = 1.0 if self._is_waited_for else 0.0
        elif self.per_second < max(start, 0.9 * self._throttled_at_rate):
            step = start / 20
        else:
            step = start / 200 if self._is_waited_for else 0.0
        self.per_second = min(self._maximum, self.per_second + step)


class RateLimiter:
    """Rate limit and concurrency limit of one (service, account, region)."""

    def __init__(self, settings: RateSettings) -> None:
        self.rate = AdaptiveRate(settings)
        self.slots = anyio.CapacityLimiter(settings.concurrency)

    async def wait(self, call: Call) -> float:
        """Wait until a call may be sent; return the time at which it is.

        Raises:
            AwsError: Retry-After ends after the deadline. Nothing is sent: waiting would only replace the throttling
                by a timeout.
        """
        while True:
            now, pauses = anyio.current_time(), self.rate.pauses
            pause = self.rate.paused_s(now)
            if pause and now + pause >= anyio.current_effective_deadline():
                raise AwsError("ThrottlingException", f"not sent: Retry-After lasts {pause:.0f} s more", call)
            wait = self.rate.reserve(now)
            if wait <= 0:
                return now
            await anyio.sleep(wait)
            # After a Retry-After that arrived during the sleep, this call has to reserve again too.
            if self.rate.pauses == pauses:
                return anyio.current_time()
