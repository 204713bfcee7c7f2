"""AWS under its real host names: respx answers every request of the SDK's httpx session, and nothing is sent.

For what no server on loopback can show: which host is called, and how the request is signed. Work runs on a virtual
clock, whose event loop has no sockets, so that a request which respx does not answer cannot leave either.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar
from unittest.mock import patch
from urllib.parse import parse_qs

import anyio
import httpx
import pytest
import respx
from aiobotocore.httpxsession import HttpxSession

from service.app import App, open_app
from service.aws.client import AwsClient
from service.settings import Settings
from tests.simulation.clock import VirtualLoop
from tests.simulation.clock import run as run_virtually

__all__ = ["EVERYTHING", "HUB", "MockedAws", "Respond", "SignedRequest", "error", "ok", "run_against"]

T = TypeVar("T")

HUB: Final = "111122223333"
EVERYTHING: Final = "every request"
"""Name of the route of `MockedAws.router`."""
_PARTITIONS: Final = {"us-gov": "aws-us-gov", "cn": "aws-cn", "eusc": "aws-eusc"}
_SCOPE: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<date>\d{8})/(?P<region>[\w-]+)/(?P<service>\w+)/aws4_request,"
)
_REST_OPERATIONS: Final = {"invocations": "Invoke"}  # DRS has the name of the operation as its path
_NAMESPACE: Final = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One request: where it goes, who signed it for what, and what it asks."""

    host: str
    access_key: str
    date: str
    region: str
    service: str
    operation: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    at_s: float

    @property
    def scope(self) -> str:
        """The credential scope of the signature, without the date."""
        return f"{self.region}/{self.service}"


Respond = Callable[[SignedRequest], httpx.Response]


def ok(request: SignedRequest) -> httpx.Response:
    """Return what AWS answers to a request where nothing exists; credentials of a role are named after its account."""
    if request.service == "sts":
        return httpx.Response(200, text=_sts(request))
    if request.service == "ec2":
        return httpx.Response(200, text="<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>")
    if request.service == "lambda":
        return httpx.Response(202, content=b"")
    if request.service == "events":
        return httpx.Response(200, json={"Name": "rule"})
    return httpx.Response(200, json={"Items": [], "Count": 0} if request.service == "dynamodb" else {"items": []})


def error(request: SignedRequest, code: str, status: int, message: str = "no", **headers: str) -> httpx.Response:
    """Return an error as the protocol of the request's service has it; in `headers`, `_` stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    detail = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    if request.service == "sts":
        text = f"<ErrorResponse {_NAMESPACE}>{detail}<RequestId>r</RequestId></ErrorResponse>"
        return httpx.Response(status, headers=named, text=text)
    if request.service == "ec2":
        return httpx.Response(status, headers=named, text=f"<Response><Errors>{detail}</Errors></Response>")
    if request.service in {"dynamodb", "events"}:  # JSON-RPC: the type is in the body
        return httpx.Response(status, headers=named, json={"__type": f"com.amazon.coral#{code}", "message": message})
    return httpx.Response(status, headers={"x-amzn-ErrorType": code, **named}, json={"message": message})


def _sts(request: SignedRequest) -> str:
    prefix = next((name for name in _PARTITIONS if request.region.startswith(f"{name}-")), "")
    partition = _PARTITIONS.get(prefix, "aws")
    if request.operation == "GetCallerIdentity":
        arn = f"arn:{partition}:sts::{HUB}:assumed-role/hub/x"
        result = f"<Account>{HUB}</Account><Arn>{arn}</Arn><UserId>u</UserId>"
    else:
        account_id = request.params["RoleArn"].split(":")[4]
        result = (
            f"<Credentials><AccessKeyId>ASIA{account_id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            "<SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>"
        )
    name = request.operation
    return f"<{name}Response {_NAMESPACE}><{name}Result>{result}</{name}Result></{name}Response>"


@dataclass
class MockedAws:
    """The requests so far, and what opens clients that make them; `latency_s` returns the time that an answer takes."""

    loop: VirtualLoop
    respond: Respond
    router: respx.MockRouter
    requests: list[SignedRequest] = field(default_factory=list)
    latency_s: Callable[[], float] = lambda: 0.0

    def client(self, **settings: Any) -> AwsClient:
        """Return a client; use it as a context manager."""
        return AwsClient(Settings(**settings), self.loop.wall, http_session_class=_Session)

    @asynccontextmanager
    async def app(self, **settings: Any) -> AsyncIterator[App]:
        """Open the app on such a client."""
        with patch("service.app.AwsClient", partial(AwsClient, http_session_class=_Session)):
            async with open_app(Settings(**settings), self.loop.wall) as app:
                yield app

    @property
    def hosts(self) -> list[str]:
        """The host of each request."""
        return [request.host for request in self.requests]

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Record a request and answer it after `latency_s`."""
        signed = _signed(request, at_s=self.loop.time())
        self.requests.append(signed)
        await anyio.sleep(self.latency_s())
        return self.respond(signed)


class _Session(HttpxSession):
    """The SDK's httpx session without TLS, since it never connects: loading the certificates takes longer than a test.

    The SDK loads them in a thread, which the virtual clock does not have.
    """

    def __init__(self, **kwargs: Any) -> None:
        assert kwargs["verify"] is not False
        super().__init__(**{**kwargs, "verify": False})


def run_against(
    respond: Respond, work: Callable[[MockedAws], Coroutine[Any, Any, T]], environment: Mapping[str, str]
) -> T:
    """Run work on a virtual clock against AWS with these environment variables; the default region is us-west-2."""
    with pytest.MonkeyPatch.context() as environ:
        _clear_environment(environ)
        for name, value in environment.items():
            environ.setenv(name, value)

        async def mocked(loop: VirtualLoop) -> T:
            # Signatures have the date of the virtual clock.
            environ.setattr("botocore.auth.get_current_datetime", lambda: loop.wall().replace(tzinfo=None))
            # Not the default, which compares URLs in httpcore: the SDK passes the whole URL as the target there.
            with respx.mock(using="httpx", assert_all_mocked=True, assert_all_called=False) as router:
                aws = MockedAws(loop, respond, router)
                router.route(name=EVERYTHING).mock(side_effect=aws.answer)
                return await work(aws)

        return run_virtually(mocked)


def _clear_environment(environ: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        environ.delenv(name)
    environ.setenv("AWS_CONFIG_FILE", "/dev/null")
    environ.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    environ.setenv("AWS_EC2_METADATA_DISABLED", "true")
    environ.setenv("AWS_ACCESS_KEY_ID", "AKIAHUB")
    environ.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environ.setenv("AWS_REGION", "us-west-2")


def _signed(request: httpx.Request, *, at_s: float) -> SignedRequest:
    scope = _SCOPE.match(request.headers["authorization"])
    assert scope is not None, request.headers["authorization"]
    assert request.url.scheme == "https"
    assert request.headers["host"] == request.url.host
    operation, params = _asked(request)
    return SignedRequest(
        host=request.url.host,
        access_key=scope["key"],
        date=scope["date"],
        region=scope["region"],
        service=scope["service"],
        operation=operation,
        params=params,
        headers=dict(request.headers),
        at_s=at_s,
    )


def _asked(request: httpx.Request) -> tuple[str, Mapping[str, Any]]:
    body = request.content
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return form["Action"], form
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2], json.loads(body)
    operation = request.url.path.rpartition("/")[2]
    return _REST_OPERATIONS.get(operation, operation), json.loads(body or b"{}")
