"""Values that all packages share: account id, scope, call, region status, shard, coverage, problem, times."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeGuard

__all__ = [
    "ACCOUNT_ID_PATTERN",
    "Call",
    "Coverage",
    "Now",
    "OddRecord",
    "Problem",
    "RegionStatus",
    "Scope",
    "Shard",
    "is_account_id",
    "iso",
    "parse_iso",
    "utc_now",
]


ACCOUNT_ID_PATTERN: Final = "[0-9]{12}"
"""Regular expression of an AWS account id, without anchors."""
_ACCOUNT_ID: Final = re.compile(ACCOUNT_ID_PATTERN)


def is_account_id(value: object) -> TypeGuard[str]:
    """Whether a value is an AWS account id: text of twelve ASCII digits."""
    return isinstance(value, str) and _ACCOUNT_ID.fullmatch(value) is not None


class Scope(NamedTuple):
    """One account in one region."""

    account_id: str
    region: str


class Call(NamedTuple):
    """One AWS call: service, operation (spelled as in the AWS API), account that signs it, region."""

    service: str
    operation: str
    account_id: str
    region: str


class OddRecord(dict[str, Any]):
    """A record of a list whose structure is not that of the service model. Only its members of plain text are kept.

    It stands in for the record, so that nobody takes the list for complete; `why` says what is wrong with it.
    """

    def __init__(self, why: str, texts: Mapping[str, str]) -> None:
        super().__init__(texts)
        self.why = why


class RegionStatus(StrEnum):
    """Status of a region, as stored in the region status table; its other readers know exactly these words."""

    ACTIVE = "ACTIVE"
    NOT_INITIALIZED = "NOT_INITIALIZED"
    IAM_PERMISSION_DENIED = "IAM_PERMISSION_DENIED"
    SCP_DENIED = "SCP_DENIED"
    REGION_NOT_ENABLED = "REGION_NOT_ENABLED"
    REGION_NOT_OPTED_IN = "REGION_NOT_OPTED_IN"
    THROTTLED = "THROTTLED"
    ENDPOINT_UNREACHABLE = "ENDPOINT_UNREACHABLE"
    ERROR = "ERROR"

    @property
    def settles_count(self) -> bool:
        """Whether a scan with this status determines how many servers there are."""
        return self in _SETTLING

    @property
    def is_denied(self) -> bool:
        """Whether IAM or a service control policy refused the call."""
        return self in _DENIED

    @property
    def is_transient(self) -> bool:
        """Whether the problem is expected to pass by itself, so that the next sync scans the scope again."""
        return self in _PASSING


_SETTLING: Final = frozenset({RegionStatus.ACTIVE, RegionStatus.NOT_INITIALIZED})
_DENIED: Final = frozenset({RegionStatus.IAM_PERMISSION_DENIED, RegionStatus.SCP_DENIED})
_PASSING: Final = frozenset({RegionStatus.THROTTLED, RegionStatus.ERROR, RegionStatus.ENDPOINT_UNREACHABLE})


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several concurrent runs that divide the accounts among them."""

    index: int
    count: int

    def holds(self, account_id: str) -> bool:
        """Whether an account belongs to this shard: the same on every machine and at any time."""
        return zlib.crc32(account_id.encode()) % self.count == self.index


class Coverage(StrEnum):
    """How much of a scope a run has read. The counts of these four always add up to the requested scopes."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be done: scope, call, error code and message of AWS, why, and how to fix it (`advice`).

    `error_class` names the class of `service/error_classes.py` that has cause and fix; empty for a problem of our own.
    """

    code: str
    message: str
    status: RegionStatus
    service: str = ""
    operation: str = ""
    account_id: str = ""
    region: str = ""
    advice: str = ""
    cause: str = ""
    error_class: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the members as reports show them; empty ones are left out."""
        pairs = {
            "accountId": self.account_id,
            "region": self.region,
            "service": self.service,
            "operation": self.operation,
            "code": self.code,
            "status": str(self.status),
            "message": self.message,
            "cause": self.cause,
            "errorClass": self.error_class,
            "advice": self.advice,
        }
        return {key: value for key, value in pairs.items() if value}


Now = Callable[[], datetime]
"""The wall clock in UTC, passed in. Timeouts and deadlines use the monotonic clock of the event loop instead."""


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with microseconds: all have the same width, so they sort as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def parse_iso(value: object) -> datetime | None:
    """Parse an ISO 8601 time in any form found in the tables; None if the value is not a time.

    Accepts a trailing `Z`, an offset, the malformed `+00:00Z` of older records, and no time zone (taken as UTC).
    """
    if not isinstance(value, str) or not value:
        return None
    text = value.removesuffix("Z")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
