"""Validation of requested accounts and regions against those that are known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, cast

import pytest

from service.accounts.records import AccountDirectory, parse_account
from service.context import ContextLoader, SyncRequest
from service.errors import ConfigurationError
from service.models import RegionStatus, Scope
from service.regions.selection import RegionSource, select
from service.regions.status_rows import Observation, merge
from service.settings import Settings

ACCOUNT: Final = "111122223333"
SCOPE: Final = Scope(ACCOUNT, "us-west-2")
SCANNED_AT: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
LATER: Final = datetime(2026, 11, 23, 5, 1, tzinfo=UTC)
UNUSED: Final = cast("Any", None)
ACTIVE: Final = RegionStatus.ACTIVE


def test_accounts_requested_must_be_known() -> None:
    directory = AccountDirectory([parse_account({"accountId": ACCOUNT}), parse_account({"accountId": "222233334444"})])
    check = context_loader().check_accounts
    assert set(check(SyncRequest(), directory)) == {ACCOUNT, "222233334444"}
    assert set(check(SyncRequest(accounts=(ACCOUNT,)), directory)) == {ACCOUNT}
    assert set(check(SyncRequest(scopes=(SCOPE,)), directory)) == {ACCOUNT}
    with pytest.raises(ConfigurationError, match=r"999999999999.*accounts in it: 111122223333, 222233334444"):
        check(SyncRequest(accounts=(ACCOUNT, "999999999999")), directory)


def context_loader() -> ContextLoader:
    return ContextLoader(UNUSED, Settings(), UNUSED, lambda: LATER)


def test_a_region_both_requested_and_excluded_leaves_nothing_to_scan() -> None:
    rows = [merge(None, "us-west-2", [Observation(ACCOUNT, ACTIVE, SCANNED_AT, 4)])]
    request = SyncRequest(regions=("us-east-1",), excluded_regions=("us-east-1",))
    selection = select(rows, context_loader()._selection_request(request, [ACCOUNT], discover=True, shared=False))
    assert selection.source is RegionSource.REQUESTED
    assert not selection.scopes
