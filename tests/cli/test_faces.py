"""What commands show on a terminal, as files in `tests/cli/expected`, at 80 and at 160 columns.

`python -m tests.cli.test_faces` rewrites the files; read the difference before you commit it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console, RenderableType

from service.cli.diagnosis import Finding, Level
from service.cli.doctor import finding_paragraphs
from service.cli.problem_text import problem_paragraphs

_EXPECTED: Final = Path(__file__).parent / "expected"
_WIDTHS: Final = (80, 160)
_DENIED: Final = (
    "access to DRS is denied: drs:DescribeSourceServers: AccessDeniedException: User: "
    "arn:aws:sts::111122223333:assumed-role/DRSOrchestrationRole/drs-sync is not authorized"
)
_GRANT: Final = "allow drs:DescribeSourceServers in a policy of the role that drs-sync uses in account 111122223333"

FINDINGS: Final = (
    Finding("hub", Level.OK, "this is account 999900001111; its tables are in us-east-1"),
    *(Finding("drs", Level.OK, "DRS answers", "", f"1111000000{number:02}", "us-east-1") for number in range(40)),
    Finding("drs", Level.WARNING, "throttled while checking", "run it again later", "111122223333", "eu-west-1"),
    Finding("drs", Level.FAILED, _DENIED, _GRANT, "111122223333", "us-west-2"),
    *(Finding("role", Level.FAILED, "there is no role", "create it", f"2222000000{number:02}") for number in range(5)),
)
REPORT: Final[Mapping[str, Any]] = {
    "errors": [
        {
            "accountId": "111122223333",
            "regions": ["us-west-2"],
            "service": "drs",
            "operation": "DescribeSourceServers",
            "code": "AccessDeniedException",
            "cause": "access to DRS is denied",
            "message": "not authorized \x1b[2J [red]",
            "advice": _GRANT,
        },
        {
            "accounts": 7,
            "regions": ["af-south-1", "ap-east-1", "ap-south-1", "eu-west-1"],
            "code": "Unreachable",
            "cause": "",
            "message": "no connection",
            "advice": "check DNS and egress",
        },
    ],
    "warnings": [{"regions": [], "code": "ReqExcluded", "message": "eu-north-1 is excluded"}],
}
FACES: Final[Mapping[str, Callable[[], list[RenderableType]]]] = {
    "doctor": lambda: list(finding_paragraphs(FINDINGS, verbose=False)),
    "problems": lambda: list(problem_paragraphs(REPORT)),
}


def _shown(face: str, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, highlight=False).print(*FACES[face](), sep="\n")
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _path(face: str, width: int) -> Path:
    return _EXPECTED / f"{face}.{width}.txt"


@pytest.mark.parametrize("width", _WIDTHS)
@pytest.mark.parametrize("face", FACES)
def test_a_terminal_shows_what_the_file_says(face: str, width: int) -> None:
    shown = _shown(face, width)
    assert shown == _path(face, width).read_text(encoding="utf-8"), "python -m tests.cli.test_faces rewrites the file"
    assert max(map(len, shown.splitlines())) <= width


def test_verbose_lists_what_is_ok_as_well() -> None:
    text = io.StringIO()
    Console(file=text, width=80).print(*finding_paragraphs(FINDINGS, verbose=True), sep="\n")
    assert "  drs 111100000000 and 39 more us-east-1: DRS answers" in text.getvalue()
    assert "--verbose" not in text.getvalue()


if __name__ == "__main__":
    for each in FACES:
        for columns in _WIDTHS:
            _path(each, columns).write_text(_shown(each, columns), encoding="utf-8")
