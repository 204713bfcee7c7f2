"""What a launch writes into the log of its job: clean-up, snapshot, conversion, launch (the order is inferred)."""

from __future__ import annotations

from typing import Final

from . import shapes
from .records import Job, RecoveryInstance, SourceServer
from .shapes import Record

_NO_SNAPSHOT: Final = "The source server has no recovery snapshot."


def instance_data(participant: Record) -> Record:
    """Return the event data that name a server and its instance."""
    return {"sourceServerID": participant["sourceServerID"], "targetInstanceID": participant["recoveryInstanceID"]}


def log_snapshot(job: Job, server: SourceServer, *, is_given: bool, is_found: bool) -> None:
    """Log which snapshot a launch uses.

    Without a given one, DRS takes a snapshot; while a server does not replicate, an earlier one serves (inferred).
    """
    data = {"sourceServerID": server.source_server_id}
    if is_given:
        event = "USING_PREVIOUS_SNAPSHOT" if is_found else "USING_PREVIOUS_SNAPSHOT_FAILED"
        job.log(event, **data, **({} if is_found else {"rawError": "The recovery snapshot does not exist any more."}))
        return
    job.log("SNAPSHOT_START", **data)
    if not is_found:
        job.log("SNAPSHOT_FAIL", **data, rawError=_NO_SNAPSHOT)
    elif server.state == "CONTINUOUS":
        job.log("SNAPSHOT_END", **data)
    else:
        job.log("SNAPSHOT_FAIL", **data, rawError=f"The replication is {server.state}.")
        job.log("USING_PREVIOUS_SNAPSHOT", **data)


def log_removal(job: Job, instance: RecoveryInstance) -> None:
    """Log that an earlier instance of a server is removed."""
    data = {"sourceServerID": instance.source_server_id, "targetInstanceID": instance.instance_id}
    job.log("CLEANUP_START", **data)
    job.log("CLEANUP_END", **data)


def log_conversion(job: Job, server: SourceServer, snapshot: Record) -> None:
    """Log the conversion of a snapshot; recovery mode FAST has none."""
    if server.launch_configuration.get("recoveryMode") == "FAST":
        return
    data = {
        "sourceServerID": server.source_server_id,
        "conversionServerID": shapes.new_id("i-"),
        "conversionProperties": _conversion_properties(server, snapshot),
    }
    job.log("CONVERSION_START", **data)
    job.log("CONVERSION_END", **data)


def _conversion_properties(server: SourceServer, snapshot: Record) -> Record:
    disks = server.record["sourceProperties"].get("disks", [])
    converted = {
        disk["deviceName"]: {taken: shapes.new_id("snap-")}
        for disk, taken in zip(disks, snapshot["ebsSnapshots"], strict=False)  # a disk may be newer than the snapshot
    }
    return {
        "volumeToConversionMap": converted,
        "volumeToVolumeSize": {disk["deviceName"]: disk["bytes"] for disk in disks},
        **({"rootVolumeName": disks[0]["deviceName"]} if disks else {}),
        "forceUefi": False,
        "dataTimestamp": snapshot["timestamp"],
    }


def log_failed_launch(job: Job, participant: Record, reason: str) -> None:
    """Log that an instance was not launched as it should be."""
    job.log("LAUNCH_FAILED", **instance_data(participant), rawError=reason)
