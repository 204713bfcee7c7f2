"""Which handler an event is for, and what becomes of its answer: API routes and direct operations, by two tables.

Whatever comes, the caller gets an answer in a shape it knows, and no stack trace. Input is judged before anything is
opened or asked of AWS.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote

import orjson
from pydantic import ValidationError

from service.errors import AwsError, ConfigurationError, DrsSyncError, RefusalError, UnknownScopeError
from service.handlers.replies import aws_error_body, envelope, error_body, not_found, refusal_body

__all__ = ["Asked", "Front", "Operation", "Reply", "Route"]

A = TypeVar("A")
_log: Final = logging.getLogger(__name__)
_MAX_BODY_BYTES: Final = 1_000_000  # the largest body that means anything here is a few KB
_MAX_ANSWER_BYTES: Final = 6_200_000  # Lambda refuses 6,291,556; the envelope needs room
_MAX_PROBLEMS: Final = 20
_MAX_NAME: Final = 200  # characters of a member's name that is wrong
_MAX_REASON: Final = 1000  # characters in the log
_FAILED: Final = "INTERNAL_ERROR"
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: HTTP status and body. Direct callers get the body alone."""

    body: Mapping[str, Any]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What a handler gets: the members of body, query string and path in one, and the seconds left to answer in."""

    members: Mapping[str, Any]
    remaining_s: float | None = None
    has_body: bool = True


@dataclass(frozen=True, slots=True)
class Operation(Generic[A]):
    """One thing that can be asked for. `check` judges the input before the app is opened; it may raise RefusalError."""

    work: Callable[[A, Asked], Awaitable[Reply]]
    check: Callable[[Asked], object] = field(default=lambda _: None)
    aliases: tuple[str, ...] = ()
    bare_errors: bool = False  # this one's errors were always just {"error": text}


@dataclass(frozen=True, slots=True)
class Route:
    """One API route: `{name}` in the path is a path parameter, handed on as `parameters[name]`."""

    method: str
    path: str
    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def match(self, path: str) -> dict[str, str] | None:
        """Give the path parameters by their handed-on names; None when the path is another."""
        pattern = "".join(
            f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{\w+\})", self.path)
        )
        found = re.fullmatch(pattern, path)
        if found is None:
            return None
        return {self.parameters.get(name, name): unquote(value) for name, value in found.groupdict().items()}


class Front(Generic[A]):
    """The front of one function.

    Args:
        run: runs work against the function's app and gives its reply.
        operations: by name.
        routes: of the API.
        malformed_code: error code for an `operation` that is empty or no text; the two functions differ in it.
        failed_code: error code for what nobody expected, of a direct call; the two functions differ in it as well.
        members_in: where a direct event carries the members: `body` or `queryParams`.
    """

    def __init__(
        self,
        run: Callable[[Callable[[A], Awaitable[Reply]]], Reply],
        operations: Mapping[str, Operation[A]],
        routes: Sequence[Route],
        *,
        malformed_code: str,
        failed_code: str,
        members_in: str,
    ) -> None:
        self._run = run
        self._names = sorted(operations)
        self._operations = {
            known: operation for name, operation in operations.items() for known in (name, *operation.aliases)
        }
        self._routes = routes
        self._malformed_code = malformed_code
        self._failed_code = failed_code
        self._members_in = members_in

    def answer(self, event: object, *, remaining_s: float | None = None) -> dict[str, Any] | None:
        """Answer what API Gateway or a direct caller sends; None for anything else."""
        if not isinstance(event, Mapping):
            return None
        if "requestContext" in event:
            return self.api(event, remaining_s=remaining_s)
        return self.direct(event, remaining_s=remaining_s) if "operation" in event else None

    def direct(self, event: Mapping[str, Any], *, remaining_s: float | None = None) -> dict[str, Any]:
        """Answer a direct invocation with the body alone."""
        malformed = self._malformed(event)
        if malformed is not None:
            return dict(_sendable(Reply(malformed)).body)
        members = event.get(self._members_in)
        beside = {} if self._members_in == "body" else _beside(event, self._members_in)
        asked = Asked({**beside, **(members or {})}, remaining_s, has_body=members is not None)
        return dict(self.perform(event["operation"], asked, failed_code=self._failed_code).body)

    def _malformed(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Give the error body for a direct invocation that asks for nothing there is."""
        name, members = event.get("operation"), event.get(self._members_in)
        if not isinstance(name, str) or not name:
            return error_body(self._malformed_code, "operation must be a non-empty string")
        if name not in self._operations:
            known = ", ".join(self._names) or "none"
            return error_body(
                "INVALID_OPERATION", f"unknown operation; known here: {known}", details={"operation": name[:100]}
            )
        if members is not None and not isinstance(members, Mapping):
            message = f"{self._members_in} must be an object"
            return error_body("INVALID_PARAMETER", message, details={"parameter": self._members_in})
        return None

    def api(self, event: Mapping[str, Any], *, remaining_s: float | None = None) -> dict[str, Any]:
        """Answer an event of API Gateway's proxy integration with its envelope."""
        method, path = str(event.get("httpMethod", "")).upper(), str(event.get("path", ""))
        for route in self._routes:
            found = route.match(path) if route.method == method else None
            if found is not None:
                reply = self._answer_route(route, found, event, remaining_s)
                return envelope(reply.status, reply.body)
        return not_found(event)

    def _answer_route(
        self, route: Route, found: Mapping[str, str], event: Mapping[str, Any], remaining_s: float | None
    ) -> Reply:
        try:
            body = _body_of(event) if route.method in _BODY_METHODS else None
        except RefusalError as refusal:
            return self._refused(self._operations[route.operation], refusal)
        query = event.get("queryStringParameters")
        given = {**(query if isinstance(query, Mapping) else {}), **(body or {}), **found}
        return self.perform(route.operation, Asked(given, remaining_s, has_body=body is not None))

    def perform(self, name: str, asked: Asked, *, failed_code: str = _FAILED) -> Reply:
        """Carry out an operation; every error becomes a reply.

        Args:
            name: of the operation.
            asked: what was sent.
            failed_code: error code for what nobody expected; in an envelope it is the same for both functions.
        """
        operation = self._operations[name]
        try:
            operation.check(asked)
            return _sendable(self._run(lambda app: operation.work(app, asked)))
        except DrsSyncError as error:
            return _noted(name, self._expected(operation, error, failed_code), error)
        except ValidationError as error:
            return _noted(name, _unfit(error), error)
        except Exception:  # noqa: BLE001 - the edge of the process: logged with its trace, answered without
            _log.exception("operation failed", extra={"operation": name})
            # The two codes always differed in where the operation is named.
            more = {"details": {"operation": name}} if failed_code == _FAILED else {"operation": name}
            return Reply(error_body(failed_code, f"{name} failed; see the log", **more), 500)

    def _expected(self, operation: Operation[A], error: DrsSyncError, failed_code: str) -> Reply:
        if isinstance(error, RefusalError):
            return self._refused(operation, error)
        if isinstance(error, UnknownScopeError):
            return Reply(error_body("INVALID_PARAMETER", str(error)), 400)
        if isinstance(error, AwsError):
            return Reply({"error": str(error)} if operation.bare_errors else aws_error_body(error), 500)
        code = "CONFIGURATION_ERROR" if isinstance(error, ConfigurationError) else failed_code
        return Reply(error_body(code, str(error)), 500)

    def _refused(self, operation: Operation[A], refusal: RefusalError) -> Reply:
        body = {"error": refusal.message} if operation.bare_errors else refusal_body(refusal)
        return Reply(body, refusal.status)


def _noted(name: str, reply: Reply, error: Exception) -> Reply:
    """Log that an operation was not carried out. Who is asked by a schedule has no caller to tell, so the log must."""
    level = logging.INFO if reply.status < 500 else logging.WARNING  # noqa: PLR2004 - server faults
    # The reason stands in the message: where settings cannot be read no log of ours is set up, and others show no more.
    reason = str(error)[:_MAX_REASON] if isinstance(error, DrsSyncError) else reply.body["message"]
    _log.log(level, "operation not carried out: %s", reason, extra={"operation": name, "code": reply.body["error"]})
    return _sendable(reply)


def _unfit(error: ValidationError) -> Reply:
    problems = [
        {"parameter": ".".join(map(str, each["loc"]))[:_MAX_NAME], "problem": each["msg"]}
        for each in error.errors(include_input=False)[:_MAX_PROBLEMS]
    ]
    message = "the body does not fit the operation"
    return Reply(error_body("INVALID_PARAMETER", message, details={"problems": problems}), 400)


def _sendable(reply: Reply) -> Reply:
    """Give an answer that Lambda carries: of text that UTF-8 can hold, and in place of too much of it what to do."""
    body = reply.body
    try:
        written = orjson.dumps(body)
    except TypeError:  # half a surrogate pair, which a caller's JSON may hold, and which ends the process of a function
        written = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        body = json.loads(written)
    size = len(written) + written.count(b'"') + written.count(b"\\")  # in an envelope it is text inside JSON
    if size <= _MAX_ANSWER_BYTES:
        return Reply(body, reply.status)
    message = f"the answer is {size} bytes long, Lambda carries {_MAX_ANSWER_BYTES}; ask for less: an account, a region"
    return Reply(error_body("RESPONSE_TOO_LARGE", message), 413)


def _beside(event: Mapping[str, Any], members_in: str) -> dict[str, Any]:
    """Give what stands beside the operation's name: one operation of the query function takes its parameter there."""
    return {name: value for name, value in event.items() if name not in {"operation", members_in}}


def _body_of(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Read the body of an API event; None when there is none.

    Raises:
        RefusalError: it is too large, no JSON, or no object.
    """
    raw = event.get("body")
    if raw is None or raw == "":
        return None
    if isinstance(raw, Mapping):
        return raw
    if not isinstance(raw, str) or event.get("isBase64Encoded"):
        raise _bad_body("", "JSON text")
    if len(raw) > _MAX_BODY_BYTES:
        raise _bad_body(f"{len(raw)} characters", f"at most {_MAX_BODY_BYTES} characters")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise _bad_body(raw, "valid JSON") from None
    if not isinstance(body, dict):
        raise _bad_body(raw, "a JSON object")
    return body


def _bad_body(value: str, expected: str) -> RefusalError:
    details = {"parameter": "body", "value": value[:100], "expected": expected}
    return RefusalError("INVALID_PARAMETER", f"the body must be {expected}", details=details)
