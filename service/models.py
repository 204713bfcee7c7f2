"""Values that every room speaks: places, looks, region status words and the records they carry."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeGuard

__all__ = [
    "ACCOUNT_ID_PATTERN",
    "Call",
    "Coverage",
    "Now",
    "Problem",
    "RegionStatus",
    "Scope",
    "Shard",
    "is_account_id",
    "iso",
    "parse_iso",
]


ACCOUNT_ID_PATTERN: Final = "[0-9]{12}"
"""Regular expression of an AWS account id, without anchors."""
_ACCOUNT_ID: Final = re.compile(ACCOUNT_ID_PATTERN)


def is_account_id(value: object) -> TypeGuard[str]:
    """Whether a value is an AWS account id: text of twelve ASCII digits."""
    return isinstance(value, str) and _ACCOUNT_ID.fullmatch(value) is not None


class Scope(NamedTuple):
    """One scope of work: an account and a region of it."""

    account_id: str
    region: str


class Call(NamedTuple):
    """One call to AWS: what is asked, as which account, and where. `operation` is spelled as in the AWS API."""

    service: str
    operation: str
    account_id: str
    region: str


class RegionStatus(StrEnum):
    """The words that the region status table may hold; its readers know no others."""

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
        """Whether a look that ended so says how many servers there are."""
        return self in _SETTLING

    @property
    def is_denied(self) -> bool:
        """Whether IAM or a service control policy refused the call."""
        return self in _DENIED

    @property
    def passes(self) -> bool:
        """Whether trouble of this kind is expected to pass by itself, so that the next sync should look again."""
        return self in _PASSING


_SETTLING: Final = frozenset({RegionStatus.ACTIVE, RegionStatus.NOT_INITIALIZED})
_DENIED: Final = frozenset({RegionStatus.IAM_PERMISSION_DENIED, RegionStatus.SCP_DENIED})
_PASSING: Final = frozenset({RegionStatus.THROTTLED, RegionStatus.ERROR, RegionStatus.ENDPOINT_UNREACHABLE})


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several runs that share the accounts between them."""

    index: int
    count: int

    def holds(self, account_id: str) -> bool:
        """Whether an account is this shard's, on every machine and at any time."""
        return zlib.crc32(account_id.encode()) % self.count == self.index


class Coverage(StrEnum):
    """How much of a scope a run has covered. Scopes asked = the sum over these four, always."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that could not be done: where, which call, AWS's code, and what an operator can do about it."""

    code: str
    message: str
    status: RegionStatus
    service: str = ""
    operation: str = ""
    account_id: str = ""
    region: str = ""
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """Give the members in report form, empty ones left out."""
        pairs = {
            "accountId": self.account_id,
            "region": self.region,
            "service": self.service,
            "operation": self.operation,
            "code": self.code,
            "status": str(self.status),
            "message": self.message,
            "advice": self.advice,
        }
        return {key: value for key, value in pairs.items() if value}


Now = Callable[[], datetime]
"""The wall clock in UTC, passed in. Everything that waits uses the event loop's own clock instead."""


def iso(moment: datetime) -> str:
    """Write a moment as ISO-8601 with microseconds and `+00:00`, so that equal widths compare as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def parse_iso(value: object) -> datetime | None:
    """Read an ISO-8601 time as any writer of the tables has spelled it; None when it is none.

    Accepts a trailing `Z`, an offset, the malformed `+00:00Z` of older records, and no zone at all (taken as UTC).
    """
    if not isinstance(value, str) or not value:
        return None
    text = value.removesuffix("Z")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
