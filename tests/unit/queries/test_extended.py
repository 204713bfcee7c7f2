"""Which items are servers that another account replicates. Pure."""

from __future__ import annotations

import pytest

from service.models import Scope
from service.queries.extended import extended_items
from service.queries.read_result import DataSource, ReadResult, ScopeReadResult

TARGET, STAGING = "111122223333", "444455556666"
ARN = f"arn:aws:drs:us-west-2:{STAGING}:source-server/s-1"


@pytest.mark.parametrize(
    ("area", "is_extended"),
    [
        ({"stagingSourceServerArn": ARN, "stagingAccountID": STAGING}, True),
        ({"stagingSourceServerArn": ARN, "stagingAccountID": TARGET}, False),  # the account replicates it itself
        ({"stagingAccountID": STAGING}, False),
        ({"stagingSourceServerArn": "", "stagingAccountID": STAGING}, False),
        ({"stagingSourceServerArn": ARN, "stagingAccountID": 444455556666}, False),
        ({"stagingSourceServerArn": ARN}, False),
        ("EXTENDED", False),
        (None, False),
    ],
)
def test_a_server_is_extended_if_its_staging_area_is_of_another_account(area: object, *, is_extended: bool) -> None:
    item = {"sourceServerID": "s-2", "stagingArea": area}
    scope = Scope(TARGET, "us-west-2")
    result = ReadResult((ScopeReadResult(scope, DataSource.INVENTORY, (item,)),))
    assert [*extended_items(result)] == ([(scope, item, area)] if is_extended else [])
