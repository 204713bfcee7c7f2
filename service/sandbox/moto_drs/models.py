"""DRSBackend: source servers, templates, extended servers, tags and launch settings of one account and region."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from threading import RLock
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.common_models import BaseModel

from . import shapes
from .exceptions import (
    AccessDeniedException,
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    UninitializedAccountException,
    ValidationException,
)
from .recovery import RecoveryMixin
from .shapes import Record
from .validation import check_id

# Regions where DRS is and where the installed botocore does not know of it yet.
NEWER_REGIONS = ["ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "mx-central-1"]
MOST_TAGS = 50
MOST_TAG_CHARACTERS = 256
EXTENSION_LOST = (
    "The staging source server cannot be reached: it was deleted, or its account no longer trusts this one."
)


class SourceServer(BaseModel):
    """A source server: its record in wire form, and the configurations that belong to it."""

    def __init__(self, record: Record, replication_configuration: Record, launch_configuration: Record) -> None:
        self.record = record
        self.replication_configuration = replication_configuration
        self.launch_configuration = launch_configuration

    @property
    def source_server_id(self) -> str:
        return str(self.record["sourceServerID"])

    @property
    def arn(self) -> str:
        return str(self.record["arn"])

    @property
    def staging_arn(self) -> str | None:
        arn: str | None = self.record["stagingArea"].get("stagingSourceServerArn")
        return arn

    @property
    def state(self) -> str:
        return str(self.record["dataReplicationInfo"]["dataReplicationState"])

    def to_dict(self) -> Record:
        return self.record


class ReplicationConfigurationTemplate(BaseModel):
    """A replication configuration template in wire form."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def to_dict(self) -> Record:
        return self.record


class DRSBackend(RecoveryMixin, BaseBackend):
    """DRS in one account and region."""

    max_replicating_servers = 300
    max_source_servers = 4000
    # What DRS does when a server is extended twice is not documented; inferred from the errors it models.
    repeat_extension_is_error = True

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.lock = RLock()
        self.initialized = False
        self.source_servers: dict[str, SourceServer] = {}
        self.templates: dict[str, ReplicationConfigurationTemplate] = {}
        self.trusted_accounts: set[str] = set()
        self.set_up_recovery()

    # Seeding

    def initialize_service(self) -> None:
        self.initialized = True

    def trust(self, target_account_id: str) -> None:
        """Let another account extend servers of this one, as a DRSStagingAccountRole does."""
        self.trusted_accounts.add(target_account_id)

    def add_source_server(
        self,
        record: Mapping[str, Any],
        *,
        replication_configuration: Mapping[str, Any] | None = None,
        launch_configuration: Mapping[str, Any] | None = None,
    ) -> SourceServer:
        """Add a server as its agent would; members that `record` lacks are filled in."""
        server_id = str(record.get("sourceServerID") or shapes.new_id("s-"))
        base = shapes.default_server(self.server_arn(server_id), server_id, self.account_id, self.region_name)
        full = shapes.merged(base, record)
        info = full["dataReplicationInfo"]
        if "replicatedDisks" not in info:
            info["replicatedDisks"] = shapes.replicated_disks(full["sourceProperties"].get("disks", []))
        template = next(iter(self.templates.values()), None)
        configuration = shapes.default_configuration(full, template.record if template else {})
        server = SourceServer(
            full,
            shapes.merged(configuration, replication_configuration or {}),
            shapes.merged(shapes.default_launch_configuration(full), launch_configuration or {}),
        )
        with self.lock:
            self.source_servers[server_id] = server
        return server

    def remove_source_server(self, source_server_id: str) -> None:
        """Take a server away without ceremony."""
        with self.lock:
            self.source_servers.pop(source_server_id, None)

    def server_arn(self, server_id: str) -> str:
        return f"arn:{self.partition}:drs:{self.region_name}:{self.account_id}:source-server/{server_id}"

    # Operations

    def require_initialized(self) -> None:
        if not self.initialized:
            raise UninitializedAccountException

    def server(self, source_server_id: str | None) -> SourceServer:
        """Find a server, or refuse as DRS does."""
        wanted = check_id(source_server_id, shapes.SERVER_ID, "sourceServerID")
        found = self.source_servers.get(wanted)
        if found is None:
            raise ResourceNotFoundException("SourceServer", wanted)
        return found

    def describe_source_servers(
        self, ids: Collection[str], staging_accounts: Collection[str], hardware_id: str | None
    ) -> list[SourceServer]:
        """List servers that meet every filter given; ids that do not exist are left out (inferred)."""
        with self.lock:
            servers = list(self.source_servers.values())
        for server in servers:
            self.refresh_extension(server)
        return [
            server
            for server in servers
            if (not ids or server.source_server_id in ids)
            and (not staging_accounts or server.record["stagingArea"]["stagingAccountID"] in staging_accounts)
            and (not hardware_id or hardware_id in _hardware_ids(server.record))
        ]

    def refresh_extension(self, server: SourceServer) -> None:
        """Bring an extended record up to date with the server it stands for."""
        if server.staging_arn is None:
            return
        origin = self.peer_server(server.staging_arn)
        staging = server.record["stagingArea"]
        if origin is None or self.account_id not in self.peer_of(server.staging_arn).trusted_accounts:
            staging.update(status="EXTENSION_ERROR", errorMessage=EXTENSION_LOST)
            return
        staging["status"] = "EXTENDED"
        staging.pop("errorMessage", None)
        server.record["dataReplicationInfo"] = origin.record["dataReplicationInfo"]
        server.record["sourceProperties"] = origin.record["sourceProperties"]

    def backend_of(self, account_id: str, region_name: str) -> DRSBackend:
        backend: DRSBackend = drs_backends[account_id][region_name]
        return backend

    def peer_of(self, arn: str) -> DRSBackend:
        match = shapes.SERVER_ARN.fullmatch(arn)
        if match is None:
            raise ValidationException("sourceServerArn is not the ARN of a source server.", "sourceServerArn")
        return self.backend_of(match["account"], match["region"])

    def peer_server(self, arn: str) -> SourceServer | None:
        return self.peer_of(arn).source_servers.get(arn.rpartition("/")[2])

    def create_replication_configuration_template(self, members: Mapping[str, Any]) -> ReplicationConfigurationTemplate:
        template_id = shapes.new_id("rct-")
        record = {
            "replicationConfigurationTemplateID": template_id,
            "arn": f"arn:{self.partition}:drs:{self.region_name}:{self.account_id}"
            f":replication-configuration-template/{template_id}",
            "tags": {},
        }
        record = shapes.merged({**record, **shapes.default_template_members()}, members)
        template = ReplicationConfigurationTemplate(record)
        self.templates[str(record["replicationConfigurationTemplateID"])] = template
        return template

    def list_extensible_source_servers(self, staging_account_id: str) -> list[SourceServer]:
        """List what a staging account replicates here and this account has not extended yet."""
        staging = drs_backends[staging_account_id][self.region_name]
        self._require_trust(staging, f"drs:ListExtensibleSourceServers on account {staging_account_id}")
        extended = self.extended_arns()
        with staging.lock:
            servers = list(staging.source_servers.values())
        return [server for server in servers if server.staging_arn is None and server.arn not in extended]

    def extended_arns(self) -> set[str]:
        with self.lock:
            return {server.staging_arn for server in self.source_servers.values() if server.staging_arn}

    def list_staging_accounts(self) -> list[str]:
        """List staging accounts that already have an extended server here; others cannot be seen."""
        return sorted({arn.split(":")[4] for arn in self.extended_arns()})

    def extend(self, staging_arn: str, tags: Mapping[str, str] | None = None) -> SourceServer:
        """Create an extended source server."""
        staging = self.peer_of(staging_arn)
        if staging.region_name != self.region_name:
            raise ValidationException("The source server is in another region.", "sourceServerArn")
        self._require_trust(staging, f"drs:CreateExtendedSourceServer on {staging_arn}")
        origin = staging.source_servers.get(staging_arn.rpartition("/")[2])
        if origin is None:
            raise ResourceNotFoundException("SourceServer", staging_arn)
        if origin.staging_arn is not None or staging is self:
            raise ValidationException("An extended source server cannot be extended.", "sourceServerArn")
        with self.lock:
            existing = next((each for each in self.source_servers.values() if each.staging_arn == staging_arn), None)
            if existing is not None:
                if self.repeat_extension_is_error:
                    raise ValidationException("The source server is already extended.", "sourceServerArn")
                return existing
            if len(self.source_servers) >= self.max_source_servers:
                raise ServiceQuotaExceededException("Too many source servers in this account and region.", "L-E28BE5E0")
            return self._add_extended(origin, staging, tags or {})

    def _add_extended(self, origin: SourceServer, staging: DRSBackend, tags: Mapping[str, str]) -> SourceServer:
        inherited: Record = {
            name: origin.record[name]
            for name in ("agentVersion", "sourceCloudProperties", "sourceProperties", "dataReplicationInfo")
            if name in origin.record
        }
        area = {
            "status": "EXTENDED",
            "stagingAccountID": staging.account_id,
            "stagingSourceServerArn": origin.arn,
        }
        configuration = {**origin.replication_configuration}
        configuration.pop("sourceServerID", None)
        return self.add_source_server(
            {**inherited, "stagingArea": area, "tags": dict(tags)}, replication_configuration=configuration
        )

    def _require_trust(self, staging: DRSBackend, what: str) -> None:
        staging.require_initialized()
        if self.account_id not in staging.trusted_accounts:
            raise AccessDeniedException(
                f"Account {self.account_id} is not authorized to perform: {what}: "
                "the staging account does not trust this account"
            )

    # Tags

    def tags_of(self, resource_arn: str) -> dict[str, str]:
        """Find the tags of any resource of this account and region."""
        with self.lock:
            servers = [server.record for server in self.source_servers.values()]
            records = [*servers, *(each.record for each in self.templates.values()), *self.recovery_records()]
        for record in records:
            if record.get("arn") == resource_arn:
                tags: dict[str, str] = record.setdefault("tags", {})
                return tags
        raise ResourceNotFoundException("Resource", resource_arn)

    def tag_resource(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to those there are: given keys are overwritten, others stay."""
        held = self.tags_of(resource_arn)
        if any(key.lower().startswith("aws:") for key in tags):
            raise ValidationException("Tag keys must not begin with aws:.", "tags")
        if any(
            not 1 <= len(key) <= MOST_TAG_CHARACTERS or len(value) > MOST_TAG_CHARACTERS for key, value in tags.items()
        ):
            raise ValidationException("Tag keys and values must have at most 256 characters.", "tags")
        if len({**held, **tags}) > MOST_TAGS:
            raise ValidationException("A resource can have at most 50 tags.", "tags")
        held.update(tags)

    def untag_resource(self, resource_arn: str, tag_keys: Collection[str]) -> None:
        held = self.tags_of(resource_arn)
        for key in tag_keys:
            held.pop(key, None)

    # Configurations

    def update_launch_configuration(self, source_server_id: str | None, changes: Mapping[str, Any]) -> Record:
        server = self.server(source_server_id)
        if (changes.get("copyTags") or changes.get("copyPrivateIp")) and _launches_into(server, changes):
            raise ValidationException("Copying tags or the private IP cannot be combined with launch into instance.")
        server.launch_configuration = shapes.merged(server.launch_configuration, changes)
        return server.launch_configuration

    def update_replication_configuration(self, source_server_id: str | None, changes: Mapping[str, Any]) -> Record:
        server = self.server(source_server_id)
        if server.staging_arn is not None:
            raise ValidationException("The replication settings of an extended server belong to its staging account.")
        server.replication_configuration = shapes.merged(server.replication_configuration, changes)
        return server.replication_configuration

    # Replication

    def stop_replication(self, source_server_id: str | None) -> SourceServer:
        """Stop replication: its snapshots are deleted."""
        server = self._own_server(source_server_id)
        server.record["dataReplicationInfo"] = {
            "dataReplicationState": "STOPPED",
            "replicatedDisks": server.record["dataReplicationInfo"].get("replicatedDisks", []),
        }
        return server

    def start_replication(self, source_server_id: str | None) -> SourceServer:
        server = self._own_server(source_server_id)
        if server.state == "DISCONNECTED":
            raise ConflictException("The agent is not connected.", "SourceServer", server.source_server_id)
        moment = shapes.now()
        server.record["dataReplicationInfo"].update(
            dataReplicationState="INITIATING", dataReplicationInitiation=shapes.initiation(moment, "NOT_STARTED")
        )
        return server

    def disconnect_source_server(self, source_server_id: str | None) -> SourceServer:
        """Disconnect the agent; refused while a recovery instance of the server exists."""
        server = self._own_server(source_server_id)
        if self.instances_of(server.source_server_id):
            raise ConflictException(
                "The source server has a recovery instance.", "SourceServer", server.source_server_id
            )
        disks = server.record["dataReplicationInfo"].get("replicatedDisks", [])
        server.record["dataReplicationInfo"] = {
            "dataReplicationState": "DISCONNECTED",
            "replicatedDisks": [{**disk, "totalStorageBytes": 0, "replicatedStorageBytes": 0} for disk in disks],
        }
        return server

    def delete_source_server(self, source_server_id: str | None) -> None:
        server = self.server(source_server_id)
        if server.staging_arn is None and server.state != "DISCONNECTED":
            raise ConflictException("Disconnect the source server first.", "SourceServer", server.source_server_id)
        with self.lock:
            del self.source_servers[server.source_server_id]

    def _own_server(self, source_server_id: str | None) -> SourceServer:
        server = self.server(source_server_id)
        if server.staging_arn is not None:
            raise ConflictException(
                "An extended source server replicates in its staging account.", "SourceServer", server.source_server_id
            )
        return server


def _launches_into(server: SourceServer, changes: Mapping[str, Any]) -> bool:
    merged = shapes.merged(server.launch_configuration, changes)
    return bool(merged.get("launchIntoInstanceProperties", {}).get("launchIntoEC2InstanceID"))


def _hardware_ids(record: Mapping[str, Any]) -> set[str]:
    properties = record["sourceProperties"]
    hints = properties["identificationHints"]
    addresses = {each.get("macAddress") for each in properties.get("networkInterfaces", [])}
    return {each for each in (hints.get("awsInstanceID"), hints.get("vmWareUuid"), *addresses) if each}


drs_backends = BackendDict(DRSBackend, "drs", additional_regions=NEWER_REGIONS)
