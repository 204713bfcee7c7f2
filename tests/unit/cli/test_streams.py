"""Stdout that cannot be written, whatever its buffering is."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import struct
import sys
import termios
from collections.abc import Callable
from typing import Final

import pytest
from typing_extensions import Buffer

from service.cli.streams import StdoutError, set_up_streams, stdout_width, write_utf8

LARGE: Final = "x" * 100_000  # more than any buffer


class _Disk(io.RawIOBase):
    """Disk that is full until space is made."""

    is_full = True
    name = "disk"

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return memoryview(data).nbytes


@pytest.mark.parametrize("is_buffered", [True, False])
@pytest.mark.parametrize("write", [lambda: sys.stdout.write(LARGE), lambda: write_utf8(LARGE.encode())])
def test_each_write_to_a_full_disk_is_an_error_of_stdout(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[], None], *, is_buffered: bool
) -> None:
    disk = _Disk()
    monkeypatch.setattr(sys, "stdout", _stdout_to(disk, is_buffered=is_buffered))
    set_up_streams()
    with pytest.raises(StdoutError, match="cannot write to stdout: No space left on device"):
        write()
    disk.is_full = False  # so that it can be closed


def _stdout_to(disk: _Disk, *, is_buffered: bool) -> io.TextIOWrapper:
    """Return stdout as Python makes it, unbuffered as with PYTHONUNBUFFERED."""
    if is_buffered:
        return io.TextIOWrapper(io.BufferedWriter(disk))
    return io.TextIOWrapper(disk, write_through=True)


def test_a_stdout_of_another_kind_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stdout := io.StringIO())
    set_up_streams()
    write_utf8("ü\n".encode())
    assert (sys.stdout, stdout.getvalue()) == (stdout, "ü\n")


@pytest.mark.parametrize(
    ("columns", "named", "width"), [(160, None, 160), (7, None, 20), (0, None, 80), (160, "60", 60), (160, "0", 160)]
)
def test_stdout_is_as_wide_as_its_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, named: str | None, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", named or "")
    if named is None:
        monkeypatch.delenv("COLUMNS")
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    monkeypatch.setattr(sys, "stdout", os.fdopen(writer, "w"))
    set_up_streams()
    shown = stdout_width()
    sys.stdout.close()
    os.close(reader)
    assert shown == width
