"""Every operation of DRS, called with success by clients that know nothing of this project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import xform_name

from service.sandbox.moto_drs import drs_backends
from tests.moto_drs.aws_cli import CliClient, cli_environment
from tests.moto_drs.conftest import REGION, Client, Keys, manual_backend
from tests.moto_drs.walk import Call, World, walk

ORIGIN_REGION = "us-east-1"


@pytest.fixture
def world(session: boto3.Session, endpoint: str, keys: Keys, new_account: Callable[[], str]) -> World:
    backend = drs_backends[new_account()][REGION]  # not initialised: the walk begins with that
    backend.auto_advance = False
    origin, staging = manual_backend(new_account(), ORIGIN_REGION), manual_backend(new_account())
    ec2 = session.client("ec2", region_name=ORIGIN_REGION, endpoint_url=endpoint, **keys(origin.account_id))
    s3 = session.client("s3", region_name=REGION, endpoint_url=endpoint, **keys(backend.account_id))
    bucket = f"templates-{backend.account_id}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    vpc_id = ec2.create_vpc(CidrBlock="10.4.0.0/16")["Vpc"]["VpcId"]
    return World(backend, origin, staging, vpc_id, bucket)


def play(world: World, send: Callable[[Call], dict[str, Any]]) -> Counter[str]:
    """Play the walk; return how often it called each operation."""
    called: Counter[str] = Counter()
    steps = walk(world)
    response: dict[str, Any] | None = None
    try:
        while True:
            call = steps.send(response)  # type: ignore[arg-type]  # None starts a generator
            called[call.operation] += 1
            response = send(call)
    except StopIteration:
        return called


def test_boto3(world: World, connect: Client) -> None:
    """With each response checked against the model."""
    client = connect(world.backend.account_id)
    called = play(world, lambda call: dict(getattr(client, xform_name(call.operation))(**call.params)))
    assert called.keys() == set(client.meta.service_model.operation_names)
    assert len(called) == 70


async def test_aiobotocore(world: World, endpoint: str, keys: Keys) -> None:
    config = AioConfig(retries={"total_max_attempts": 1})
    account = keys(world.backend.account_id)
    async with AioSession().create_client("drs", REGION, endpoint_url=endpoint, config=config, **account) as client:
        steps = walk(world)
        called = set()
        call = next(steps)
        while True:
            called.add(call.operation)
            response = await getattr(client, xform_name(call.operation))(**call.params)
            try:
                call = steps.send(response)
            except StopIteration:
                break
        assert called == set(client.meta.service_model.operation_names)


@pytest.mark.deep
def test_the_aws_cli(world: World, endpoint: str, keys: Keys, tmp_path: Path) -> None:
    with cli_environment(endpoint, tmp_path):
        client = CliClient(keys(world.backend.account_id))
        assert len(play(world, lambda call: client.call(call.operation, call.params))) == 70
