"""Standard streams of the process: closed ones are replaced, and a failed write to stdout is an error of its own."""

from __future__ import annotations

import io
import os
import sys
from typing import Final

from service.errors import DrsSyncError

__all__ = ["StdoutError", "discard_stdout", "set_up_streams"]


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


def _stdout_error(error: OSError) -> StdoutError:
    return StdoutError(f"cannot write to stdout: {error.strerror}; completed work is kept")


_STREAMS: Final = ("stdout", "stderr")


def set_up_streams() -> None:
    """Replace closed streams by os.devnull, and make stdout raise StdoutError. Call it once, before anything else."""
    for name in _STREAMS:
        if getattr(sys, name) is None:  # Python's value for a stream that was closed at the start
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="backslashreplace"))  # noqa: PTH123, SIM115
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        encoding, errors = stream.encoding, stream.errors
        line_buffering, write_through = stream.line_buffering, stream.write_through
        sys.stdout = _Stdout(
            stream.detach(),
            encoding=encoding,
            errors=errors,
            line_buffering=line_buffering,
            write_through=write_through,
        )


def discard_stdout() -> None:
    """Discard what stdout still buffers, or the interpreter would write it once more at exit and print a traceback."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
