"""Sample responses: every member that botocore's model has, filled with a value of its type."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

__all__ = ["configuration", "extensible", "filled", "instance", "launch", "machine", "model", "server", "template"]

REGION: Final = "us-west-2"
_MAX_DEPTH: Final = 12
_TIME: Final = "2026-11-23T05:00:00Z"
_TEXTS: Final[Mapping[str, str]] = {"lagDuration": "PT5M", "elapsedReplicationDuration": "PT1H", "agentVersion": "1.0"}
_OTHER_VALUES: Final = {"integer": 7, "long": 7, "boolean": True, "float": 0.5, "double": 0.5, "timestamp": 0.5}
_SESSION: Final = botocore.session.get_session()


@cache
def model(service: str, operation: str) -> OperationModel:
    """Return botocore's model of an operation."""
    return _SESSION.get_service_model(service).operation_model(operation)


def filled(shape: Shape, name: str = "", depth: int = 0) -> Any:
    """Return a value of a shape with every member."""
    if isinstance(shape, StructureShape):
        members = shape.members.items() if depth < _MAX_DEPTH else ()
        return {inner: filled(member, inner, depth + 1) for inner, member in members}
    if isinstance(shape, ListShape):
        return [filled(shape.member, name, depth + 1)]
    if isinstance(shape, MapShape):
        return {"key": filled(shape.value, name, depth + 1)}
    if shape.type_name in _OTHER_VALUES:
        return _OTHER_VALUES[shape.type_name]
    usual = _TIME if name.endswith("DateTime") else next(iter(getattr(shape, "enum", ())), "value")
    return _TEXTS.get(name, usual)


@cache
def _record(operation: str, member: str = "items") -> dict[str, Any]:
    shape = model("drs", operation).output_shape
    record: dict[str, Any] = filled(shape.members[member].member)
    return record


@cache
def server(account: str, server_id: str, *, staging: str = "", staging_id: str = "") -> dict[str, Any]:
    """Return the record of a source server; with `staging`, of one that is extended from that account."""
    record = _record("DescribeSourceServers")
    arn = _arn(staging, staging_id) if staging else ""
    hints = {
        "fqdn": f"{server_id}.example",
        "hostname": server_id,
        "vmWareUuid": "",
        "awsInstanceID": f"i-{server_id[2:]}",
    }
    area = {"status": "EXTENDED" if staging else "NOT_EXTENDED", "stagingAccountID": staging or account}
    properties = {**record["sourceProperties"], "identificationHints": hints}
    return {
        **record,
        "sourceServerID": server_id,
        "arn": _arn(account, server_id),
        "recoveryInstanceId": f"i-{server_id[2:]}f",
        "sourceProperties": properties,
        "stagingArea": {**area, "stagingSourceServerArn": arn, "errorMessage": ""},
        "sourceCloudProperties": {
            "originAccountID": account,
            "originRegion": REGION,
            "originAvailabilityZone": f"{REGION}a",
            "sourceOutpostArn": "",
        },
        "replicationDirection": "FAILOVER",
        "reversedDirectionSourceServerArn": "",
    }


def _arn(account: str, server_id: str) -> str:
    return f"arn:aws:drs:{REGION}:{account}:source-server/{server_id}"


@cache
def machine(account: str, server_id: str) -> dict[str, Any]:
    """Return the record of a recovery instance."""
    record = _record("DescribeRecoveryInstances")
    return {**record, "sourceServerID": server_id, "ec2InstanceID": f"i-{server_id[2:]}f", "arn": f"arn:of:{account}"}


@cache
def extensible(staging: str, server_id: str) -> dict[str, Any]:
    """Return an entry of ListExtensibleSourceServers."""
    return {"arn": _arn(staging, server_id), "hostname": server_id, "tags": {"Name": server_id}}


@cache
def template() -> dict[str, Any]:
    """Return a replication configuration template."""
    record = _record("DescribeReplicationConfigurationTemplates")
    return {**record, "replicationConfigurationTemplateID": "rct-0123456789abcdef0"}


@cache
def configuration(server_id: str) -> dict[str, Any]:
    """Return the replication configuration of a server."""
    record: dict[str, Any] = filled(model("drs", "GetReplicationConfiguration").output_shape)
    return {**record, "sourceServerID": server_id}


@cache
def launch(server_id: str, *, copies: bool) -> dict[str, Any]:
    """Return the launch configuration of a server."""
    record: dict[str, Any] = filled(model("drs", "GetLaunchConfiguration").output_shape)
    into = {"launchIntoEC2InstanceID": ""}
    return {**record, "sourceServerID": server_id, "copyTags": copies, "launchIntoInstanceProperties": into}


@cache
def instance(instance_id: str) -> dict[str, Any]:
    """Return an EC2 instance under the names of elements, with the members that the service reads."""
    return {
        "instanceId": instance_id,
        "instanceState": {"code": 16, "name": "running"},
        "vpcId": "vpc-1",
        "subnetId": "subnet-1",
        "privateIpAddress": "10.0.0.1",
        "groupSet": [{"groupId": "sg-1", "groupName": "one"}],
        "iamInstanceProfile": {"arn": "arn:aws:iam::111122223333:instance-profile/x"},
        "tagSet": [{"key": "Name", "value": instance_id}, {"key": "team", "value": "a"}],
    }
