"""The streams of the process: a closed one swallows what is written, and an answer that is lost is told as such."""

from __future__ import annotations

import io
import os
import sys
from typing import Final

from service.errors import DrsSyncError

__all__ = ["UnwrittenError", "give_up_stdout", "guard_streams"]


class UnwrittenError(DrsSyncError):
    """What was written to stdout did not get through: a full disk, or nobody reads it any more."""


class _Stdout(io.TextIOWrapper):
    """Raises UnwrittenError, so that nothing has to guess which OSError is the answer's."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise _lost(error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _lost(error) from None


def _lost(error: OSError) -> UnwrittenError:
    return UnwrittenError(f"the answer could not be written to stdout: {error.strerror}; what was done stays")


_STREAMS: Final = ("stdout", "stderr")


def guard_streams() -> None:
    """Open what whoever started this process has closed, and let stdout raise UnwrittenError. Once, before all else."""
    for name in _STREAMS:
        if getattr(sys, name) is None:  # how Python tells of a closed one
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="backslashreplace"))  # noqa: PTH123, SIM115
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        encoding, errors = stream.encoding, stream.errors
        lines, through = stream.line_buffering, stream.write_through
        sys.stdout = _Stdout(
            stream.detach(), encoding=encoding, errors=errors, line_buffering=lines, write_through=through
        )


def give_up_stdout() -> None:
    """Let what stdout still holds go nowhere, or the interpreter would try once more at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
