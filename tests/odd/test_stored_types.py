"""Attributes that another writer left with another type: each counts as missing, and none raises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from service.aws.dynamodb import TableReader
from service.inventory.table import _parse_stored
from service.queries.failback.facts import facts_of
from service.topology.history import history_of, moves_of, reconfigured_entry
from service.topology.lineage import LineageReader, lineage_of_item
from service.topology.merge import merged
from service.topology.original import choose_template, missing_details, stored_originals

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ARN = "arn:aws:drs:us-west-2:111122223333:source-server/s-0123456789abcdef0"
ODD: list[Any] = [None, 5, -1.5, 10**30, True, "", "text", [], [5], [{}], [None], {}, {"a": [1]}, b"x"]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_stored_item_keeps_only_what_has_its_type(value: Any) -> None:
    names = ("topologyMissing", "lineageNames", "lineageArn", "topologyLastUpdated", "originalInstanceId")
    stored = _parse_stored({"sourceServerArn": ARN, "stagingAccountId": "1", **dict.fromkeys(names, value)}).item
    assert all(isinstance(stored.get(name, ""), str) for name in names[2:])
    assert all(set(stored.get(name, ())) == set() for name in names[:2])


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_topology_is_read_whatever_its_history_holds(value: Any) -> None:
    for history in (value, [value], [{"event": "moved", "at": value, "instanceId": value, "configuration": value}]):
        topology = {"pk": ARN, "sk": "TOPOLOGY", "topologyHistory": history, "originalReplicationConfiguration": value}
        assert all(isinstance(entry, dict) for entry in history_of(topology))
        assert isinstance(moves_of(topology), list)
        entry = reconfigured_entry(topology, {"ebsEncryption": "NONE"}, now=NOW)
        assert entry is not None
        assert entry["configuration"] == {"ebsEncryption": "NONE"}
        assert isinstance(merged(topology, {**topology, "originalInstanceId": value}), dict)
        assert facts_of(ARN, [topology]).model_dump_json()
        assert isinstance(missing_details(topology), list)
        assert isinstance(stored_originals(topology), dict)


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_lineage_is_an_arn_or_the_items_own(value: Any) -> None:
    item = {"sourceServerArn": ARN, "stagingAccountId": "1", "lineageArn": value, "stagingArea": value}
    expected = value if isinstance(value, str) and value else ARN
    assert lineage_of_item(item) == expected
    assert lineage_of_item({**item, "lineageArn": None, "stagingArea": {"stagingSourceServerArn": value}}) == expected


async def test_a_name_too_long_for_a_key_is_the_name_of_nothing() -> None:
    reader = LineageReader(cast("TableReader", None))  # no table is read
    assert await reader.by_name("x" * 2046) == ()
    assert await reader.by_name("\N{SLIGHTLY SMILING FACE}" * 600) == ()


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_templates_are_compared_whatever_they_hold(value: Any) -> None:
    template = {"replicationConfigurationTemplateID": "rct-1", "replicationServersSecurityGroupsIDs": [value, "a", 5]}
    other = {**template, "replicationConfigurationTemplateID": value, "ebsEncryption": value}
    assert choose_template([template, other, {**template, "ebsEncryption": "x"}], template) in {"rct-1", None}
