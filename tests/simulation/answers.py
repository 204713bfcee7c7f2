"""The promises of answers: an answer of the inventory query is compared with what was ever read of DRS."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final

from service.errors import DrsSyncError
from service.models import Scope
from service.queries.answer import Answer
from service.queries.params import InventoryParams
from tests.simulation.host import Host

__all__ = ["check_inventory_answer"]

_TABLE: Final = "target_accounts_table"


async def check_inventory_answer(host: Host) -> Answer | None:
    """Query every server and check the answer; return it, None when the query failed."""
    estate, answer = host.estate, None
    targets = set(estate.dynamodb.tables[_TABLE].items)
    with suppress(DrsSyncError):
        answer = await host.query(InventoryParams())
    if answer is None:
        return None
    targets &= set(estate.dynamodb.tables[_TABLE].items)
    unknown = [
        scope
        for (account_id,) in sorted(targets)
        for region in estate.regions
        if not _is_known(host, scope := Scope(account_id, region))
    ]
    if answer.body["complete"] and unknown:
        host.promises.breaks("an answer is complete only if every scope is known", unknown)
    return answer


def _is_known(host: Host, scope: Scope) -> bool:
    """Whether a scope was ever read completely, or told to be switched off, within the time that settings allow."""
    chosen, promises = host.settings, host.promises
    allowed_s = chosen.discovery_window_seconds + chosen.sync_interval_seconds
    read = [each.began for each in promises.listings if each.scope == scope and each.complete]
    read += [promises.switched_off[scope]] if scope in promises.switched_off else []
    if not host.estate.same_clocks:
        return bool(read)
    return any(host.loop.time() - each <= allowed_s + _SLOW.total_seconds() for each in read)


_SLOW: Final = timedelta(minutes=5)  # a query may take long, and its status be cached
