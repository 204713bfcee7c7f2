"""Registration in moto: in its server, in its decorator, and after a reset."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from moto import backend_index
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from service.sandbox.moto_drs import drs_backends, models
from service.sandbox.moto_drs.register import register
from tests.moto_drs.conftest import Client

BY_AREA = {
    "us": ("east-1", "east-2", "west-1", "west-2"),
    "ca": ("central-1", "west-1"),
    "mx": ("central-1",),
    "sa": ("east-1",),
    "eu": ("central-1", "central-2", "north-1", "south-1", "south-2", "west-1", "west-2", "west-3"),
    "af": ("south-1",),
    "il": ("central-1",),
    "me": ("central-1", "south-1"),
    "ap": (
        *("east-1", "east-2", "northeast-1", "northeast-2", "northeast-3", "south-1", "south-2"),
        *(f"southeast-{number}" for number in range(1, 8)),
    ),
}
REGIONS = [f"{area}-{name}" for area, names in BY_AREA.items() for name in names]


def test_registration_is_idempotent() -> None:
    register()
    patterns = list(backend_index.backend_url_patterns)
    register()
    assert backend_index.backend_url_patterns == patterns
    assert get_backend("drs") is drs_backends


@pytest.mark.parametrize(
    "host",
    [
        "drs.us-west-2.amazonaws.com",
        "drs.mx-central-1.amazonaws.com",
        "drs-fips.us-gov-west-1.amazonaws.com",
        "drs.eu-west-1.api.aws",
    ],
)
def test_the_dispatcher_finds_it(host: str) -> None:
    register()
    assert DomainDispatcherApplication(create_backend_app).get_backend_for_host(host) == "drs"


def test_every_region_is_there(account: str) -> None:
    assert len(REGIONS) == 34
    for region in REGIONS:
        server = drs_backends[account][region].add_source_server({})
        assert server.arn.startswith(f"arn:aws:drs:{region}:{account}:source-server/s-")
    assert drs_backends[account]["us-gov-west-1"].partition == "aws-us-gov"


@pytest.mark.parametrize("region", ["mx-central-1", "eu-west-3"])
def test_the_server_knows_the_region_of_a_request(connect: Client, new_account: Callable[[], str], region: str) -> None:
    account_id = new_account()
    connect(account_id, region).initialize_service()
    assert [name for name, backend in drs_backends[account_id].items() if backend.initialized] == [region]


def test_access_keys_select_the_account(endpoint: str, session: boto3.Session) -> None:
    client = session.client("drs", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}))
    client.initialize_service()
    assert drs_backends["123456789012"]["us-west-2"].initialized


# In a separate process: the decorator resets the state of all of moto.
IN_DECORATOR = """
import boto3
from moto import mock_aws
from service.sandbox.moto_drs import drs_backends, models
from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.moto_drs.register import register

register()
drs_clock.advance(86400)  # before anything has used DRS
with mock_aws():
    assert not drs_clock.offset
session = boto3.Session("key", "secret")
for region in ("us-east-2", "ca-west-1"):
    with mock_aws():
        client = session.client("drs", region_name=region)
        client.initialize_service()
        arn = drs_backends["123456789012"][region].add_source_server({}).arn
        client.tag_resource(resourceArn=arn, tags={"a": "b"})
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b"}
        assert len(client.describe_source_servers()["items"]) == 1
        drs_clock.advance(86400)
        drs_clock.set_auto_advance({"123456789012"}, is_on=False)
    assert not list(drs_backends)
    assert not drs_clock.offset
    assert not drs_clock.is_manual("123456789012")
print("good")
"""


def run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout or done.stderr


def test_in_the_decorator_without_a_server() -> None:
    assert run(IN_DECORATOR) == "good\n"


# The package without register.py, in the location where moto itself would have it.
AS_PART_OF_MOTO = """
import re
import sys

import boto3
import moto
from moto import backend_index, mock_aws

moto.__path__.append(sys.argv[1])
backend_index.backend_url_patterns.append(("drs", re.compile("https?://drs\\\\.(.+)\\\\.amazonaws\\\\.com")))
with mock_aws():
    client = boto3.Session("key", "secret").client("drs", region_name="us-west-2")
    try:
        client.describe_source_servers()
    except client.exceptions.UninitializedAccountException:
        client.initialize_service()
    assert client.describe_source_servers()["items"] == []
assert not [name for name in sys.modules if name.startswith("service")]
print("good")
"""


def test_the_package_works_as_part_of_moto(tmp_path: Path) -> None:
    package = Path(models.__file__).parent
    shutil.copytree(package, tmp_path / "drs", ignore=shutil.ignore_patterns("register.py", "__pycache__"))
    assert run(AS_PART_OF_MOTO, str(tmp_path)) == "good\n"
