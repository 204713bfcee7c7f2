"""Every source server that is known: those of the inventory, and those that staging accounts replicate.

The inventory has what target accounts have. A server that a staging account replicates and no target has yet protects
its instance as well, and only DRS of the staging account shows it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from service.context import RunContext
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.server import SourceServer, name_of_record, parse_server
from service.models import Problem, RegionStatus, Scope
from service.protection.decision import SourceRef
from service.protection.known_servers import KnownServers, read_known_servers
from service.regions.selection import StatusUnavailable
from service.settings import Settings
from service.sync.engine.outcome import account_problem, problem_at, scope_problem
from service.sync.engine.sync import Deps
from service.sync.engine.unknown_scopes import unknown_scopes

__all__ = ["ServersRead", "read_servers", "staging_scopes"]

_SCOPES_AT_ONCE = 8
_FIX = "run drs-sync sync inventory; drs-sync regions says what could not be read"


@dataclass(slots=True)
class ServersRead:
    """The servers that are known, and where there may be others.

    Attributes:
        known: the servers.
        unknown: scopes whose servers are not known; None where that cannot be told.
        problems: why.
    """

    known: KnownServers
    unknown: list[Scope] | None
    problems: list[Problem] = field(default_factory=list)


async def read_servers(context: RunContext, deps: Deps) -> ServersRead:
    """Read the servers of the inventory and of the staging accounts.

    Args:
        context: accounts, and region status by which the scopes with servers are selected.
        deps: of the process.

    Raises:
        AwsError: the inventory table could not be read. A staging account that cannot be read is a problem instead.
    """
    table = deps.table(deps.settings.source_server_inventory_table)
    known = await read_known_servers(table, _server_regions(context, deps.settings))
    unknown = unknown_scopes(context, deps.settings, deps.now())
    read = ServersRead(known, unknown, _missing(unknown))

    async def read_staging(scope: Scope) -> None:
        try:
            async for server in _staging_servers(scope, context, deps, read.problems):
                known.add(server)
        except AwsError as error:
            if error.is_drs_uninitialized:
                return
            is_of_account = error.call.service != "drs"
            read.problems.append(account_problem(error) if is_of_account else scope_problem(error, scope))
            if read.unknown is not None:
                read.unknown.append(scope)

    async with fan_out(staging_scopes(context), read_staging, concurrency=_SCOPES_AT_ONCE) as done:
        async for _ in done:
            pass
    return read


def staging_scopes(context: RunContext) -> list[Scope]:
    """Return the staging accounts that are no targets themselves, each in the regions of its targets' servers."""
    regions: dict[str, set[str]] = {}
    for scope in context.selection.scopes:
        regions.setdefault(scope.account_id, set()).add(scope.region)
    targets = context.directory.targets
    return sorted(
        {
            Scope(staging_id, region)
            for target in targets.values()
            for staging_id in target.staging
            if staging_id not in targets
            for region in regions.get(target.account_id, ())
        }
    )


async def _staging_servers(
    scope: Scope, context: RunContext, deps: Deps, problems: list[Problem]
) -> AsyncIterator[SourceRef]:
    session = await context.access.drs_session(scope)
    async for page in deps.drs(session).source_servers(scope.region):
        for record in page:
            server = parse_server(record, reported_by=scope)
            if isinstance(server, SourceServer):
                yield _ref_of(server, scope)
            else:
                problems.append(problem_at(scope, "UnusableRecord", f"{name_of_record(record)}: {server}"))


def _ref_of(server: SourceServer, scope: Scope) -> SourceRef:
    origin = server.origin(scope)
    instance_id = server.instance_id if origin is not None and server.instance_id else ""
    origins = frozenset() if origin is None else frozenset({origin})
    return SourceRef(server.arn, server.state, instance_id, "", server.recovery_instance or "", origins)


def _missing(unknown: list[Scope] | None) -> list[Problem]:
    """Say which servers may be missing from the inventory: an instance may be protected by one of them."""
    if unknown is None:
        why = "there is no region status, so it is not known whether the inventory has every source server"
    elif unknown:
        why = f"the source servers of {len(unknown)} scopes are not known: they were never read, or too long ago"
    else:
        return []
    message = f"{why}; an instance that counts as unprotected may be protected by one that is missing"
    return [Problem("ServersUnknown", message, RegionStatus.ERROR, advice=_FIX)]


def _server_regions(context: RunContext, settings: Settings) -> list[str]:
    """Return the regions that the inventory may have servers of: all there are, and those of region status."""
    rows = () if isinstance(context.rows, StatusUnavailable) else context.rows
    return [*settings.regions, *(row.region for row in rows)]
