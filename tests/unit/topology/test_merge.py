"""Merging of two records of one lineage: nothing of either is lost, and what readers have seen does not change."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.topology.history import ATTRIBUTE, history_of
from service.topology.keys import from_inventory, inventory_key, is_known_kind, key_of, topology_key
from service.topology.merge import is_contained, lacking, merged, unchanged_condition
from service.topology.original import ORIGINALS

LINEAGE: Final = "arn:aws:drs:us-west-2:111122223333:source-server/s-1"
ENTRIES: Final = st.builds(
    lambda event, day: {"event": event, "at": f"2026-01-{day:02}"},
    st.sampled_from(["moved", "absent"]),
    st.integers(1, 9),
)
VALUES: Final = st.sampled_from(["a", "b", {"groups": ["sg-1", "sg-2"]}, 1])
RECORDS: Final = st.builds(
    lambda values, entries: {
        **topology_key(LINEAGE),
        **values,
        **({ATTRIBUTE: entries} if entries is not None else {}),
    },
    st.dictionaries(st.sampled_from([*ORIGINALS[:4], "topologyLastUpdated", "captureMethod"]), VALUES, max_size=5),
    st.none() | st.lists(ENTRIES, max_size=4),
)


@given(RECORDS, RECORDS)
def test_a_merged_record_has_everything_of_both(own: dict[str, Any], other: dict[str, Any]) -> None:
    both = merged(own, other)
    for name, value in own.items():
        assert name == ATTRIBUTE or both[name] == value  # what readers have seen
    assert set(other) - {ATTRIBUTE} <= set(both)
    events = history_of(both)
    for entry in (*history_of(own), *history_of(other)):
        assert entry in events
    for name in set(ORIGINALS) - {"topologyLastUpdated"}:
        if name in own and name in other and own[name] != other[name]:
            assert any(each.get("originals", {}).get(name) == other[name] for each in events)
    assert [str(entry["at"]) for entry in events] == sorted(str(entry["at"]) for entry in events)


@given(RECORDS, RECORDS)
def test_what_was_merged_is_contained_and_merging_again_changes_nothing(
    own: dict[str, Any], other: dict[str, Any]
) -> None:
    both = merged(own, other)
    assert is_contained(other, both)
    assert is_contained(own, own)
    assert merged(both, other) == both


@given(RECORDS, RECORDS)
def test_what_is_not_contained_lacks_something(own: dict[str, Any], other: dict[str, Any]) -> None:
    unknown = [entry for entry in history_of(other) if entry not in history_of(own)]
    if unknown or set(other) - {ATTRIBUTE} - set(own):
        assert not is_contained(other, own)
    if not is_contained(other, own):
        assert lacking(own, other) or history_of(merged(own, other)) != history_of(merged(own, {}))


def test_a_long_history_keeps_its_newest_entries_and_still_counts_as_contained() -> None:
    entries = [{"event": "absent", "at": f"2026-02-{day:02}"} for day in range(1, 26)]
    own, other = {ATTRIBUTE: entries[5:]}, {ATTRIBUTE: entries[:5]}
    assert merged(own, other)[ATTRIBUTE] == entries[5:]
    assert is_contained(other, own)


def test_the_condition_notices_what_an_older_version_may_change() -> None:
    item = {**topology_key(LINEAGE), "captureMethod": "late", "originalReplicationConfiguration": {"groups": ["sg-1"]}}
    condition, values = unchanged_condition({**item, ATTRIBUTE: [{"event": "moved"}]})
    assert "#captureMethod = :captureMethod" in condition
    assert "attribute_exists( #originalReplicationConfiguration )" in condition
    assert "attribute_not_exists( #sourceSideTemplate )" in condition
    assert values == {"captureMethod": "late", ATTRIBUTE: [{"event": "moved"}]}
    assert f"attribute_not_exists( #{ATTRIBUTE} )" in unchanged_condition(item)[0]


@pytest.mark.parametrize(
    ("arn", "account", "known"),
    [
        (LINEAGE, "TOPOLOGY", True),
        (LINEAGE, f"MEMBER#{LINEAGE}", True),
        ("id#app", f"LINEAGE#{LINEAGE}", True),
        (LINEAGE, "111122223333", False),
        ("scope#111122223333#us-west-2", "values#0", False),
    ],
)
def test_items_of_the_inventory_table_by_kind(arn: str, account: str, known: bool) -> None:  # noqa: FBT001
    found = from_inventory({"sourceServerArn": arn, "stagingAccountId": account, "more": 1})
    assert (found is not None) == known == is_known_kind({"pk": arn, "sk": account})
    if found is not None:
        assert found == {"pk": arn, "sk": account, "more": 1}
        assert inventory_key(found) == {"sourceServerArn": arn, "stagingAccountId": account}
        assert key_of(found) == {"pk": arn, "sk": account}
