"""Queries answered from the inventory, on dynalite."""

import pytest

from tests.queries.conftest import client
from tests.queries.test_servers import (
    test_a_fresh_region_is_answered_from_the_inventory,
    test_a_stale_region_is_answered_by_drs_with_its_own_records,
    test_without_an_account_every_target_is_queried,
)

__all__ = [
    "client",
    "test_a_fresh_region_is_answered_from_the_inventory",
    "test_a_stale_region_is_answered_by_drs_with_its_own_records",
    "test_without_an_account_every_target_is_queried",
]

pytestmark = pytest.mark.deep
