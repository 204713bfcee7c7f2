"""CSV that no spreadsheet runs, and Markdown without markup from outside."""

from __future__ import annotations

import csv
import io

import pytest

from service.pages.text_formats import as_csv, as_markdown
from tests.support.estate import HOSTILE, report_of, view


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "'", " =", "\u00a0=", "\ufeff=", "\u200b=", "\uff1d", "\uff0b", "\uff20"]
)
def test_no_cell_is_a_formula(start: str) -> None:
    (row,) = rows(as_csv(report_of(view(hostname=f'{start}cmd|"/c calc"!A1'))))
    assert row["hostname"].startswith("'")


def test_one_line_per_server_and_what_is_not_known_is_a_word() -> None:
    text = as_csv(report_of(view("s-1", lagDuration="PT14M"), view("s-2", "unknown", nameTag=HOSTILE)))
    assert len(text.splitlines()) == 3
    first, second = rows(text)
    assert (first["sourceServerID"], first["posture"], first["lagSeconds"]) == ("s-1", "stalled", "840.0")
    assert (second["posture"], second["lagSeconds"], second["backlogBytes"]) == ("unknown",) * 3
    assert (second["postureReason"], second["lastLaunchTime"]) == ("", "")


def test_markdown_has_every_part_and_no_markup_from_outside() -> None:
    server = view(hostname=HOSTILE + "|*x*")
    text = as_markdown(report_of(server, runbooks={server["sourceServerArn"]: ["FAILBACK of x"]}))
    for part in ("Can it be believed?", "What needs you?", "Accounts and regions", "Servers", "Drills", "Last runs"):
        assert f"## {part}\n" in text
    assert "Type: `drs-sync servers --state STALLED`" in text
    assert "unknown, unknown, never scanned completely" in text
    assert "    FAILBACK of x\n" in text
    assert "<img" not in text.replace("\\<img", "")
    assert "|*x*" not in text
    assert "\x1b" not in text
