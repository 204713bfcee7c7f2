"""Codec of a mapping from many texts to few, for one attribute: grouped by value, as compressed JSON. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Final

__all__ = ["decode_grouped", "encode_grouped"]

_MAX_BYTES: Final = 4 * 1024 * 1024


def encode_grouped(values: Mapping[str, str]) -> bytes:
    """Encode a mapping; equal mappings have equal bytes."""
    groups: dict[str, list[str]] = {}
    for name in sorted(values):
        groups.setdefault(str(values[name]), []).append(name)
    return zlib.compress(json.dumps(groups, separators=(",", ":")).encode(), 9)


def decode_grouped(value: object) -> dict[str, str] | None:
    """Decode a mapping; None when it is missing or damaged."""
    if not isinstance(value, bytes):
        return None
    try:
        groups = json.loads(zlib.decompressobj().decompress(value, _MAX_BYTES))
        return {str(name): str(group) for group, names in groups.items() for name in names}
    except (zlib.error, ValueError, AttributeError, TypeError, RecursionError):
        return None
