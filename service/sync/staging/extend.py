"""Extending the planned servers of one pair: one call each, and a look-up of what became of unclear ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from service.aws.drs import DrsReads
from service.aws.drs_write import DrsWriter
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Problem
from service.sync.extension_plan import Plan, Unread
from service.sync.extensions import QUOTA_CODE, pair_problem, read_extended_of

__all__ = ["Extension", "ExtensionCounts"]

_log = logging.getLogger(__name__)
_MAX_PROBLEMS: Final = 10  # per pair; the log has them all


@dataclass(slots=True)
class ExtensionCounts:
    """What came of one pair's servers so far: each is counted once, as soon as that is known."""

    extended: int = 0
    already: int = 0
    failed: int = 0
    vanished: int = 0
    held_back: int = 0
    is_full: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """The same by the report's names."""
        return {
            "serversExtended": self.extended,
            "serversAlreadyExtended": self.already,
            "serversFailed": self.failed,
            "serversVanished": self.vanished,
            "serversHeldBack": self.held_back,
        }


class _Attempt(Enum):
    EXTENDED = auto()
    UNCLEAR = auto()
    REFUSED = auto()
    NOT_TRIED = auto()


class Extension:
    """Extends what is planned for one pair. `counts` stays true when it is cancelled half-way.

    DRS documents no answer for a server that is extended already, and an answer may be lost on its way. So whatever is
    neither done nor plainly refused is looked up afterwards in the target: what is there counts as done, be it by us or
    by another run at the same time. A refusal that holds for all (denied, quota) ends the pair.
    """

    def __init__(self, plan: Plan, drs: DrsReads, writer: DrsWriter) -> None:
        self.counts = ExtensionCounts()
        self._plan = plan
        self._drs = drs
        self._writer = writer
        self._refusals: dict[str, AwsError] = {}
        self._is_ended = False

    async def apply(self, *, concurrency: int) -> None:
        """Extend each planned server by one call; never raises because of a server."""
        unclear: list[str] = []
        async with fan_out(self._plan.extend, self._extend, concurrency=concurrency) as attempts:
            async for arn, attempt in attempts:
                self.counts.extended += attempt is _Attempt.EXTENDED
                self.counts.failed += attempt is _Attempt.REFUSED
                self.counts.held_back += attempt is _Attempt.NOT_TRIED
                if attempt is _Attempt.UNCLEAR:
                    unclear.append(arn)
        if unclear:
            await self._look_up(unclear)
        self._explain({arn: error for arn, error in self._refusals.items() if arn not in unclear})

    async def _extend(self, arn: str) -> tuple[str, _Attempt]:
        if self._is_ended:
            return arn, _Attempt.NOT_TRIED
        try:
            await self._writer.extend(self._plan.pair.region, arn)
        except AwsError as error:
            self._refusals[arn] = error
            if error.error_class.status.is_denied or error.code == QUOTA_CODE:
                self._is_ended = True
                self.counts.is_full = self.counts.is_full or error.code == QUOTA_CODE
                return arn, _Attempt.REFUSED
            return arn, _Attempt.UNCLEAR
        return arn, _Attempt.EXTENDED

    async def _look_up(self, arns: Sequence[str]) -> None:
        """Look up in the target what became of servers whose extension failed in an unclear way."""
        present = await read_extended_of(self._plan.pair, self._drs)
        if isinstance(present, Unread):
            self.counts.failed += len(arns)
            self.counts.problems.append(present.problem)
            return
        unexplained: dict[str, AwsError] = {}
        for arn in arns:
            error = self._refusals[arn]
            if arn in present:
                self.counts.already += 1
            elif error.code == "ResourceNotFoundException":
                self.counts.vanished += 1  # it left the staging account between the list and the call
            else:
                self.counts.failed += 1
                unexplained[arn] = error
        self._explain(unexplained)

    def _explain(self, errors: Mapping[str, AwsError]) -> None:
        pair = self._plan.pair
        for arn, error in errors.items():
            _log.warning("server not extended", extra={"server": arn, "target": pair.target, "code": error.code})
            if len(self.counts.problems) < _MAX_PROBLEMS:
                self.counts.problems.append(pair_problem(error, pair))
