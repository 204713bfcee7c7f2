"""DRS records that the unit tests share."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest

_FORWARD: Final = """
{"sourceServerID":"s-3b8f0c91d27a4e56f","arn":"arn:aws:drs:us-west-2:222222222222:source-server/s-3b8f0c91d27a4e56f",
 "agentVersion":"6.21.0.2024.197.1043","tags":{"Name":"app-web-01","Environment":"prod","lagDuration":"a tag"},
 "recoveryInstanceId":"i-0b5c1f2a9d3e47c68","replicationDirection":"FAILOVER",
 "reversedDirectionSourceServerArn":"arn:aws:drs:us-east-1:111111111111:source-server/s-7d1e2f3a4b5c6d7e8",
 "lastLaunchResult":"SUCCEEDED","sourceNetworkID":"sn-0a1b2c3d4e5f60718",
 "stagingArea":{"status":"NOT_EXTENDED","stagingAccountID":"222222222222"},
 "sourceCloudProperties":{"originAccountID":"111111111111","originRegion":"us-east-1",
  "originAvailabilityZone":"us-east-1a"},
 "dataReplicationInfo":{"dataReplicationState":"CONTINUOUS","lagDuration":"P0D","etaDateTime":"2026-03-02T08:14:07.114Z",
  "stagingAvailabilityZone":"us-west-2b",
  "dataReplicationInitiation":{"startDateTime":"2026-03-02T08:14:07.114Z",
   "nextAttemptDateTime":"2026-03-02T08:44:07.114Z",
   "steps":[{"name":"WAIT","status":"SUCCEEDED"},{"name":"START_DATA_TRANSFER","status":"SUCCEEDED"}]},
  "replicatedDisks":[{"deviceName":"/dev/nvme0n1","totalStorageBytes":34359738368,
   "replicatedStorageBytes":34359738368,"rescannedStorageBytes":0,"backloggedStorageBytes":0,
   "volumeStatus":"REGULAR"}]},
 "lifeCycle":{"addedToServiceDateTime":"2026-03-02T08:13:58.402Z","firstByteDateTime":"2026-03-02T08:31:44.000Z",
  "elapsedReplicationDuration":"P266DT3H21M9.512S","lastSeenByServiceDateTime":"2026-11-23T11:34:53.114Z",
  "lastLaunch":{"status":"LAUNCHED","initiated":{"apiCallDateTime":"2026-11-20T02:10:31.774Z",
   "jobID":"drsjob-5a6b7c8d9e0f1a2b3","type":"RECOVERY"}}},
 "sourceProperties":{"lastUpdatedDateTime":"2026-11-23T06:00:12.000Z","recommendedInstanceType":"m6i.xlarge",
  "supportsNitroInstances":true,"ramBytes":16777216000,"os":{"fullString":"Linux version 6.1.112"},
  "identificationHints":{"awsInstanceID":"i-0123456789abcdef0","hostname":"ip-10-10-4-21",
   "fqdn":"ip-10-10-4-21.ec2.internal"},
  "cpus":[{"cores":4,"modelName":"Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"},{"cores":2,"modelName":"x"}],
  "disks":[{"deviceName":"/dev/nvme0n1","bytes":34359738368}],
  "networkInterfaces":[{"macAddress":"0e:1f:2a:3b:4c:5d","ips":["10.10.4.21"],"isPrimary":true}]}}
"""


@pytest.fixture
def forward_record() -> dict[str, Any]:
    """Return the record of a recovered server of account 2222..., replicated from an instance of account 1111...."""
    record: dict[str, Any] = orjson.loads(_FORWARD)
    return record


@pytest.fixture
def extended_record(forward_record: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the same server as target account 3333... sees it."""
    return {
        **forward_record,
        "sourceServerID": "s-0000000000000ext1",
        "arn": "arn:aws:drs:us-west-2:333333333333:source-server/s-0000000000000ext1",
        "tags": {},
        "stagingArea": {
            "status": "EXTENDED",
            "stagingAccountID": "222222222222",
            "stagingSourceServerArn": forward_record["arn"],
        },
    }
