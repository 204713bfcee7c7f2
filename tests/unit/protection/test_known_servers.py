"""Items of the inventory as source servers that protect instances."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import Scope
from service.protection.decision import SourceRef
from service.protection.known_servers import KnownServers, source_ref

ARN: Final = "arn:aws:drs:us-west-2:222233334444:source-server/s-3b8f0c91d27a4e56f"
OWNER: Final = "222233334444"
ITEM: Final[dict[str, Any]] = {
    "sourceServerArn": ARN,
    "_queryAccount": OWNER,
    "replicationRegion": "us-west-2",
    "replicationState": "CONTINUOUS",
    "instanceId": "i-1",
    "recoveryInstanceId": "i-r",
    "sourceCloudProperties": {"originAccountID": "111122223333", "originRegion": "us-east-1"},
    "originalInstanceId": "i-0",
    "originalSourceAccountId": "999900001111",
    "originalSourceRegion": "eu-west-1",
}
CURRENT: Final = Scope("111122223333", "us-east-1")
ORIGINAL: Final = Scope("999900001111", "eu-west-1")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, SourceRef(ARN, "CONTINUOUS", "i-1", "i-0", "i-r", frozenset({CURRENT, ORIGINAL}))),
        ({"originalInstanceId": None}, SourceRef(ARN, "CONTINUOUS", "i-1", "", "i-r", frozenset({CURRENT}))),
        ({"instanceId": ""}, SourceRef(ARN, "CONTINUOUS", "", "i-0", "i-r", frozenset({ORIGINAL}))),
        # A machine that is no EC2 instance.
        (
            {"instanceId": "vm-1", "originalInstanceId": None, "recoveryInstanceId": None},
            SourceRef(ARN, "CONTINUOUS"),
        ),
        # DRS tells no origin: the instance runs where the server is.
        (
            {"sourceCloudProperties": None, "originalInstanceId": None, "recoveryInstanceId": ""},
            SourceRef(ARN, "CONTINUOUS", "i-1", origins=frozenset({Scope(OWNER, "us-west-2")})),
        ),
        # What is odd cannot be entered.
        (
            {
                "sourceCloudProperties": {"originAccountID": "99", "originRegion": "us-east-1"},
                "originalSourceRegion": 5,
            },
            SourceRef(ARN, "CONTINUOUS", "i-1", "i-0", "i-r"),
        ),
        (
            {"sourceCloudProperties": {"originRegion": "../x"}, "originalSourceAccountId": "arn:x"},
            SourceRef(ARN, "CONTINUOUS", "i-1", "i-0", "i-r"),
        ),
    ],
)
def test_an_item_is_read(members: dict[str, Any], expected: SourceRef) -> None:
    assert source_ref({**ITEM, **members}) == expected


_JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(ITEM)), _JSON | st.dictionaries(st.text(), _JSON, max_size=2)))
def test_whatever_other_writers_leave_is_read(members: dict[str, Any]) -> None:
    server = source_ref({**ITEM, **members})
    assert all(len(origin.account_id) == 12 and origin.region for origin in server.origins)


def test_a_few_servers_of_each_account_are_kept_as_witnesses() -> None:
    known = KnownServers()
    for number in range(9):
        known.add(SourceRef(f"{ARN}{number}", instance_id=f"i-{number}", origins=frozenset({CURRENT})))
    assert known.witnesses == {CURRENT.account_id: [f"{ARN}{number}" for number in range(3)]}
    assert (known.origins, known.index.servers) == ({CURRENT}, 9)
