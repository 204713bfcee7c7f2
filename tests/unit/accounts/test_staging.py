"""Staging account records: validation, and changes that lose no record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts.staging import add_staging_account, adopt_discovered, remove_staging_account, staging_record
from service.errors import RefusalError

NOW: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
TARGET: Final = "111122223333"
IDS: Final = ["444455556666", "555566667777", "777788889999"]


def record(account_id: str = IDS[0], **more: Any) -> dict[str, Any]:
    given = {"accountId": account_id, "accountName": "x", "externalId": "ext", **more}
    return staging_record(given, partition="aws", now=NOW, added_by="user")


def test_a_record_has_the_six_members_and_what_else_was_given() -> None:
    assert record(note="n") == {
        "accountId": IDS[0],
        "accountName": "x",
        "roleArn": f"arn:aws:iam::{IDS[0]}:role/DRSOrchestrationRole",
        "externalId": "ext",
        "addedAt": "2026-11-23T05:00:00.000000+00:00",
        "addedBy": "user",
        "note": "n",
    }
    assert record(addedBy="me", addedAt="never")["addedBy"] == "user"
    arn = f"arn:aws-us-gov:iam::{IDS[0]}:role/path/Name"
    assert record(roleArn=arn)["roleArn"] == arn


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("accountId", None),
        ("accountId", "12"),
        ("accountId", 444455556666),
        ("accountId", "٤" * 12),
        ("accountName", None),
        ("accountName", ""),
        ("accountName", "x" * 257),
        ("accountName", ["x"]),
        ("externalId", None),
        ("externalId", "e"),
        ("externalId", "with space"),
        ("externalId", "e" * 1225),
        ("roleArn", f"arn:aws:iam::{TARGET}:role/R"),
        ("roleArn", "R"),
        ("roleArn", f"arn:aws:iam::{IDS[0]}:user/R"),
        ("roleArn", {"a": 1}),
    ],
)
def test_a_wrong_member_is_named_with_what_is_needed(member: str, value: Any) -> None:
    with pytest.raises(RefusalError, match=f"stagingAccount.{member}") as caught:
        record(**{member: value})
    assert (caught.value.code, caught.value.status) == ("VALIDATION_ERROR", 400)
    assert caught.value.details["expected"]


def test_none_is_added_twice_nor_to_itself_nor_beyond_the_hundredth() -> None:
    current = [record()]
    with pytest.raises(RefusalError) as caught:
        add_staging_account(record(), TARGET)(current, [])
    assert (caught.value.code, caught.value.status) == ("STAGING_ACCOUNT_EXISTS", 409)
    with pytest.raises(RefusalError, match="its own"):
        add_staging_account(record(TARGET), TARGET)([], [])
    full = [{"accountId": f"{number:012d}"} for number in range(100)]
    with pytest.raises(RefusalError, match="100"):
        add_staging_account(record(), TARGET)(full, [])


def test_removing_what_is_not_there_is_refused() -> None:
    with pytest.raises(RefusalError) as caught:
        remove_staging_account(IDS[0], TARGET, now=NOW)([], [])
    assert (caught.value.code, caught.value.status) == ("NOT_FOUND", 404)


def test_what_was_added_is_reported_once_though_another_writer_was_faster() -> None:
    change, added = adopt_discovered(IDS, TARGET, partition="aws", now=NOW)
    assert change([], []) != ([], [])
    current, _ = change([record(IDS[0])], [])  # read again: another writer has added the first
    assert added == IDS[1:] == [each["accountId"] for each in current][1:]


steps = st.lists(st.tuples(st.sampled_from(["add", "remove", "discover"]), st.sampled_from(IDS)), max_size=30)


@given(steps=steps)
def test_whatever_happens_what_an_operator_did_stands(steps: list[tuple[str, str]]) -> None:
    """DRS reports all three all the time, while an operator adds and removes them."""
    current: list[dict[str, Any]] = [{"accountId": "999999999999", "odd": {"member": 1}}]
    removals: list[dict[str, Any]] = []
    removed: set[str] = set()
    for step, account_id in steps:
        try:
            if step == "add":
                current, removals = add_staging_account(record(account_id), TARGET)(current, removals)
                removed.discard(account_id)
            elif step == "remove":
                current, removals = remove_staging_account(account_id, TARGET, now=NOW)(current, removals)
                removed.add(account_id)
            else:
                change, added = adopt_discovered([*IDS, TARGET, "no id"], TARGET, partition="aws", now=NOW)
                before = {each["accountId"] for each in current}
                current, removals = change(current, removals)
                assert set(added) == {each["accountId"] for each in current} - before
        except RefusalError:
            continue
        ids = [each["accountId"] for each in current]
        assert len(ids) == len(set(ids))
        assert removed.isdisjoint(ids)
        assert {each["accountId"] for each in removals} == removed
        assert current[0] == {"accountId": "999999999999", "odd": {"member": 1}}
