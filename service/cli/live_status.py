"""What a person sees of a running sync: what it has found, what it waits for, and whether AWS slows it down. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Final

from service.aws.call_counter import CallCounter
from service.models import Scope
from service.regions.selection import Selection
from service.sync.engine.outcome import ScopeResult

__all__ = ["LiveStatus"]

_MAX_NAMED: Final = 2  # scopes or regions by name; the others are counted


class LiveStatus:
    """State of a running sync, grown by its progress."""

    def __init__(self) -> None:
        self._calls = CallCounter()
        self._pending: set[Scope] = set()
        self.is_planned = False
        self._last = ""
        self._servers = self._failed = 0

    def started(self, calls: CallCounter) -> None:
        """Keep the counter of the run's calls, which grows."""
        self._calls = calls

    def planned(self, selection: Selection) -> None:
        """Keep the scopes to scan."""
        self._pending = set(selection.scopes)
        self.is_planned = True

    def scanned(self, result: ScopeResult) -> None:
        """Count one scope that is done."""
        self._servers += result.servers
        self._failed += bool(result.problems)
        self._last = result.scope.region
        self._pending.discard(result.scope)

    def lines(self) -> tuple[str, str]:
        """Return one line of what was found, and one of what goes on; neither depends on the width of the terminal."""
        calls = sum(self._calls.calls.values())
        found = [f"{self._servers:,} servers so far", f"{calls:,} calls"]
        if self._calls.throttled:
            found.append(f"{self._calls.throttled:,} throttled by AWS and repeated")
        if self._failed:
            found.append(f"{self._failed:,} scope{'' if self._failed == 1 else 's'} with problems")
        return ", ".join(found), self._activity()

    def _activity(self) -> str:
        if not self._pending:
            return "writing what was found"
        regions = Counter(scope.region for scope in self._pending)
        if len(self._pending) <= _MAX_NAMED:
            waiting = ", ".join(f"{scope.account_id} {scope.region}" for scope in sorted(self._pending))
        else:
            named = sorted(regions, key=lambda region: (-regions[region], region))
            rest = len(named) - _MAX_NAMED
            waiting = ", ".join(named[:_MAX_NAMED])
            waiting += f" and {rest} more region{'' if rest == 1 else 's'}" if rest > 0 else ""
        return f"waiting for {waiting}" + (f"; {self._last} answered last" if self._last else "")
