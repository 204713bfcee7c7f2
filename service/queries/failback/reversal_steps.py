"""Steps of reverse replication, between regions and between zones, from preconditions to cleanup. Pure."""

from __future__ import annotations

from service.queries.failback.decision import is_failed_back, is_same_region
from service.queries.failback.steps import Step, StepWriter, with_progress

__all__ = ["ReversalSteps"]


class ReversalSteps(StepWriter):
    """Writes the preconditions and steps of reverse replication."""

    def preconditions(self) -> tuple[str, ...]:
        """Return what must be true before the replication is reversed."""
        return (
            f"The recovered machine {self._machine} holds the data you want to keep, and its applications are healthy.",
            f"The agent on {self._machine} can reach DRS in {self._source_region} (TCP 443) and the staging subnet"
            " there (TCP 1500).",
        )

    def region_preconditions(self) -> tuple[str, ...]:
        """Return what must be true of the original region and account; nothing within one region."""
        if is_same_region(self._facts):
            return ()
        conditions = [
            f"{self._source_region} works again in account {self._source_account}. If it is an opt-in region, it is"
            " enabled in both accounts.",
            f"DRS is initialised in {self._source_region} of account {self._source_account} and has a default"
            " replication template there. The reversed server takes its settings from this template, not from the"
            " original settings.",
        ]
        if self._source_account != self._dr_account:
            conditions.append(
                f"Accounts {self._dr_account} and {self._source_account} are trusted accounts of each other in DRS,"
                " with the failback and in-AWS roles in both directions."
            )
        return tuple(conditions)

    def otherwise(self) -> tuple[str, ...]:
        """Return what to do when DRS refuses the reversal: a sentence, then commands."""
        return (
            'If DRS refuses with "agent is not connected", reinstall the agent as a recovery instance.'
            " On the recovered machine:",
            *self._install(self._dr_region, self._as_recovery()),
        )

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from the reversal to the cleanup."""
        if is_same_region(self._facts):
            return with_progress(self._between_zones(), self._count_done_between_zones())
        return with_progress(self._between_regions(), self._count_done_between_regions())

    def _between_regions(self) -> list[Step]:
        return [
            Step("Reverse the replication of the recovered machine", (self._reverse_command(),)),
            Step(
                "Wait until the reversed server has caught up",
                (
                    self._state_of(self._reversed_id),
                    self._source(f"get-replication-configuration --source-server-id {self._reversed_id}"),
                ),
                note="Continue when it reports CONTINUOUS. Compare subnet and encryption with the original values"
                " above.",
            ),
            Step(
                "Launch the server in its original region",
                (self._source(f"start-recovery --source-servers sourceServerID={self._reversed_id}"),),
                warning="Data written to the recovered machine after its last snapshot is lost: stop its applications"
                " first. Machines launched earlier from this reversed server are terminated.",
                note="Before you continue, check the launched machine and switch the traffic to it.",
            ),
            Step(
                "Protect the launched machine",
                (
                    self._find_launched(),
                    *self._start_launched(),
                    self._source(f"reverse-replication --recovery-instance-id {self._back_id}"),
                ),
                warning=f"From now on {self._forward_id} replicates the launched machine: its disks are rescanned, and"
                " new recovery points are of that machine.",
                note=f"Continue when {self._forward_id} reports CONTINUOUS again.",
            ),
            *self._cleanup(),
        ]

    def _cleanup(self) -> list[Step]:
        steps = [
            Step(
                "Clean up: stop the reversed replication",
                (self._source(f"stop-replication --source-server-id {self._reversed_id}"),),
                warning="Deletes all recovery points of the reversed server.",
            )
        ]
        if self._machine and not (self._facts.recovered and self._facts.recovered.is_gone):
            steps.append(
                Step(
                    "Clean up: terminate the machine in the recovery region",
                    (self._dr(f"terminate-recovery-instances --recovery-instance-ids {self._machine}"),),
                    warning=f"Destroys {self._machine} and its disks. Make sure that production runs elsewhere.",
                )
            )
        return [
            *steps,
            Step(
                "Clean up: delete only the DRS record of the launched machine",
                (self._source(f"delete-recovery-instance --recovery-instance-id {self._back_id}"),),
                warning=f"Never TERMINATE {self._back_id}: it is production now. This command deletes its record in"
                " DRS; the machine keeps running.",
            ),
            Step(
                "Clean up: remove the reversed server",
                (
                    self._source(f"disconnect-source-server --source-server-id {self._reversed_id}"),
                    self._source(f"delete-source-server --source-server-id {self._reversed_id}"),
                ),
                warning="Deletes the reversed server with its job history. The original values above stay recorded.",
            ),
        ]

    def _between_zones(self) -> list[Step]:
        zone = self._facts.text("originalAvailabilityZone") or "its original zone"
        state = self._dr(
            f"describe-source-servers --filters sourceServerIDs={self._forward_id}"
            " --query 'items[0].dataReplicationInfo.dataReplicationState' --output text"
        )
        return [
            Step(
                "Protect the recovered machine",
                (self._dr(f"reverse-replication --recovery-instance-id {self._machine}"),),
                warning=f"Changes {self._forward_id} in place to replicate {self._machine}: its source, zone and"
                " staging subnet change. The original values above stay recorded.",
            ),
            Step("Wait until the replication has caught up", (state,), note="Continue when it reports CONTINUOUS."),
            Step(
                f"Launch the server in {zone}",
                (self._dr(f"start-recovery --source-servers sourceServerID={self._forward_id}"),),
                warning="Data written after the last snapshot is lost: stop the applications first.",
                note=f"Before you launch, set the subnet of the launch template to a subnet in {zone}.",
            ),
            Step(
                "Protect the launched machine",
                (
                    self._dr(
                        f"describe-source-servers --filters sourceServerIDs={self._forward_id}"
                        " --query 'items[0].recoveryInstanceId' --output text"
                    ),
                    self._dr("reverse-replication --recovery-instance-id $BACK"),
                ),
                warning=f"Changes {self._forward_id} in place to replicate the launched machine.",
                note="Set BACK to the id that the first command prints.",
            ),
        ]

    def _reverse_command(self) -> str:
        command = self._dr(
            f"reverse-replication --recovery-instance-id {self._machine}"
            " --query reversedDirectionSourceServerArn --output text"
        )
        return command if self._reverse else f"REVERSED=$({command} | sed 's|.*/||')"

    def _state_of(self, server_id: str) -> str:
        return self._source(
            f"describe-source-servers --filters sourceServerIDs={server_id}"
            " --query 'items[0].dataReplicationInfo.dataReplicationState' --output text"
        )

    def _find_launched(self) -> str:
        command = self._source(
            f"describe-source-servers --filters sourceServerIDs={self._reversed_id}"
            " --query 'items[0].recoveryInstanceId' --output text"
        )
        return command if self._back_id != "$BACK" else f"BACK=$({command})"

    def _start_launched(self) -> tuple[str, ...]:
        if self._facts.failed_back is None or not self._facts.failed_back.is_stopped:
            return ()
        return (self._start(self._back_id, self._source_region, self._source_account),)

    def _count_done_between_regions(self) -> int:
        """Count the steps that are done: reversed, caught up, launched, protected."""
        if is_failed_back(self._facts):
            return 4
        if self._reverse is None:
            return 0
        if self._back_id != "$BACK":
            return 3
        return 2 if self._reverse.state == "CONTINUOUS" else 1

    def _count_done_between_zones(self) -> int:
        forward = self._facts.forward
        if forward is None or forward.instance_id != forward.recovery_instance:
            return 0
        return 2 if forward.state == "CONTINUOUS" else 1
