"""Table reads and writes on dynalite: conditions, pagination of Scan."""

from tests.aws.test_dynamodb import test_a_scan_reads_all_pages, test_conditions_hold_against_a_real_table

__all__ = ["test_a_scan_reads_all_pages", "test_conditions_hold_against_a_real_table"]
