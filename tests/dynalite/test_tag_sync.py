"""State that the tag sync keeps between runs, on dynalite."""

import pytest

from tests.sync.test_tag_sync import (
    main,
    test_a_full_scan_drops_accounts_that_have_left,
    test_a_second_run_writes_nothing,
    test_deleted_servers_leave_the_settled_launches,
    test_the_result_is_stored_for_later_queries,
    test_two_runs_at_once_end_as_one_would,
)

__all__ = [
    "main",
    "test_a_full_scan_drops_accounts_that_have_left",
    "test_a_second_run_writes_nothing",
    "test_deleted_servers_leave_the_settled_launches",
    "test_the_result_is_stored_for_later_queries",
    "test_two_runs_at_once_end_as_one_would",
]

pytestmark = pytest.mark.deep
