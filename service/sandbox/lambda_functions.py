"""Emulation of Lambda's Invoke: each invocation is validated and recorded.

A synchronous invocation of a function that a stack has created runs it (`function_runner`). No other code runs: a
synchronous invocation of a declared function returns null.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn

from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.utilities.utils import get_partition

from service.sandbox.aws_protocols import Call, Environ, Response, error_response
from service.sandbox.error_responses import access_denied
from service.sandbox.fleet_models import Fleet
from service.sandbox.function_runner import is_runnable, run_function
from service.sandbox.identity_store import CallerIdentity

__all__ = ["Invocation", "LambdaFunctions"]

_PATH: Final = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
# A name, account:function:name, or a full ARN; each may end in a version or an alias.
_TARGET: Final = re.compile(
    r"(?:(?:arn:[a-z-]+:lambda:(?P<region>[a-z0-9-]+):)?(?P<account>\d{12}):function:)?"
    r"(?P<name>[A-Za-z0-9_.-]+)(?::(?P<version>\$LATEST|[A-Za-z0-9_-]+))?"
)
_MAX_PAYLOAD_BYTES: Final = {"Event": 1024**2, "RequestResponse": 6 * 1024**2, "DryRun": 6 * 1024**2}


@dataclass(frozen=True, slots=True)
class Invocation:
    """One accepted invocation. Numbers count from 1 in order of arrival and continue after `clear`."""

    number: int
    function: str
    account: str
    region: str
    invocation_type: str
    payload: Any


class _Target(NamedTuple):
    name: str
    account: str
    region: str
    arn: str


class LambdaFunctions:
    """Lambda functions of the hub, in its region, and their invocations. Thread-safe."""

    def __init__(self, fleet: Fleet) -> None:
        self._hub = fleet.hub
        self._names = frozenset(fleet.functions)
        self._invocations: list[Invocation] = []
        self._count = 0
        self._lock = threading.Lock()

    def invocations(self) -> tuple[Invocation, ...]:
        """Return the accepted invocations in order of arrival; a DryRun is not recorded."""
        with self._lock:
            return tuple(self._invocations)

    def clear(self) -> None:
        """Remove all recorded invocations."""
        with self._lock:
            self._invocations.clear()

    def respond(self, environ: Environ, call: Call, caller: CallerIdentity) -> Response:
        """Return the response to one Lambda request. The order of the checks and some error messages are inferred."""
        path = _PATH.fullmatch(str(environ.get("PATH_INFO", "")))
        if path is None or call.operation != "Invoke":
            return error_response(
                call, "NotImplementedException", "this sandbox has no Lambda operation but Invoke", status=501
            )
        invocation_type = str(environ.get("HTTP_X_AMZ_INVOCATION_TYPE") or "RequestResponse")
        max_bytes = _MAX_PAYLOAD_BYTES.get(invocation_type)
        if max_bytes is None:
            text = f"Value '{invocation_type}' at 'invocationType' must be one of {', '.join(_MAX_PAYLOAD_BYTES)}"
            return error_response(call, "InvalidParameterValueException", text, status=400)
        if len(call.body) > max_bytes:
            text = (
                f"{len(call.body)} byte payload is too large for the {invocation_type} invocation type "
                f"(limit {max_bytes} bytes)"
            )
            return error_response(call, "RequestTooLargeException", text, status=413)
        target = _target_of(path[1], call, caller)
        if target is None:
            text = f"Value '{path[1]}' at 'functionName' names no function"
            return error_response(call, "InvalidParameterValueException", text, status=400)
        refused = self._error_response(target, call, caller)
        return refused or self._accept(target, invocation_type, call, f"http://{environ.get('HTTP_HOST')}")

    def _error_response(self, target: _Target, call: Call, caller: CallerIdentity) -> Response | None:
        if target.account != caller.account_id:  # no function has a resource policy that allows other accounts
            return access_denied(call, caller.arn, scp=False, resource=target.arn)
        if target.region != call.region:
            text = f"Functions from '{target.region}' are not reachable in this region ('{call.region}')"
            return error_response(call, "ResourceNotFoundException", text, status=404)
        is_in_hub = (target.account, target.region) == (self._hub.account_id, self._hub.region)
        if not is_in_hub or (target.name not in self._names and self._deployed(target) is None):
            return error_response(call, "ResourceNotFoundException", f"Function not found: {target.arn}", status=404)
        return None

    def _deployed(self, target: _Target) -> LambdaFunction | None:
        """Return the function that a stack has created under this name."""
        functions = lambda_backends[self._hub.account_id][self._hub.region].list_functions("$LATEST")
        return next((each for each in functions if each.function_name == target.name), None)

    def _accept(self, target: _Target, invocation_type: str, call: Call, endpoint_url: str) -> Response:
        try:
            payload = json.loads(call.body, parse_constant=_reject_constant) if call.body else {}
        except ValueError as error:
            text = f"Could not parse request body into json: {error}"
            return error_response(call, "InvalidRequestContentException", text, status=400)
        if invocation_type == "DryRun":
            return Response(204, b"")
        with self._lock:
            self._count += 1
            self._invocations.append(
                Invocation(self._count, target.name, target.account, target.region, invocation_type, payload)
            )
        if invocation_type == "Event":
            return Response(202, b"")
        function = self._deployed(target)
        if function is not None and is_runnable(function):
            return run_function(function, payload, endpoint_url, call.access_key)
        headers = (("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST"))
        return Response(200, b"null", headers)


def _target_of(function_name: str, call: Call, caller: CallerIdentity) -> _Target | None:
    """Parse a function name in any of its three forms; None when it has another form."""
    match = _TARGET.fullmatch(function_name)
    if match is None:
        return None
    account, region = match["account"] or caller.account_id, match["region"] or call.region
    arn = f"arn:{get_partition(region)}:lambda:{region}:{account}:function:{match['name']}"
    return _Target(match["name"], account, region, arn)


def _reject_constant(name: str) -> NoReturn:
    """Reject NaN and the infinities, which Python accepts as JSON and Lambda does not."""
    raise ValueError(f"{name} is not JSON")
