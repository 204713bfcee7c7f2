"""The ways back that need something installed: an agent on the recovered machine, or the Failback Client. Pure."""

from __future__ import annotations

from typing import Final

from service.queries.failback.steps import Progress, Step, Writer, marked, quoted

__all__ = ["Installs"]

_ISO: Final = (
    "https://aws-elastic-disaster-recovery-{0}.s3.{0}.amazonaws.com"
    "/latest/failback_livecd/aws-failback-livecd-64bit.iso"
)


class Installs(Writer):
    """Writes the steps of an installation."""

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
        account = f" --account-id {quoted(self._source_account)}" if self._source_account != self._dr_account else ""
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
        return marked(
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
        return marked(
            [
                Step("Fetch the Failback Client", (f"curl -fLO {_ISO.format(quoted(self._dr_region))}",)),
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
