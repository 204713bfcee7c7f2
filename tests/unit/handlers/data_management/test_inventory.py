"""Operation of the inventory sync: what it refuses before anything is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.errors import RefusalError
from service.handlers.data_management.inventory import handle_sync_source_server_inventory
from service.handlers.router import Params


def test_a_dry_run_is_refused_because_the_sync_has_none_and_would_write() -> None:
    no_app: Any = None
    with pytest.raises(RefusalError, match="has no dry run"):
        asyncio.run(handle_sync_source_server_inventory(no_app, Params({"dryRun": True})))
