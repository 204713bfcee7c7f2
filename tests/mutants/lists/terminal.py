"""Mutants of what a person sees: tables on a terminal and in a pipe, warnings, and the question before a write."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

_NO_LIMIT: Final = "cli/test_encodings.py::test_without_a_terminal_there_is_no_limit"
_ASKS: Final = "cli/test_first_use.py::test_on_a_terminal_a_read_command_asks_before_it_writes"
_PARAGRAPHS: Final = "cli/test_first_use.py::test_a_terminal_shows_warnings_as_paragraphs_and_a_pipe_as_json_lines"

MUTANTS: Final = (
    Mutant(
        name="tables-fold-in-a-pipe",
        breaks=("G66",),
        file="service/cli/output.py",
        before="soft_wrap=width is None",
        after="soft_wrap=False",
        tests=(_NO_LIMIT,),
    ),
    Mutant(
        name="every-terminal-has-80-columns",
        breaks=("G66",),
        file="service/cli/streams.py",
        before="os.get_terminal_size(sys.stdout.fileno()).columns",
        after="80",
        tests=("unit/cli/test_streams.py::test_stdout_is_as_wide_as_its_terminal",),
    ),
    Mutant(
        name="ids-are-cut",
        breaks=("G66",),
        file="service/cli/columns.py",
        before="if column.can_be_cut and excess() > 0:",
        after="if excess() > 0:",
        tests=("unit/cli/test_columns.py::test_there_is_one_line_per_row_and_none_is_wider_than_the_terminal",),
    ),
    Mutant(
        name="reading-writes-unasked",
        breaks=("G67",),
        file="service/cli/answers.py",
        before="return not sys.stdout.isatty() or is_confirmed(",
        after="return bool(sys.stdout) or is_confirmed(",
        tests=(_ASKS,),
    ),
    Mutant(
        name="json-lines-on-a-terminal",
        breaks=("G68",),
        file="service/cli/output.py",
        before="handler=TerminalLog(stderr_console())",
        after="handler=None",
        tests=(_PARAGRAPHS,),
    ),
    Mutant(
        name="warnings-in-the-order-of-time",
        breaks=("G68",),
        file="service/cli/log_text.py",
        before="key=lambda item: (-item[0].level, -len(item[1]))",
        after="key=lambda item: 0",
        tests=("unit/cli/test_log_text.py::test_the_worst_comes_first_and_the_same_once_with_its_places",),
    ),
)
