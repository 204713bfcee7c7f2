"""Source servers of one account and region, with their configurations and templates."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Self

from moto.core.base_backend import BaseBackend
from moto.core.exceptions import ServiceException
from moto.utilities.utils import get_partition

from . import shapes
from .exceptions import (
    ConflictException,
    ResourceNotFoundException,
    UninitializedAccountException,
    ValidationException,
)
from .records import Job, RecoveryInstance, ReplicationConfigurationTemplate, Resource, SourceServer, locked
from .shapes import Record
from .validation import check_tags


class ServersBackend(BaseBackend):
    """State of one account and region."""

    peers: ClassVar[Any]  # all backends by account and region; set once the final class is defined

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.initialized = False
        self.source_servers: dict[str, SourceServer] = {}
        self.extended: dict[str, dict[str, SourceServer]] = {}  # by ARN of the staging server, then by id
        self.templates: dict[str, ReplicationConfigurationTemplate] = {}
        self.trusted_accounts: set[str] = set()
        self.jobs: dict[str, Job] = {}
        self.recovery_instances: dict[str, RecoveryInstance] = {}
        self.planned_errors: deque[ServiceException] = deque()

    def resources(self) -> Iterator[Resource]:
        """Yield everything that has an ARN and tags; each layer adds what it keeps."""
        yield from self.source_servers.values()
        yield from self.templates.values()

    def arn_of(self, kind: str, resource_id: str) -> str:
        return f"arn:{self.partition}:drs:{self.region_name}:{self.account_id}:{kind}/{resource_id}"

    def peer(self, account_id: str, region_name: str) -> Self:
        """Return the backend of another account or region in the same partition."""
        if not self.can_reach(region_name):
            raise ValidationException(f"There is no region {region_name}.", reason="other")
        backend: Self = self.peers[account_id][region_name]
        return backend

    def can_reach(self, region_name: str) -> bool:
        return region_name in self.peers[self.account_id] and get_partition(region_name) == self.partition

    def peer_server(self, arn: str) -> SourceServer | None:
        """Find a server in any account and region of the same partition."""
        parsed_arn = shapes.parse_server_arn(arn)
        if parsed_arn is None or not self.can_reach(parsed_arn.region):
            return None
        return self.peer(parsed_arn.account, parsed_arn.region).source_servers.get(parsed_arn.server_id)

    def initialize_service(self) -> None:
        """Initialize DRS in the region; this creates no template."""
        self.initialized = True

    def require_initialized(self) -> None:
        if not self.initialized:
            raise UninitializedAccountException

    @locked
    def fail_next(self, *errors: ServiceException) -> None:
        """Raise the given errors on the next requests, one each, as a busy or broken service would."""
        self.planned_errors.extend(errors)

    def raise_planned_error(self) -> None:
        if self.planned_errors:
            raise self.planned_errors.popleft()

    # Source servers

    @locked
    def add_source_server(
        self,
        record: Mapping[str, Any],
        *,
        replication_configuration: Mapping[str, Any] | None = None,
        launch_configuration: Mapping[str, Any] | None = None,
    ) -> SourceServer:
        """Add a server as its agent would; missing members of `record` get defaults."""
        full = self._with_defaults(record)
        template = next(iter(self.templates.values()), None)
        configuration = shapes.default_replication_configuration(full, template.record if template else {})
        own_id = {"sourceServerID": full["sourceServerID"]}
        server = SourceServer(
            full,
            {**shapes.merged(configuration, replication_configuration or {}), **own_id},
            {**shapes.merged(shapes.default_launch_configuration(full), launch_configuration or {}), **own_id},
        )
        self.discard_source_server(server.source_server_id)
        self.source_servers[server.source_server_id] = server
        if server.staging_arn is not None:
            self.extended.setdefault(server.staging_arn, {})[server.source_server_id] = server
        return server

    def _with_defaults(self, record: Mapping[str, Any]) -> Record:
        server_id = str(record.get("sourceServerID") or shapes.new_id("s-"))
        base = shapes.default_server(self.arn_of("source-server", server_id), server_id, self.account_id)
        full = shapes.merged(base, record)
        replication = full.get("dataReplicationInfo", {})
        state = replication.get("dataReplicationState", "CONTINUOUS")
        disks = full["sourceProperties"].get("disks", [])
        full["dataReplicationInfo"] = shapes.merged(
            shapes.replication_info(state, f"{self.region_name}a", disks), record.get("dataReplicationInfo") or {}
        )
        return full

    @locked
    def remove_source_server(self, source_server_id: str) -> None:
        """Remove a server without any checks; unknown ids are ignored."""
        self.discard_source_server(source_server_id)

    def discard_source_server(self, source_server_id: str) -> None:
        server = self.source_servers.pop(source_server_id, None)
        if server is None or server.staging_arn is None:
            return
        copies = self.extended[server.staging_arn]
        del copies[source_server_id]
        if not copies:
            del self.extended[server.staging_arn]

    def server(self, source_server_id: str) -> SourceServer:
        """Return a server, or raise as DRS does."""
        found = self.source_servers.get(source_server_id)
        if found is None:
            raise ResourceNotFoundException("SourceServer", source_server_id)
        return found

    def own_server(self, source_server_id: str) -> SourceServer:
        """Return a server that replicates in this account; most changes of an extended one are rejected (inferred)."""
        server = self.server(source_server_id)
        if server.staging_arn is not None:
            raise ConflictException(
                "An extended source server replicates in its staging account.", "SourceServer", source_server_id
            )
        return server

    def replicating_count(self) -> int:
        idle = {"STOPPED", "DISCONNECTED"}
        return sum(each.staging_arn is None and each.state not in idle for each in self.source_servers.values())

    # Configurations

    def update_launch_configuration(self, source_server_id: str, changes: Mapping[str, Any]) -> Record:
        server = self.server(source_server_id)
        changed = shapes.merged(server.launch_configuration, changes)
        launch_into_id = changed.get("launchIntoInstanceProperties", {}).get("launchIntoEC2InstanceID")
        if launch_into_id and (changed["copyTags"] or changed["copyPrivateIp"]):
            raise ValidationException(
                "Copying tags or the private IP cannot be combined with launching into an instance.",
                ("launchIntoInstanceProperties", "needs copyTags and copyPrivateIp off"),
            )
        server.launch_configuration = changed
        return changed

    def update_replication_configuration(self, source_server_id: str, changes: Mapping[str, Any]) -> Record:
        server = self.own_server(source_server_id)
        server.replication_configuration = {**server.replication_configuration, **shapes.copied(changes)}
        return server.replication_configuration

    # Templates

    @locked
    def create_replication_configuration_template(self, members: Mapping[str, Any]) -> ReplicationConfigurationTemplate:
        """Create a template; missing members get defaults. Servers added later use the oldest template."""
        tags = dict(members.get("tags") or {})
        check_tags(tags)
        template_id = str(members.get("replicationConfigurationTemplateID") or shapes.new_id("rct-"))
        own = {
            "replicationConfigurationTemplateID": template_id,
            "arn": self.arn_of("replication-configuration-template", template_id),
            "tags": tags,
        }
        template = ReplicationConfigurationTemplate(
            {**shapes.default_template_members(), **shapes.copied(members), **own}
        )
        self.templates[template_id] = template
        return template

    def describe_replication_configuration_templates(
        self, ids: Collection[str]
    ) -> list[ReplicationConfigurationTemplate]:
        """List templates; ids that do not exist are left out (inferred, not documented by AWS)."""
        return [each for each in self.templates.values() if not ids or each.template_id in ids]

    def template(self, template_id: str) -> ReplicationConfigurationTemplate:
        found = self.templates.get(template_id)
        if found is None:
            raise ResourceNotFoundException("ReplicationConfigurationTemplate", template_id)
        return found

    def update_replication_configuration_template(
        self, template_id: str, changes: Mapping[str, Any]
    ) -> ReplicationConfigurationTemplate:
        """Change a template. Existing servers keep their configuration."""
        template = self.template(template_id)
        own = {"replicationConfigurationTemplateID": template_id, "arn": template.arn}
        template.record = {**template.record, **shapes.copied(changes), **own}
        return template

    def delete_replication_configuration_template(self, template_id: str) -> None:
        del self.templates[self.template(template_id).template_id]
