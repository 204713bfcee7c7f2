"""Every block of docs/operations.md is in a path; a step that fails, or that nothing defines, is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.operations.page import blocks
from tests.operations.paths import BESIDE, CONTAINER, FRESH, INCIDENTS, LATER, PAGE, ROLL_BACK
from tests.operations.shell import Shell, StepError

pytestmark = pytest.mark.deep


def test_every_block_belongs_to_a_path() -> None:
    assert {block.section for block in blocks(PAGE)} == {FRESH, LATER, BESIDE, ROLL_BACK, CONTAINER, *INCIDENTS}
    assert [block.line for block in blocks(PAGE) if block.reason == ""] == []


# These need no AWS: the command fails, or bash does, before a request.
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$ false\n", ""),
        ("$ false | cat\n", ""),
        ("$ echo $NOWHERE\n", "NOWHERE: unbound variable"),
        ("$ aws s3 mb s3://$HERE --no-such-option\n", "Unknown options: --no-such-option"),
        ("$ cat < nothing\n$ true\n", "nothing: No such file"),
    ],
)
def test_a_step_that_fails_is_noticed_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    page = f"# P\n\n```console\n$ HERE=a-bucket\n```\n\n```console\n{text}```\n"
    with Shell(tmp_path, {}) as shell, pytest.raises(StepError, match=rf"(?s)^line 7 \(P.*{message}"):
        shell.follow(blocks(page))


def test_the_variables_of_a_step_that_is_not_executed_are_looked_up(tmp_path: Path) -> None:
    page = "# P\n\n<!-- not executed: no engine -->\n```console\n$ docker build -t ${NOWHERE%%/*} .\n```\n"
    with Shell(tmp_path, {}) as shell, pytest.raises(StepError, match="NOWHERE: unbound variable"):
        shell.follow(blocks(page))
