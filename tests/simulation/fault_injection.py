"""Fault injection: errors, delays and latency for simulated calls, drawn from a seeded random source."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from service.models import Call

__all__ = ["FAULT_KINDS", "Fault", "FaultInjector", "When", "client_error"]


class When(Enum):
    """Whether a fault occurs before or after the call takes effect."""

    BEFORE = auto()
    AFTER = auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `wait_s`: how long the caller waits before the error.

    Without an error the call succeeds, and `alter` may change its response. If `may_arrive_late`, the request may still
    reach the service after the caller has given up.
    """

    name: str
    error: Callable[[Call], Exception] | None
    when: When = When.BEFORE
    wait_s: float = 0.0
    may_arrive_late: bool = False
    alter: Callable[[dict[str, Any]], dict[str, Any]] | None = None


def client_error(
    call: Call,
    code: str,
    message: str = "",
    members: Mapping[str, Any] | None = None,
    *,
    status: int = 400,
    **headers: str,
) -> ClientError:
    """Return the SDK's exception for an error response; `members` are those beside code and message."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    meta = {"HTTPStatusCode": status, "HTTPHeaders": named}
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": meta, **(members or {})}
    return ClientError(response, call.operation)


def _error(name: str, code: str, message: str = "", *, status: int = 400, **headers: str) -> Fault:
    return Fault(name, lambda call: client_error(call, code, message, None, status=status, **headers))


def _url(call: Call) -> str:
    return f"https://{call.service}.{call.region}.amazonaws.com"


_CONNECTION_ERRORS: Final = (
    ("reset", lambda call: ConnectionClosedError(endpoint_url=_url(call)), 0.0),
    ("timeout", lambda call: ReadTimeoutError(endpoint_url=_url(call)), 10.0),
    ("half body", lambda _: ResponseParserError("the response of 17 bytes is not a JSON object"), 0.0),
    ("no json", lambda _: ResponseParserError("the response is not JSON"), 0.0),
)
_FAULTS: Final = (
    _error("throttled", "ThrottlingException", "Rate exceeded", status=400),
    _error("throttled, retry after", "ThrottlingException", "Rate exceeded", status=429, retry_after="2"),
    _error("500", "InternalServerException", "oops", status=500),
    _error("503", "ServiceUnavailable", "oops", status=503),
    Fault("500 too late", lambda call: client_error(call, "InternalServerException", status=500), When.AFTER),
    *(Fault(name, error, When.BEFORE, wait_s, may_arrive_late=True) for name, error, wait_s in _CONNECTION_ERRORS[:2]),
    *(Fault(f"{name} too late", error, When.AFTER, wait_s) for name, error, wait_s in _CONNECTION_ERRORS),
    Fault("connect timeout", lambda call: ConnectTimeoutError(endpoint_url=_url(call)), wait_s=3.0),
    Fault("dns", lambda call: EndpointConnectionError(endpoint_url=_url(call))),
    Fault("tls", lambda call: SSLError(endpoint_url=_url(call), error="bad record")),
    Fault("hang", lambda call: ReadTimeoutError(endpoint_url=_url(call)), wait_s=3600.0, may_arrive_late=True),
    _error("expired", "ExpiredTokenException", "The security token included in the request is expired", status=403),
    _error("denied", "AccessDeniedException", "is not authorized to perform", status=403),
    _error("scp", "AccessDeniedException", "with an explicit deny in a service control policy", status=403),
    _error("text not initialized", "UnknownProblemException", "The account is not initialized for DRS"),
    _error("bad token", "UnrecognizedClientException", "The security token is invalid", status=403),
)
FAULT_KINDS: Final[Mapping[str, Fault]] = {fault.name: fault for fault in _FAULTS}
"""Every kind of fault by its name. Those named "too late" occur after the call has taken effect."""


@dataclass(slots=True)
class FaultInjector:
    """Faults and latency of the calls of a host.

    Args:
        rng: source of randomness.
        share: share of calls that fail.
        kinds: names of the faults to draw from.
        applies_to: whether a call may fail.
        latency_s: maximum one-way latency.
        slow: share of calls with up to ten times the latency.
        intercept: sees each call first, and may return its fault.
    """

    rng: random.Random
    share: float = 0.0
    kinds: tuple[str, ...] = ()
    applies_to: Callable[[Call], bool] = lambda _: True
    latency_s: float = 0.05
    slow: float = 0.0
    intercept: Callable[[Call, Mapping[str, Any]], Fault | None] | None = None
    injected: list[str] = field(default_factory=list)

    def latency(self) -> float:
        """Draw a one-way latency in seconds."""
        stretch = 10.0 if self.slow and self.rng.random() < self.slow else 1.0
        return self.rng.random() * self.latency_s * stretch

    def draw(self, call: Call, params: Mapping[str, Any]) -> Fault | None:
        """Draw the fault of a call; None for none."""
        if self.intercept is not None and (fault := self.intercept(call, params)):
            return fault
        if not self.share or self.rng.random() >= self.share or not self.applies_to(call):
            return None
        fault = FAULT_KINDS[self.rng.choice(self.kinds)]
        self.injected.append(fault.name)
        return fault
