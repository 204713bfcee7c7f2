"""Mutants of the fallback where region status is missing (R6)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

_CHOICE: Final = "sync/test_region_choice.py::"
_FALLBACK: Final = f"{_CHOICE}test_without_region_status_every_region_is_scanned_with_a_warning"
_FILLED: Final = f"{_CHOICE}test_a_fallback_fills_the_status_table_and_the_next_sync_is_filtered"
_READER: Final = "unit/regions/test_status_reader.py::test_a_table_that_cannot_be_read_is_unavailable_with_the_reason"
_DEFAULTS: Final = "unit/test_settings.py::test_the_defaults_are_those_of_the_contract"

MUTANTS: Final = (
    Mutant(
        name="last-region-missing-in-the-catalog",
        breaks=("R6.1",),
        file="service/settings.py",
        before="dict.fromkeys((*default, *added,",
        after="dict.fromkeys((*default[:-1], *added,",
        tests=(_FALLBACK,),
    ),
    Mutant(
        name="regions-of-the-contract-not-in-the-default",
        breaks=("R6.1",),
        file="service/settings.py",
        before="default = named or self.partition.drs_regions",
        after='default = named or tuple(each for each in self.partition.drs_regions if not each.startswith("me-"))',
        tests=(_DEFAULTS,),
    ),
    Mutant(
        name="why-the-table-could-not-be-read-not-logged",
        breaks=("R6.2",),
        file="service/regions/selection.py",
        before="return RegionSource.FALLBACK_UNAVAILABLE, table.reason",
        after='return RegionSource.FALLBACK_UNAVAILABLE, "the region status table is unavailable"',
        tests=(_FALLBACK,),
    ),
    Mutant(
        name="error-of-the-table-without-its-code",
        breaks=("R6.2",),
        file="service/regions/status_reader.py",
        before="could not be read: {error.code}: {error.message}",
        after="could not be read: {error.message}",
        tests=(_READER, _FALLBACK),
    ),
    Mutant(
        name="fallback-logged-without-a-warning",
        breaks=("R6.3",),
        file="service/context.py",
        before="logging.WARNING if selection.source.is_fallback else logging.INFO",
        after="logging.INFO",
        tests=(_FALLBACK,),
    ),
    Mutant(
        name="empty-table-is-no-fallback-to-warn-of",
        breaks=("R6.3",),
        file="service/regions/selection.py",
        before='return self.startswith("fallback")',
        after="return self is RegionSource.FALLBACK_UNAVAILABLE",
        tests=(_FALLBACK,),
    ),
    Mutant(
        name="staging-sync-leaves-an-empty-table-empty",
        breaks=("R6.4",),
        file="service/sync/staging/sync.py",
        before="    return is_empty and request.covers_all_accounts and not request.dry_run\n",
        after="    return is_empty and not request.covers_all_accounts and not request.dry_run\n",
        tests=(_FILLED,),
    ),
    Mutant(
        name="tag-sync-leaves-an-empty-table-empty",
        breaks=("R6.4",),
        file="service/sync/tags/sync.py",
        before="covers_all = source.is_fallback or source in {RegionSource",
        after="covers_all = source in {RegionSource",
        tests=(_FILLED,),
    ),
    Mutant(
        name="tag-sync-fills-in-active-regions-alone",
        breaks=("R6.4",),
        file="service/sync/tags/report.py",
        before="    if not (servers or (fills_table and not scan.known_count)):\n",
        after="    if not servers:\n",
        tests=(_FILLED,),
    ),
    Mutant(
        name="inventory-sync-fills-in-active-regions-alone",
        breaks=("R6.4",),
        file="service/sync/inventory/sync.py",
        before="        await self._recorder.add(result.scope, observation,",
        after="        if observation is None or observation.server_count:\n"
        "            await self._recorder.add(result.scope, observation,",
        tests=(_FILLED,),
    ),
    Mutant(
        name="every-account-stays-a-new-one",
        breaks=("R6.5",),
        file="service/regions/selection.py",
        before="    return frozenset(account_ids) - scanned\n",
        after="    return frozenset(account_ids)\n",
        tests=(_FILLED,),
    ),
    Mutant(
        name="rows-cached-beyond-a-staging-sync",
        breaks=("R6.5",),
        file="service/sync/staging/sync.py",
        before="                run.deps.status.invalidate()\n",
        after="                pass\n",
        tests=(_FILLED,),
    ),
    Mutant(
        name="rows-cached-beyond-a-tag-sync",
        breaks=("R6.5",),
        file="service/sync/tags/sync.py",
        before="            status.invalidate()\n",
        after="            pass\n",
        tests=(_FILLED,),
    ),
    Mutant(
        name="entries-of-accounts-not-read",
        breaks=("R6.5",),
        file="service/regions/status_rows.py",
        before='for account_id, entry in {**unpack(item.get("accountsPacked")), **mapped}.items()',
        after='for account_id, entry in unpack(item.get("accountsPacked")).items()',
        tests=(_FILLED,),
    ),
)
