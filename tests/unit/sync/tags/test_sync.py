"""A run of the tag sync holds what it will report, whatever the number of servers."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final, cast

from service.models import Coverage, Scope
from service.regions.selection import RegionSource
from service.sync.engine.outcome import ScopeResult
from service.sync.tags.report import AccountResult
from service.sync.tags.scan import TagScan
from service.sync.tags.sync import TagSync

UNUSED: Final = cast("Any", None)
SCOPE: Final = Scope("111122223333", "us-west-2")


async def test_a_scan_and_its_servers_are_not_kept_once_they_are_counted() -> None:
    sync, selection = TagSync(UNUSED, "manual"), SimpleNamespace(source=RegionSource.STATUS_TABLE)
    sync._accounts = {SCOPE.account_id: AccountResult(SCOPE.account_id, "Prod")}
    run = cast("Any", SimpleNamespace(context=SimpleNamespace(selection=selection, rows=())))
    tools = cast("Any", SimpleNamespace(now=lambda: datetime(2026, 11, 23, tzinfo=UTC), state=None, dry_run=False))
    scan = TagScan(SCOPE, UNUSED, UNUSED, tools, known_count=2)
    scan.listed_completely, scan.results.counts.servers = True, 2
    kept = weakref.ref(scan)
    await sync.collect(ScopeResult(SCOPE, Coverage.COMPLETE, 2), scan, run)
    del scan
    gc.collect()
    assert kept() is None
    assert sync._accounts[SCOPE.account_id].counts.servers == 2
    assert [each.server_count for each in sync._observations[SCOPE.region]] == [2]
