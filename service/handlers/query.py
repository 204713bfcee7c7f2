"""query-handler: reads only. The import rules of this package keep every sync and every write out of its reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.handlers.dispatch import Operation, answer_operation
from service.handlers.replies import envelope, error_body, not_found

__all__ = ["lambda_handler"]

_OPERATIONS: dict[str, Operation] = {}


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Entry point of the function: API Gateway and direct operations. Sync operations are refused."""
    if "requestContext" in event:
        return not_found(event)
    if "operation" in event:
        return answer_operation(event, _OPERATIONS, malformed_code="INVALID_OPERATION", failed_code="INTERNAL_ERROR")
    return envelope(500, error_body("INVALID_OPERATION", "the event has neither requestContext nor operation"))
