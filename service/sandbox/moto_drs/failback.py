"""Failback: replication reversed from a recovery instance to the account and region its server came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from . import job_log, shapes
from .exceptions import (
    ConflictException,
    ResourceNotFoundException,
    UninitializedAccountException,
    ValidationException,
)
from .records import Job, RecoveryInstance, SourceServer, locked
from .recovery import RecoveryBackend
from .shapes import Record


class FailbackBackend(RecoveryBackend):
    """Failback operations of one account and region."""

    max_replicating_servers = 300

    def reverse_replication(self, instance_id: str) -> str:
        """Reverse the replication of a recovery instance; returns the ARN of the server that replicates it.

        An instance launched from a FAILOVER server gets a new FAILBACK server in the origin's account and region. An
        instance launched from a FAILBACK server repoints the forward server in place. Within one region, the same
        server is repointed.
        """
        instance = self.recovery_instance(instance_id)
        server = self.server(instance.source_server_id)
        _require_reversible(instance)
        if server.record["replicationDirection"] == "FAILBACK":
            arn = self._repoint_forward_server(server, instance)
        else:
            arn = self._create_failback_server(server, instance)
        instance.reversed_arn = arn
        instance.transition_to("INITIATING", "INITIAL_SYNC", "CONTINUOUS")
        instance.failback.update(state="FAILBACK_IN_PROGRESS", failbackInitiationTime=shapes.now())
        return arn

    def _create_failback_server(self, server: SourceServer, instance: RecoveryInstance) -> str:
        cloud = server.record["sourceCloudProperties"]
        origin = self.peer(cloud.get("originAccountID", self.account_id), cloud.get("originRegion", self.region_name))
        if origin is self:
            return self._repoint_within_region(server, instance)
        if not origin.initialized:
            raise UninitializedAccountException
        # The operation does not model ServiceQuotaExceededException; a conflict in both cases is inferred.
        if origin.replicating_count() >= origin.max_replicating_servers:
            raise ConflictException("Too many replicating source servers.", "RecoveryInstance", instance.instance_id)
        if len(origin.source_servers) >= origin.max_source_servers:
            raise ConflictException("Too many source servers.", "RecoveryInstance", instance.instance_id)
        reversed_server = origin.add_reversed(server, instance, self._own_cloud_properties())
        server.record["reversedDirectionSourceServerArn"] = reversed_server.arn
        return reversed_server.arn

    def add_reversed(self, forward: SourceServer, instance: RecoveryInstance, cloud: Record) -> SourceServer:
        """Add the FAILBACK server of a forward server in another scope, configured by this scope's first template.

        AWS does not document its sourceCloudProperties; those of the recovery instance are inferred.
        """
        hints = {**forward.hints, "awsInstanceID": instance.instance_id}
        server = self.add_source_server(
            {
                "replicationDirection": "FAILBACK",
                "reversedDirectionSourceServerArn": forward.arn,
                "agentVersion": forward.record["agentVersion"],
                "sourceCloudProperties": cloud,
                "sourceProperties": {**forward.record["sourceProperties"], "identificationHints": hints},
                "dataReplicationInfo": {"dataReplicationState": "INITIATING"},
                "lifeCycle": {"firstByteDateTime": None, "elapsedReplicationDuration": "P0D"},
            }
        )
        server.transition_to("INITIATING", "INITIAL_SYNC", "CONTINUOUS")
        return server

    def _repoint_forward_server(self, server: SourceServer, instance: RecoveryInstance) -> str:
        """Make the instance that was failed back to the source of the forward server, which keeps its id and history.

        Third parties, not AWS, reported that it passes through STALLED and RESCAN.
        """
        forward_arn = str(server.record.get("reversedDirectionSourceServerArn", ""))
        forward_server = self.peer_server(forward_arn)
        if forward_server is None:
            raise ResourceNotFoundException("SourceServer", forward_arn)
        replicating_server = self._replicating_server(forward_server)
        replicating_server.replace_source(instance.instance_id, self._own_cloud_properties())
        replicating_server.transition_to("STALLED", "RESCAN", "CONTINUOUS")
        return forward_arn

    def _replicating_server(self, server: SourceServer) -> SourceServer:
        """Return the server that replicates: for an extended one its staging server (inferred), else itself."""
        if server.staging_arn is None:
            return server
        origin = self.peer_server(server.staging_arn)
        if origin is None:
            raise ResourceNotFoundException("SourceServer", server.staging_arn)
        return origin

    def _repoint_within_region(self, server: SourceServer, instance: RecoveryInstance) -> str:
        """Make the recovery instance the source of the same server; its zone and staging subnet change in place."""
        replicating_server = self._replicating_server(server)
        zones = {f"{self.region_name}{letter}" for letter in "ab"}
        zone = str(replicating_server.record["sourceCloudProperties"].get("originAvailabilityZone", ""))
        replicating_server.replace_source(
            instance.instance_id,
            {**self._own_cloud_properties(), "originAvailabilityZone": max(zones - {zone}, key=_is_second)},
        )
        template = next(iter(self._backend_of(replicating_server).templates.values()), None)
        replicating_server.replication_configuration = {
            **replicating_server.replication_configuration,
            "stagingAreaSubnetId": template.record["stagingAreaSubnetId"] if template else shapes.new_id("subnet-"),
        }
        replicating_server.transition_to("RESCAN", "CONTINUOUS")
        return server.arn

    def _backend_of(self, server: SourceServer) -> Self:
        parsed_arn = shapes.parse_server_arn(server.arn)
        return self.peer(parsed_arn.account, parsed_arn.region) if parsed_arn else self

    def _own_cloud_properties(self) -> Record:
        return {
            "originAccountID": self.account_id,
            "originRegion": self.region_name,
            "originAvailabilityZone": f"{self.region_name}a",
        }

    # On-premises

    @locked
    def connect_failback_client(self, instance_id: str) -> None:
        """Act as the Failback Client booted on the original machine: replication to it starts."""
        instance = self.recovery_instance(instance_id)
        instance.transition_to("INITIATING", "INITIAL_SYNC", "CONTINUOUS")
        instance.failback.update(
            state="FAILBACK_IN_PROGRESS",
            failbackClientID=shapes.new_id("fc-"),
            failbackInitiationTime=shapes.now(),
            failbackToOriginalServer=True,
        )

    def start_failback_launch(self, instance_ids: Sequence[str], tags: Mapping[str, str] | None = None) -> Job:
        """Boot the original machines from the disks that the Failback Client replicated to them."""
        instances = [self.existing_instance(instance_id) for instance_id in dict.fromkeys(instance_ids)]
        for instance in instances:
            if "failbackClientID" not in instance.failback or instance.failback["state"] != "FAILBACK_READY_FOR_LAUNCH":
                raise ConflictException(
                    "The recovery instance is not ready for failback.", "RecoveryInstance", instance.instance_id
                )
        job = self.new_job(
            "LAUNCH",
            "FAILBACK",
            [{"sourceServerID": each.source_server_id, "recoveryInstanceID": each.instance_id} for each in instances],
            begin=_begin_failback,
            finish=self._finish_failback,
            tags=tags,
        )
        for instance in instances:
            instance.failback.update(failbackJobID=job.job_id, failbackLaunchType="RECOVERY")
        return job

    def _finish_failback(self, job: Job) -> None:
        for participant in job.participants:
            participant["launchStatus"] = "LAUNCHED"
            instance = self.recovery_instances.get(participant["recoveryInstanceID"])
            if instance is not None:
                instance.transition_to("NOT_STARTED")
                instance.failback["state"] = "FAILBACK_COMPLETED"

    def stop_failback(self, instance_id: str) -> None:
        instance = self.recovery_instance(instance_id)
        instance.transition_to("NOT_STARTED")
        instance.record["failback"] = {"state": "FAILBACK_NOT_STARTED", "failbackToOriginalServer": False}

    def failback_configuration_of(self, instance_id: str) -> Record:
        return {"recoveryInstanceID": instance_id, **self.recovery_instance(instance_id).failback_configuration}

    def update_failback_replication_configuration(self, instance_id: str, changes: Mapping[str, Any]) -> None:
        self.recovery_instance(instance_id).failback_configuration.update(changes)


def _require_reversible(instance: RecoveryInstance) -> None:
    if instance.record["originEnvironment"] != "AWS":
        raise ValidationException(
            "Only a recovery instance of a server that came from AWS can be reversed; use the Failback Client.",
            ("recoveryInstanceID", "did not come from AWS"),
        )
    reasons = {
        "The recovery instance has not finished initializing.": instance.record["ec2InstanceState"] != "RUNNING",
        "The agent is not connected.": instance.state == "DISCONNECTED",
        "The replication is reversed already.": instance.reversed_arn is not None,
    }
    for reason, applies in reasons.items():
        if applies:
            raise ConflictException(reason, "RecoveryInstance", instance.instance_id)


def _begin_failback(job: Job) -> None:
    for participant in job.participants:
        participant["launchStatus"] = "IN_PROGRESS"
        job.log("LAUNCH_START", **job_log.instance_data(participant))


def _is_second(zone: str) -> bool:
    return zone.endswith("b")
