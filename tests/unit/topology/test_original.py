"""Original topology: recorded once, from forward servers, and never guessed."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inventory.server import SourceServer, parse_server
from service.models import Scope, iso
from service.topology.keys import topology_key
from service.topology.original import (
    TEMPLATE_SETTLED,
    capture,
    choose_template,
    inventory_copy,
    missing_details,
)

HERE: Final = Scope("222222222222", "us-west-2")
TARGET: Final = Scope("333333333333", "us-west-2")
NOW: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
ONE: Final = {"replicationConfigurationTemplateID": "rct-1", "stagingAreaSubnetId": "subnet-1"}
TWO: Final = {"replicationConfigurationTemplateID": "rct-2", "stagingAreaSubnetId": "subnet-2"}
COMPARED: Final = (
    "stagingAreaSubnetId",
    "replicationServersSecurityGroupsIDs",
    "ebsEncryption",
    "ebsEncryptionKeyArn",
    "dataPlaneRouting",
    "replicationServerInstanceType",
)


def parsed(record: dict[str, Any]) -> SourceServer:
    server = parse_server(record)
    assert isinstance(server, SourceServer), server
    return server


def captured(record: dict[str, Any], scope: Scope = HERE, **more: Any) -> dict[str, Any]:
    return capture(parsed(record), scope, now=NOW, templates=more.get("templates"), legacy=more.get("legacy", {}))


def test_the_originals_of_a_server_recovered_in_another_region(forward_record: dict[str, Any]) -> None:
    assert captured(forward_record, templates=[ONE]) == {
        "pk": forward_record["arn"],
        "sk": "TOPOLOGY",
        "originalSourceRegion": "us-east-1",
        "originalAccountId": "222222222222",
        "originalSourceAccountId": "111111111111",
        "originalReplicationRegion": "us-west-2",
        "originalInstanceId": "i-0123456789abcdef0",
        "originalAvailabilityZone": "us-east-1a",
        "originalHostname": "ip-10-10-4-21",
        "originEnvironment": "AWS",
        "originEnvironmentSource": "sourceCloudProperties",
        "originalReplicationConfigurationTemplateId": "rct-1",
        "captureMethod": "late",
        "topologyLastUpdated": iso(NOW),
    }


def test_an_extended_record_shares_the_topology_of_the_server_that_replicates(
    forward_record: dict[str, Any], extended_record: dict[str, Any]
) -> None:
    theirs = captured(extended_record, TARGET)
    assert theirs == captured(forward_record)
    assert theirs["originalAccountId"] == "222222222222"
    extended_record["stagingArea"]["stagingSourceServerArn"] = "arn:aws:drs:eu-west-1:222222222222:source-server/s-1"
    assert captured(extended_record, TARGET)["originalReplicationRegion"] == "eu-west-1"


@pytest.mark.parametrize(
    ("last_launch", "recovery_instance", "method"),
    [
        (None, None, "first_sight"),
        ("NOT_STARTED", None, "first_sight"),
        ("PENDING", None, "late"),
        ("FAILED", None, "late"),
        ("NOT_STARTED", "i-1", "late"),
    ],
)
def test_a_capture_after_a_launch_says_so(
    forward_record: dict[str, Any], last_launch: str | None, recovery_instance: str | None, method: str
) -> None:
    members = {"lastLaunchResult": last_launch, "recoveryInstanceId": recovery_instance}
    record = {**forward_record, **members}
    assert captured({name: value for name, value in record.items() if value is not None})["captureMethod"] == method


@pytest.mark.parametrize(("direction", "forward"), [("FAILOVER", True), ("FAILBACK", False), (None, True)])
def test_a_reversed_server_is_no_source_of_originals(
    forward_record: dict[str, Any], direction: str | None, *, forward: bool
) -> None:
    record = {**forward_record, "replicationDirection": direction}
    present = {name: value for name, value in record.items() if value is not None}
    assert parsed(present).is_forward is forward
    with nullcontext() if forward else pytest.raises(ValueError, match="not the original one"):
        captured(present)


@pytest.mark.parametrize(
    ("legacy", "template"),
    [
        ({"originalReplicationConfigTemplateId": "rct-old"}, "rct-old"),
        ({"originalReplicationConfigurationTemplateId": "rct-new"}, "rct-new"),
        (
            {
                "originalReplicationConfigTemplateId": "rct-old",
                "originalReplicationConfigurationTemplateId": "rct-new",
            },
            "rct-new",
        ),
        ({"originalReplicationConfigTemplateId": ""}, "rct-1"),
        ({}, "rct-1"),
    ],
)
def test_the_template_id_is_read_in_both_spellings(
    forward_record: dict[str, Any], legacy: dict[str, Any], template: str
) -> None:
    topology = captured(forward_record, templates=[ONE], legacy=legacy)
    assert topology["originalReplicationConfigurationTemplateId"] == template
    assert "originalReplicationConfigTemplateId" not in topology


def test_what_an_earlier_writer_recorded_wins(forward_record: dict[str, Any]) -> None:
    legacy = {"originalSourceRegion": "eu-west-1", "originalAccountId": "999999999999", "hostname": "other"}
    topology = captured(forward_record, legacy=legacy)
    assert (topology["originalSourceRegion"], topology["originalAccountId"]) == ("eu-west-1", "999999999999")
    assert "hostname" not in topology
    assert topology["sk"] == "TOPOLOGY"


@pytest.mark.parametrize(
    ("templates", "configuration", "chosen"),
    [
        ([], {}, None),
        ([ONE], None, "rct-1"),
        ([ONE], {"stagingAreaSubnetId": "subnet-9"}, "rct-1"),
        ([ONE, TWO], None, None),
        ([ONE, TWO], {"stagingAreaSubnetId": "subnet-2"}, "rct-2"),
        ([ONE, TWO], {"stagingAreaSubnetId": "subnet-2", "bandwidthThrottling": 5}, "rct-2"),
        ([ONE, TWO], {"stagingAreaSubnetId": "subnet-9"}, None),
        ([ONE, {**ONE, "replicationConfigurationTemplateID": "rct-3"}], {"stagingAreaSubnetId": "subnet-1"}, None),
    ],
)
def test_a_template_is_named_only_when_it_is_the_only_one_that_fits(
    templates: list[dict[str, Any]], configuration: dict[str, Any] | None, chosen: str | None
) -> None:
    assert choose_template(templates, configuration) == chosen


@pytest.mark.parametrize("name", COMPARED)
def test_every_compared_member_distinguishes_templates(name: str) -> None:
    base = dict.fromkeys(COMPARED, "same")
    templates = [
        {**base, name: "one", "replicationConfigurationTemplateID": "rct-1"},
        {**base, name: "two", "replicationConfigurationTemplateID": "rct-2"},
    ]
    assert choose_template(templates, {**base, name: "two"}) == "rct-2"
    assert choose_template(templates, {**base, name: "three"}) is None


@given(
    configurations=st.lists(
        st.dictionaries(st.sampled_from(COMPARED), st.sampled_from(["a", "b"]), max_size=3), min_size=2, max_size=4
    )
)
def test_without_a_configuration_several_templates_give_none(configurations: list[dict[str, Any]]) -> None:
    templates = [
        {**body, "replicationConfigurationTemplateID": f"rct-{number}"} for number, body in enumerate(configurations)
    ]
    assert choose_template(templates, None) is None


def test_security_groups_are_a_set() -> None:
    groups = "replicationServersSecurityGroupsIDs"
    templates = [{**ONE, groups: ["sg-1", "sg-2"]}, {**TWO, groups: ["sg-1"]}]
    assert choose_template(templates, {"stagingAreaSubnetId": "subnet-1", groups: ["sg-2", "sg-1"]}) == "rct-1"


def test_what_an_inventory_item_carries_of_a_topology(forward_record: dict[str, Any]) -> None:
    topology = captured(forward_record, templates=[ONE])
    carried = inventory_copy(topology)
    assert (carried["topologyComplete"], carried["topologyMissing"]) == (False, ["configuration"])
    assert not set(topology_key("x")) & set(carried)
    assert {name for name in topology if name not in carried} == {
        "pk",
        "sk",
        "originalHostname",
        "captureMethod",
    }
    done = {**topology, "originalReplicationConfiguration": {"ebsEncryption": "DEFAULT"}}
    assert missing_details(done) == []
    assert inventory_copy(done)["topologyComplete"] is True
    assert "originalReplicationConfiguration" not in inventory_copy(done)  # the topology table has it


def test_a_topology_whose_template_could_not_be_read_is_incomplete(forward_record: dict[str, Any]) -> None:
    topology = {
        **captured(forward_record, templates=None),
        "originalReplicationConfiguration": {"ebsEncryption": "DEFAULT"},
    }
    assert missing_details(topology) == ["template"]
    assert missing_details({**topology, TEMPLATE_SETTLED: True}) == []
    assert missing_details({**topology, "originalReplicationConfigurationTemplateId": "rct-1"}) == []
    assert TEMPLATE_SETTLED not in inventory_copy({**topology, TEMPLATE_SETTLED: True})


@given(
    legacy=st.dictionaries(st.sampled_from(["originalSourceRegion", "topologyLastUpdated", "x"]), st.none() | st.text())
)
def test_no_topology_holds_a_null(legacy: dict[str, Any]) -> None:
    record = {"arn": "arn:aws:drs:us-west-2:222222222222:source-server/s-1", "sourceServerID": "s-0123456789abcdef1"}
    assert None not in captured(record, legacy=legacy).values()
