"""Steps before a failback: find out where a server came from, or launch a new recovery instance. Pure."""

from __future__ import annotations

from service.queries.failback.steps import Step, StepWriter, with_progress

__all__ = ["RecoverySteps"]


class RecoverySteps(StepWriter):
    """Writes the steps that come before a failback method can be chosen."""

    def find_origin(self) -> tuple[Step, ...]:
        """Return the reads that tell where the server came from; none when DRS no longer has it."""
        if self._facts.forward is None:
            return ()
        described = self._dr(
            f"describe-source-servers --filters sourceServerIDs={self._forward_id}"
            " --query 'items[0].[sourceCloudProperties, sourceProperties.identificationHints]'"
        )
        instances = self._dr(
            f"describe-recovery-instances --filters sourceServerIDs={self._forward_id}"
            " --query 'items[].[recoveryInstanceID, originEnvironment, originAvailabilityZone]'"
        )
        step = Step(
            "Find out where the server came from",
            (described, instances),
            note="Stop here until it prints an originRegion, or ON_PREMISES as originEnvironment. Then run"
            " drs-sync sync inventory, which records it, and drs-sync failback again.",
        )
        return with_progress([step], 0)

    def recover(self) -> tuple[Step, ...]:
        """Return the steps that launch a new recovery instance, first from a reversed server if there is one."""
        launch = Step(
            "Launch a new recovery instance",
            (self._dr(f"start-recovery --source-servers sourceServerID={self._forward_id}"),),
            warning="Data written to the lost machine after the recovery point is lost. DRS removes earlier recovery"
            " instances of this server.",
            note="It takes the newest recovery point. When the machine runs, run drs-sync failback again: it has the"
            " steps that bring it back.",
        )
        look = Step(
            "Look for recovery points of the server",
            (self._dr(self._points_of(self._forward_id)),),
            note="If it prints none, DRS cannot launch the server again.",
        )
        return with_progress([*self._from_reversed(), look, launch], 0)

    def _from_reversed(self) -> list[Step]:
        if self._reverse is None:
            return []
        return [
            Step(
                "Look for recovery points of the reversed server",
                (self._source(self._points_of(self._reversed_id)),),
                note="They hold what was written to the recovered machine. If it prints none, skip the next step.",
            ),
            Step(
                "Only if there are any: launch the server in its original region from them",
                (self._source(f"start-recovery --source-servers sourceServerID={self._reversed_id}"),),
                warning="Data written after the newest of these recovery points is lost. Machines launched earlier from"
                " this reversed server are terminated.",
                note="Skip the steps below, and run drs-sync failback again when the machine runs.",
            ),
        ]

    def _points_of(self, server_id: str) -> str:
        return (
            f"describe-recovery-snapshots --source-server-id {server_id} --order DESC --max-items 5"
            " --query 'items[].[snapshotID, timestamp]'"
        )
