"""Findings of the doctor, and the rows of the table that it prints."""

from __future__ import annotations

import pytest

from service.accounts.records import AccountDirectory
from service.cli.diagnosis import Finding, Level, diagnose_directory
from service.cli.doctor import finding_rows


@pytest.mark.parametrize(
    ("accounts", "shown"), [(1, ["0"]), (3, ["0", "1", "2"]), (4, ["0 and 3 more"]), (500, ["0 and 499 more"])]
)
def test_what_is_the_same_for_many_accounts_is_one_row(accounts: int, shown: list[str]) -> None:
    dark = [
        Finding("drs", Level.FAILED, "not reachable", "check DNS", str(each), "me-south-1") for each in range(accounts)
    ]
    other = Finding("drs", Level.FAILED, "denied", "allow it", "7", "me-south-1")
    rows = list(finding_rows([*dark, other]))
    assert [row[2] for row in rows] == [*shown, "7"]
    assert rows[0] == ("drs", Level.FAILED, shown[0], "me-south-1", "not reachable", "check DNS")


def test_without_target_accounts_the_doctor_says_how_to_add_one() -> None:
    [finding] = diagnose_directory(AccountDirectory(()))
    assert (finding.status, "drs-sync accounts add" in finding.fix) == (Level.WARNING, True)
