"""Transactions in front of dynalite: the tests of the sandbox's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.config import Config

from tests.sandbox.test_transactions import (
    Topology,
    test_100_items_and_4_mb_are_allowed,
    test_a_repeated_token_changes_nothing,
    test_a_request_that_no_table_could_take_has_no_reasons,
    test_all_actions_are_applied_in_several_tables,
    test_an_item_of_more_than_400_kb_is_a_reason,
    test_an_item_that_would_become_invalid_cancels_all,
    test_half_a_key_is_a_reason,
    test_one_refusal_cancels_all_and_the_reasons_have_the_order_of_the_actions,
)
from tests.support.sandbox import EngineSandbox

__all__ = [
    "test_100_items_and_4_mb_are_allowed",
    "test_a_repeated_token_changes_nothing",
    "test_a_request_that_no_table_could_take_has_no_reasons",
    "test_all_actions_are_applied_in_several_tables",
    "test_an_item_of_more_than_400_kb_is_a_reason",
    "test_an_item_that_would_become_invalid_cancels_all",
    "test_half_a_key_is_a_reason",
    "test_one_refusal_cancels_all_and_the_reasons_have_the_order_of_the_actions",
]

pytestmark = pytest.mark.deep


@pytest.fixture
def topology(start_sandbox: Callable[..., EngineSandbox]) -> Iterator[Topology]:
    sandbox = start_sandbox()
    config = Config(retries={"total_max_attempts": 1})
    client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=sandbox.server.endpoint_url, config=config)
    yield Topology(sandbox.server.environment(), client)
    client.close()
