"""The help of every command: `-h`, and examples that can be typed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

import pytest

from service.cli.main import run
from tests.support import command
from tests.support.command_tree import command_tree

_AFTER_A_COMMAND: Final = frozenset({"||", "|", "&", ">", ";"})
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
_ROOT: Final[Any] = command_tree()


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


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("drs-sync st", ["status"]),
        ("drs-sync --no-color st", ["status"]),
        ("drs-sync accounts add", ["add", "add-staging"]),
        ("drs-sync servers --st", ["--staging-account", "--state"]),
        ("drs-sync servers --state ST", ["STOPPED", "STALLED"]),
        ("drs-sync servers --sort l", ["lag"]),
        ("drs-sync servers -o w", ["wide"]),
    ],
)
def test_the_shell_completes_commands_options_and_states(
    words: str, completed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_DRS_SYNC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == completed


@pytest.mark.parametrize("arguments", ["-h", "status -h"])
def test_no_color_is_without_colours_in_the_help_too(arguments: str) -> None:
    coloured, plain = (_on_a_terminal(*arguments.split(), *more) for more in ((), ("--no-color",)))
    assert _COLOUR.search(coloured)
    assert not _COLOUR.search(plain)
    assert "Usage" in plain


def _on_a_terminal(*arguments: str) -> str:
    """Return the first page of what a command shows on a terminal."""
    reader, writer = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    try:
        command.run(*arguments, stdout=writer, env={**environment, "TERM": "xterm-256color", "COLUMNS": "80"})
        return os.read(reader, 65536).decode(errors="replace")
    finally:
        os.close(reader)
        os.close(writer)
