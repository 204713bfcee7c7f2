"""Circuit breaker per endpoint: calls to an endpoint that several accounts could not reach fail without being sent.

An endpoint is a service in a region. The network between this host and it is the same for every account, so a few of
them are enough to know that it is down, and the others need not wait for its time-outs.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

import anyio

from service.errors import AwsError
from service.models import Call

__all__ = ["Admission", "CircuitBreakers", "EndpointCircuit"]

_GUARDED_SERVICES: Final = frozenset({"drs", "ec2", "sts"})
_UNREACHABLE: Final = frozenset({"EndpointUnreachable", "ProxyRefused", "ProxyUnreachable", "ReadTimeout"})
# Codes of our own for an endpoint that took the connection, so it can be reached.
_CONNECTED: Final = frozenset({"CertificateRefused", "ConnectionLost", "MalformedResponse"})
_ACCOUNTS_TO_OPEN: Final = 3
_OPEN_S: Final = 60.0


class _State(Enum):
    CLOSED = auto()
    """Every call is sent."""
    HALF_OPEN = auto()
    """One call is sent as a probe, and the others wait for what comes of it."""
    OPEN = auto()
    """No call is sent."""


class EndpointCircuit:
    """Circuit of one endpoint.

    It opens when three accounts could not reach the endpoint, none has got a response since, and one more call, the
    probe, cannot reach it either. Any response closes it. It is tried again with one probe in the next run, or after a
    minute.
    """

    def __init__(self) -> None:
        self._state = _State.CLOSED
        self._accounts: set[str] = set()  # that could not reach it since its last response
        self._error: AwsError | None = None
        self._opened_at = 0.0
        self._probe: anyio.Event | None = None  # set when the probe under way has ended

    @property
    def is_open(self) -> bool:
        """Whether no call is sent."""
        return self._state is _State.OPEN and anyio.current_time() < self._opened_at + _OPEN_S

    def begin_run(self, *, was_unreachable: bool) -> None:
        """Forget what an earlier run found, except that an endpoint which it could not reach is tried with one probe.

        Args:
            was_unreachable: region status says that the last run could not reach it.
        """
        self._accounts.clear()
        is_suspect = was_unreachable or self._state is not _State.CLOSED
        self._state = _State.HALF_OPEN if is_suspect else _State.CLOSED

    async def wait_for_probe(self, call: Call) -> None:
        """Wait for the probe under way, if there is one. Raises AwsError if the circuit is open then."""
        while self._state is _State.HALF_OPEN and self._probe is not None:
            await self._probe.wait()
        if self.is_open:
            raise self._not_sent(call)

    async def enter(self, call: Call) -> bool:
        """Wait until a call may be sent; return whether it is the probe. Raises AwsError if it must not be sent."""
        await self.wait_for_probe(call)
        if self._state is _State.CLOSED:
            return False
        self._state, self._probe = _State.HALF_OPEN, anyio.Event()
        return True

    def leave(self, account_id: str, *, is_probe: bool, error: AwsError | None, has_response: bool) -> None:
        """Take what came of a call that was allowed.

        Args:
            account_id: the account that it was made for.
            is_probe: what `enter` returned.
            error: its failure, if it was sent and failed.
            has_response: it was sent and succeeded.
        """
        if is_probe and self._probe is not None:
            self._probe.set()
            self._probe = None
        if has_response or (error is not None and (error.http_status or error.code in _CONNECTED)):
            self._state = _State.CLOSED
            self._accounts.clear()
        elif error is not None and error.code in _UNREACHABLE:
            self._accounts.add(account_id)
            self._error = error
            if is_probe:
                self._state, self._opened_at = _State.OPEN, anyio.current_time()
            elif self._state is _State.CLOSED and len(self._accounts) >= _ACCOUNTS_TO_OPEN:
                self._state = _State.HALF_OPEN

    def _not_sent(self, call: Call) -> AwsError:
        if self._error is None:
            raise AssertionError("a circuit opens with an error")
        message = f"not tried again, because earlier calls of this run could not reach it: {self._error.message}"
        known = self._error.about(call)
        return AwsError(
            known.code, message, call, advice=known.advice, error_class=known.error_class, facts=known.facts
        )


class Admission:
    """Admission of one attempt to its endpoint: `async with Admission(...) as admission`, then report what came of it.

    An attempt that reports nothing, since it was cancelled or not sent, says nothing about the endpoint.

    Args:
        circuit: of the endpoint; None: the service has none.
        call: the call.
        account_id: the account that it is made for.
        failure: of the attempt before; it is raised if no other may be made.
    """

    def __init__(
        self, circuit: EndpointCircuit | None, call: Call, account_id: str, failure: AwsError | None = None
    ) -> None:
        self._circuit = circuit
        self._call = call
        self._account_id = account_id
        self._failure = failure
        self._is_probe = False
        self._error: AwsError | None = None
        self._has_response = False

    async def __aenter__(self) -> Self:
        if self._circuit is not None:
            try:
                self._is_probe = await self._circuit.enter(self._call)
            except AwsError:
                if self._failure is not None:
                    raise self._failure from None
                raise
        return self

    def failed(self, error: AwsError) -> None:
        """The attempt was sent and failed."""
        self._error = error

    def succeeded(self) -> None:
        """The attempt was sent and succeeded."""
        self._has_response = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._circuit is not None:
            self._circuit.leave(
                self._account_id, is_probe=self._is_probe, error=self._error, has_response=self._has_response
            )


class CircuitBreakers:
    """The circuits of all endpoints of one client."""

    def __init__(self) -> None:
        self._circuits: dict[tuple[str, str], EndpointCircuit] = {}

    def of(self, service: str, region: str) -> EndpointCircuit | None:
        """Return the circuit of an endpoint; None for services that are called in the hub's region alone."""
        if service not in _GUARDED_SERVICES:
            return None
        return self._circuits.setdefault((service, region), EndpointCircuit())

    def begin_run(self, unreachable_regions: Iterable[str]) -> None:
        """Begin a run: endpoints that could not be reached before are tried with one probe each.

        Args:
            unreachable_regions: regions whose DRS the last run could not reach, by region status.
        """
        regions = frozenset(unreachable_regions)
        for region in regions:
            self.of("drs", region)
        for (service, region), circuit in self._circuits.items():
            circuit.begin_run(was_unreachable=service == "drs" and region in regions)
