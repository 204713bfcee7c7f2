"""Decision: which failback method applies to a server, and why, from facts alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.queries.failback.facts import DrsRecord, Facts, RecoveryInstance
from service.topology.origin import AWS, ENVIRONMENT, ON_PREMISES

__all__ = ["Decision", "Way", "current_reversed_server", "decide", "is_failed_back", "is_same_region"]


_GONE_TOO: Final = (
    "If the recovered machine is gone too, launch a new recovery instance instead: it can then be reversed."
)


class Way(StrEnum):
    """The failback method; the values are those of the JSON member `way`."""

    REVERSE = "reverse-replication"
    REINSTALL = "reinstall-as-recovery-instance"
    FRESH = "fresh-protection"
    CLIENT = "failback-client"
    RECOVER = "launch-new-recovery"
    NONE = "nothing-to-do"
    UNKNOWN = "origin-unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """The method that applies, and the reasons in whole sentences."""

    way: Way
    reasons: tuple[str, ...]


def decide(facts: Facts) -> Decision:
    """Choose the failback method. Nothing is guessed: without a known origin it is `Way.UNKNOWN`."""
    if facts.is_on_premises:
        return _decide_on_premises(facts)
    if len(facts.environments) > 1 or not facts.text("originalSourceRegion"):
        return _decision(Way.UNKNOWN, *_unknown_origin(facts))
    if facts.forward is None:
        return _decision(
            Way.FRESH, "DRS no longer has a source server of this machine, so there is no replication to reverse."
        )
    if is_failed_back(facts):
        return _decide_failed_back(facts, facts.forward)
    if not facts.forward.recovery_instance:
        return _decide_without_recovery_instance(facts.forward)
    return _decide_with_recovery_instance(facts, facts.forward)


def _unknown_origin(facts: Facts) -> tuple[str, ...]:
    """Return what is not known of the origin, and why no method is chosen."""
    if len(facts.environments) > 1:
        unknown = "What is recorded contradicts what DRS reports now: one says AWS, the other ON_PREMISES."
    elif AWS in facts.environments:
        unknown = "The server ran in AWS, but its original region was never recorded, and DRS does not report it."
    else:
        unknown = (
            "It is not known where the server came from: neither its original region nor that it ran outside AWS was"
            " recorded, and DRS has not reported it."
        )
    guess = "An earlier version recorded ON_PREMISES only because DRS reported nothing; this is not relied on."
    is_guess = not facts.environments and facts.text(ENVIRONMENT) == ON_PREMISES
    caution = (
        "No method is chosen on a guess: the Failback Client overwrites the disks of the machine it is booted on, and"
        " reversing the replication needs the original region. Fix: find out first."
    )
    owner = "If DRS does not tell, ask the owner of the server."
    return (unknown, *([guess] if is_guess else []), caution, owner)


def _decision(way: Way, *reasons: str) -> Decision:
    return Decision(way, reasons)


def _decide_on_premises(facts: Facts) -> Decision:
    why = "The server did not run in AWS: only the Failback Client, booted on the original machine, can restore it."
    forward, instance = facts.forward, facts.recovered
    if forward is None or not forward.recovery_instance:
        return _decision(Way.NONE, why, "It has no recovery instance: there is no machine to fail back.")
    if instance is None and _was_read(facts, forward):
        gone = f"DRS no longer lists the recovery instance {forward.recovery_instance}, which the client copies from."
        return _decision(Way.RECOVER, why, gone, "If that machine still runs, save its data before you go on.")
    if instance is None:
        return _decision(Way.CLIENT, why, _unread(forward))
    if instance.is_gone and instance.failback_state != "FAILBACK_COMPLETED":
        return _decision(Way.RECOVER, why, _gone(instance))
    return _decision(Way.CLIENT, why, *_stopped(instance))


def _was_read(facts: Facts, record: DrsRecord) -> bool:
    return f"{record.account_id}/{record.region}" in facts.scopes_read


def _unread(forward: DrsRecord) -> str:
    return (
        f"The inventory has the recovery instance {forward.recovery_instance}. DRS could not be read, so it is not"
        " known whether its agent is connected."
    )


def _gone(instance: RecoveryInstance) -> str:
    return f"The recovered machine {instance.instance_id} is gone: EC2 reports {instance.ec2_state}."


def _stopped(instance: RecoveryInstance) -> tuple[str, ...]:
    return (f"The recovered machine is not running: EC2 reports {instance.ec2_state}.",) if instance.is_stopped else ()


def _decide_failed_back(facts: Facts, forward: DrsRecord) -> Decision:
    back = f"The server runs as {forward.instance_id} and is protected again by {forward.server_id}"
    if current_reversed_server(facts) is not None:
        return _decision(Way.REVERSE, f"{back}. Only the cleanup is left.")
    return _decision(Way.NONE, f"{back}. Nothing is left to do.")


def _decide_without_recovery_instance(forward: DrsRecord) -> Decision:
    if forward.last_launch == "SUCCEEDED":
        return _decision(
            Way.FRESH,
            f"{forward.server_id} was recovered, but DRS no longer has a record of the recovery instance.",
            _GONE_TOO,
        )
    return _decision(Way.NONE, f"{forward.server_id} has no recovery instance: there is no machine to fail back.")


def _decide_with_recovery_instance(facts: Facts, forward: DrsRecord) -> Decision:
    instance = facts.recovered
    if instance is not None and instance.is_gone:
        return _decide_gone(facts, instance)
    if instance is not None:
        decision = _decide_with_machine(instance)
        return Decision(decision.way, (*decision.reasons, *_lost_again(facts)))
    if _was_read(facts, forward):
        return _decision(
            Way.FRESH, f"DRS no longer lists the recovery instance {forward.recovery_instance}.", _GONE_TOO
        )
    return _decision(Way.REVERSE, _unread(forward))


def _lost_again(facts: Facts) -> tuple[str, ...]:
    back = facts.failed_back
    if back is None or not back.is_gone:
        return ()
    return (f"The machine that was launched back, {back.instance_id}, is gone: EC2 reports {back.ec2_state}.",)


def _decide_with_machine(instance: RecoveryInstance) -> Decision:
    if not instance.is_connected:
        return _decision(
            Way.REINSTALL,
            f"The agent on {instance.instance_id} is not connected"
            f" (agent {instance.agent_state or 'unknown'}, EC2 {instance.ec2_state or 'unknown'}):"
            " DRS would refuse ReverseReplication.",
        )
    why = f"DRS lists the recovery instance {instance.instance_id} and does not report its agent as disconnected."
    if instance.ec2_state == "PENDING":
        return _decision(Way.REVERSE, why, "EC2 reports it as PENDING: wait until it is RUNNING, or DRS refuses.")
    if instance.is_drill:
        drill = "It was launched as a DRILL: make sure that this machine holds the production data."
        return _decision(Way.REVERSE, why, drill)
    return _decision(Way.REVERSE, why)


def _decide_gone(facts: Facts, instance: RecoveryInstance) -> Decision:
    reverse = current_reversed_server(facts)
    if reverse is None:
        return _decision(Way.RECOVER, _gone(instance))
    if reverse.recovery_instance and not _is_lost(facts, reverse.recovery_instance):
        return _decision(Way.REVERSE, _gone(instance), f"It was launched back before as {reverse.recovery_instance}.")
    points = f"The reversed server {reverse.server_id} may have recovery points of it, newer than those of the server."
    return _decision(Way.RECOVER, _gone(instance), points)


def _is_lost(facts: Facts, instance_id: str) -> bool:
    """Whether DRS reports that a machine, recovered or launched back, is gone."""
    machines = (facts.recovered, facts.failed_back)
    return any(each is not None and each.instance_id == instance_id and each.is_gone for each in machines)


def current_reversed_server(facts: Facts) -> DrsRecord | None:
    """Return the reversed server that replicates the present recovery instance; one of an earlier failback is None."""
    forward, reverse = facts.forward, facts.reversed
    if forward and reverse and forward.recovery_instance not in {"", reverse.instance_id}:
        return None
    return reverse


def is_same_region(facts: Facts) -> bool:
    """Whether the server replicates within its own account and region, so that a failback only changes the zone."""
    forward, account = facts.forward, facts.text("originalSourceAccountId")
    return (
        forward is not None
        and account in {"", forward.account_id}
        and facts.text("originalSourceRegion") == forward.region
    )


def is_failed_back(facts: Facts) -> bool:
    """Whether the forward server replicates from a machine that was launched back on the source side.

    With launch-into-source that machine has the id of the original one, which proves nothing. Then it counts as failed
    back once its agent replicates.
    """
    forward, reverse, original = facts.forward, current_reversed_server(facts), facts.text("originalInstanceId")
    if forward is None or not forward.instance_id or not original or _is_lost(facts, forward.instance_id):
        return False
    if is_same_region(facts):
        return forward.instance_id != original and forward.zone == facts.text("originalAvailabilityZone")
    launched = reverse.recovery_instance if reverse else ""
    if launched and launched == original:
        instance = facts.failed_back
        return instance is not None and instance.agent_state not in {"", "NOT_STARTED", "DISCONNECTED"}
    if launched:
        return forward.instance_id == launched
    return forward.instance_id != original and not forward.recovery_instance
