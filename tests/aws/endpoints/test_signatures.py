"""Signatures: each call is signed with the keys of its account, for the region and the service of its host."""

from __future__ import annotations

from itertools import product
from random import Random

import anyio
import httpx
import pytest

from service.aws.client import AccountSession
from service.aws.roles import NamedBy, RoleToAssume
from service.errors import AwsError
from tests.aws.endpoints.calls import CALLS, call
from tests.support.mocked_aws import HUB, MockedAws, SignedRequest, error, ok, run_against

ACCOUNTS = ("444455556666", "777788889999")
REGIONS = ("eu-west-1", "us-west-2")


def role(account_id: str) -> RoleToAssume:
    return RoleToAssume(
        account_id, f"arn:aws:iam::{account_id}:role/DRSOrchestrationRole", "external-id", NamedBy.RECORD
    )


@pytest.mark.parametrize("services", [("drs",), tuple(CALLS)], ids=["DRS", "all services"])
def test_concurrent_calls_are_each_signed_for_their_own_account_and_region(services: tuple[str, ...]) -> None:
    """Answers take different times, so that calls of all accounts are signed in any order, and under way at once."""
    planned = sorted(product((HUB, *ACCOUNTS), REGIONS, services)) * 4

    async def work(aws: MockedAws) -> None:
        aws.latency_s = Random(1).random  # noqa: S311 - no secret
        async with aws.client() as aws_client:
            sessions: dict[str, AccountSession] = {HUB: aws_client.hub()}
            for account_id in ACCOUNTS:
                sessions[account_id] = await aws_client.account(role(account_id))
            assert [(each.access_key, each.scope) for each in aws.requests] == [("AKIAHUB", "us-west-2/sts")] * 2
            aws.requests.clear()
            async with anyio.create_task_group() as tasks:
                for account_id, region, service in planned:
                    tasks.start_soon(call, sessions[account_id], service, region)
        assert sorted((each.access_key, each.scope, each.host) for each in aws.requests) == sorted(
            (
                "AKIAHUB" if account_id == HUB else f"ASIA{account_id}",
                f"{region}/{service}",
                f"{service}.{region}.amazonaws.com",
            )
            for account_id, region, service in planned
        )

    run_against(ok, work, {})


def test_a_session_token_goes_with_the_keys_of_its_role_only() -> None:
    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            session = await aws_client.account(role(ACCOUNTS[0]))
            await call(session, "drs", "eu-west-1")
            await call(aws_client, "drs", "eu-west-1")
        tokens = [(each.access_key, each.headers.get("x-amz-security-token")) for each in aws.requests]
        assert tokens == [("AKIAHUB", None), (f"ASIA{ACCOUNTS[0]}", "t"), ("AKIAHUB", None)]

    run_against(ok, work, {})


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken", "RequestExpired"])
def test_an_expired_session_is_renewed_once_and_the_call_repeated_with_it(code: str) -> None:
    def expiring(request: SignedRequest) -> httpx.Response:
        if request.service == "drs" and request.at_s < 60:
            return error(request, code, 403)
        return ok(request)

    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            session = await aws_client.account(role(ACCOUNTS[0]))
            with pytest.raises(AwsError, match=code):
                await call(session, "drs", "eu-west-1")
            assert [each.operation for each in aws.requests] == [
                *("AssumeRole", "DescribeSourceServers"),
                *("AssumeRole", "DescribeSourceServers"),
            ]
            await anyio.sleep(60)
            assert await call(session, "drs", "eu-west-1")

    run_against(expiring, work, {})


def test_the_date_of_a_signature_is_that_of_the_attempt() -> None:
    """Attempts before and after midnight: the date is in the credential scope, too."""

    def failing(request: SignedRequest) -> httpx.Response:
        return ok(request) if request.at_s >= 64_800 else error(request, "InternalServerException", 500)

    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            await anyio.sleep(64_799.99)  # the clock reads 0 at six in the morning
            assert await call(aws_client, "drs", "eu-west-1")
        first, last = aws.requests[0], aws.requests[-1]
        assert (first.date, first.headers["x-amz-date"]) == ("20261123", "20261123T235959Z")
        assert (last.date, last.headers["x-amz-date"][:8]) == ("20261124", "20261124")

    run_against(failing, work, {})
