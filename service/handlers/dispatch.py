"""Which handler an event is for, in the order the platform always had: API, direct operation, the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from service.errors import AwsError, ConfigurationError
from service.handlers.replies import aws_error_body, error_body

__all__ = ["Operation", "answer_operation"]

Operation = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes the event's body, gives the answer's."""

_log: Final = logging.getLogger(__name__)


def answer_operation(
    event: Mapping[str, Any], operations: Mapping[str, Operation], *, malformed_code: str, failed_code: str
) -> dict[str, Any]:
    """Answer a direct invocation. Whatever happens, the caller gets an answer and no stack trace.

    Args:
        event: carries `operation` and, where the operation takes one, `body`.
        operations: the operations this function serves.
        malformed_code: error code for an `operation` that is empty or no text; the two functions differ in it.
        failed_code: error code for what nobody expected.
    """
    name = event.get("operation")
    if not isinstance(name, str) or not name:
        return error_body(malformed_code, "operation must be a non-empty string")
    operation = operations.get(name)
    if operation is None:
        known = ", ".join(sorted(operations)) or "none"
        return error_body("INVALID_OPERATION", f"unknown operation; known here: {known}", details={"operation": name})
    body = event.get("body")
    if body is not None and not isinstance(body, Mapping):
        return error_body("INVALID_PARAMETER", "body must be an object", details={"parameter": "body"})
    return _run(name, operation, body or {}, failed_code)


def _run(name: str, operation: Operation, body: Mapping[str, Any], failed_code: str) -> dict[str, Any]:
    try:
        return operation(body)
    except ValidationError as error:
        problems = [{"parameter": ".".join(map(str, each["loc"])), "problem": each["msg"]} for each in error.errors()]
        return error_body("INVALID_PARAMETER", "the body does not fit the operation", details={"problems": problems})
    except ConfigurationError as error:
        return error_body("CONFIGURATION_ERROR", str(error))
    except AwsError as error:
        return aws_error_body(error)
    except Exception:  # noqa: BLE001 - the edge of the process: logged with its trace, answered without
        _log.exception("operation failed", extra={"operation": name})
        # The two functions always differed in where they name the operation.
        more = {"details": {"operation": name}} if failed_code == "INTERNAL_ERROR" else {"operation": name}
        return error_body(failed_code, f"{name} failed; see the log", **more)
