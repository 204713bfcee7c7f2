"""Table of accounts: why one cannot be used is told in full below the rows."""

from __future__ import annotations

from typing import Any

from service.cli.accounts import accounts_table
from tests.support.printed import SHOWN, WHY, joined, printed


def test_accounts_that_cannot_be_used_say_why() -> None:
    usable: dict[str, Any] = {"accountName": "A", "roleArn": "arn:x", "usable": True}
    staging = {"accountId": "444455556666", "accountName": "S", "roleArn": None, "usable": False, "reason": WHY}
    target = {"accountId": "111122223333", **usable, "stagingAccounts": [staging]}
    lines = printed(accounts_table({"accounts": [target]}))
    assert [line.split() for line in lines[:4]] == [
        ["1", "target", "account"],
        ["kind", "account", "name", "usable", "role"],
        ["target", "111122223333", "A", "yes", "arn:x"],
        ["staging", "444455556666", "S", "no"],
    ]
    assert joined(lines[4:]).strip() == f"not usable  444455556666 {SHOWN}"
