"""The endpoint tests themselves: nothing that respx does not answer can leave."""

from __future__ import annotations

import asyncio
from importlib.metadata import PackageNotFoundError, version

import pytest

from service.errors import AwsError
from tests.aws.endpoints.calls import call
from tests.support.mocked_aws import EVERYTHING, MockedAws, ok, run_against


def test_httpx2_is_not_installed() -> None:
    """The SDK prefers httpx2, of which respx intercepts nothing: the calls of these tests would go out to AWS."""
    with pytest.raises(PackageNotFoundError):
        version("httpx2")


def test_a_request_that_is_not_answered_here_is_not_sent() -> None:
    async def work(aws: MockedAws) -> None:
        aws.router.pop(EVERYTHING)
        async with aws.client() as aws_client:
            with pytest.raises(AwsError, match="AllMockedAssertionError"):
                await call(aws_client, "drs", "us-west-2")

    run_against(ok, work, {})


def test_the_event_loop_of_these_tests_cannot_connect() -> None:
    """So a transport that respx does not intercept fails, too."""

    async def work(_: MockedAws) -> None:
        with pytest.raises(NotImplementedError):
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, "192.0.2.1", 443)

    run_against(ok, work, {})
