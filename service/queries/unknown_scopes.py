"""Scopes about which nothing is known: the cause, the fix, and since when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from service.error_classes import ERROR_CLASSES
from service.error_codes import classify_record
from service.models import Problem, RegionStatus, iso
from service.regions.status_entry import AccountEntry

__all__ = ["Cause", "UnknownScope", "by_cause", "cause_of"]

_SYNC_FIX: Final = "run drs-sync sync inventory"


class Cause(NamedTuple):
    """Why a scope is unknown, and the fix. `cause` and `error_class` are those of a failed call."""

    code: str
    message: str
    advice: str
    cause: str = ""
    error_class: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the members of an answer; those that are empty without a failed call are left out then."""
        members = {"code": self.code, "message": self.message, "advice": self.advice}
        return members | ({"cause": self.cause, "errorClass": self.error_class} if self.error_class else {})


class UnknownScope(NamedTuple):
    """A scope about which nothing is known, with what is recorded of the attempts to read it.

    `account_id` and `region` are empty when not even the accounts could be listed. `problem` is that of a read by the
    query itself, at `tried_at`.
    """

    account_id: str
    region: str
    entry: AccountEntry | None = None
    problem: Problem | None = None
    tried_at: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """Its last complete scan, else its first attempt; None when there is no attempt on record."""
        return (self.entry.last_complete or self.entry.first_checked) if self.entry else None

    @property
    def last_attempt(self) -> datetime | None:
        """The last attempt to read it."""
        return self.tried_at or (self.entry.last_checked if self.entry else None)

    def as_json(self, cause: Cause) -> dict[str, Any]:
        """Return its entry in an answer."""
        since, last_attempt = self.since, self.last_attempt
        return {
            "accountId": self.account_id,
            "region": self.region,
            **cause.as_json(),
            "since": iso(since) if since else None,
            "lastAttempt": iso(last_attempt) if last_attempt else None,
        }


_NEVER_SCANNED: Final = Cause("NEVER_SCANNED", "no complete scan is on record", _SYNC_FIX)
_SCAN_TOO_OLD: Final = Cause(
    "SCAN_TOO_OLD", "the last complete scan is too old", f"{_SYNC_FIX}, and check that it is scheduled"
)


def cause_of(scope: UnknownScope, status_unavailable: str = "") -> Cause:
    """Return why a scope is unknown.

    Args:
        scope: the scope.
        status_unavailable: why region status could not be read; empty when it could.
    """
    problem, entry = scope.problem, scope.entry
    if problem is not None:
        text = f"{problem.code}: {problem.message}"
        if problem.error_class:
            return Cause(str(problem.status), text, problem.advice, problem.cause, problem.error_class)
        return (
            Cause(str(problem.status), text, problem.advice) if problem.advice else _of_record(problem.status, text, "")
        )
    if status_unavailable:
        fix = "check DRS_REGION_STATUS_TABLE and the hub's access to it: drs-sync doctor"
        return Cause("REGION_STATUS_UNAVAILABLE", status_unavailable, fix)
    if entry is not None and entry.status is not None and not entry.status.settles_count:
        return _of_record(entry.status, entry.error_message, scope.account_id)
    return _NEVER_SCANNED if entry is None or entry.last_complete is None else _SCAN_TOO_OLD


def _of_record(status: RegionStatus, text: str, account_id: str) -> Cause:
    error_class, facts = classify_record(status, text, account_id)
    return Cause(str(status), text, error_class.fix_with(facts), error_class.cause_with(facts), error_class.name)


@dataclass(slots=True)
class _Group:
    """The unknown scopes of one cause."""

    cause: Cause
    scopes: list[UnknownScope] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return its entry in an answer; the message only if all its scopes share it."""
        since = min((moment for each in self.scopes if (moment := each.since)), default=None)
        return {
            **{name: value for name, value in self.cause.as_json().items() if value},
            "scopes": len(self.scopes),
            "accounts": len({each.account_id for each in self.scopes}),
            "regions": sorted({each.region for each in self.scopes} - {""}),
            "since": iso(since) if since else None,
        }


def by_cause(
    unknown: Iterable[UnknownScope], status_unavailable: str, *, listed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return at most `listed` scopes with their causes, and all scopes counted by cause.

    Rare causes come first, so that a cause with thousands of scopes does not hide them.
    """
    groups: dict[tuple[str, str], _Group] = {}
    for each in unknown:
        cause = cause_of(each, status_unavailable)
        key = (cause.code, cause.error_class or cause.advice)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(cause)
        group.cause = _shared(group.cause, cause)
        group.scopes.append(each)
    ordered = sorted(groups.values(), key=lambda group: (len(group.scopes), group.cause.code))
    return _first(ordered, status_unavailable, listed), [group.as_json() for group in ordered]


def _shared(first: Cause, second: Cause) -> Cause:
    """Return the cause of two scopes: what differs is left out, and account and role are not named."""
    message = first.message if first.message == second.message else ""
    if (first.advice, first.cause) == (second.advice, second.cause):
        return first._replace(message=message)
    error_class = ERROR_CLASSES[first.error_class]
    return first._replace(message=message, advice=error_class.fix_with({}), cause=error_class.cause_with({}))


def _first(groups: Sequence[_Group], status_unavailable: str, listed: int) -> list[dict[str, Any]]:
    first = [each for group in groups for each in group.scopes[:listed]][:listed]
    return [each.as_json(cause_of(each, status_unavailable)) for each in first]
