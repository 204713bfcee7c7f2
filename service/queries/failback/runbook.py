"""Facts about a server -> which way back applies, why, what must be true first, and what to type. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from service.queries.failback.facts import DrsRecord, Facts
from service.queries.failback.installs import Installs
from service.queries.failback.reversal import Reversal
from service.queries.failback.state import is_back, needs_cleaning
from service.queries.failback.steps import Progress, Step

__all__ = ["Runbook", "Way", "write_runbook"]


class Way(StrEnum):
    """How a server goes back."""

    REVERSE = "reverse-replication"
    REINSTALL = "reinstall-as-recovery-instance"
    FRESH = "fresh-protection"
    CLIENT = "failback-client"
    NONE = "nothing-to-do"
    UNKNOWN = "origin-unknown"


@dataclass(frozen=True, slots=True)
class Runbook:
    """What to do for one server. `preconditions` are to be ticked off before the first step."""

    way: Way
    reasons: tuple[str, ...]
    preconditions: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    otherwise: tuple[str, ...] = ()


def write_runbook(facts: Facts) -> Runbook:
    """Choose the way back and write it down. Nothing is guessed: what is not known leads to UNKNOWN, with advice."""
    way, reasons = _choose(facts)
    back, installs = Reversal(facts), Installs(facts)
    if way is Way.REVERSE:
        if is_back(facts):  # only the cleaning up is left
            return Runbook(way, reasons, steps=back.reversal())
        return Runbook(way, reasons, (*back.for_reversal(), *back.across()), back.reversal(), back.otherwise())
    if way is Way.REINSTALL:
        return Runbook(
            way, reasons, (*installs.for_installer(), *back.across()), (*installs.reinstall(), *_later(back.reversal()))
        )
    if way is Way.FRESH:
        return Runbook(way, reasons, (*installs.for_installer(), *installs.for_fresh()), installs.fresh())
    if way is Way.CLIENT:
        return Runbook(way, reasons, installs.for_client(), installs.client())
    return Runbook(way, reasons)


def _later(listed: Iterable[Step]) -> tuple[Step, ...]:
    """Put steps off until after others."""
    return tuple(replace(each, progress=Progress.LATER) if each.progress is Progress.NEXT else each for each in listed)


def _choose(facts: Facts) -> tuple[Way, tuple[str, ...]]:
    if facts.text("originEnvironment") == "ON_PREMISES":
        return _choose_on_premises(facts)
    if not facts.text("originalSourceRegion"):
        return Way.UNKNOWN, (
            "The region this server came from was never taken down, and DRS does not tell it: it is not guessed.",
            "Look at sourceCloudProperties of the server in DRS, or ask whoever ran it, before anything is reversed.",
        )
    if facts.forward is None:
        return Way.FRESH, (
            "DRS has no source server of this lineage any more, so there is nothing whose replication can be reversed.",
        )
    if is_back(facts):
        return _back(facts, facts.forward)
    if not facts.forward.recovery_instance:
        return _without_machine(facts.forward)
    return _with_machine(facts, facts.forward)


def _without_machine(forward: DrsRecord) -> tuple[Way, tuple[str, ...]]:
    if forward.last_launch == "SUCCEEDED":
        return Way.FRESH, (
            f"{forward.server_id} was recovered, but DRS has no record of the recovery instance any more.",
            "If the recovered machine is gone as well, launch a new one instead: then there is one to reverse.",
        )
    return Way.NONE, (f"{forward.server_id} has no recovery instance: there is no machine to send back.",)


def _with_machine(facts: Facts, forward: DrsRecord) -> tuple[Way, tuple[str, ...]]:
    machine = facts.recovered
    if machine is None and f"{forward.account_id}/{forward.region}" in facts.asked:
        return Way.FRESH, (f"DRS lists no recovery instance {forward.recovery_instance} any more.",)
    if machine is not None and not machine.is_connected:
        return Way.REINSTALL, (
            f"The agent on {machine.instance_id} is not connected"
            f" (agent {machine.agent_state or 'unknown'}, EC2 {machine.ec2_state or 'unknown'}):"
            " ReverseReplication would be refused.",
        )
    seen = (
        "does not report its agent as disconnected" if machine else "could not be asked whether its agent is connected"
    )
    reasons = [f"The recovery instance {forward.recovery_instance} is on record; DRS {seen}."]
    if machine is not None and machine.is_drill:
        reasons.append("It was launched as a DRILL: make sure that it is the machine that holds production.")
    return Way.REVERSE, tuple(reasons)


def _choose_on_premises(facts: Facts) -> tuple[Way, tuple[str, ...]]:
    why = "The server did not run in AWS: only the Failback Client, booted on its own hardware, can write it back."
    if facts.forward is None or not facts.forward.recovery_instance:
        return Way.NONE, (why, "It has no recovery instance: there is no machine to send back.")
    return Way.CLIENT, (why,)


def _back(facts: Facts, forward: DrsRecord) -> tuple[Way, tuple[str, ...]]:
    back = f"The server runs as {forward.instance_id} and is protected again by {forward.server_id}"
    if needs_cleaning(facts):
        return Way.REVERSE, (f"{back}; what the failback left behind can be cleaned up.",)
    return Way.NONE, (f"{back}: nothing is left to do.",)
