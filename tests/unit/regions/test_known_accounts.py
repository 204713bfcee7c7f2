"""Removed accounts: those that were not target accounts when the run began and are not now."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pytest

from service.errors import AwsError
from service.models import Call
from service.regions.known_accounts import KnownAccounts

A, B, C = ("1" * 12, "2" * 12, "3" * 12)


class Accounts:
    """The target accounts table, with a record of its reads."""

    def __init__(self, *existing: str, fails: bool = False) -> None:
        self.existing = frozenset(existing)
        self.fails = fails
        self.reads: list[frozenset[str]] = []

    async def __call__(self, account_ids: Collection[str]) -> frozenset[str]:
        self.reads.append(frozenset(account_ids))
        if self.fails:
            raise AwsError(
                "ProvisionedThroughputExceededException",
                "slow down",
                Call("dynamodb", "BatchGetItem", "hub", "us-east-1"),
            )
        return self.existing & frozenset(account_ids)


@pytest.mark.parametrize(
    ("existing", "with_entry", "removed"),
    [
        ({A, B}, {A, C}, {C}),
        ({A, B}, {B, C}, {C}),  # B was added since
        ({A, B, C}, {A, B, C}, set()),
        (set(), {A, B}, {B}),  # A existed when the run began: this run scans it
    ],
)
async def test_an_account_that_exists_by_now_is_not_a_removed_one(
    existing: set[str], with_entry: set[str], removed: set[str]
) -> None:
    accounts = Accounts(*existing)
    known_accounts = await KnownAccounts(frozenset({A}), accounts).recheck(with_entry)
    assert known_accounts.removed_accounts(with_entry) == removed
    assert accounts.reads == [frozenset(with_entry - {A})]


async def test_accounts_are_not_read_again_while_no_unknown_account_has_an_entry() -> None:
    accounts = Accounts(A)
    before = KnownAccounts(frozenset({A}), accounts)
    assert await before.recheck({A}) is before
    assert await before.recheck(()) is before
    assert accounts.reads == []


async def test_accounts_that_cannot_be_read_again_do_not_count_as_removed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        known_accounts = await KnownAccounts(frozenset({A}), Accounts(fails=True)).recheck({A, B})
    assert known_accounts.removed_accounts({A, B}) == frozenset()
    (record,) = caplog.records
    assert (record.levelname, vars(record)["code"], vars(record)["accounts"]) == (
        "WARNING",
        "ProvisionedThroughputExceededException",
        1,
    )
