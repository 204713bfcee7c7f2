"""Handling of one DRS request, whatever its operation: checks what the SDK does not, finds the backend, makes pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from .exceptions import UnrecognizedClientException, ValidationException
from .models import DRSBackend, drs_backends
from .records import Resource, drs_lock
from .validation import MAX_PAGE_SIZE, Page, check_input


class RecordResult(ActionResult):
    """Response whose records are already in wire format; serializing by the service model is over ten times slower."""

    def execute_result(self, context: Any) -> tuple[int, dict[str, str], str]:
        status = context.operation_model.http.get("responseCode", 200)
        return status, {"Content-Type": "application/json"}, json.dumps(self.result)


class DRSRequest(BaseResponse):
    """Handler of one request, without the operations: those are in its subclasses."""

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

    def id_of(self, name: str = "sourceServerID") -> str:
        return str(self.params[name])

    def changes(self, id_name: str = "sourceServerID") -> dict[str, Any]:
        return {name: value for name, value in self.params.items() if name != id_name}

    def page(
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

    def advanced_backend(self) -> DRSBackend:
        """The backend, advanced one step on the first page only: servers must not change between pages."""
        backend = self.backend
        if not self.params.get("nextToken"):
            backend.advance_on_read()
        return backend


def by_age(resource: Resource) -> int:
    return resource.number


def newest_first(resource: Resource) -> int:
    return -resource.number


def job_result(job: Resource) -> ActionResult:
    return RecordResult({"job": job.to_dict()})
