"""What steps are made of: commands with the real values filled in, for the right region and account. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from service.queries.failback.facts import Facts
from service.queries.failback.state import current_reverse

__all__ = ["Progress", "Step", "Writer", "marked", "quoted"]

_INSTALLER: Final = (
    "https://aws-elastic-disaster-recovery-{0}.s3.{0}.amazonaws.com/latest/linux/aws-replication-installer-init"
)


class Progress(StrEnum):
    """Where a step stands, as far as is known."""

    DONE = "done"
    NEXT = "next"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `warning`: what it destroys; shown before the commands. `note`: what to wait for or look at."""

    title: str
    commands: tuple[str, ...] = ()
    warning: str = ""
    note: str = ""
    progress: Progress = Progress.LATER


class Writer:
    """Knows the places and ids of one server, and writes commands about them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        forward = facts.forward
        parts = [*facts.lineage.split(":"), *[""] * 6]  # whatever an old table or a file has for an ARN
        self._dr_account = forward.account_id if forward else parts[4]
        self._dr_region = forward.region if forward else parts[3]
        self._source_region = facts.text("originalSourceRegion")
        self._source_account = facts.text("originalSourceAccountId") or self._dr_account
        self._machine = quoted(forward.recovery_instance) if forward and forward.recovery_instance else ""
        self._forward_id = quoted(forward.server_id) if forward else ""
        self._reverse = reverse = current_reverse(facts)
        self._reversed_id = quoted(reverse.server_id) if reverse else "$REVERSED"
        self._back_id = quoted(reverse.recovery_instance) if reverse and reverse.recovery_instance else "$BACK"

    def _dr(self, command: str) -> str:
        return f"aws drs {command} --region {quoted(self._dr_region)} --profile drs-{quoted(self._dr_account)}"

    def _source(self, command: str) -> str:
        return f"aws drs {command} --region {quoted(self._source_region)} --profile drs-{quoted(self._source_account)}"

    def _as_recovery(self) -> str:
        return f" --install-as-recovery-instance {self._forward_id}"

    def _install(self, region: str, arguments: str) -> tuple[str, ...]:
        url = _INSTALLER.format(quoted(region))
        return (
            f"curl -fLO {url} && chmod +x aws-replication-installer-init",
            f"sudo ./aws-replication-installer-init --region {quoted(region)}{arguments}",
        )


def marked(steps: list[Step], done: int) -> tuple[Step, ...]:
    """Mark the first steps as done, and the one after them as the next."""
    marks = [Progress.DONE] * done + [Progress.NEXT] + [Progress.LATER] * len(steps)
    return tuple(replace(step, progress=mark) for step, mark in zip(steps, marks, strict=False))


def quoted(value: str) -> str:
    """Quote for a POSIX shell: what comes from a table or a file must not run."""
    return shlex.quote(value)
