"""Source networks: VPCs that are replicated as templates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from . import network_services, shapes
from .exceptions import ConflictException, ResourceNotFoundException, ServiceQuotaExceededException, ValidationException
from .launch import LaunchBackend
from .records import Resource, SourceServer, locked
from .shapes import Record
from .validation import check_tags

_KIND: Final = "SourceNetwork"


class SourceNetwork(Resource):
    """Source network with the template of its VPC, since it was first replicated."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.template: Record | None = None

    @property
    def network_id(self) -> str:
        return str(self.record["sourceNetworkID"])

    @property
    def status(self) -> str:
        return str(self.record["replicationStatus"])

    @property
    def is_moving(self) -> bool:
        return self.status == "IN_PROGRESS"

    @property
    def origin(self) -> tuple[str, str]:
        """Account and region of the VPC."""
        return str(self.record["sourceAccountID"]), str(self.record["sourceRegion"])

    @property
    def vpc_id(self) -> str:
        return str(self.record["sourceVpcID"])

    def set_status(self, status: str, details: str | None = None) -> None:
        self.record = shapes.merged(self.record, {"replicationStatus": status, "replicationStatusDetails": details})

    def step(self) -> None:
        """End a replication that is in progress; it fails when the VPC does not exist any more (inferred)."""
        if self.status != "IN_PROGRESS":
            return
        self.template = network_services.vpc_template(*self.origin, self.vpc_id)
        if self.template is None:
            self.set_status("ERROR", f"VPC {self.vpc_id} does not exist.")
        else:
            self.set_status("PROTECTED")

    def newest_template(self) -> Record | None:
        """Return the template: while protected of the VPC as it is now, else of when that was last asked for.

        A protected network whose VPC is gone keeps its template (inferred). None before the first replication.
        """
        if self.status == "PROTECTED":
            self.template = network_services.vpc_template(*self.origin, self.vpc_id) or self.template
        return self.template


class NetworkReplicationBackend(LaunchBackend):
    """Replication of the source networks of one account and region."""

    max_source_networks = 100

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.source_networks: dict[str, SourceNetwork] = {}

    def resources(self) -> Iterator[Resource]:
        yield from super().resources()
        yield from self.source_networks.values()

    @locked
    def advance(self) -> None:
        """Advance the replication of networks, and all else, by one step."""
        for network in self.source_networks.values():
            network.step()
        super().advance()

    # Networks

    def create_source_network(
        self, vpc_id: str, account_id: str, region: str, tags: Mapping[str, str] | None = None
    ) -> SourceNetwork:
        """Create the network of a VPC, stopped; the VPC has to exist, and can have one network (both inferred).

        The role that the origin's account needs for another account is not checked.
        """
        check_tags(tags or {})
        if not self.can_reach(region):
            raise ValidationException(f"There is no region {region}.", ("originRegion", "is not a region of DRS"))
        if not network_services.vpc_exists(account_id, region, vpc_id):
            raise ResourceNotFoundException("VPC", vpc_id)
        for other in self.source_networks.values():
            if (other.origin, other.vpc_id) == ((account_id, region), vpc_id):
                raise ConflictException("The VPC has a source network already.", _KIND, other.network_id)
        if len(self.source_networks) >= self.max_source_networks:
            raise ServiceQuotaExceededException("Too many source networks.", "L-4B0323BD", _KIND)
        network_id = shapes.new_id("sn-")
        network = SourceNetwork(
            {
                "sourceNetworkID": network_id,
                "sourceVpcID": vpc_id,
                "arn": self.arn_of("source-network", network_id),
                "tags": dict(tags or {}),
                "replicationStatus": "STOPPED",
                "sourceRegion": region,
                "sourceAccountID": account_id,
            }
        )
        self.source_networks[network_id] = network
        self._assign_servers(network)
        return network

    def describe_source_networks(
        self, ids: Collection[str], account_id: str | None, region: str | None
    ) -> list[SourceNetwork]:
        """List networks that match all given filters; ids that do not exist are left out (inferred)."""
        return [
            each
            for each in self.source_networks.values()
            if (not ids or each.network_id in ids)
            and (not account_id or each.origin[0] == account_id)
            and (not region or each.origin[1] == region)
        ]

    def source_network(self, network_id: str) -> SourceNetwork:
        found = self.source_networks.get(network_id)
        if found is None:
            raise ResourceNotFoundException(_KIND, network_id)
        return found

    def delete_source_network(self, network_id: str) -> None:
        """Delete a network that does not replicate; its stack and VPC stay (both inferred)."""
        network = self.source_network(network_id)
        if network.status in {"IN_PROGRESS", "PROTECTED"}:
            raise ConflictException("Stop the replication of the source network first.", _KIND, network_id)
        self.require_no_network_job(network)
        del self.source_networks[network_id]
        for server in self.servers_of_network(network_id):
            del server.record["sourceNetworkID"]

    def start_source_network_replication(self, network_id: str) -> SourceNetwork:
        """Start a replication that is stopped or has failed; another one is a conflict (inferred)."""
        network = self.source_network(network_id)
        if network.status in {"IN_PROGRESS", "PROTECTED"}:
            raise ConflictException("The source network is replicating already.", _KIND, network_id)
        network.set_status("IN_PROGRESS")
        return network

    def stop_source_network_replication(self, network_id: str) -> SourceNetwork:
        """Stop a replication, which may be stopped already; a recovery job is a conflict (both inferred)."""
        network = self.source_network(network_id)
        self.require_no_network_job(network)
        network.newest_template()
        network.set_status("STOPPED")
        return network

    # Servers of a network

    def servers_of_network(self, network_id: str) -> list[SourceServer]:
        return [each for each in self.source_servers.values() if each.record.get("sourceNetworkID") == network_id]

    @locked
    def add_source_server(
        self,
        record: Mapping[str, Any],
        *,
        replication_configuration: Mapping[str, Any] | None = None,
        launch_configuration: Mapping[str, Any] | None = None,
    ) -> SourceServer:
        """Add a server, with the source network of its EC2 instance where that is known (inferred)."""
        server = super().add_source_server(
            record, replication_configuration=replication_configuration, launch_configuration=launch_configuration
        )
        for network in self.source_networks.values():
            instance_id = _instance_in(server, network)
            if instance_id and network_services.vpc_of_instance(*network.origin, instance_id) == network.vpc_id:
                server.record["sourceNetworkID"] = network.network_id
        return server

    def _assign_servers(self, network: SourceNetwork) -> None:
        instance_ids = network_services.instances_of_vpc(*network.origin, network.vpc_id)
        for server in self.source_servers.values() if instance_ids else ():
            if _instance_in(server, network) in instance_ids:
                server.record["sourceNetworkID"] = network.network_id

    def require_no_network_job(self, network: SourceNetwork) -> None:
        entry = {"sourceNetworkID": network.network_id}
        for job in self.jobs.values():
            resources = job.record.get("participatingResources", []) if job.is_active else []
            if entry in [each["participatingResourceID"] for each in resources]:
                raise ConflictException("A job is in progress for the source network.", _KIND, network.network_id)


def _instance_in(server: SourceServer, network: SourceNetwork) -> str | None:
    """Return the instance that a server replicates, when it came from the account and region of a network."""
    cloud = server.record.get("sourceCloudProperties", {})
    origin = (cloud.get("originAccountID"), cloud.get("originRegion"))
    is_own = server.staging_arn is None and origin == network.origin
    return server.hints.get("awsInstanceID") if is_own else None
