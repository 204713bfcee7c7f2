"""Resources of a backend. Each keeps its record in wire format, so that responses need no conversion."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import count
from threading import RLock
from typing import Concatenate, Final, ParamSpec, TypeVar

from moto.core.common_models import BaseModel

from . import shapes
from .shapes import Record

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

# One lock for all scopes: extended and reversed servers access other backends, in both directions.
drs_lock: Final = RLock()
_numbers: Final = count(1)


def locked(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Run a method under `drs_lock`, which requests in other threads wait for."""

    @wraps(method)
    def wrapper(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with drs_lock:
            return method(self, *args, **kwargs)

    return wrapper


class Resource(BaseModel):
    """Resource with a record. `number` gives listings an order, oldest first, that survives deletions."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.number = next(_numbers)

    @property
    def arn(self) -> str:
        return str(self.record["arn"])

    @property
    def is_moving(self) -> bool:
        """Whether further steps change it without another operation."""
        return False

    def to_dict(self) -> Record:
        return self.record


class Replicating(Resource):
    """Resource with replicated disks. It stays in its state until an operation starts a transition."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.next_states: list[str] = []

    @property
    def state(self) -> str:
        return str(self.record["dataReplicationInfo"]["dataReplicationState"])

    @property
    def is_moving(self) -> bool:
        return bool(self.next_states)

    def transition_to(self, state: str, *next_states: str) -> None:
        """Enter a state now, and one of the next states with each step."""
        self.next_states = list(next_states)
        self.enter(state)

    def step(self) -> None:
        if self.next_states:
            self.enter(self.next_states.pop(0))

    def enter(self, state: str) -> None:
        raise NotImplementedError


class SourceServer(Replicating):
    """Source server with its configurations and recovery snapshots."""

    def __init__(self, record: Record, replication_configuration: Record, launch_configuration: Record) -> None:
        super().__init__(record)
        self.replication_configuration = replication_configuration
        self.launch_configuration = launch_configuration
        self.snapshots: list[Record] = []
        if self.staging_arn is None and self.state not in {"INITIATING", "INITIAL_SYNC", "STOPPED", "DISCONNECTED"}:
            self.take_snapshot()

    @property
    def source_server_id(self) -> str:
        return str(self.record["sourceServerID"])

    @property
    def staging_arn(self) -> str | None:
        """ARN of the staging server of an extended server, else None."""
        arn: str | None = self.record["stagingArea"].get("stagingSourceServerArn")
        return arn

    @property
    def hints(self) -> Record:
        hints: Record = self.record["sourceProperties"].get("identificationHints", {})
        return hints

    @property
    def hardware_ids(self) -> set[str]:
        interfaces = self.record["sourceProperties"].get("networkInterfaces", [])
        addresses = {each.get("macAddress") for each in interfaces}
        return {each for each in (self.hints.get("awsInstanceID"), self.hints.get("vmWareUuid"), *addresses) if each}

    def enter(self, state: str) -> None:
        zone = self.record["dataReplicationInfo"].get("stagingAvailabilityZone", "")
        disks = self.record["sourceProperties"].get("disks", [])
        self.record["dataReplicationInfo"] = shapes.replication_info(state, zone, disks)
        if state == "INITIAL_SYNC":
            self.record["lifeCycle"].setdefault("firstByteDateTime", shapes.now())
        if state == "CONTINUOUS":
            self.take_snapshot()
        if state in {"STOPPED", "DISCONNECTED"}:
            self.snapshots = []

    def take_snapshot(self) -> None:
        timestamp = shapes.now()
        disks = self.record["sourceProperties"].get("disks", [])
        self.snapshots.append(
            {
                "snapshotID": shapes.new_id("pit-"),
                "sourceServerID": self.source_server_id,
                "expectedTimestamp": timestamp,
                "timestamp": timestamp,
                "ebsSnapshots": [shapes.new_id("snap-") for _ in disks],
            }
        )

    def replace_source(self, instance_id: str, cloud: Record) -> None:
        """Make another EC2 instance the source. Nested records are copied, not changed: extended servers share them."""
        properties = self.record["sourceProperties"]
        hints = {**self.hints, "awsInstanceID": instance_id}
        self.record["sourceProperties"] = {**properties, "identificationHints": hints}
        self.record["sourceCloudProperties"] = {**self.record.get("sourceCloudProperties", {}), **cloud}


class ReplicationConfigurationTemplate(Resource):
    """Replication configuration template."""

    @property
    def template_id(self) -> str:
        return str(self.record["replicationConfigurationTemplateID"])


class RecoveryInstance(Replicating):
    """Recovery instance: the EC2 instance launched from a source server, with the same id."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.reversed_arn: str | None = None
        self.failback_configuration = {"bandwidthThrottling": 0, "name": self.instance_id, "usePrivateIP": False}

    @property
    def instance_id(self) -> str:
        return str(self.record["recoveryInstanceID"])

    @property
    def source_server_id(self) -> str:
        return str(self.record["sourceServerID"])

    @property
    def failback(self) -> Record:
        failback: Record = self.record["failback"]
        return failback

    def enter(self, state: str) -> None:
        info: Record = {"dataReplicationState": state, "replicatedDisks": []}
        if state == "CONTINUOUS":
            info["lagDuration"] = "P0D"  # as the service returns it, although the model types it as a datetime
        self.record["dataReplicationInfo"] = info


class Job(Resource):
    """Job with its log. The first step calls `begin`, the second calls `finish`."""

    def __init__(self, record: Record, begin: Callable[[Job], None], finish: Callable[[Job], None]) -> None:
        super().__init__(record)
        self.log_items: list[Record] = []
        self._begin = begin
        self._finish = finish

    @property
    def job_id(self) -> str:
        return str(self.record["jobID"])

    @property
    def participants(self) -> list[Record]:
        participants: list[Record] = self.record["participatingServers"]
        return participants

    @property
    def is_active(self) -> bool:
        return bool(self.record["status"] != "COMPLETED")

    @property
    def is_moving(self) -> bool:
        return self.is_active

    def log(self, event: str, **data: object) -> None:
        """Add an item to the log. The order of the events of a job is inferred."""
        item = {"logDateTime": shapes.now(), "event": event}
        self.log_items.append({**item, "eventData": data} if data else item)

    def step(self) -> None:
        if self.record["status"] == "PENDING":
            self.record["status"] = "STARTED"
            self.log("JOB_START")
            self._begin(self)
        elif self.record["status"] == "STARTED":
            self.record.update(status="COMPLETED", endDateTime=shapes.now())
            self._finish(self)
            self.log("JOB_END")
