"""DRS request handler: validates what the SDK does not, calls the backend, builds the response."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import get_service_model

from .exceptions import UnrecognizedClientException, ValidationException
from .models import DRSBackend, drs_backends
from .records import Resource, SourceServer, drs_lock
from .shapes import is_within
from .validation import MAX_PAGE_SIZE, Page, check_input

_MAX_EXTENSIBLE_PAGE_SIZE = 300
_MAX_STAGING_ACCOUNT_PAGE_SIZE = 50


class RecordResult(ActionResult):
    """Response whose records are already in wire format; serializing by the service model is over ten times slower."""

    def execute_result(self, context: Any) -> tuple[int, dict[str, str], str]:
        status = context.operation_model.http.get("responseCode", 200)
        return status, {"Content-Type": "application/json"}, json.dumps(self.result)


class DRSResponse(BaseResponse):
    """Handler of one request."""

    use_raw_body = True  # else moto decodes the body before `parse_parameters` can reject one that is not UTF-8

    def __init__(self) -> None:
        super().__init__(service_name="drs")
        self.automated_parameter_parsing = True
        self.is_parsable = True

    def call_action(self) -> Any:
        with drs_lock:  # until the response is serialized: the records must not change meanwhile
            try:
                self._check()
            except ServiceException as error:
                return self.serialized(ActionResult(error))
            return super().call_action()

    def parse_parameters(self, request: Any) -> None:
        try:
            json.loads(request.data or b"{}")  # moto's parser treats invalid JSON as an empty request
            super().parse_parameters(request)
        except (ValueError, TypeError, AttributeError):  # invalid JSON, or types that the model does not allow
            self.is_parsable = False

    def _check(self) -> None:
        action = self._get_action()
        if not action:  # no operation has this path and method; moto returns the error
            return
        if self.region not in drs_backends[self.current_account]:
            raise UnrecognizedClientException
        self.any_backend.raise_planned_error()
        if not self.is_parsable:
            raise ValidationException("The request cannot be parsed.", reason="cannotParse")
        check_input(self.params, get_service_model("drs").operation_model(action).input_shape)

    def serialized(self, action_result: ActionResult) -> Any:
        status, headers, body = super().serialized(action_result)
        retry_after_s = getattr(action_result.result, "retryAfterSeconds", None)
        if retry_after_s is not None:  # moto's serializer omits the headers of errors
            headers["Retry-After"] = str(retry_after_s)
        return status, headers, body

    @property
    def any_backend(self) -> DRSBackend:
        backend: DRSBackend = drs_backends[self.current_account][self.region]
        return backend

    @property
    def backend(self) -> DRSBackend:
        """The backend; raises when DRS is not initialized."""
        backend = self.any_backend
        backend.require_initialized()
        return backend

    @property
    def filters(self) -> dict[str, Any]:
        return dict(self.params.get("filters") or {})

    def _id(self, name: str = "sourceServerID") -> str:
        return str(self.params[name])

    def _changes(self, id_name: str = "sourceServerID") -> dict[str, Any]:
        return {name: value for name, value in self.params.items() if name != id_name}

    def _page(
        self,
        items: Iterable[Any],
        order: Callable[[Any], Any],
        *,
        serialize: Callable[[Any], Any] = Resource.to_dict,
        max_size: int = MAX_PAGE_SIZE,
        key: str = "items",
    ) -> ActionResult:
        request = Page(self._get_action(), self.params.get("maxResults"), self.params.get("nextToken"), max_size)
        page, token = request.slice(items, order)
        result = {key: [serialize(each) for each in page]}
        return RecordResult({**result, "nextToken": token} if token else result)

    def _advanced_backend(self) -> DRSBackend:
        """The backend, advanced one step on the first page only: servers must not change between pages."""
        backend = self.backend
        if not self.params.get("nextToken"):
            backend.advance_on_read()
        return backend

    # Service and source servers

    def initialize_service(self) -> ActionResult:
        self.any_backend.initialize_service()
        return EmptyResult()

    def describe_source_servers(self) -> ActionResult:
        backend, filters = self._advanced_backend(), self.filters
        servers = backend.describe_source_servers(
            frozenset(filters.get("sourceServerIDs") or ()),
            frozenset(filters.get("stagingAccountIDs") or ()),
            filters.get("hardwareId"),
        )
        return self._page(servers, _by_age)

    def describe_recovery_snapshots(self) -> ActionResult:
        since, until = self.filters.get("fromDateTime"), self.filters.get("toDateTime")
        snapshots = self.backend.snapshots_of(self._id())
        found = [each for each in snapshots if is_within(each["timestamp"], since, until)]
        sign = -1 if self.params.get("order") == "DESC" else 1
        numbered = list(enumerate(found))
        return self._page(numbered, lambda each: sign * each[0], serialize=lambda each: each[1])

    def stop_replication(self) -> ActionResult:
        return _source_server(self.backend.stop_replication(self._id()))

    def start_replication(self) -> ActionResult:
        return _source_server(self.backend.start_replication(self._id()))

    def retry_data_replication(self) -> ActionResult:
        return RecordResult(self.backend.retry_data_replication(self._id()).to_dict())

    def disconnect_source_server(self) -> ActionResult:
        return RecordResult(self.backend.disconnect_source_server(self._id()).to_dict())

    def delete_source_server(self) -> ActionResult:
        self.backend.delete_source_server(self._id())
        return EmptyResult()

    # Configurations

    def get_replication_configuration(self) -> ActionResult:
        return RecordResult(self.backend.replication_configuration_of(self._id()))

    def update_replication_configuration(self) -> ActionResult:
        return RecordResult(self.backend.update_replication_configuration(self._id(), self._changes()))

    def get_launch_configuration(self) -> ActionResult:
        return RecordResult(self.backend.server(self._id()).launch_configuration)

    def update_launch_configuration(self) -> ActionResult:
        return RecordResult(self.backend.update_launch_configuration(self._id(), self._changes()))

    def describe_replication_configuration_templates(self) -> ActionResult:
        ids = frozenset(self.params.get("replicationConfigurationTemplateIDs") or ())
        return self._page(self.backend.describe_replication_configuration_templates(ids), _by_age)

    def create_replication_configuration_template(self) -> ActionResult:
        return RecordResult(self.backend.create_replication_configuration_template(self.params).to_dict())

    def update_replication_configuration_template(self) -> ActionResult:
        template_id = self._id("replicationConfigurationTemplateID")
        return RecordResult(self.backend.update_replication_configuration_template(template_id, self.params).to_dict())

    def delete_replication_configuration_template(self) -> ActionResult:
        self.backend.delete_replication_configuration_template(self._id("replicationConfigurationTemplateID"))
        return EmptyResult()

    # Staging accounts

    def list_extensible_source_servers(self) -> ActionResult:
        servers = self.backend.list_extensible_source_servers(self._id("stagingAccountID"))
        return self._page(servers, _by_age, serialize=_extensible, max_size=_MAX_EXTENSIBLE_PAGE_SIZE)

    def list_staging_accounts(self) -> ActionResult:
        accounts = self.backend.list_staging_accounts()
        return self._page(
            accounts,
            str,
            serialize=lambda each: {"accountID": each},
            max_size=_MAX_STAGING_ACCOUNT_PAGE_SIZE,
            key="accounts",
        )

    def create_extended_source_server(self) -> ActionResult:
        return _source_server(self.backend.extend(self._id("sourceServerArn"), self.params.get("tags")))

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
        return unquote(self._id("resourceArn"))

    # Recovery and failback

    def start_recovery(self) -> ActionResult:
        snapshot_ids = {each["sourceServerID"]: each.get("recoverySnapshotID") for each in self.params["sourceServers"]}
        is_drill = bool(self.params.get("isDrill"))
        return _job(self.backend.start_recovery(snapshot_ids, is_drill=is_drill, tags=self.params.get("tags")))

    def describe_jobs(self) -> ActionResult:
        backend, filters = self._advanced_backend(), self.filters
        ids = frozenset(filters.get("jobIDs") or ())
        return self._page(backend.describe_jobs(ids, filters.get("fromDate"), filters.get("toDate")), _newest_first)

    def delete_job(self) -> ActionResult:
        self.backend.delete_job(self._id("jobID"))
        return EmptyResult()

    def describe_recovery_instances(self) -> ActionResult:
        backend, filters = self._advanced_backend(), self.filters
        instances = backend.describe_recovery_instances(
            frozenset(filters.get("recoveryInstanceIDs") or ()), frozenset(filters.get("sourceServerIDs") or ())
        )
        return self._page(instances, _by_age)

    def terminate_recovery_instances(self) -> ActionResult:
        return _job(self.backend.terminate_recovery_instances(self.params["recoveryInstanceIDs"]))

    def disconnect_recovery_instance(self) -> ActionResult:
        self.backend.disconnect_recovery_instance(self._id("recoveryInstanceID"))
        return EmptyResult()

    def delete_recovery_instance(self) -> ActionResult:
        self.backend.delete_recovery_instance(self._id("recoveryInstanceID"))
        return EmptyResult()

    def reverse_replication(self) -> ActionResult:
        arn = self.backend.reverse_replication(self._id("recoveryInstanceID"))
        return RecordResult({"reversedDirectionSourceServerArn": arn})

    def start_failback_launch(self) -> ActionResult:
        return _job(self.backend.start_failback_launch(self.params["recoveryInstanceIDs"], self.params.get("tags")))

    def stop_failback(self) -> ActionResult:
        self.backend.stop_failback(self._id("recoveryInstanceID"))
        return EmptyResult()

    def get_failback_replication_configuration(self) -> ActionResult:
        return RecordResult(self.backend.failback_configuration_of(self._id("recoveryInstanceID")))

    def update_failback_replication_configuration(self) -> ActionResult:
        changes = self._changes("recoveryInstanceID")
        self.backend.update_failback_replication_configuration(self._id("recoveryInstanceID"), changes)
        return EmptyResult()


def _by_age(resource: Resource) -> int:
    return resource.number


def _newest_first(resource: Resource) -> int:
    return -resource.number


def _source_server(server: SourceServer) -> ActionResult:
    return RecordResult({"sourceServer": server.to_dict()})


def _job(job: Resource) -> ActionResult:
    return RecordResult({"job": job.to_dict()})


def _extensible(server: SourceServer) -> dict[str, Any]:
    hostname = server.hints.get("hostname")
    shown = {"arn": server.arn, "tags": server.record["tags"]}
    return {**shown, "hostname": hostname} if hostname else shown
