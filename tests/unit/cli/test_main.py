"""Command line in this process: an interrupt outside the work of a command."""

from __future__ import annotations

import io
import json
import sys

import pytest

from service.cli.main import run


class _InterruptedStdout(io.StringIO):
    """Stdout where Ctrl-C comes with the first write."""

    is_interrupted = False

    def write(self, text: str) -> int:
        if not self.is_interrupted:
            self.is_interrupted = True
            raise KeyboardInterrupt
        return super().write(text)


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_an_interrupt_while_help_is_printed_is_exit_code_1_and_a_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typer turns it into exit code 130 and prints nothing."""
    monkeypatch.setattr(sys, "stdout", stdout := _InterruptedStdout())
    assert run(["--version"]) == 1
    assert json.loads(stdout.getvalue())["error"] == "Interrupted"
    assert "drs-sync: interrupted" in capsys.readouterr().err


def test_an_interrupt_before_the_command_is_exit_code_1_and_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], start=_interrupt) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "Interrupted"
    assert run(["--version"]) == 0
