"""Injects declared faults into calls: throttling, denials, failures and latency."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from typing import Final

from service.sandbox import error_responses
from service.sandbox.aws_protocols import Call, Response, error_response
from service.sandbox.faults import Fail, Faults
from service.sandbox.identity_store import CallerIdentity

__all__ = ["FaultInjector"]

_REQUEST_TOKEN: Final = re.compile(rb'"nextToken"\s*:\s*"([^"]+)"')
_RESPONSE_TOKEN: Final = re.compile(rb'"nextToken"\s*:\s*"([^"]+)"|<nextToken>([^<]+)</nextToken>')


class FaultInjector:
    """Faults of one sandbox and their state: token buckets, counters, page tokens. Thread-safe."""

    def __init__(self, faults: Faults, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.replace(faults)

    def replace(self, faults: Faults) -> None:
        """Replace the faults; token buckets become full and counters zero."""
        with self._lock:
            self.faults = faults
            self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
            self._matched = [0] * len(faults.fail)
            self._failed = [0] * len(faults.fail)
            self._pages: dict[tuple[str, str, str, str], int] = {}
            self._counts_pages = any(rule.page is not None for rule in faults.fail)

    def fault_response(self, call: Call, caller: CallerIdentity) -> Response | None:
        """Return the error response that a fault gives to a call, or None when no fault applies."""
        with self._lock:
            return self._throttle(call, caller) or self._deny(call, caller) or self._fail(call, caller)

    def _throttle(self, call: Call, caller: CallerIdentity) -> Response | None:
        scope = (caller.account_id, call.region)
        limit = self.faults.throttle.rate_of(*scope) if call.service == "drs" else None
        if limit is None:
            return None
        rate, burst = limit
        now = self._clock()
        tokens, filled_at = self._buckets.get(scope, (float(burst), now))
        tokens = min(float(burst), tokens + (now - filled_at) * rate)
        allowed = tokens >= 1
        self._buckets[scope] = (tokens - 1 if allowed else tokens, now)
        return None if allowed else error_responses.throttled(call, max(1, math.ceil((1 - tokens) / rate)))

    def _deny(self, call: Call, caller: CallerIdentity) -> Response | None:
        for rule in self.faults.deny:
            if rule.matches(caller.account_id, call):
                named = set(rule.operations or ()) & set(call.iam_actions())
                action = f"{call.service}:{min(named)}" if named else None
                return error_responses.access_denied(
                    call, caller.arn, scp=rule.scp, message=rule.message, action=action
                )
        return None

    def _fail(self, call: Call, caller: CallerIdentity) -> Response | None:
        response = None
        for index, rule in enumerate(self.faults.fail):
            if not rule.matches(caller.account_id, call):
                continue
            self._matched[index] += 1
            if response is None and self._is_due(index, rule, call, caller):
                self._failed[index] += 1
                response = error_response(call, rule.error, rule.message, status=rule.status)
        return response

    def _is_due(self, index: int, rule: Fail, call: Call, caller: CallerIdentity) -> bool:
        if rule.times is not None and self._failed[index] >= rule.times:
            return False
        if rule.page is not None:
            return self._page_of(call, caller) == rule.page
        return self._matched[index] >= rule.from_call

    def _page_of(self, call: Call, caller: CallerIdentity) -> int:
        token = _request_token(call)
        return self._pages.get((caller.account_id, call.region, call.operation, token), 1) if token else 1

    def record_page_token(self, call: Call, caller: CallerIdentity, response: Response) -> None:
        """Record the page number that the pagination token of a response leads to."""
        if not self._counts_pages:
            return
        match = _RESPONSE_TOKEN.search(response.body)
        if match is None:
            return
        with self._lock:
            token = (match[1] or match[2]).decode()
            self._pages[caller.account_id, call.region, call.operation, token] = self._page_of(call, caller) + 1


def _request_token(call: Call) -> str:
    if call.form:
        return call.form.get("NextToken", "")
    match = _REQUEST_TOKEN.search(call.body)
    return match[1].decode() if match else ""
