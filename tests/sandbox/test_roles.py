"""AssumeRole: declared roles, external ids, session duration and expiry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.faults import Faults
from service.sandbox.fleet_models import Fleet
from service.sandbox.identity_store import IdentityStore
from service.sandbox.server import Sandbox

HUB, TARGET, STAGING, APPS = "999900001111", "111122223333", "444455556666", "777788889999"
NO_ROLE, UNKNOWN = "555500005555", "000000000000"
EXTERNAL_ID = "drs-orchestration-cross-account"
Client = Callable[..., Any]


def _assume(sts: Any, account_id: str, **changes: Any) -> dict[str, Any]:
    request = {
        "RoleArn": f"arn:aws:iam::{account_id}:role/DRSOrchestrationRole",
        "RoleSessionName": "drs-orchestration-test",
        "ExternalId": EXTERNAL_ID,
        **changes,
    }
    return dict(sts.assume_role(**{key: value for key, value in request.items() if value is not None}))


@pytest.mark.parametrize(
    ("account_id", "changes"),
    [
        (UNKNOWN, {}),
        (NO_ROLE, {}),
        (HUB, {}),
        (TARGET, {"RoleArn": f"arn:aws:iam::{TARGET}:role/OtherRole"}),
        (TARGET, {"RoleArn": f"arn:aws:iam::{TARGET}:role/path/DRSOrchestrationRole"}),
        (TARGET, {"ExternalId": "wrong"}),
        (TARGET, {"ExternalId": None}),
    ],
    ids=["unknown account", "no role", "hub", "other role", "other path", "wrong external id", "no external id"],
)
def test_assume_role_is_denied(client: Client, account_id: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        _assume(client("sts"), account_id, **changes)
    error = caught.value.response["Error"]
    arn = changes.get("RoleArn", f"arn:aws:iam::{account_id}:role/DRSOrchestrationRole")
    assert error["Code"] == "AccessDenied"
    assert error["Message"] == (
        f"User: arn:aws:sts::{HUB}:user/moto is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    ("region", "partition"), [("us-west-2", "aws"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")]
)
def test_the_hub_has_an_identity_of_its_partition(region: str, partition: str) -> None:
    fleet = Fleet.model_validate({"hub": {"account_id": HUB, "region": region}})
    caller = IdentityStore(fleet, lambda: 0.0).identity_of("AKIAANY")
    assert caller.arn == f"arn:{partition}:sts::{HUB}:user/moto"


def test_assume_role_is_accepted_and_changes_the_identity(client: Client) -> None:
    answer = _assume(client("sts"), TARGET)
    assert answer["AssumedRoleUser"]["Arn"] == (
        f"arn:aws:sts::{TARGET}:assumed-role/DRSOrchestrationRole/drs-orchestration-test"
    )
    assert client("sts").get_caller_identity()["Account"] == HUB
    for region in ("us-east-1", "eu-west-1"):
        identity = client("sts", credentials=answer["Credentials"], region=region).get_caller_identity()
        assert identity["Account"] == TARGET
        assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]


def test_a_session_cannot_assume_another_role(client: Client) -> None:
    with pytest.raises(
        ClientError, match=r"assumed-role/DRSOrchestrationRole/drs-orchestration-test is not authorized"
    ):
        _assume(client("sts", account_id=TARGET), STAGING)


def test_a_session_longer_than_the_role_allows_is_rejected(client: Client) -> None:
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration") as caught:
        _assume(client("sts"), TARGET, DurationSeconds=7200)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("drs", "describe_source_servers", ("ExpiredTokenException", 403)),
        ("ec2", "describe_instances", ("RequestExpired", 400)),
        ("sts", "get_caller_identity", ("ExpiredToken", 403)),
        ("dynamodb", "list_tables", ("ExpiredTokenException", 400)),
    ],
)
def test_sessions_expire(client: Client, clock: Any, service: str, operation: str, expected: tuple[str, int]) -> None:
    called = getattr(client(service, account_id=TARGET, region="us-west-2"), operation)
    clock.now += 899
    called()
    clock.now += 1
    with pytest.raises(ClientError) as caught:
        called()
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == expected


def test_faults_can_shorten_the_session_lifetime(sandbox: Sandbox, client: Client, clock: Any) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    sandbox.replace_faults(Faults(session_lifetime_s=60))
    drs.describe_source_servers()
    clock.now += 60
    with pytest.raises(ClientError, match="expired"):
        drs.describe_source_servers()
    client("sts").get_caller_identity()  # the hub's own keys do not expire
