"""Where a server stands on its way back, judged by what DRS and the tables tell. Pure."""

from __future__ import annotations

from service.queries.failback.facts import DrsRecord, Facts

__all__ = ["comes_from_here", "current_reverse", "is_back", "needs_cleaning"]


def current_reverse(facts: Facts) -> DrsRecord | None:
    """Give the reversed server that replicates the present recovery instance; one of an earlier cycle is none."""
    forward, reverse = facts.forward, facts.reversed
    if forward and reverse and forward.recovery_instance not in {"", reverse.instance_id}:
        return None
    return reverse


def comes_from_here(facts: Facts) -> bool:
    """Whether the server comes from the account and region that it is replicated to: another zone, that is."""
    forward = facts.forward
    if forward is None:
        return False
    account = facts.text("originalSourceAccountId") or forward.account_id
    return (account, facts.text("originalSourceRegion")) == (forward.account_id, forward.region)


def is_back(facts: Facts) -> bool:
    """Whether the forward server replicates from a machine that was launched back on the source side.

    With launch-into-source the machine is the original one, so that its id proves nothing: then the replication of
    the machine launched back tells.
    """
    forward, reverse, original = facts.forward, current_reverse(facts), facts.text("originalInstanceId")
    if forward is None or not forward.instance_id or not original:
        return False
    if comes_from_here(facts):
        return forward.instance_id != original and forward.zone == facts.text("originalAvailabilityZone")
    launched = reverse.recovery_instance if reverse else ""
    if launched and launched == original:
        machine = facts.failed_back
        return machine is not None and machine.agent_state not in {"", "NOT_STARTED", "DISCONNECTED"}
    if launched:
        return forward.instance_id == launched
    return forward.instance_id != original and not forward.recovery_instance


def needs_cleaning(facts: Facts) -> bool:
    """Whether DRS still has the machines and servers that a failback used."""
    return current_reverse(facts) is not None
