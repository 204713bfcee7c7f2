"""Unknown scopes of an answer, as a person reads them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from service.cli.unknown import unknown_block

ACCOUNT = "111111111111"


def body_of(*account_ids: str, **cause: Any) -> dict[str, Any]:
    return {
        "complete": False,
        "scopeStates": {"unknown": len(account_ids)},
        "unknown": [{"accountId": account_id, "code": "DENIED"} for account_id in account_ids],
        "unknownByCause": [
            {
                "code": "DENIED",
                "scopes": len(account_ids),
                "accounts": len(account_ids),
                "regions": ["us-west-2"],
                "since": "2026-11-23T05:00:00+00:00",
                "advice": "allow it",
                **cause,
            }
        ],
    }


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (
            body_of(ACCOUNT, cause="a policy", message="no"),
            [f"  DENIED: 1 scope; {ACCOUNT}; us-west-2; since 2026-11-23T05:00Z", "    a policy: no"],
        ),
        (body_of(ACCOUNT), [f"  DENIED: 1 scope; {ACCOUNT}; us-west-2; since 2026-11-23T05:00Z"]),
        (body_of("", regions=[], since=None, accounts=0), ["  DENIED: 1 scope; never read"]),
    ],
)
def test_a_cause_names_what_is_known_of_it(body: dict[str, Any], lines: list[str]) -> None:
    stream = io.StringIO()
    Console(file=stream, width=200).print(*unknown_block(body), sep="\n")
    shown = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert shown == [
        "unknown: 1 scope",
        *lines,
        "    Fix: allow it",
        "This answer is incomplete: some accounts or regions are missing from it.",
    ]
