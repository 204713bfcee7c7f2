"""What came of one scope, and the problems that say why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.errors import AwsError, as_class
from service.models import Coverage, Problem, RegionStatus, Scope

__all__ = [
    "RejectedTokens",
    "ScopeResult",
    "account_problem",
    "is_switched_off",
    "outcome_of",
    "problem_at",
    "scope_problem",
]

_SWITCHED_OFF: Final = frozenset({RegionStatus.REGION_NOT_ENABLED, RegionStatus.REGION_NOT_OPTED_IN})


@dataclass(frozen=True, slots=True)
class ScopeResult:
    """What came of the scan of one scope.

    Attributes:
        servers: how many servers the scan saw.
        counts: what came of them, by member of the report.
        failure: what broke the scan off; it is among `problems` or `warnings` as well.
        is_switched_off: it is skipped because the account has switched the region off, as far as one region can tell.
    """

    scope: Scope
    coverage: Coverage
    servers: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    failure: Problem | None = None
    is_switched_off: bool = False


def outcome_of(
    scope: Scope,
    *,
    failure: Problem | None,
    known: bool,
    answered: bool = False,
    settled: bool = False,
    servers: int = 0,
    counts: Mapping[str, int] | None = None,
    problems: Sequence[Problem] = (),
    warnings: Sequence[Problem] = (),
    seconds: float = 0.0,
) -> ScopeResult:
    """Decide how much of a scope was covered.

    Args:
        scope: the (account, region).
        failure: what broke the scan off, if something did.
        known: servers were known there before; then a region that is switched off or forbidden is a failure.
        answered: AWS has reported something about the scope.
        settled: the scan did all it came for before the failure, which is then a warning.
        servers: how many servers it saw.
        counts: what came of them, by member of the report.
        problems: what could not be done on the way.
        warnings: what an operator should know and costs nothing of the result.
        seconds: how long it took.
    """
    if failure is not None and _is_closed(failure) and not answered and not known:
        # The region is switched off or forbidden: worth a word, no failure, unless servers were known there.
        return ScopeResult(
            scope,
            Coverage.SKIPPED,
            seconds=seconds,
            warnings=(*warnings, failure),
            failure=failure,
            is_switched_off=is_switched_off(failure),
        )
    all_problems, all_warnings = list(problems), list(warnings)
    if failure is not None:
        (all_warnings if settled else all_problems).append(failure)
    incomplete = Coverage.PARTIAL if answered else Coverage.FAILED
    return ScopeResult(
        scope,
        incomplete if all_problems else Coverage.COMPLETE,
        servers,
        dict(counts or {}),
        seconds,
        tuple(all_problems),
        tuple(all_warnings),
        failure,
    )


def is_switched_off(failure: Problem) -> bool:
    """Tell whether DRS refused because the account has switched the region off, as far as one region can tell."""
    return failure.service == "drs" and failure.status in _SWITCHED_OFF


def _is_closed(failure: Problem) -> bool:
    """Tell whether nobody uses DRS there: the region is switched off, or a service control policy forbids it."""
    return is_switched_off(failure) or (failure.service == "drs" and failure.status is RegionStatus.SCP_DENIED)


@dataclass(slots=True)
class RejectedTokens:
    """Tells a region that is switched off from a session that every region rejects, account by account.

    AWS answers both alike. So the result of a region that rejects an account's token is held back until another region
    accepts that token, be it to deny the call; if none does, the session is at fault, and the regions have failed.
    """

    _accepted: set[str] = field(default_factory=set)
    _held_back: dict[str, list[ScopeResult]] = field(default_factory=dict)

    def settle(self, result: ScopeResult) -> list[ScopeResult]:
        """Take one result; return those that are settled by it."""
        account_id = result.scope.account_id
        if result.is_switched_off:
            if account_id in self._accepted:
                return [result]
            self._held_back.setdefault(account_id, []).append(result)
            return []
        if result.coverage in {Coverage.COMPLETE, Coverage.PARTIAL} or _is_denied(result):
            self._accepted.add(account_id)
            return [result, *self._held_back.pop(account_id, [])]
        return [result]

    def rest(self) -> list[ScopeResult]:
        """Return what was never settled: with more than one region scanned, the token is bad, not the regions."""
        return [
            _failed(result) if len(results) > 1 else result
            for results in self._held_back.values()
            for result in results
        ]


def _is_denied(result: ScopeResult) -> bool:
    """Tell whether DRS denied a call, which it does only to a session that it has accepted."""
    failure = result.failure
    return failure is not None and failure.service == "drs" and failure.status.is_denied


def _failed(result: ScopeResult) -> ScopeResult:
    """Return a result that was skipped as failed; other warnings than its failure stay warnings."""
    failures = [each for each in result.warnings if each == result.failure]
    problems = tuple(as_class(each, "SessionRejected") for each in failures)
    warnings = tuple(each for each in result.warnings if each != result.failure)
    return replace(result, coverage=Coverage.FAILED, problems=problems, warnings=warnings)


def scope_problem(error: AwsError, scope: Scope) -> Problem:
    """Make the problem of the scope that suffered from an error, be it an error of our own table."""
    return replace(error.problem, account_id=scope.account_id, region=scope.region)


def account_problem(error: AwsError) -> Problem:
    """Make the problem of an account that could not be entered; its region is not to blame, so none is named."""
    is_denied = error.error_class.status.is_denied
    status = RegionStatus.IAM_PERMISSION_DENIED if is_denied else RegionStatus.ERROR
    return replace(error.problem, region="", status=status)


def problem_at(scope: Scope, code: str, message: str) -> Problem:
    """Make a problem of our own about a scope."""
    return Problem(code, message, RegionStatus.ERROR, "", "", scope.account_id, scope.region)
