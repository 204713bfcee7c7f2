"""The report as a document: which runbooks it has, and when it is complete."""

from __future__ import annotations

import orjson
import pytest

from service.pages.report import build_report, wanted_runbooks
from service.pages.server_facts import rows_of
from tests.support.estate import NOW, document, report_of, view


def test_every_server_that_is_not_ready_has_its_runbook_and_some_that_are() -> None:
    views = [view(f"s-{number}", "ready" if number % 2 else "stalled") for number in range(20)]
    wanted = wanted_runbooks(rows_of(views, NOW), others=3)
    assert {each["sourceServerArn"] for each in views if each["posture"] == "stalled"} < wanted
    assert len(wanted) == 13


def test_runbooks_of_servers_that_are_ready_take_no_place_of_others() -> None:
    rows = rows_of([view("s-1", "stalled"), view("s-2", "ready"), view("s-3", "ready")], NOW)
    backwards = wanted_runbooks(reversed(rows), others=1)  # whatever the order is
    assert {each.rpartition("/")[2] for each in backwards} == {"s-1", "s-3"}


@pytest.mark.parametrize(
    ("estate_complete", "problem", "runbook_problem", "complete"),
    [(True, "", "", True), (False, "", "", False), (True, "x", "", False), (True, "", "x", False)],
)
def test_it_is_complete_if_nothing_is_unknown(
    estate_complete: bool,  # noqa: FBT001 - a row of a table
    problem: str,
    runbook_problem: str,
    complete: bool,  # noqa: FBT001
) -> None:
    report = build_report(
        document(complete=estate_complete),
        [],
        now=NOW,
        runbooks={},
        runbook_problem=runbook_problem,
        problems=filter(None, [problem]),
    )
    assert report.is_complete is report.as_json()["complete"] is complete


def test_the_document_has_the_servers_the_worst_first() -> None:
    report = report_of(view("s-1", "ready"), view("s-2", "stalled"), view("s-3", "unknown"))
    body = orjson.loads(orjson.dumps(report.as_json()))
    assert [each["sourceServerID"] for each in body["servers"]] == ["s-2", "s-3", "s-1"]
    assert (body["serversListed"], body["runbookLimit"], body["runbooks"]) == (3, 500, [])
