"""Output of the commands: external text is shown as text and cannot control the terminal."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from service.cli.columns import Column, pairs, table
from service.cli.output import Output, print_error, print_json, sanitize


def render(*names: object) -> str:
    stream = io.StringIO()
    shown = table("title", [Column("name")], [[name] for name in names])
    Console(file=stream, width=200, color_system=None).print(shown, pairs("title", [("name", name) for name in names]))
    return stream.getvalue()


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_no_control_character_reaches_the_terminal(name: str) -> None:
    shown = sanitize(name).plain
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F for char in shown)
    assert len(shown) == len(name)
    assert all(after in (before, "\N{REPLACEMENT CHARACTER}") for before, after in zip(name, shown, strict=True))
    assert "\x1b" not in render(name)


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "[link=http://x]y[/link]", ":smile:", "[bold", "a\\[b]"])
def test_markup_in_a_name_is_shown_and_not_obeyed(name: str) -> None:
    assert name in render(name)


@pytest.mark.parametrize("name", ["\x1b[2J\x1b[31mred", "a\rb", "a\nb", "a\x9b31mb", "bell\x07", "back\x08"])
def test_escape_sequences_in_a_name_are_shown_as_marks(name: str) -> None:
    assert len(render(name).splitlines()) == len(render("x").splitlines())
    assert "\N{REPLACEMENT CHARACTER}" in render(name)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["inventory", "sync", "--output", "json"], Output.JSON),
        (["--output=table"], Output.TABLE),
        (["-o", "table", "--nonsense"], Output.TABLE),
        (["-o", "json", "--output", "table"], Output.TABLE),
        (["--output", "table", "-o", "json"], Output.JSON),
        (["--output", "xml"], None),
        (["--output"], None),
        (["json"], None),
        ([], None),
    ],
)
@pytest.mark.parametrize("terminal", [True, False])
def test_the_wish_in_a_command_line_that_could_not_be_parsed(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: Output | None, *, terminal: bool
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    default = Output.TABLE if terminal else Output.JSON
    assert Output.default() is default
    assert Output.requested_in(arguments) is (expected or default)


def test_a_short_option_may_stand_without_a_space(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", stream)
    assert Output.requested_in(["inventory", "-ojson", "--nonsense"]) is Output.JSON


def test_a_document_is_one_json_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "\x1b[31mü", "count": 3})
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"name": "\x1b[31mü", "count": 3}, "")
    assert "\x1b" not in out
    assert out.endswith("}\n")


@pytest.mark.parametrize("output", list(Output))
def test_a_failure_is_reported_on_stderr_and_to_programs_on_stdout(
    capsys: pytest.CaptureFixture[str], output: Output
) -> None:
    message = "no [red]such[/red] \x1b[31mtable"
    assert print_error("Code", message, output, exit_code=2) == 2
    out, err = capsys.readouterr()
    assert "[red]such[/red]" in err
    assert "\x1b" not in err
    assert err.startswith("drs-sync: ")
    if output is Output.JSON:
        assert json.loads(out) == {"error": "Code", "message": message, "exitCode": 2}
    else:
        assert out == ""
