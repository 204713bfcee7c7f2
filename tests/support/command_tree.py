"""Commands of `drs-sync` as a tree, all of them imported."""

from __future__ import annotations

from typing import Any

import typer

from service.cli.commands import SUMMARIES, load
from service.cli.main import cli

__all__ = ["command_tree"]


def command_tree() -> Any:
    """Return the root command, whose `commands` are those that are otherwise imported when they are called."""
    root: Any = typer.main.get_command(cli)
    root.commands = {name: load(name) for name in SUMMARIES}
    return root
