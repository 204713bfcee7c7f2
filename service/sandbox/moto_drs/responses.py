"""Handles DRS requests: checks what the SDK does not, invokes the backend, shapes the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from . import shapes
from .models import DRSBackend, drs_backends
from .validation import check_id, check_ids, page

_MOST_PER_PAGE = 1000


class DRSResponse(BaseResponse):
    """One request."""

    def __init__(self) -> None:
        super().__init__(service_name="drs")
        self.automated_parameter_parsing = True

    @property
    def uninitialized_backend(self) -> DRSBackend:
        backend: DRSBackend = drs_backends[self.current_account][self.region]
        return backend

    @property
    def backend(self) -> DRSBackend:
        """The backend, once it is initialised."""
        backend = self.uninitialized_backend
        backend.require_initialized()
        return backend

    def _filters(self) -> dict[str, Any]:
        return dict(self._get_param("filters") or {})

    def _paged(self, items: Sequence[Any], *, most: int = _MOST_PER_PAGE, key: str = "items") -> ActionResult:
        shown, token = page(items, self._get_param("maxResults"), self._get_param("nextToken"), most)
        result = {key: [each.to_dict() if hasattr(each, "to_dict") else each for each in shown]}
        return ActionResult({**result, "nextToken": token} if token else result)

    def _resource_arn(self) -> str:
        return unquote(str(self._get_param("resourceArn")))

    def _changes(self) -> dict[str, Any]:
        params = self._get_params()
        original = params.original_dict() if hasattr(params, "original_dict") else dict(params)
        return {name: value for name, value in original.items() if name != "sourceServerID"}

    # Service and source servers

    def initialize_service(self) -> ActionResult:
        self.uninitialized_backend.initialize_service()
        return EmptyResult()

    def describe_source_servers(self) -> ActionResult:
        backend, filters = self.backend, self._filters()
        ids = check_ids(filters.get("sourceServerIDs"), shapes.SERVER_ID, "filters.sourceServerIDs")
        accounts = check_ids(filters.get("stagingAccountIDs"), shapes.ACCOUNT_ID, "filters.stagingAccountIDs")
        backend.on_read()
        return self._paged(backend.describe_source_servers(ids, accounts, filters.get("hardwareId")))

    def stop_replication(self) -> ActionResult:
        server = self.backend.stop_replication(self._get_param("sourceServerID"))
        return ActionResult({"sourceServer": server.to_dict()})

    def start_replication(self) -> ActionResult:
        server = self.backend.start_replication(self._get_param("sourceServerID"))
        return ActionResult({"sourceServer": server.to_dict()})

    def disconnect_source_server(self) -> ActionResult:
        return ActionResult(self.backend.disconnect_source_server(self._get_param("sourceServerID")).to_dict())

    def delete_source_server(self) -> ActionResult:
        self.backend.delete_source_server(self._get_param("sourceServerID"))
        return EmptyResult()

    # Configurations

    def describe_replication_configuration_templates(self) -> ActionResult:
        backend, field = self.backend, "replicationConfigurationTemplateIDs"
        ids = check_ids(self._get_param(field), shapes.TEMPLATE_ID, field)
        templates = [each for template_id, each in list(backend.templates.items()) if not ids or template_id in ids]
        return self._paged(templates)

    def create_replication_configuration_template(self) -> ActionResult:
        return ActionResult(self.backend.create_replication_configuration_template(self._changes()).to_dict())

    def get_replication_configuration(self) -> ActionResult:
        return ActionResult(self.backend.server(self._get_param("sourceServerID")).replication_configuration)

    def update_replication_configuration(self) -> ActionResult:
        server_id = self._get_param("sourceServerID")
        return ActionResult(self.backend.update_replication_configuration(server_id, self._changes()))

    def get_launch_configuration(self) -> ActionResult:
        return ActionResult(self.backend.server(self._get_param("sourceServerID")).launch_configuration)

    def update_launch_configuration(self) -> ActionResult:
        server_id = self._get_param("sourceServerID")
        return ActionResult(self.backend.update_launch_configuration(server_id, self._changes()))

    # Staging accounts

    def list_extensible_source_servers(self) -> ActionResult:
        staging = check_id(self._get_param("stagingAccountID"), shapes.ACCOUNT_ID, "stagingAccountID")
        servers = [
            {
                "arn": server.arn,
                "hostname": server.record["sourceProperties"]["identificationHints"].get("hostname"),
                "tags": server.record.get("tags", {}),
            }
            for server in self.backend.list_extensible_source_servers(staging)
        ]
        return self._paged(servers, most=300)

    def list_staging_accounts(self) -> ActionResult:
        accounts = [{"accountID": each} for each in self.backend.list_staging_accounts()]
        return self._paged(accounts, most=50, key="accounts")

    def create_extended_source_server(self) -> ActionResult:
        arn = check_id(self._get_param("sourceServerArn"), shapes.SERVER_ARN, "sourceServerArn")
        server = self.backend.extend(arn, self._get_param("tags"))
        return ActionResult({"sourceServer": server.to_dict()})

    # Tags

    def tag_resource(self) -> ActionResult:
        self.uninitialized_backend.tag_resource(self._resource_arn(), self._get_param("tags") or {})
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        self.uninitialized_backend.untag_resource(self._resource_arn(), self._get_param("tagKeys") or [])
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        return ActionResult({"tags": self.uninitialized_backend.tags_of(self._resource_arn())})

    # Recovery and failback

    def start_recovery(self) -> ActionResult:
        wanted = [str(each["sourceServerID"]) for each in self._get_param("sourceServers") or []]
        job = self.backend.start_recovery(
            wanted, is_drill=bool(self._get_param("isDrill")), tags=self._get_param("tags") or {}
        )
        return ActionResult({"job": job.to_dict()})

    def describe_jobs(self) -> ActionResult:
        backend, filters = self.backend, self._filters()
        ids = check_ids(filters.get("jobIDs"), shapes.JOB_ID, "filters.jobIDs", most=1000)
        backend.on_read()
        return self._paged(backend.describe_jobs(ids, filters.get("fromDate") or "", filters.get("toDate") or ""))

    def describe_recovery_instances(self) -> ActionResult:
        backend, filters = self.backend, self._filters()
        instances = check_ids(
            filters.get("recoveryInstanceIDs"), shapes.RECOVERY_INSTANCE_ID, "filters.recoveryInstanceIDs"
        )
        servers = check_ids(filters.get("sourceServerIDs"), shapes.SERVER_ID, "filters.sourceServerIDs")
        backend.on_read()
        return self._paged(backend.describe_recovery_instances(instances, servers))

    def terminate_recovery_instances(self) -> ActionResult:
        job = self.backend.terminate_recovery_instances(self._get_param("recoveryInstanceIDs") or [])
        return ActionResult({"job": job.to_dict()})

    def disconnect_recovery_instance(self) -> ActionResult:
        self.backend.disconnect_recovery_instance(self._get_param("recoveryInstanceID"))
        return EmptyResult()

    def delete_recovery_instance(self) -> ActionResult:
        self.backend.delete_recovery_instance(self._get_param("recoveryInstanceID"))
        return EmptyResult()

    def reverse_replication(self) -> ActionResult:
        arn = self.backend.reverse_replication(self._get_param("recoveryInstanceID"))
        return ActionResult({"reversedDirectionSourceServerArn": arn})

    def get_failback_replication_configuration(self) -> ActionResult:
        instance = self.backend.recovery_instance(self._get_param("recoveryInstanceID"))
        return ActionResult(
            {
                "recoveryInstanceID": instance.instance_id,
                "name": instance.instance_id,
                "bandwidthThrottling": 0,
                "usePrivateIP": True,
            }
        )
