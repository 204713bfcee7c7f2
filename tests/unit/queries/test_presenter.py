"""Views of servers, from items of any version and with attributes of any type."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.inventory.posture import Objectives
from service.inventory.reader import stored_facts
from service.inventory.server import InstanceFacts, parse_server
from service.models import Scope, iso
from service.queries.extended import extended_items
from service.queries.inventory import present_servers
from service.queries.live import to_items
from service.queries.paging import page_length
from service.queries.presenter import display_state, present
from service.queries.read_result import DataSource, ReadResult, ScopeReadResult
from service.settings import Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("222222222222", "us-west-2")
MEMBERS = {
    "sourceServerID",
    "hostname",
    "fqdn",
    "nameTag",
    "sourceInstanceId",
    "sourceIp",
    "sourceMac",
    "sourceRegion",
    "sourceAccount",
    "sourceAvailabilityZone",
    "targetAvailabilityZone",
    "os",
    "state",
    "replicationState",
    "lagDuration",
    "lastSeen",
    "backlogBytes",
    "etaDateTime",
    "valuesAsOf",
    "lastLaunchType",
    "lastLaunchStatus",
    "lastLaunchTime",
    "replicatedStorageBytes",
    "hardware",
    "networkInterfaces",
    "drsTags",
    "tags",
    "assignedToProtectionGroup",
    "selectable",
    "sourceServerArn",
    "accountId",
    "stagingAccountId",
    "region",
    "replicationRegion",
}


def item_of(record: dict[str, Any], **original: Any) -> dict[str, Any]:
    server = parse_server(record)
    assert not isinstance(server, str)
    facts = InstanceFacts({"Environment": "from-ec2"})
    return build_item(ServerSnapshot(record, server, facts), SCOPE, WriteStamp("", NOW, NOW), original)


def test_a_whole_item_shows_every_member(forward_record: dict[str, Any]) -> None:
    shown = present(item_of(forward_record, originalSourceRegion="us-east-1", originalAccountId="222222222222"))
    assert set(shown) == MEMBERS | {"originalSourceRegion", "originalAccountId"}
    assert shown == {
        **shown,
        "sourceServerID": "s-3b8f0c91d27a4e56f",
        "accountId": "222222222222",
        "region": "us-west-2",
        "hostname": "ip-10-10-4-21",
        "fqdn": "ip-10-10-4-21.ec2.internal",
        "nameTag": "app-web-01",
        "sourceInstanceId": "i-0123456789abcdef0",
        "sourceIp": "10.10.4.21",
        "sourceMac": "0e:1f:2a:3b:4c:5d",
        "sourceRegion": "us-east-1",
        "sourceAccount": "111111111111",
        "sourceAvailabilityZone": "us-east-1a",
        "targetAvailabilityZone": "us-west-2b",
        "os": "Linux version 6.1.112",
        "state": "CONTINUOUS",
        "replicationState": "CONTINUOUS",
        "lagDuration": "P0D",
        "lastSeen": "2026-11-23T11:34:53.114Z",
        "backlogBytes": 0,
        "etaDateTime": "2026-03-02T08:14:07.114Z",
        "valuesAsOf": iso(NOW),
        "lastLaunchType": "RECOVERY",
        "lastLaunchStatus": "SUCCEEDED",
        "lastLaunchTime": "2026-11-20T02:10:31.774Z",
        "replicatedStorageBytes": 34359738368,
        "assignedToProtectionGroup": None,
        "selectable": True,
    }
    assert shown["hardware"] == {
        "cpus": [
            {"modelName": "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "cores": 4},
            {"modelName": "x", "cores": 2},
        ],
        "totalCores": 6,
        "ramBytes": 16777216000,
        "ramGiB": 15.62,
        "disks": [{"deviceName": "/dev/nvme0n1", "bytes": 34359738368, "sizeGiB": 32.0}],
        "totalDiskGiB": 32.0,
    }
    assert shown["networkInterfaces"] == [{"ips": ["10.10.4.21"], "macAddress": "0e:1f:2a:3b:4c:5d", "isPrimary": True}]
    assert shown["tags"] == {"Name": "app-web-01", "Environment": "from-ec2", "lagDuration": "a tag"}


def test_a_flat_item_of_an_early_version_is_shown() -> None:
    flat = {
        "sourceServerArn": "arn:aws:drs:us-west-2:222222222222:source-server/s-00000000000000001",
        "stagingAccountId": "222222222222",
        "sourceAccountId": "111111111111",
        "sourceRegion": "us-east-1",
        "hostname": "old-timer",
        "fqdn": "old-timer.example",
        "instanceId": "i-1",
        "replicationRegion": "us-west-2",
        "replicationState": "STALLED",
        "lagDuration": "PT5M",
        "lastSeen": "2025-01-01T00:00:00Z",
        "cpuModel": "x",
        "cpuCores": "6",
        "ramBytes": 8589934592,
        "totalStorageBytes": 1073741824,
        "osName": "Linux",
        "primaryIp": "10.0.0.9",
        "macAddress": "0e:00",
        "sourceTags": {"Name": "old"},
        "networkConfig": {"privateIp": "10.0.0.8"},
        "lastUpdated": "2025-01-01T00:00:01+00:00",
    }
    shown = present(flat)
    assert shown == {
        **shown,
        "sourceServerID": "s-00000000000000001",
        "accountId": "222222222222",
        "sourceRegion": "us-east-1",
        "sourceAccount": "111111111111",
        "hostname": "old-timer",
        "fqdn": "old-timer.example",
        "sourceInstanceId": "i-1",
        "sourceIp": "10.0.0.9",
        "sourceMac": "0e:00",
        "region": "us-west-2",
        "state": "STALLED",
        "lagDuration": "PT5M",
        "lastSeen": "2025-01-01T00:00:00Z",
        "valuesAsOf": "2025-01-01T00:00:01+00:00",
        "os": "Linux",
        "nameTag": "old",
        "tags": {"Name": "old"},
    }
    assert shown["hardware"]["cpus"] == [{"modelName": "x", "cores": 6}]
    assert (shown["hardware"]["ramGiB"], shown["hardware"]["totalDiskGiB"]) == (8.0, 1.0)
    assert present({**flat, "primaryIp": "", "macAddress": ""})["sourceIp"] == "10.0.0.8"


def test_the_template_id_is_found_under_its_older_name() -> None:
    assert present({"originalReplicationConfigTemplateId": "rct-1"})["originalReplicationConfigurationTemplateId"] == (
        "rct-1"
    )


@pytest.mark.parametrize(
    ("state", "word", "selectable"),
    [
        ("CONTINUOUS", "READY_FOR_RECOVERY", True),
        ("INITIAL_SYNC", "SYNCING", False),
        ("BACKLOG", "SYNCING", False),
        ("RESCAN", "SYNCING", False),
        ("CREATING_SNAPSHOT", "SYNCING", False),
        ("STALLED", "STALLED", False),
        ("", "UNKNOWN", False),
    ],
)
def test_states_have_a_word_for_people(state: str, word: str, selectable: bool) -> None:  # noqa: FBT001 - a table
    shown = present({"replicationState": state})
    assert shown["selectable"] is selectable
    assert display_state(shown)["state"] == word
    assert display_state(shown)["replicationState"] == shown["replicationState"]


def test_an_extended_server_that_drs_cannot_replicate_is_not_selectable_and_says_why() -> None:
    area = {"status": "EXTENSION_ERROR", "errorMessage": "the staging account does not trust the target"}
    shown = present({"replicationState": "CONTINUOUS", "stagingArea": area})
    assert (shown["state"], shown["selectable"]) == ("CONTINUOUS", False)
    assert shown["extensionError"] == area["errorMessage"]
    assert present({"stagingArea": {"status": "EXTENSION_ERROR"}})["extensionError"] == "EXTENSION_ERROR"
    assert "extensionError" not in present({"replicationState": "CONTINUOUS", "stagingArea": {"status": "EXTENDED"}})


NAMES = {
    "sourceServerArn",
    "sourceProperties",
    "cpus",
    "cores",
    "disks",
    "bytes",
    "networkInterfaces",
    "ips",
    "identificationHints",
    "hostname",
    "dataReplicationInfo",
    "replicatedDisks",
    "replicatedStorageBytes",
    "backloggedStorageBytes",
    "etaDateTime",
    "lastUpdated",
    "lifeCycle",
    "lastLaunch",
    "tags",
    "Name",
    "ramBytes",
    "cpuModel",
    "cpuCores",
    "primaryIp",
    "sourceTags",
    "os",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(NAMES)), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(NAMES)), JSON, max_size=8))
def test_nothing_makes_it_fail(item: dict[str, Any]) -> None:
    shown = present(item)
    assert set(shown) == MEMBERS
    unset = {name for name, value in shown.items() if value is None}
    assert unset - {"backlogBytes"} == {"assignedToProtectionGroup"}
    orjson.dumps({name: value for name, value in shown.items() if name not in {"tags", "drsTags"}})


KEYS = {"sourceServerArn", "stagingAccountId", "replicationRegion"}
"""Key attributes of the table and its index, which DynamoDB itself holds to text."""
BAD_VALUES = (2**70, [2**70], {"x": 2**70}, {"x": ["y"]}, "2", -1, True)


def spoiled(value: Any, bad_value: Any) -> Iterator[Any]:
    """Yield copies of a value in which one member, at any depth, is a bad value."""
    if isinstance(value, dict):
        yield from ({**value, name: each} for name in value for each in (bad_value, *spoiled(value[name], bad_value)))
    if isinstance(value, list):
        yield from (
            [*value[:at], each, *value[at + 1 :]] for at in range(len(value)) for each in spoiled(value[at], bad_value)
        )


def test_an_item_that_somebody_edited_hides_no_other_server(extended_record: dict[str, Any]) -> None:
    original = {
        "originalAccountId": "222222222222",
        "originalReplicationConfiguration": {"stagingAreaSubnetId": "subnet-1", "replicatedDisks": [{"iops": 3000}]},
        "topologyComplete": True,
    }
    good = {**item_of(extended_record, **original), "ec2NetworkConfig": {"vpcId": "vpc-1", "securityGroups": ["sg-1"]}}
    bare, scope = {name: good[name] for name in KEYS}, Scope("333333333333", "us-west-2")
    rest = {name: value for name, value in good.items() if name not in KEYS}
    for bad_value in BAD_VALUES:
        for bad in spoiled(rest, bad_value):
            result = ReadResult((ScopeReadResult(scope, DataSource.INVENTORY, [bare | bad, good]),))
            servers = present_servers(result, Objectives.of(Settings()))
            assert page_length([*servers, *map(display_state, servers)], limit=None) == 4
            assert good in [item for _, item, _ in extended_items(result)]
            facts = stored_facts(bad)
            assert facts is None or orjson.dumps([facts.tags, facts.network])


def test_sums_are_no_greater_than_json_can_hold() -> None:
    disks = [{"bytes": 2**62, "replicatedStorageBytes": 2**62}] * 8
    cpus = [{"cores": 2**62}] * 8
    item = {"sourceProperties": {"disks": disks, "cpus": cpus}, "dataReplicationInfo": {"replicatedDisks": disks}}
    assert page_length([present(item)], limit=None) == 1


def test_a_server_from_drs_keeps_what_only_the_inventory_knows(forward_record: dict[str, Any]) -> None:
    stored = item_of(forward_record, originalAccountId="999999999999", topologyComplete=True)
    renewed = {**forward_record, "tags": {"Name": "renamed", "Environment": "drs"}}
    (item,), _, rejected = to_items([renewed], [stored], SCOPE, now=NOW)
    assert rejected == ()
    assert item["originalAccountId"] == "999999999999"
    assert item["topologyComplete"] is True
    assert item["tags"] == {"Name": "renamed", "Environment": "from-ec2"}
    assert item["sourceTags"] == {"Environment": "from-ec2"}


def test_stored_tags_of_unknown_source_are_added_to_those_of_drs(forward_record: dict[str, Any]) -> None:
    arn = forward_record["arn"]
    stored = {"sourceServerArn": arn, "tags": {"Name": "old", "OnlyEc2": "x"}, "ec2NetworkConfig": {"vpcId": "vpc-1"}}
    (item,), _, _ = to_items([forward_record], [stored], SCOPE, now=NOW)
    assert item["tags"] == {**forward_record["tags"], "OnlyEc2": "x"}
    assert item["ec2NetworkConfig"] == {"vpcId": "vpc-1"}


def test_a_server_nobody_knew_has_no_original_topology(forward_record: dict[str, Any]) -> None:
    (item,), (record,), _ = to_items([forward_record, forward_record], [], SCOPE, now=NOW)
    assert record == forward_record
    assert not [name for name in item if name.startswith("original") or name == "topologyComplete"]


def test_records_that_cannot_be_used_are_named_once(forward_record: dict[str, Any]) -> None:
    bad = {**forward_record, "arn": "nonsense"}
    items, records, (problem,) = to_items([bad, forward_record, bad], [], SCOPE, now=NOW)
    assert len(items) == 1
    assert records == [forward_record]  # a response has the others neither as servers nor as raw records
    assert (problem.code, problem.account_id, problem.region) == ("UnusableRecord", *SCOPE)


@pytest.mark.parametrize(
    ("members", "posture", "reason", "since"),
    [
        ({}, "ready", "", "2026-11-01T00:00:00+00:00"),
        ({"dataReplicationInfo": {"lagDuration": "PT16M"}}, "syncing", "LAG_OVER_OBJECTIVE", ""),
        (
            {"dataReplicationInfo": {"lagDuration": "PT16M"}, "tags": {"lag": "1h"}},
            "ready",
            "",
            "2026-11-01T00:00:00+00:00",
        ),
        ({"dataReplicationInfo": {"lagDuration": "soon"}}, "unknown", "LAG_NOT_UNDERSTOOD", ""),
        ({"replicationState": "STOPPED"}, "stalled", "STOPPED", ""),
    ],
)
def test_with_objectives_a_view_has_its_posture(members: dict[str, Any], posture: str, reason: str, since: str) -> None:
    stored = {"replicationState": "CONTINUOUS", "posture": "ready", "postureSince": "2026-11-01T00:00:00+00:00"}
    shown = present({**stored, **members}, Objectives(900, "lag", timedelta(days=180)))
    assert (shown["posture"], shown["postureReason"], shown["postureSince"]) == (posture, reason, since)
