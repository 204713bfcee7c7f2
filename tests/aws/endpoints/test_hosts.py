"""Which host each service's calls go to, and for what they are signed, in every partition, with FIPS and dual-stack."""

from __future__ import annotations

import pytest

from service.aws.operations import READ_WRITE_OPERATIONS
from tests.aws.endpoints.calls import CALLS, call, call_each
from tests.aws.endpoints.hosts import BOTH, DUAL_STACK, FIPS, PLAIN, table
from tests.support.mocked_aws import MockedAws, ok, run_against

FIPS_ON = {"AWS_USE_FIPS_ENDPOINT": "true"}
DUAL_STACK_ON = {"AWS_USE_DUALSTACK_ENDPOINT": "true"}
VARIANTS: dict[str, tuple[dict[str, str], str]] = {
    "plain": ({}, PLAIN),
    "dual-stack": (DUAL_STACK_ON, DUAL_STACK),
    "FIPS": (FIPS_ON, FIPS),
    "both": ({**FIPS_ON, **DUAL_STACK_ON}, BOTH),
}


def test_every_service_that_is_called_is_in_the_tables() -> None:
    assert set(CALLS) == set(READ_WRITE_OPERATIONS)
    for _, text in VARIANTS.values():
        for region, hosts in table(text).items():
            assert set(hosts) == set(CALLS) - ({"drs"} if region.startswith("cn-") else set())


@pytest.mark.parametrize(
    ("variant", "region"), [(name, region) for name, (_, text) in VARIANTS.items() for region in table(text)]
)
def test_the_host_and_the_scope_of_the_signature(variant: str, region: str) -> None:
    environment, text = VARIANTS[variant]
    expected = table(text)[region]

    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            await call_each(aws_client, expected, region)
        called = {
            service: (request.host, request.scope) for service, request in zip(expected, aws.requests, strict=True)
        }
        assert called == {service: (host, f"{region}/{service}") for service, host in expected.items()}

    run_against(ok, work, environment)


STS: dict[str, tuple[str, dict[str, str], str, str]] = {
    # region, environment, host, region of the signature
    "regional, where the global host is": ("us-east-1", {}, "sts.us-east-1.amazonaws.com", "us-east-1"),
    "regional, in an opt-in region": ("ap-east-1", {}, "sts.ap-east-1.amazonaws.com", "ap-east-1"),
    "asked for": (
        "us-east-1",
        {"AWS_STS_REGIONAL_ENDPOINTS": "regional"},
        "sts.us-east-1.amazonaws.com",
        "us-east-1",
    ),
    # The global host signs for us-east-1; its tokens do not work in opt-in regions.
    "legacy": ("us-west-2", {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, "sts.amazonaws.com", "us-east-1"),
    "legacy, at home": ("us-east-1", {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, "sts.amazonaws.com", "us-east-1"),
    "legacy, in an opt-in region": (
        "ap-east-1",
        {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
        "sts.ap-east-1.amazonaws.com",
        "ap-east-1",
    ),
    "legacy, in another partition": (
        "us-gov-west-1",
        {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
        "sts.us-gov-west-1.amazonaws.com",
        "us-gov-west-1",
    ),
}


@pytest.mark.parametrize("case", STS)
def test_the_host_of_sts(case: str) -> None:
    region, environment, host, signed_for = STS[case]

    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            await aws_client.identity()
        assert [(request.host, request.scope) for request in aws.requests] == [(host, f"{signed_for}/sts")]

    run_against(ok, work, {**environment, "AWS_REGION": region})


@pytest.mark.parametrize("mode", ["preferred", "required", "disabled", None])
def test_dynamodb_is_never_called_at_the_host_of_an_account(mode: str | None) -> None:
    """One SDK client serves many accounts, and that host has the id of one."""

    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            await call(aws_client, "dynamodb", "us-west-2")
        assert aws.hosts == ["dynamodb.us-west-2.amazonaws.com"]

    environment = {"AWS_ACCOUNT_ID": "444455556666", "AWS_ACCOUNT_ID_ENDPOINT_MODE": mode or "preferred"}
    run_against(ok, work, environment if mode else {"AWS_ACCOUNT_ID": "444455556666"})


ENDPOINTS: dict[str, tuple[dict[str, str], str]] = {
    "of all services": ({"AWS_ENDPOINT_URL": "https://vpce.example.com"}, "vpce.example.com"),
    "of the service": ({"AWS_ENDPOINT_URL_{}": "https://own.example.com"}, "own.example.com"),
    "of both": (
        {"AWS_ENDPOINT_URL": "https://vpce.example.com", "AWS_ENDPOINT_URL_{}": "https://own.example.com"},
        "own.example.com",
    ),
    "ignored": (
        {
            "AWS_ENDPOINT_URL": "https://vpce.example.com",
            "AWS_ENDPOINT_URL_{}": "https://own.example.com",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        },
        "",
    ),
}
VARIABLES = {
    "drs": "DRS",
    "sts": "STS",
    "ec2": "EC2",
    "dynamodb": "DYNAMODB",
    "events": "EVENTBRIDGE",
    "lambda": "LAMBDA",
}


@pytest.mark.parametrize("case", ENDPOINTS)
@pytest.mark.parametrize("service", CALLS)
def test_a_configured_endpoint_is_called_and_signed_as_the_real_one(service: str, case: str) -> None:
    variables, host = ENDPOINTS[case]

    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            await call(aws_client, service, "eu-west-1")
        (request,) = aws.requests
        assert request.host == (host or f"{service}.eu-west-1.amazonaws.com")
        assert request.scope == f"eu-west-1/{service}"

    run_against(ok, work, {name.format(VARIABLES[service]): value for name, value in variables.items()})


def test_the_endpoint_of_one_service_leaves_the_others() -> None:
    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            await call_each(aws_client, ("drs", "ec2"), "us-west-2")
        assert aws.hosts == ["vpce.example.com", "ec2.us-west-2.amazonaws.com"]

    run_against(ok, work, {"AWS_ENDPOINT_URL_DRS": "https://vpce.example.com"})
