"""Well-formed responses with an unexpected structure: each is MalformedResponse, and is quoted nowhere."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws import client as client_module
from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.aws.roles import NamedBy, RoleToAssume
from service.errors import AwsError
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

ROLE = RoleToAssume(
    "111122223333", "arn:aws:iam::111122223333:role/DRSOrchestrationRole", "an-external-id", NamedBy.RECORD
)
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
    "an empty object for the list": {"items": {}},
    "an empty text for the list": {"items": ""},
}


async def _malformed_error(script: Any, monkeypatch: pytest.MonkeyPatch, call: Any) -> AwsError:
    monkeypatch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)
    async with scripted_aws(script, monkeypatch), AwsClient(Settings(), _now) as aws_client:
        with pytest.raises(AwsError) as raised:
            await call(aws_client)
    assert raised.value.code == "MalformedResponse"
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    return raised.value


@pytest.mark.parametrize("body", STS.values(), ids=STS)
async def test_a_malformed_role_session(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    error = await _malformed_error(lambda _: answer(body), monkeypatch, lambda aws_client: aws_client.account(ROLE))
    assert error.call.operation == "AssumeRole"


@pytest.mark.parametrize("arn", ["", "<Arn>no-arn</Arn>"])
async def test_a_malformed_identity(arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = f"<GetCallerIdentityResult><Account>1</Account>{arn}</GetCallerIdentityResult>"
    body = f"<GetCallerIdentityResponse>{inside}</GetCallerIdentityResponse>".encode()
    error = await _malformed_error(lambda _: answer(body), monkeypatch, lambda aws_client: aws_client.identity())
    assert error.call.operation == "GetCallerIdentity"


@pytest.mark.parametrize("body", JSON.values(), ids=JSON)
async def test_a_malformed_list_of_servers(body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await _malformed_error(
        lambda _: answer(body),
        monkeypatch,
        lambda aws_client: DrsReader(aws_client.hub(), page_size=5).extensible("us-east-1", "111122223333"),
    )


@pytest.mark.parametrize(
    ("body", "is_success"),
    [(b"", True), (b"{}", True), (b"<html>welcome</html>", False), (b"{", False), (b"[]", False)],
)
async def test_an_empty_response_is_a_success_and_a_malformed_one_is_not(
    body: bytes,
    is_success: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy page instead of the empty response of TagResource does not count as a tag that was set."""

    async def tag(aws_client: AwsClient) -> Any:
        arn = "arn:aws:drs:us-east-1:111122223333:source-server/s-1234567890abcdef0"
        return await aws_client.hub().call("drs", "TagResource", {"resourceArn": arn, "tags": {}}, region="us-east-1")

    if is_success:
        async with scripted_aws(lambda _: answer(body), monkeypatch), AwsClient(Settings(), _now) as aws_client:
            await tag(aws_client)
    else:
        await _malformed_error(lambda _: answer(body), monkeypatch, tag)


async def test_an_expiration_without_a_time_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = f"{SESSION}<SessionToken>T</SessionToken><Expiration>2099-01-01T00:00:00</Expiration>"
    body = _assumed(f"<Credentials>{inside}</Credentials>")
    async with scripted_aws(lambda _: answer(body), monkeypatch) as aws, AwsClient(Settings(), _now) as aws_client:
        for _ in range(2):
            await aws_client.account(ROLE)
    assert len(aws.requests) == 1


def _now() -> datetime:
    return datetime.now(UTC)
