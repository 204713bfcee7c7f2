"""What came of one scope, and the problems that say why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.error_codes import status_of_account
from service.errors import AwsError, as_class, problem_of
from service.models import Coverage, Problem, RegionStatus, Scope

__all__ = [
    "RejectedTokens",
    "ScopeResult",
    "UnreachableRegions",
    "account_problem",
    "is_switched_off",
    "is_unreachable",
    "late_problem",
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
        is_unreachable: it is skipped because DRS of the region cannot be reached, as far as one region can tell.
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
    is_unreachable: bool = False


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
        known: servers were known there before; then a region that is switched off, denied or unreachable is a failure.
        answered: AWS has reported something about the scope.
        settled: the scan did all it came for before the failure, which is then a warning.
        servers: how many servers it saw.
        counts: what came of them, by member of the report.
        problems: what could not be done on the way.
        warnings: what an operator should know and costs nothing of the result.
        seconds: how long it took.
    """
    if failure is not None and _is_closed(failure) and not answered and not known:
        # The region is switched off, denied or unreachable: worth a word, no failure, unless servers are known there.
        return ScopeResult(
            scope,
            Coverage.SKIPPED,
            seconds=seconds,
            warnings=(*warnings, failure),
            failure=failure,
            is_switched_off=is_switched_off(failure),
            is_unreachable=is_unreachable(failure),
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


def is_unreachable(failure: Problem) -> bool:
    """Tell whether DRS of the region cannot be reached; a certificate that is not trusted is a wrong setting."""
    is_about_network = failure.status is RegionStatus.ENDPOINT_UNREACHABLE and failure.code != "CertificateRefused"
    return failure.service == "drs" and is_about_network


def _is_closed(failure: Problem) -> bool:
    """Tell whether nothing can be known there: the region is switched off or unreachable, or a policy forbids it."""
    is_forbidden = failure.service == "drs" and failure.status is RegionStatus.SCP_DENIED
    return is_forbidden or is_switched_off(failure) or is_unreachable(failure)


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
            _failed(result, "SessionRejected") if len(results) > 1 else result
            for results in self._held_back.values()
            for result in results
        ]


@dataclass(slots=True)
class UnreachableRegions:
    """Tells a region that cannot be reached from a host that reaches no region.

    The result of a region that cannot be reached, and where no servers are known, is held back until DRS of another
    region responds; if none does, the network of this host is at fault, and the regions have failed.
    """

    _has_response: bool = False
    _held_back: list[ScopeResult] = field(default_factory=list)

    def settle(self, result: ScopeResult) -> list[ScopeResult]:
        """Take one result; return those that are settled by it."""
        if result.is_unreachable and not self._has_response:
            self._held_back.append(result)
            return []
        if self._has_response or not _has_response(result):
            return [result]
        self._has_response = True
        released, self._held_back = self._held_back, []
        return [result, *released]

    def rest(self) -> list[ScopeResult]:
        """Return what was never settled: DRS of no region has responded."""
        return [_failed(result) for result in self._held_back]


def _is_denied(result: ScopeResult) -> bool:
    """Tell whether DRS denied a call, which it does only to a session that it has accepted."""
    failure = result.failure
    return failure is not None and failure.service == "drs" and failure.status.is_denied


def _has_response(result: ScopeResult) -> bool:
    """Tell whether DRS has responded, be it to refuse the call."""
    if result.coverage in {Coverage.COMPLETE, Coverage.PARTIAL}:
        return True
    failure = result.failure
    if failure is None or failure.service != "drs":
        return False
    return failure.status.is_denied or failure.status in {*_SWITCHED_OFF, RegionStatus.THROTTLED}


def _failed(result: ScopeResult, error_class: str = "") -> ScopeResult:
    """Return a result that was skipped as failed; other warnings than its failure stay warnings.

    Args:
        result: that was skipped.
        error_class: replaces that of its failure; empty: it stays.
    """
    failures = [each for each in result.warnings if each == result.failure]
    problems = tuple(as_class(each, error_class) if error_class else each for each in failures)
    warnings = tuple(each for each in result.warnings if each != result.failure)
    return replace(result, coverage=Coverage.FAILED, problems=problems, warnings=warnings)


def scope_problem(error: AwsError, scope: Scope) -> Problem:
    """Make the problem of the scope that suffered from an error, be it an error of our own table."""
    return replace(error.problem, account_id=scope.account_id, region=scope.region)


def account_problem(error: AwsError) -> Problem:
    """Make the problem of an account that could not be entered; its region is not to blame, so none is named."""
    return replace(error.problem, region="", status=status_of_account(error.error_class.status))


_RUN_DEADLINE: Final = "RunDeadline"


def late_problem(scope: Scope, message: str, *, is_run_over: bool) -> Problem:
    """Make the problem of a scope whose time was up.

    Args:
        scope: the scope.
        message: what was not done.
        is_run_over: it was the time of the whole run, not only that of the scope.
    """
    return problem_of(_RUN_DEADLINE if is_run_over else "ScopeDeadline", "DeadlineExceeded", message, scope)


def is_run_over(failure: Problem) -> bool:
    """Tell whether the time of the whole run was up."""
    return failure.error_class == _RUN_DEADLINE


def problem_at(scope: Scope, code: str, message: str) -> Problem:
    """Make a problem of our own about a scope."""
    return Problem(code, message, RegionStatus.ERROR, "", "", scope.account_id, scope.region)
