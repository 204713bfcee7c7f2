"""Operation of the coverage sync."""

from __future__ import annotations

from service.app import App
from service.handlers.request_models import CoverageBody
from service.handlers.router import Params, Response

__all__ = ["handle_sync_coverage"]


async def handle_sync_coverage(app: App, params: Params) -> Response:
    """Tell which EC2 instances no source server protects, and keep a summary per account and region."""
    return Response(await app.sync_coverage(CoverageBody.parse(params.values).request(params.remaining_s)))
