"""Staging and target accounts: servers that replicate in one account and are extended into another."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from . import shapes
from .exceptions import (
    AccessDeniedException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from .records import SourceServer, locked
from .servers import ServersBackend
from .shapes import Record
from .validation import check_tags

_UNREACHABLE = "The staging source server cannot be reached: it was deleted, or its account no longer trusts this one."
_INHERITED_MEMBERS = (
    "agentVersion",
    "sourceCloudProperties",
    "sourceProperties",
    "dataReplicationInfo",
    "sourceNetworkID",
)


class StagingBackend(ServersBackend):
    """Multi-account operations of DRS."""

    max_source_servers = 4000
    # AWS does not document what happens when a server is extended twice; the operation models no conflict.
    repeat_extension_is_error = True

    @locked
    def trust(self, target_account_id: str) -> None:
        """Allow another account to extend servers of this one, as a DRSStagingAccountRole does."""
        self.trusted_accounts.add(target_account_id)

    def describe_source_servers(
        self, ids: Collection[str], staging_accounts: Collection[str], hardware_id: str | None
    ) -> list[SourceServer]:
        """List servers that match all given filters; ids that do not exist are left out (inferred)."""
        servers = list(self.source_servers.values())
        for server in servers:
            self._refresh(server)
        return [
            server
            for server in servers
            if (not ids or server.source_server_id in ids)
            and (not staging_accounts or server.record["stagingArea"]["stagingAccountID"] in staging_accounts)
            and (not hardware_id or hardware_id in server.hardware_ids)
        ]

    def replication_configuration_of(self, source_server_id: str) -> Record:
        """Return a server's configuration; an extended server has that of its staging server (inferred)."""
        server = self.server(source_server_id)
        origin = self._origin_of(server)
        if origin is None:
            return server.replication_configuration
        return {**origin.replication_configuration, "sourceServerID": source_server_id}

    def snapshots_of(self, source_server_id: str) -> list[Record]:
        """Return a server's recovery snapshots; an extended server has those of its staging server."""
        server = self.source_servers.get(source_server_id)
        if server is None:
            return []
        origin = self._origin_of(server)
        snapshots = server.snapshots if origin is None else origin.snapshots
        return [{**each, "sourceServerID": source_server_id} for each in snapshots]

    def _origin_of(self, server: SourceServer) -> SourceServer | None:
        """Return the staging server of an extended one; None when it is gone or its account does not trust this one."""
        parsed_arn = shapes.parse_server_arn(server.staging_arn or "")
        if parsed_arn is None or not self.can_reach(parsed_arn.region):
            return None
        staging = self.peer(parsed_arn.account, parsed_arn.region)
        return staging.source_servers.get(parsed_arn.server_id) if self.account_id in staging.trusted_accounts else None

    def _refresh(self, server: SourceServer) -> None:
        """Update an extended record from its staging server; without that, it stays with status EXTENSION_ERROR."""
        if server.staging_arn is None:
            return
        origin, area = self._origin_of(server), server.record["stagingArea"]
        if origin is None and area["status"] == "EXTENSION_ERROR":
            return
        if origin is None:
            server.record["stagingArea"] = {**area, "status": "EXTENSION_ERROR", "errorMessage": _UNREACHABLE}
            return
        if area["status"] != "EXTENDED":
            remaining = {name: value for name, value in area.items() if name != "errorMessage"}
            server.record["stagingArea"] = {**remaining, "status": "EXTENDED"}
        server.record.update({name: origin.record[name] for name in _INHERITED_MEMBERS if name in origin.record})

    def list_extensible_source_servers(self, staging_account_id: str) -> list[SourceServer]:
        """List the servers of a staging account in this region that are not extended into this account yet."""
        staging = self.peer(staging_account_id, self.region_name)
        self._require_trust(staging, f"drs:ListExtensibleSourceServers on account {staging_account_id}")
        servers = staging.source_servers.values()
        return [server for server in servers if server.staging_arn is None and server.arn not in self.extended]

    def list_staging_accounts(self) -> list[str]:
        """List staging accounts that have a server extended into this account; DRS shows no others."""
        servers = (each for copies in self.extended.values() for each in copies.values())
        return sorted({each.record["stagingArea"]["stagingAccountID"] for each in servers})

    @locked
    def extend(self, staging_arn: str, tags: Mapping[str, str] | None = None) -> SourceServer:
        """Create an extended source server, in the region of its staging server (inferred)."""
        check_tags(tags or {})
        origin = self._require_extensible(staging_arn)
        existing = next(iter(self.extended.get(staging_arn, {}).values()), None)
        if existing is not None:
            if self.repeat_extension_is_error:
                raise ValidationException(
                    "The source server is already extended into this account.",
                    ("sourceServerArn", "already extended"),
                )
            return existing
        if len(self.source_servers) >= self.max_source_servers:
            raise ServiceQuotaExceededException("Too many source servers in this account and region.", "L-E28BE5E0")
        return self._add_extended(origin, tags or {})

    def _require_extensible(self, staging_arn: str) -> SourceServer:
        parsed_arn = shapes.parse_server_arn(staging_arn)
        if parsed_arn is None or parsed_arn.region != self.region_name or parsed_arn.account == self.account_id:
            raise ValidationException(
                "Only a source server of another account and this region can be extended.",
                ("sourceServerArn", "must name a source server of another account and this region"),
            )
        staging = self.peer(parsed_arn.account, parsed_arn.region)
        self._require_trust(staging, f"drs:CreateExtendedSourceServer on {staging_arn}")
        origin = staging.source_servers.get(parsed_arn.server_id)
        if origin is None or origin.arn != staging_arn:  # the id may match in another partition
            raise ResourceNotFoundException("SourceServer", staging_arn)
        if origin.staging_arn is not None:
            raise ValidationException(
                "An extended source server cannot be extended.", ("sourceServerArn", "is an extended source server")
            )
        return origin

    def _add_extended(self, origin: SourceServer, tags: Mapping[str, str]) -> SourceServer:
        inherited = {name: origin.record[name] for name in _INHERITED_MEMBERS if name in origin.record}
        parsed_arn = shapes.parse_server_arn(origin.arn)
        area = {
            "status": "EXTENDED",
            "stagingAccountID": parsed_arn.account if parsed_arn else "",
            "stagingSourceServerArn": origin.arn,
        }
        return self.add_source_server(
            {**inherited, "stagingArea": area, "tags": tags},
            replication_configuration=origin.replication_configuration,
        )

    def _require_trust(self, staging: StagingBackend, action: str) -> None:
        staging.require_initialized()
        if self.account_id not in staging.trusted_accounts:
            raise AccessDeniedException(
                f"Account {self.account_id} is not authorized to perform: {action}: "
                "the staging account does not trust this account"
            )
