"""Accounts that always fail cost themselves only: accounts that fail once still get their retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from tests.support.estate import Estate, new_account_id

REGION: Final = "us-west-2"
FAILING: Final = 30
GOOD: Final = 10
LIST: Final = "DescribeSourceServers"


@pytest.mark.parametrize("failing", [4, FAILING])
async def test_accounts_that_always_fail_do_not_take_the_retries_of_others(
    failing: int, start_estate: Callable[..., Estate]
) -> None:
    estate = start_estate(a={}, b={})
    bad, good = ([new_account_id() for _ in range(count)] for count in (failing, GOOD))
    for account in (*bad, *good):
        estate.add(account, REGION, servers=1)
    estate.faults(
        fail=[
            *({"account_id": each, "operation": LIST, "times": None} for each in bad),
            *({"account_id": each, "operation": LIST, "times": 1} for each in good),
        ]
    )
    report = await estate.sync(accounts=(*bad, *good), regions=(REGION,))
    assert {error["accountId"] for error in report["errors"]} == set(bad)
    assert (report["scopes"]["complete"], report["scopes"]["failed"]) == (GOOD, failing)
    calls = {operation: count for (service, operation), count in estate.calls().items() if service == "drs"}
    retries = calls[LIST] - failing - GOOD
    successes = sum(calls.values()) - calls[LIST] + GOOD
    # One retry of each account, and what the pool held at first and got from successes.
    assert GOOD <= retries <= failing + GOOD + 10 + successes
