"""Moving values, on dynalite."""

import pytest

from tests.sync.test_moving_values import (
    test_a_scope_that_becomes_empty_keeps_no_values_of_servers_that_left,
    test_an_older_scan_never_overwrites_a_newer_one,
    test_damaged_values_are_unknown_and_told,
    test_every_query_shows_the_values_of_the_last_scan_and_no_item_is_rewritten,
    test_many_scopes_are_read_in_batches,
)

__all__ = [
    "test_a_scope_that_becomes_empty_keeps_no_values_of_servers_that_left",
    "test_an_older_scan_never_overwrites_a_newer_one",
    "test_damaged_values_are_unknown_and_told",
    "test_every_query_shows_the_values_of_the_last_scan_and_no_item_is_rewritten",
    "test_many_scopes_are_read_in_batches",
]

pytestmark = pytest.mark.deep
