"""Whose entries are left over: only those of accounts that were not there before, and are not there now."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pytest

from service.errors import AwsError
from service.models import Call
from service.regions.known_accounts import KnownAccounts

A, B, C = ("1" * 12, "2" * 12, "3" * 12)


class Accounts:
    """The accounts table, as far as it is asked again."""

    def __init__(self, *there: str, fails: bool = False) -> None:
        self.there = frozenset(there)
        self.fails = fails
        self.asked: list[frozenset[str]] = []

    async def __call__(self, account_ids: Collection[str]) -> frozenset[str]:
        self.asked.append(frozenset(account_ids))
        if self.fails:
            raise AwsError(
                "ProvisionedThroughputExceededException",
                "slow down",
                Call("dynamodb", "BatchGetItem", "hub", "us-east-1"),
            )
        return self.there & frozenset(account_ids)


@pytest.mark.parametrize(
    ("there", "held", "gone"),
    [
        ({A, B}, {A, C}, {C}),
        ({A, B}, {B, C}, {C}),  # B has joined since
        ({A, B, C}, {A, B, C}, set()),
        (set(), {A, B}, {B}),  # A was there when the run began: its looks are this run's own
    ],
)
async def test_who_is_there_by_now_is_no_stranger(there: set[str], held: set[str], gone: set[str]) -> None:
    accounts = Accounts(*there)
    known_accounts = await KnownAccounts(frozenset({A}), accounts).recheck(held)
    assert known_accounts.removed_accounts(held) == gone
    assert accounts.asked == [frozenset(held - {A})]


async def test_nobody_is_asked_about_while_no_stranger_has_an_entry() -> None:
    accounts = Accounts(A)
    before = KnownAccounts(frozenset({A}), accounts)
    assert await before.recheck({A}) is before
    assert await before.recheck(()) is before
    assert accounts.asked == []


async def test_accounts_that_cannot_be_counted_again_are_not_taken_to_be_gone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        known_accounts = await KnownAccounts(frozenset({A}), Accounts(fails=True)).recheck({A, B})
    assert known_accounts.removed_accounts({A, B}) == frozenset()
    (told,) = caplog.records
    assert (told.levelname, vars(told)["code"], vars(told)["accounts"]) == (
        "WARNING",
        "ProvisionedThroughputExceededException",
        1,
    )
