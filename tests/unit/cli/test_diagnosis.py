"""Findings of the doctor, and the paragraphs that it prints."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from service.accounts.records import AccountDirectory
from service.cli.diagnosis import Finding, Level, diagnose_directory
from service.cli.doctor import finding_paragraphs


@pytest.mark.parametrize(
    ("accounts", "shown"), [(1, ["0"]), (3, ["0", "1", "2"]), (4, ["0 and 3 more"]), (500, ["0 and 499 more"])]
)
def test_what_is_the_same_for_many_accounts_is_one_paragraph(accounts: int, shown: list[str]) -> None:
    dark = [
        Finding("drs", Level.FAILED, "not reachable", "check DNS", str(each), "me-south-1") for each in range(accounts)
    ]
    other = Finding("drs", Level.FAILED, "denied", "allow it", "7", "me-south-1")
    text = io.StringIO()
    Console(file=text, width=80).print(*finding_paragraphs([*dark, other], verbose=False), sep="\n")
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    heads = [line for line in lines if line.startswith("FAILED")]
    assert heads == [f"FAILED  {each} me-south-1  drs" for each in (*shown, "7")]
    assert lines[:5] == [f"{accounts + 1} failed, 0 warnings", "", heads[0], "  not reachable", "  Fix: check DNS"]


def test_without_target_accounts_the_doctor_says_how_to_add_one() -> None:
    [finding] = diagnose_directory(AccountDirectory(()))
    assert (finding.status, "drs-sync accounts add" in finding.fix) == (Level.WARNING, True)
