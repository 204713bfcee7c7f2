"""Steps of a runbook: shell commands with the real ids, region and account of a server. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from enum import StrEnum

from service.partitions import partition_of
from service.queries.failback.decision import current_reversed_server
from service.queries.failback.facts import Facts

__all__ = ["Progress", "Step", "StepWriter", "download_url", "shell_quoted", "with_progress"]


class Progress(StrEnum):
    """The progress of a step, as far as DRS reports it."""

    DONE = "done"
    NEXT = "next"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `warning`: what it destroys, printed before the commands. `note`: what to wait for or to check."""

    title: str
    commands: tuple[str, ...] = ()
    warning: str = ""
    note: str = ""
    progress: Progress = Progress.LATER


class StepWriter:
    """Base of the classes that write steps: the ids, regions and accounts of one server, and commands for them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        forward = facts.forward
        parts = [*facts.lineage.split(":"), *[""] * 6]  # an old table or a file may hold something that is no ARN
        self._dr_account = forward.account_id if forward else parts[4]
        self._dr_region = forward.region if forward else parts[3]
        self._source_region = facts.text("originalSourceRegion")
        self._source_account = facts.text("originalSourceAccountId") or self._dr_account
        self._machine = shell_quoted(forward.recovery_instance) if forward and forward.recovery_instance else ""
        self._forward_id = shell_quoted(forward.server_id) if forward else ""
        self._reverse = reverse = current_reversed_server(facts)
        self._reversed_id = shell_quoted(reverse.server_id) if reverse else "$REVERSED"
        # A machine that was launched back and is gone has to be launched once more.
        lost = facts.failed_back is not None and facts.failed_back.is_gone
        back_id = reverse.recovery_instance if reverse and not lost else ""
        self._back_id = shell_quoted(back_id) if back_id else "$BACK"

    def _dr(self, command: str) -> str:
        """Write a command for the recovery side."""
        region, account = shell_quoted(self._dr_region), shell_quoted(self._dr_account)
        return f"aws drs {command} --region {region} --profile drs-{account}"

    def _source(self, command: str) -> str:
        """Write a command for the source side."""
        region, account = shell_quoted(self._source_region), shell_quoted(self._source_account)
        return f"aws drs {command} --region {region} --profile drs-{account}"

    def _start(self, instance_id: str, region: str, account: str) -> str:
        """Write the command that starts a stopped machine."""
        where = f"--region {shell_quoted(region)} --profile drs-{shell_quoted(account)}"
        return f"aws ec2 start-instances --instance-ids {instance_id} {where}"

    def _start_recovered(self) -> list[Step]:
        """Return the step that starts the recovered machine; none if it is not stopped."""
        if self._facts.recovered is None or not self._facts.recovered.is_stopped:
            return []
        return [
            Step(
                "Start the recovered machine",
                (self._start(self._machine, self._dr_region, self._dr_account),),
                note="Wait until it is RUNNING, then run drs-sync failback again: its agent may connect by itself.",
            )
        ]

    def _as_recovery(self) -> str:
        return f" --install-as-recovery-instance {self._forward_id}"

    def _install(self, region: str, arguments: str) -> tuple[str, ...]:
        url = download_url(region, "linux/aws-replication-installer-init")
        return (
            f"curl -fLO {url} && chmod +x aws-replication-installer-init",
            f"sudo ./aws-replication-installer-init --region {shell_quoted(region)}{arguments}",
        )


def with_progress(steps: list[Step], done: int) -> tuple[Step, ...]:
    """Mark the first `done` steps as done, and the one after them as the next."""
    marks = [Progress.DONE] * done + [Progress.NEXT] + [Progress.LATER] * len(steps)
    return tuple(replace(step, progress=mark) for step, mark in zip(steps, marks, strict=False))


def download_url(region: str, path: str) -> str:
    """Return the URL of a file that DRS offers for a region, for use in a shell command."""
    name = shell_quoted(region)
    return f"https://aws-elastic-disaster-recovery-{name}.s3.{name}.{partition_of(region).domain}/latest/{path}"


def shell_quoted(value: str) -> str:
    """Quote a value for a POSIX shell, because text from a table or a file must not run."""
    return shlex.quote(value)
