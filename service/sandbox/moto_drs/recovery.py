"""The life cycle of a disaster: recovery jobs, recovery instances, reversed replication, the way back.

Nothing happens by the clock. `advance` moves every job and every starting replication on by one step; reading jobs,
servers or recovery instances does so by itself while `auto_advance` holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moto.core.common_models import BaseModel

from . import shapes
from .exceptions import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    UninitializedAccountException,
)
from .shapes import Record

if TYPE_CHECKING:
    from .models import DRSBackend, SourceServer

# After these states comes the next one; a state that is not here is one that lasts.
_NEXT_STATE = {"INITIATING": "INITIAL_SYNC", "INITIAL_SYNC": "CONTINUOUS", "RESCAN": "CONTINUOUS"}
_SERVERS_PER_JOB = 100  # quota L-B827C881
_JOBS_AT_ONCE = 20  # quota L-D88FAC3A


class Job(BaseModel):
    """A launch or termination; it ends at the second step."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def to_dict(self) -> Record:
        return self.record


class RecoveryInstance(BaseModel):
    """A recovery instance: the EC2 instance launched from a source server."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.reversed_arn: str | None = None

    @property
    def instance_id(self) -> str:
        return str(self.record["recoveryInstanceID"])

    def to_dict(self) -> Record:
        return self.record


class RecoveryMixin:
    """Recovery of one account and region."""

    auto_advance = True

    def set_up_recovery(self: DRSBackend) -> None:  # type: ignore[misc]
        self.jobs: dict[str, Job] = {}
        self.recovery_instances: dict[str, RecoveryInstance] = {}

    def recovery_records(self: DRSBackend) -> list[Record]:  # type: ignore[misc]
        return [each.record for each in self.recovery_instances.values()] + [job.record for job in self.jobs.values()]

    def instances_of(self: DRSBackend, source_server_id: str) -> list[RecoveryInstance]:  # type: ignore[misc]
        return [
            each for each in self.recovery_instances.values() if each.record.get("sourceServerID") == source_server_id
        ]

    def recovery_instance(self: DRSBackend, instance_id: str | None) -> RecoveryInstance:  # type: ignore[misc]
        found = self.recovery_instances.get(instance_id or "")
        if found is None:
            raise ResourceNotFoundException("RecoveryInstance", instance_id or "")
        return found

    # Progress

    def on_read(self: DRSBackend) -> None:  # type: ignore[misc]
        if self.auto_advance:
            self.advance()

    def advance(self: DRSBackend) -> None:  # type: ignore[misc]
        """Move every job and every starting replication on by one step."""
        with self.lock:
            for server in self.source_servers.values():
                if server.staging_arn is None:
                    _advance_replication(server.record["dataReplicationInfo"])
            for instance in self.recovery_instances.values():
                _advance_replication(instance.record["dataReplicationInfo"])
                self._advance_failback(instance)
            for job in list(self.jobs.values()):
                if job.record["status"] != "COMPLETED":
                    self._advance_job(job)

    def _advance_failback(self: DRSBackend, instance: RecoveryInstance) -> None:  # type: ignore[misc]
        """A reversed replication that is in step makes the failback ready (state names inferred)."""
        if instance.reversed_arn is None:
            return
        server = self.peer_server(instance.reversed_arn)
        if server is not None and server.state == "CONTINUOUS":
            instance.record["failback"]["state"] = "FAILBACK_READY_FOR_LAUNCH"

    def _advance_job(self: DRSBackend, job: Job) -> None:  # type: ignore[misc]
        if job.record["status"] == "PENDING":
            job.record["status"] = "STARTED"
            for each in job.record["participatingServers"]:
                each["launchStatus"] = "IN_PROGRESS"
            return
        job.record.update(status="COMPLETED", endDateTime=shapes.now())
        for each in job.record["participatingServers"]:
            if job.record["type"] == "TERMINATE":
                each["launchStatus"] = "TERMINATED"
                self._forget_instance(each["recoveryInstanceID"])
            else:
                each["launchStatus"] = "LAUNCHED"
                each["recoveryInstanceID"] = self._launch(each["sourceServerID"], job)

    # Recovery

    def start_recovery(  # type: ignore[misc]
        self: DRSBackend, server_ids: Sequence[str], *, is_drill: bool, tags: Mapping[str, str]
    ) -> Job:
        servers = [self.server(server_id) for server_id in server_ids]
        if len(servers) > _SERVERS_PER_JOB:
            raise ServiceQuotaExceededException("Too many source servers in one job.", "L-B827C881")
        busy = [job for job in self.jobs.values() if job.record["status"] != "COMPLETED"]
        if len(busy) >= _JOBS_AT_ONCE:
            raise ServiceQuotaExceededException("Too many jobs in progress.", "L-D88FAC3A")
        taken = {each["sourceServerID"] for job in busy for each in job.record["participatingServers"]}
        for server in servers:
            if server.source_server_id in taken:
                raise ConflictException(
                    "A job is in progress for the source server.", "SourceServer", server.source_server_id
                )
        by = "START_DRILL" if is_drill else "START_RECOVERY"
        job = self._new_job("LAUNCH", by, [{"sourceServerID": each.source_server_id} for each in servers], tags)
        for server in servers:
            server.record["lastLaunchResult"] = "PENDING"
            server.record["lifeCycle"]["lastLaunch"] = {
                "status": "PENDING",
                "initiated": {
                    "apiCallDateTime": job.record["creationDateTime"],
                    "jobID": job.record["jobID"],
                    "type": "DRILL" if is_drill else "RECOVERY",
                },
            }
        return job

    def _new_job(  # type: ignore[misc]
        self: DRSBackend, kind: str, by: str, participants: Iterable[Record], tags: Mapping[str, str]
    ) -> Job:
        job_id = shapes.new_id("drsjob-")
        job = Job(
            {
                "jobID": job_id,
                "arn": f"arn:{self.partition}:drs:{self.region_name}:{self.account_id}:job/{job_id}",
                "type": kind,
                "initiatedBy": by,
                "creationDateTime": shapes.now(),
                "status": "PENDING",
                "participatingServers": [{**each, "launchStatus": "PENDING"} for each in participants],
                "tags": dict(tags),
            }
        )
        with self.lock:
            self.jobs[job_id] = job
        return job

    def _launch(self: DRSBackend, source_server_id: str, job: Job) -> str:  # type: ignore[misc]
        """Launch a recovery instance; earlier ones of the same server go."""
        server = self.source_servers[source_server_id]
        for earlier in self.instances_of(source_server_id):
            self._forget_instance(earlier.instance_id)
        into = server.launch_configuration.get("launchIntoInstanceProperties", {}).get("launchIntoEC2InstanceID")
        instance_id = into or shapes.new_id("i-")
        is_drill = job.record["initiatedBy"] == "START_DRILL"
        self.recovery_instances[instance_id] = RecoveryInstance(
            {
                "recoveryInstanceID": instance_id,
                "ec2InstanceID": instance_id,
                "ec2InstanceState": "RUNNING",
                "arn": f"arn:{self.partition}:drs:{self.region_name}:{self.account_id}:recovery-instance/{instance_id}",
                "sourceServerID": source_server_id,
                "jobID": job.record["jobID"],
                "isDrill": is_drill,
                "tags": {},
                "pointInTimeSnapshotDateTime": job.record["creationDateTime"],
                **_origin_of(server.record),
                "dataReplicationInfo": {"dataReplicationState": "NOT_STARTED", "replicatedDisks": []},
                "failback": {"state": "FAILBACK_NOT_STARTED", "failbackToOriginalServer": into is not None},
            }
        )
        server.record.update(lastLaunchResult="SUCCEEDED", recoveryInstanceId=instance_id)
        server.record["lifeCycle"]["lastLaunch"]["status"] = "LAUNCHED"
        return instance_id

    def _forget_instance(self: DRSBackend, instance_id: str) -> None:  # type: ignore[misc]
        instance = self.recovery_instances.pop(instance_id, None)
        server = self.source_servers.get(instance.record["sourceServerID"]) if instance else None
        if server is not None and server.record.get("recoveryInstanceId") == instance_id:
            del server.record["recoveryInstanceId"]

    def describe_jobs(self: DRSBackend, job_ids: Collection[str], since: str, until: str) -> list[Job]:  # type: ignore[misc]
        """List jobs, newest first."""
        return [
            job
            for job in sorted(self.jobs.values(), key=lambda each: str(each.record["creationDateTime"]), reverse=True)
            if (not job_ids or job.record["jobID"] in job_ids)
            and since <= job.record["creationDateTime"]
            and (not until or job.record["creationDateTime"] <= until)
        ]

    def describe_recovery_instances(  # type: ignore[misc]
        self: DRSBackend, instance_ids: Collection[str], server_ids: Collection[str]
    ) -> list[RecoveryInstance]:
        with self.lock:
            listed = list(self.recovery_instances.values())
        return [
            each
            for each in listed
            if (not instance_ids or each.instance_id in instance_ids)
            and (not server_ids or each.record["sourceServerID"] in server_ids)
        ]

    def terminate_recovery_instances(self: DRSBackend, instance_ids: Sequence[str]) -> Job:  # type: ignore[misc]
        instances = [self.recovery_instances.get(each) for each in instance_ids]
        for instance_id, instance in zip(instance_ids, instances, strict=True):
            if instance is None:
                raise ConflictException("There is no such recovery instance.", "RecoveryInstance", instance_id)
            if instance.record["failback"]["state"] == "FAILBACK_IN_PROGRESS":
                raise ConflictException("The recovery instance is in failback.", "RecoveryInstance", instance_id)
        participants = [
            {"sourceServerID": each.record["sourceServerID"], "recoveryInstanceID": each.instance_id}
            for each in instances
            if each is not None
        ]
        return self._new_job("TERMINATE", "TERMINATE_RECOVERY_INSTANCES", participants, {})

    def disconnect_recovery_instance(self: DRSBackend, instance_id: str | None) -> None:  # type: ignore[misc]
        instance = self.recovery_instance(instance_id)
        instance.record["dataReplicationInfo"] = {"dataReplicationState": "DISCONNECTED", "replicatedDisks": []}

    def delete_recovery_instance(self: DRSBackend, instance_id: str | None) -> None:  # type: ignore[misc]
        """Forget a recovery instance; its EC2 instance goes on running. One that was reversed may go at once."""
        instance = self.recovery_instances.get(instance_id or "")
        if instance is None:
            raise ConflictException("There is no such recovery instance.", "RecoveryInstance", instance_id or "")
        disconnected = instance.record["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED"
        if not disconnected and instance.reversed_arn is None:
            raise ConflictException("Disconnect the recovery instance first.", "RecoveryInstance", instance.instance_id)
        self._forget_instance(instance.instance_id)

    # Failback

    def reverse_replication(self: DRSBackend, instance_id: str | None) -> str:  # type: ignore[misc]
        """Replicate a recovery instance back to where its server came from; gives the ARN of the server there."""
        instance = self.recovery_instance(instance_id)
        server = self.server(str(instance.record["sourceServerID"]))
        if instance.record["originEnvironment"] != "AWS":
            raise ConflictException(
                "Only servers that came from AWS can be reversed.", "RecoveryInstance", instance.instance_id
            )
        if server.record["replicationDirection"] == "FAILBACK":
            arn = self._protect_again(server, instance)
        else:
            arn = self._reverse_forward(server, instance)
        instance.reversed_arn = arn
        instance.record["dataReplicationInfo"]["dataReplicationState"] = "INITIATING"
        instance.record["failback"]["state"] = "FAILBACK_IN_PROGRESS"
        return arn

    def _reverse_forward(self: DRSBackend, server: SourceServer, instance: RecoveryInstance) -> str:  # type: ignore[misc]
        """Create the FAILBACK server at the origin, configured by the default template there."""
        cloud = server.record["sourceCloudProperties"]
        origin = self.backend_of(cloud.get("originAccountID", self.account_id), cloud["originRegion"])
        if not origin.initialized:
            raise UninitializedAccountException
        if origin is self:  # across zones of one region: the same server is re-pointed
            return self._repoint(server, instance)
        hints = {**server.record["sourceProperties"]["identificationHints"], "awsInstanceID": instance.instance_id}
        reversed_server = origin.add_source_server(
            {
                "replicationDirection": "FAILBACK",
                "reversedDirectionSourceServerArn": server.arn,
                "sourceCloudProperties": {  # inferred: not documented for a reversed server
                    "originAccountID": self.account_id,
                    "originRegion": self.region_name,
                    "originAvailabilityZone": f"{self.region_name}a",
                },
                "sourceProperties": {**server.record["sourceProperties"], "identificationHints": hints},
                "dataReplicationInfo": {"dataReplicationState": "INITIATING"},
            }
        )
        server.record["reversedDirectionSourceServerArn"] = reversed_server.arn
        return str(reversed_server.arn)

    def _protect_again(self: DRSBackend, server: SourceServer, instance: RecoveryInstance) -> str:  # type: ignore[misc]
        """Re-point the forward server in place at the instance that was failed back to; its id stays."""
        forward_arn = str(server.record["reversedDirectionSourceServerArn"])
        forward = self.peer_server(forward_arn)
        if forward is None:
            raise ResourceNotFoundException("SourceServer", forward_arn)
        _point_at(forward.record, instance.instance_id, self.account_id, self.region_name)
        return forward_arn

    def _repoint(self: DRSBackend, server: SourceServer, instance: RecoveryInstance) -> str:  # type: ignore[misc]
        _point_at(server.record, instance.instance_id, self.account_id, self.region_name)
        zone = server.record["dataReplicationInfo"].get("stagingAvailabilityZone", f"{self.region_name}b")
        server.record["sourceCloudProperties"]["originAvailabilityZone"] = zone
        return str(server.arn)


def _point_at(record: Record, instance_id: str, account_id: str, region: str) -> None:
    properties = record["sourceProperties"]
    record["sourceProperties"] = {
        **properties,
        "identificationHints": {**properties["identificationHints"], "awsInstanceID": instance_id},
    }
    cloud = record.get("sourceCloudProperties", {})
    record["sourceCloudProperties"] = {
        **cloud,
        "originAccountID": account_id,
        "originRegion": region,
        "originAvailabilityZone": cloud.get("originAvailabilityZone", f"{region}a"),
    }
    record["dataReplicationInfo"] = {**record["dataReplicationInfo"], "dataReplicationState": "RESCAN"}


def _origin_of(record: Mapping[str, Any]) -> Record:
    cloud = record.get("sourceCloudProperties")
    if not cloud:
        return {"originEnvironment": "ON_PREMISES"}
    zone = cloud.get("originAvailabilityZone")
    return {"originEnvironment": "AWS", **({"originAvailabilityZone": zone} if zone else {})}


def _advance_replication(info: Record) -> None:
    state = info["dataReplicationState"]
    if state in _NEXT_STATE:
        info["dataReplicationState"] = _NEXT_STATE[state]
        for step in info.get("dataReplicationInitiation", {}).get("steps", []):
            step["status"] = "SUCCEEDED"
