"""Facts about one server in every state of the failback cycle, with fixed ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.queries.failback.facts import DrsRecord, Facts, RecoveryInstance

DR: Final = "222222222222"
APPS: Final = "111111111111"
A1, B3, A4 = "i-0123456789abcdef0", "i-0b5c1f2a9d3e47c68", "i-0a44444444444444a"
B1, A2 = "s-3b8f0c91d27a4e56f", "s-7d1e2f3a4b5c6d7e8"
B1_ARN = f"arn:aws:drs:us-west-2:{DR}:source-server/{B1}"
A2_ARN = f"arn:aws:drs:us-east-1:{APPS}:source-server/{A2}"
WHEN: Final = "2026-11-23T05:00:00.000000+00:00"
ORIGINAL: Final[Mapping[str, Any]] = {
    "originalSourceRegion": "us-east-1",
    "originalAccountId": DR,
    "originalSourceAccountId": APPS,
    "originalReplicationRegion": "us-west-2",
    "originalInstanceId": A1,
    "originalAvailabilityZone": "us-east-1a",
    "originalHostname": "app-web-01",
    "originEnvironment": "AWS",
    "originalReplicationConfigurationTemplateId": "rct-0123456789abcdef0",
    "originalReplicationConfiguration": {
        "stagingAreaSubnetId": "subnet-0f1e2d3c4b5a69788",
        "replicationServersSecurityGroupsIDs": ["sg-0a9b8c7d6e5f40312"],
        "ebsEncryption": "DEFAULT",
        "dataPlaneRouting": "PRIVATE_IP",
        "replicationServerInstanceType": "t3.small",
    },
    "captureMethod": "first_sight",
    "topologyLastUpdated": "2026-03-02T08:14:07.000000+00:00",
}
FORWARD: Final = DrsRecord(
    arn=B1_ARN,
    account_id=DR,
    region="us-west-2",
    state="CONTINUOUS",
    instance_id=A1,
    zone="us-east-1a",
    last_launch="NOT_STARTED",
    hostname="app-web-01",
    seen_at=WHEN,
    live=True,
)
RECOVERED: Final = FORWARD.model_copy(update={"state": "STALLED", "recovery_instance": B3, "last_launch": "SUCCEEDED"})
MACHINE: Final = RecoveryInstance(
    instance_id=B3,
    account_id=DR,
    region="us-west-2",
    ec2_state="RUNNING",
    agent_state="NOT_STARTED",
    failback_state="FAILBACK_NOT_STARTED",
)
REVERSED: Final = DrsRecord(
    arn=A2_ARN,
    account_id=APPS,
    region="us-east-1",
    direction="FAILBACK",
    state="INITIAL_SYNC",
    instance_id=B3,
    reversed_arn=B1_ARN,
    hostname="app-web-01",
    seen_at=WHEN,
    live=True,
)
BACK: Final = RecoveryInstance(
    instance_id=A4, account_id=APPS, region="us-east-1", ec2_state="RUNNING", agent_state="NOT_STARTED"
)
STEADY: Final = Facts(
    lineage=B1_ARN,
    names=tuple(sorted({B1, A1, "app-web-01"})),
    original=ORIGINAL,
    captured=True,
    forward=FORWARD,
    scopes_read=(f"{DR}/us-west-2",),
)


def after(facts: Facts, **changes: Any) -> Facts:
    """Return the facts with some of them changed."""
    return facts.model_copy(update=changes)


DOWN: Final = after(STEADY, forward=RECOVERED, recovered=MACHINE)
_SOURCE_SIDE: Final = {
    "sourceSideTemplate": {
        "replicationConfigurationTemplateID": "rct-fedcba98765432100",
        "stagingAreaSubnetId": "subnet-0000000000000beef",
    }
}
GOING: Final = after(DOWN, reversed=REVERSED)
READY: Final = after(DOWN, reversed=REVERSED.model_copy(update={"state": "CONTINUOUS"}))
LAUNCHED: Final = after(
    READY, reversed=REVERSED.model_copy(update={"state": "CONTINUOUS", "recovery_instance": A4}), failed_back=BACK
)
PROTECTED: Final = after(LAUNCHED, forward=RECOVERED.model_copy(update={"instance_id": A4, "state": "CONTINUOUS"}))
CLEAN: Final = after(STEADY, forward=FORWARD.model_copy(update={"instance_id": A4, "last_launch": "SUCCEEDED"}))
AGAIN: Final = after(
    PROTECTED,
    forward=RECOVERED.model_copy(update={"instance_id": A4, "recovery_instance": "i-0bbbbbbbbbbbbbbbb"}),
    recovered=MACHINE.model_copy(update={"instance_id": "i-0bbbbbbbbbbbbbbbb"}),
)
INTO_SOURCE: Final = after(
    LAUNCHED,
    reversed=REVERSED.model_copy(update={"state": "CONTINUOUS", "recovery_instance": A1}),
    failed_back=BACK.model_copy(update={"instance_id": A1}),
)
_AT_HOME: Final = {
    **ORIGINAL,
    "originalSourceRegion": "us-west-2",
    "originalSourceAccountId": DR,
    "originalAvailabilityZone": "us-west-2a",
}
ZONE: Final = after(DOWN, original=_AT_HOME, forward=RECOVERED.model_copy(update={"zone": "us-west-2a"}))
_ON_PREMISES: Final = {
    name: value
    for name, value in ORIGINAL.items()
    if name not in {"originalSourceRegion", "originalSourceAccountId", "originalInstanceId", "originalAvailabilityZone"}
} | {"originEnvironment": "ON_PREMISES", "originEnvironmentSource": "vmWareUuid"}
_FROM_PREMISES: Final = RECOVERED.model_copy(update={"instance_id": "", "zone": ""})
PREMISES: Final = after(DOWN, original=_ON_PREMISES, forward=_FROM_PREMISES)
_GONE: Final = MACHINE.model_copy(update={"ec2_state": "TERMINATED"})
_STOPPED: Final = MACHINE.model_copy(update={"ec2_state": "STOPPED"})
_BACK_GONE: Final = BACK.model_copy(update={"ec2_state": "TERMINATED"})
_GUESSED: Final = {name: value for name, value in _ON_PREMISES.items() if name != "originEnvironmentSource"}
GUESSED: Final = after(PREMISES, original=_GUESSED)

STATES: Final[Mapping[str, tuple[str, Facts]]] = {
    "steady": ("nothing-to-do", STEADY),
    "recovered": ("reverse-replication", DOWN),
    "recovered-source-side-known": ("reverse-replication", after(DOWN, original={**ORIGINAL, **_SOURCE_SIDE})),
    "recovered-in-a-drill": (
        "reverse-replication",
        after(DOWN, recovered=MACHINE.model_copy(update={"is_drill": True})),
    ),
    "reversing": ("reverse-replication", GOING),
    "ready": ("reverse-replication", READY),
    "launched-back": ("reverse-replication", LAUNCHED),
    "launched-into-the-original": ("reverse-replication", INTO_SOURCE),
    "protected-again": ("reverse-replication", PROTECTED),
    "cleaned-up": ("nothing-to-do", CLEAN),
    "recovered-a-second-time": ("reverse-replication", AGAIN),
    "agent-gone": (
        "reinstall-as-recovery-instance",
        after(DOWN, recovered=MACHINE.model_copy(update={"agent_state": "DISCONNECTED"})),
    ),
    "recovery-instance-lost": ("fresh-protection", after(DOWN, recovered=None)),
    "server-deleted": ("fresh-protection", after(STEADY, forward=None)),
    "other-zone": ("reverse-replication", ZONE),
    "on-premises": ("failback-client", PREMISES),
    "on-premises-ready": (
        "failback-client",
        after(PREMISES, recovered=MACHINE.model_copy(update={"failback_state": "FAILBACK_READY_FOR_LAUNCH"})),
    ),
    "machine-gone": ("launch-new-recovery", after(DOWN, recovered=_GONE)),
    "machine-gone-while-reversing": ("launch-new-recovery", after(GOING, recovered=_GONE)),
    "machine-gone-after-launch-back": ("reverse-replication", after(LAUNCHED, recovered=_GONE)),
    "machine-gone-after-protection": ("reverse-replication", after(PROTECTED, recovered=_GONE)),
    "machine-stopped": ("reinstall-as-recovery-instance", after(DOWN, recovered=_STOPPED)),
    "launched-back-gone": ("reverse-replication", after(LAUNCHED, failed_back=_BACK_GONE)),
    "launched-back-stopped": (
        "reverse-replication",
        after(LAUNCHED, failed_back=BACK.model_copy(update={"ec2_state": "STOPPED"})),
    ),
    "protected-again-and-gone": ("reverse-replication", after(PROTECTED, failed_back=_BACK_GONE)),
    "other-zone-gone": ("launch-new-recovery", after(ZONE, recovered=_GONE)),
    "on-premises-gone": ("launch-new-recovery", after(PREMISES, recovered=_GONE)),
    "on-premises-lost": ("launch-new-recovery", after(PREMISES, recovered=None)),
    "on-premises-unreachable": (
        "failback-client",
        after(PREMISES, forward=_FROM_PREMISES.model_copy(update={"live": False}), recovered=None, scopes_read=()),
    ),
    "on-premises-stopped": ("failback-client", after(PREMISES, recovered=_STOPPED)),
    "on-premises-guessed": ("origin-unknown", GUESSED),
    "on-premises-guessed-then-heard": (
        "failback-client",
        after(GUESSED, recovered=MACHINE.model_copy(update={"origin_environment": "ON_PREMISES"})),
    ),
    "origin-contradicted": (
        "origin-unknown",
        after(PREMISES, recovered=MACHINE.model_copy(update={"origin_environment": "AWS"})),
    ),
    "origin-unknown": (
        "origin-unknown",
        after(DOWN, original={"originalAccountId": DR, "captureMethod": "late"}, captured=False),
    ),
    "drs-unreachable": (
        "reverse-replication",
        after(
            DOWN,
            forward=RECOVERED.model_copy(update={"live": False}),
            recovered=None,
            scopes_read=(),
            notes=(f"DRS in {DR}/us-west-2 could not be read (EndpointConnectionError): its state is as of {WHEN}.",),
        ),
    ),
}
