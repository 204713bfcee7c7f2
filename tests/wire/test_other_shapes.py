"""Answers that are well-formed and something else: each is told as a malformed answer, and quoted nowhere."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws import door as doors
from service.aws.door import AwsDoor, RoleToAssume
from service.errors import AwsError
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

ROLE = RoleToAssume("111122223333", "arn:aws:iam::111122223333:role/DRSOrchestrationRole", "an-external-id")
SECRET = "that-is-secret"
SESSION = f"<AccessKeyId>A</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"


def _assumed(inside: str) -> bytes:
    return f"<AssumeRoleResponse><AssumeRoleResult>{inside}</AssumeRoleResult></AssumeRoleResponse>".encode()


STS = {
    "page": f"<html><body>{SECRET}</body></html>".encode(),
    "other answer": b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>",
    "no credentials": _assumed(""),
    "half of the credentials": _assumed(f"<Credentials>{SESSION}</Credentials>"),
    "no date": _assumed(
        f"<Credentials>{SESSION}<SessionToken>T</SessionToken><Expiration>{SECRET}</Expiration></Credentials>"
    ),
    "no text": b"<a>\xff\xfe</a>",
}
JSON = {
    "number of items": {"items": 5},
    "items of text": {"items": ["text"]},
    "text for a map": {"items": [{"tags": "text"}]},
    "a list of lists": {"items": [[]]},
}


async def _ask(script: Any, monkeypatch: pytest.MonkeyPatch, ask: Any) -> AwsError:
    monkeypatch.setattr(doors, "backoff_s", lambda *_, **__: 0.01)
    async with scripted_aws(script, monkeypatch), AwsDoor(Settings(), lambda: datetime.now(UTC)) as door:
        with pytest.raises(AwsError) as raised:
            await ask(door)
    assert raised.value.code == "MalformedResponse"
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    return raised.value


@pytest.mark.parametrize("body", STS.values(), ids=STS)
async def test_a_role(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    error = await _ask(lambda _: answer(body), monkeypatch, lambda door: door.account(ROLE))
    assert error.call.operation == "AssumeRole"


@pytest.mark.parametrize("arn", ["", "<Arn>no-arn</Arn>"])
async def test_an_identity(arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = f"<GetCallerIdentityResult><Account>1</Account>{arn}</GetCallerIdentityResult>"
    body = f"<GetCallerIdentityResponse>{inside}</GetCallerIdentityResponse>".encode()
    error = await _ask(lambda _: answer(body), monkeypatch, lambda door: door.identity())
    assert error.call.operation == "GetCallerIdentity"


@pytest.mark.parametrize("body", JSON.values(), ids=JSON)
@pytest.mark.parametrize("operation", ["DescribeSourceServers", "ListExtensibleSourceServers"])
async def test_a_page_of_servers(operation: str, body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {} if operation == "DescribeSourceServers" else {"stagingAccountID": "111122223333"}
    await _ask(
        lambda _: answer(body),
        monkeypatch,
        lambda door: door.hub().call("drs", operation, params, region="us-east-1"),
    )
