"""Standard streams of the process, made to work with any encoding, any width and closed descriptors.

What a program reads (JSON, CSV) is written in UTF-8 whatever the locale says. What a person reads has the encoding of
stdout, with "?" for characters that it lacks. A failed write to stdout is an error of its own.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Final

from service.errors import DrsSyncError

__all__ = ["MIN_COLUMNS", "StdoutError", "discard_stdout", "set_up_streams", "stdout_width", "write_utf8"]

MIN_COLUMNS: Final = 20
"""Narrower terminals are taken to have this width, because indented text would vanish."""

_DEFAULT_COLUMNS: Final = 80  # of a terminal that does not say


class StdoutError(DrsSyncError):
    """Stdout could not be written: the disk is full, or the reader closed the pipe."""


class _Stdout(io.TextIOWrapper):
    """Stdout that raises StdoutError, so that callers can tell its errors from any other OSError."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise _stdout_error(error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _stdout_error(error) from None

    def write_bytes(self, data: bytes) -> None:
        """Write bytes past the encoding, after what was written before."""
        self.flush()
        try:
            self.buffer.write(data)
        except OSError as error:
            raise _stdout_error(error) from None
        self.flush()


def _stdout_error(error: OSError) -> StdoutError:
    return StdoutError(f"cannot write to stdout: {error.strerror}; completed work is kept")


_STREAMS: Final = ("stdout", "stderr")


def set_up_streams() -> None:
    """Replace closed streams by os.devnull, and make stdout accept any text and raise StdoutError.

    Call it once, before anything is written.
    """
    for name in _STREAMS:
        if getattr(sys, name) is None:  # Python's value for a stream that was closed at the start
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="backslashreplace"))  # noqa: PTH123, SIM115
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        encoding, line_buffering, write_through = stream.encoding, stream.line_buffering, stream.write_through
        buffer = stream.detach()
        if isinstance(buffer, io.RawIOBase):  # PYTHONUNBUFFERED; a raw write may write only a part
            buffer = io.BufferedWriter(buffer)
        sys.stdout = _Stdout(
            buffer, encoding=encoding, errors="replace", line_buffering=line_buffering, write_through=write_through
        )
    _correct_width()


def _correct_width() -> None:
    """Remove COLUMNS where it is no width, and set it where it, or the terminal, has less than `MIN_COLUMNS`."""
    columns = os.environ.get("COLUMNS")
    if columns is not None and _named_width() is None:
        del os.environ["COLUMNS"]
    if (stdout_width() or MIN_COLUMNS) < MIN_COLUMNS:
        os.environ["COLUMNS"] = str(MIN_COLUMNS)


def stdout_width() -> int | None:
    """Return the columns of stdout: COLUMNS, else those of its terminal; None for no limit, where neither is there."""
    named = _named_width()
    if named is None and sys.stdout.isatty():
        # shutil.get_terminal_size() asks sys.__stdout__, which set_up_streams has detached.
        with suppress(OSError):
            return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_COLUMNS
        return _DEFAULT_COLUMNS
    return named


def _named_width() -> int | None:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) or None if columns.isdecimal() else None


def write_utf8(data: bytes) -> None:
    """Write a document to stdout as UTF-8, whatever the encoding of stdout is.

    Raises:
        StdoutError: it cannot be written.
    """
    stream = sys.stdout
    if isinstance(stream, _Stdout):
        stream.write_bytes(data)
    else:  # replaced by a caller in this process
        stream.write(data.decode())
        stream.flush()


def discard_stdout() -> None:
    """Discard what stdout still buffers, or the interpreter would write it once more at exit and print a traceback."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
