"""The help of every command: `-h`, and examples that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, Final

import pytest
import typer

from service.cli.main import cli, run

_AFTER_A_COMMAND: Final = frozenset({"||", "|", "&", ">", ";"})
_ROOT: Final[Any] = typer.main.get_command(cli)


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if path and command.callback is not None:
        yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _leaves(child, (*path, name))


COMMANDS: Final = dict(_leaves(_ROOT))


def _examples(command: Any) -> list[list[str]]:
    """Return the arguments of each example, up to what the shell takes."""
    lines = [line.strip() for line in (command.help or "").splitlines()]
    found = []
    for line in lines:
        if line.startswith("drs-sync "):
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            end = next((number for number, word in enumerate(words) if word in _AFTER_A_COMMAND), len(words))
            found.append(words[1:end])
    return found


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_can_be_typed(path: tuple[str, ...]) -> None:
    examples = _examples(COMMANDS[path])
    assert examples
    for words in examples:
        assert tuple(words[: len(path)]) == path
        context = COMMANDS[path].make_context(path[-1], words[len(path) :])  # raises for what cannot be parsed
        assert not context.args


@pytest.mark.parametrize("path", [(), ("sync",), ("accounts",), *COMMANDS], ids=" ".join)
def test_every_command_answers_to_h(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "-h"]) == 0
    shown = capsys.readouterr().out
    assert "Usage: drs-sync" in shown
    assert "-h" in shown


def test_completion_of_the_shell_names_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_DRS_SYNC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "drs-sync st")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == ["status"]
