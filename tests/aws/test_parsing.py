"""The few members that are parsed of EC2's answer are, each of them, what botocore's own way gives."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape

from service.aws.door import AwsDoor
from service.aws.parsing import _INSTANCES
from service.handlers.app import utc_now
from service.settings import Settings
from tests.support.estate import Estate


def _model() -> Any:
    ec2 = botocore.session.get_session().get_service_model("ec2")
    return ec2.operation_model("DescribeInstances").output_shape


def _misplaced(kept: Shape, own: Shape, path: str = "") -> list[str]:
    """Name the members that botocore's model does not have at that element, or not of that type."""
    if kept.type_name != own.type_name:
        return [f"{path}: {kept.type_name} is {own.type_name}"]
    if isinstance(kept, ListShape) and isinstance(own, ListShape):
        here = [] if kept.member.serialization["name"] == own.member.serialization["name"] else [f"{path}[]"]
        return here + _misplaced(kept.member, own.member, f"{path}[]")
    found = []
    if isinstance(kept, StructureShape) and isinstance(own, StructureShape):
        for name, member in kept.members.items():
            theirs = own.members.get(name)
            if theirs is None or theirs.serialization["name"] != member.serialization["name"]:
                found.append(f"{path}.{name}")
            else:
                found += _misplaced(member, theirs, f"{path}.{name}")
    return found


def test_what_is_kept_stands_where_botocores_model_has_it() -> None:
    assert _misplaced(_INSTANCES, _model()) == []


def _kept(shape: Shape, value: Any) -> Any:
    """Leave of a value what a shape names."""
    if isinstance(shape, ListShape):
        return [_kept(shape.member, each) for each in value]
    if isinstance(shape, StructureShape):
        return {name: _kept(member, value[name]) for name, member in shape.members.items() if name in value}
    return value


@pytest.mark.parametrize("params", [{}, {"MaxResults": 5}, {"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}])
async def test_an_answer_is_botocores_own_but_for_what_nobody_asks_for(params: dict[str, Any], estate: Estate) -> None:
    sts = boto3.client("sts")
    role = f"arn:aws:iam::{estate.names.apps}:role/DRSOrchestrationRole"
    given = sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="drs-orchestration-cross-account")
    keys = given["Credentials"]
    theirs = boto3.client(
        "ec2",
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    ).describe_instances(**params)
    estate.set(AWS_ACCESS_KEY_ID=keys["AccessKeyId"], AWS_SECRET_ACCESS_KEY=keys["SecretAccessKey"])
    estate.set(AWS_SESSION_TOKEN=keys["SessionToken"])
    async with AwsDoor(Settings(), utc_now) as door:
        ours = await door.hub().call("ec2", "DescribeInstances", params, region="us-east-1")
    ours.pop("ResponseMetadata")
    assert ours == _kept(_INSTANCES, theirs)
    assert bool(ours["Reservations"]) == ("Filters" not in params)
