"""Servers as compact data: nothing is lost, nothing is markup, and a server takes little room."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import iso
from service.pages.report import Report, build_report
from service.pages.server_data import servers_json
from service.text import printable
from tests.support.estate import HOSTILE, NOW, document, report_of, view

RUNBOOK = (Path(__file__).parents[2] / "failback" / "expected" / "recovered.txt").read_text().splitlines()
IDS = [f"aws drs --id i-{number:017x} --account {number:012} {number:013}" for number in range(40)]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["s-1", "host-s-1", "ready", "</script>"])


def filled(text: str, inserts: list[str]) -> str:
    """Put texts into the cuts of a text, as the page's script does."""
    return re.sub("[\x01-\x1f]", lambda cut: inserts[ord(cut[0]) - 1], text)


def value(column: Any, row: int) -> Any:
    if isinstance(column, list):
        return column[row]
    return column["texts"][column["of"][row] if "of" in column else 0]


def decoded(text: str) -> list[dict[str, Any]]:
    """Read the servers as the page's script does."""
    data = json.loads(text)
    found = []
    for row, server_id in enumerate(data["columns"]["id"]):
        columns = {key: value(column, row) for key, column in data["columns"].items()}
        inserts = [server_id, filled(columns["name"], [server_id]), columns["sinceAt"]]
        server = {key: filled(each, inserts) if isinstance(each, str) else each for key, each in columns.items()}
        pairs = zip(data["labels"], (value(column, row) for column in data["facts"]), strict=True)
        server["facts"] = [(label, filled(each, inserts)) for label, each in pairs if each is not None]
        shape, arguments = data["runbooks"]["of"].get(str(row), (None, []))
        lines = [] if shape is None else data["runbooks"]["shapes"][shape]
        server["runbook"] = [filled(data["runbooks"]["lines"][line], inserts + arguments) for line in lines]
        server["word"], server["tone"], server["rank"] = data["postures"][server["posture"]]
        found.append(server)
    return found


def assert_nothing_is_lost(report: Report) -> None:
    servers = decoded(servers_json(report))
    assert len(servers) == len(report.rows)
    for server, row in zip(servers, report.rows, strict=True):
        for name in (
            "name",
            "anchor",
            "account",
            "region",
            "posture",
            "reason",
            "since",
            "lag",
            "launch",
            "word",
            "tone",
        ):
            assert server[name] == getattr(row, name), name
        assert (server["id"], server["rank"]) == (row.server_id, row.rank)
        assert (server["sinceAt"], server["lagSeconds"]) == (row.since_at, row.lag_s)
        assert server["facts"] == list(row.facts)
        assert server["runbook"] == list(map(printable, report.runbook(row.view)))


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=6))
def test_every_text_comes_back_as_it_was(texts: list[tuple[str, str, str]]) -> None:
    views = [
        view(f"s-{number % 3}", fqdn=name + reason, hostname=name, nameTag=other, postureReason=reason, sourceIp=other)
        for number, (name, reason, other) in enumerate(texts)
    ]
    lines = [text for each in texts for text in each]
    assert_nothing_is_lost(report_of(*views, runbooks={view("s-1")["sourceServerArn"]: [*lines, *IDS]}))


def estate(number: int) -> Report:
    """Return a report of servers that differ as those of a large estate do, one of ten with a runbook."""
    views = [
        view(
            f"s-{each:017x}",
            "stalled" if each % 10 == 0 else "ready",
            sourceServerArn=f"arn:aws:drs:us-east-1:{each % 40:012}:source-server/s-{each:017x}",
            accountId=f"{each % 40:012}",
            hostname=f"retail-web-{each:05}",
            nameTag=f"retail-web-{each:05}",
            fqdn=f"retail-web-{each:05}.corp.example.com",
            sourceIp=f"10.0.{each // 256}.{each % 256}",
            sourceInstanceId=f"i-{each:017x}",
            lagDuration=f"PT{each % 900}S",
            postureSince=iso(NOW - timedelta(seconds=each * 97)),
            lastLaunchTime=iso(NOW - timedelta(seconds=each * 131)),
            backlogBytes=each * 7919,
        )
        for each in range(number)
    ]
    runbooks = {
        each["sourceServerArn"]: [line.replace("s-3b8f0c91d27a4e56f", each["sourceServerID"]) for line in RUNBOOK]
        for each in views[::10]
    }
    return build_report(document(), views, now=NOW, runbooks=runbooks)


def test_a_large_estate_takes_less_than_400_bytes_per_server_runbooks_included() -> None:
    report = estate(2_000)
    assert_nothing_is_lost(report)
    assert len(report.runbooks) == 200
    assert len(servers_json(report)) < 400 * 2_000


@pytest.mark.parametrize("name", [HOSTILE, "</script>", "<!--<script>", "\ud800", "\u2028"])
def test_no_text_can_end_the_element(name: str) -> None:
    text = servers_json(report_of(view(hostname=name, os=name), runbooks={view()["sourceServerArn"]: [name]}))
    assert not re.search(r"[<>&]|[^ -~]", text)
    assert decoded(text)[0]["name"] == report_of(view(hostname=name)).rows[0].name


def test_postures_that_are_not_known_here_are_unknown() -> None:
    (server,) = decoded(servers_json(report_of(view(posture="of a later version"))))
    assert (server["word"], server["tone"]) == ("unknown", "doubtful")
    assert dict(server["facts"])["lag"] == "unknown"
    assert server["lagSeconds"] is None
