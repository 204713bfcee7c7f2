"""The scan of one account and region: lists its EC2 instances, decides about each, and keeps the summary."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.errors import AwsError
from service.models import Now, Problem, Scope
from service.protection.decision import Instance, ProtectionTally, ServerIndex, TagFilter, decide
from service.sync.engine.outcome import ScopeResult, outcome_of, scope_problem
from service.sync.engine.sync import ScopeScan

__all__ = ["COUNTS", "CoverageScan", "InstanceListing", "ScanTools"]

COUNTS = ("instancesProtected", "instancesUnprotected", "instancesLeftOut")
"""What a scan counts, by the report's names."""


class InstanceListing(Protocol):
    """The EC2 read that the scan needs, in one account."""

    def every_instance(self, region: str) -> AsyncGenerator[list[tuple[str, dict[str, Any]]], None]:
        """Yield every instance of a region, page by page, each with its owner. Raises AwsError."""
        ...


@dataclass(frozen=True, slots=True)
class ScanTools:
    """What every scope of a run shares.

    Args:
        servers: every source server that is known.
        tags: tags that an instance must have.
        keep: writes the summary of a scope; None where none is to be kept.
        now: the wall clock.
    """

    servers: ServerIndex
    tags: TagFilter
    keep: Callable[[Scope, ProtectionTally, datetime], Awaitable[object]] | None
    now: Now


class CoverageScan(ScopeScan):
    """One scope under way.

    Attributes:
        tally: the instances seen so far.
        is_read: EC2 has shown its last page.
        started_at: when it began.
    """

    def __init__(self, scope: Scope, ec2: InstanceListing, tools: ScanTools) -> None:
        super().__init__(scope)
        self.tally = ProtectionTally()
        self.is_read = False
        self.started_at = tools.now()
        self.doing = "list the EC2 instances"
        self._ec2 = ec2
        self._tools = tools
        self._has_page = False

    async def run(self) -> None:
        """List the instances to the last page, and keep the summary only then."""
        seen: set[str] = set()
        async with aclosing(self._ec2.every_instance(self.scope.region)) as pages:
            async for page in pages:
                self._has_page = True
                for owner, record in page:
                    if record["InstanceId"] not in seen:  # one may show up again when pages shift under the listing
                        seen.add(record["InstanceId"])
                        self._add(Instance.of(record, owner))
        self.is_read = True
        if self._tools.keep is not None:
            self.doing = "write the summary"
            try:
                await self._tools.keep(self.scope, self.tally, self.started_at)
            except AwsError as error:
                self.problems.append(scope_problem(error, self.scope))

    def _add(self, instance: Instance) -> None:
        tools = self._tools
        verdict = decide(instance, account_id=self.scope.account_id, servers=tools.servers, tags=tools.tags)
        self.tally.add(instance, verdict)

    def result(self, failure: Problem | None, *, known: bool, seconds: float) -> ScopeResult:
        """Say what came of the scan."""
        tally = self.tally
        numbers = (tally.protected, len(tally.unprotected), tally.left_out.total())
        return outcome_of(
            self.scope,
            failure=failure,
            known=known,
            answered=self.is_read or self._has_page,
            counts=dict(zip(COUNTS, numbers, strict=True)),
            problems=self.problems,
            warnings=self.warnings,
            seconds=seconds,
        )
