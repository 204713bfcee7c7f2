"""Recovery: launch, termination, disconnection and deletion of recovery instances."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from . import job_log, shapes
from .exceptions import ConflictException, ResourceNotFoundException
from .jobs import JobsBackend
from .records import Job, RecoveryInstance, Resource, SourceServer
from .shapes import Record


class RecoveryBackend(JobsBackend):
    """Recovery instances of one account and region."""

    def resources(self) -> Iterator[Resource]:
        yield from super().resources()
        yield from self.recovery_instances.values()

    def describe_recovery_instances(
        self, instance_ids: Collection[str], server_ids: Collection[str]
    ) -> list[RecoveryInstance]:
        """List recovery instances; ids that do not exist are left out (inferred)."""
        return [
            each
            for each in self.recovery_instances.values()
            if (not instance_ids or each.instance_id in instance_ids)
            and (not server_ids or each.source_server_id in server_ids)
        ]

    def instances_of(self, source_server_id: str) -> list[RecoveryInstance]:
        return self.describe_recovery_instances((), {source_server_id})

    def recovery_instance(self, instance_id: str) -> RecoveryInstance:
        found = self.recovery_instances.get(instance_id)
        if found is None:
            raise ResourceNotFoundException("RecoveryInstance", instance_id)
        return found

    def existing_instance(self, instance_id: str) -> RecoveryInstance:
        """Return an instance, for operations that do not model ResourceNotFoundException (a conflict is inferred)."""
        if instance_id not in self.recovery_instances:
            raise ConflictException("There is no such recovery instance.", "RecoveryInstance", instance_id)
        return self.recovery_instances[instance_id]

    # Launch

    def start_recovery(
        self, snapshot_of: Mapping[str, str | None], *, is_drill: bool, tags: Mapping[str, str] | None = None
    ) -> Job:
        """Launch servers, each from the given or its newest snapshot; a server without snapshots fails in the job.

        The operation does not model ResourceNotFoundException, so unknown ids are conflicts (inferred).
        """
        servers = [self.require_launchable(server_id, snapshot) for server_id, snapshot in snapshot_of.items()]
        job = self.new_job(
            "LAUNCH",
            "START_DRILL" if is_drill else "START_RECOVERY",
            [{"sourceServerID": each.source_server_id} for each in servers],
            begin=lambda job: self._begin_launch(job, snapshot_of),
            finish=self._finish_launch,
            tags=tags,
        )
        initiated = {
            "apiCallDateTime": job.record["creationDateTime"],
            "jobID": job.job_id,
            "type": "DRILL" if is_drill else "RECOVERY",
        }
        for server in servers:
            set_last_launch(server, "PENDING", "PENDING")
            server.record["lifeCycle"]["lastLaunch"]["initiated"] = initiated
        return job

    def require_launchable(self, server_id: str, snapshot_id: str | None) -> SourceServer:
        """Return a server that can be launched from a snapshot, if one is given."""
        server = self.source_servers.get(server_id)
        if server is None:
            raise ConflictException("There is no such source server.", "SourceServer", server_id)
        if snapshot_id and all(each["snapshotID"] != snapshot_id for each in self.snapshots_of(server_id)):
            raise ConflictException("There is no such recovery snapshot.", "RecoverySnapshot", snapshot_id)
        return server

    def _begin_launch(self, job: Job, snapshot_of: Mapping[str, str | None]) -> None:
        """Launch the instances, and discard earlier instances of the same servers."""
        for participant in job.participants:
            server = self.source_servers.get(participant["sourceServerID"])
            if server is None:
                job.log("SERVER_SKIPPED", sourceServerID=participant["sourceServerID"])
                participant["launchStatus"] = "FAILED"
                continue
            snapshot = self._choose_snapshot(job, server, snapshot_of[server.source_server_id])
            if snapshot is None:
                participant["launchStatus"] = "FAILED"
                set_last_launch(server, "FAILED", "FAILED")
                continue
            for earlier in self.instances_of(server.source_server_id):
                job_log.log_removal(job, earlier)
                self.discard_instance(earlier)
            job_log.log_conversion(job, server, snapshot)
            instance = self._launch(server, job, snapshot)
            job.log("LAUNCH_START", sourceServerID=server.source_server_id, targetInstanceID=instance.instance_id)
            participant.update(launchStatus="IN_PROGRESS", recoveryInstanceID=instance.instance_id)
            set_last_launch(server, "PENDING", "IN_PROGRESS")

    def _choose_snapshot(self, job: Job, server: SourceServer, snapshot_id: str | None) -> Record | None:
        """Return the given snapshot, or the newest; None when there is none any more."""
        snapshots = self.snapshots_of(server.source_server_id)
        chosen = [each for each in snapshots if snapshot_id in {None, each["snapshotID"]}]
        job_log.log_snapshot(job, server, is_given=snapshot_id is not None, is_found=bool(chosen))
        return chosen[-1] if chosen else None

    def _launch(self, server: SourceServer, job: Job, snapshot: Record) -> RecoveryInstance:
        launch = server.launch_configuration
        launch_into_id = launch.get("launchIntoInstanceProperties", {}).get("launchIntoEC2InstanceID")
        instance_id = launch_into_id or shapes.new_id("i-")
        instance = RecoveryInstance(
            {
                "recoveryInstanceID": instance_id,
                "ec2InstanceID": instance_id,
                "ec2InstanceState": "PENDING",
                "arn": self.arn_of("recovery-instance", instance_id),
                "agentVersion": server.record["agentVersion"],
                "sourceServerID": server.source_server_id,
                "jobID": job.job_id,
                "isDrill": job.record["initiatedBy"] == "START_DRILL",
                "tags": dict(server.record["tags"]) if launch["copyTags"] else {},
                "pointInTimeSnapshotDateTime": snapshot["timestamp"],
                **_origin_of(server.record),
                "recoveryInstanceProperties": _instance_properties(server, instance_id),
                "dataReplicationInfo": {"dataReplicationState": "NOT_STARTED", "replicatedDisks": []},
                "failback": {
                    "state": "FAILBACK_NOT_STARTED",
                    "failbackToOriginalServer": launch_into_id is not None,
                },
            }
        )
        self.recovery_instances[instance_id] = instance
        return instance

    def _finish_launch(self, job: Job) -> None:
        for participant in job.participants:
            instance = self.recovery_instances.get(participant.get("recoveryInstanceID", ""))
            server = self.source_servers.get(participant["sourceServerID"])
            if participant["launchStatus"] != "IN_PROGRESS":
                continue
            if instance is None or server is None:
                participant["launchStatus"] = "FAILED"
                job_log.log_failed_launch(job, participant, "The server or the instance does not exist any more.")
                continue
            participant["launchStatus"] = "LAUNCHED"
            stopped = server.launch_configuration["launchDisposition"] == "STOPPED"
            instance.record["ec2InstanceState"] = "STOPPED" if stopped else "RUNNING"
            set_last_launch(server, "SUCCEEDED", "LAUNCHED")
            server.record["recoveryInstanceId"] = instance.instance_id

    # Termination, disconnection and deletion

    def terminate_recovery_instances(self, instance_ids: Sequence[str]) -> Job:
        """Terminate and discard instances; rejected while one of them is in failback."""
        instances = [self.existing_instance(instance_id) for instance_id in dict.fromkeys(instance_ids)]
        for instance in instances:
            if instance.failback["state"] == "FAILBACK_IN_PROGRESS":
                raise ConflictException(
                    "The recovery instance is in failback.", "RecoveryInstance", instance.instance_id
                )
        return self.new_job(
            "TERMINATE",
            "TERMINATE_RECOVERY_INSTANCES",
            [{"sourceServerID": each.source_server_id, "recoveryInstanceID": each.instance_id} for each in instances],
            begin=self._begin_termination,
            finish=self._finish_termination,
        )

    def _begin_termination(self, job: Job) -> None:
        for participant in job.participants:
            participant["launchStatus"] = "IN_PROGRESS"
            job.log("CLEANUP_START", **job_log.instance_data(participant))
            instance = self.recovery_instances.get(participant["recoveryInstanceID"])
            if instance is not None:
                instance.record["ec2InstanceState"] = "SHUTTING-DOWN"

    def _finish_termination(self, job: Job) -> None:
        for participant in job.participants:
            participant["launchStatus"] = "TERMINATED"
            job.log("CLEANUP_END", **job_log.instance_data(participant))
            instance = self.recovery_instances.get(participant["recoveryInstanceID"])
            if instance is not None:
                self.discard_instance(instance)
            server = self.source_servers.get(participant["sourceServerID"])
            if server is not None and "lastLaunch" in server.record["lifeCycle"]:
                server.record["lifeCycle"]["lastLaunch"]["status"] = "TERMINATED"

    def discard_instance(self, instance: RecoveryInstance) -> None:
        self.recovery_instances.pop(instance.instance_id, None)
        server = self.source_servers.get(instance.source_server_id)
        if server is not None and server.record.get("recoveryInstanceId") == instance.instance_id:
            del server.record["recoveryInstanceId"]

    def disconnect_recovery_instance(self, instance_id: str) -> None:
        """Disconnect the agent of an instance, which ends its failback (state inferred)."""
        instance = self.recovery_instance(instance_id)
        instance.transition_to("DISCONNECTED")
        if instance.failback["state"] in {"FAILBACK_IN_PROGRESS", "FAILBACK_READY_FOR_LAUNCH"}:
            instance.failback["state"] = "FAILBACK_NOT_READY_FOR_LAUNCH"

    def delete_recovery_instance(self, instance_id: str) -> None:
        """Delete an instance from DRS; it keeps running in EC2. A reversed one need not be disconnected first."""
        instance = self.existing_instance(instance_id)
        if instance.state != "DISCONNECTED" and instance.reversed_arn is None:
            raise ConflictException("Disconnect the recovery instance first.", "RecoveryInstance", instance_id)
        self.discard_instance(instance)


def set_last_launch(server: SourceServer, result: str, status: str) -> None:
    server.record["lastLaunchResult"] = result
    server.record["lifeCycle"].setdefault("lastLaunch", {})["status"] = status


def _origin_of(record: Record) -> Record:
    cloud = record.get("sourceCloudProperties")
    if not cloud:
        return {"originEnvironment": "ON_PREMISES"}
    zone = cloud.get("originAvailabilityZone")
    return {"originEnvironment": "AWS", **({"originAvailabilityZone": zone} if zone else {})}


def _instance_properties(server: SourceServer, instance_id: str) -> Record:
    source = server.record["sourceProperties"]
    copied = {
        name: source[name]
        for name in ("cpus", "networkInterfaces", "os", "ramBytes", "lastUpdatedDateTime")
        if name in source
    }
    disks = [
        {"internalDeviceName": each["deviceName"], "bytes": each["bytes"], "ebsVolumeID": shapes.new_id("vol-")}
        for each in source.get("disks", [])
    ]
    return {**copied, "disks": disks, "identificationHints": {**server.hints, "awsInstanceID": instance_id}}
