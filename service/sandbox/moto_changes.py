"""What the sandbox changes in moto: each change with its reason, and a switch that leaves it out.

`SANDBOX_MOTO_UNCHANGED=dynamodb` leaves moto's DynamoDB as it is, to see whether a fault is ours. Commas separate
several names. `tests/sandbox/test_moto_changes.py` fails when a newer moto needs a change no more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

from service.sandbox.fast_dynamodb import register_fast_dynamodb
from service.sandbox.integrations import register_update_integration
from service.sandbox.moto_drs.register import register
from service.sandbox.stacks import register_stacks

__all__ = ["CHANGES", "VARIABLE", "MotoChange", "MotoChangeError", "change_moto"]

VARIABLE: Final = "SANDBOX_MOTO_UNCHANGED"


class MotoChange(NamedTuple):
    """A change: `make` replaces classes or functions of moto in this process; it may be called again."""

    name: str
    reason: str
    make: Callable[[], None]


class MotoChangeError(ValueError):
    """The variable names a change that there is not."""


CHANGES: Final = (
    MotoChange("drs", "moto has no DRS", register),
    MotoChange(
        "dynamodb",
        "moto copies each item of a page three times, and a whole table for each write of a transaction; it applies a "
        "transaction again that has the same token, takes any number of writes in a batch, transactions of any size, "
        "and lets other requests run between a condition and its write",
        register_fast_dynamodb,
    ),
    MotoChange(
        "cloudformation", "moto cannot deploy nested stacks and change sets as the steps need them", register_stacks
    ),
    MotoChange("apigateway", "moto has no UpdateIntegration", register_update_integration),
)


def change_moto() -> None:
    """Make all changes but those that the variable names. Call it before the first request.

    Raises:
        MotoChangeError: the variable names none of them.
    """
    left_out = {name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()}
    if unknown := left_out - {change.name for change in CHANGES}:
        known = ", ".join(change.name for change in CHANGES)
        raise MotoChangeError(f"{VARIABLE} names {', '.join(sorted(unknown))}. Fix: use some of {known}")
    for change in CHANGES:
        if change.name not in left_out:
            change.make()
