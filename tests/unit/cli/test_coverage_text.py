"""The report of the coverage sync as text: one line per instance, unknown beside it, nothing hostile in it."""

from __future__ import annotations

import io
from typing import Any, Final

import pytest
from rich.cells import cell_len
from rich.console import Console

from service.cli.coverage_text import coverage_lines

LEFT_OUT: Final = dict.fromkeys(
    ("replicationServers", "conversionServers", "recoveryInstances", "terminated", "otherAccounts", "otherTags"), 0
)
REPORT: Final[dict[str, Any]] = {
    "instancesProtected": 5,
    "instancesUnprotected": 0,
    "instancesLeftOut": 0,
    "leftOut": LEFT_OUT,
    "tags": [],
    "sourceServers": 6,
    "instances": [],
    "lookedAt": [{"accountId": "777788889999", "region": "us-east-1"}],
    "unknown": [],
    "notLookedAt": [],
    "serverScopesUnknown": [],
    "errors": [],
    "warnings": [],
}


def shown(width: int | None = 80, **members: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=width or 80)
    console.print(*coverage_lines({**REPORT, **members}), sep="\n", crop=False, soft_wrap=width is None)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def instance(name: str, reason: str = "NO_SOURCE_SERVER", region: str = "ap-northeast-1") -> dict[str, str]:
    members = {"instanceId": "i-0123456789abcdef0", "accountId": "777788889999", "region": region, "state": "running"}
    return {**members, "name": name, "reason": reason}


def test_nothing_to_list() -> None:
    assert shown() == [
        "Instances: protected 5, not protected 0, left out 0.",
        "1 account and region was read to the end; 6 source servers are known.",
    ]


def test_what_is_left_out_is_counted_by_kind() -> None:
    left_out = {**LEFT_OUT, "replicationServers": 2, "terminated": 1}
    assert shown(leftOut=left_out, instancesLeftOut=3, tags=["dr=yes", "tier"])[:2] == [
        "Instances with dr=yes, tier: protected 5, not protected 0, left out 3 (2",
        "replication servers, 1 terminated).",
    ]
    assert shown(None, leftOut=left_out, instancesLeftOut=3)[0].endswith(
        "left out 3 (2 replication servers, 1 terminated)."
    )


@pytest.mark.parametrize("name", ["short", "n" * 300, "\N{CJK UNIFIED IDEOGRAPH-6771}" * 300, ""])
def test_an_instance_is_one_line_of_the_terminal(name: str) -> None:
    _, _, _, title, headings, *lines = shown(instances=[instance(name), instance("other")])
    assert title == "Not protected, no source server: 2"
    assert headings.split() == ["instance", "account", "region", "state", "name"]
    assert len(lines) == 2
    assert all(line.startswith("i-0123456789abcdef0  777788889999  ap-northeast-1  running") for line in lines)
    assert all(cell_len(line) <= 80 for line in lines)


def test_without_a_terminal_names_are_whole() -> None:
    assert shown(None, instances=[instance("n" * 300)])[-1].endswith("n" * 300)


def test_hostile_names_are_text() -> None:
    text = "\n".join(shown(None, instances=[instance("[red]\x1b[31m\u202e\ncut")]))
    assert "[red]\ufffd[31m\ufffd\ufffdcut" in text


def test_each_reason_has_its_own_heading() -> None:
    reasons = ("SERVER_MOVED", "SERVER_STOPPED", "SERVER_DISCONNECTED", "NO_SOURCE_SERVER")
    lines = shown(instances=[instance(reason, reason) for reason in reasons])
    assert [line for line in lines if line.startswith("Not protected")] == [
        "Not protected, no source server: 1",
        "Not protected, source server disconnected: 1",
        "Not protected, replication stopped: 1",
        "Not protected, source server replicates from another instance now: 1",
    ]


def test_what_could_not_be_read_is_named_with_cause_and_fix_once() -> None:
    problem = {"code": "AccessDenied", "cause": "no policy allows it", "message": "denied \x1b", "advice": "grant it"}
    where = {"accountId": "777788889999", "region": "us-east-1"}
    error = {**problem, "accountId": where["accountId"], "regions": [where["region"]]}
    assert shown(lookedAt=[], unknown=[{**problem, **where}], errors=[error])[1:] == [
        "0 accounts and regions were read to the end; 6 source servers are known.",
        "",
        "Unknown, not covered: 1 account and region",
        "  777788889999 us-east-1: AccessDenied",
        "    no policy allows it: denied \ufffd",
        "    Fix: grant it",
    ]


def test_other_errors_and_warnings_follow() -> None:
    error = {"code": "ServersUnknown", "message": "servers of 2 scopes are not known", "advice": "sync", "regions": []}
    warning = {"code": "NoTopologyTable", "message": "no summary is kept", "regions": []}
    scopes = [{"accountId": "777788889999", "region": region} for region in ("us-east-1", "us-west-2")]
    assert shown(errors=[error], warnings=[warning], serverScopesUnknown=scopes)[2:] == [
        "",
        "The source servers of 2 accounts and regions are not known: instances they",
        "protect may be listed.",
        "",
        "  ServersUnknown",
        "    servers of 2 scopes are not known",
        "    Fix: sync",
        "",
        "  NoTopologyTable",
        "    no summary is kept",
    ]


def test_regions_that_were_not_looked_at_are_named() -> None:
    left = [{"region": region, "accounts": 1} for region in ("a-1", "b-1", "c-1", "d-1", "us-east-1")]
    assert shown(notLookedAt=left)[3:] == [
        "Not looked at: 4 regions",
        "  a-1, b-1, c-1, d-1",
        "Looked at in some accounts only: 1 region",
        "  us-east-1",
        "To look in a region: drs-sync coverage --region NAME",
    ]
