"""The inventory item of a server: the attributes that the platform's readers select and show servers by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.inventory.item import ServerSnapshot, WriteStamp, build_item
from service.inventory.server import InstanceFacts, parse_server
from service.models import Scope, iso

SCOPE: Final = Scope("222222222222", "us-west-2")
SYNCED_AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
WRITTEN_AT: Final = SYNCED_AT + timedelta(seconds=7)


def item_of(record: dict[str, Any], facts: InstanceFacts | None = None, scope: Scope = SCOPE) -> dict[str, Any]:
    server = parse_server(record)
    assert not isinstance(server, str)
    stamp = WriteStamp("digest", SYNCED_AT, WRITTEN_AT)
    return build_item(ServerSnapshot(record, server, facts), scope, stamp, {"originalSourceRegion": "us-east-1"})


def test_an_item_has_every_attribute_that_readers_need(forward_record: dict[str, Any]) -> None:
    item = item_of(forward_record, InstanceFacts({"Name": "of-ec2", "Team": "x"}, {"vpcId": "vpc-1"}))
    assert {name: item[name] for name in forward_record if name != "tags"} == {
        name: value for name, value in forward_record.items() if name != "tags"
    }
    assert {name: value for name, value in item.items() if name not in forward_record} == {
        "sourceServerArn": forward_record["arn"],
        "stagingAccountId": SCOPE.account_id,
        "sourceAccountId": "111111111111",
        "replicationRegion": SCOPE.region,
        "region": SCOPE.region,
        "replicationState": "CONTINUOUS",
        "posture": "ready",
        "lastUpdated": iso(SYNCED_AT),
        "hostname": "ip-10-10-4-21",
        "fqdn": "ip-10-10-4-21.ec2.internal",
        "instanceId": "i-0123456789abcdef0",
        "cpuCores": 6,
        "ramBytes": 16777216000,
        "_inventoryMetadata": {
            "stagingAccountId": SCOPE.account_id,
            "sourceAccountId": "111111111111",
            "sourceRegion": "us-east-1",
            "replicationRegion": SCOPE.region,
            "lastUpdated": iso(SYNCED_AT),
        },
        "_queryRegion": SCOPE.region,
        "_queryAccount": SCOPE.account_id,
        "contentHash": "digest",
        "writtenAt": iso(WRITTEN_AT),
        "originalSourceRegion": "us-east-1",
        "sourceTags": {"Name": "of-ec2", "Team": "x"},
        "ec2NetworkConfig": {"vpcId": "vpc-1"},
    }
    assert item["tags"] == {**forward_record["tags"], "Name": "of-ec2", "Team": "x"}


def test_without_ec2_the_tags_are_those_of_drs(forward_record: dict[str, Any]) -> None:
    item = item_of(forward_record)
    assert item["tags"] == forward_record["tags"]
    assert not {"sourceTags", "ec2NetworkConfig"} & set(item)


def test_an_extended_server_names_the_account_that_replicates_and_the_one_that_sees_it(
    extended_record: dict[str, Any],
) -> None:
    item = item_of(extended_record, scope=Scope("333333333333", "us-west-2"))
    assert (item["stagingAccountId"], item["_queryAccount"]) == ("222222222222", "333333333333")
