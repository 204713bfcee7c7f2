"""Values of options that may be repeated, and those that are no values."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors import RefusalError

__all__ = ["listed", "named"]


def named(option: str, values: Sequence[str] | None) -> tuple[str, ...]:
    """Give the values of a repeatable option.

    Raises:
        RefusalError: one is empty. An unset variable of a shell must not read like "all of them".
    """
    if any(not value.strip() for value in values or ()):
        raise RefusalError("INVALID_PARAMETER", f"{option} is empty: name one, or leave the option out")
    return tuple(values or ())


def listed(option: str, values: Sequence[str] | None) -> str:
    """Give the values of a repeatable option as queries take them. Raises as `named` does."""
    return ",".join(named(option, values))
