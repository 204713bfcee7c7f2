"""DescribeSourceServers records: the parsed members, the content hash, and the inventory item."""

from __future__ import annotations

import bisect
import copy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.inventory.server import (
    InstanceFacts,
    SourceServer,
    content_hash,
    instance_facts,
    parse_server,
)
from service.models import Scope

HERE: Final = Scope("222222222222", "us-west-2")
TARGET: Final = Scope("333333333333", "us-west-2")
NOW: Final = datetime(2026, 11, 23, 5, 0, 0, 123456, tzinfo=UTC)
FACTS: Final = InstanceFacts({"Name": "from EC2", "aws:x": "y"}, {"vpcId": "vpc-1"})
# Members that are not part of the content hash; the lag is hashed in steps, or kept apart.
VOLATILE: Final = {
    "dataReplicationInitiation",
    "etaDateTime",
    "elapsedReplicationDuration",
    "lastSeenByServiceDateTime",
    "lastUpdatedDateTime",
    "replicatedStorageBytes",
    "rescannedStorageBytes",
    "backloggedStorageBytes",
}
Path = tuple[str | int, ...]


def parsed(record: dict[str, Any]) -> SourceServer:
    server = parse_server(record)
    assert isinstance(server, SourceServer), server
    return server


def digest(record: dict[str, Any], facts: InstanceFacts | None = FACTS) -> str:
    return content_hash(record, parsed(record), facts)


def item_of(record: dict[str, Any], scope: Scope = HERE) -> dict[str, Any]:
    return build_item(ServerSnapshot(record, parsed(record), None), scope, WriteStamp("", NOW, NOW), {})


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from leaves(inner, (*path, position))
    else:
        yield path


def changed(record: dict[str, Any], path: Path) -> dict[str, Any]:
    copied = copy.deepcopy(record)
    parent: Any = copied
    for step in path[:-1]:
        parent = parent[step]
    old = parent[path[-1]]
    other = old[:-1] + ("2" if old.endswith("1") else "1") if isinstance(old, str) else ""  # of the same format
    parent[path[-1]] = (not old) if isinstance(old, bool) else old + 1 if isinstance(old, int) else other
    return copied


def without(record: dict[str, Any], path: Path) -> dict[str, Any]:
    copied = copy.deepcopy(record)
    parent: Any = copied
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    return copied


def is_volatile(path: Path) -> bool:
    return path[0] != "tags" and not VOLATILE.isdisjoint(path)


def test_what_decides_is_read(forward_record: dict[str, Any], extended_record: dict[str, Any]) -> None:
    server = parsed(forward_record)
    assert (server.server_id, server.state, server.lag) == ("s-3b8f0c91d27a4e56f", "CONTINUOUS", "P0D")
    assert (server.hostname, server.fqdn) == ("ip-10-10-4-21", "ip-10-10-4-21.ec2.internal")
    assert (server.last_launch, server.recovery_instance) == ("SUCCEEDED", "i-0b5c1f2a9d3e47c68")
    assert server.is_forward
    assert server.lineage == server.arn
    assert server.origin(HERE) == Scope("111111111111", "us-east-1")
    assert server.referenced_scopes() == {Scope("111111111111", "us-east-1")}
    extended = parsed(extended_record)
    assert extended.arn != server.arn
    assert extended.lineage == server.arn
    assert extended.referenced_scopes() == {Scope("111111111111", "us-east-1"), HERE}


def test_a_bare_record_is_enough_and_nothing_is_made_up() -> None:
    server = parsed(
        {
            "arn": "arn:aws-us-gov:drs:us-gov-west-1:222222222222:source-server/s-1",
            "sourceServerID": "s-0123456789abcdef1",
        }
    )
    assert (server.origin_region, server.origin_account, server.instance_id, server.staging_account) == (None,) * 4
    assert server.origin(HERE) is None
    assert server.referenced_scopes() == set()
    assert server.is_forward


@pytest.mark.parametrize(
    "pointer", ["", None, "no arn at all", "arn:aws:drs", "arn:aws:drs:us-east-1:1:source-server/s-1"]
)
def test_a_pointer_that_is_no_arn_points_nowhere_and_does_no_harm(
    forward_record: dict[str, Any], pointer: str | None
) -> None:
    server = parsed({**forward_record, "reversedDirectionSourceServerArn": pointer})
    assert server.reversed_arn is None
    assert server.referenced_scopes() == set()


@pytest.mark.parametrize(
    ("hint", "origin"), [("i-1", Scope("222222222222", "us-west-2")), ("4c4c-vmware", None), ("", None)]
)
def test_only_an_ec2_instance_has_an_origin(hint: str, origin: Scope | None) -> None:
    record = {
        "arn": "arn:aws:drs:us-west-2:222222222222:source-server/s-1",
        "sourceServerID": "s-0123456789abcdef1",
        "sourceProperties": {"identificationHints": {"awsInstanceID": hint}},
    }
    assert parsed(record).origin(HERE) == origin


def test_members_unknown_to_us_are_no_problem_and_are_kept(forward_record: dict[str, Any]) -> None:
    record = {**forward_record, "somethingNew": {"deep": [1]}}
    record["sourceProperties"] = {**record["sourceProperties"], "architecture": "arm64"}
    item = item_of(record)
    assert item["somethingNew"] == {"deep": [1]}
    assert item["sourceProperties"]["architecture"] == "arm64"
    assert digest(record) != digest(forward_record)


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"arn": None}, "arn"),
        ({"arn": "arn:aws:drs:us-west-2:22:source-server/s-1"}, "arn"),
        ({"arn": "arn:aws:ec2:us-west-2:222222222222:instance/i-1"}, "arn"),
        ({"sourceServerID": ""}, "sourceServerID"),
        ({"sourceServerID": 5}, "sourceServerID"),
        ({"sourceServerID": "s-1"}, "sourceServerID"),
        ({"stagingArea": {"stagingAccountID": "4444"}}, "stagingAccountID"),
        ({"stagingArea": {"stagingSourceServerArn": "s-3b8f0c91d27a4e56f"}}, "stagingSourceServerArn"),
        ({"reversedDirectionSourceServerArn": 5}, "reversedDirectionSourceServerArn"),
        ({"sourceCloudProperties": {"originRegion": "US East (Ohio)"}}, "originRegion"),
        ({"sourceCloudProperties": {"originAccountID": "*"}}, "originAccountID"),
        ({"replicationDirection": 1}, "replicationDirection"),
        ({"dataReplicationInfo": {"dataReplicationState": 7}}, "dataReplicationState"),
        ({"stagingArea": {"stagingAccountID": 222222222222}}, "stagingAccountID"),
        ({"tags": {"app-web-01": 5}}, "tags"),
        ({"tags": {"Name": "app-web-01 \ud83d"}}, "stored"),
        ({"somethingNew": {"deep": ["app-web-01 \ud83d"]}}, "stored"),
        ({"sourceProperties": {"cpus": [None]}}, "cpus"),
        ({"sourceProperties": {"cpus": [{"cores": "4"}]}}, "cores"),
        ({"sourceProperties": {"ramBytes": "16 GB"}}, "ramBytes"),
    ],
)
def test_a_record_that_cannot_be_used_says_why_and_no_tag_is_reported(
    forward_record: dict[str, Any], change: dict[str, Any], member: str
) -> None:
    reason = parse_server({**forward_record, **change})
    assert isinstance(reason, str)
    assert member in reason
    assert "app-web-01" not in reason


@given(record=st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_value_gives_a_text(record: Any) -> None:
    reason = parse_server(record)
    assert isinstance(reason, str)
    assert reason


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=20)
def test_the_order_of_members_is_no_change(forward_record: dict[str, Any], data: st.DataObject) -> None:
    members = data.draw(st.permutations(list(forward_record.items())))
    tags = data.draw(st.permutations(list(FACTS.tags.items())))
    assert digest(dict(members), InstanceFacts(dict(tags), FACTS.network)) == digest(forward_record)


def test_every_material_change_is_noticed_and_no_other(forward_record: dict[str, Any]) -> None:
    before = digest(forward_record)
    lag = ("dataReplicationInfo", "lagDuration")
    paths = [path for path in leaves(forward_record) if path != lag]
    changing = {path for path in paths if digest(changed(forward_record, path)) != before}
    assert changing == {path for path in paths if not is_volatile(path)}
    required = {"arn", "sourceServerID"}
    removable = [path for path in paths if path[0] not in required]
    changing_if_absent = {path for path in removable if digest(without(forward_record, path)) != before}
    assert changing_if_absent == {path for path in removable if not is_volatile(path)}
    assert {step for path in paths for step in path} >= VOLATILE  # the sample record has each of them


@pytest.mark.parametrize("name", sorted(VOLATILE | {"lagDuration"}))
def test_a_tag_may_be_called_like_a_member_that_does_not_count(forward_record: dict[str, Any], name: str) -> None:
    tagged = [{**forward_record, "tags": {name: value}} for value in ("1", "2")]
    assert digest(tagged[0]) != digest(tagged[1])
    assert digest(forward_record, InstanceFacts({name: "1"})) != digest(forward_record, InstanceFacts({name: "2"}))


def test_what_ec2_says_counts(forward_record: dict[str, Any]) -> None:
    facts: Sequence[InstanceFacts | None] = (
        None,
        InstanceFacts(),
        InstanceFacts({"a": "b"}),
        InstanceFacts({"a": "c"}),
        InstanceFacts({"a": "b"}, {"vpcId": "v"}),
        InstanceFacts({"a": "b"}, {"vpcId": "w"}),
    )
    assert len({digest(forward_record, each) for each in facts}) == len(facts)


def with_lag(record: dict[str, Any], lag: str | None) -> str:
    info = {name: value for name, value in record["dataReplicationInfo"].items() if name != "lagDuration"}
    return digest({**record, "dataReplicationInfo": info if lag is None else {**info, "lagDuration": lag}})


def duration(seconds: int, form: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    return (
        f"PT{seconds}S",
        f"P{days}DT{hours_left}H{minutes_left}M{rest}.512S",
        f"PT{hours}H{minutes_left}M{rest}S",
    )[form]


@given(first=st.integers(0, 200_000), second=st.integers(0, 200_000), forms=st.tuples(*[st.integers(0, 2)] * 2))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_jittering_lag_is_no_change_and_a_growing_one_is(
    forward_record: dict[str, Any], first: int, second: int, forms: tuple[int, int]
) -> None:
    steps = [15 * 60, 3600, 6 * 3600, 24 * 3600]
    same_step = bisect.bisect_left(steps, first) == bisect.bisect_left(steps, second)
    hashes = [with_lag(forward_record, duration(*each)) for each in ((first, forms[0]), (second, forms[1]))]
    assert (hashes[0] == hashes[1]) is same_step


def test_a_missing_lag_differs_from_a_lag_of_zero(forward_record: dict[str, Any]) -> None:
    assert with_lag(forward_record, "P0D") == with_lag(forward_record, "PT0S")
    assert len({with_lag(forward_record, lag) for lag in (None, "P0D", "no duration")}) == 3


def test_the_item_carries_what_every_reader_needs(forward_record: dict[str, Any]) -> None:
    original = {"originalSourceRegion": "us-east-1", "topologyComplete": False}
    item = build_item(
        ServerSnapshot(forward_record, parsed(forward_record), FACTS), HERE, WriteStamp("abc", NOW, NOW), original
    )
    moment = "2026-11-23T05:00:00.123456+00:00"
    added = {
        "sourceServerArn": forward_record["arn"],
        "stagingAccountId": "222222222222",
        "sourceAccountId": "111111111111",
        "replicationRegion": "us-west-2",
        "region": "us-west-2",
        "replicationState": "CONTINUOUS",
        "posture": "ready",
        "lastUpdated": moment,
        "writtenAt": moment,
        "tags": {**forward_record["tags"], "Name": "from EC2", "aws:x": "y"},
        "sourceTags": {"Name": "from EC2", "aws:x": "y"},
        "ec2NetworkConfig": {"vpcId": "vpc-1"},
        "hostname": "ip-10-10-4-21",
        "fqdn": "ip-10-10-4-21.ec2.internal",
        "instanceId": "i-0123456789abcdef0",
        "cpuCores": 6,
        "ramBytes": 16777216000,
        "_inventoryMetadata": {
            "stagingAccountId": "222222222222",
            "sourceAccountId": "111111111111",
            "sourceRegion": "us-east-1",
            "replicationRegion": "us-west-2",
            "lastUpdated": moment,
        },
        "_queryRegion": "us-west-2",
        "_queryAccount": "222222222222",
        "contentHash": "abc",
        **original,
    }
    assert item == {**forward_record, **added}


def test_an_extended_server_is_filed_under_the_account_that_replicates(extended_record: dict[str, Any]) -> None:
    item = item_of(extended_record, TARGET)
    assert item["sourceServerArn"] == extended_record["arn"]
    assert (item["stagingAccountId"], item["_queryAccount"]) == ("222222222222", "333333333333")


def test_an_item_without_ec2_or_origin_has_neither() -> None:
    record = {"arn": "arn:aws:drs:us-west-2:222222222222:source-server/s-1", "sourceServerID": "s-0123456789abcdef1"}
    item = item_of(record)
    assert {"ec2NetworkConfig", "sourceTags"}.isdisjoint(item)
    assert (item["sourceAccountId"], item["stagingAccountId"], item["tags"]) == ("222222222222", "222222222222", {})
    assert (item["cpuCores"], item["ramBytes"], item["hostname"], item["instanceId"]) == (0, 0, "", "")
    assert None not in item.values()


def test_what_the_inventory_keeps_of_an_instance() -> None:
    facts = instance_facts(
        {
            "Tags": [{"Key": "Name", "Value": "web"}, {"Key": "empty"}],
            "VpcId": "vpc-1",
            "SubnetId": "subnet-1",
            "PrivateIpAddress": "10.0.0.4",
            "SecurityGroups": [{"GroupId": "sg-2"}, {"GroupId": "sg-1"}],
            "IamInstanceProfile": {"Arn": "arn:p"},
        }
    )
    assert facts.tags == {"Name": "web", "empty": ""}
    assert facts.network == {
        "vpcId": "vpc-1",
        "subnetId": "subnet-1",
        "privateIp": "10.0.0.4",
        "securityGroups": ["sg-1", "sg-2"],
        "instanceProfile": "arn:p",
    }
    assert set(instance_facts({}).network or {}) == set(facts.network)


def test_a_record_of_another_scope_than_requested_is_refused(forward_record: dict[str, Any]) -> None:
    assert isinstance(parse_server(forward_record, reported_by=HERE), SourceServer)
    for elsewhere in (Scope(HERE.account_id, "eu-west-1"), Scope("333333333333", HERE.region)):
        reason = parse_server(forward_record, reported_by=elsewhere)
        assert reason == f"its ARN is one of {HERE.account_id} in {HERE.region}"
