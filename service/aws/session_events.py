"""Events of the SDK's session, which every client copies: only the handlers of services that are called.

botocore registers some 130 handlers, for S3, RDS, documentation and so on, and looks up the alias of each event's name
anew in every client. There is a client for each service and region, and that was a fifth of the time to create one.
"""

from __future__ import annotations

from typing import Final, Self

from botocore.hooks import EVENT_ALIASES, EventAliaser

from service.aws.operations import DOCTOR_OPERATIONS, READ_WRITE_OPERATIONS, SIGN_IN_OPERATIONS, TABLE_OPERATIONS

__all__ = ["SharedAliases", "is_needed"]

_CALLED: Final = frozenset().union(READ_WRITE_OPERATIONS, DOCTOR_OPERATIONS, TABLE_OPERATIONS, SIGN_IN_OPERATIONS)
_SERVICES: Final = frozenset({EVENT_ALIASES.get(name, name) for name in _CALLED} | _CALLED)


def is_needed(event_name: str) -> bool:
    """Whether a client of ours may emit an event: one of all services, or of a service that is called."""
    kind, _, rest = event_name.partition(".")
    service = rest.partition(".")[0]
    return kind != "docs" and (not service or service in _SERVICES)


class SharedAliases(EventAliaser):
    """Names of events; copies know what the others have looked up, which never changes."""

    def __copy__(self) -> Self:
        copied: Self = super().__copy__()
        copied._alias_name_cache = self._alias_name_cache
        return copied
