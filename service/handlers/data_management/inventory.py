"""Operation of the inventory sync."""

from __future__ import annotations

from service.app import App
from service.errors import RefusalError
from service.handlers.request_models import SyncBody
from service.handlers.router import Params, Response

__all__ = ["handle_sync_source_server_inventory"]


async def handle_sync_source_server_inventory(app: App, params: Params) -> Response:
    """Sync the source server inventory and the region status table."""
    body = SyncBody.parse(params.values)
    if body.dry_run:
        raise RefusalError("INVALID_PARAMETER", "the inventory sync has no dry run. Fix: leave out dryRun")
    report = await app.sync_inventory(body.request(params.remaining_s))
    return Response(
        {
            "message": f"Synced {report['serversSynced']} source servers in {report['regionsScanned']} regions: "
            f"{report['status']}",
            "totalSynced": report["serversSynced"],
            "totalErrors": len(report["errors"]),
            "timestamp": report["startedAt"],
            **report,
        }
    )
