"""The operations of DRS: each calls the backend and builds the response."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from moto.core.responses import ActionResult, EmptyResult

from .launch_responses import LaunchResponses
from .network_responses import NetworkResponses
from .plan_responses import RecoveryPlanResponses
from .records import SourceServer
from .request import RecordResult, by_age, job_result, newest_first
from .shapes import is_within

_MAX_EXTENSIBLE_PAGE_SIZE = 300
_MAX_STAGING_ACCOUNT_PAGE_SIZE = 50


class DRSResponse(LaunchResponses, NetworkResponses, RecoveryPlanResponses):
    """Handler of one request."""

    # Service and source servers

    def initialize_service(self) -> ActionResult:
        self.any_backend.initialize_service()
        return EmptyResult()

    def describe_source_servers(self) -> ActionResult:
        backend, filters = self.advanced_backend(), self.filters
        servers = backend.describe_source_servers(
            frozenset(filters.get("sourceServerIDs") or ()),
            frozenset(filters.get("stagingAccountIDs") or ()),
            filters.get("hardwareId"),
        )
        return self.page(servers, by_age)

    def describe_recovery_snapshots(self) -> ActionResult:
        since, until = self.filters.get("fromDateTime"), self.filters.get("toDateTime")
        snapshots = self.backend.snapshots_of(self.id_of())
        found = [each for each in snapshots if is_within(each["timestamp"], since, until)]
        sign = -1 if self.params.get("order") == "DESC" else 1
        numbered = list(enumerate(found))
        return self.page(numbered, lambda each: sign * each[0], serialize=lambda each: each[1])

    def stop_replication(self) -> ActionResult:
        return _source_server(self.backend.stop_replication(self.id_of()))

    def start_replication(self) -> ActionResult:
        return _source_server(self.backend.start_replication(self.id_of()))

    def retry_data_replication(self) -> ActionResult:
        return RecordResult(self.backend.retry_data_replication(self.id_of()).to_dict())

    def disconnect_source_server(self) -> ActionResult:
        return RecordResult(self.backend.disconnect_source_server(self.id_of()).to_dict())

    def delete_source_server(self) -> ActionResult:
        self.backend.delete_source_server(self.id_of())
        return EmptyResult()

    # Configurations

    def get_replication_configuration(self) -> ActionResult:
        return RecordResult(self.backend.replication_configuration_of(self.id_of()))

    def update_replication_configuration(self) -> ActionResult:
        return RecordResult(self.backend.update_replication_configuration(self.id_of(), self.changes()))

    def get_launch_configuration(self) -> ActionResult:
        return RecordResult(self.backend.server(self.id_of()).launch_configuration)

    def update_launch_configuration(self) -> ActionResult:
        return RecordResult(self.backend.update_launch_configuration(self.id_of(), self.changes()))

    def describe_replication_configuration_templates(self) -> ActionResult:
        ids = frozenset(self.params.get("replicationConfigurationTemplateIDs") or ())
        return self.page(self.backend.describe_replication_configuration_templates(ids), by_age)

    def create_replication_configuration_template(self) -> ActionResult:
        return RecordResult(self.backend.create_replication_configuration_template(self.params).to_dict())

    def update_replication_configuration_template(self) -> ActionResult:
        template_id = self.id_of("replicationConfigurationTemplateID")
        return RecordResult(self.backend.update_replication_configuration_template(template_id, self.params).to_dict())

    def delete_replication_configuration_template(self) -> ActionResult:
        self.backend.delete_replication_configuration_template(self.id_of("replicationConfigurationTemplateID"))
        return EmptyResult()

    # Staging accounts

    def list_extensible_source_servers(self) -> ActionResult:
        servers = self.backend.list_extensible_source_servers(self.id_of("stagingAccountID"))
        return self.page(servers, by_age, serialize=_extensible, max_size=_MAX_EXTENSIBLE_PAGE_SIZE)

    def list_staging_accounts(self) -> ActionResult:
        accounts = self.backend.list_staging_accounts()
        return self.page(
            accounts,
            str,
            serialize=lambda each: {"accountID": each},
            max_size=_MAX_STAGING_ACCOUNT_PAGE_SIZE,
            key="accounts",
        )

    def create_extended_source_server(self) -> ActionResult:
        return _source_server(self.backend.extend(self.id_of("sourceServerArn"), self.params.get("tags")))

    # Tags

    def tag_resource(self) -> ActionResult:
        self.any_backend.tag_resource(self._resource_arn(), self.params["tags"])
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        self.any_backend.untag_resource(self._resource_arn(), self.params["tagKeys"])
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        return RecordResult({"tags": self.any_backend.tags_of(self._resource_arn())})

    def _resource_arn(self) -> str:
        return unquote(self.id_of("resourceArn"))

    # Recovery and failback

    def start_recovery(self) -> ActionResult:
        snapshot_ids = {each["sourceServerID"]: each.get("recoverySnapshotID") for each in self.params["sourceServers"]}
        is_drill = bool(self.params.get("isDrill"))
        return job_result(self.backend.start_recovery(snapshot_ids, is_drill=is_drill, tags=self.params.get("tags")))

    def describe_jobs(self) -> ActionResult:
        backend, filters = self.advanced_backend(), self.filters
        ids = frozenset(filters.get("jobIDs") or ())
        return self.page(backend.describe_jobs(ids, filters.get("fromDate"), filters.get("toDate")), newest_first)

    def delete_job(self) -> ActionResult:
        self.backend.delete_job(self.id_of("jobID"))
        return EmptyResult()

    def describe_recovery_instances(self) -> ActionResult:
        backend, filters = self.advanced_backend(), self.filters
        instances = backend.describe_recovery_instances(
            frozenset(filters.get("recoveryInstanceIDs") or ()), frozenset(filters.get("sourceServerIDs") or ())
        )
        return self.page(instances, by_age)

    def terminate_recovery_instances(self) -> ActionResult:
        return job_result(self.backend.terminate_recovery_instances(self.params["recoveryInstanceIDs"]))

    def disconnect_recovery_instance(self) -> ActionResult:
        self.backend.disconnect_recovery_instance(self.id_of("recoveryInstanceID"))
        return EmptyResult()

    def delete_recovery_instance(self) -> ActionResult:
        self.backend.delete_recovery_instance(self.id_of("recoveryInstanceID"))
        return EmptyResult()

    def reverse_replication(self) -> ActionResult:
        arn = self.backend.reverse_replication(self.id_of("recoveryInstanceID"))
        return RecordResult({"reversedDirectionSourceServerArn": arn})

    def start_failback_launch(self) -> ActionResult:
        return job_result(
            self.backend.start_failback_launch(self.params["recoveryInstanceIDs"], self.params.get("tags"))
        )

    def stop_failback(self) -> ActionResult:
        self.backend.stop_failback(self.id_of("recoveryInstanceID"))
        return EmptyResult()

    def get_failback_replication_configuration(self) -> ActionResult:
        return RecordResult(self.backend.failback_configuration_of(self.id_of("recoveryInstanceID")))

    def update_failback_replication_configuration(self) -> ActionResult:
        changes = self.changes("recoveryInstanceID")
        self.backend.update_failback_replication_configuration(self.id_of("recoveryInstanceID"), changes)
        return EmptyResult()


def _source_server(server: SourceServer) -> ActionResult:
    return RecordResult({"sourceServer": server.to_dict()})


def _extensible(server: SourceServer) -> dict[str, Any]:
    hostname = server.hints.get("hostname")
    shown = {"arn": server.arn, "tags": server.record["tags"]}
    return {**shown, "hostname": hostname} if hostname else shown
