"""Endpoints that AWS does not have: the SDK makes their names all the same, and the fix names the setting that did."""

from __future__ import annotations

import httpx
import pytest

from service.cli.diagnosis import diagnose_region
from service.errors import AwsError
from service.models import RegionStatus, Scope
from tests.aws.endpoints.calls import call
from tests.support.mocked_aws import HUB, MockedAws, SignedRequest, run_against

FIPS_ON = {"AWS_USE_FIPS_ENDPOINT": "true"}
DUAL_STACK_ON = {"AWS_USE_DUALSTACK_ENDPOINT": "true"}
CASES: dict[str, tuple[str, dict[str, str], str, str]] = {
    # region, environment, host, settings of the fix
    "no FIPS in the region": (
        "eu-west-1",
        FIPS_ON,
        "drs-fips.eu-west-1.amazonaws.com",
        "AWS_USE_FIPS_ENDPOINT (use_fips_endpoint in a profile)",
    ),
    "no dual-stack in the region": (
        "eu-west-1",
        DUAL_STACK_ON,
        "drs.eu-west-1.api.aws",
        "AWS_USE_DUALSTACK_ENDPOINT (use_dualstack_endpoint in a profile)",
    ),
    "neither": (
        "eu-west-1",
        {**FIPS_ON, **DUAL_STACK_ON},
        "drs-fips.eu-west-1.api.aws",
        "AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT (use_fips_endpoint and use_dualstack_endpoint in a "
        "profile)",
    ),
    "no FIPS in the European Sovereign Cloud": (
        "eusc-de-east-1",
        FIPS_ON,
        "drs-fips.eusc-de-east-1.amazonaws.eu",
        "AWS_USE_FIPS_ENDPOINT (use_fips_endpoint in a profile)",
    ),
    "no dual-stack in the European Sovereign Cloud": (
        "eusc-de-east-1",
        DUAL_STACK_ON,
        "drs.eusc-de-east-1.api.amazonwebservices.eu",
        "AWS_USE_DUALSTACK_ENDPOINT (use_dualstack_endpoint in a profile)",
    ),
    "no dual-stack in China": (
        "cn-north-1",
        DUAL_STACK_ON,
        "drs.cn-north-1.api.amazonwebservices.com.cn",
        "AWS_USE_DUALSTACK_ENDPOINT (use_dualstack_endpoint in a profile)",
    ),
    "no DRS in the region": ("eu-west-1", {}, "drs.eu-west-1.amazonaws.com", ""),
    "a VPC endpoint with FIPS": (
        "eu-west-1",
        {"AWS_ENDPOINT_URL_DRS": "https://vpce-1.drs-fips.eu-west-1.vpce.amazonaws.com"},
        "vpce-1.drs-fips.eu-west-1.vpce.amazonaws.com",
        "",
    ),
    "an endpoint of the user": (
        "eu-west-1",
        {"AWS_ENDPOINT_URL_DRS": "https://drs.api.example.com"},
        "drs.api.example.com",
        "",
    ),
}


@pytest.mark.parametrize("failure", [httpx.ConnectError("name not known"), httpx.ConnectTimeout("late")])
@pytest.mark.parametrize("case", CASES)
def test_the_fix_names_the_setting_that_chose_the_host(case: str, failure: httpx.TransportError) -> None:
    region, environment, host, settings = CASES[case]

    def unreachable(_: SignedRequest) -> httpx.Response:
        raise failure

    async def work(aws: MockedAws) -> AwsError:
        async with aws.client() as aws_client:
            with pytest.raises(AwsError) as caught:
                await call(aws_client, "drs", region)
        assert aws.hosts == [host] * 2  # a second try, since a connect timeout costs seconds
        return caught.value

    error = run_against(unreachable, work, environment)
    check = "check DNS, egress and VPC endpoints of this host for that region"
    expected = (
        f"if AWS has no such endpoint in that region, unset {settings}, or exclude the region (DRS_EXCLUDED_REGIONS); "
        f"if it has one, {check}"
    )
    assert (error.code, error.error_class.status) == ("EndpointUnreachable", RegionStatus.ENDPOINT_UNREACHABLE)
    assert host in error.message
    assert error.problem.advice == (expected if settings else check)
    assert diagnose_region(Scope(HUB, region), error, expected=True).fix == error.problem.advice
