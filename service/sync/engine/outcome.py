"""What became of a scope, and what the status table is told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from service.errors import AwsError
from service.models import Coverage, Problem, RegionStatus, Scope
from service.regions.selection import ScanReason, Selection
from service.regions.status_rows import Observation
from service.sync.engine.report import Looked
from service.sync.inventory.rows import Seen
from service.sync.inventory.scan import Look

__all__ = [
    "COUNTS",
    "Tokens",
    "Visit",
    "account_problem",
    "is_switched_off",
    "judge",
    "observation_of",
    "problem_at",
    "scope_problem",
]

_SWITCHED_OFF: Final = frozenset({RegionStatus.REGION_NOT_ENABLED, RegionStatus.REGION_NOT_OPTED_IN})
COUNTS: Final = ("serversWritten", "serversUnchanged", "serversRemoved", "serversRejected", "topologiesCaptured")
"""What an inventory sync counts, by the report's names."""
_NO_REGION_ADVICE: Final = "no region takes this account's session: use regional STS endpoints, and check the role"


@dataclass(frozen=True, slots=True)
class Visit:
    """A look and what became of it; no look where the account could not be entered."""

    looked: Looked
    look: Look | None = None
    switched_off: bool = False


def judge(scope: Scope, look: Look | None, failure: Problem | None, *, known: bool, seconds: float) -> Visit:
    """Say what became of a scope: what it brought, and whether that is all there is.

    Args:
        scope: the scope.
        look: the look, None where the account could not be entered.
        failure: what broke it off, if something did.
        known: servers were known there before.
        seconds: how long it took.
    """
    seen = look.seen if look else Seen()
    if failure is not None and is_switched_off(failure) and not seen.servers and not known:
        # The account has switched the region off: worth a word, no failure, unless servers were known there.
        return Visit(Looked(scope, Coverage.SKIPPED, seconds=seconds, warnings=(failure,)), look, switched_off=True)
    warnings, problems = list(seen.warnings), list(seen.problems)
    if failure is not None:
        (warnings if seen.settled else problems).append(failure)
    if seen.settled and not problems:
        coverage = Coverage.COMPLETE
    else:
        told = seen.servers or seen.listed_completely or seen.uninitialized
        coverage = Coverage.PARTIAL if told else Coverage.FAILED
    looked = Looked(
        scope,
        coverage,
        servers=seen.synced,
        counts={
            "serversWritten": seen.written,
            "serversUnchanged": seen.unchanged,
            "serversRemoved": seen.removed,
            "serversRejected": seen.rejected,
            "topologiesCaptured": seen.topologies,
        },
        seconds=seconds,
        problems=tuple(problems),
        warnings=tuple(warnings),
    )
    return Visit(looked, look)


def is_switched_off(failure: Problem) -> bool:
    """Tell whether DRS refused because the account has switched the region off, as far as one region can tell."""
    return failure.service == "drs" and failure.status in _SWITCHED_OFF


@dataclass(slots=True)
class Tokens:
    """Tells a region that is switched off from a session that no region takes, account by account.

    A region that refuses an account's token is held back until another region takes it.
    """

    _works: set[str] = field(default_factory=set)
    _held_back: dict[str, list[Visit]] = field(default_factory=dict)

    def judge(self, visit: Visit) -> list[Visit]:
        """Take one visit; give those that are settled by it."""
        account_id = visit.looked.scope.account_id
        if visit.switched_off:
            if account_id in self._works:
                return [visit]
            self._held_back.setdefault(account_id, []).append(visit)
            return []
        if visit.looked.coverage in {Coverage.COMPLETE, Coverage.PARTIAL}:
            self._works.add(account_id)
            return [visit, *self._held_back.pop(account_id, [])]
        return [visit]

    def rest(self) -> list[Visit]:
        """Give what was never settled: with more than one region asked, the token is bad, not the regions."""
        return [_failed(visit) if len(visits) > 1 else visit for visits in self._held_back.values() for visit in visits]


def _failed(visit: Visit) -> Visit:
    problems = tuple(
        replace(each, status=RegionStatus.ERROR, advice=_NO_REGION_ADVICE) for each in visit.looked.warnings
    )
    return replace(visit, looked=replace(visit.looked, coverage=Coverage.FAILED, problems=problems, warnings=()))


def observation_of(visit: Visit, selection: Selection, now: datetime) -> Observation | None:
    """Say what a look means for the status table; None where there was no look to speak of."""
    looked, look, scope = visit.looked, visit.look, visit.looked.scope
    if look is None:
        # The account could not be entered. Only places with servers, and those whose turn it was, are marked: one
        # record, no storm of 28.
        marked = (
            selection.scopes[scope] not in {ScanReason.EVERY, ScanReason.NEW_ACCOUNT, ScanReason.RESUMED}
            or scope in selection.known_active
        )
        return _failed_observation(scope, looked.problems[-1], now) if marked and looked.problems else None
    if look.seen.listed_completely:
        return Observation(scope.account_id, RegionStatus.ACTIVE, look.started_at, look.seen.servers)
    if look.seen.uninitialized:
        return Observation(scope.account_id, RegionStatus.NOT_INITIALIZED, look.started_at, 0)
    return _failed_observation(scope, (*looked.warnings, *looked.problems)[-1], look.started_at)


def _failed_observation(scope: Scope, problem: Problem, scanned_at: datetime) -> Observation:
    # Readers of the table turn some words into refusals of their own, so they tell of DRS and roles, not of our tables.
    tells = problem.service in {"drs", "sts"} and not problem.status.settles_count
    status = problem.status if tells else RegionStatus.ERROR
    return Observation(scope.account_id, status, scanned_at, None, f"{problem.code}: {problem.message}")


def scope_problem(error: AwsError, scope: Scope) -> Problem:
    """Say which scope suffered from an error, be it our own table's."""
    return replace(error.problem, account_id=scope.account_id, region=scope.region)


def account_problem(error: AwsError) -> Problem:
    """Say that an account could not be entered; its region is not to blame, so none is named."""
    denied = error.error_class.status.is_denied
    return Problem(
        error.code,
        error.message,
        RegionStatus.IAM_PERMISSION_DENIED if denied else RegionStatus.ERROR,
        error.call.service,
        error.call.operation,
        error.call.account_id,
        advice="check that the role exists, trusts this account, and that the record holds its external id",
    )


def problem_at(scope: Scope, code: str, message: str) -> Problem:
    """Make a trouble of our own about a scope."""
    return Problem(code, message, RegionStatus.ERROR, "", "", scope.account_id, scope.region)
