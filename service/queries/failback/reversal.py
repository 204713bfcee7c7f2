"""Reverse replication, between regions and between zones: what must be true, and the steps to the cleaning up. Pure."""

from __future__ import annotations

from service.queries.failback.state import comes_from_here, is_back
from service.queries.failback.steps import Step, Writer, marked

__all__ = ["Reversal"]


class Reversal(Writer):
    """Writes the steps of a reversal."""

    @property
    def same_scope(self) -> bool:
        """Whether it is a matter of zones only."""
        return comes_from_here(self._facts)

    def for_reversal(self) -> tuple[str, ...]:
        """Give what must be true before replication is reversed."""
        return (
            f"The recovered machine {self._machine} holds the data you want to keep, and its applications are healthy.",
            f"The agent on {self._machine} can reach DRS in {self._source_region} (TCP 443) and the staging subnet"
            " there (TCP 1500).",
        )

    def across(self) -> tuple[str, ...]:
        """Give what must be true between regions and accounts."""
        if self.same_scope:
            return ()
        needs = [
            f"{self._source_region} works again in account {self._source_account}; if it is an opt-in region, it is"
            " enabled in both accounts.",
            f"DRS is initialised in {self._source_region} of account {self._source_account} and has a default"
            " replication template there: the reversed server takes its settings from it, not from the original ones.",
        ]
        if self._source_account != self._dr_account:
            needs.append(
                f"Accounts {self._dr_account} and {self._source_account} trust each other: failback and in-AWS roles"
                " in both directions."
            )
        return tuple(needs)

    def otherwise(self) -> tuple[str, ...]:
        """Say what to do when the reversal is refused."""
        return (
            'If it says "agent is not connected": reinstall the agent as a recovery instance. On the machine:',
            *self._install(self._dr_region, self._as_recovery()),
        )

    def reversal(self) -> tuple[Step, ...]:
        """Give the steps from the reversal to the cleaning up."""
        if self.same_scope:
            return marked(self._between_zones(), self._done_between_zones())
        return marked(self._between_regions(), self._done_between_regions())

    def _between_regions(self) -> list[Step]:
        return [
            Step("Reverse the replication of the recovered machine", (self._reverse_command(),)),
            Step(
                "Wait until the reversed server is in step",
                (
                    self._state_of(self._reversed_id),
                    self._source(f"get-replication-configuration --source-server-id {self._reversed_id}"),
                ),
                note="Go on when it says CONTINUOUS. Compare subnet and encryption with the original ones above.",
            ),
            Step(
                "Launch the server in its original region",
                (self._source(f"start-recovery --source-servers sourceServerID={self._reversed_id}"),),
                warning="Writes to the recovered machine after its last snapshot are lost: stop its applications"
                " first. Earlier machines launched from this reversed server are terminated.",
                note="Check the machine and move the traffic before you go on.",
            ),
            Step(
                "Protect the machine that went back",
                (self._find_back(), self._source(f"reverse-replication --recovery-instance-id {self._back_id}")),
                warning=f"{self._forward_id} is pointed at the machine that went back: its disks are rescanned, and"
                " newer recovery points are of that machine.",
                note=f"Go on when {self._forward_id} says CONTINUOUS again.",
            ),
            *self._cleaning(),
        ]

    def _cleaning(self) -> list[Step]:
        left = [
            Step(
                "Clean up: stop the reversed replication",
                (self._source(f"stop-replication --source-server-id {self._reversed_id}"),),
                warning="Deletes all recovery points of the reversed server.",
            )
        ]
        if self._machine:
            left.append(
                Step(
                    "Clean up: terminate the machine in the recovery region",
                    (self._dr(f"terminate-recovery-instances --recovery-instance-ids {self._machine}"),),
                    warning=f"Destroys {self._machine} and its disks. Be sure that production runs elsewhere.",
                )
            )
        return [
            *left,
            Step(
                "Clean up: forget the recovery instance that is production now",
                (self._source(f"delete-recovery-instance --recovery-instance-id {self._back_id}"),),
                warning=f"Never TERMINATE {self._back_id}: it is production. This deletes only DRS's record of it.",
            ),
            Step(
                "Clean up: remove the reversed server",
                (
                    self._source(f"disconnect-source-server --source-server-id {self._reversed_id}"),
                    self._source(f"delete-source-server --source-server-id {self._reversed_id}"),
                ),
                warning="Deletes the reversed server with its job history. The original topology kept here stays.",
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
                warning=f"{self._forward_id} is pointed at {self._machine} in place: its source, its zone and its"
                " staging subnet change. The original values are kept here.",
            ),
            Step("Wait until it is in step", (state,), note="Go on when it says CONTINUOUS."),
            Step(
                f"Launch the server in {zone}",
                (self._dr(f"start-recovery --source-servers sourceServerID={self._forward_id}"),),
                warning="Writes after the last snapshot are lost: stop the applications first.",
                note=f"Set the subnet of the launch template to one of {zone} before.",
            ),
            Step(
                "Protect the machine that went back",
                (
                    self._dr(
                        f"describe-source-servers --filters sourceServerIDs={self._forward_id}"
                        " --query 'items[0].recoveryInstanceId' --output text"
                    ),
                    self._dr("reverse-replication --recovery-instance-id $BACK"),
                ),
                warning=f"{self._forward_id} is pointed at that machine in place, as before.",
                note="BACK is the id that the first command prints.",
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

    def _find_back(self) -> str:
        command = self._source(
            f"describe-source-servers --filters sourceServerIDs={self._reversed_id}"
            " --query 'items[0].recoveryInstanceId' --output text"
        )
        return command if self._back_id != "$BACK" else f"BACK=$({command})"

    def _done_between_regions(self) -> int:
        """Count the steps that are done: reversed, in step, launched, protected."""
        if is_back(self._facts):
            return 4
        if self._reverse is None:
            return 0
        if self._reverse.recovery_instance:
            return 3
        return 2 if self._reverse.state == "CONTINUOUS" else 1

    def _done_between_zones(self) -> int:
        forward = self._facts.forward
        if forward is None or forward.instance_id != forward.recovery_instance:
            return 0
        return 2 if forward.state == "CONTINUOUS" else 1
