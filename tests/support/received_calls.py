"""The calls that a sandbox receives, in detail: recorded, and held, dropped or answered where a test wants that."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from anyio import to_thread

from service.sandbox.aws_protocols import Application, Environ, Response, forward, json_response, read_call
from service.sandbox.server import Sandbox

__all__ = ["Hold", "Matches", "ReceivedCall", "ReceivedCalls", "drs_page"]

_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """One call: who makes it, which, with which parameters, when (`at_s`, monotonic) and the status of its response."""

    account: str
    region: str
    service: str
    operation: str
    params: Mapping[str, Any]
    at_s: float
    status: int = 0

    @property
    def scope(self) -> tuple[str, str]:
        """Account and region."""
        return self.account, self.region

    def is_write(self, table: str) -> bool:
        """Whether it writes to a DynamoDB table."""
        named = {self.params.get("TableName"), *self.params.get("RequestItems", ())}
        named |= {next(iter(each.values()))["TableName"] for each in self.params.get("TransactItems", ())}
        return table in named and self.operation in _WRITES


_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
Matches = Callable[[ReceivedCall], bool]
Respond = Callable[[ReceivedCall], Response]


@dataclass(slots=True)
class Hold:
    """Calls that wait: those that `matches`, from the one after the first `after` on."""

    matches: Matches
    after: int = 0
    drops: bool = False
    """Whether the calls are dropped when they are released, without any effect."""
    _matched: int = 0
    _waiting: int = 0
    _blocked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _released: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, number: int = 1) -> None:
        """Block until that many calls wait here; fail when they never come."""
        for _ in range(number):
            assert self._blocked.acquire(timeout=_TIMEOUT_S), "the call that is to be held was never made"

    async def blocked(self, number: int = 1) -> None:
        """Wait until that many calls wait here, while the event loop goes on."""
        await to_thread.run_sync(self.wait, number)

    def release(self) -> None:
        """Let all calls through, or drop them."""
        self._released.set()

    @contextmanager
    def _passing(self, call: ReceivedCall) -> Iterator[None]:
        if not self.matches(call):
            yield
            return
        with self._changed:
            self._matched += 1
            self._waiting += 1
            waits = self._matched > self.after and not self._released.is_set()
        try:
            if waits:
                self._blocked.release()
                self._released.wait(_TIMEOUT_S)
                if self.drops:
                    raise ConnectionAbortedError("dropped by a test")
            yield
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()

    def _end(self) -> None:
        """Release all calls and wait until they have taken effect, also those of a killed process."""
        self.release()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting == 0, _TIMEOUT_S)


@dataclass(slots=True)
class _Answer:
    matches: Matches
    response: Response | Respond | None
    times: int | None
    given: int = 0


class ReceivedCalls:
    """WSGI application in front of a running sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        assert sandbox._listener is not None
        self._identity_store = sandbox._control_api.middleware.identity_store
        self._application: Application = sandbox._listener.app
        self._lock = threading.Lock()
        self._calls: list[ReceivedCall] = []
        self._holds: list[Hold] = []
        self._answers: list[_Answer] = []
        sandbox._listener.app = self

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        call = read_call(environ, body)
        if call is None:
            response = forward(self._application, environ, body)
        else:
            account = self._identity_store.identity_of(call.access_key).account_id
            params = call.form or json.loads(body or b"{}")
            received = (account, call.region, call.service, call.operation, params, time.monotonic())
            response = self._respond(environ, body, ReceivedCall(*received))
            with self._lock:
                self._calls.append(ReceivedCall(*received, status=response.status))
        start_response(response.status_line, list(response.headers))
        return [response.body]

    def _respond(self, environ: Environ, body: bytes, call: ReceivedCall) -> Response:
        hold = next((each for each in self._holds if each.matches(call)), None)
        if hold is not None:
            with hold._passing(call):
                return forward(self._application, environ, body)
        return self._answer(call) or forward(self._application, environ, body)

    def _answer(self, call: ReceivedCall) -> Response | None:
        with self._lock:
            for answer in self._answers:
                if answer.matches(call) and (answer.times is None or answer.given < answer.times):
                    answer.given += 1
                    if answer.response is None:
                        raise ConnectionAbortedError("closed by a test")
                    return answer.response(call) if callable(answer.response) else answer.response
        return None

    def of(self, service: str, operation: str = "") -> list[ReceivedCall]:
        """Return the calls of a service, or of one of its operations, since the last `clear`."""
        with self._lock:
            return [call for call in self._calls if call.service == service and operation in {"", call.operation}]

    def count(self) -> int:
        """Return the number of calls since the last `clear`."""
        with self._lock:
            return len(self._calls)

    def scopes(self) -> set[tuple[str, str]]:
        """Return the accounts and regions of the calls to DRS."""
        return {call.scope for call in self.of("drs")}

    def writes(self, table: str) -> list[ReceivedCall]:
        """Return the calls that wrote, or tried to write, to a table."""
        return [call for call in self.of("dynamodb") if call.is_write(table)]

    def clear(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()

    @contextmanager
    def holding(self, matches: Matches, *, after: int = 0, drops: bool = False) -> Iterator[Hold]:
        """Hold calls until they are released, or until the end of the context."""
        hold = Hold(matches, after, drops)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            hold._end()
            self._holds.remove(hold)

    def answer(self, matches: Matches, response: Response | Respond | None, *, times: int | None = 1) -> None:
        """Give this response to the next calls that match, instead of AWS.

        Args:
            matches: which calls.
            response: the response; None closes the connection without one.
            times: the number of calls; None is without end.
        """
        self._answers.append(_Answer(matches, response, times))


def drs_page(*items: Any, **members: Any) -> Response:
    """Return a successful response of DRS with these items."""
    return json_response(200, {"items": list(items), **members})
