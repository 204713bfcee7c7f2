"""The list of servers: what a request chooses, and which slices are on a page."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import Scope
from service.pages.server_facts import rows_of
from service.web.listing import Choice, choice_of, chosen_rows, scopes_of, slices_of
from tests.support.estate import NOW, scope, view


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({}, Choice()),
        (
            {"q": " web ", "sort": "-lag", "posture": "stalled", "page": "3"},
            Choice("web", "stalled", "", "", "-lag", 3),
        ),
        ({"sort": "password", "posture": "fine", "page": "-1"}, Choice()),
        ({"page": "0"}, Choice()),
        ({"page": "٣"}, Choice()),
        ({"page": "9" * 9}, Choice(page=1_000_000)),
        ({"q": "x" * 999}, Choice(q="x" * 200)),
    ],
)
def test_what_is_not_understood_chooses_nothing(params: dict[str, str], choice: Choice) -> None:
    assert choice_of(params) == choice


def test_the_address_of_a_choice_is_read_back() -> None:
    assert Choice().href() == "/servers"
    assert Choice(q="a&b", page=2).href(page=3) == "/servers?q=a%26b&page=3"
    assert Choice(sort="lag", page=2).href(page="") == "/servers?sort=lag"


@given(st.lists(st.integers(1, 30), max_size=8), st.integers(1, 10))
def test_the_pages_have_every_server_once(counts: list[int], size: int) -> None:
    scopes = [(Scope(f"{number:012d}", "us-east-1"), count) for number, count in enumerate(counts)]
    servers = {each: [(each, place) for place in range(count)] for each, count in scopes}
    pages = [
        [
            server
            for part in slices_of(scopes, page, size=size)
            for server in servers[part.scope][part.first : part.last]
        ]
        for page in range(1, sum(counts) // size + 3)
    ]
    assert [server for page in pages for server in page] == [server for each, _ in scopes for server in servers[each]]
    assert all(len(page) <= size for page in pages)


def test_only_scopes_with_what_is_chosen_are_read_the_worst_first() -> None:
    scopes: list[dict[str, Any]] = [
        {**scope("us-east-1", 5, "ready", 1), "posture": {"ready": 5}},
        {**scope("us-west-2", 3, "stalled", 1), "posture": {"ready": 2, "stalled": 1}},
        {**scope("eu-west-1", 0, None, None, state="unknown"), "posture": {}},
    ]
    body = {"scopes": scopes}

    def regions(choice: Choice) -> list[tuple[str, int]]:
        return [(each.region, count) for each, count in scopes_of(body, choice)]

    assert regions(Choice()) == [("us-west-2", 3), ("us-east-1", 5)]
    assert regions(Choice(posture="stalled")) == [("us-west-2", 1)]
    assert regions(Choice(region="us-east-1")) == [("us-east-1", 5)]
    assert regions(Choice(account="9")) == []


def test_search_and_order_with_what_is_unknown_last() -> None:
    rows = rows_of([view("s-1", lagDuration="PT1M"), view("s-2"), view("s-3", "ready", lagDuration="PT9M")], NOW)

    def ids(**choice: str) -> list[str]:
        return [row.server_id for row in chosen_rows(rows, Choice(**choice))]  # type: ignore[arg-type]

    assert ids(sort="lag") == ["s-1", "s-3", "s-2"]
    assert ids(sort="-lag") == ["s-3", "s-1", "s-2"]
    assert ids(q="HOST-S-2 us-east") == ["s-2"]
    assert ids(posture="ready") == ["s-3"]
