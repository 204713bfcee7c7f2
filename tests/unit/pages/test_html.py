"""The page of a report: nothing from outside is markup, unknown is a word, and only its own script and style run."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from service.pages.html import MAX_WITHOUT_SCRIPT, Pages
from tests.support.estate import HOSTILE, document, report_of, view

PAGES = Pages()
VOID = {"meta", "link", "input", "br", "img"}


class Reader(HTMLParser):
    """Reads a page: its elements with attributes, its ids, and what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str | None]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def page(*views: dict[str, Any], runbooks: dict[str, list[str]] | None = None, **members: Any) -> Reader:
    reader = Reader(PAGES.report(report_of(*views, runbooks=runbooks, **members)))
    assert reader.open == []
    return reader


def test_it_has_the_landmarks_and_one_first_heading() -> None:
    read = page(view("s-1"), view("s-2", "ready"))
    assert len(read.all("main")) == len(read.all("h1")) == 1
    assert read.all("html") == [{"lang": "en"}]
    assert {"needs-you", "grid", "servers", "server-s-1", "server-s-2", "search", "posture"} <= set(read.ids)
    assert all("scope" in attributes for attributes in read.all("th"))
    labelled = {attributes["for"] for attributes in read.all("label")}
    assert {attributes["id"] for attributes in read.all("input") + read.all("select")} == labelled
    targets = [str(attributes["href"])[1:] for attributes in read.all("a")]
    assert set(targets) <= set(read.ids)


def test_ids_are_unique_also_where_two_accounts_have_a_server_of_one_id() -> None:
    read = page(view("s-1"), view("s-1", accountId="222200000002"))
    assert len(read.ids) == len(set(read.ids))
    assert {"server-s-1", "server-s-1-2"} <= set(read.ids)


def test_hostile_text_is_text_and_on_one_line() -> None:
    names = dict.fromkeys(("hostname", "nameTag", "postureReason", "os", "fqdn", "lastLaunchType"), HOSTILE)
    hostile_id = view(HOSTILE, region=HOSTILE, **names)
    cause = {**document()["needsYou"][0], "title": HOSTILE, "fix": HOSTILE, "examples": [{"sourceServerID": HOSTILE}]}
    read = page(hostile_id, runbooks={hostile_id["sourceServerArn"]: [HOSTILE]}, needsYou=[cause])
    assert read.all("img") == []
    assert read.all("script") == [{"type": "application/json", "id": "data"}, {}]
    assert read.all("style") == [{}]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", read.text)
    assert "</script><img src=x onerror=alert(1)>" in read.text
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)


def test_only_its_own_style_and_script_are_allowed() -> None:
    text = PAGES.report(report_of(view()))
    policy = next(each["content"] for each in Reader(text).all("meta") if "http-equiv" in each)
    assert policy is not None
    for tag in ("style", "script"):
        content = text.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)", text)


def test_what_is_unknown_is_a_word_and_never_a_number() -> None:
    read = page(view(posture="unknown"))
    assert "100 %" not in read.text
    assert "never scanned completely" in read.text
    cell = read.text.split("Retail")[1].split("Servers")[0]
    assert re.search(r"unknown\s*unknown\s*never", re.sub(r"(unknown)", r"\1 ", cell))
    facts = read.text.split("Each server")[1]
    for label in ("lag", "backlog", "agent last seen", "origin known for failback"):
        assert f"{label}unknown" in facts
    assert "0 s" not in facts


def test_an_empty_estate_says_so() -> None:
    numbers = {**document()["servers"], "total": 0, "ready": 0, "stalled": 0, "isLowerBound": False}
    read = page(servers=numbers, verdict="empty", complete=True, needsYou=[], scopes=[], runs=[])
    for text in ("NOTHING TO FAIL OVER", "Nothing needs you.", "No server is listed.", "No run is on record."):
        assert text in read.text


def test_without_scripts_the_worst_servers_are_shown_and_the_others_are_counted() -> None:
    number = MAX_WITHOUT_SCRIPT + 100
    read = page(*(view(f"s-{each:04}", "ready") for each in range(number)), view("s-last", "stalled"))
    shown = [each for each in read.ids if each and each.startswith("server-s-") and not each.endswith("-title")]
    assert len(shown) == MAX_WITHOUT_SCRIPT
    assert shown[0] == "server-s-last"
    assert "the first 500 of 601 servers are shown, the worst first" in read.text
    assert "drs-sync report --output csv" in read.text
    assert len(read.all("noscript")) == 2


def test_servers_that_are_counted_and_not_listed_are_named() -> None:
    assert "1 more servers are counted, but not listed" in page(view()).text


@pytest.mark.parametrize("posture", ["stalled", "ready"])
def test_a_runbook_is_open_for_a_server_that_is_not_ready(posture: str) -> None:
    read = page(view(posture=posture), runbooks={view()["sourceServerArn"]: ["FAILBACK of x", "  [>] 1. go"]})
    assert read.all("details") == [{"open": None} if posture == "stalled" else {}]
    assert "FAILBACK of x\n  [>] 1. go\n" in read.text
    assert "1 of 1 servers have theirs here" in read.text


def test_a_server_without_a_runbook_says_why() -> None:
    assert "Nothing is on record of its origin" in page(view()).text
    assert "is not in this report: drs-sync failback s-1" in page(view(posture="ready")).text
