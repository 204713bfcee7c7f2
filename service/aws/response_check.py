"""Checks of successful responses: a call counts as done only where its response has what AWS returns for it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from botocore.model import OperationModel

__all__ = ["WRITE_RESPONSES", "reject_incomplete", "reject_malformed_body"]

WRITE_RESPONSES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "drs": {
            "CreateExtendedSourceServer": ("sourceServer", "arn"),
            "TagResource": (),
            "UpdateLaunchConfiguration": ("copyTags",),
        },
        "dynamodb": {
            "BatchWriteItem": ("UnprocessedItems",),
            "DeleteItem": (),
            "PutItem": (),
            "TransactWriteItems": (),
            "UpdateItem": (),
        },
        "events": {"PutEvents": ("Entries",), "PutRule": ("RuleArn",)},
        "lambda": {"Invoke": ("StatusCode",)},
    }
)
"""Service -> write operation -> path to a member that its response has; empty where AWS returns nothing by design."""

_READ_RESPONSES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {("dynamodb", "DescribeTable"): ("Table", "KeySchema")}
)
"""The same for reads that are no lists."""

_MAX_ERROR_BODY: Final = 4096  # bytes; the error document of AWS is a few hundred


def reject_malformed_body(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: object) -> None:
    """Hook for `before-parse`: reject a successful response whose body is not a JSON object, or is that of an error.

    The SDK parses a body that is not JSON to a response without members, which looks like an empty page, or like a
    successful write. Checking the first and last byte finds truncated, empty and proxy pages without parsing twice.

    Raises:
        ResponseParserError: the body is not an object, or names an error type.
    """
    if response_dict["status_code"] >= 300:  # noqa: PLR2004 - error responses name their code in a header
        return
    if operation_model.has_streaming_output:  # the body is data of the caller, not a JSON document
        return
    if "json" not in operation_model.service_model.resolved_protocol:
        return
    members = operation_model.output_shape.members if operation_model.output_shape else ()
    body = response_dict["body"].strip()
    if not members and not body:  # an operation without output
        return
    if not (body.startswith(b"{") and body.endswith(b"}")):
        raise ResponseParserError(f"response is not a JSON object ({len(body)} bytes)")
    if len(body) <= _MAX_ERROR_BODY and b'"__type"' in body and _names_error_type(body):
        raise ResponseParserError("response has a status of success and the body of an error")


def _names_error_type(body: bytes) -> bool:
    """Whether an object has the member that names the type of an error; within a member it is data."""
    try:
        return "__type" in orjson.loads(body)
    except orjson.JSONDecodeError:
        return False  # the SDK rejects it


def reject_incomplete(model: OperationModel, http_response: Any, parsed: Mapping[str, Any], **_: object) -> None:  # noqa: ANN401 - a response of the SDK's transport
    """Hook for `after-call`: reject a successful response without the member that AWS returns for the operation.

    Raises:
        ResponseParserError: the member is missing.
    """
    if http_response.status_code >= 300:  # noqa: PLR2004 - the SDK raises its error
        return
    found: Any = parsed
    service = model.service_model.service_name
    path = _READ_RESPONSES.get((service, model.name)) or WRITE_RESPONSES.get(service, {}).get(model.name, ())
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            raise ResponseParserError(f"response is missing {'.'.join(path)}")
