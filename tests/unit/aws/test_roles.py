"""Which accounts may be entered, and what a session in them may do."""

from __future__ import annotations

import json
import re
from itertools import product

import pytest

from service.aws.operations import (
    DOCTOR_OPERATIONS,
    ORIGIN_OPERATIONS,
    READ_OPERATIONS,
    READ_WRITE_OPERATIONS,
    TABLE_OPERATIONS,
    Operations,
    Purpose,
    session_policy,
)
from service.aws.roles import NamedBy, RoleToAssume, require_enterable
from service.errors import AwsError
from service.settings import Settings

ACCOUNT = "444455556666"
MOST_CHARACTERS = 2048  # of AssumeRole's Policy
SIDES = {
    "query": READ_OPERATIONS,
    "data-management": READ_WRITE_OPERATIONS,
    "doctor": DOCTOR_OPERATIONS,
    "tables": TABLE_OPERATIONS,
}


def _role(named_by: NamedBy, name: str = "DRSOrchestrationRole") -> RoleToAssume:
    return RoleToAssume(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/{name}", "an-external-id", named_by)


REFUSED = {
    # who named the account, ENTER_RECORDED_ACCOUNTS_ONLY -> why it is not entered
    (NamedBy.RECORD, False): "",
    (NamedBy.RECORD, True): "",
    (NamedBy.DRS, False): "",
    (NamedBy.DRS, True): "AccountNotRecorded",
    (NamedBy.VALIDATION, False): "",
    (NamedBy.VALIDATION, True): "AccountNotRecorded",
    (NamedBy.NOBODY, False): "AccountNotNamed",
    (NamedBy.NOBODY, True): "AccountNotNamed",
}


@pytest.mark.parametrize(("named_by", "only_recorded"), [*product(NamedBy, [False, True])])
def test_an_account_is_entered_only_if_somebody_who_may_has_named_it(named_by: NamedBy, *, only_recorded: bool) -> None:
    settings = Settings(enter_recorded_accounts_only=only_recorded)
    expected = REFUSED[named_by, only_recorded]
    if not expected:
        require_enterable(_role(named_by), settings, hub_region="us-east-1")
        return
    with pytest.raises(AwsError) as refused:
        require_enterable(_role(named_by), settings, hub_region="us-east-1")
    error = refused.value
    assert error.code == error.error_class.name == expected
    assert error.call == ("sts", "AssumeRole", ACCOUNT, "us-east-1")
    assert f"not assumed: arn:aws:iam::{ACCOUNT}:role/DRSOrchestrationRole" in error.message
    assert f"account {ACCOUNT}" in error.cause
    assert "drs-sync accounts add" in error.fix
    assert error.error_class.status.is_denied
    assert not error.error_class.retry
    assert ("ENTER_RECORDED_ACCOUNTS_ONLY" in error.cause) == (expected == "AccountNotRecorded")


@pytest.mark.parametrize("named_by", [*NamedBy])
def test_the_role_must_have_the_name_that_may_be_assumed_whoever_named_the_account(named_by: NamedBy) -> None:
    settings = Settings(cross_account_role_name="DRSOrchestrationRole")
    with pytest.raises(AwsError, match="CROSS_ACCOUNT_ROLE_NAME") as refused:
        require_enterable(_role(named_by, "Administrator"), settings, hub_region="us-east-1")
    assert refused.value.code == "RoleNotAllowed"


@pytest.mark.parametrize(("side", "purpose"), [*product(SIDES, Purpose)])
def test_a_session_policy_allows_reads_that_the_process_declares_and_nothing_else(side: str, purpose: Purpose) -> None:
    policy = session_policy(SIDES[side], purpose)
    if policy is None:
        assert (side, purpose) == ("data-management", Purpose.WRITE)
        return
    assert len(policy) <= MOST_CHARACTERS
    document = json.loads(policy)
    assert document["Version"] == "2012-10-17"
    (statement,) = document["Statement"]
    assert set(statement) == {"Effect", "Action", "Resource"}
    if statement["Effect"] == "Deny":
        assert statement["Action"] == "*"
        return
    declared = {f"{service}:{name}" for service, names in SIDES[side].items() for name in names}
    assert set(statement["Action"]) <= declared
    assert all(re.fullmatch(r"(drs|ec2):(Describe|Get|List)[A-Za-z]+", action) for action in statement["Action"])


def _actions(operations: Operations, purpose: Purpose) -> set[str]:
    policy = session_policy(operations, purpose)
    assert policy is not None
    return set(json.loads(policy)["Statement"][0]["Action"])


def test_each_purpose_has_what_it_needs() -> None:
    query = {"drs:DescribeRecoveryInstances", "drs:DescribeSourceServers"}
    assert _actions(READ_OPERATIONS, Purpose.READ) == query
    assert _actions(READ_OPERATIONS, Purpose.WRITE) == query  # the query side cannot ask for more
    assert _actions(DOCTOR_OPERATIONS, Purpose.READ) == query
    assert _actions(READ_WRITE_OPERATIONS, Purpose.ORIGIN) == {"ec2:DescribeInstances"}
    in_accounts = {f"{each}:{name}" for each in ("drs", "ec2") for name in READ_WRITE_OPERATIONS[each]}
    writes = {"drs:CreateExtendedSourceServer", "drs:TagResource", "drs:UpdateLaunchConfiguration"}
    assert _actions(READ_WRITE_OPERATIONS, Purpose.READ) == in_accounts - writes
    assert {f"ec2:{name}" for name in ORIGIN_OPERATIONS["ec2"]} == {"ec2:DescribeInstances"}
