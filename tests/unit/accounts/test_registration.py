"""Record of a new target account: what is written is read back as the same account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts.records import RoleRef, parse_account
from service.accounts.registration import add_fix, checked_account_id, target_record
from service.errors import RefusalError

HUB, TARGET = "999988887777", "111122223333"
NOW = datetime(2026, 1, 10, 9, tzinfo=UTC)


def record(account_id: str = TARGET, **given: Any) -> dict[str, Any]:
    return target_record(account_id, partition=given.pop("partition", "aws"), hub_account_id=HUB, now=NOW, **given)


@given(
    account_id=st.from_regex(r"[0-9]{12}", fullmatch=True).filter(lambda value: value.isascii() and value != HUB),
    name=st.text(min_size=1, max_size=256).filter(str.strip),
    external_id=st.from_regex(r"[A-Za-z0-9+=,.@:/_-]{2,40}", fullmatch=True),
    role=st.from_regex(r"[A-Za-z0-9+=,.@/_-]{1,64}", fullmatch=True),
    partition=st.sampled_from(["aws", "aws-us-gov", "aws-cn"]),
)
def test_what_is_added_is_read_back(account_id: str, name: str, external_id: str, role: str, partition: str) -> None:
    arn = f"arn:{partition}:iam::{account_id}:role/{role}"
    account = parse_account(record(account_id, name=name, external_id=external_id, role_arn=arn, partition=partition))
    assert (account.account_id, account.name, account.is_hub) == (account_id, name, False)
    assert account.role == RoleRef(arn=arn, external_id=external_id)
    assert account.role.arn_in(account_id, partition) == arn


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov"])
def test_without_options_it_is_the_role_of_the_platform(partition: str) -> None:
    role = parse_account(record(partition=partition)).role
    assert role.arn_in(TARGET, "aws") == f"arn:{partition}:iam::{TARGET}:role/DRSOrchestrationRole"
    assert role.external_id == "drs-orchestration-cross-account"


@pytest.mark.parametrize(
    ("account_id", "members", "parameter"),
    [
        (TARGET, {"name": ""}, "accountName"),
        (TARGET, {"name": "x" * 257}, "accountName"),
        (TARGET, {"external_id": "x"}, "externalId"),
        (TARGET, {"external_id": "a b"}, "externalId"),
        (TARGET, {"external_id": ""}, "externalId"),
        (TARGET, {"role_arn": f"arn:aws:iam::{HUB}:role/R"}, "roleArn"),
        (TARGET, {"role_arn": "DRSOrchestrationRole"}, "roleArn"),
        (TARGET, {"role_arn": ""}, "roleArn"),
        (TARGET, {"role_arn": f"arn:aws-us-gov:iam::{TARGET}:role/R"}, "roleArn"),
        (TARGET, {"role_arn": f"arn:aws:iam::{TARGET}:role/R\u00f6le"}, "roleArn"),
        (HUB, {"role_arn": f"arn:aws:iam::{HUB}:role/R"}, "roleArn"),
        (HUB, {"external_id": "abc"}, "externalId"),
    ],
)
def test_a_wrong_member_is_named(account_id: str, members: dict[str, str], parameter: str) -> None:
    with pytest.raises(RefusalError) as refused:
        record(account_id, **members)
    assert (refused.value.code, refused.value.details["parameter"]) == ("VALIDATION_ERROR", parameter)


def test_the_fix_names_the_command_and_a_similar_account() -> None:
    assert add_fix(TARGET) == f"Fix: correct the id, or add the account: drs-sync accounts add {TARGET}"
    assert add_fix("111122223334", [TARGET, "999999999999"]).startswith(f"Did you mean {TARGET}? ")


@pytest.mark.parametrize(
    ("account_id", "code"), [("", "MISSING_FIELD"), ("12345", "INVALID_FORMAT"), ("11112222333x", "INVALID_FORMAT")]
)
def test_what_is_no_account_id_is_refused_with_the_code_of_the_api(account_id: str, code: str) -> None:
    with pytest.raises(RefusalError, match="accountId") as caught:
        checked_account_id(account_id)
    assert caught.value.code == code
