"""AWS protocols over HTTP: which operation a request calls, and the error format of each protocol."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

__all__ = [
    "POLICY_OPERATIONS",
    "Application",
    "Call",
    "Environ",
    "Response",
    "error_response",
    "forward",
    "json_response",
    "read_call",
    "xml_response",
]

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_REQUEST_ID: Final = "5a9db0c0-0000-4000-8000-000000000000"
_TAG_OPERATIONS: Final = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
_CREDENTIAL_SCOPE_PARTS: Final = 5
_FIRST_SERVER_ERROR_STATUS: Final = 500
POLICY_OPERATIONS: Final = frozenset({"AddPermission", "GetPolicy", "RemovePermission"})
"""Lambda's operations on the policy of a function."""
_POLICY: Final = re.compile(r"/2015-03-31/functions/[^/]+/policy(/[^/]+)?/?")
_POLICY_METHODS: Final = {"POST": "AddPermission", "GET": "GetPolicy", "DELETE": "RemovePermission"}
_INVOKE: Final = re.compile(r"/2015-03-31/functions/[^/]+/invocations/?")
# Operations whose IAM action has another name.
_IAM_ACTIONS: Final = MappingProxyType({("lambda", "Invoke"): "InvokeFunction"})
# Operations of DynamoDB that have no IAM action of their own.
_TRANSACTIONS: Final = frozenset({"TransactGetItems", "TransactWriteItems"})
_TRANSACTION_ACTIONS: Final = MappingProxyType(
    {
        "ConditionCheck": "ConditionCheckItem",
        "Delete": "DeleteItem",
        "Get": "GetItem",
        "Put": "PutItem",
        "Update": "UpdateItem",
    }
)
# JSON version of the services that name the operation in X-Amz-Target.
_TARGET_JSON: Final = {"dynamodb": "1.0", "events": "1.1"}


class Call(NamedTuple):
    """One API request, with what AWS routes it by."""

    access_key: str
    region: str
    service: str
    operation: str
    form: Mapping[str, str]
    body: bytes

    @property
    def is_target_json(self) -> bool:
        """Whether the service names the operation in X-Amz-Target."""
        return self.service in _TARGET_JSON

    def iam_actions(self) -> tuple[str, ...]:
        """Return the IAM actions of the call, without the service: a transaction needs those of what it does."""
        if self.operation not in _TRANSACTIONS:
            return (_IAM_ACTIONS.get((self.service, self.operation), self.operation),)
        members = json.loads(self.body or b"{}").get("TransactItems", ())
        named = {_TRANSACTION_ACTIONS[name] for each in members for name in each if name in _TRANSACTION_ACTIONS}
        return tuple(sorted(named))

    def tables(self) -> frozenset[str]:
        """Return the names of the tables that a call to DynamoDB reads or writes."""
        members = json.loads(self.body or b"{}")
        named = {members.get("TableName"), *members.get("RequestItems", ())}
        named |= {each["TableName"] for action in members.get("TransactItems", ()) for each in action.values()}
        return frozenset(named - {None})


@dataclass(frozen=True, slots=True)
class Response:
    """Complete HTTP response; nothing is streamed, so its length is always known."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = field(default="")

    @property
    def status_line(self) -> str:
        """Status code and reason, as WSGI expects them."""
        return f"{self.status} {self.reason or responses.get(self.status, 'Answer')}"


def read_call(environ: Environ, body: bytes) -> Call | None:
    """Read access key, region, service and operation of a SigV4 request; None when it has no SigV4 signature."""
    authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
    credential_scope = authorization.partition("Credential=")[2].partition(",")[0].strip().split("/")
    if not authorization.startswith("AWS4-") or len(credential_scope) != _CREDENTIAL_SCOPE_PARTS:
        return None
    access_key, _, region, service, _ = credential_scope
    form: Mapping[str, str] = {}
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    service = service.lower()
    return Call(access_key, region, service, _operation(environ, service, form), form, body)


def _operation(environ: Environ, service: str, form: Mapping[str, str]) -> str:
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    if target:
        return target.rpartition(".")[2]
    if "Action" in form:
        return form["Action"]
    path, method = str(environ.get("PATH_INFO", "")), str(environ.get("REQUEST_METHOD", ""))
    if service == "lambda" and _POLICY.fullmatch(path):
        return _POLICY_METHODS.get(method, "unknown")
    if service == "lambda":
        return "Invoke" if method == "POST" and _INVOKE.fullmatch(path) else "unknown"
    if path.startswith("/tags/"):
        return _TAG_OPERATIONS.get(method, "TagResource")
    return path.strip("/").partition("/")[0] or "unknown"


def forward(application: Application, environ: Environ, body: bytes) -> Response:
    """Pass a request to a WSGI application and collect its complete response."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _exc_info: object = None
    ) -> Callable[[bytes], None]:
        started.append((status, headers))
        return chunks.append

    chunks: list[bytes] = []
    parts = application({**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}, start_response)
    try:
        chunks.extend(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = started[-1]
    code, _, reason = status.partition(" ")
    return Response(int(code), b"".join(chunks), tuple(headers), reason)


def json_response(status: int, members: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Build a JSON response."""
    all_headers = {"Content-Type": "application/json", **(headers or {})}
    return Response(status, json.dumps(members).encode(), tuple(all_headers.items()))


def xml_response(status: int, text: str) -> Response:
    """Build an XML response."""
    return Response(status, text.encode(), (("Content-Type", "text/xml;charset=UTF-8"),))


def error_response(
    call: Call, code: str, message: str, *, status: int, headers: Mapping[str, str] | None = None, **members: object
) -> Response:
    """Build an error response in the protocol of the called service."""
    if call.service == "ec2":
        return xml_response(
            status,
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{escape(code)}</Code>'
            f"<Message>{escape(message)}</Message></Error></Errors><RequestID>{_REQUEST_ID}</RequestID></Response>",
        )
    if call.form:
        return xml_response(
            status,
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
            f"<RequestId>{_REQUEST_ID}</RequestId></ErrorResponse>",
        )
    if call.is_target_json:
        return json_response(
            status,
            {"__type": f"com.amazon.coral.service#{code}", "message": message, **members},
            {"Content-Type": f"application/x-amz-json-{_TARGET_JSON[call.service]}", **(headers or {})},
        )
    if call.service == "lambda":
        error_type = "User" if status < _FIRST_SERVER_ERROR_STATUS else "Service"
        return json_response(
            status, {"Type": error_type, "Message": message, **members}, {"x-amzn-ErrorType": code, **(headers or {})}
        )
    # Several DRS errors have a member named `code`, so only this header identifies the error reliably.
    return json_response(
        status, {"message": message, "code": code, **members}, {"x-amzn-ErrorType": code, **(headers or {})}
    )
