"""Runs a deployed Lambda function of drs-sync in a process of its own, with the function's environment and time-out.

Only handlers in `service.handlers` run, with this Python and this installation of drs-sync: the package in S3 is built
for Lambda's processors. What the function prints becomes events of its log group, if the group exists.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any, Final

from moto.awslambda.models import LambdaFunction
from moto.logs.models import logs_backends

from service.sandbox.aws_protocols import Response

__all__ = ["is_runnable", "run_function"]

_HANDLERS: Final = "service.handlers."
_PASSED_ON: Final = ("PATH", "HOME", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "TEMP")
_RUNTIME: Final = """
import importlib, json, os, sys, time

end = time.monotonic() + float(sys.argv[2])


class Context:
    aws_request_id = "5a9db0c0-0000-4000-8000-000000000000"
    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]

    def get_remaining_time_in_millis(self):
        return int((end - time.monotonic()) * 1000)


answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the handler prints is its log
module, name = sys.argv[1].rsplit(".", 1)
event = json.load(sys.stdin)
json.dump(getattr(importlib.import_module(module), name)(event, Context()), answers)
answers.flush()
"""


def is_runnable(function: LambdaFunction) -> bool:
    """Whether the function is one of drs-sync's."""
    return str(function.handler).startswith(_HANDLERS)


def run_function(function: LambdaFunction, payload: object, endpoint_url: str, access_key: str) -> Response:
    """Run the function synchronously; return the response to its invocation.

    An exception in the handler, or the end of its time, is an answer with `X-Amz-Function-Error`, as in Lambda.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "NO_PROXY": "*",
        **{name: str(value) for name, value in function.environment_vars.items()},
    }
    timeout_s = int(function.timeout or 3)
    command = [sys.executable, "-c", _RUNTIME, str(function.handler), str(timeout_s)]
    try:
        done = subprocess.run(  # noqa: S603  (our own code)
            command,
            input=json.dumps(payload).encode(),
            env=environment,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        _log(function, error.stderr or b"")
        return _failure("Sandbox.Timedout", f"Task timed out after {timeout_s} seconds")
    _log(function, done.stderr)
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return _failure("Runtime.ExitError", lines[-1] if lines else f"exit code {done.returncode}")
    return Response(200, done.stdout, (("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")))


def _failure(kind: str, message: str) -> Response:
    body = json.dumps({"errorType": kind, "errorMessage": message}).encode()
    return Response(200, body, (("Content-Type", "application/json"), ("X-Amz-Function-Error", "Unhandled")))


def _log(function: LambdaFunction, output: bytes) -> None:
    backend, group = logs_backends[function.account_id][function.region], f"/aws/lambda/{function.function_name}"
    if group not in backend.groups:
        return
    now_ms = int(time.time() * 1000)
    events: list[dict[str, Any]] = [
        {"timestamp": now_ms, "message": line} for line in output.decode("utf-8", "replace").splitlines() if line
    ]
    if events:
        if "sandbox" not in backend.groups[group].streams:
            backend.create_log_stream(group, "sandbox")
        backend.put_log_events(group, "sandbox", events)
