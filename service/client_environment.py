"""Environment variables of a process that uses the sandbox, and must not reach the real AWS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

__all__ = ["OVERRIDING", "leave_aws", "merged", "overriding_names"]

OVERRIDING: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""Each makes a client of the sandbox use other credentials, call a real endpoint, or fail: on an unknown profile."""
_OVERRIDING_PREFIX: Final = "AWS_ENDPOINT_URL_"


def overriding_names(environment: Iterable[str]) -> list[str]:
    """Return the names of variables that lead clients elsewhere."""
    return [name for name in environment if name in OVERRIDING or name.startswith(_OVERRIDING_PREFIX)]


def leave_aws(environment: MutableMapping[str, str]) -> None:
    """Remove the variables that lead clients elsewhere."""
    for name in overriding_names([*environment]):
        del environment[name]


def merged(own: Mapping[str, str], sandbox: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the sandbox's variables, without those that would lead its clients elsewhere. Pure."""
    kept = dict(own)
    leave_aws(kept)
    return {**kept, **sandbox}
