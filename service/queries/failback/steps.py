"""The steps of each way back, with the real values filled in. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.queries.failback.facts import DrsRecord, Facts

__all__ = ["Progress", "Step", "Ways", "comes_from_here", "current_reverse", "is_back", "needs_cleaning"]

_INSTALLER: Final = (
    "https://aws-elastic-disaster-recovery-{0}.s3.{0}.amazonaws.com/latest/linux/aws-replication-installer-init"
)
_ISO: Final = (
    "https://aws-elastic-disaster-recovery-{0}.s3.{0}.amazonaws.com"
    "/latest/failback_livecd/aws-failback-livecd-64bit.iso"
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


class Ways:
    """Writes the steps for one server."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        forward = facts.forward
        parts = facts.lineage.split(":")
        self._dr_account = forward.account_id if forward else parts[4]
        self._dr_region = forward.region if forward else parts[3]
        self._source_region = facts.text("originalSourceRegion")
        self._source_account = facts.text("originalSourceAccountId") or self._dr_account
        self._machine = _q(forward.recovery_instance) if forward and forward.recovery_instance else ""
        self._forward_id = _q(forward.server_id) if forward else ""
        self._reverse = reverse = current_reverse(facts)
        self._reversed_id = _q(reverse.server_id) if reverse else "$REVERSED"
        self._back_id = _q(reverse.recovery_instance) if reverse and reverse.recovery_instance else "$BACK"

    @property
    def same_place(self) -> bool:
        """Whether it is a matter of zones only."""
        return comes_from_here(self._facts)

    def _dr(self, command: str) -> str:
        return f"aws drs {command} --region {_q(self._dr_region)} --profile drs-{_q(self._dr_account)}"

    def _source(self, command: str) -> str:
        return f"aws drs {command} --region {_q(self._source_region)} --profile drs-{_q(self._source_account)}"

    # What must be true

    def for_reversal(self) -> tuple[str, ...]:
        """Give what must be true before replication is reversed."""
        return (
            f"The recovered machine {self._machine} holds the data you want to keep, and its applications are healthy.",
            f"The agent on {self._machine} can reach DRS in {self._source_region} (TCP 443) and the staging subnet"
            " there (TCP 1500).",
        )

    def across(self) -> tuple[str, ...]:
        """Give what must be true between regions and accounts."""
        if self.same_place:
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

    def for_installer(self) -> tuple[str, ...]:
        """Give what must be true before the agent is installed on the recovered machine."""
        return (
            "You can log in to the recovered machine as root (Linux) or administrator (Windows).",
            "Credentials or an instance profile for the installer are at hand:"
            " AWSElasticDisasterRecoveryAgentInstallationPolicy, or AWSElasticDisasterRecoveryEc2InstancePolicy.",
        )

    def for_fresh(self) -> tuple[str, ...]:
        """Give what must be true before the recovered machine is protected as a new server."""
        return (
            f"DRS is initialised in {self._source_region} of account {self._source_account}.",
            "No agent is installed on the machine; after an uninstall it was rebooted.",
        )

    def for_client(self) -> tuple[str, ...]:
        """Give what must be true before the Failback Client is booted."""
        return (
            "The original machine, or one like it, can boot an ISO; it has 4 GB of memory at least.",
            "Its disks are as large as those of the recovered machine, or larger.",
            f"It can reach DRS in {self._dr_region} (TCP 443) and the recovered machine (TCP 1500).",
            "Credentials with AWSElasticDisasterRecoveryFailbackInstallationPolicy are at hand.",
        )

    def otherwise(self) -> tuple[str, ...]:
        """Say what to do when the reversal is refused."""
        return (
            'If it says "agent is not connected": reinstall the agent as a recovery instance. On the machine:',
            *self._install(self._dr_region, self._as_recovery()),
        )

    # Steps

    def reversal(self) -> tuple[Step, ...]:
        """Give the steps from the reversal to the cleaning up."""
        if self.same_place:
            return _marked(self._between_zones(), self._done_between_zones())
        return _marked(self._between_regions(), self._done_between_regions())

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

    def reinstall(self) -> tuple[Step, ...]:
        """Give the steps that connect the agent of a recovery instance again."""
        return (
            Step(
                "Disconnect the recovery instance",
                (self._dr(f"disconnect-recovery-instance --recovery-instance-id {self._machine}"),),
                warning="Ends a failback that is under way from this machine; it has to start from the beginning.",
                note="Skip this when it says DISCONNECTED already. If the EC2 instance is stopped, start it first.",
                progress=Progress.NEXT,
            ),
            Step(
                f"On {self._machine}: install the agent as a recovery instance",
                self._install(self._dr_region, self._as_recovery()),
                note="Windows: AwsReplicationWindowsInstaller.exe with the same arguments.",
            ),
        )

    def fresh(self) -> tuple[Step, ...]:
        """Give the steps that protect the recovered machine as a new server, back to where it came from."""
        account = f" --account-id {_q(self._source_account)}" if self._source_account != self._dr_account else ""
        first: list[Step] = []
        if self._facts.forward is not None:
            first.append(
                Step(
                    "Remove the old record, if the installer refuses",
                    (
                        self._dr(f"disconnect-source-server --source-server-id {self._forward_id}"),
                        self._dr(f"delete-source-server --source-server-id {self._forward_id}"),
                    ),
                    warning="Destroys every recovery point of the old server. Only when the installer says that the"
                    " server was previously installed to replicate into another region or account.",
                )
            )
        return _marked(
            [
                *first,
                Step(
                    "On the recovered machine: install the agent",
                    self._install(self._source_region, f"{account} --no-prompt"),
                    note="It registers in the region it names: that is where the server goes back to.",
                ),
                Step(
                    "Launch it there once it says CONTINUOUS",
                    (self._source("start-recovery --source-servers sourceServerID=$REVERSED"),),
                    warning="Writes to the recovered machine after its last snapshot are lost: stop its applications"
                    " first.",
                    note="REVERSED is the id of the new source server, which the installer prints.",
                ),
            ],
            0,
        )

    def client(self) -> tuple[Step, ...]:
        """Give the steps of the Failback Client."""
        region = self._facts.text("originalReplicationRegion") or self._dr_region
        account = self._facts.text("originalAccountId") or self._dr_account
        state = self._facts.recovered.failback_state if self._facts.recovered else ""
        done = {"FAILBACK_IN_PROGRESS": 2, "FAILBACK_READY_FOR_LAUNCH": 3, "FAILBACK_COMPLETED": 4}.get(state, 0)
        describe = (
            f"describe-recovery-instances --filters recoveryInstanceIDs={self._machine}"
            " --query 'items[0].failback.state' --output text"
        )
        return _marked(
            [
                Step("Fetch the Failback Client", (f"curl -fLO {_ISO.format(self._dr_region)}",)),
                Step(
                    "Boot the original machine from it",
                    warning="Every disk that is mapped is overwritten with the data of the recovered machine.",
                    note=f"It asks for a region: give {self._dr_region}, where the recovery instance is,"
                    f" and for the recovery instance: {self._machine}.",
                ),
                Step(
                    "Wait until it is in step",
                    (self._dr(describe),),
                    note="Go on when it says FAILBACK_READY_FOR_LAUNCH.",
                ),
                Step(
                    "Launch",
                    (self._dr(f"start-failback-launch --recovery-instance-ids {self._machine}"),),
                    warning="Writes to the recovered machine after this are lost: stop its applications first.",
                ),
                Step(
                    "Protect the original machine again",
                    self._install(region, " --no-prompt"),
                    note=f"With credentials of account {account}. It registers in {region}, as before.",
                ),
                Step(
                    "Clean up: terminate the machine in AWS",
                    (self._dr(f"terminate-recovery-instances --recovery-instance-ids {self._machine}"),),
                    warning=f"Destroys {self._machine} and its disks. Be sure that production runs elsewhere.",
                ),
            ],
            done,
        )

    # Parts of commands

    def _as_recovery(self) -> str:
        return f" --install-as-recovery-instance {self._forward_id}"

    def _install(self, region: str, arguments: str) -> tuple[str, ...]:
        url = _INSTALLER.format(_q(region))
        return (
            f"curl -fLO {url} && chmod +x aws-replication-installer-init",
            f"sudo ./aws-replication-installer-init --region {_q(region)}{arguments}",
        )

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

    # Progress

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


def _marked(steps: list[Step], done: int) -> tuple[Step, ...]:
    """Mark the first steps as done, and the one after them as the next."""
    marks = [Progress.DONE] * done + [Progress.NEXT] + [Progress.LATER] * len(steps)
    return tuple(
        Step(step.title, step.commands, step.warning, step.note, mark) for step, mark in zip(steps, marks, strict=False)
    )


def _q(value: str) -> str:
    """Quote for a POSIX shell: what comes from a table or a file must not run."""
    return shlex.quote(value)
