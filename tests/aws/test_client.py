"""Retries, rate limits and errors of AwsClient: the real SDK against an endpoint that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from service.aws.call_counter import counting_calls
from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.aws.roles import NamedBy, RoleToAssume
from service.errors import AwsError, ConfigurationError
from service.models import RegionStatus
from service.settings import Settings
from tests.support.scripted import Answer, Request, Script, answer, refusal, scripted_aws

PAGE = {"items": [{"sourceServerID": "s-1"}]}


def now() -> datetime:
    return datetime.now(UTC)


def in_turn(*answers: Answer) -> Script:
    """Return a script that gives these responses in order, the last one repeatedly."""
    left: Iterator[Answer] = iter(answers)
    last = answers[-1]
    return lambda _: next(left, last)


async def pages(aws_client: AwsClient, region: str = "us-west-2") -> list[int]:
    reader = DrsReader(aws_client.hub(), page_size=200)
    return [len(page) async for page in reader.source_servers(region)]


async def test_a_throttled_call_waits_for_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    script = in_turn(refusal("ThrottlingException", 429, Retry_After="1"), answer(PAGE))
    async with scripted_aws(script, monkeypatch) as aws, AwsClient(Settings(), now) as aws_client:
        before = anyio.current_time()
        with counting_calls() as call_counter:
            assert await pages(aws_client) == [1]
        assert anyio.current_time() - before >= 1.0
        assert aws.request_count("DescribeSourceServers") == call_counter.of("drs") == 2
        assert call_counter.throttled == 1


async def test_retry_after_delays_the_next_call_too(monkeypatch: pytest.MonkeyPatch) -> None:
    script = in_turn(refusal("ThrottlingException", 429, Retry_After="1"), answer(PAGE))
    async with scripted_aws(script, monkeypatch) as aws, AwsClient(Settings(), now) as aws_client:
        before = anyio.current_time()
        with counting_calls() as call_counter:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pages, aws_client)
                while not call_counter.throttled:  # noqa: ASYNC110 - nothing else shows that the throttling response has arrived
                    await anyio.sleep(0.01)
                assert await pages(aws_client, "eu-west-1") == [1]
                elsewhere = aws.request_count("DescribeSourceServers")
                assert await pages(aws_client) == [1]
                assert anyio.current_time() - before >= 1.0
        assert elsewhere == 2  # another region has a rate limit of its own
        assert aws.request_count("DescribeSourceServers") == 4


@pytest.mark.parametrize(
    ("problem", "tries"),
    [
        (refusal("InternalServerException", 500), 4),
        (refusal("AccessDeniedException", 403), 1),
        (refusal("ValidationException", 400), 1),
        (refusal("UninitializedAccountException", 400), 1),
        (refusal("ServiceQuotaExceededException", 402), 1),
    ],
)
async def test_only_transient_errors_are_retried(problem: Answer, tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_aws(in_turn(problem), monkeypatch) as aws, AwsClient(Settings(), now) as aws_client:
        with pytest.raises(AwsError):
            await pages(aws_client)
        assert aws.request_count("DescribeSourceServers") == tries


@pytest.mark.parametrize(
    "body",
    [b"<html>not AWS</html>", b'{"items": [{"sourceSer', b"", b"[]", b"{}"],
    ids=["html", "cut", "empty", "list", "bare"],
)
async def test_a_malformed_response_is_not_an_empty_page(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_aws(in_turn(answer(body)), monkeypatch), AwsClient(Settings(), now) as aws_client:
        with pytest.raises(AwsError) as caught:
            await pages(aws_client)
        assert caught.value.error_class.status is RegionStatus.ERROR


async def test_all_pages_are_followed_even_empty_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    script = in_turn(answer({**PAGE, "nextToken": "a"}), answer({"items": [], "nextToken": "b"}), answer(PAGE))
    async with scripted_aws(script, monkeypatch) as aws, AwsClient(Settings(), now) as aws_client:
        assert await pages(aws_client) == [1, 0, 1]
        assert [request.params.get("nextToken") for request in aws.requests] == [None, "a", "b"]


async def test_a_token_that_goes_in_circles_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        scripted_aws(in_turn(answer({**PAGE, "nextToken": "again"})), monkeypatch),
        AwsClient(Settings(), now) as aws_client,
    ):
        with pytest.raises(AwsError, match="nextToken repeats"):
            await pages(aws_client)


async def test_a_deadline_does_not_hide_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    script = in_turn(refusal("ThrottlingException", 429, Retry_After="600"))
    async with scripted_aws(script, monkeypatch) as aws, AwsClient(Settings(), now) as aws_client:
        with anyio.fail_after(300), pytest.raises(AwsError) as caught:
            await pages(aws_client)
        assert caught.value.code == "ThrottlingException"
        assert aws.request_count("DescribeSourceServers") == 1


async def test_a_call_whose_deadline_is_before_the_end_of_retry_after_fails_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted_aws(in_turn(refusal("ThrottlingException", 429, Retry_After="600")), monkeypatch) as aws:
        async with AwsClient(Settings(), now) as aws_client:
            before = anyio.current_time()
            for _ in range(3):
                with anyio.fail_after(300), pytest.raises(AwsError) as caught:
                    await pages(aws_client)
                assert caught.value.error_class.status is RegionStatus.THROTTLED
            assert anyio.current_time() - before < 250
        assert aws.request_count("DescribeSourceServers") == 1


@pytest.mark.parametrize(("code", "status", "attempts"), [("AccessDenied", 403, 1), ("InternalFailure", 500, 4)])
async def test_a_failed_role_renewal_fails_for_every_waiting_call(
    code: str, status: int, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_xml = (
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S"
        "</SecretAccessKey><SessionToken>T</SessionToken><Expiration>{}</Expiration></Credentials></AssumeRoleResult>"
        "</AssumeRoleResponse>"
    )
    refused = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    attempted: list[str] = []
    clock = [now()]

    def script(request: Request) -> Answer:
        if b"Action=AssumeRole" not in request.body:
            return answer(PAGE)
        attempted.append(code)
        works = len(attempted) in {1, attempts + 2}
        ends = (clock[0] + timedelta(seconds=900)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return answer(session_xml.format(ends).encode()) if works else answer(refused.encode(), status)

    role = RoleToAssume(
        "111122223333", "arn:aws:iam::111122223333:role/DRSOrchestrationRole", "an-external-id", NamedBy.RECORD
    )
    async with scripted_aws(script, monkeypatch), AwsClient(Settings(), lambda: clock[0]) as aws_client:
        session = await aws_client.account(role)
        clock[0] += timedelta(seconds=800)
        codes: list[str] = []

        async def read_region(region: str) -> None:
            with pytest.raises(AwsError) as caught:
                await session.call("drs", "DescribeSourceServers", {}, region=region)
            codes.append(caught.value.code)

        async with anyio.create_task_group() as tasks:
            for region in Settings().catalog:
                tasks.start_soon(read_region, region)
        assert codes == [code] * len(Settings().catalog)
        assert len(attempted) == 1 + attempts
        # A later call assumes the role again.
        await session.call("drs", "DescribeSourceServers", {}, region="us-west-2")


async def test_an_outage_causes_no_retry_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_aws(in_turn(refusal("InternalServerException", 500)), monkeypatch) as aws:
        settings = Settings(drs_calls_per_second=1000, drs_burst=1000)
        async with AwsClient(settings, now) as aws_client, anyio.create_task_group() as tasks:

            async def read_region(region: str) -> None:
                with pytest.raises(AwsError):
                    await pages(aws_client, region)

            for number in range(100):
                tasks.start_soon(read_region, f"us-west-{number % 9}")
        # 100 first attempts, a budget of ten retries, a slow refill
        assert aws.request_count("DescribeSourceServers") <= 130


async def test_roles_that_always_fail_do_not_take_the_retry_of_another_role(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = b"<ErrorResponse><Error><Code>InternalFailure</Code><Message>no</Message></Error></ErrorResponse>"
    session_xml = (
        b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S"
        b"</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
        b"</AssumeRoleResult></AssumeRoleResponse>"
    )
    good = "999988887777"
    attempted: list[bool] = []

    def script(request: Request) -> Answer:
        attempted.append(good.encode() in request.body)
        return answer(session_xml) if sum(attempted) > 1 else answer(refused, 500)

    class NoJitter(random.Random):
        def random(self) -> float:
            return 0.0

    def role(account_id: str) -> RoleToAssume:
        return RoleToAssume(
            account_id, f"arn:aws:iam::{account_id}:role/DRSOrchestrationRole", "an-external-id", NamedBy.RECORD
        )

    async with scripted_aws(script, monkeypatch), AwsClient(Settings(), now, rng=NoJitter()) as aws_client:
        for number in range(12):
            with pytest.raises(AwsError):
                await aws_client.account(role(f"1111222233{number:02}"))
        await aws_client.account(role(good))
    assert sum(attempted) == 2
    assert len(attempted) <= 12 * 2 + 10 + 2


async def test_a_refused_connection_is_distinguished_from_an_empty_region(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_aws(in_turn(answer(PAGE)), monkeypatch):
        pass
    async with AwsClient(Settings(), now) as aws_client:
        with pytest.raises(AwsError) as caught:
            await pages(aws_client)
        assert caught.value.error_class.status is RegionStatus.ENDPOINT_UNREACHABLE


async def test_a_server_that_stops_in_mid_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        await hung.wait()
        writer.close()

    listening = await asyncio.start_server(half, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIASCRIPTED",
            "AWS_SECRET_ACCESS_KEY": "x",
        }.items():
            monkeypatch.setenv(name, value)
        async with AwsClient(Settings(read_timeout_seconds=0.2), now) as aws_client:
            with anyio.fail_after(300), pytest.raises(AwsError) as caught:
                await pages(aws_client)
            assert caught.value.code == "ReadTimeout"
        hung.set()


async def test_without_credentials_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_aws(in_turn(answer(PAGE)), monkeypatch) as aws:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        async with AwsClient(Settings(), now) as aws_client:
            with pytest.raises(AwsError) as caught:
                await pages(aws_client)
        assert caught.value.code == "NoCredentials"
        assert "profile" in caught.value.fix
        assert aws.requests == []


async def test_without_a_region_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    async with AwsClient(Settings(), now) as aws_client:
        with pytest.raises(ConfigurationError, match="AWS_REGION"):
            _ = aws_client.hub_region


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2", "AWS_PROFILE": ""}, "eu-west-2"),
    ],
)
async def test_the_region_is_read_under_both_its_names(
    environment: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with AwsClient(Settings(), now) as aws_client:
        assert aws_client.hub_region == region


async def test_no_secret_reaches_the_log_or_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = in_turn(refusal("AccessDeniedException", 403, message="no such permission"))
    caplog.set_level(logging.DEBUG, logger="service")
    async with scripted_aws(script, monkeypatch) as aws, AwsClient(Settings(), now) as aws_client:
        with pytest.raises(AwsError) as caught:
            await pages(aws_client)
    text = caplog.text + str(caught.value) + repr(caught.value.problem)
    assert "scripted-secret-key" not in text
    assert "AWS4-HMAC-SHA256" in aws.requests[0].headers["authorization"]
    assert "Signature" not in text
