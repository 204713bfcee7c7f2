"""The scan of one scope under its deadline, and the boundary that keeps whatever goes wrong there to that scope."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from service.aws.call_guard import guarding_calls
from service.errors import AwsError, DrsSyncError
from service.models import Problem, Scope
from service.sync.engine.outcome import (
    ScopeResult,
    account_problem,
    is_unreachable,
    late_problem,
    outcome_of,
    problem_at,
    scope_problem,
)
from service.sync.engine.sync import Run, RunEndedError, ScopeScan, Sync
from service.tenure import Tenure

__all__ = ["Scanned", "ScopeRunner"]

_log: Final = logging.getLogger(__name__)

Scanned = tuple[ScopeResult, ScopeScan | None]
"""The result of one scope and its scan; no scan where the account could not be entered."""


class _ScopeExpiredError(DrsSyncError):
    """The time of a scope was up before a call of it was sent."""


class ScopeRunner:
    """Scans one scope: enters its account, runs the sync's scan, and makes a result of whatever came of it."""

    def __init__(self, sync: Sync, run: Run, scope: Scope) -> None:
        self._sync = sync
        self._run = run
        self._scope = scope
        self._scan: ScopeScan | None = None

    async def scan(self) -> Scanned:
        """Scan the scope, and raise nothing that is about this scope alone."""
        began = anyio.current_time()
        failure = await self._within_deadline()
        if self._scan is not None:
            close_failure = await self._guard(self._scan.close)
            failure = failure or close_failure
        known, seconds = await self._may_have_servers(failure), anyio.current_time() - began
        if self._scan is None:
            return outcome_of(self._scope, failure=failure, known=known, seconds=seconds), None
        return self._scan.result(failure, known=known, seconds=seconds), self._scan

    async def _may_have_servers(self, failure: Problem | None) -> bool:
        """Tell whether a scope that could not be scanned is one to worry about."""
        if self._run.is_known_active(self._scope) or failure is None or not is_unreachable(failure):
            return self._run.is_known_active(self._scope)
        may_have: list[bool] = []
        with self._run.deadline.grace_period():
            try:
                may_have.append(await self._sync.may_have_servers(self._scope, self._run))
            except AwsError as error:
                _log.warning("cannot tell whether servers are known", extra={"scope": self._scope, "why": str(error)})
        return all(may_have) if may_have else True

    async def _within_deadline(self) -> Problem | None:
        """Try the scope until its time is up; return what broke the scan off, None when nothing did.

        A process that was suspended meanwhile sends no call of the scan any more: what it listed is outdated.
        """
        deadline, settings = self._run.deadline, self._run.deps.settings
        scope_limit_s = self._sync.deadline_factor * settings.scope_deadline_seconds
        remaining_s = min(scope_limit_s, deadline.remaining_s())
        if remaining_s <= 0:
            return late_problem(self._scope, f"{deadline.reason()} before this scope's turn", is_run_over=True)
        failure: Problem | None = None
        tenure, is_late = Tenure(remaining_s, self._run.deps.now), False

        def refuse_late_call() -> None:
            if not tenure.is_sure:
                raise _ScopeExpiredError

        with deadline.cancel_scope(remaining_s) as cancel_scope, guarding_calls(refuse_late_call):
            try:
                failure = await self._guard(self._enter_and_run)
            except _ScopeExpiredError:
                is_late = True
        if not (is_late or cancel_scope.cancelled_caught):
            return failure
        doing = self._scan.doing if self._scan else "assume the role of the account"
        if deadline.is_over:
            return late_problem(
                self._scope, f"{deadline.reason()} before this scope was done: {doing}", is_run_over=True
            )
        return late_problem(self._scope, f"not done within {remaining_s:.0f} s: {doing}", is_run_over=False)

    async def _enter_and_run(self) -> None:
        session = await self._sync.enter(self._scope, self._run)
        self._scan = self._sync.scan(self._scope, session, self._run)
        await self._scan.run()

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> Problem | None:
        """Do work of the scope. The one place where what a scope raises becomes its problem.

        Raises:
            RunEndedError: the run must end, whatever scope noticed it.
            _ScopeExpiredError: a call was to be sent after the scope's time was up.
        """
        try:
            await work()
        except AwsError as error:
            is_of_account = self._scan is None and error.call.service != "drs"
            return account_problem(error) if is_of_account else scope_problem(error, self._scope)
        except (RunEndedError, _ScopeExpiredError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one scope costs that scope; the log has its trace
            _log.exception("scan failed unexpectedly", extra={"operation": self._sync.operation, "scope": self._scope})
            message = f"unexpected {type(error).__name__} in the scan of this scope; the log has the trace"
            return problem_at(self._scope, "InternalError", message)
        return None
