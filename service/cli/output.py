"""Output of the commands: one JSON document or tables on stdout and nothing else; messages on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson
import typer
from rich.console import Console, RenderableType
from rich.text import Text

from service.cli.streams import MIN_COLUMNS, stdout_width, write_utf8
from service.cli.unknown import unknown_block
from service.errors import AwsError, BusyError, ConfigurationError, DeadlineExceededError, DrsSyncError, RefusalError
from service.text import printable

if TYPE_CHECKING:
    from service.settings import Settings

__all__ = [
    "Output",
    "code_and_text",
    "is_confirmed",
    "print_error",
    "print_json",
    "print_message",
    "print_result",
    "print_text",
    "print_unknown",
    "run_command",
    "sanitize",
    "stderr_console",
]


class Output(StrEnum):
    """Output format of a command."""

    TABLE = "table"
    JSON = "json"

    @classmethod
    def default(cls) -> Output:
        """Return tables for a terminal, JSON for a pipe."""
        return cls.TABLE if sys.stdout.isatty() else cls.JSON

    @classmethod
    def requested_in(cls, arguments: Sequence[str]) -> Output:
        """Find the output format in a command line that could not be parsed, so that its error has that format."""
        words = re.sub(r"(^|\s)-o(?=\w)", r"\1-o ", " ".join(arguments)).replace("=", " ").split()
        values = [value for option, value in pairwise(words) if option in {"--output", "-o"}]
        return cls(values[-1]) if values and values[-1] in set(cls) else cls.default()


def stderr_console() -> Console:
    """Create the console for stderr. Without a terminal a message stays on one line, so that a log can be searched."""
    console = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
    console.width = max(console.width, MIN_COLUMNS)
    return console


def is_confirmed(question: str) -> bool:
    """Ask on a terminal; a program cannot answer, and gets what it asked for."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C or Ctrl-D
        return False


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document on stdout, in UTF-8."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # orjson refuses a lone surrogate, which is what Python makes of an argument that it cannot decode.
        text = f"{json.dumps(document, indent=2)}\n".encode()
    write_utf8(text)


def print_result(output: Output, document: Mapping[str, Any], render: Callable[[], RenderableType]) -> None:
    """Print a result on stdout, as JSON or as what `render` returns."""
    if output is Output.JSON:
        print_json(document)
    else:
        print_text(render())


def print_text(*renderables: RenderableType) -> None:
    """Print tables and texts on stdout: as wide as the terminal is, and without a limit where there is none.

    A line that needs more columns than there are is not cut; the terminal wraps it.
    """
    width = stdout_width()
    console = Console(highlight=False, width=width)
    console.print(*renderables, crop=False, sep="\n", soft_wrap=width is None)


def sanitize(value: object) -> Text:
    """Turn a value from outside into text without markup, its control characters replaced."""
    return Text(printable(value))


def print_message(message: str) -> None:
    """Print a message on stderr."""
    stderr_console().print(Text("drs-sync: "), sanitize(message), sep="")


def print_error(
    code: str, message: str, output: Output, *, exit_code: int, details: Mapping[str, Any] | None = None
) -> int:
    """Print an error on stderr and, for programs, as JSON on stdout with its details. Returns the exit code."""
    print_message(message)
    if output is Output.JSON:
        print_json({"error": code, "message": message, "exitCode": exit_code, **(details or {})})
    return exit_code


def _print_refusal(error: RefusalError, output: Output) -> int:
    """Print a refused request: exit code 1 if nothing could be read, 3 if something is unknown, else 2."""
    is_server_error = error.status >= 500  # noqa: PLR2004 - HTTP status of an error that is not the caller's
    is_unknown = "unknown" in error.details
    code = print_error(
        error.code or "Refused",
        error.message,
        output,
        exit_code=1 if is_server_error else 3 if is_unknown else 2,
        details=error.details if is_unknown else None,
    )
    if is_unknown and output is Output.TABLE:
        print_unknown(error.details)
    return code


def print_unknown(body: Mapping[str, Any]) -> None:
    """Print the unknown scopes of an answer or an error on stderr."""
    for line in unknown_block(body):
        stderr_console().print(line)


def code_and_text(error: DrsSyncError) -> tuple[str, str]:
    """Return the code of an error, and its text with cause and fix."""
    if isinstance(error, AwsError):
        return error.code, f"{error.explanation}. Fix: {error.fix}"
    if isinstance(error, RefusalError):
        return error.code, error.message
    return ("Configuration" if isinstance(error, ConfigurationError) else "DeadlineExceeded"), str(error)


def run_command(output: Output, work: Callable[[Settings], Awaitable[int]]) -> int:
    """Run the work of a command in an event loop and return its exit code; expected errors become exit codes."""
    # The help and wrong usage need none of these, which take most of the time of the imports of this module.
    import anyio  # noqa: PLC0415

    from service.cli.log_text import TerminalLog  # noqa: PLC0415
    from service.gc_tuning import tune_gc  # noqa: PLC0415
    from service.settings import load_settings  # noqa: PLC0415
    from service.telemetry import set_up_logging  # noqa: PLC0415

    try:
        settings = load_settings()
        if sys.stderr.isatty() and "log_level" not in settings.model_fields_set:
            set_up_logging(sys.stderr, "WARNING", handler=TerminalLog(stderr_console()))
        else:
            set_up_logging(sys.stderr, settings.log_level)
        tune_gc()
        return anyio.run(work, settings)
    except ConfigurationError as error:
        return print_error("Configuration", str(error), output, exit_code=2)
    except (BusyError, AwsError, DeadlineExceededError) as error:
        return print_error(*code_and_text(error), output, exit_code=1)
    except RefusalError as error:
        return _print_refusal(error, output)
    except KeyboardInterrupt:
        message = "interrupted; completed work is kept. Fix: run the command again for the rest"
        return print_error("Interrupted", message, output, exit_code=1)
