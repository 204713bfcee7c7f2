"""Steps of the methods that install something: the agent on the recovered machine, or the Failback Client. Pure."""

from __future__ import annotations

from typing import Final

from service.queries.failback.steps import Step, StepWriter, download_url, shell_quoted, with_progress

__all__ = ["InstallSteps"]

_ISO: Final = "failback_livecd/aws-failback-livecd-64bit.iso"


class InstallSteps(StepWriter):
    """Writes the preconditions and steps of an installation."""

    def installer_preconditions(self) -> tuple[str, ...]:
        """Return what must be true before an agent is installed on the recovered machine."""
        return (
            "You can log in to the recovered machine as root (Linux) or administrator (Windows).",
            "You have credentials or an instance profile for the installer, with the policy"
            " AWSElasticDisasterRecoveryAgentInstallationPolicy or AWSElasticDisasterRecoveryEc2InstancePolicy.",
        )

    def fresh_preconditions(self) -> tuple[str, ...]:
        """Return what must be true before the recovered machine is protected as a new server."""
        return (
            f"DRS is initialised in {self._source_region} of account {self._source_account}.",
            "No agent is installed on the recovered machine. If one was uninstalled, the machine was rebooted since.",
        )

    def client_preconditions(self) -> tuple[str, ...]:
        """Return what must be true before the Failback Client is booted."""
        return (
            "The original machine, or an equivalent one, can boot from an ISO and has at least 4 GB of memory.",
            "Its disks are at least as large as those of the recovered machine.",
            f"It can reach DRS in {self._dr_region} (TCP 443) and the recovered machine (TCP 1500).",
            "You have credentials with the policy AWSElasticDisasterRecoveryFailbackInstallationPolicy.",
        )

    def reinstall(self) -> tuple[Step, ...]:
        """Return the steps that connect the agent of a recovery instance again."""
        steps = [
            *self._start_recovered(),
            Step(
                "Disconnect the recovery instance",
                (self._dr(f"disconnect-recovery-instance --recovery-instance-id {self._machine}"),),
                warning="Ends a failback that is in progress from this machine: it has to start from the beginning.",
                note="Skip this step if the agent is DISCONNECTED already.",
            ),
            Step(
                f"On {self._machine}: install the agent as a recovery instance",
                self._install(self._dr_region, self._as_recovery()),
                note="On Windows, run AwsReplicationWindowsInstaller.exe with the same arguments.",
            ),
        ]
        return with_progress(steps, 0)

    def fresh(self) -> tuple[Step, ...]:
        """Return the steps that protect the recovered machine as a new server in the original region."""
        other_account = self._source_account != self._dr_account
        account = f" --account-id {shell_quoted(self._source_account)}" if other_account else ""
        first: list[Step] = []
        if self._facts.forward is not None:
            first.append(
                Step(
                    "Only if the installer refuses: remove the old server from DRS",
                    (
                        self._dr(f"disconnect-source-server --source-server-id {self._forward_id}"),
                        self._dr(f"delete-source-server --source-server-id {self._forward_id}"),
                    ),
                    warning="Deletes every recovery point of the old server. Skip this step unless the installer says"
                    " that the server was previously installed to replicate into another region or account.",
                )
            )
        return with_progress(
            [
                *first,
                Step(
                    "On the recovered machine: install the agent",
                    self._install(self._source_region, f"{account} --no-prompt"),
                    note=f"The machine registers in {self._source_region} as a new source server.",
                ),
                Step(
                    "Launch the new source server once it reports CONTINUOUS",
                    (self._source("start-recovery --source-servers sourceServerID=$REVERSED"),),
                    warning="Data written to the recovered machine after its last snapshot is lost: stop its"
                    " applications first.",
                    note="Set REVERSED to the id of the new source server, which the installer prints.",
                ),
            ],
            0,
        )

    def client(self) -> tuple[Step, ...]:
        """Return the steps of the Failback Client."""
        region = self._facts.text("originalReplicationRegion") or self._dr_region
        account = self._facts.text("originalAccountId") or self._dr_account
        state = self._facts.recovered.failback_state if self._facts.recovered else ""
        done = {"FAILBACK_IN_PROGRESS": 2, "FAILBACK_READY_FOR_LAUNCH": 3, "FAILBACK_COMPLETED": 4}.get(state, 0)
        describe = (
            f"describe-recovery-instances --filters recoveryInstanceIDs={self._machine}"
            " --query 'items[0].failback.state' --output text"
        )
        start = self._start_recovered() if state != "FAILBACK_COMPLETED" else []
        return with_progress(
            [
                *start,
                Step("Download the Failback Client", (f"curl -fLO {download_url(self._dr_region, _ISO)}",)),
                Step(
                    "Boot the original machine from the Failback Client",
                    warning="Overwrites every mapped disk with the data of the recovered machine.",
                    note=f"When it asks for the region, enter {self._dr_region}, where the recovery instance is."
                    f" When it asks for the recovery instance, enter {self._machine}.",
                ),
                Step(
                    "Wait until the replication has caught up",
                    (self._dr(describe),),
                    note="Continue when it reports FAILBACK_READY_FOR_LAUNCH.",
                ),
                Step(
                    "Launch the original machine",
                    (self._dr(f"start-failback-launch --recovery-instance-ids {self._machine}"),),
                    warning="Data written to the recovered machine after this is lost: stop its applications first.",
                ),
                Step(
                    "Protect the original machine again",
                    self._install(region, " --no-prompt"),
                    note=f"Use credentials of account {account}. The machine registers in {region}, as before.",
                ),
                Step(
                    "Clean up: terminate the recovered machine in AWS",
                    (self._dr(f"terminate-recovery-instances --recovery-instance-ids {self._machine}"),),
                    warning=f"Destroys {self._machine} and its disks. Make sure that production runs elsewhere.",
                ),
            ],
            0 if start else done,
        )
