"""What another writer does between a read of an item and the write that follows, against a simulated DynamoDB."""

from __future__ import annotations

import pytest

from service.accounts.staging import Records
from service.errors import RefusalError
from service.handlers.app import open_app, utc_now
from service.settings import load_settings
from tests.support.estate import Estate


async def test_a_target_that_was_deleted_meanwhile_does_not_come_back(estate: Estate) -> None:
    target = {"accountId": estate.names.a}
    accounts = estate.table("TARGET_ACCOUNTS_TABLE")
    accounts.update_item(Key=target, UpdateExpression="REMOVE stagingAccounts, removedStagingAccounts")

    def change(held: Records, removed: Records) -> tuple[Records, Records]:
        accounts.delete_item(Key=target)
        return [*held, {"accountId": estate.names.b}], removed

    async with open_app(load_settings()) as app:
        with pytest.raises(RefusalError, match="there is no target account"):
            await app.target_accounts().change_staging(estate.names.a, change, now=utc_now())
    assert "Item" not in accounts.get_item(Key=target)
