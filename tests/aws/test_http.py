"""TLS and connections: every client rejects a certificate for another host name, and all share one connection pool."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from service.aws import client as client_module
from service.aws.client import AwsClient
from service.errors import AwsError
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

SERVICES = {
    "sts": ("GetCallerIdentity", {}),
    "drs": ("DescribeSourceServers", {}),
    "ec2": ("DescribeInstances", {}),
    "dynamodb": ("Scan", {"TableName": "t"}),
}


XML = b"<Response><Errors><Error><Code>ValidationError</Code><Message>no</Message></Error></Errors></Response>"


@dataclass
class TlsServer:
    """TLS server that answers every request with an error that is not retried, and counts connections and requests."""

    port: int = 0
    connections: int = 0
    requests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length")
                    ),
                    0,
                )
                await reader.readexactly(length)
                self.requests.append(head.decode())
                body = XML if b"form-urlencoded" in head else b'{"message":"no"}'
                writer.write(
                    b"HTTP/1.1 400 Bad Request\r\nx-amzn-ErrorType: ValidationException\r\n"
                    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client hung up
        finally:
            writer.close()


@asynccontextmanager
async def tls_server(authority: trustme.CA, name: str) -> AsyncIterator[TlsServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    answering = TlsServer()
    listening = await asyncio.start_server(answering.serve, "127.0.0.1", 0, ssl=context)
    answering.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield answering


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    for name, value in {
        "AWS_CA_BUNDLE": str(bundle),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "NO_PROXY": "localhost",
    }.items():
        monkeypatch.setenv(name, value)


def _now() -> datetime:
    return datetime.now(UTC)


async def _code_of_call(service: str, region: str = "eu-west-1") -> str:
    async with AwsClient(Settings(), _now) as aws_client:
        return await _call(aws_client, service, region)


async def _call(aws_client: AwsClient, service: str, region: str) -> str:
    operation, params = SERVICES[service]
    with pytest.raises(AwsError) as caught:
        await aws_client.hub().call(service, operation, params, region=region)
    return caught.value.code


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("service", SERVICES)
async def test_a_certificate_for_another_name_is_refused(
    service: str, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_server(authority, "another.example.com") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{server.port}")
        assert await _code_of_call(service) == "CertificateRefused"
        assert server.requests == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("service", SERVICES)
async def test_the_right_name_is_accepted(service: str, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_server(authority, "localhost") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{server.port}")
        assert await _code_of_call(service) not in {"CertificateRefused", "EndpointUnreachable"}
        assert len(server.requests) == 1


@pytest.mark.usefixtures("trusted")
async def test_an_unknown_authority_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_server(trustme.CA(), "localhost") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{server.port}")
        assert await _code_of_call("drs") == "CertificateRefused"
        assert server.requests == []


@pytest.mark.usefixtures("trusted")
async def test_an_endpoint_of_one_service_is_honoured(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_server(authority, "localhost") as common, tls_server(authority, "localhost") as special:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{common.port}")
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", f"https://localhost:{special.port}")
        async with AwsClient(Settings(), _now) as aws_client:
            await _call(aws_client, "drs", "eu-west-1")
            await _call(aws_client, "ec2", "eu-west-1")
        assert len(special.requests) == len(common.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the session token nor the request goes to the other host, and its response is not used."""
    went: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        went.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"items":[]}')
        writer.close()

    listening = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    there = f"http://localhost:{listening.sockets[0].getsockname()[1]}/"
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    monkeypatch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)
    async with (
        listening,
        scripted_aws(lambda _: answer(b"", status, Location=there), monkeypatch) as aws,
        AwsClient(Settings(), _now) as aws_client,
    ):
        assert await _call(aws_client, "drs", "eu-west-1") == "MalformedResponse"
    assert went == []
    assert all(request.headers["x-amz-security-token"] == "a-token" for request in aws.requests)


@pytest.mark.usefixtures("trusted")
async def test_all_clients_share_one_pool(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_server(authority, "localhost") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{server.port}")
        async with AwsClient(Settings(), _now) as aws_client:
            for region in ("eu-west-1", "us-east-1", "ap-south-1"):
                for service in SERVICES:
                    await _call(aws_client, service, region)
        assert len(server.requests) == 12
        assert server.connections == 1
