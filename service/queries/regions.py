"""Regions query: the region status table, with the age of the last complete scan and the attempt after it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from service.aws.client import AwsClient
from service.errors import RefusalError
from service.models import Now, Scope, iso
from service.queries.answer import Answer
from service.queries.context import QueryContextLoader
from service.queries.params import ScopesParams
from service.queries.query_deadline import QueryDeadline
from service.regions.outside_catalog import outside_problem, rows_outside
from service.regions.scope_state import ScopeState, StateRules, state_in
from service.regions.status_entry import AccountEntry
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["NOTHING_KNOWN", "RegionsQuery"]

NOTHING_KNOWN: Final = "nothing is known yet: run drs-sync sync inventory"
"""The message of an answer without any region."""


class RegionsQuery:
    """Answers queries for region status; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._settings = settings
        self._context_loader = QueryContextLoader(aws_client, settings, status, now)

    async def run(self) -> Answer:
        """Answer with every row of the region status table, those with most servers first.

        Raises:
            RefusalError: the region status table could not be read.
            ConfigurationError: the name of a table is not set.
            AwsError: the target accounts could not be read.
        """
        self._settings.require("drs_region_status_table")
        context = await self._context_loader.load(QueryDeadline.start(self._settings.query_deadline_seconds))
        if context.view.unavailable:
            raise RefusalError("RegionStatusUnavailable", context.view.unavailable, status=500)
        rules = context.rules
        rows = sorted(context.view.rows.values(), key=lambda row: (-row.server_count, row.region))
        outside = outside_problem(rows, self._settings)
        members = {
            "operation": "regions",
            "activeRegions": [row.region for row in rows if row.server_count > 0],
            "serverCount": sum(row.server_count for row in rows),
            "regions": [_region_json(row, context.directory.targets, rules) for row in rows],
            "outsideCatalog": [row.region for row in rows_outside(rows, self._settings)],
            "warnings": [outside.as_json()] if outside else [],
            **({} if rows else {"message": NOTHING_KNOWN}),
        }
        completeness = self._context_loader.completeness(context, ScopesParams())
        return Answer(members, completeness, is_whole=context.is_whole(()))


def _region_json(row: RegionRow, targets: Collection[str], rules: StateRules) -> dict[str, Any]:
    oldest = _oldest_complete(row)
    return {
        "region": row.region,
        "status": row.status,
        "serverCount": row.server_count,
        "lastChecked": iso(row.last_scanned) if row.last_scanned else None,
        "lastComplete": iso(oldest) if oldest else None,
        "ageSeconds": _age(oldest, rules.now),
        "lastAttemptAgeSeconds": _age(row.last_scanned, rules.now),
        "unknownAccounts": [
            account_id for account_id in sorted(targets) if _state(row, account_id, rules) is ScopeState.UNKNOWN
        ],
        "accounts": {
            account_id: {"state": _state(row, account_id, rules), **_entry_json(entry, rules.now)}
            for account_id, entry in sorted(row.accounts.items())
        },
    }


def _oldest_complete(row: RegionRow) -> datetime | None:
    """Return the oldest of the last complete scans of the accounts that have servers there; if none has, of all."""
    scans = [
        (not entry.server_count, entry.last_complete)
        for entry in row.accounts.values()
        if entry.last_complete is not None
    ]
    return min(scans)[1] if scans else None


def _state(row: RegionRow, account_id: str, rules: StateRules) -> ScopeState:
    return state_in(Scope(account_id, row.region), row.accounts.get(account_id), rules)


def _entry_json(entry: AccountEntry, now: datetime) -> dict[str, Any]:
    """Describe the entry of an account, with the age of its last complete scan and the last attempt beside it."""
    return {
        "status": entry.status,
        "serverCount": entry.server_count,
        "lastChecked": iso(entry.last_checked) if entry.last_checked else None,
        "lastComplete": iso(entry.last_complete) if entry.last_complete else None,
        "ageSeconds": _age(entry.last_complete, now),
        "errorMessage": entry.error_message or None,
        "lastAttempt": {
            "at": iso(entry.last_checked) if entry.last_checked else None,
            "ageSeconds": _age(entry.last_checked, now),
            "status": entry.status,
            "error": entry.error_message or None,
        },
    }


def _age(moment: datetime | None, now: datetime) -> int | None:
    return max(0, round((now - moment).total_seconds())) if moment else None
