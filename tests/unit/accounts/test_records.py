"""Records of the target accounts table: the role of an account, and never a role of another account."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts.records import DEFAULT_EXTERNAL_ID, AccountDirectory, RoleRef, is_external_id, parse_account
from service.errors import ConfigurationError

TARGET: Final = "111122223333"
STAGING: Final = "444455556666"
OTHER: Final = "777788889999"
ROLE_ARN: Final = f"arn:aws:iam::{TARGET}:role/path/Own"


def arn_of(record: dict[str, Any], partition: str = "aws") -> str:
    return parse_account({"accountId": TARGET, **record}).role.arn_in(TARGET, partition)


@pytest.mark.parametrize(
    ("record", "arn"),
    [
        ({}, f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"),
        (
            {"roleArn": "", "assumeRoleName": "", "crossAccountRoleArn": None},
            f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole",
        ),
        (
            {"roleArn": ROLE_ARN, "assumeRoleName": "Named", "crossAccountRoleArn": f"arn:aws:iam::{TARGET}:role/X"},
            ROLE_ARN,
        ),
        ({"assumeRoleName": "Named", "crossAccountRoleArn": ROLE_ARN}, f"arn:aws:iam::{TARGET}:role/Named"),
        ({"crossAccountRoleArn": ROLE_ARN}, ROLE_ARN),
        ({"assumeRoleName": "no role: name"}, f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"),
        ({"assumeRoleName": 5}, f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"),
    ],
)
def test_which_role_reaches_an_account(record: dict[str, Any], arn: str) -> None:
    assert arn_of(record) == arn


@pytest.mark.parametrize(
    ("record", "is_hub"),
    [
        ({}, False),
        ({"isCurrentAccount": True}, True),
        ({"isCurrentAccount": False}, False),
        ({"IsCurrentAccount": True}, True),  # as earlier records spell it
        ({"isCurrentAccount": False, "IsCurrentAccount": True}, False),
    ],
)
def test_the_record_of_the_hub_says_so_in_either_spelling(record: dict[str, Any], is_hub: bool) -> None:  # noqa: FBT001
    assert parse_account({"accountId": TARGET, **record}).is_hub is is_hub


def test_an_invalid_role_name_does_not_hide_the_arn_after_it() -> None:
    assert arn_of({"assumeRoleName": "no role: name", "crossAccountRoleArn": ROLE_ARN}) == ROLE_ARN


def test_a_role_is_built_in_the_partition_of_the_hub() -> None:
    assert arn_of({}, "aws-us-gov") == f"arn:aws-us-gov:iam::{TARGET}:role/DRSOrchestrationRole"


@pytest.mark.parametrize("attribute", ["roleArn", "crossAccountRoleArn"])
@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:iam::{OTHER}:role/DRSOrchestrationRole",
        f"arn:aws:iam::{TARGET}:user/somebody",
        f"arn:aws:sts::{TARGET}:assumed-role/x/y",
        "arn:aws:iam:::role/x",
        f"arn:aws:iam::{TARGET}:role/",
        f"arn:aws:iam::{TARGET}:role/a b",
        f"arn:aws:iam::{TARGET}:role/x\n",
        "DRSOrchestrationRole",
        "7",
    ],
)
def test_an_arn_of_another_account_or_of_no_role_is_refused(attribute: str, arn: str) -> None:
    with pytest.raises(ConfigurationError, match=TARGET):
        arn_of({attribute: arn})


def test_external_ids() -> None:
    assert parse_account({"accountId": TARGET}).role.external_id == DEFAULT_EXTERNAL_ID
    assert parse_account({"accountId": TARGET, "externalId": ""}).role.external_id == DEFAULT_EXTERNAL_ID
    assert parse_account({"accountId": TARGET, "externalId": "own"}).role.external_id == "own"


@pytest.mark.parametrize("external_id", ["x", 5, "x" * 1225, "with space", "line\n", "\u00e9" * 3, ["own"]])
def test_an_external_id_that_sts_would_reject_is_refused(external_id: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{TARGET} is .*: 2 to 1224 characters"):
        arn_of({"externalId": external_id})


def test_the_contracts_own_record_is_read() -> None:
    role = f"arn:aws:iam::{STAGING}:role/DRSOrchestrationRole"
    account = parse_account(
        {
            "accountId": TARGET,
            "accountName": "Prod DR",
            "status": "active",
            "isCurrentAccount": False,
            "roleArn": f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole",
            "externalId": "e",
            "createdAt": "2026-01-10T09:00:00+00:00Z",
            "stagingAccounts": [
                {
                    "accountId": STAGING,
                    "accountName": "STAGING_01",
                    "roleArn": role,
                    "externalId": "s",
                    "addedBy": "user",
                }
            ],
        }
    )
    assert (account.account_id, account.name) == (TARGET, "Prod DR")
    assert account.staging == {STAGING: RoleRef(arn=role, external_id="s")}


@pytest.mark.parametrize("staging", [None, [], "x", {}, [None], ["444455556666"], [{}], [{"accountId": 444455556666}]])
def test_invalid_members_among_staging_accounts_are_skipped(staging: Any) -> None:
    account = parse_account({"accountId": TARGET, "stagingAccounts": staging})
    assert account.staging == {}
    assert account.name == f"Account {TARGET}"


@pytest.mark.parametrize(
    "staging_id", ["4444", "", "44445555666", "4444555566667", "44445555666x", TARGET, None, 444455556666]
)
def test_an_invalid_staging_account_is_skipped_and_reported(staging_id: Any) -> None:
    records = [{"accountId": staging_id, "accountName": "x"}, {"accountId": STAGING}]
    account = parse_account({"accountId": TARGET, "stagingAccounts": records})
    assert set(account.staging) == {STAGING}
    (problem,) = account.unusable_staging
    assert str(staging_id) in problem
    assert ("has to be text" in problem) is isinstance(staging_id, int)
    assert TARGET in problem


@given(account_id=st.none() | st.integers() | st.text(max_size=14) | st.from_regex(r"\A[0-9]{11}(?:[0-9]{2})?\Z"))
def test_a_record_without_a_usable_account_id_is_refused_and_named(account_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="12 digits"):
        parse_account({"accountId": account_id})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    record=st.dictionaries(
        st.sampled_from(["accountName", "roleArn", "externalId", "assumeRoleName", "stagingAccounts"]), json_values
    )
)
def test_any_record_gives_a_role_of_the_account_or_is_refused(record: dict[str, Any]) -> None:
    account = parse_account({"accountId": TARGET, **record})
    try:
        arn = account.role.arn_in(TARGET, "aws")
    except ConfigurationError:
        assert account.role.arn or not is_external_id(account.role.external_id)
    else:
        assert arn.startswith(f"arn:aws:iam::{TARGET}:role/")
        assert is_external_id(account.role.external_id)


def test_roles_of_targets_staging_accounts_and_unknown_accounts() -> None:
    staging_role = f"arn:aws:iam::{STAGING}:role/S"
    directory = AccountDirectory(
        [
            parse_account({"accountId": TARGET, "stagingAccounts": [{"accountId": STAGING, "roleArn": staging_role}]}),
            parse_account(
                {
                    "accountId": OTHER,
                    "assumeRoleName": "Own",
                    "stagingAccounts": [{"accountId": TARGET, "externalId": "x"}],
                }
            ),
        ]
    )
    assert set(directory.targets) == {TARGET, OTHER}
    assert directory.role_of(STAGING).arn == staging_role
    assert directory.role_of(OTHER).name == "Own"
    assert directory.role_of(TARGET) == RoleRef()  # its own record takes precedence
    assert directory.role_of("000000000000") == RoleRef()


def test_the_targets_of_an_account_are_those_that_it_is_or_replicates_for() -> None:
    records: list[dict[str, Any]] = [
        {"accountId": "111122223333", "stagingAccounts": [{"accountId": "444455556666"}]},
        {"accountId": "444455556666"},
        {"accountId": "777788889999", "stagingAccounts": [{"accountId": "444455556666"}]},
    ]
    directory = AccountDirectory(map(parse_account, records))
    assert directory.targets_of("444455556666") == {"111122223333", "444455556666", "777788889999"}
    assert directory.targets_of("111122223333") == {"111122223333"}
    assert directory.targets_of("000011112222") == frozenset()
