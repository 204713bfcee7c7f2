"""When a failed call is tried again: attempts per kind of error, a shared retry budget, and backoff with full jitter.

Pure arithmetic over a time that is passed in. `AwsClient.send` is the only place that retries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from service.errors import ErrorClass
from service.models import RegionStatus

__all__ = ["RetryBudget", "backoff_s", "max_attempts", "max_wait_s"]

_MAX_ATTEMPTS: Final = 4
_MAX_ATTEMPTS_THROTTLED: Final = 12
_MAX_ATTEMPTS_ONCE_MORE: Final = 2
_MAX_WAIT_S: Final = 5.0
_MAX_WAIT_THROTTLED_S: Final = 30.0
_BACKOFF_BASE_S: Final = 0.25
_BACKOFF_CAP_S: Final = 8.0


def max_attempts(error_class: ErrorClass) -> int:
    """Return how many attempts one call may make when it fails with this kind of error; 1: it is never retried."""
    if not error_class.retry:
        return 1
    if error_class.throttle:
        return _MAX_ATTEMPTS_THROTTLED
    # New credentials either work or do not; an endpoint that cannot be reached costs a connect time-out per attempt.
    once_more = error_class.expired or error_class.status is RegionStatus.ENDPOINT_UNREACHABLE
    return _MAX_ATTEMPTS_ONCE_MORE if once_more else _MAX_ATTEMPTS


def max_wait_s(error_class: ErrorClass) -> float:
    """Return how long one retry may wait for the retry budget, in seconds."""
    return _MAX_WAIT_THROTTLED_S if error_class.throttle else _MAX_WAIT_S


@dataclass(slots=True)
class RetryBudget:
    """Retries are paid for by successes, so that an outage is not met with a storm of calls.

    Every success pays for one retry (a service that refuses every other call still gets through); a small start sum and
    a trickle let the first ones probe; no more than that is ever saved, or an outage after a good run would be met with
    all that the run had paid in. Shared by all calls of a client to one service: an answer of DynamoDB says nothing
    about DRS.
    """

    start: float = 10.0
    per_success: float = 1.0
    per_second: float = 0.05
    maximum: float = 10.0
    _tokens: float = field(init=False)
    _at: float | None = None

    def __post_init__(self) -> None:
        self._tokens = self.start

    def succeeded(self) -> None:
        """Pay in."""
        self._tokens = min(self.maximum, self._tokens + self.per_success)

    def spend(self, now: float, *, longest_wait_s: float) -> float | None:
        """Take one retry; return how long to wait for it, None when that would be longer than `longest_wait_s`."""
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        if self._tokens < self.start:
            self._tokens = min(self.start, self._tokens + elapsed * self.per_second)
        wait = max(0.0, (1.0 - self._tokens) / self.per_second)
        if wait > longest_wait_s:
            return None
        self._tokens -= 1.0
        return wait


def backoff_s(attempt: int, *, jitter: float, retry_after_s: float | None) -> float:
    """Return how long to wait before the next attempt: exponential with full jitter, never less than AWS asked for.

    Args:
        attempt: attempts made so far, from 1.
        jitter: uniform in [0, 1).
        retry_after_s: what the service asked for, if it did.
    """
    jittered = jitter * min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2.0**attempt)
    return jittered if retry_after_s is None else retry_after_s + jittered / 4
