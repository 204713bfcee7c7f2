"""Replication configuration templates by scope, read once an hour however many runs and servers need them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import anyio

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.models import Now, Scope

__all__ = ["Listed", "RunTemplates", "Templates"]

_KEPT_FOR: Final = timedelta(hours=1)

Listed = Sequence[Mapping[str, Any]]


class Templates:
    """A cache of templates that lives as long as the process; what could not be read is not remembered."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._known: dict[Scope, tuple[datetime, Listed]] = {}
        self._locks: dict[Scope, anyio.Lock] = {}

    async def of(self, scope: Scope, drs: DrsReads) -> Listed:
        """Return the templates of a scope, at most an hour old. Raises AwsError when they cannot be read."""
        async with self._locks.setdefault(scope, anyio.Lock()):
            known = self._known.get(scope)
            if known is None or self._now() - known[0] > _KEPT_FOR:
                known = self._known[scope] = self._now(), await drs.templates(scope.region)
            return known[1]


class RunTemplates:
    """Templates as one run reads them: a scope that failed is not read again, however many servers need it."""

    def __init__(self, templates: Templates, drs_of: Callable[[str], Awaitable[DrsReads]]) -> None:
        self._templates = templates
        self._drs_of = drs_of
        self._failures: dict[Scope, AwsError] = {}
        self._locks: dict[Scope, anyio.Lock] = {}

    async def of(self, scope: Scope) -> Listed:
        """Return the templates of a scope, read with the role of its account.

        Raises:
            AwsError: they cannot be read; later calls of the run for the scope raise the same error without a call.
        """
        async with self._locks.setdefault(scope, anyio.Lock()):
            if scope in self._failures:
                raise self._failures[scope]
            try:
                return await self._templates.of(scope, await self._drs_of(scope.account_id))
            except AwsError as error:
                self._failures[scope] = error
                raise
