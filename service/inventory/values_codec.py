"""Codec of moving values: a few bytes per server, for one DynamoDB attribute that holds thousands of them. Pure.

Format 1: a header (format, number of servers, base time in epoch seconds), the short hash of each server in ascending
order, and a zlib stream with a byte per value that tells its kind and length, one column after another, followed by
the values themselves, again by column. A checksum of all of it comes last. Times are differences to the base time.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from service.inventory.moving_values import (
    ZERO_DAYS,
    MovingValues,
    duration_ms,
    format_duration,
    format_time,
    time_ms,
)

__all__ = ["ID_BYTES", "decode_values", "encode_values", "server_key"]

ID_BYTES: Final = 6
"""Length of a server's short hash: among 4,000 servers two are equal once in 35 million scopes."""

_FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BIq")
_CHECKSUM: Final = struct.Struct(">I")
_COLUMNS: Final = 4
_LENGTH_BITS: Final = 3
_LENGTH_MASK: Final = 2**_LENGTH_BITS - 1
_MAX_STREAM: Final = 64 * 1024 * 1024

# Kinds of values. A value of one of the first three has no bytes of its own.
_ABSENT, _UNKNOWN, _ZERO_DAYS, _NUMBER, _WITH_FRACTION, _NEGATIVE, _NEGATIVE_WITH_FRACTION = range(7)

_LENGTHS: Final = bytes(tag & _LENGTH_MASK for tag in range(256))
_KINDS_OF_LAG: Final = frozenset({_ABSENT, _UNKNOWN, _ZERO_DAYS, _NUMBER, _WITH_FRACTION})
_KINDS_OF_TIME: Final = frozenset({_ABSENT, _UNKNOWN, _NUMBER, _WITH_FRACTION, _NEGATIVE, _NEGATIVE_WITH_FRACTION})
_KINDS: Final = (_KINDS_OF_LAG, frozenset(range(2 ** (8 - _LENGTH_BITS))), _KINDS_OF_TIME, _KINDS_OF_TIME)

_Tagged = tuple[int, int]
"""The kind of a value, and its number: not negative, at most MAX_NUMBER."""


class _InvalidPartError(ValueError):
    """The bytes are not what this codec writes."""


def server_key(arn: str, staging_account: str) -> bytes:
    """Return the short hash of a server's ARN and staging account, under which its values are kept."""
    return hashlib.blake2b(f"{arn}\n{staging_account}".encode(), digest_size=ID_BYTES).digest()


def encode_values(values: Mapping[bytes, MovingValues], *, base_s: int) -> bytes:
    """Encode the values of servers, by short hash.

    Args:
        values: the normalised values of each server.
        base_s: the time that times are written relative to, in epoch seconds; near the scan, so that they are short.
    """
    keys = sorted(values)
    columns = list(zip(*(_tagged(values[key], base_s) for key in keys), strict=True)) or [()] * _COLUMNS
    tags = b"".join(bytes(kind << _LENGTH_BITS | _length(number) for kind, number in column) for column in columns)
    numbers = b"".join(number.to_bytes(_length(number), "big") for column in columns for _, number in column)
    written = _HEAD.pack(_FORMAT, len(keys), base_s) + b"".join(keys) + zlib.compress(tags + numbers, 9)
    return written + _CHECKSUM.pack(zlib.crc32(written))


class _Decoded(Mapping[bytes, MovingValues]):
    """Values of servers by short hash, each decoded when it is looked up: a page needs few of thousands.

    Args:
        keys: the short hashes.
        stream: a tag per value, by column, then the numbers.
        base_s: the time that times are relative to, in epoch seconds.

    Raises:
        _InvalidPartError: the stream is not what `encode_values` writes.
    """

    def __init__(self, keys: Sequence[bytes], stream: bytes, base_s: int) -> None:
        count = len(keys)
        self._rows = dict(zip(keys, range(count), strict=True))
        self._stream, self._base_s, self._count = stream, base_s, count
        tags = stream[: count * _COLUMNS]
        self._ends = list(accumulate(tags.translate(_LENGTHS), initial=len(tags)))
        if len(tags) != count * _COLUMNS or self._ends[-1] != len(stream):
            raise _InvalidPartError
        for column, kinds in enumerate(_KINDS):
            found = set(tags[column * count : (column + 1) * count])
            if not kinds.issuperset(tag >> _LENGTH_BITS for tag in found):
                raise _InvalidPartError

    def __getitem__(self, key: bytes) -> MovingValues:
        row = self._rows[key]
        lag, backlog, eta, last_seen = (self._tagged(column * self._count + row) for column in range(_COLUMNS))
        return MovingValues(
            lag=_lag(*lag),
            backlog_bytes=backlog[1] if backlog[0] == _NUMBER else None,
            eta=_time(*eta, self._base_s),
            last_seen=_time(*last_seen, self._base_s),
        )

    def _tagged(self, position: int) -> _Tagged:
        start, end = self._ends[position : position + 2]
        return self._stream[position] >> _LENGTH_BITS, int.from_bytes(self._stream[start:end], "big")

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def decode_values(written: object) -> Mapping[bytes, MovingValues] | None:
    """Decode what `encode_values` wrote; None for anything else, damaged bytes included."""
    if not isinstance(written, bytes):
        return None
    try:
        return _decoded(written)
    except (_InvalidPartError, OverflowError, struct.error, zlib.error):
        return None


def _decoded(written: bytes) -> Mapping[bytes, MovingValues]:
    body, checksum = written[: -_CHECKSUM.size], written[-_CHECKSUM.size :]
    if _CHECKSUM.unpack(checksum) != (zlib.crc32(body),):
        raise _InvalidPartError
    version, count, base_s = _HEAD.unpack_from(body)
    if version != _FORMAT:
        raise _InvalidPartError
    start, end = _HEAD.size, _HEAD.size + count * ID_BYTES
    stream = zlib.decompressobj().decompress(body[end:], _MAX_STREAM)
    return _Decoded([body[at : at + ID_BYTES] for at in range(start, end, ID_BYTES)], stream, base_s)


def _length(number: int) -> int:
    return (number.bit_length() + 7) // 8


def _tagged(values: MovingValues, base_s: int) -> Sequence[_Tagged]:
    backlog = values.backlog_bytes
    return (
        _tagged_lag(values.lag),
        (_ABSENT, 0) if backlog is None else (_NUMBER, backlog),
        _tagged_time(values.eta, base_s),
        _tagged_time(values.last_seen, base_s),
    )


def _tagged_lag(lag: str | None) -> _Tagged:
    if not lag:
        return (_ABSENT if lag == "" else _UNKNOWN), 0
    if lag == ZERO_DAYS:
        return _ZERO_DAYS, 0
    number = duration_ms(lag)
    if number is None:
        return _UNKNOWN, 0
    seconds, milliseconds = divmod(number, 1000)
    return (_WITH_FRACTION, number) if milliseconds else (_NUMBER, seconds)


def _lag(kind: int, number: int) -> str | None:
    if kind == _ABSENT:
        return ""
    if kind == _UNKNOWN:
        return None
    if kind == _ZERO_DAYS:
        return ZERO_DAYS
    return format_duration(number if kind == _WITH_FRACTION else number * 1000)


def _tagged_time(text: str | None, base_s: int) -> _Tagged:
    if not text:
        return (_ABSENT if text == "" else _UNKNOWN), 0
    moment = time_ms(text)
    if moment is None:
        return _UNKNOWN, 0
    difference = moment - base_s * 1000  # below MAX_NUMBER for any two times of the years 1 to 9999
    if "." in text:
        return (_WITH_FRACTION if difference >= 0 else _NEGATIVE_WITH_FRACTION), abs(difference)
    return (_NUMBER if difference >= 0 else _NEGATIVE), abs(difference) // 1000


def _time(kind: int, number: int, base_s: int) -> str | None:
    if kind == _ABSENT:
        return ""
    if kind == _UNKNOWN:
        return None
    with_fraction = kind in {_WITH_FRACTION, _NEGATIVE_WITH_FRACTION}
    difference = number if with_fraction else number * 1000
    signed = -difference if kind in {_NEGATIVE, _NEGATIVE_WITH_FRACTION} else difference
    try:
        return format_time(base_s * 1000 + signed, with_fraction=with_fraction)
    except OverflowError:  # of no year that DRS has told
        return None
