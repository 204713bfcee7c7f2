"""Sources of the hub's credentials: each one of the SDK that calls AWS works with AwsClient."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.aws.client import AwsClient
from service.aws.operations import READ_OPERATIONS
from service.errors import AwsError
from service.settings import Settings
from service.telemetry import set_up_logging
from tests.support.scripted import Answer, Request, ScriptedAws, answer, scripted_aws

HUB = "111122223333"
START = "https://example.awsapps.com/start"
ROLE = f"role_arn = arn:aws:iam::{HUB}:role/hub"
LOGIN = f"sso_account_id = {HUB}\nsso_role_name = hub"
PROFILES = {
    "a role of a profile": f"[profile p]\n{ROLE}\nsource_profile = base\n"
    "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = base-secret\n",
    "a web identity": f"[profile p]\n{ROLE}\nweb_identity_token_file = {{home}}/token\n",
    "a login": f"[profile p]\nsso_start_url = {START}\nsso_region = eu-west-1\n{LOGIN}\n",
    "a login that is renewed": f"[profile p]\nsso_session = s\n{LOGIN}\n"
    f"[sso-session s]\nsso_start_url = {START}\nsso_region = eu-west-1\n",
}
OPERATIONS = {
    "a role of a profile": ["AssumeRole"],
    "a web identity": ["AssumeRoleWithWebIdentity"],
    "a login": ["GetRoleCredentials"],
    "a login that is renewed": ["CreateToken", "GetRoleCredentials"],
}
IDENTITY = f"<Account>{HUB}</Account><UserId>u</UserId><Arn>arn:aws:sts::{HUB}:assumed-role/hub/session</Arn>"
KEYS = (
    "<Credentials><AccessKeyId>ASIAHUB</AccessKeyId><SecretAccessKey>hub-secret</SecretAccessKey>"
    "<SessionToken>hub-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
)


def _operation(request: Request) -> str:
    if request.path.startswith("/federation/credentials"):
        return "GetRoleCredentials"
    if request.path == "/token":
        return "CreateToken"
    return request.body.decode().partition("Action=")[2].partition("&")[0]


def _script(request: Request) -> Answer:
    name = _operation(request)
    if name == "CreateToken":
        return answer({"accessToken": "new", "expiresIn": 3600, "tokenType": "Bearer"})
    if name == "GetRoleCredentials":
        keys = {"accessKeyId": "ASIAHUB", "secretAccessKey": "hub-secret", "sessionToken": "hub-token"}
        return answer({"roleCredentials": {**keys, "expiration": 4_070_908_800_000}})
    inside = IDENTITY if name == "GetCallerIdentity" else KEYS
    return answer(f"<{name}Response><{name}Result>{inside}</{name}Result></{name}Response>".encode())


@asynccontextmanager
async def _profile(
    text: str, home: Path, monkeypatch: pytest.MonkeyPatch, script: Any = _script
) -> AsyncIterator[ScriptedAws]:
    """Run a scripted endpoint, with a profile as the only source of credentials."""
    (home / "config").write_text(text.replace("{home}", str(home)))
    (home / "token").write_text("a-token-of-somebody-who-vouches")
    for name in ("SSOProvider", "SSOTokenProvider"):
        module = "credentials" if name == "SSOProvider" else "tokens"
        monkeypatch.setattr(f"botocore.{module}.{name}._SSO_TOKEN_CACHE_DIR", str(home))
    login = {"startUrl": START, "region": "eu-west-1", "accessToken": "old", "expiresAt": "2099-01-01T00:00:00Z"}
    renewable = {"refreshToken": "r", "clientId": "c", "clientSecret": "s"}
    renewable |= {"registrationExpiresAt": "2099-01-01T00:00:00Z", "expiresAt": "2026-01-01T00:00:00Z"}
    for name, token in ((START, login), ("s", {**login, **renewable})):
        (home / (hashlib.sha1(name.encode()).hexdigest() + ".json")).write_text(json.dumps(token))  # noqa: S324
    async with scripted_aws(script, monkeypatch) as aws:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_PROFILE", "p")
        yield aws


@pytest.mark.parametrize("source", PROFILES)
async def test_credentials_come_from_each_source(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        _profile(PROFILES[source], tmp_path, monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC), allowed=READ_OPERATIONS) as aws_client,
    ):
        assert (await aws_client.identity()).account_id == HUB
        assert [_operation(request) for request in aws.requests] == [*OPERATIONS[source], "GetCallerIdentity"]
        assert "Credential=ASIAHUB/" in aws.requests[-1].headers["authorization"]


@pytest.mark.parametrize("source", ["a role of a profile", "a web identity"])
async def test_hub_credentials_in_a_truncated_response_are_not_reported(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK logs a warning by itself when a renewal fails."""

    def script(request: Request) -> Answer:
        status, headers, body = _script(request)
        return status, headers, body[:-40]

    async with (
        _profile(PROFILES[source], tmp_path, monkeypatch, script),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError) as raised:
            await aws_client.identity()
    assert "Refreshing temporary credentials failed" in caplog.text
    assert not any(secret in caplog.text + str(raised.value) for secret in ("ASIAHUB", "hub-secret", "hub-token"))


async def test_hub_credentials_in_a_malformed_http_response_are_not_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The HTTP client quotes an invalid chunk length, and the SDK logs its exception with all causes."""

    async def no_length(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + KEYS.encode() + b"\r\n")
        await writer.drain()
        writer.close()

    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(sys.stderr)])  # as in Lambda
    set_up_logging(sys.stderr, "DEBUG")
    listening = await asyncio.start_server(no_length, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with _profile(PROFILES["a role of a profile"], tmp_path, monkeypatch), listening:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
            with pytest.raises(AwsError) as raised:
                await aws_client.identity()
    logged = capfd.readouterr().err
    (line,) = map(json.loads, logged.splitlines())
    assert "Refreshing temporary credentials failed" in line["message"]
    assert not any(secret in logged + str(raised.value) for secret in ("ASIAHUB", "hub-secret", "hub-token"))
