"""Commands by name: what the help says of one that is not imported is what the command says of itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from service.cli.commands import SUMMARIES, load

_HEAVY: Final = ("aiobotocore", "botocore", "aws_embedded_metrics", "service.settings", "moto", "starlette")


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_summary_is_the_first_paragraph_of_the_help_of_the_command(name: str) -> None:
    command = load(name)
    assert (command.name, " ".join(command.help.split("\n\n")[0].split())) == (name, SUMMARIES[name])


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["-h"], ["no-such-command"]])
def test_what_needs_no_command_imports_none(words: list[str]) -> None:
    code = (
        "import sys\nfrom service.cli.main import run\n"
        f"code = run({words!r})\n"
        f"sys.exit(0 if code in (0, 2) and not set({_HEAVY!r}) & set(sys.modules) else 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_command_imports_no_other() -> None:
    code = (
        "import sys\nfrom service.cli.commands import load\nload('status')\n"
        "sys.exit(bool({'service.app', 'service.sync', 'service.cli.syncs', 'moto'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
