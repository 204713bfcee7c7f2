"""Which of the two functions has the staging sync."""

from __future__ import annotations

from service.handlers import data_management, query


def test_the_staging_sync_is_an_operation_of_the_function_that_may_write_alone() -> None:
    operation = data_management.OPERATIONS["sync_staging_accounts"]
    assert operation.work is data_management.handle_sync_staging_accounts
    assert operation.aliases == ("handle_sync_staging_accounts",)
    names = {name for each, found in query.OPERATIONS.items() for name in (each, *found.aliases)}
    assert not {"sync_staging_accounts", "handle_sync_staging_accounts"} & names
