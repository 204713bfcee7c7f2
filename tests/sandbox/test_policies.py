"""Session policies and trust policies, as the sandbox enforces them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from service.sandbox.fleet import FleetError, parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.policies import PolicyError, SessionPolicy, TrustPolicy
from service.sandbox.server import Sandbox
from tests.deploy.templates import FOLDER, template

HUB, TARGET = "999900001111", "111122223333"
EXTERNAL_ID = "drs-orchestration-cross-account"
ROOT = f"arn:aws:iam::{HUB}:root"
FUNCTION = f"arn:aws:iam::{HUB}:role/aws-drs-orchestration-query-handler-role-test"
Client = Callable[..., Any]


def _policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(*actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "action", "allowed"),
    [
        ([_allow("drs:DescribeSourceServers")], "drs:DescribeSourceServers", True),
        ([_allow("drs:describesourceservers")], "drs:DescribeSourceServers", True),
        ([_allow("drs:Describe*")], "drs:DescribeSourceServers", True),
        ([_allow("drs:Describe*")], "drs:TagResource", False),
        ([_allow("drs:Tag")], "drs:TagResource", False),
        ([_allow("*"), {**_allow("drs:TagResource"), "Effect": "Deny"}], "drs:TagResource", False),
        ([_allow("*"), {**_allow("drs:TagResource"), "Effect": "Deny"}], "drs:GetLaunchConfiguration", True),
        ([{**_allow("*"), "Effect": "Deny"}], "drs:DescribeSourceServers", False),
    ],
)
def test_a_session_policy_allows_what_it_names(statements: list[Any], action: str, *, allowed: bool) -> None:
    assert SessionPolicy.parse(_policy(*statements)).allows(action) is allowed


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        json.dumps({"Version": "2008-10-17", "Statement": [_allow("*")]}),
        _policy({"Effect": "Allow", "Resource": "*"}),
        _policy({**_allow("*"), "Resource": "arn:aws:drs:*:*:source-server/s-1"}),
        _policy({**_allow("*"), "Condition": {}}),
        _policy({**_allow(), "Action": [1]}),
        _policy(_allow("drs:" + "x" * 2048)),
    ],
)
def test_a_session_policy_that_would_be_enforced_wrongly_is_refused(text: str, client: Client) -> None:
    with pytest.raises(PolicyError):
        SessionPolicy.parse(text)
    if len(text) > 2048:
        return  # moto itself refuses that
    with pytest.raises(ClientError) as refused:
        _assume(client("sts"), Policy=text)
    assert refused.value.response["Error"]["Code"] == "MalformedPolicyDocument"


def _assume(sts: Any, **more: str) -> dict[str, str]:
    role = f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"
    answer = sts.assume_role(RoleArn=role, RoleSessionName="session", ExternalId=EXTERNAL_ID, **more)
    return dict(answer["Credentials"])


def test_a_session_can_do_what_its_policy_allows_and_no_more(client: Client) -> None:
    keys = _assume(client("sts"), Policy=_policy(_allow("drs:DescribeSourceServers")))
    drs = client("drs", credentials=keys, region="us-west-2")
    server = drs.describe_source_servers()["items"][0]
    with pytest.raises(ClientError) as denied:
        drs.tag_resource(resourceArn=server["arn"], tags={"a": "b"})
    error = denied.value.response["Error"]
    session = f"arn:aws:sts::{TARGET}:assumed-role/DRSOrchestrationRole/session"
    assert error["Code"] == "AccessDeniedException"
    assert error["Message"] == (
        f"User: {session} is not authorized to perform: drs:TagResource on resource: {server['arn']} "
        "because no session policy allows the drs:TagResource action"
    )
    with pytest.raises(ClientError, match=r"no session policy allows the ec2:DescribeInstances action"):
        client("ec2", credentials=keys, region="us-east-1").describe_instances()
    client("sts", credentials=keys).get_caller_identity()  # needs no permission
    unlimited = client("drs", account_id=TARGET, region="us-west-2")  # the same role, without a policy
    unlimited.tag_resource(resourceArn=server["arn"], tags={"a": "b"})


# Trust


def trust_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trust policy that cross-account-role.yaml makes of its parameters."""
    body = template("cross-account-role.yaml")
    defaults = {name: each.get("Default", "") for name, each in body["Parameters"].items()}
    values = {**defaults, "OrchestrationAccountId": HUB, **parameters}
    conditions = {
        "NamesPrincipals": bool(values["TrustedPrincipalArns"]),
        "NamesOrganization": bool(values["TrustedOrganizationId"]),
    }
    document: dict[str, Any] = _resolved(
        body["Resources"]["DRSOrchestrationRole"]["Properties"]["AssumeRolePolicyDocument"], values, conditions
    )
    return document


_NO_VALUE = object()


def _resolved(value: Any, values: Mapping[str, Any], conditions: Mapping[str, bool]) -> Any:
    if isinstance(value, list):
        return [_resolved(each, values, conditions) for each in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return _NO_VALUE if value["Ref"] == "AWS::NoValue" else values[value["Ref"]]
    if "Fn::Sub" in value:
        return value["Fn::Sub"].replace("${AWS::Partition}", "aws").replace("${OrchestrationAccountId}", HUB)
    if "Fn::If" in value:
        condition, if_true, if_false = value["Fn::If"]
        return _resolved(if_true if conditions[condition] else if_false, values, conditions)
    members = {name: _resolved(each, values, conditions) for name, each in value.items()}
    return {name: each for name, each in members.items() if each is not _NO_VALUE}


PATTERNS = [f"arn:aws:iam::{HUB}:role/aws-drs-orchestration-*"]
ORGANIZATION = "o-abcdefghij"
CALLER = {"aws:PrincipalArn": FUNCTION, "sts:ExternalId": EXTERNAL_ID}


@pytest.mark.parametrize(
    ("parameters", "context", "trusted"),
    [
        # The default: the hub, with the external id
        ({}, CALLER, True),
        ({}, {**CALLER, "aws:PrincipalArn": f"arn:aws:iam::{HUB}:user/operator"}, True),
        ({}, {**CALLER, "sts:ExternalId": "another"}, False),
        ({}, {"aws:PrincipalArn": FUNCTION}, False),  # no external id
        # Roles of the hub
        ({"TrustedPrincipalArns": PATTERNS}, CALLER, True),
        ({"TrustedPrincipalArns": PATTERNS}, {**CALLER, "sts:ExternalId": "another"}, False),
        ({"TrustedPrincipalArns": PATTERNS}, {**CALLER, "aws:PrincipalArn": f"arn:aws:iam::{HUB}:role/other"}, False),
        ({"TrustedPrincipalArns": PATTERNS}, {"sts:ExternalId": EXTERNAL_ID}, False),
        (
            {"TrustedPrincipalArns": PATTERNS},  # a role with a path is another one
            {**CALLER, "aws:PrincipalArn": FUNCTION.replace(":role/", ":role/a/path/")},
            False,
        ),
        (
            {"TrustedPrincipalArns": [*PATTERNS, f"arn:aws:iam::{HUB}:role/aws-reserved/*"]},
            {
                **CALLER,
                "aws:PrincipalArn": f"arn:aws:iam::{HUB}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_1",
            },
            True,
        ),
        ({"TrustedPrincipalArns": ["arn:aws:iam::*"]}, CALLER, False),  # not an ARN of six parts
        # The organisation
        ({"TrustedOrganizationId": ORGANIZATION}, {**CALLER, "aws:PrincipalOrgID": ORGANIZATION}, True),
        ({"TrustedOrganizationId": ORGANIZATION}, {**CALLER, "aws:PrincipalOrgID": "o-0000000000"}, False),
        ({"TrustedOrganizationId": ORGANIZATION}, CALLER, False),
    ],
)
def test_whom_the_cross_account_role_trusts(
    parameters: Mapping[str, Any], context: Mapping[str, str], *, trusted: bool
) -> None:
    policy = TrustPolicy.parse(trust_of(parameters))
    assert policy.trusts(ROOT, context) is trusted
    assert not policy.trusts("arn:aws:iam::123456789012:root", context)


@pytest.mark.parametrize("name_part", ["", "drs-sync-"])
def test_the_patterns_of_the_accounts_page_let_in_whom_they_are_for_and_nobody_else(name_part: str) -> None:
    page = (FOLDER.parents[1] / "docs" / "accounts.md").read_text(encoding="utf-8")
    found = re.findall(r"`(arn:aws:iam::HUB:[^`]+)`", page)
    patterns = [each.replace("HUB", HUB).replace("PROJECT", "dr").replace("ENV", "prod") for each in found]
    functions, container, people = patterns[:2], patterns[2:3], patterns[3:]

    def lets_in(patterns: list[str], name: str) -> bool:
        context = {"sts:ExternalId": EXTERNAL_ID, "aws:PrincipalArn": f"arn:aws:iam::{HUB}:{name}"}
        return TrustPolicy.parse(trust_of({"TrustedPrincipalArns": patterns})).trusts(ROOT, context)

    def role(template_name: str, logical: str) -> str:
        name: str = template(template_name)["Resources"][logical]["Properties"]["RoleName"]["Fn::Sub"]
        values = {"ProjectName": "dr", "NamePart": name_part, "Environment": "prod"}
        return "role/" + re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], name)

    query, management = (role("roles.yaml", each) for each in ("QueryHandlerRole", "DataManagementRole"))
    task = role("container.yaml", "TaskRole")
    person = "role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_PERMISSION-SET_0123456789abcdef"
    assert [lets_in(functions, each) for each in (query, management, task, person)] == [True, True, False, False]
    assert [lets_in(container, each) for each in (query, management, task, person)] == [False, False, True, False]
    assert [lets_in(people, each) for each in (query, management, task, person)] == [False, False, False, True]
    platform = "role/dr-orchestration-role-prod"
    assert not lets_in(patterns, platform)


@pytest.mark.parametrize(
    ("principal_arn", "organization", "entered"),
    [
        (FUNCTION, ORGANIZATION, True),
        (f"{FUNCTION}-2/x", ORGANIZATION, True),
        ("", ORGANIZATION, False),
        (FUNCTION, "", False),
    ],
)
def test_the_sandbox_enforces_the_trust_policy_of_a_role(
    principal_arn: str, organization: str, session: boto3.Session, *, entered: bool
) -> None:
    trust = trust_of({"TrustedPrincipalArns": PATTERNS, "TrustedOrganizationId": ORGANIZATION})
    members = {
        "hub": {"account_id": HUB, "principal_arn": principal_arn, "organization_id": organization},
        "accounts": [{"account_id": TARGET, "role": {"trust_policy": trust}}],
    }
    with Sandbox(parse_model(Fleet, members, "fleet")) as sandbox:
        keys = {"aws_access_key_id": "AKIAANYKEY", "aws_secret_access_key": "secret"}
        sts = session.client("sts", region_name="us-east-1", endpoint_url=sandbox.endpoint_url, **keys)
        try:
            if entered:
                assert _assume(sts)
                return
            with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole") as denied:
                _assume(sts)
            assert denied.value.response["Error"]["Code"] == "AccessDenied"
        finally:
            sts.close()


@pytest.mark.parametrize(
    ("principal", "trusted"),
    [
        ({"AWS": ROOT}, True),
        ({"AWS": [HUB]}, True),
        ({"AWS": FUNCTION}, False),
        ({"Service": "drs.amazonaws.com"}, False),
    ],
)
def test_a_trust_policy_lets_in_an_account_and_nobody_by_name(principal: Mapping[str, Any], *, trusted: bool) -> None:
    trust = trust_of({})
    trust["Statement"][0]["Principal"] = principal
    assert TrustPolicy.parse(trust).trusts(ROOT, CALLER) is trusted


@pytest.mark.parametrize(
    "change",
    [
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-11-23T00:00:00Z"}}},
        {"Principal": "*"},
        {"NotAction": "sts:AssumeRole"},
        {"Effect": "Maybe"},
    ],
)
def test_a_trust_policy_that_would_be_enforced_wrongly_is_refused(change: Mapping[str, Any]) -> None:
    trust = trust_of({})
    trust["Statement"][0] |= change
    members = {"hub": {"account_id": HUB}, "accounts": [{"account_id": TARGET, "role": {"trust_policy": trust}}]}
    with pytest.raises(FleetError):
        parse_model(Fleet, members, "fleet")
