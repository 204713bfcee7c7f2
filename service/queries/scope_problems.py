"""Problems of scopes that a query could not read, or not in full. Pure."""

from __future__ import annotations

from dataclasses import replace

from service.errors import problem_of
from service.models import Problem, RegionStatus, Scope
from service.queries.freshness import ScopeFreshness
from service.queries.read_result import DataSource, ScopeReadResult

__all__ = ["failed", "late", "left_out", "not_reached", "with_hint"]


def not_reached(region: str, seconds: float, *, read: int, scopes: int, has_pages: bool) -> Problem:
    """Return the problem of a scope that a query with filters has not read to its end.

    Args:
        region: its region. Its account is left out, so that an answer has this once.
        seconds: QUERY_DEADLINE_SECONDS.
        read: how many accounts and regions were read.
        scopes: how many there are.
        has_pages: the answer has a token that continues there.
    """
    text = f"not read within {seconds:g} seconds; {read} of {scopes} accounts and regions were"
    scope = Scope("", region)
    problem = problem_of("QueryDeadline", "DeadlineExceeded", text, scope, service="dynamodb", operation="Query")
    fix = "name fewer accounts or regions, or raise QUERY_DEADLINE_SECONDS"
    return replace(problem, advice=f"continue with nextToken, {fix}" if has_pages else fix)


def failed(scope: Scope, problem: Problem) -> ScopeReadResult:
    """Return the result of a scope that could not be read."""
    problem = replace(problem, account_id=scope.account_id, region=scope.region)
    return ScopeReadResult(scope, DataSource.NONE, problem=problem, status=problem.status)


def with_hint(result: ScopeReadResult, hint: str) -> ScopeReadResult:
    """Add to the fix of a failure that the name of the region may be wrong, where there is such a hint."""
    if not hint or result.problem is None:
        return result
    advice = f"{hint} Else: {result.problem.advice}" if result.problem.advice else hint
    return replace(result, problem=replace(result.problem, advice=advice))


def left_out(scope: Scope, freshness: ScopeFreshness) -> tuple[Problem, ...]:
    """Name the servers that the last scan has shown and the inventory cannot hold."""
    if not freshness.unusable:
        return ()
    more = freshness.unusable - len(freshness.unusable_names)
    named = ", ".join(freshness.unusable_names) + (f" and {more} more" if more > 0 else "")
    message = f"{named}: the inventory cannot hold the record that DRS returned"
    fix = "the report of the next inventory sync says why; look at the server in the account's DRS console"
    return (Problem("UnusableRecord", message, RegionStatus.ERROR, "", "", *scope, advice=fix),)


def late(name: str, service: str, operation: str) -> Problem:
    """Return the problem of a table or service that did not answer in time."""
    nowhere, text = Scope("", ""), f"{name} did not answer in time"
    return problem_of("QueryDeadline", "DeadlineExceeded", text, nowhere, service=service, operation=operation)
