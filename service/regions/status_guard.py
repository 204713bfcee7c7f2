"""Guard of region status: what one scan alone may not settle, judged by the row as it is when it is written. Pure.

A run knows the row as it was when the run began. Another run may have found servers since, so the same is checked again
when the result is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from service.models import RegionStatus
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import Observation, RegionRow

__all__ = ["admissible"]


def admissible(row: RegionRow | None, observations: Iterable[Observation]) -> list[Observation]:
    """Return the scan results that may be merged into a row, without what they cannot settle.

    * "Not initialized" where servers are known settles no count until a later scan is told the same.
    * A list that shows none or far fewer servers than are known settles no count, if the run did not know them and so
      did not repeat it. The next run does.
    * A sync that does not read the inventory settles neither fewer servers than are known, nor "no servers" where the
      inventory sync has a scan to do: items of the other servers would be left, or one short list would be believed.
    """
    entries = row.accounts if row is not None else {}
    checked = (_check(entries.get(each.account_id, AccountEntry()), each) for each in observations)
    return [each for each in checked if each is not None]


def _is_doubted(entry: AccountEntry, observation: Observation) -> bool:
    limit = observation.believed_up_to
    is_earlier = entry.last_complete is not None and entry.last_complete > observation.scanned_at
    return limit is not None and not is_earlier and (entry.server_count or 0) > limit


def _check(entry: AccountEntry, observation: Observation) -> Observation | None:
    count = observation.server_count
    if not observation.reads_items and count is not None:
        is_open = count == 0 and (entry.scan_requested_at or entry.empty_seen_at)
        return None if is_open or count < (entry.server_count or 0) else observation
    if count is not None and _is_doubted(entry, observation):
        return replace(
            observation,
            status=RegionStatus.ERROR,
            server_count=None,
            error_message=f"ScanRepeated: DRS listed {count} servers where {entry.server_count} are known; the next run"
            " lists them again",
        )
    if count != 0:
        return observation
    if observation.status is RegionStatus.NOT_INITIALIZED and entry.server_count and not observation.is_confirmed_empty:
        return replace(
            observation,
            status=RegionStatus.ERROR,
            server_count=None,
            error_message="UninitializedAccountException: DRS has to say so again, as servers are known",
            is_unconfirmed_empty=True,
        )
    return observation
