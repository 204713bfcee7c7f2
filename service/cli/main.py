"""Command `drs-sync`: results on stdout, logs and messages on stderr.

Exit codes: 0 complete, 1 failed, 2 wrong usage or settings, 3 partial.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from service.cli.commands import CommandGroup
from service.cli.output import Output, print_error, print_message
from service.cli.root_options import apply_root_options, hoist_root_options
from service.cli.stop_signals import interrupt_at_signals
from service.cli.streams import StdoutError, discard_stdout, set_up_streams

__all__ = ["main", "run"]

_HELP: Final = """Keep an inventory of AWS Elastic Disaster Recovery (DRS) across many accounts and regions.

Examples:
  drs-sync demo                          see it work, on a simulated AWS
  drs-sync doctor                        check roles, regions and tables
  drs-sync sync inventory                read DRS into the inventory
  drs-sync status                        could it fail over now?
  drs-sync servers --unhealthy           which servers need somebody?
  drs-sync servers -o wide | grep NAME   every column, one line per server
  drs-sync COMMAND -h                    options and examples of a command

Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
3 partial, or something is unknown.
"""
cli = typer.Typer(
    cls=CommandGroup,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # every command inherits these
    help=_HELP,
)


def _print_version(requested: bool) -> None:  # noqa: FBT001 - the signature of a typer callback
    if requested:
        from importlib.metadata import version as installed_version  # noqa: PLC0415 - takes a fifth of the time

        sys.stdout.write(f"drs-sync {installed_version('drs-sync')}\n")
        raise typer.Exit


def _apply_no_color(requested: bool) -> None:  # noqa: FBT001 - the signature of a typer callback
    apply_root_options(os.environ, profile=None, no_color=requested)


@cli.callback()
def _root_options(
    *,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Use this profile of the AWS configuration, as AWS_PROFILE does; before or after the command.",
        ),
    ] = None,
    no_color: Annotated[  # noqa: ARG001 - its callback acts, before the help is written
        bool,
        typer.Option(
            "--no-color",
            callback=_apply_no_color,
            is_eager=True,
            help="No colours, as with NO_COLOR; before or after the command.",
        ),
    ] = False,
) -> None:
    """Declare the options of `drs-sync` itself."""
    if profile is not None and not profile.strip():
        raise typer.BadParameter("it is empty. Fix: give it a value, or leave the option out", param_hint="--profile")
    apply_root_options(os.environ, profile=profile, no_color=False)


_NO_COMMAND: Final = "Missing command."  # typer's message
_INTERRUPTED: Final = 130  # what typer returns for a KeyboardInterrupt; no command ends with it


def _invoke(arguments: Sequence[str]) -> object:
    result = cli(args=hoist_root_options(arguments), prog_name="drs-sync", standalone_mode=False)
    if result == _INTERRUPTED:
        raise KeyboardInterrupt
    return result


def run(arguments: Sequence[str], *, start: Callable[[], None] = lambda: None) -> int:
    """Run one command line and return its exit code; `start` is called first, and may raise KeyboardInterrupt."""
    try:
        code = _run(arguments, start)
        sys.stdout.flush()
    except StdoutError as error:
        print_message(str(error))
        discard_stdout()
        return 1
    return code


def _run(arguments: Sequence[str], start: Callable[[], None]) -> int:
    try:
        start()
        result = _invoke(arguments)
    except KeyboardInterrupt:
        message = "interrupted before the command began, or after it ended. Fix: run it again"
        return print_error("Interrupted", message, Output.requested_in(arguments), exit_code=1)
    except TyperException as error:
        message, output = error.format_message(), Output.requested_in(arguments)
        if message == _NO_COMMAND and output is Output.TABLE:
            _invoke([*arguments, "--help"])  # for a person; a program gets a JSON document
            return 2
        return print_error("Usage", f"{message} (see drs-sync --help)", output, exit_code=2)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the command line of this process and exit. Call it through `service.cli.command_line.main`."""
    set_up_streams()
    sys.exit(run(sys.argv[1:], start=interrupt_at_signals))
