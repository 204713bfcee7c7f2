"""DRSBackend: Elastic Disaster Recovery in one account and region.

The class is built by inheritance, one module per layer: servers, staging, jobs, recovery, failback, launch,
networks, plans, plan executions. This module adds the operations that need all layers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict

from .clock import drs_clock
from .exceptions import ConflictException, ResourceNotFoundException
from .plan_executions import PlanExecutionsBackend
from .records import SourceServer, locked
from .shapes import Record
from .validation import check_tags

# Regions that have DRS but are missing in the installed botocore.
_NEWER_REGIONS = ["ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "mx-central-1"]


class DRSBackend(PlanExecutionsBackend):
    """DRS in one account and region."""

    # Replication

    def start_replication(self, source_server_id: str) -> SourceServer:
        """Restart a stopped replication from the initial sync, because its snapshots were deleted."""
        server = self.own_server(source_server_id)
        if server.state != "STOPPED":
            raise ConflictException("The replication is not stopped.", "SourceServer", source_server_id)
        if self.replicating_count() >= self.max_replicating_servers:
            # The operation does not model ServiceQuotaExceededException; a conflict is inferred.
            raise ConflictException("Too many replicating source servers.", "SourceServer", source_server_id)
        server.transition_to("INITIATING", "INITIAL_SYNC", "CONTINUOUS")
        return server

    def stop_replication(self, source_server_id: str) -> SourceServer:
        """Stop a replication and delete its snapshots."""
        server = self.own_server(source_server_id)
        if server.state == "DISCONNECTED":
            raise ConflictException("The source server is disconnected.", "SourceServer", source_server_id)
        server.transition_to("STOPPED")
        return server

    def retry_data_replication(self, source_server_id: str) -> SourceServer:
        """Restart a stalled replication."""
        server = self.server(source_server_id)
        if server.staging_arn is None and server.state == "STALLED":
            server.transition_to("INITIATING", "INITIAL_SYNC", "CONTINUOUS")
        return server

    def disconnect_source_server(self, source_server_id: str) -> SourceServer:
        """Disconnect the agent immediately; rejected while the server has a recovery instance."""
        server = self.own_server(source_server_id)
        self._require_no_instance(server)
        server.transition_to("DISCONNECTED")
        return server

    def delete_source_server(self, source_server_id: str) -> None:
        """Delete a disconnected server, or an extended server without changing its replication."""
        server = self.server(source_server_id)
        if server.staging_arn is None and server.state != "DISCONNECTED":
            raise ConflictException("Disconnect the source server first.", "SourceServer", source_server_id)
        self._require_no_instance(server)
        self.discard_source_server(source_server_id)

    def _require_no_instance(self, server: SourceServer) -> None:
        if server.source_server_id in self.busy_servers() or self.instances_of(server.source_server_id):
            raise ConflictException(
                "The source server has a recovery instance or a job.", "SourceServer", server.source_server_id
            )

    # Tags

    def tags_of(self, resource_arn: str) -> dict[str, str]:
        """Return the tags of any resource, even where DRS is not initialized: no tag operation models that error."""
        for resource in self.resources():
            if resource.arn == resource_arn:
                tags: Record = resource.record["tags"]
                return tags
        raise ResourceNotFoundException("Resource", resource_arn)

    def tag_resource(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        """Add tags; existing keys are overwritten, others stay."""
        existing = self.tags_of(resource_arn)
        check_tags(tags, existing)
        existing.update(tags)

    def untag_resource(self, resource_arn: str, tag_keys: Collection[str]) -> None:
        """Remove tags; unknown keys are ignored."""
        existing = self.tags_of(resource_arn)
        for key in tag_keys:
            existing.pop(key, None)


class DRSBackends(BackendDict[DRSBackend]):
    """All backends, which the clock moves together."""

    def existing(self) -> Iterator[DRSBackend]:
        """Yield the backends that were used so far; moto creates one whenever it is asked for."""
        for account_id in list(self.keys()):
            account = self[account_id]
            for region_name in list(account.keys()):
                yield account[region_name]

    @locked
    def step(self) -> bool:
        """Advance all backends by one step; returns whether anything was moving before it."""
        backends = list(self.existing())
        was_moving = any(backend.is_moving for backend in backends)
        for backend in backends:
            backend.advance()
        return was_moving

    @locked
    def catch_up(self) -> None:
        """End what the clock has passed in all backends."""
        self[DEFAULT_ACCOUNT_ID]  # moto resets, and the clock with it, only what has an account
        for backend in self.existing():
            backend.catch_up()

    def clear(self) -> None:
        """Remove all backends, as moto does when it resets everything, and set the clock back."""
        super().clear()
        drs_clock.reset()


drs_backends = DRSBackends(DRSBackend, "drs", additional_regions=_NEWER_REGIONS)
drs_clock.drive(drs_backends.step, drs_backends.catch_up)
DRSBackend.peers = drs_backends
