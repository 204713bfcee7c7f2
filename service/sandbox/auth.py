"""Authentication, authorization and fault injection in front of moto."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import unquote

from moto.utilities.utils import get_partition

from service.sandbox import error_responses
from service.sandbox.aws_protocols import POLICY_OPERATIONS, Application, Call, Environ, Response, forward, read_call
from service.sandbox.call_counter import CallCounter
from service.sandbox.ec2_regions import describe_regions
from service.sandbox.fault_injector import FaultInjector
from service.sandbox.fleet_models import Fleet
from service.sandbox.identity_store import CallerIdentity, IdentityStore
from service.sandbox.lambda_functions import LambdaFunctions

__all__ = ["AuthMiddleware"]

_UNSIGNED_PATHS: Final = ("/moto-api", "/favicon.ico")


class AuthMiddleware:
    """WSGI middleware with the state of one sandbox: identities, faults, Lambda functions and call counts."""

    def __init__(
        self,
        application: Application,
        fleet: Fleet,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._application = application
        self._sleep = sleep
        self.call_counter = CallCounter()
        self.identity_store = IdentityStore(fleet, clock)
        self.fault_injector = FaultInjector(fleet.faults, clock)
        self.lambda_functions = LambdaFunctions(fleet)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        response = self.respond(environ)
        start_response(response.status_line, list(response.headers))
        return [response.body]

    def respond(self, environ: Environ) -> Response:
        """Return the response to one request: an error of auth or faults, else that of moto or the sandbox."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        call = read_call(environ, body)
        if call is None:
            is_unsigned_path = str(environ.get("PATH_INFO", "")).startswith(_UNSIGNED_PATHS)
            return forward(self._application, environ, body) if is_unsigned_path else error_responses.unsigned()
        caller = self.identity_store.identity_of(call.access_key)
        self.call_counter.add(caller.account_id, call.region, call.service, call.operation)
        self._delay(call)
        return self._error_response(environ, call, caller) or self._forward(environ, call, caller)

    def _delay(self, call: Call) -> None:
        latency_s = self.fault_injector.faults.latency_s(call.service)
        if latency_s:
            self._sleep(latency_s)

    def _error_response(self, environ: Environ, call: Call, caller: CallerIdentity) -> Response | None:
        if self.identity_store.is_expired(caller, self.fault_injector.faults.session_lifetime_s):
            return error_responses.expired(call)
        if self.identity_store.is_region_disabled(caller.account_id, call.region):
            return error_responses.region_disabled(call)
        if denied := _denied_by_session_policy(call, caller):
            resource = _resource_of(environ, call, caller)
            return error_responses.access_denied(
                call, caller.arn, session_policy=True, action=denied, resource=resource
            )
        fault = self.fault_injector.fault_response(call, caller)
        if fault is None and (call.service, call.operation) == ("sts", "AssumeRole"):
            return self.identity_store.check_assume_role(call, caller)
        return fault

    def _forward(self, environ: Environ, call: Call, caller: CallerIdentity) -> Response:
        if (call.service, call.operation) == ("ec2", "DescribeRegions"):
            return describe_regions(call, self.identity_store.disabled_regions(caller.account_id))
        if call.service == "lambda" and call.operation not in POLICY_OPERATIONS:  # moto would run them in Docker
            return self.lambda_functions.respond(environ, call, caller)
        # moto maps an unknown access key to its default account; this header names the account instead.
        response = forward(self._application, {**environ, "HTTP_X_MOTO_ACCOUNT_ID": caller.account_id}, call.body)
        if (call.service, call.operation) == ("sts", "AssumeRole"):
            self.identity_store.store_session(call, response)
        self.fault_injector.record_page_token(call, caller, response)
        return response


def _denied_by_session_policy(call: Call, caller: CallerIdentity) -> str | None:
    """Return an action of a call that the policy of the session does not allow. GetCallerIdentity needs none."""
    if (policy := caller.policy) is None or (call.service, call.operation) == ("sts", "GetCallerIdentity"):
        return None
    return next((action for action in error_responses.actions_of(call) if not policy.allows(action)), None)


def _resource_of(environ: Environ, call: Call, caller: CallerIdentity) -> str:
    """Return the ARN of the source server that a DRS call names, for the text of a denial; `*` without one."""
    path = str(environ.get("PATH_INFO", ""))
    if path.startswith("/tags/"):
        return unquote(path.removeprefix("/tags/"))
    if call.service != "drs":
        return "*"
    members = json.loads(call.body or b"{}")
    if server_id := members.get("sourceServerID"):
        partition = get_partition(call.region)
        return f"arn:{partition}:drs:{call.region}:{caller.account_id}:source-server/{server_id}"
    return str(members.get("sourceServerArn", "*"))
