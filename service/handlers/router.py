"""Router of one function: finds the operation of an API request or a direct invocation, and makes its response.

Whatever the event is, the caller gets a response in a structure it knows, without a stack trace. A request is checked
before the app is opened, so a wrong one causes no call to AWS.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import unquote

import orjson
from pydantic import ValidationError

from service.errors import AwsError, ConfigurationError, DrsSyncError, RefusalError, UnknownScopeError
from service.handlers.extra_members import extra_members
from service.handlers.request_values import reject_unusable_values
from service.handlers.responses import aws_error_body, envelope, error_body, not_found, refusal_body

__all__ = ["Operation", "Params", "RequestModel", "Response", "Route", "Router"]

A = TypeVar("A")
_log: Final = logging.getLogger(__name__)
_MAX_BODY_CHARS: Final = 1_000_000  # a valid body has a few thousand
_MAX_RESPONSE_BYTES: Final = 6_200_000  # Lambda's limit is 6,291,556, envelope included
_MAX_PROBLEMS: Final = 20  # that one response lists
_MAX_NAME: Final = 200  # characters of a member's name in a response
_MAX_REASON: Final = 1000  # characters of a reason in the log
_FAILURE_CODE: Final = "INTERNAL_ERROR"
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Response:
    """Response of an operation: HTTP status and body. Direct callers get the body alone."""

    body: Mapping[str, Any]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters of an operation.

    Args:
        values: members of query string, body and path, the later ones taking precedence.
        remaining_s: seconds until the response is due; None for no limit.
        has_body: whether the request has a body.
    """

    values: Mapping[str, Any]
    remaining_s: float | None = None
    has_body: bool = True


class RequestModel(Protocol):
    """Model of a request: checks its members, and describes them."""

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, has_body: bool = True) -> object:
        """Check the members of a request. Raises RefusalError or pydantic's ValidationError."""
        ...

    @classmethod
    def member_names(cls) -> frozenset[str]:
        """Return the names of the members."""
        ...

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of the members."""
        ...


@dataclass(frozen=True, slots=True)
class Operation(Generic[A]):
    """An operation of a function.

    Args:
        work: carries it out.
        request: model of its request; None when it takes no parameters.
        aliases: further names by which it can be invoked.
        message_only_errors: its error bodies are `{"error": message}`, as its callers expect.
        names_ignored: its response names members of the request that it does not have (`ignoredMembers`), because a
            caller may have meant to restrict what it does.
    """

    work: Callable[[A, Params], Awaitable[Response]]
    request: type[RequestModel] | None = None
    aliases: tuple[str, ...] = ()
    message_only_errors: bool = False
    names_ignored: bool = False

    def check(self, params: Params) -> None:
        """Check a request without carrying it out. Raises RefusalError or pydantic's ValidationError."""
        reject_unusable_values(params.values)
        if self.request is not None:
            self.request.parse(params.values, has_body=params.has_body)

    def ignored_members(self, params: Params) -> dict[str, list[str]]:
        """Return the member of the response that names what was ignored; none where nothing was."""
        if not self.names_ignored or self.request is None:
            return {}
        extra = extra_members(params.values, self.request.member_names())
        return {"ignoredMembers": extra} if extra else {}


@dataclass(frozen=True, slots=True)
class Route:
    """An API route. `{name}` in the path is a path parameter; `parameters` maps it to the member it becomes."""

    method: str
    path: str
    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the path parameters by the names of their members; None when the path does not match."""
        pattern = "".join(
            f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{\w+\})", self.path)
        )
        match = re.fullmatch(pattern, path)
        if match is None:
            return None
        return {self.parameters.get(name, name): unquote(value) for name, value in match.groupdict().items()}


class Router(Generic[A]):
    """Router of one function.

    Args:
        run: runs work with the function's app and returns its response.
        operations: the operations by name.
        routes: the routes of the API.
        malformed_code: error code when `operation` is empty or not a string; the two functions differ in it.
        failure_code: error code of an unexpected error in a direct invocation; the two functions differ in it.
        params_key: member of a direct event that holds the parameters: `body` or `queryParams`.
    """

    def __init__(
        self,
        run: Callable[[Callable[[A], Awaitable[Response]]], Response],
        operations: Mapping[str, Operation[A]],
        routes: Sequence[Route],
        *,
        malformed_code: str,
        failure_code: str,
        params_key: str,
    ) -> None:
        self._run = run
        self._names = sorted(operations)
        self._operations = {
            alias: operation for name, operation in operations.items() for alias in (name, *operation.aliases)
        }
        self._routes = routes
        self._malformed_code = malformed_code
        self._failure_code = failure_code
        self._params_key = params_key

    def answer(self, event: object, *, remaining_s: float | None = None) -> dict[str, Any] | None:
        """Respond to an event of API Gateway or a direct invocation; None for any other event."""
        if not isinstance(event, Mapping):
            return None
        if "requestContext" in event:
            return self.api(event, remaining_s=remaining_s)
        return self.direct(event, remaining_s=remaining_s) if "operation" in event else None

    def direct(self, event: Mapping[str, Any], *, remaining_s: float | None = None) -> dict[str, Any]:
        """Respond to a direct invocation with the body alone."""
        malformed = self._malformed_event_error(event)
        if malformed is not None:
            return dict(_fit_for_lambda(Response(malformed)).body)
        values = event.get(self._params_key)
        # One query operation takes its parameter beside the name of the operation.
        top_level = {} if self._params_key == "body" else _top_level_params(event, self._params_key)
        params = Params({**top_level, **(values or {})}, remaining_s, has_body=values is not None)
        return dict(self.perform(event["operation"], params, failure_code=self._failure_code).body)

    def _malformed_event_error(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the error body for an unusable operation or parameters; None when both are usable."""
        name, values = event.get("operation"), event.get(self._params_key)
        if not isinstance(name, str) or not name:
            return error_body(self._malformed_code, "operation must be a non-empty string")
        if name not in self._operations:
            message = f"unknown operation; this function has: {', '.join(self._names) or 'none'}"
            return error_body("INVALID_OPERATION", message, details={"operation": name[:100]})
        if values is not None and not isinstance(values, Mapping):
            message = f"{self._params_key} must be an object"
            return error_body("INVALID_PARAMETER", message, details={"parameter": self._params_key})
        return None

    def api(self, event: Mapping[str, Any], *, remaining_s: float | None = None) -> dict[str, Any]:
        """Respond to an event of API Gateway's proxy integration with an envelope."""
        method, path = str(event.get("httpMethod", "")).upper(), str(event.get("path", ""))
        for route in self._routes:
            path_params = route.match(path) if route.method == method else None
            if path_params is not None:
                response = self._route_response(route, path_params, event, remaining_s)
                return envelope(response.status, response.body)
        return not_found(event)

    def _route_response(
        self, route: Route, path_params: Mapping[str, str], event: Mapping[str, Any], remaining_s: float | None
    ) -> Response:
        try:
            body = _body_of(event) if route.method in _BODY_METHODS else None
        except RefusalError as refusal:
            return _refusal_response(self._operations[route.operation], refusal)
        query = event.get("queryStringParameters")
        values = {**(query if isinstance(query, Mapping) else {}), **(body or {}), **path_params}
        return self.perform(route.operation, Params(values, remaining_s, has_body=body is not None))

    def perform(self, name: str, params: Params, *, failure_code: str = _FAILURE_CODE) -> Response:
        """Carry out an operation; every error becomes a response.

        Args:
            name: name of the operation.
            params: its parameters.
            failure_code: error code of an unexpected error; in an envelope it is the same for both functions.
        """
        operation = self._operations[name]
        return _with_text_as_error(operation, self._perform(name, operation, params, failure_code))

    def _perform(self, name: str, operation: Operation[A], params: Params, failure_code: str) -> Response:
        try:
            operation.check(params)
            response = self._run(lambda app: operation.work(app, params))
            if ignored := operation.ignored_members(params):
                _log.warning("members of the request were ignored", extra={"operation": name, **ignored})
            return _fit_for_lambda(Response({**response.body, **ignored}, response.status))
        except DrsSyncError as error:
            return _logged(name, _error_response(operation, error, failure_code), error)
        except ValidationError as error:
            return _logged(name, _validation_response(error), error)
        except Exception:  # noqa: BLE001 - the handler's edge: the caller gets a response, the log the stack trace
            _log.exception("operation failed", extra={"operation": name})
            # Callers expect the name of the operation in another member with each of the two codes.
            more = {"details": {"operation": name}} if failure_code == _FAILURE_CODE else {"operation": name}
            return Response(error_body(failure_code, f"{name} failed; see the log", **more), 500)


def _with_text_as_error(operation: Operation[Any], response: Response) -> Response:
    """Return the response with the text of an error in `error`, for operations whose callers expect it there."""
    is_error = operation.message_only_errors and {"error", "message"} <= response.body.keys()
    return Response({"error": response.body["message"]}, response.status) if is_error else response


def _error_response(operation: Operation[Any], error: DrsSyncError, failure_code: str) -> Response:
    if isinstance(error, RefusalError):
        return _refusal_response(operation, error)
    if isinstance(error, UnknownScopeError):
        return Response(error_body("INVALID_PARAMETER", str(error), details=error.details), 400)
    if isinstance(error, AwsError):
        return Response({"error": str(error)} if operation.message_only_errors else aws_error_body(error), 500)
    code = "CONFIGURATION_ERROR" if isinstance(error, ConfigurationError) else failure_code
    return Response(error_body(code, str(error)), 500)


def _refusal_response(operation: Operation[Any], refusal: RefusalError) -> Response:
    if not operation.message_only_errors:
        return Response(refusal_body(refusal), refusal.status)
    # Callers expect the text in `error`; what could not be read stands beside it.
    return Response(
        {**(refusal.details if "unknown" in refusal.details else {}), "error": refusal.message}, refusal.status
    )


def _logged(name: str, response: Response, error: Exception) -> Response:
    """Log that an operation was not carried out, because the response to a schedule is seen by nobody."""
    level = logging.INFO if response.status < 500 else logging.WARNING  # noqa: PLR2004 - server faults
    # The reason is in the message: when the settings are unreadable, logging is not set up and extra fields are lost.
    reason = str(error)[:_MAX_REASON] if isinstance(error, DrsSyncError) else response.body["message"]
    _log.log(level, "operation not carried out: %s", reason, extra={"operation": name, "code": response.body["error"]})
    return _fit_for_lambda(response)


def _validation_response(error: ValidationError) -> Response:
    problems = [
        {"parameter": ".".join(map(str, each["loc"]))[:_MAX_NAME], "problem": each["msg"]}
        for each in error.errors(include_input=False)[:_MAX_PROBLEMS]
    ]
    message = "the body is not valid for this operation"
    return Response(error_body("INVALID_PARAMETER", message, details={"problems": problems}), 400)


def _fit_for_lambda(response: Response) -> Response:
    """Return a response that Lambda accepts: valid Unicode, and an error in place of a response that is too large."""
    body = response.body
    try:
        encoded = orjson.dumps(body)
    except TypeError:  # a lone surrogate of the caller's JSON would end the process in Lambda's runtime client
        # Also for what stored records hold: integers of more than 64 bits, and binaries.
        encoded = json.dumps(body, ensure_ascii=False, default=_as_text).encode(errors="replace")
        body = json.loads(encoded)
    size = len(encoded) + encoded.count(b'"') + encoded.count(b"\\")  # an envelope holds the body as a JSON string
    if size <= _MAX_RESPONSE_BYTES:
        return Response(body, response.status)
    message = (
        f"the response has {size} bytes and Lambda returns at most {_MAX_RESPONSE_BYTES}. "
        "Fix: request less, such as one account or one region"
    )
    return Response(error_body("RESPONSE_TOO_LARGE", message), 413)


def _as_text(value: object) -> str:
    """Return a value that JSON has no type for: a binary as Base64, as AWS writes it."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _top_level_params(event: Mapping[str, Any], params_key: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in {"operation", params_key}}


def _body_of(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Parse the body of an API event; None when it has none.

    Raises:
        RefusalError: the body is too large, not JSON, or not an object.
    """
    raw = event.get("body")
    if raw is None or raw == "":
        return None
    if isinstance(raw, Mapping):
        return raw
    if not isinstance(raw, str) or event.get("isBase64Encoded"):
        raise _bad_body("", "JSON text")
    if len(raw) > _MAX_BODY_CHARS:
        raise _bad_body(f"{len(raw)} characters", f"at most {_MAX_BODY_CHARS} characters")
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
