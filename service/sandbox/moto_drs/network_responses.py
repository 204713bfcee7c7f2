"""Operations of source networks: responses."""

from __future__ import annotations

from moto.core.responses import ActionResult, EmptyResult

from .network_replication import SourceNetwork
from .request import DRSRequest, RecordResult, by_age, job_result


class NetworkResponses(DRSRequest):
    """Part of the handler: source networks."""

    def create_source_network(self) -> ActionResult:
        account_id, region = self.id_of("originAccountID"), self.id_of("originRegion")
        network = self.backend.create_source_network(self.id_of("vpcID"), account_id, region, self.params.get("tags"))
        return RecordResult({"sourceNetworkID": network.network_id})

    def describe_source_networks(self) -> ActionResult:
        backend, filters = self.advanced_backend(), self.filters
        networks = backend.describe_source_networks(
            frozenset(filters.get("sourceNetworkIDs") or ()),
            filters.get("originAccountID"),
            filters.get("originRegion"),
        )
        return self.page(networks, by_age)

    def delete_source_network(self) -> ActionResult:
        self.backend.delete_source_network(self.id_of("sourceNetworkID"))
        return EmptyResult()

    def start_source_network_replication(self) -> ActionResult:
        return _network(self.backend.start_source_network_replication(self.id_of("sourceNetworkID")))

    def stop_source_network_replication(self) -> ActionResult:
        return _network(self.backend.stop_source_network_replication(self.id_of("sourceNetworkID")))

    def start_source_network_recovery(self) -> ActionResult:
        job = self.backend.start_source_network_recovery(
            [(each["sourceNetworkID"], each.get("cfnStackName")) for each in self.params["sourceNetworks"]],
            deploy_as_new=bool(self.params.get("deployAsNew")),
            tags=self.params.get("tags"),
        )
        return job_result(job)

    def associate_source_network_stack(self) -> ActionResult:
        stack_name = self.id_of("cfnStackName")
        return job_result(self.backend.associate_source_network_stack(self.id_of("sourceNetworkID"), stack_name))

    def export_source_network_cfn_template(self) -> ActionResult:
        url = self.backend.export_source_network_cfn_template(self.id_of("sourceNetworkID"))
        return RecordResult({"s3DestinationUrl": url})


def _network(network: SourceNetwork) -> ActionResult:
    return RecordResult({"sourceNetwork": network.to_dict()})
