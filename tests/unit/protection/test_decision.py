"""Which instances are protected, which are not and why, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protection.decision import (
    Instance,
    LeftOut,
    Protected,
    ProtectionTally,
    Reason,
    ServerIndex,
    SourceRef,
    TagFilter,
    Unprotected,
    decide,
)

ACCOUNT: Final = "111122223333"
ARN: Final = "arn:aws:drs:us-west-2:222233334444:source-server/"
MANAGED: Final = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"}
REPLICATION: Final = {"Name": "AWS Elastic Disaster Recovery Replication Server"}
CONVERSION: Final = {"Name": "AWS Elastic Disaster Recovery Conversion Server"}
NONE: Final = Unprotected(Reason.NO_SOURCE_SERVER)


def server(server_id: str = "s-1", state: str = "CONTINUOUS", **members: Any) -> SourceRef:
    return SourceRef(f"{ARN}{server_id}", state, **members)


def instance(instance_id: str = "i-1", state: str = "running", **members: Any) -> Instance:
    return Instance(instance_id, members.pop("owner", ACCOUNT), state, **members)


def verdict(one: Instance, *servers: SourceRef, tags: TagFilter | None = None) -> Protected | Unprotected | LeftOut:
    return decide(one, account_id=ACCOUNT, servers=ServerIndex(servers), tags=tags or TagFilter())


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([], NONE),
        ([server(instance_id="i-2")], NONE),
        ([server(instance_id="i-1")], Protected("s-1")),
        ([server(instance_id="i-1", state="STALLED")], Protected("s-1")),
        ([server(instance_id="i-1", state="")], Protected("s-1")),
        ([server(original_id="i-1")], Protected("s-1")),
        ([server(original_id="i-1", state="DISCONNECTED")], Unprotected(Reason.SERVER_DISCONNECTED, "s-1")),
        ([server(instance_id="i-1", state="DISCONNECTED")], Unprotected(Reason.SERVER_DISCONNECTED, "s-1")),
        ([server(instance_id="i-1", state="STOPPED")], Unprotected(Reason.SERVER_STOPPED, "s-1")),
        ([server(instance_id="i-2", original_id="i-1")], Unprotected(Reason.SERVER_MOVED, "s-1")),
        ([server(instance_id="i-1", original_id="i-2")], Protected("s-1")),
        # The best of several counts, whatever their order, such as an extended server and the one that replicates.
        (
            [
                server("s-1", "DISCONNECTED", instance_id="i-1"),
                server("s-2", instance_id="i-1"),
                server("s-3", instance_id="i-2", original_id="i-1"),
            ],
            Protected("s-2"),
        ),
        (
            [server("s-2", instance_id="i-2", original_id="i-1"), server("s-1", "STOPPED", instance_id="i-1")],
            Unprotected(Reason.SERVER_STOPPED, "s-1"),
        ),
    ],
)
def test_an_instance_is_protected_if_a_server_replicates_from_it_now(
    servers: list[SourceRef], expected: Protected | Unprotected
) -> None:
    assert verdict(instance(), *servers) == expected
    assert verdict(instance(), *reversed(servers)) == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"owner": "999900001111"}, LeftOut.OTHER_ACCOUNT),
        ({"owner": ""}, NONE),
        ({"state": "terminated"}, LeftOut.TERMINATED),
        ({"state": "shutting-down"}, LeftOut.TERMINATED),
        ({"state": "stopped"}, NONE),
        ({"state": ""}, NONE),
        ({"tags": MANAGED | REPLICATION}, LeftOut.REPLICATION_SERVER),
        ({"tags": MANAGED | CONVERSION}, LeftOut.CONVERSION_SERVER),
        ({"profile": "AWSElasticDisasterRecoveryReplicationServerRole"}, LeftOut.REPLICATION_SERVER),
        ({"profile": "AWSElasticDisasterRecoveryConversionServerRole"}, LeftOut.CONVERSION_SERVER),
        ({"tags": MANAGED | {"Name": "app"}}, LeftOut.RECOVERY_INSTANCE),
        ({"tags": {"AWSElasticDisasterRecoverySourceServerID": "s-1"}}, LeftOut.RECOVERY_INSTANCE),
        ({"tags": {"drs.amazonaws.com-source-server": "s-1"}}, LeftOut.RECOVERY_INSTANCE),
        # Anybody may call an instance so.
        ({"tags": REPLICATION}, NONE),
        ({"tags": CONVERSION}, NONE),
        # The profile with which the agent is installed on a source instance.
        ({"profile": "AWSElasticDisasterRecoveryEc2InstanceRole"}, NONE),
    ],
)
def test_what_drs_runs_and_what_is_gone_is_left_out(members: dict[str, Any], expected: LeftOut | Unprotected) -> None:
    assert verdict(instance(**members)) == expected


def test_a_recovery_instance_is_known_by_its_server_too() -> None:
    assert verdict(instance(), server(instance_id="i-2", recovery_id="i-1")) is LeftOut.RECOVERY_INSTANCE


def test_a_recovery_instance_is_protected_once_a_server_replicates_from_it() -> None:
    recovered = instance(tags=MANAGED | {"Name": "app"})
    forward = server("s-1", "STOPPED", instance_id="i-0", recovery_id="i-1")
    assert verdict(recovered, forward) is LeftOut.RECOVERY_INSTANCE
    assert verdict(recovered, forward, server("s-2", "INITIAL_SYNC", instance_id="i-1")) == Protected("s-2")
    assert verdict(instance("i-0"), forward) == Unprotected(Reason.SERVER_STOPPED, "s-1")


@pytest.mark.parametrize(
    ("wanted", "tags", "expected"),
    [
        ((), {}, NONE),
        (("dr=yes",), {"dr": "yes"}, NONE),
        (("dr=yes",), {"dr": "no"}, LeftOut.OTHER_TAGS),
        (("dr=yes",), {"DR": "yes"}, LeftOut.OTHER_TAGS),
        (("dr=yes",), {}, LeftOut.OTHER_TAGS),
        (("dr",), {"dr": ""}, NONE),
        (("dr",), {}, LeftOut.OTHER_TAGS),
        (("dr=",), {"dr": "yes"}, LeftOut.OTHER_TAGS),
        (("dr=*",), {"dr": "yes"}, LeftOut.OTHER_TAGS),
        (("a=b=c",), {"a": "b=c"}, NONE),
        (("dr=yes", "tier=1"), {"dr": "yes"}, LeftOut.OTHER_TAGS),
        (("dr=yes", "tier=1"), {"dr": "yes", "tier": "1"}, NONE),
    ],
)
def test_only_instances_with_the_tags_are_asked_about(
    wanted: tuple[str, ...], tags: dict[str, str], expected: LeftOut | Unprotected
) -> None:
    assert verdict(instance(tags=tags), tags=TagFilter.parse(wanted)) == expected


def test_tags_hide_nothing_that_is_left_out_anyway() -> None:
    wanted = TagFilter.parse(["dr=yes"])
    assert verdict(instance(state="terminated"), tags=wanted) is LeftOut.TERMINATED
    assert verdict(instance(tags=MANAGED | REPLICATION), tags=wanted) is LeftOut.REPLICATION_SERVER
    assert verdict(instance(), server(instance_id="i-1"), tags=wanted) is LeftOut.OTHER_TAGS


@pytest.mark.parametrize("text", ["", "=yes", " =yes"])
def test_a_tag_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has no key: key=value is expected"):
        TagFilter.parse([text])


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (NONE, "no source server has this instance as its source"),
        (Unprotected(Reason.SERVER_MOVED, "s-1"), "its source server s-1 replicates from another instance now"),
        (Unprotected(Reason.SERVER_STOPPED, "s-1"), "replication of its source server s-1 was stopped"),
        (Unprotected(Reason.SERVER_DISCONNECTED, "s-1"), "its source server s-1 is disconnected"),
    ],
)
def test_each_reason_is_a_sentence(found: Unprotected, why: str) -> None:
    assert found.why == why


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"InstanceId": "i-1"}, Instance("i-1", ACCOUNT)),
        (
            {
                "InstanceId": "i-1",
                "State": {"Name": "running"},
                "Tags": [{"Key": "Name", "Value": "app"}, {"Key": "empty"}, {"Value": "no key"}],
                "IamInstanceProfile": {"Arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/service-role/Role"},
                "InstanceType": "m5.large",
            },
            Instance("i-1", ACCOUNT, "running", {"Name": "app", "empty": ""}, "Role", "m5.large"),
        ),
    ],
)
def test_a_record_is_read(record: Mapping[str, Any], expected: Instance) -> None:
    assert Instance.of(record, ACCOUNT) == expected


_VERDICTS = st.one_of(st.just(Protected("s-1")), st.sampled_from(Reason).map(Unprotected), st.sampled_from(LeftOut))


@given(st.lists(_VERDICTS))
def test_each_instance_is_counted_once(verdicts: list[Protected | Unprotected | LeftOut]) -> None:
    tally = ProtectionTally()
    for number, each in enumerate(verdicts):
        tally.add(instance(f"i-{number}", tags={"Name": "app", "big": "x" * 99}), each)
    assert tally.instances == len(verdicts)
    assert tally.protected == sum(isinstance(each, Protected) for each in verdicts)
    assert tally.reasons.total() == len(tally.unprotected)
    assert all(found.tags == {"Name": "app"} for found, _ in tally.unprotected)
