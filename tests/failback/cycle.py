"""The failback cycle of a server in the simulated AWS, step by step, by the Python interface of its backends.

One sandbox, one lineage. `A1` is the original machine, `B1` its source server on the recovery side D, `B3` the machine
recovered there, `A2` the reversed server on the source side S, and `A4` the machine launched back.
"""

from __future__ import annotations

from typing import Any

from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.models import DRSBackend
from service.sandbox.moto_drs.records import RecoveryInstance, SourceServer

SOURCE = "us-east-1"
RECOVERY = "us-west-2"
A1 = "i-0123456789abcdef0"
HOST = "app-web-01"


class Cycle:
    """One server, its records and its machines."""

    def __init__(
        self, account: str, source_account: str, *, zone_only: bool = False, on_premises: bool = False
    ) -> None:
        self.dr: DRSBackend = drs_backends[account][RECOVERY]
        source_region = RECOVERY if zone_only else SOURCE
        self.source: DRSBackend = drs_backends[source_account][source_region]
        for side in (self.dr, self.source):
            side.initialize_service()
            if not side.templates:
                side.create_replication_configuration_template({})
        hints = {"hostname": HOST, "fqdn": f"{HOST}.corp.example"}
        record: dict[str, Any] = {"sourceProperties": {"identificationHints": hints}}
        if on_premises:
            hints["vmWareUuid"] = "4213c0de-0000-1111-2222-333344445555"
        else:
            hints["awsInstanceID"] = A1
            record["sourceCloudProperties"] = {
                "originAccountID": source_account,
                "originRegion": source_region,
                "originAvailabilityZone": f"{source_region}a",
            }
        self.forward: SourceServer = self.dr.add_source_server(record)
        self.launched_from: SourceServer = self.forward  # or its extended record
        self.launches_in: DRSBackend = self.dr

    def extend_into(self, target: str) -> None:
        """Extend the server into a target account; recoveries are launched there from now on."""
        self.dr.trust(target)
        self.launches_in = drs_backends[target][RECOVERY]
        self.launches_in.initialize_service()
        self.launched_from = self.launches_in.extend(self.forward.arn)

    @property
    def recovered(self) -> RecoveryInstance:
        """B2, the record of B3."""
        return self.launches_in.recovery_instances[self.launched_from.record["recoveryInstanceId"]]

    @property
    def reversed(self) -> SourceServer:
        """A2, the newest one."""
        return [
            each for each in self.source.source_servers.values() if each.record["replicationDirection"] == "FAILBACK"
        ][-1]

    @property
    def failed_back(self) -> RecoveryInstance:
        """A3, the record of A4."""
        return self.source.recovery_instances[self.reversed.record["recoveryInstanceId"]]

    def recover(self) -> None:
        """Recover the server; the original machine is lost."""
        _launch(self.launches_in, self.launched_from)
        self.forward.enter("STALLED")

    def reverse(self) -> None:
        """Reverse the replication."""
        self.launches_in.reverse_replication(self.recovered.instance_id)

    def catch_up(self) -> None:
        """Let every replication catch up."""
        for _ in range(3):
            for backend in {id(each): each for each in (self.dr, self.source, self.launches_in)}.values():
                backend.advance()

    def connect_failback_client(self) -> None:
        """On premises: connect the Failback Client, which copies the recovered machine back."""
        self.launches_in.connect_failback_client(self.recovered.instance_id)

    def launch_with_client(self) -> None:
        """On premises: boot the original machine from the copied disks."""
        self.launches_in.start_failback_launch([self.recovered.instance_id])

    def launch_back(self) -> None:
        """Launch the reversed server on the source side."""
        _launch(self.source, self.reversed)

    def protect_again(self) -> None:
        """Reverse the replication again, so that B1 replicates A4."""
        self.source.reverse_replication(self.failed_back.instance_id)

    def reverse_in_place(self) -> None:
        """Between zones: change the same server in place to replicate the recovered machine."""
        self.dr.reverse_replication(self.recovered.instance_id)

    def clean_up(self) -> None:
        """Remove what the failback left behind."""
        reverse = self.reversed
        self.source.stop_replication(reverse.source_server_id)
        self.launches_in.discard_instance(self.recovered)
        self.source.delete_recovery_instance(self.failed_back.instance_id)
        self.source.disconnect_source_server(reverse.source_server_id)
        self.source.delete_source_server(reverse.source_server_id)


def _launch(backend: DRSBackend, server: SourceServer) -> None:
    backend.start_recovery({server.source_server_id: None}, is_drill=False)
    backend.advance()
    backend.advance()
