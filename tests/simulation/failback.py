"""The failback cycle in the simulated AWS: recovery, reversed replication and the way back, as others start them.

The rules are those of the sandbox's DRS (`service/sandbox/moto_drs`); `test_failback.py` compares the two.
"""

from __future__ import annotations

from typing import Any, Final

from service.models import Scope
from tests.simulation.aws import SimulatedAws
from tests.simulation.drs import Drs, Record, cloud_properties
from tests.simulation.dynamodb import ServiceError

__all__ = ["A1", "HOST", "RECOVERY", "SOURCE", "SimulatedLineage"]

SOURCE: Final = "us-east-1"
RECOVERY: Final = "us-west-2"
A1: Final = "i-0123456789abcdef0"
HOST: Final = "app-web-01"
_ON_PREMISES_ID: Final = "4213c0de-0000-1111-2222-333344445555"
_CATCHING_UP: Final = ("INITIATING", "INITIAL_SYNC", "CONTINUOUS")


class SimulatedLineage:
    """One lineage, and what is done with it step by step. A step that DRS refuses raises ServiceError.

    `A1` is the original machine, `forward` its source server on the recovery side, `recovered` the machine recovered
    there, `reversed` the server that replicates that back, and `failed_back` the machine launched from it.

    Args:
        aws: the simulated AWS, in which both regions exist.
        account: account that replicates the machine.
        source_account: account of the machine.
        zone_only: the machine is in the recovery region, in another zone.
        on_premises: the machine is not in AWS.
    """

    def __init__(
        self,
        aws: SimulatedAws,
        account: str,
        source_account: str,
        *,
        zone_only: bool = False,
        on_premises: bool = False,
    ) -> None:
        self.aws = aws
        self.recovery_side = self.launches_in = Scope(account, RECOVERY)
        self.source_side = Scope(source_account, RECOVERY if zone_only else SOURCE)
        aws.drs[self.source_side].initialized = True
        own = {"vmWareUuid": _ON_PREMISES_ID} if on_premises else {"awsInstanceID": A1}
        hints = {"hostname": HOST, "fqdn": f"{HOST}.corp.example", **own}
        origin = None if on_premises else self.source_side
        self.forward_id = self.launched_id = aws.add_server(self.recovery_side, hints, origin)
        self.arn = str(self.forward["arn"])

    def extend_into(self, target: str) -> None:
        """Extend the server into a target account; recoveries are launched there from now on."""
        self.launches_in = Scope(target, RECOVERY)
        self.aws.drs[self.launches_in].initialized = True
        self.launched_id = self.aws.extend(self.launches_in, self.arn)

    @property
    def forward(self) -> Record:
        """The record of the server that replicates the original machine. Raises ServiceError when it was deleted."""
        return _server(self.aws.drs[self.recovery_side], self.forward_id)

    @property
    def launched_from(self) -> Record:
        """The record of the server that recoveries start from: the forward one, or its extended one."""
        return _server(self.aws.drs[self.launches_in], self.launched_id)

    @property
    def recovered(self) -> Record:
        """The record of the recovered machine. Raises ServiceError when there is none."""
        return self._launched(self.launches_in, self.launched_id)

    @property
    def reversed(self) -> Record:
        """The record of the newest server that replicates back. Raises ServiceError when there is none."""
        servers = self.aws.drs[self.source_side].servers.values()
        found = [each for each in servers if each["replicationDirection"] == "FAILBACK"]
        if not found:
            raise ServiceError("ResourceNotFoundException", "no reversed server")
        return found[-1]

    @property
    def failed_back(self) -> Record:
        """The record of the machine launched back. Raises ServiceError when there is none."""
        return self._launched(self.source_side, self.reversed["sourceServerID"])

    def _launched(self, scope: Scope, server_id: str) -> Record:
        for machine in self.aws.drs[scope].recovery_instances.values():
            if machine["sourceServerID"] == server_id:
                return machine
        raise ServiceError("ResourceNotFoundException", f"no recovery instance of {server_id}", status=404)

    # Steps

    def recover(self) -> None:
        """Recover the server; the original machine is lost."""
        self._launch(self.launches_in, self.launched_id)
        if self.forward_id in self.aws.drs[self.recovery_side].servers:
            self._enter(self.recovery_side, self.forward_id, "STALLED")

    def reverse(self) -> None:
        """Reverse the replication of the recovered machine."""
        self._reverse(self.launches_in, self.recovered)

    def catch_up(self) -> None:
        """Let every replication catch up."""
        for _ in range(3):
            for scope in dict.fromkeys((self.recovery_side, self.source_side, self.launches_in)):
                self._advance(scope)

    def launch_back(self) -> None:
        """Launch the reversed server on the source side."""
        self._launch(self.source_side, self.reversed["sourceServerID"])

    def protect_again(self) -> None:
        """Reverse the replication again, so that the forward server replicates the machine launched back."""
        self._reverse(self.source_side, self.failed_back)

    def clean_up(self) -> None:
        """Remove what the failback left behind."""
        server_id = self.reversed["sourceServerID"]
        drs = self.aws.drs[self.source_side]
        if self.reversed["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED":
            raise ServiceError("ConflictException", "the source server is disconnected")
        self._enter(self.source_side, server_id, "STOPPED")
        self.forget()
        machine = self.failed_back
        instance = machine["recoveryInstanceID"]
        if machine["dataReplicationInfo"]["dataReplicationState"] != "DISCONNECTED" and instance not in drs.reversed:
            raise ServiceError("ConflictException", "disconnect the recovery instance first")
        _discard(drs, instance)
        if any(each["sourceServerID"] == server_id for each in drs.recovery_instances.values()):
            raise ServiceError("ConflictException", "the source server has a recovery instance")
        self._enter(self.source_side, server_id, "DISCONNECTED")
        self.aws.delete(self.source_side, server_id)

    def forget(self) -> None:
        """Delete the record of the recovered machine; the EC2 instance keeps running."""
        _discard(self.aws.drs[self.launches_in], self.recovered["recoveryInstanceID"])

    def delete_forward(self) -> None:
        """Delete the forward server from DRS for good; its extended one stays."""
        self.aws.drs[self.recovery_side].servers.pop(self.forward_id, None)

    def stall(self) -> None:
        """Stall the replication of the forward server."""
        self._enter(self.recovery_side, self.forward["sourceServerID"], "STALLED")

    # Rules of DRS

    def _enter(self, scope: Scope, server_id: str, state: str, *next_states: str) -> None:
        """Have the replication of a server enter a state, then the next ones."""
        drs = self.aws.drs[scope]
        if next_states:
            drs.next_states[server_id] = list(next_states)
        if state == "CONTINUOUS":
            drs.recoverable.add(server_id)
        elif state in {"STOPPED", "DISCONNECTED"}:
            drs.next_states.pop(server_id, None)
            drs.recoverable.discard(server_id)
        self.aws.change(scope, server_id, dataReplicationInfo={"dataReplicationState": state})

    def _advance(self, scope: Scope) -> None:
        """Advance every replication of a scope by one state."""
        drs = self.aws.drs[scope]
        for each in drs.servers:
            if drs.next_states.get(each):
                self._enter(scope, each, drs.next_states[each].pop(0))
        for instance, machine in drs.recovery_instances.items():
            if drs.next_states.get(instance):
                state = drs.next_states[instance].pop(0)
                machine = {**machine, "dataReplicationInfo": {"dataReplicationState": state}}  # noqa: PLW2901
            machine = {**machine, "failback": {"state": self._failback_state(drs, machine)}}  # noqa: PLW2901
            drs.recovery_instances[instance] = machine

    def _failback_state(self, drs: Drs, machine: Record) -> str:
        state = str(machine["failback"]["state"])
        if state != "FAILBACK_IN_PROGRESS":
            return state
        found = self.aws.find(drs.reversed[machine["recoveryInstanceID"]])
        replicating = self.aws.drs[found[0]].servers[found[1]] if found else machine
        is_ready = replicating["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"
        return "FAILBACK_READY_FOR_LAUNCH" if is_ready else state

    def _launch(self, scope: Scope, server_id: str) -> None:
        """Recover a server: an earlier machine of it is discarded. Without a snapshot the launch fails."""
        drs = self.aws.drs[scope]
        record = _server(drs, server_id)
        self._advance(scope)
        replicating = self.aws.replicating(scope, record)
        if replicating is None or replicating[1] not in self.aws.drs[replicating[0]].recoverable:
            self._advance(scope)
            self.aws.change(scope, server_id, lastLaunchResult="FAILED")
            return
        for instance in [
            each for each, machine in drs.recovery_instances.items() if machine["sourceServerID"] == server_id
        ]:
            _discard(drs, instance)
        instance = self.aws.new_id("i-")
        cloud = drs.servers[server_id].get("sourceCloudProperties")
        hints = {**_hints(drs.servers[server_id]), "awsInstanceID": instance}
        machine: Record = {
            "recoveryInstanceID": instance,
            "ec2InstanceID": instance,
            "ec2InstanceState": "RUNNING",
            "arn": f"arn:aws:drs:{scope.region}:{scope.account_id}:recovery-instance/{instance}",
            "sourceServerID": server_id,
            "isDrill": False,
            "originEnvironment": "AWS" if cloud else "ON_PREMISES",
            "recoveryInstanceProperties": {"identificationHints": hints},
            "dataReplicationInfo": {"dataReplicationState": "NOT_STARTED"},
            "failback": {"state": "FAILBACK_NOT_STARTED"},
        }
        if cloud:
            machine["originAvailabilityZone"] = cloud["originAvailabilityZone"]
        drs.recovery_instances[instance] = machine
        self._advance(scope)
        self.aws.change(scope, server_id, lastLaunchResult="SUCCEEDED", recoveryInstanceId=instance)

    def _reverse(self, scope: Scope, machine: Record) -> None:
        """Reverse the replication of a machine: of a recovered one to a new server, of one failed back to the old."""
        drs, instance = self.aws.drs[scope], machine["recoveryInstanceID"]
        record = _server(drs, machine["sourceServerID"])
        if machine["originEnvironment"] != "AWS":
            raise ServiceError("ValidationException", "the server did not come from AWS")
        if machine["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED" or instance in drs.reversed:
            raise ServiceError("ConflictException", "the agent is not connected, or the replication reversed already")
        cloud = record["sourceCloudProperties"]
        origin = Scope(cloud["originAccountID"], cloud["originRegion"])
        if record["replicationDirection"] == "FAILBACK":
            arn = str(record["reversedDirectionSourceServerArn"])
            self._repoint(scope, arn, instance, "a", "STALLED", "RESCAN", "CONTINUOUS")
        elif origin == scope:
            arn = str(record["arn"])
            zone = "a" if cloud["originAvailabilityZone"].endswith("b") else "b"
            self._repoint(scope, arn, instance, zone, "RESCAN", "CONTINUOUS")
        else:
            arn = self._add_reversed(scope, record, origin, instance)
        drs.reversed[instance] = arn
        drs.next_states[instance] = list(_CATCHING_UP[1:])
        drs.recovery_instances[instance] = {
            **machine,
            "dataReplicationInfo": {"dataReplicationState": _CATCHING_UP[0]},
            "failback": {"state": "FAILBACK_IN_PROGRESS"},
        }

    def _repoint(self, scope: Scope, arn: str, instance: str, zone: str, *states: str) -> None:
        """Make a machine of a scope the source of what replicates for a server; its id and its history stay."""
        found = self.aws.find(arn)
        replicating = self.aws.replicating(found[0], self.aws.drs[found[0]].servers[found[1]]) if found else None
        if replicating is None:
            raise ServiceError("ResourceNotFoundException", f"no {arn}", status=404)
        record = self.aws.drs[replicating[0]].servers[replicating[1]]
        hints = {**_hints(record), "awsInstanceID": instance}
        properties = {**record["sourceProperties"], "identificationHints": hints}
        cloud = {**record.get("sourceCloudProperties", {}), **cloud_properties(scope, zone)}
        self.aws.change(*replicating, sourceProperties=properties, sourceCloudProperties=cloud)
        self._enter(*replicating, *states)

    def _add_reversed(self, scope: Scope, record: Record, origin: Scope, instance: str) -> str:
        """Add the server that replicates a machine of a scope to where its server came from; return the ARN."""
        if not self.aws.drs[origin].initialized:
            raise ServiceError("UninitializedAccountException", "Account not initialized")
        members: dict[str, Any] = {
            "replicationDirection": "FAILBACK",
            "reversedDirectionSourceServerArn": record["arn"],
            "dataReplicationInfo": {"dataReplicationState": _CATCHING_UP[0]},
        }
        hints = {**_hints(record), "awsInstanceID": instance}
        server_id = self.aws.add_server(origin, hints, scope, **members)
        self.aws.drs[origin].next_states[server_id] = list(_CATCHING_UP[1:])
        arn = str(self.aws.drs[origin].servers[server_id]["arn"])
        self.aws.change(scope, record["sourceServerID"], reversedDirectionSourceServerArn=arn)
        return arn


def _hints(record: Record) -> Record:
    hints: Record = record["sourceProperties"].get("identificationHints", {})
    return hints


def _server(drs: Drs, server_id: str) -> Record:
    if server_id not in drs.servers:
        raise ServiceError("ResourceNotFoundException", f"no source server {server_id}", status=404)
    return drs.servers[server_id]


def _discard(drs: Drs, instance: str) -> None:
    """Discard the record of a machine, and its mention in that of its server."""
    machine = drs.recovery_instances.pop(instance)
    record = drs.servers.get(machine["sourceServerID"])
    if record is not None and record.get("recoveryInstanceId") == instance:
        drs.servers[machine["sourceServerID"]] = {
            name: value for name, value in record.items() if name != "recoveryInstanceId"
        }
