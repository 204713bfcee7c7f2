"""Lineage lookup by name and failback queries, on dynalite."""

import pytest

from tests.failback.test_command import (
    cycle_sandbox,
    test_a_name_of_nobody_and_a_name_of_two_are_refused,
    test_each_failback_step_is_shown_without_a_sync,
)

__all__ = [
    "cycle_sandbox",
    "test_a_name_of_nobody_and_a_name_of_two_are_refused",
    "test_each_failback_step_is_shown_without_a_sync",
]

pytestmark = pytest.mark.deep
