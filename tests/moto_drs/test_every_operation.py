"""Every operation of DRS, called with success by clients that know nothing of this project."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import xform_name

from service.sandbox.moto_drs import drs_backends
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


@pytest.fixture
def aws(world: World, endpoint: str, keys: Keys, tmp_path: Path) -> Iterator[Callable[[Call], dict[str, Any]]]:
    """Run a command of the AWS CLI in this process: 70 processes would take two minutes."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    variables = {
        **{name.upper(): value for name, value in keys(world.backend.account_id).items()},
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }

    def run(call: Call) -> dict[str, Any]:
        command = xform_name(call.operation, "-")
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = driver.main(["drs", command, "--cli-input-json", json.dumps(call.params), "--output", "json"])
        assert code == 0, f"{command}: {err.getvalue()}"
        return dict(json.loads(out.getvalue() or "{}"))

    with patch.dict(os.environ, {**own, **variables}, clear=True):
        from awscli import clidriver  # noqa: PLC0415 - the import changes the environment

        os.environ["AWS_DATA_PATH"] = str(Path(clidriver.__file__).parent / "data")
        driver = clidriver.create_clidriver()
        yield run


@pytest.mark.deep
def test_the_aws_cli(world: World, aws: Callable[[Call], dict[str, Any]]) -> None:
    assert len(play(world, aws)) == 70
