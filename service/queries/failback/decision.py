"""Decision: which failback method applies to a server, and why, from facts alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from service.queries.failback.facts import DrsRecord, Facts

__all__ = ["Decision", "Way", "current_reversed_server", "decide", "is_failed_back", "is_same_region"]


class Way(StrEnum):
    """The failback method; the values are those of the JSON member `way`."""

    REVERSE = "reverse-replication"
    REINSTALL = "reinstall-as-recovery-instance"
    FRESH = "fresh-protection"
    CLIENT = "failback-client"
    NONE = "nothing-to-do"
    UNKNOWN = "origin-unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """The method that applies, and the reasons in whole sentences."""

    way: Way
    reasons: tuple[str, ...]


def decide(facts: Facts) -> Decision:
    """Choose the failback method. Nothing is guessed: without a known original region it is `Way.UNKNOWN`."""
    if facts.text("originEnvironment") == "ON_PREMISES":
        return _decide_on_premises(facts)
    if not facts.text("originalSourceRegion"):
        return _decision(
            Way.UNKNOWN,
            "The original region was never recorded, and DRS does not report it. It is not guessed.",
            "Fix: read originRegion in sourceCloudProperties of the server in DRS, or ask the owner of the server."
            " Do not reverse the replication before you know the region.",
        )
    if facts.forward is None:
        return _decision(
            Way.FRESH, "DRS no longer has a source server of this machine, so there is no replication to reverse."
        )
    if is_failed_back(facts):
        return _decide_failed_back(facts, facts.forward)
    if not facts.forward.recovery_instance:
        return _decide_without_recovery_instance(facts.forward)
    return _decide_with_recovery_instance(facts, facts.forward)


def _decision(way: Way, *reasons: str) -> Decision:
    return Decision(way, reasons)


def _decide_on_premises(facts: Facts) -> Decision:
    why = "The server did not run in AWS: only the Failback Client, booted on the original machine, can restore it."
    if facts.forward is None or not facts.forward.recovery_instance:
        return _decision(Way.NONE, why, "It has no recovery instance: there is no machine to fail back.")
    return _decision(Way.CLIENT, why)


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
            "If the recovered machine is gone too, launch a new recovery instance instead: it can then be reversed.",
        )
    return _decision(Way.NONE, f"{forward.server_id} has no recovery instance: there is no machine to fail back.")


def _decide_with_recovery_instance(facts: Facts, forward: DrsRecord) -> Decision:
    instance, instance_id = facts.recovered, forward.recovery_instance
    if instance is None and f"{forward.account_id}/{forward.region}" in facts.scopes_read:
        return _decision(Way.FRESH, f"DRS no longer lists the recovery instance {instance_id}.")
    if instance is None:
        return _decision(
            Way.REVERSE,
            f"The inventory has the recovery instance {instance_id}. DRS could not be read, so it is not known whether"
            " its agent is connected.",
        )
    if not instance.is_connected:
        return _decision(
            Way.REINSTALL,
            f"The agent on {instance.instance_id} is not connected"
            f" (agent {instance.agent_state or 'unknown'}, EC2 {instance.ec2_state or 'unknown'}):"
            " DRS would refuse ReverseReplication.",
        )
    why = f"DRS lists the recovery instance {instance_id} and does not report its agent as disconnected."
    if instance.is_drill:
        drill = "It was launched as a DRILL: make sure that this machine holds the production data."
        return _decision(Way.REVERSE, why, drill)
    return _decision(Way.REVERSE, why)


def current_reversed_server(facts: Facts) -> DrsRecord | None:
    """Return the reversed server that replicates the present recovery instance; one of an earlier failback is None."""
    forward, reverse = facts.forward, facts.reversed
    if forward and reverse and forward.recovery_instance not in {"", reverse.instance_id}:
        return None
    return reverse


def is_same_region(facts: Facts) -> bool:
    """Whether the server replicates within its own account and region, so that a failback only changes the zone."""
    forward = facts.forward
    if forward is None:
        return False
    account = facts.text("originalSourceAccountId") or forward.account_id
    return (account, facts.text("originalSourceRegion")) == (forward.account_id, forward.region)


def is_failed_back(facts: Facts) -> bool:
    """Whether the forward server replicates from a machine that was launched back on the source side.

    With launch-into-source that machine has the id of the original one, which proves nothing. Then it counts as failed
    back once its agent replicates.
    """
    forward, reverse, original = facts.forward, current_reversed_server(facts), facts.text("originalInstanceId")
    if forward is None or not forward.instance_id or not original:
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
