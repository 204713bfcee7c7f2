"""data-management-handler: everything that writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.handlers.dispatch import Operation, answer_operation
from service.handlers.host import Host
from service.handlers.replies import envelope, error_body, not_found
from service.survey import Request

__all__ = ["handle_sync_source_server_inventory", "lambda_handler"]

# The end of a run must be told before Lambda ends the process.
_REPORTING_S: Final = 10.0

host: Final = Host()

AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]


class SyncInventory(BaseModel):
    """Body of `sync_source_server_inventory`; the schedule sends none."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    accounts: Annotated[tuple[AccountId, ...], Field(alias="accountIds")] = ()
    regions: tuple[str, ...] = ()
    full_scan: Annotated[bool, Field(alias="fullScan")] = False


def handle_sync_source_server_inventory(body: Mapping[str, Any], *, budget_s: float | None = None) -> dict[str, Any]:
    """Sync the source server inventory and the region status table.

    Args:
        body: see `SyncInventory`.
        budget_s: seconds until the run must have ended; places not reached by then are reported as failed.
    """
    asked = SyncInventory.model_validate(body)
    request = Request(accounts=asked.accounts, regions=asked.regions, full_scan=asked.full_scan, budget_s=budget_s)
    report = host.run(lambda app: app.sync_inventory(request))
    return {
        "message": f"Synced {report['serversSynced']} source servers in {report['regionsScanned']} regions: "
        f"{report['status']}",
        "totalSynced": report["serversSynced"],
        "totalErrors": len(report["errors"]),
        "timestamp": report["startedAt"],
        **report,
    }


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context object
    """Entry point of the function: API Gateway, direct operations and schedules."""
    if "requestContext" in event:
        return not_found(event)
    if "operation" in event:
        return answer_operation(
            event, _operations(context), malformed_code="INVALID_EVENT_FORMAT", failed_code="OPERATION_FAILED"
        )
    return envelope(400, error_body("INVALID_INVOCATION", "the event has neither requestContext nor operation"))


def _operations(context: Any) -> dict[str, Operation]:  # noqa: ANN401 - Lambda's context object
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    budget_s = None if remaining is None else max(0.0, remaining() / 1000 - _REPORTING_S)
    return {
        "sync_source_server_inventory": lambda body: handle_sync_source_server_inventory(body, budget_s=budget_s),
    }
