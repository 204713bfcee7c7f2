"""Retry policy: attempts per class of error, a retry budget, exponential backoff with full jitter.

Pure functions of a time that is passed in. `AwsClient.send` is the only place that retries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from service.error_classes import ErrorClass

__all__ = ["RetryBudget", "backoff_s", "max_attempts", "max_wait_s"]

_MAX_ATTEMPTS: Final = 4
_MAX_ATTEMPTS_THROTTLED: Final = 12
_MAX_ATTEMPTS_RETRY_ONCE: Final = 2
_MAX_WAIT_S: Final = 5.0
_MAX_WAIT_THROTTLED_S: Final = 30.0
_BACKOFF_BASE_S: Final = 0.25
_BACKOFF_CAP_S: Final = 8.0


def max_attempts(error_class: ErrorClass) -> int:
    """Return the maximum number of attempts of a call that fails with this class of error; 1 means no retry."""
    if not error_class.retry:
        return 1
    if error_class.throttle:
        return _MAX_ATTEMPTS_THROTTLED
    return _MAX_ATTEMPTS_RETRY_ONCE if error_class.retry_once else _MAX_ATTEMPTS


def max_wait_s(error_class: ErrorClass) -> float:
    """Return the maximum time that one retry waits for the retry budget, in seconds."""
    return _MAX_WAIT_THROTTLED_S if error_class.throttle else _MAX_WAIT_S


@dataclass(slots=True)
class RetryBudget:
    """Retry budget of one service: a pool of tokens that all accounts share, and one retry for each account besides.

    Each success adds a token to the pool and each retry takes one, so an outage causes no storm of retries. One token
    per success lets a service recover that fails every other call. A few start tokens, and a slow refill, allow the
    first retries. The maximum is low, so that a long good run does not allow a storm in the outage after it.

    The pool alone would let accounts that always fail take the retries of accounts that fail once. So an account that
    has had no retry since its last success gets one even if the pool is empty. `own_maximum` limits how many such
    retries there are in all before the service answers somebody: where hundreds of accounts fail, the service is down.
    DynamoDB and DRS have separate budgets.
    """

    start: float = 10.0
    per_success: float = 1.0
    per_second: float = 0.05
    maximum: float = 10.0
    own_after_s: float = 300.0
    own_maximum: float = 50.0
    _tokens: float = field(init=False)
    _own_left: float = field(init=False)
    _own_taken_at: dict[str, float] = field(default_factory=dict)
    _at: float | None = None

    def __post_init__(self) -> None:
        self._tokens = self.start
        self._own_left = self.own_maximum

    def succeeded(self, account_id: str) -> None:
        """Add a token for a success, and give the account its own retry back."""
        self._tokens = min(self.maximum, self._tokens + self.per_success)
        self._own_left = min(self.own_maximum, self._own_left + self.per_success)
        self._own_taken_at.pop(account_id, None)

    def spend(self, now: float, account_id: str, *, longest_wait_s: float) -> float | None:
        """Take one retry of an account; return the seconds to wait for it, None if more than `longest_wait_s`."""
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        if self._tokens < self.start:
            self._tokens = min(self.start, self._tokens + elapsed * self.per_second)
        wait = max(0.0, (1.0 - self._tokens) / self.per_second)
        has_own = now - self._own_taken_at.get(account_id, -math.inf) >= self.own_after_s
        if wait and has_own and self._own_left >= 1.0 and longest_wait_s >= 0:
            self._own_left -= 1.0
            self._own_taken_at[account_id] = now
            return 0.0
        if wait > longest_wait_s:
            return None
        self._tokens -= 1.0
        self._own_taken_at[account_id] = now
        return wait


def backoff_s(attempt: int, *, jitter: float, retry_after_s: float | None) -> float:
    """Return the seconds to wait before the next attempt: exponential backoff with full jitter, at least Retry-After.

    Args:
        attempt: attempts made so far, from 1.
        jitter: uniform in [0, 1).
        retry_after_s: Retry-After of the response, None without one.
    """
    jittered = jitter * min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2.0**attempt)
    return jittered if retry_after_s is None else retry_after_s + jittered / 4
