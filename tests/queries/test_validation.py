"""Validation of staging accounts."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import RefusalError
from tests.queries.client import QueryClient
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import EngineSandbox

EXTERNAL_ID = "drs-orchestration-cross-account"


def given(sandbox: EngineSandbox, **more: Any) -> dict[str, Any]:
    return {"accountId": sandbox.names.b, "externalId": EXTERNAL_ID, "region": "us-west-2", **more}


async def test_servers_of_a_reachable_account_are_counted(sandbox: EngineSandbox) -> None:
    client = QueryClient(sandbox)
    sandbox.add(
        sandbox.names.b,
        "us-west-2",
        servers=[{"state": "STALLED", "on_premises": True}, {"state": "BACKLOG", "on_premises": True}],
        extended_from=[{"account_id": sandbox.names.a, "count": 3}],
    )
    assert (await client.validate(given(sandbox))).members == {
        "valid": True,
        "roleAccessible": True,
        "drsInitialized": True,
        "currentServers": 7,
        "replicatingServers": 3,
        "totalAfter": 3,
    }
    assert client.calls == {
        ("sts", "GetCallerIdentity"): 1,
        ("sts", "AssumeRole"): 1,
        ("drs", "DescribeSourceServers"): 1,
    }


async def test_the_role_may_be_named_if_it_is_that_accounts_own(sandbox: EngineSandbox) -> None:
    arn = f"arn:aws:iam::{sandbox.names.b}:role/DRSOrchestrationRole"
    assert (await QueryClient(sandbox).validate(given(sandbox, roleArn=arn))).members["valid"] is True


async def test_the_hub_is_validated_with_its_own_credentials(sandbox: EngineSandbox) -> None:
    client = QueryClient(sandbox)
    sandbox.add(sandbox.names.hub, "us-west-2", servers=1)
    result = (await client.validate(given(sandbox, accountId=sandbox.names.hub))).members
    assert (result["valid"], result["currentServers"]) == (True, 1)
    assert ("sts", "AssumeRole") not in client.calls


async def test_a_refused_role_is_a_result(sandbox: EngineSandbox) -> None:
    result = (await QueryClient(sandbox).validate(given(sandbox, externalId="not-the-one"))).members
    assert (result["valid"], result["roleAccessible"]) == (False, False)
    assert "AccessDenied" in result["error"]
    assert set(result) == {"valid", "roleAccessible", "error"}


@pytest.mark.parametrize("problem", ["uninitialized", "denied"])
async def test_an_account_without_drs_is_a_result(problem: str, sandbox: EngineSandbox) -> None:
    if problem == "denied":
        sandbox.faults(deny=[{"account_id": sandbox.names.b}])
    region = "us-west-2" if problem == "denied" else "eu-west-1"
    answer = await QueryClient(sandbox).validate(given(sandbox, region=region))
    result = answer.members
    assert (result["valid"], result["roleAccessible"], result["drsInitialized"]) == (False, True, False)
    assert result["error"]
    assert answer.is_complete is (problem == "uninitialized")  # then it is known that there are no servers


async def test_a_transient_problem_is_an_error_and_not_a_result(sandbox: EngineSandbox) -> None:
    sandbox.faults(fail=[{"operation": "DescribeSourceServers", "times": None}])
    with pytest.raises(RefusalError) as caught:
        await QueryClient(sandbox).validate(given(sandbox))
    error = caught.value
    assert (error.code, error.status, error.details["valid"]) == ("INTERNAL_ERROR", 500, False)
    assert "InternalServerException" in error.details["error"]


@pytest.mark.parametrize(("service", "operation"), [("sts", "GetCallerIdentity"), ("dynamodb", "Scan")])
async def test_without_the_hub_nothing_is_validated(service: str, operation: str, sandbox: EngineSandbox) -> None:
    client = QueryClient(sandbox)
    client.now()  # read before
    denied = {"service": service, "operation": operation, "error": "AccessDeniedException", "status": 400}
    sandbox.faults(fail=[{**denied, "times": None}])
    sandbox.set(ENTER_RECORDED_ACCOUNTS_ONLY="true")  # so that the records matter
    with pytest.raises(RefusalError, match=f"{service}:{operation}.*AccessDenied") as caught:
        await client.validate(given(sandbox))
    assert (caught.value.code, caught.value.details["valid"]) == ("INTERNAL_ERROR", False)


async def test_a_timeout_is_an_error_and_not_a_result(sandbox: EngineSandbox, loop_clock: LoopClock) -> None:
    sandbox.latency(loop_clock, drs=90_000)
    with pytest.raises(RefusalError, match="in time"):
        await QueryClient(sandbox).validate(given(sandbox))


@pytest.mark.parametrize(
    ("change", "code", "parameter"),
    [
        ({"accountId": None}, "MISSING_PARAMETER", "accountId"),
        ({"externalId": None}, "MISSING_PARAMETER", "externalId"),
        ({"externalId": "x"}, "INVALID_PARAMETER", "externalId"),
        ({"externalId": "with space"}, "INVALID_PARAMETER", "externalId"),
        ({"region": ""}, "MISSING_PARAMETER", "region"),
        ({"region": "nowhere-1"}, "INVALID_PARAMETER", "region"),
        ({"accountId": "1234"}, "INVALID_PARAMETER", "accountId"),
        ({"accountId": {"$ne": 1}}, "INVALID_PARAMETER", "accountId"),
        ({"roleArn": "arn:aws:iam::999999999999:role/DRSOrchestrationRole"}, "INVALID_PARAMETER", "roleArn"),
        ({"roleArn": "not an arn"}, "INVALID_PARAMETER", "roleArn"),
    ],
)
async def test_wrong_parameters_are_refused(
    change: dict[str, Any], code: str, parameter: str, sandbox: EngineSandbox
) -> None:
    client = QueryClient(sandbox)
    with pytest.raises(RefusalError) as caught:
        await client.validate(given(sandbox, **change))
    error = caught.value
    assert (error.code, error.status, error.details["parameter"], error.details["valid"]) == (
        code,
        400,
        parameter,
        False,
    )
    assert ("sts", "AssumeRole") not in sandbox.calls()


@pytest.mark.parametrize("body", [None, [], "x", 3])
async def test_a_body_that_is_no_object_is_refused(body: object, sandbox: EngineSandbox) -> None:
    with pytest.raises(RefusalError) as caught:
        await QueryClient(sandbox).validate(body)
    assert caught.value.details["valid"] is False
