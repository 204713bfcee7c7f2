"""What an answer shows beside its rows: where it comes from, and the errors that are not told elsewhere."""

from __future__ import annotations

import io
from typing import Any, Final

from rich.console import Console

from service.cli.answers import source_tables

BODY: Final[dict[str, Any]] = {
    "scopes": [
        {"source": "inventory_database", "servers": 1_200, "ageSeconds": 840},
        {"source": "inventory_database", "servers": 0, "ageSeconds": None},
        {"source": "none", "servers": 0, "ageSeconds": None},
    ],
    "unknown": [{"accountId": "111122223333", "region": "us-west-2"}],
    "errors": [
        {"accountId": "111122223333", "regions": ["us-west-2"], "code": "Told", "message": "m", "advice": "a"},
        {
            "accountId": "111122223333",
            "regions": ["eu-west-1"],
            "code": "Denied",
            "message": "no \x1b[2J",
            "advice": "a",
        },
        {"code": "NoTable", "message": "there is none", "advice": "name it"},
    ],
}


def test_errors_of_unknown_scopes_are_not_told_twice_and_the_others_are_paragraphs() -> None:
    text = io.StringIO()
    Console(file=text, width=80).print(*source_tables(BODY), sep="\n")
    assert text.getvalue().splitlines() == [
        "from inventory_database: 2 scopes, 1,200 servers, oldest scan 14 min ago",
        "not read: 1 scope, 0 servers",
        "",
        "ERROR  111122223333 eu-west-1  Denied",
        "  no \N{REPLACEMENT CHARACTER}[2J",
        "  Fix: a",
        "",
        "ERROR  NoTable",
        "  there is none",
        "  Fix: name it",
    ]
