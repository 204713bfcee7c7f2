"""Replication templates and configurations of the servers of one scope, read where each server replicates."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import anyio

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.server import SourceServer
from service.models import Problem, Scope
from service.sync.inventory.copies import problem_of_server
from service.sync.inventory.templates import Listed
from service.sync.inventory.tools import ScanTools
from service.sync.inventory.topology_warnings import templates_problem

__all__ = ["ReplicationReader"]

_log: Final = logging.getLogger(__name__)

# Whether GetReplicationConfiguration takes the id of an extended server is not documented.
_NOT_HERE: Final = frozenset({"ResourceNotFoundException", "ValidationException"})


class ReplicationReader:
    """Reads for one scan. An extended server replicates in its staging account, which is read with that one's role."""

    def __init__(self, scope: Scope, drs: DrsReads, tools: ScanTools) -> None:
        self._scope = scope
        self._drs = drs
        self._tools = tools
        self._templates: dict[Scope, Listed | None] = {}
        self._closed: set[Scope] = set()
        self._tried: set[str] = set()
        self._time: tuple[float, float] | None = None  # when the first read began, and the seconds that were left then

    def templates_of(self, server: SourceServer) -> Listed | None:
        """Return the templates that were read for a server; None if they could not be read."""
        return self._templates.get(server.replication_scope(self._scope))

    async def read_templates(self, servers: Iterable[SourceServer]) -> list[Problem]:
        """Read the templates for servers, each scope once per scan. Returns warnings about what could not be read."""
        warnings: list[Problem] = []
        scopes = {server.replication_scope(self._scope) for server in servers}
        for scope in sorted(scopes - self._templates.keys()):
            self._templates[scope] = None
            try:
                self._templates[scope] = await self._tools.templates.of(scope)
            except AwsError as error:
                warnings.append(templates_problem(error, scope, self._scope))
        return warnings

    def next_to_read(self, servers: Iterable[SourceServer]) -> list[SourceServer]:
        """Return the servers whose configuration is read next: not tried yet, and within the budget of calls."""
        reads_left = max(0, self._tools.settings.topology_reads_per_scope - len(self._tried))
        return [each for each in servers if each.arn not in self._tried][:reads_left]

    async def configurations(
        self, servers: Iterable[SourceServer], *, share: float
    ) -> tuple[dict[str, Mapping[str, Any]], list[Problem]]:
        """Read replication configurations, each once per scan, as far as time and the budget of calls go.

        Args:
            servers: the servers.
            share: share of the scope's time after which no more is read; the next run reads the rest.

        Returns:
            What was read, by the ARN of the server, and warnings about what could not be read.
        """
        settings = self._tools.settings
        todo = self.next_to_read(servers)
        found: dict[str, Mapping[str, Any]] = {}
        warnings: list[Problem] = []

        async def read(server: SourceServer) -> None:
            self._tried.add(server.arn)
            try:
                found[server.arn] = await self._configuration_of(server)
            except AwsError as error:
                warnings.append(problem_of_server(server.server_id, error))

        began, time_s = self._time = self._time or (anyio.current_time(), self._tools.scope_time_s())
        with anyio.CancelScope(deadline=began + share * time_s):
            async with fan_out(todo, read, concurrency=settings.drs_calls_at_once) as done:
                async for _ in done:
                    pass
        if len(found) + len(warnings) < len(todo):
            facts = {"scope": self._scope, "read": len(found), "left": len(todo) - len(found) - len(warnings)}
            _log.info("no time left for replication configurations, which the next scan reads", extra=facts)
        return found, warnings

    async def _configuration_of(self, server: SourceServer) -> Mapping[str, Any]:
        """Read the replication configuration here; where that is refused for an extended server, where it replicates.

        Raises:
            AwsError: it could not be read in either account. A staging account that failed is not entered again.
        """
        replicating = server.replication_scope(self._scope)
        try:
            return await self._drs.replication_configuration(self._scope.region, server.server_id)
        except AwsError as error:
            is_refused = error.error_class.status.is_denied or error.code in _NOT_HERE
            if replicating == self._scope or replicating in self._closed or not is_refused:
                raise
        try:
            drs = await self._tools.drs_of(replicating.account_id)
            return await drs.replication_configuration(replicating.region, server.lineage.rpartition("/")[2])
        except AwsError:
            self._closed.add(replicating)
            raise
