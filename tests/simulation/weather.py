"""What the network and the services do to a call, drawn from dice."""

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

__all__ = ["KINDS", "Fault", "Weather", "When", "refusal"]


class When(Enum):
    """At which end of a call trouble strikes: whether it took effect."""

    BEFORE = auto()
    AFTER = auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble. `wait_s`: how long it keeps the caller waiting first.

    Without an error the call succeeds; `alter` may then change its answer. Of a call that is `astray` the caller knows
    nothing: it may arrive yet, when nobody expects it any more.
    """

    name: str
    error: Callable[[Call], Exception] | None
    when: When = When.BEFORE
    wait_s: float = 0.0
    astray: bool = False
    alter: Callable[[dict[str, Any]], dict[str, Any]] | None = None


def refusal(call: Call, code: str, message: str = "", *, status: int = 400, **headers: str) -> ClientError:
    """Make the error that the SDK makes of a refusal."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    meta = {"HTTPStatusCode": status, "HTTPHeaders": named}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": meta}, call.operation)


def _refused(name: str, code: str, message: str = "", *, status: int = 400, **headers: str) -> Fault:
    return Fault(name, lambda call: refusal(call, code, message, status=status, **headers))


def _url(call: Call) -> str:
    return f"https://{call.service}.{call.region}.amazonaws.com"


_LOST: Final = (
    ("reset", lambda call: ConnectionClosedError(endpoint_url=_url(call)), 0.0),
    ("timeout", lambda call: ReadTimeoutError(endpoint_url=_url(call)), 10.0),
    ("half body", lambda _: ResponseParserError("the answer of 17 bytes is no JSON object"), 0.0),
    ("no json", lambda _: ResponseParserError("the answer is no JSON"), 0.0),
)
_ALL: Final = (
    _refused("throttled", "ThrottlingException", "Rate exceeded", status=400),
    _refused("throttled, retry after", "ThrottlingException", "Rate exceeded", status=429, retry_after="2"),
    _refused("500", "InternalServerException", "oops", status=500),
    _refused("503", "ServiceUnavailable", "oops", status=503),
    Fault("500 too late", lambda call: refusal(call, "InternalServerException", status=500), When.AFTER),
    *(Fault(name, error, When.BEFORE, wait_s, astray=True) for name, error, wait_s in _LOST[:2]),
    *(Fault(f"{name} too late", error, When.AFTER, wait_s) for name, error, wait_s in _LOST),
    Fault("connect timeout", lambda call: ConnectTimeoutError(endpoint_url=_url(call)), wait_s=3.0),
    Fault("dns", lambda call: EndpointConnectionError(endpoint_url=_url(call))),
    Fault("tls", lambda call: SSLError(endpoint_url=_url(call), error="bad record")),
    Fault("hang", lambda call: ReadTimeoutError(endpoint_url=_url(call)), wait_s=3600.0, astray=True),
    _refused("expired", "ExpiredTokenException", "The security token included in the request is expired", status=403),
    _refused("denied", "AccessDeniedException", "is not authorized to perform", status=403),
    _refused("scp", "AccessDeniedException", "with an explicit deny in a service control policy", status=403),
    _refused("bad token", "UnrecognizedClientException", "The security token is invalid", status=403),
)
KINDS: Final[Mapping[str, Fault]] = {fault.name: fault for fault in _ALL}
"""Every kind of trouble by its name. Those too late strike after the call has taken effect."""


@dataclass(slots=True)
class Weather:
    """What happens to calls from now on.

    Args:
        dice: where chance comes from.
        share: share of calls that meet trouble.
        kinds: the kinds they meet, by name.
        strikes: whether a call may meet any.
        latency_s: most seconds a call takes each way.
        slow: share of calls that take up to ten times as long.
    """

    dice: random.Random
    share: float = 0.0
    kinds: tuple[str, ...] = ()
    strikes: Callable[[Call], bool] = lambda _: True
    latency_s: float = 0.05
    slow: float = 0.0
    met: list[str] = field(default_factory=list)

    def latency(self) -> float:
        """Draw how long a way takes."""
        stretch = 10.0 if self.slow and self.dice.random() < self.slow else 1.0
        return self.dice.random() * self.latency_s * stretch

    def draw(self, call: Call, _: Mapping[str, Any]) -> Fault | None:
        """Draw what strikes a call, None for nothing."""
        if not self.share or self.dice.random() >= self.share or not self.strikes(call):
            return None
        fault = KINDS[self.dice.choice(self.kinds)]
        self.met.append(fault.name)
        return fault
