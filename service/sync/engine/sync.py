"""What a sync has to say of itself. Everything else is the engine's: see `service.sync.engine.runner`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from service.aws.client import AccountSession, AwsClient
from service.aws.drs import DrsReader
from service.aws.dynamodb_write import Table
from service.context import ContextLoader, RunContext, SyncRequest
from service.deadline import Deadline, Shutdown
from service.errors import AwsError, DrsSyncError, problem_of
from service.models import Now, Problem, Scope
from service.regions.scope_state import known_count
from service.regions.selection import StatusUnavailable
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.engine.outcome import ScopeResult, outcome_of
from service.sync.engine.report import RunReport

__all__ = ["Deps", "Run", "RunEndedError", "ScopeScan", "Sync"]


class RunEndedError(DrsSyncError):
    """The run must end now, whatever scope noticed it. Any other error costs only the scope that raised it."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What every run of a process works with."""

    aws_client: AwsClient
    settings: Settings
    status: RegionStatusTable
    now: Now
    shutdown: Shutdown = field(default_factory=Shutdown)

    def context_loader(self) -> ContextLoader:
        """Return what reads the context of a run."""
        return ContextLoader(self.aws_client, self.settings, self.status, self.now)

    def table(self, name: str) -> Table:
        """Return a table of the hub, to read and to write."""
        return Table(self.aws_client.hub(), name, self.aws_client.hub_region)

    def drs(self, session: AccountSession) -> DrsReader:
        """Return DRS of an account, to read."""
        return DrsReader(session, page_size=self.settings.drs_page_size)


@dataclass(frozen=True, slots=True)
class Run:
    """One run under way: what was requested, what is known, by when it must end, and its report so far."""

    request: SyncRequest
    deps: Deps
    context: RunContext
    deadline: Deadline
    started_at: datetime
    report: RunReport

    def is_known_active(self, scope: Scope) -> bool:
        """Whether servers were known in a scope before this run."""
        return scope in self.context.selection.known_active

    def known_count(self, scope: Scope) -> int | None:
        """Return the server count of a scope at its last complete scan before this run; None where there is none."""
        return known_count(self.context.rows, scope)

    async def record(self, what: str, write: Callable[[], Awaitable[object]]) -> Problem | None:
        """Write down what the run has found, also within the grace period after its deadline.

        Args:
            what: is written, for the message.
            write: writes it.

        Returns:
            What went wrong, None when nothing did.
        """
        with self.deadline.grace_period() as cancel_scope:
            try:
                await write()
            except AwsError as error:
                return error.problem
        if not cancel_scope.cancelled_caught:
            return None
        message = f"{self.deadline.reason()} before {what} was written"
        return problem_of("RunDeadline", "DeadlineExceeded", message, Scope("", ""), service="dynamodb")


class ScopeScan:
    """The scan of one scope. Its members stay true when it is cancelled half-way: its result is made of them."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.servers = 0
        self.counts: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.doing = "scan the scope"  # for the message when the time is up

    async def run(self) -> None:
        """Do the work. Whatever it raises becomes a problem of this scope."""
        raise NotImplementedError

    async def close(self) -> None:
        """Keep what was learned, also after `run` was cancelled. Takes a few seconds at most and raises nothing."""

    def result(self, failure: Problem | None, *, known: bool, seconds: float) -> ScopeResult:
        """Say what came of the scan.

        Args:
            failure: what broke it off, if something did.
            known: servers were known in the scope before.
            seconds: how long it took.
        """
        return outcome_of(
            self.scope,
            failure=failure,
            known=known,
            answered=self.servers > 0,
            servers=self.servers,
            counts=self.counts,
            problems=self.problems,
            warnings=self.warnings,
            seconds=seconds,
        )


class Sync:
    """One sync. An instance serves one run: what it learns of single scopes it keeps in itself.

    Attributes:
        operation: its name in reports, logs and metrics.
        counts: members of the report that its scans count.
        deadline_factor: how many times SCOPE_DEADLINE_SECONDS one scope may take.
    """

    operation: ClassVar[str]
    counts: ClassVar[tuple[str, ...]] = ()
    deadline_factor: ClassVar[float] = 1.0

    async def select(self, request: SyncRequest, deps: Deps) -> RunContext:
        """Read accounts and region status, and select the scopes to scan.

        Raises:
            ConfigurationError: the request or the settings are wrong.
            AwsError: the hub's credentials or the target accounts table cannot be used.
        """
        return await deps.context_loader().load(request, operation=self.operation, discover=False)

    async def start(self, run: Run) -> None:
        """Prepare the run, before the first scan."""

    async def enter(self, scope: Scope, run: Run) -> AccountSession:
        """Return the session with which a scope is scanned; by default one that may call DRS there.

        Raises:
            AwsError: the account could not be entered.
        """
        return await run.context.access.drs_session(scope)

    def scan(self, scope: Scope, session: AccountSession, run: Run) -> ScopeScan:
        """Make the scan of a scope. `session` calls AWS as its account."""
        raise NotImplementedError

    async def may_have_servers(self, scope: Scope, run: Run) -> bool:  # noqa: ARG002 - for syncs that know more
        """Tell whether a scope that cannot be reached may have servers, although region status names none.

        Raises:
            AwsError: that could not be read.
        """
        return isinstance(run.context.rows, StatusUnavailable)

    async def collect(self, result: ScopeResult, scan: ScopeScan | None, run: Run) -> None:
        """Take the result of one scope; there is no scan where the account could not be entered."""

    async def finish(self, run: Run) -> Mapping[str, Any]:  # noqa: ARG002 - for syncs that record something
        """Record what the run has learned; return members of the report beside the common ones."""
        return {}
