"""Odd answers: well-formed responses of DRS that are not true, each given once; the next call gets the true answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from service.models import Scope
from tests.simulation.dynamodb import ServiceError

__all__ = ["ODD_ANSWERS", "OddAnswer", "OddAnswers", "OddError"]

ODD_ANSWERS: Final = ("uninitialized", "empty", "a third")
"""What DRS may claim once of a scope with servers: never initialized, no server, only the first third of them."""


class OddAnswer(dict[str, Any]):
    """Listing that is not true."""


class OddError(ServiceError):
    """Error response that is not true."""


@dataclass(slots=True)
class OddAnswers:
    """The odd answers that the first page of the next listing of a scope gets. A scope gets one at most."""

    armed: dict[Scope, str] = field(default_factory=dict)
    _given: set[Scope] = field(default_factory=set)

    def arm(self, scope: Scope, kind: str) -> None:
        """Give one odd answer at the next listing of a scope, unless the scope had one already."""
        if scope not in self._given:
            self._given.add(scope)
            self.armed[scope] = kind

    def of(
        self, scope: Scope, params: Mapping[str, Any], servers: Sequence[Mapping[str, Any]], stored: Collection[str]
    ) -> OddAnswer | None:
        """Return the odd answer to a listing of a scope with these servers; None where the answer is to be true.

        A third of a list shows less than half of the stored servers: the engine believes a list that shows more.

        Raises:
            OddError: DRS claims that it was never initialized.
        """
        if not servers or scope not in self.armed or not params.keys().isdisjoint({"nextToken", "filters"}):
            return None
        kind = self.armed.pop(scope)
        if kind == "uninitialized":
            raise OddError("UninitializedAccountException", "Account not initialized")
        shown = [*servers[: len(servers) // 3]] if kind == "a third" else []
        known = [each for each in servers if each["arn"] in stored]
        while 2 * len(overlap := [each for each in shown if each in known]) >= len(known) and overlap:
            shown.remove(overlap[0])
        return OddAnswer(items=[dict(each) for each in shown])
