"""Each source of the hub's credentials that fails: its cause and what to type, the same in every command.

The real SDK reads real profiles, files and processes; its endpoints are on loopback.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiobotocore.credentials
import anyio
import botocore.credentials
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.aws.client import AwsClient
from service.cli.diagnosis import Level
from service.cli.doctor_checks import Doctor
from service.cli.schemas import TABLES
from service.errors import AwsError
from service.models import utc_now
from service.settings import load_settings
from tests.support.command import run, start
from tests.support.scripted import Answer, Request, answer, refusal, scripted_aws

HUB = "111122223333"
ROLE = f"role_arn = arn:aws:iam::{HUB}:role/hub\n"
SSO = f"sso_account_id = {HUB}\nsso_role_name = hub\n"
SESSION = "[sso-session s]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n"
START = "https://example.awsapps.com/start"
SECRETS = ("a-secret-of-the-process", "an-access-token", "a-secret-key")
FUTURE, PAST = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def _login_cache(**token: Any) -> dict[str, str]:
    name = hashlib.sha256(b"arn:hub").hexdigest()
    return {f"login/{name}.json": json.dumps(token)}


def _sso_cache(name: str, **token: Any) -> dict[str, str]:
    return {f"sso/{hashlib.sha1(name.encode()).hexdigest()}.json": json.dumps(token)}  # noqa: S324 - the SDK's name


def _deny(code: str, status: int = 403) -> Callable[[Request], Answer]:
    def script(request: Request) -> Answer:
        if b"Action=" in request.body:  # STS answers in XML
            error = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
            return answer(error.encode(), status)
        return refusal(code, status)

    return script


@dataclass(frozen=True)
class Case:
    """A set-up in which no credentials can be had."""

    cause: str
    fix: str  # the first words
    profile: str = ""  # the text of profile p; {home} is a directory
    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    script: Callable[[Request], Answer] = field(default=lambda _: answer(status=404))
    awscrt: object | None = None  # what the SDK finds of the package awscrt


CASES = {
    "nothing": Case("this process has no AWS credentials", "give it credentials of the hub account: a profile"),
    "an empty profile": Case("the profile p has none", "give it credentials", "region = us-east-1"),
    "no such profile": Case(
        "there is no AWS profile q; {home}/config and the credentials file have: p",
        "correct AWS_PROFILE, or add the profile with `aws configure --profile q`",
        "region = us-east-1",
        variables={"AWS_PROFILE": "q"},
    ),
    "half of the keys in variables": Case(
        "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not",
        "set AWS_SECRET_ACCESS_KEY, or unset AWS_ACCESS_KEY_ID",
        variables={"AWS_ACCESS_KEY_ID": "AKIA"},
    ),
    "half of the keys in a profile": Case(
        "the profile p is incomplete: it lacks aws_secret_access_key",
        "add aws_secret_access_key to the profile in {home}/config",
        "aws_access_key_id = AKIA",
    ),
    "a role without a source": Case("the profile p is incomplete: it lacks source_profile", "add source_profile", ROLE),
    "profiles in a circle": Case(
        "leads back to itself: p -> q",
        "in {home}/config, let the last source_profile name",
        f"{ROLE}source_profile = q\n[profile q]\n{ROLE}source_profile = p",
    ),
    "a source that is missing": Case(
        'The source_profile "q" referenced in the profile "p" does not exist',
        "correct the profile p in {home}/config",
        f"{ROLE}source_profile = q",
    ),
    "an MFA code is required": Case(
        f"the profile p requires an MFA code (arn:aws:iam::{HUB}:mfa/me)",
        'let the AWS CLI ask: eval "$(aws configure export-credentials --profile p --format env)"',
        f"{ROLE}source_profile = q\nmfa_serial = arn:aws:iam::{HUB}:mfa/me\n"
        "[profile q]\naws_access_key_id = AKIA\naws_secret_access_key = a-secret-key",
    ),
    "the role is denied": Case(
        "the role of the profile p gave no credentials: AssumeRole: AccessDenied: no",
        "check the role_arn, external_id and source_profile of the profile",
        f"{ROLE}source_profile = q\n[profile q]\naws_access_key_id = AKIA\naws_secret_access_key = a-secret-key",
        script=_deny("AccessDenied"),
    ),
    "the session behind the role has expired": Case(
        "AssumeRole: ExpiredToken",
        "log in again and renew the keys of the profile q; if that does not help, check the clock",
        f"{ROLE}source_profile = q\n[profile q]\naws_access_key_id = AKIA\naws_secret_access_key = a-secret-key\n"
        "aws_session_token = old",
        script=_deny("ExpiredToken"),
    ),
    "SSO, never logged in": Case(
        "the SSO login of the profile p has expired, or there was none: Error loading SSO Token: Token for s does not",
        "aws sso login --profile p; if that does not help, check the clock",
        f"sso_session = s\n{SSO}{SESSION}",
    ),
    "SSO, never logged in, in the old format": Case(
        "the SSO login of the profile p has expired, or there was none",
        "aws sso login --profile p",
        f"sso_start_url = {START}\nsso_region = us-east-1\n{SSO}",
    ),
    "SSO, expired": Case(
        "the SSO login of the profile p has expired",
        "aws sso login --profile p",
        f"sso_session = s\n{SSO}{SESSION}",
        files=_sso_cache("s", accessToken="an-access-token", expiresAt=PAST),
    ),
    "SSO behind a role": Case(
        "the SSO login of the profile q has expired",
        "aws sso login --profile q",
        f"{ROLE}source_profile = q\n[profile q]\nsso_session = s\n{SSO}{SESSION}",
    ),
    "SSO, refused": Case(
        "the SSO login of the profile p has expired",
        "aws sso login --profile p",
        f"sso_session = s\n{SSO}{SESSION}",
        files=_sso_cache("s", accessToken="an-access-token", expiresAt=FUTURE),
        script=_deny("UnauthorizedException", 401),
    ),
    "SSO, a role that the user lacks": Case(
        "the SSO login of the profile p gave no credentials: GetRoleCredentials: ForbiddenException",
        "check sso_account_id and sso_role_name",
        f"sso_session = s\n{SSO}{SESSION}",
        files=_sso_cache("s", accessToken="an-access-token", expiresAt=FUTURE),
        script=_deny("ForbiddenException"),
    ),
    "SSO without its session": Case(
        'The specified sso-session does not exist: "s"',
        "correct the profile p in {home}/config",
        f"sso_session = s\n{SSO}",
    ),
    "aws login without awscrt": Case(
        "the profile p uses `aws login`, which needs the package awscrt, and it is not installed",
        "pip install 'drs-sync[login]'",
        "login_session = arn:hub",
    ),
    "aws login, never logged in": Case(
        "the login of the profile p cannot be used: Error loading login session token",
        "aws login --profile p",
        "login_session = arn:hub",
        awscrt=object(),
    ),
    "aws login, a token of an older version": Case(
        "missing required fields",
        "aws login --profile p",
        "login_session = arn:hub",
        files=_login_cache(accessToken={"accessKeyId": "ASIA"}),
        awscrt=object(),
    ),
    "a web identity without its token": Case(
        "the token file {home}/none (AWS_WEB_IDENTITY_TOKEN_FILE) cannot be read: No such file or directory",
        "create the file and let this process read it, or correct AWS_WEB_IDENTITY_TOKEN_FILE",
        variables={"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/none", "AWS_ROLE_ARN": f"arn:aws:iam::{HUB}:role/hub"},
    ),
    "a web identity of a profile without its token": Case(
        "the token file {home}/none (web_identity_token_file of the profile p) cannot be read",
        "create the file and let this process read it, or correct web_identity_token_file of the profile p",
        f"{ROLE}web_identity_token_file = {{home}}/none",
    ),
    "a web identity whose token is a directory": Case(
        "the token file {home}/sso (AWS_WEB_IDENTITY_TOKEN_FILE) cannot be read: Is a directory",
        "create the file",
        variables={"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/sso", "AWS_ROLE_ARN": f"arn:aws:iam::{HUB}:role/hub"},
    ),
    "a web identity that is refused": Case(
        "the web identity (AWS_WEB_IDENTITY_TOKEN_FILE) gave no credentials: AssumeRoleWithWebIdentity: AccessDenied",
        "check the role (role_arn, AWS_ROLE_ARN)",
        files={"token": "an-access-token"},
        variables={"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": f"arn:aws:iam::{HUB}:role/hub"},
        script=_deny("AccessDenied"),
    ),
    "a container without its token": Case(
        "the token file {home}/none (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE) cannot be read: No such file",
        "create the file and let this process read it, or correct AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        variables={
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/none",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/",
        },
    ),
    "a container's token of two lines": Case(
        "the token in {home}/token (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE) has more than one line",
        "remove the line break",
        files={"token": "an-access-token\n"},
        variables={
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/",
        },
    ),
    "a container's host that is not allowed": Case(
        "the host of AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed: Unsupported host 'agent.example'",
        "set AWS_CONTAINER_CREDENTIALS_FULL_URI to https",
        variables={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://agent.example/"},
    ),
    "a process that fails": Case(
        "the credential_process of the profile p failed with exit code 3",
        "run `aws sts get-caller-identity --profile p` to see what it writes",
        "credential_process = {home}/run echo a-secret-of-the-process; echo a-secret-of-the-process >&2; exit 3",
    ),
    "a process that is killed": Case(
        "the credential_process of the profile p failed with signal 9",
        "run `aws",
        "credential_process = {home}/run kill -9 $$",
    ),
    "a process that is not there": Case(
        "the credential_process of the profile p cannot be started: /no/such/program: No such file or directory",
        "install the program, or correct credential_process in the profile",
        "credential_process = /no/such/program --json",
    ),
    "a process that writes something else": Case(
        "the credential_process of the profile p did not write credentials",
        "it has to write JSON with Version 1",
        "credential_process = {home}/run echo a-secret-of-the-process",
    ),
    "a process that asks": Case(  # it reads the end of its input at once, where the SDK would wait for ever
        "the credential_process of the profile p failed with exit code 1",
        "run `aws",
        "credential_process = {home}/run read -r code",
    ),
    "a process that never ends": Case(
        "the credential_process of the profile q did not end within 0.5 s and was ended",
        "it must not ask for input: log in with its tool first",
        f"{ROLE}source_profile = q\n[profile q]\ncredential_process = {{home}}/run sleep 1000",
        variables={"CREDENTIAL_TIMEOUT_SECONDS": "0.5"},
    ),
    "a process that never stops writing": Case(
        "did not write credentials",
        "it has to write JSON",
        "credential_process = {home}/run yes a-secret-of-the-process",
    ),
}
RUN = '#!/bin/sh\neval "$*"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home directory, in an environment with settings and no source of credentials."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for directory in ("sso", "login"):
        (tmp_path / directory).mkdir()
    (tmp_path / "run").write_text(RUN)
    (tmp_path / "run").chmod(0o755)
    for module, name in (("credentials", "SSOProvider"), ("tokens", "SSOTokenProvider")):
        monkeypatch.setattr(f"botocore.{module}.{name}._SSO_TOKEN_CACHE_DIR", str(tmp_path / "sso"))
    for spec in TABLES:
        monkeypatch.setenv(spec.variable, "table")
    for variable, value in {
        "AWS_LOGIN_CACHE_DIRECTORY": f"{tmp_path}/login",
        "AWS_CONFIG_FILE": f"{tmp_path}/config",
        "AWS_SHARED_CREDENTIALS_FILE": f"{tmp_path}/credentials",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(variable, value)
    return tmp_path


def _set_up(case: Case, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # those of the scripted endpoint
        monkeypatch.delenv(name, raising=False)
    if case.profile:
        (home / "config").write_text(f"[profile p]\n{case.profile}\n".replace("{home}", str(home)))
        monkeypatch.setenv("AWS_PROFILE", "p")
    for name, text in case.files.items():
        (home / name).write_text(text)
    for name, value in case.variables.items():
        monkeypatch.setenv(name, value.replace("{home}", str(home)))
    for module in (aiobotocore.credentials, botocore.credentials):
        monkeypatch.setattr(module, "EC", case.awscrt)


@pytest.mark.parametrize("name", CASES)
async def test_the_doctor_and_every_call_name_the_cause_and_what_to_type(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    async with scripted_aws(case.script, monkeypatch):
        _set_up(case, home, monkeypatch)
        settings = load_settings()
        with anyio.fail_after(30):
            (found,) = await Doctor(settings, (), ()).run()
            async with AwsClient(settings, utc_now) as aws_client:
                with pytest.raises(AwsError) as raised:
                    await aws_client.hub().call("dynamodb", "Scan", {"TableName": "table"}, region="us-east-1")
    cause, fix = (text.replace("{home}", str(home)) for text in (case.cause, case.fix))
    assert raised.value.code == "NoCredentials"
    assert cause in raised.value.message
    assert raised.value.problem.advice.startswith(fix)
    assert (found.check, found.status) == ("hub", Level.FAILED)
    assert (found.cause, found.fix) == (raised.value.message, raised.value.problem.advice)
    assert not any(secret in f"{raised.value}{found}" for secret in SECRETS)


HANGING = {
    "an SSO endpoint": (
        "the SSO login of the profile p",
        replace(CASES["SSO, refused"], variables={"AWS_ENDPOINT_URL": "{hanging}"}),
    ),
    "a container's endpoint": (
        "the container's credential endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI)",
        Case("", "", variables={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{hanging}"}),
    ),
    "an STS endpoint": (
        "the web identity (AWS_WEB_IDENTITY_TOKEN_FILE)",
        replace(
            CASES["a web identity that is refused"],
            variables={
                **CASES["a web identity that is refused"].variables,
                "AWS_ENDPOINT_URL": "{hanging}",
            },
        ),
    ),
    "the metadata service": (
        "the metadata service of this host",
        Case("", "", variables={"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{hanging}"}),
    ),
}


@pytest.mark.parametrize("name", HANGING)
async def test_a_source_that_does_not_answer_has_a_time_limit(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, case = HANGING[name]

    connections: list[asyncio.Task[Any] | None] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    variables = {variable: value.replace("{hanging}", url) for variable, value in case.variables.items()}
    async with listening:
        _set_up(replace(case, variables=variables), home, monkeypatch)
        monkeypatch.setenv("CREDENTIAL_TIMEOUT_SECONDS", "0.2")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        async with AwsClient(load_settings(), utc_now) as aws_client:
            with pytest.raises(AwsError) as raised:
                await aws_client.identity()
        await asyncio.gather(*filter(None, connections))
    assert (raised.value.code, raised.value.cause) == ("NoCredentials", f"{source} gave no credentials within 0.3 s")
    assert "CREDENTIAL_TIMEOUT_SECONDS" in raised.value.fix


@pytest.mark.parametrize(
    ("keys", "profile", "fix"),
    [
        (
            {"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "a-secret-key"},
            "",
            "log in again and set AWS_ACCESS_KEY_ID",
        ),
        (
            {},
            "aws_access_key_id = ASIA\naws_secret_access_key = a-secret-key\naws_session_token = old",
            "log in again and renew the keys of the profile p; if that does not help, check the clock",
        ),
    ],
)
async def test_a_session_that_aws_reports_as_expired_is_renewed_first_and_the_clock_comes_second(
    keys: Mapping[str, str], profile: str, fix: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted_aws(_deny("ExpiredToken"), monkeypatch):
        _set_up(Case("", "", profile, variables=keys), home, monkeypatch)
        settings = load_settings()
        (found,) = await Doctor(settings, (), ()).run()
        async with AwsClient(settings, utc_now) as aws_client:
            with pytest.raises(AwsError) as raised:
                await aws_client.hub().call("sts", "GetCallerIdentity", {}, region="us-east-1")
    assert raised.value.code == "ExpiredToken"
    assert raised.value.fix.startswith(fix)
    assert (found.check, found.fix) == ("hub", raised.value.fix)


async def test_an_expired_aws_login_is_renewed_by_a_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package awscrt: the SDK signs a request to the sign-in service, which refuses it."""
    crypto = pytest.importorskip("awscrt.crypto", reason="the extra `login` is not installed")
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    token = {"accessKeyId": "ASIA", "secretAccessKey": "a-secret-key", "sessionToken": "an-access-token"}
    token |= {"accountId": HUB, "expiresAt": PAST}
    cached = _login_cache(accessToken=token, refreshToken="r", clientId="c", dpopKey=key.decode())

    def refuse(_: Request) -> Answer:
        body = {"error": "TOKEN_EXPIRED", "message": "no"}
        return answer(body, 403, x_amzn_ErrorType="AccessDeniedException")

    async with scripted_aws(refuse, monkeypatch) as aws:
        _set_up(Case("", "", "login_session = arn:hub", cached, awscrt=crypto.EC), home, monkeypatch)
        async with AwsClient(load_settings(), utc_now) as aws_client:
            with pytest.raises(AwsError) as raised:
                await aws_client.identity()
        assert [request.path for request in aws.requests] == ["/v1/token"]
    assert raised.value.code == "NoCredentials"
    assert raised.value.cause.startswith("the login of the profile p has expired")
    assert raised.value.fix.startswith("aws login --profile p")


@pytest.mark.parametrize("case", ["SSO, expired", "a process that fails"])
async def test_every_command_says_the_same_and_writes_json_only(
    case: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK logs warnings of its own when it cannot renew credentials."""
    _set_up(CASES[case], home, monkeypatch)
    (home / ".aws/sso").mkdir(parents=True)
    (home / "sso").rename(home / ".aws/sso/cache")
    environment = {**os.environ, "HOME": str(home), "AWS_REGION": "us-east-1", "LOG_LEVEL": "DEBUG"}
    for arguments in (["sync", "inventory"], ["servers"], ["doctor"]):
        done = run(*arguments, "-o", "json", env=environment)
        shown = json.dumps(json.loads(done.stdout))
        assert json.dumps(CASES[case].cause)[1:-1] in shown, arguments
        assert CASES[case].fix in shown, arguments
        for line in done.stderr.splitlines():
            if not line.startswith("drs-sync: "):
                assert set(json.loads(line)) >= {"level", "message"} or "_aws" in json.loads(line)
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS)


class _Child:
    """A `credential_process` that never ends, with a child of its own; both hold a named pipe open."""

    def __init__(self, home: Path) -> None:
        self.pipe = home / "pipe"
        os.mkfifo(self.pipe)
        (home / "hang").write_text(
            f'#!/bin/sh\nexec 3>"{self.pipe}"\necho begun >&3\n(trap "" TERM HUP INT; sleep 1000) &\nwait\n'
        )
        (home / "hang").chmod(0o755)
        (home / "config").write_text(f"[profile p]\ncredential_process = {home}/hang\n")

        self._reader = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)

    async def begun(self) -> None:
        """Wait until the process has begun."""
        assert await self._read() == b"begun\n"

    async def ended(self) -> None:
        """Wait until no process holds the other end of the pipe."""
        assert await self._read() == b""
        os.close(self._reader)

    async def _read(self) -> bytes:
        with anyio.fail_after(30):
            await anyio.wait_readable(self._reader)
        return os.read(self._reader, 100)


async def test_a_call_that_is_cancelled_leaves_no_child(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = _Child(home)
    monkeypatch.setenv("AWS_PROFILE", "p")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    async with AwsClient(load_settings(), utc_now) as aws_client, anyio.create_task_group() as tasks:
        tasks.start_soon(aws_client.identity)
        await child.begun()
        tasks.cancel_scope.cancel()
    await child.ended()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (signal.SIGTERM, ["doctor"]),
        (signal.SIGTERM, ["servers"]),
        (signal.SIGTERM, ["sync", "inventory"]),
        (signal.SIGINT, ["doctor"]),
    ],
)
async def test_a_command_that_is_told_to_stop_leaves_no_child(
    number: signal.Signals, arguments: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = _Child(home)
    with start(*arguments, env={**os.environ, "AWS_PROFILE": "p", "AWS_REGION": "us-east-1"}) as process:
        await child.begun()
        process.send_signal(number)
        await child.ended()
        process.communicate(timeout=300)
    assert process.returncode == 1


async def test_callers_that_wait_share_the_failure_of_a_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config").write_text(f"[profile p]\ncredential_process = {home}/run echo run >> {home}/runs; exit 1\n")
    monkeypatch.setenv("AWS_PROFILE", "p")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    async with AwsClient(load_settings(), utc_now) as aws_client:

        async def fail() -> None:
            with pytest.raises(AwsError, match="failed with exit code 1"):
                await aws_client.hub().call("dynamodb", "Scan", {"TableName": "table"}, region="us-east-1")

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(fail)
    assert (home / "runs").read_text() == "run\n"
