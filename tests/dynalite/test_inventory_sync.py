"""What the inventory sync writes and reads, on dynalite."""

import pytest

from tests.sync.test_inventory_sync import (
    test_a_changed_server_is_written_and_keeps_its_topology,
    test_a_listing_that_breaks_on_page_two_removes_nothing_and_counts_nothing,
    test_a_server_too_big_for_an_item_affects_only_itself,
    test_entries_of_an_account_that_left_are_dropped,
    test_items_carry_the_record_the_instance_and_the_origin,
    test_rows_of_the_earlier_writer_filter_and_are_brought_up_to_date,
    test_the_first_sync_scans_every_region_and_fills_both_tables,
    test_the_second_sync_is_filtered_and_writes_no_server,
    test_two_syncs_at_once_end_as_one_would,
    test_when_ec2_cannot_be_read_tags_and_network_stay,
)
from tests.sync.test_odd_records import test_the_longest_names_that_are_taken_fit_into_the_keys

__all__ = [
    "test_a_changed_server_is_written_and_keeps_its_topology",
    "test_a_listing_that_breaks_on_page_two_removes_nothing_and_counts_nothing",
    "test_a_server_too_big_for_an_item_affects_only_itself",
    "test_entries_of_an_account_that_left_are_dropped",
    "test_items_carry_the_record_the_instance_and_the_origin",
    "test_rows_of_the_earlier_writer_filter_and_are_brought_up_to_date",
    "test_the_first_sync_scans_every_region_and_fills_both_tables",
    "test_the_longest_names_that_are_taken_fit_into_the_keys",
    "test_the_second_sync_is_filtered_and_writes_no_server",
    "test_two_syncs_at_once_end_as_one_would",
    "test_when_ec2_cannot_be_read_tags_and_network_stay",
]

pytestmark = pytest.mark.deep
