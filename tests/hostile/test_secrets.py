"""No credential reaches a log, a report, an error or a table: each job, with and without faults, all logs at DEBUG."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from service.accounts.records import DEFAULT_EXTERNAL_ID
from service.aws.client import AwsClient
from service.aws.roles import NamedBy, RoleToAssume
from service.errors import AwsError
from service.handlers import data_management, query
from service.sandbox.auth import AuthMiddleware
from service.sandbox.identity_store import IdentityStore
from service.settings import Settings
from service.telemetry import set_up_logging
from tests.support.command import run
from tests.support.sandbox import EngineSandbox
from tests.support.scripted import Answer, Request, answer, refusal, scripted_aws

OWN_KEYS = {"AWS_ACCESS_KEY_ID": "AKIAHUBSOWNKEY000000", "AWS_SECRET_ACCESS_KEY": "hubs-own-secret-QmFzZTY0"}
ISSUED = re.compile(r"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<")

JOBS: tuple[dict[str, Any], ...] = (
    {"operation": "sync_source_server_inventory"},
    {"operation": "sync_staging_accounts"},
    {"synch_tags": True},
    {"operation": "get_last_tag_sync_status"},
)
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"operation": "get_source_server_inventory"},
    {"operation": "get_extended_source_servers"},
    {"operation": "get_staging_accounts"},
)
FAULTS: dict[str, dict[str, Any]] = {
    "calm": {},
    "expired sessions": {"session_lifetime_s": 0},
    "refused": {"fail": [{"service": "drs", "operation": "DescribeSourceServers", "times": None, "status": 403,
                          "error": "UnrecognizedClientException"}]},
    "no roles": {"fail": [{"service": "sts", "operation": "AssumeRole", "times": None, "status": 403,
                           "error": "AccessDenied"}]},
    "broken": {"fail": [{"service": "drs", "operation": "DescribeSourceServers", "times": 2}]},
}  # fmt: skip


@dataclass
class Secrets:
    """Credentials that may appear nowhere: the hub's keys, the sessions that STS issued, the signatures of requests."""

    sessions: set[str] = field(default_factory=set)
    signatures: set[str] = field(default_factory=set)

    def found_in(self, *texts: str) -> list[str]:
        """Return the secrets that are in a text."""
        known = self.sessions | self.signatures | set(OWN_KEYS.values())
        return [secret for secret in known if any(secret in text for text in texts)]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """Collect the credentials that the simulated AWS issues and receives."""
    known, store_session, respond = Secrets(), IdentityStore.store_session, AuthMiddleware.respond

    def record_session(self: IdentityStore, call: Any, given: Any) -> None:
        known.sessions.update(value for _, value in ISSUED.findall(given.body.decode()))
        store_session(self, call, given)

    def read_signature(self: AuthMiddleware, environ: Any) -> Any:
        known.signatures.add(environ["HTTP_AUTHORIZATION"].rpartition("Signature=")[2])
        return respond(self, environ)

    monkeypatch.setattr(IdentityStore, "store_session", record_session)
    monkeypatch.setattr(AuthMiddleware, "respond", read_signature)
    return known


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Set the root logger to DEBUG, as in a function whose log level an operator has changed."""
    with caplog.at_level(logging.DEBUG):
        yield caplog
    for name in ("botocore", "aiobotocore", "aiohttp", "urllib3"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def _found(secrets: set[str], *texts: str) -> list[str]:
    return [secret for secret in secrets for text in texts if secret in text]


def _stored(sandbox: EngineSandbox) -> str:
    """Return the items of all tables as text."""
    tables = [name for name in sandbox.server.environment() if name.endswith("TABLE")]
    assert len(tables) > 3
    return "".join(str(sandbox.table(name).scan()["Items"]) for name in tables)


def test_the_sdk_itself_would_reveal(
    sandbox: EngineSandbox, secrets: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    """Without our log set-up the SDK logs secrets, so the other tests can fail."""
    sandbox.set(**OWN_KEYS)
    with caplog.at_level(logging.DEBUG):
        for name in ("botocore", "aiobotocore", "aiohttp", "urllib3"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        client = boto3.Session().client("dynamodb", endpoint_url=sandbox.server.endpoint_url)
        client.scan(TableName=sandbox.server.environment()["TARGET_ACCOUNTS_TABLE"])
    for name in ("botocore", "aiobotocore", "aiohttp", "urllib3"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert set(OWN_KEYS.values()) & set(secrets.found_in(caplog.text))
    assert secrets.signatures & set(secrets.found_in(caplog.text))


@pytest.mark.parametrize("faults", FAULTS)
def test_functions_reveal_no_secret(
    faults: str,
    sandbox: EngineSandbox,
    secrets: Secrets,
    everything_logged: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox.set(LOG_LEVEL="DEBUG", **OWN_KEYS)
    sandbox.faults(**FAULTS[faults])
    try:
        answers = [data_management.lambda_handler(event, None) for event in JOBS]
        answers += [query.lambda_handler(event, None) for event in QUESTIONS]
        logging.getLogger("service.anything").debug("this is seen")  # DEBUG logging is still on
    finally:
        data_management.runtime.close()
        query.runtime.close()
    out, err = capsys.readouterr()
    assert "this is seen" in out + err
    assert bool(secrets.sessions) == (faults != "no roles")
    assert len(secrets.signatures) > 10
    logged = (out, err, everything_logged.text)
    assert secrets.found_in(json.dumps(answers), *logged, _stored(sandbox)) == []
    # Reports have the external id, because it is needed to fix a role.
    assert not any(DEFAULT_EXTERNAL_ID in text for text in logged)


COMMANDS = ["sync all", "servers", "extended", "doctor", "accounts list", "regions", "failback --all"]
RUNS = [("calm", each) for each in COMMANDS]
RUNS += [("no roles", "sync all"), ("refused", "sync all"), ("refused", "servers"), ("no roles", "doctor")]


@pytest.mark.parametrize(("faults", "words"), RUNS)
def test_commands_reveal_no_secret(faults: str, words: str, sandbox: EngineSandbox, secrets: Secrets) -> None:
    sandbox.set(LOG_LEVEL="DEBUG", **OWN_KEYS)
    deny = [{"account_id": sandbox.names.a, "service": "drs", "region": "eu-west-1"}]
    sandbox.faults(deny=deny, **FAULTS[faults])
    done = run(*words.split())
    assert "Traceback" not in done.stderr
    assert secrets.signatures
    assert secrets.found_in(done.stdout, done.stderr, _stored(sandbox)) == []


TOKEN = "FwoGZXIvYXdzEJr//////////wEaDGVjaG8=token"
SESSION = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
    "<AccessKeyId>ASIASCRIPTED00000000</AccessKeyId><SecretAccessKey>sessions-own-secret</SecretAccessKey>"
    f"<SessionToken>{TOKEN}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
)
ROLE = RoleToAssume(
    "111122223333", "arn:aws:iam::111122223333:role/DRSOrchestrationRole", "an-external-id", NamedBy.RECORD
)


async def _error_of_call(script: Any, monkeypatch: pytest.MonkeyPatch) -> AwsError:
    """Assume the role, call DRS, and return the error that this raises."""
    async with scripted_aws(script, monkeypatch), AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        with pytest.raises(AwsError) as raised:
            await (await aws_client.account(ROLE)).call("drs", "DescribeSourceServers", {}, region="us-east-1")
        return raised.value


SECRETS = {TOKEN, "sessions-own-secret", "ASIASCRIPTED00000000", "AKIASCRIPTED", "scripted-secret-key"}


async def test_a_refused_signature_is_reported_without_what_was_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS repeats the canonical request in this error, and the session token is one of its headers."""

    def script(request: Request) -> Answer:
        if b"Action=AssumeRole" in request.body:
            return answer(SESSION.encode())
        shown = "\n".join(f"{name}:{value}" for name, value in request.headers.items())
        return refusal("SignatureDoesNotMatch", 403, json.dumps(f"The Canonical String should have been {shown}")[1:-1])

    error = await _error_of_call(script, monkeypatch)
    assert error.code == "SignatureDoesNotMatch"
    assert "[redacted]" in error.message
    trace = "".join(traceback.format_exception(error))
    assert _found(SECRETS, trace, str(error), repr(error), json.dumps(error.problem.as_json())) == []


@pytest.mark.parametrize("length", [len(SESSION) - 40, SESSION.index("</SessionToken>") - 3, 200, 20, 0])
async def test_a_session_that_came_broken_is_not_reported(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK puts the whole body of a response that is not XML into its error."""
    error = await _error_of_call(lambda _: answer(SESSION[:length].encode()), monkeypatch)
    trace = "".join(traceback.format_exception(error))
    assert _found(SECRETS, trace, str(error), json.dumps(error.problem.as_json())) == []


@pytest.mark.parametrize(
    "output",
    [
        "hubs-own-secret-QmFzZTY0",
        '{"Version": 1, "SecretAccessKey": "hubs-own-secret-QmFzZTY0", ',
        '{"Version": 1, "SecretAccessKey": "hubs-own-secret-QmFzZTY0"}',
        '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": "T", '
        '"Expiration": "hubs-own-secret-QmFzZTY0"}',
        '["hubs-own-secret-QmFzZTY0"]',
        '{"Version": 1, "AccessKeyId": 5, "SecretAccessKey": "hubs-own-secret-QmFzZTY0"}',
        '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "hubs-own-secret-QmFzZTY0\\n"}',
        '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "hubs-own-secret-QmFzZTY0", '
        '"Expiration": "2009-01-01T00:00:00Z"}',
        '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "hubs-own-secret-QmFzZTY0", "Expiration": 5}',
        None,
    ],
)
async def test_invalid_output_of_a_credential_process_is_reported_and_not_quoted(
    output: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output_file, config = tmp_path / "output", tmp_path / "config"
    output_file.write_text(output or "")
    config.write_text(
        f"[profile p]\ncredential_process = {'/no/such/program' if output is None else 'cat'} {output_file}\n"
    )
    for name in OWN_KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "p", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        with pytest.raises(AwsError) as raised:
            await aws_client.identity()
    assert raised.value.code == "NoCredentials"
    assert _found(set(OWN_KEYS.values()), "".join(traceback.format_exception(raised.value))) == []


async def test_a_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://somebody:proxy-password@127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws.invalid")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for name, value in OWN_KEYS.items():
        monkeypatch.setenv(name, value)
    async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        with pytest.raises(AwsError) as raised:
            await aws_client.identity()
    assert raised.value.code == "ProxyUnreachable"
    assert "proxy-password" not in "".join(traceback.format_exception(raised.value))


def test_debug_logging_of_the_sdk_is_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("botocore").setLevel(logging.DEBUG)
    set_up_logging(sys.stderr, "DEBUG")
    assert not logging.getLogger("botocore.auth").isEnabledFor(logging.DEBUG)
