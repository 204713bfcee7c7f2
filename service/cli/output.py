"""What goes to stdout and how: one JSON document, or tables for people. Nothing else ever goes there."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

import anyio
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.errors import AwsError, ConfigurationError, DeadlineExceededError, RefusalError
from service.gc_tuning import tune_gc
from service.settings import Settings, load_settings
from service.telemetry import set_up_logging
from service.text import printable

__all__ = ["Output", "console", "emit_json", "fail", "guarded", "plain", "say", "stderr_console", "table"]

T = TypeVar("T")


class Output(StrEnum):
    """How a command answers."""

    TABLE = "table"
    JSON = "json"

    @classmethod
    def default(cls) -> Output:
        """Choose tables for a person at a terminal, JSON for a pipe."""
        return cls.TABLE if sys.stdout.isatty() else cls.JSON

    @classmethod
    def asked(cls, arguments: Sequence[str]) -> Output:
        """Find the wish in a command line that could not be parsed."""
        words = re.sub(r"(^|\s)-o(?=\w)", r"\1-o ", " ".join(arguments)).replace("=", " ").split()
        wished = [after for before, after in pairwise(words) if before in {"--output", "-o"}]
        return cls(wished[-1]) if wished and wished[-1] in set(cls) else cls.default()


def console() -> Console:
    """Give the console for tables."""
    return Console(highlight=False, soft_wrap=False)


def stderr_console() -> Console:
    """Give the console for everything that is not the answer; a message is one line where no terminal sets a width."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def emit_json(document: Mapping[str, Any]) -> None:
    """Write the one JSON document."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    sys.stdout.flush()


def plain(value: object) -> Text:
    """Show text from elsewhere as it is: no markup, no terminal control characters."""
    return Text(printable(value))


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table; columns of numbers are aligned right."""
    listed = [tuple(row) for row in rows]
    made = Table(title=title, title_justify="left", header_style="bold")
    for position, heading in enumerate(headings):
        numeric = bool(listed) and all(isinstance(row[position], int | float) for row in listed)
        made.add_column(heading, justify="right" if numeric else "left", overflow="fold")  # never cut an ARN
    for row in listed:
        made.add_row(*(plain(cell) for cell in row))
    return made


def say(message: str) -> None:
    """Say one thing to a person, on stderr."""
    stderr_console().print(Text("drs-sync: "), plain(message), sep="")


def fail(code: str, message: str, output: Output, *, exit_code: int) -> int:
    """Say what went wrong, on stderr for people and as JSON on stdout for programs; give the exit code."""
    say(message)
    if output is Output.JSON:
        emit_json({"error": code, "message": message, "exitCode": exit_code})
    return exit_code


def guarded(output: Output, work: Callable[[Settings], Awaitable[int]]) -> int:
    """Run a command's work on an event loop; errors that are expected become exit codes."""
    try:
        settings = load_settings()
        chatty = "log_level" in settings.model_fields_set or not sys.stderr.isatty()
        set_up_logging(sys.stderr, settings.log_level if chatty else "WARNING")
        tune_gc()
        return anyio.run(work, settings)
    except ConfigurationError as error:
        return fail("Configuration", str(error), output, exit_code=2)
    except RefusalError as error:
        ours = error.status >= 500  # noqa: PLR2004 - not the caller's doing
        return fail(error.code or "Refused", error.message, output, exit_code=1 if ours else 2)
    except AwsError as error:
        advice = f" ({error.error_class.advice})" if error.error_class.advice else ""
        return fail(error.code, f"{error}{advice}", output, exit_code=1)
    except DeadlineExceededError as error:
        return fail("DeadlineExceeded", str(error), output, exit_code=1)
    except KeyboardInterrupt:
        return fail(
            "Interrupted", "interrupted; what was written stays, run it again for the rest", output, exit_code=1
        )
