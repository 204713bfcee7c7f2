"""Tags of each resource type."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import Client


def test_tags_are_added_and_removed(client: Any, backend: DRSBackend) -> None:
    arn = backend.add_source_server({"tags": {"Name": "web", "Team": "red"}}).arn
    client.tag_resource(resourceArn=arn, tags={"Team": "blue", "Cost/Center": "44 11"})
    expected = {"Name": "web", "Team": "blue", "Cost/Center": "44 11"}
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == expected
    (item,) = client.describe_source_servers()["items"]
    assert item["tags"] == expected
    client.untag_resource(resourceArn=arn, tagKeys=["Name", "Cost/Center", "not there"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"Team": "blue"}


def test_every_kind_of_resource_has_tags(client: Any, backend: DRSBackend) -> None:
    server = backend.add_source_server({})
    job = backend.start_recovery({server.source_server_id: None}, is_drill=False)
    backend.advance()
    (instance,) = backend.recovery_instances.values()
    template = backend.create_replication_configuration_template({})
    for resource in (server, job, instance, template):
        client.tag_resource(resourceArn=resource.arn, tags={"kind": type(resource).__name__})
        assert client.list_tags_for_resource(resourceArn=resource.arn)["tags"] == {"kind": type(resource).__name__}


def test_accounts_have_separate_tags(client: Any, backend: DRSBackend, connect: Client) -> None:
    arn = backend.add_source_server({}).arn
    with pytest.raises(ClientError) as error:  # not initialized, but no tag operation models that error
        connect(str(random.SystemRandom().randrange(10**11, 10**12))).list_tags_for_resource(resourceArn=arn)
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert error.value.response["resourceId"] == arn
    assert error.value.response["resourceType"] == "Resource"
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.tag_resource(resourceArn=arn[:-3] + "000", tags={"a": "b"})


@pytest.mark.parametrize(
    "tags",
    [
        {"aws:created": "x"},
        {"AWS:created": "x"},
        {"k" * 257: "x"},
        {"": "x"},
        {"k": "v" * 257},
        {f"key{number}": "x" for number in range(50)},  # 51 with the existing one
    ],
)
def test_invalid_tags_are_rejected(client: Any, backend: DRSBackend, tags: dict[str, str]) -> None:
    arn = backend.add_source_server({"tags": {"Name": "web"}}).arn
    with pytest.raises(client.exceptions.ValidationException) as error:
        client.tag_resource(resourceArn=arn, tags=tags)
    assert {each["name"].split()[0] for each in error.value.response["fieldList"]} == {"tags"}
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"Name": "web"}


def test_tags_of_new_resources_are_validated(client: Any, backend: DRSBackend) -> None:
    server = backend.add_source_server({})
    with pytest.raises(client.exceptions.ClientError, match="must not begin"):
        client.start_recovery(sourceServers=[{"sourceServerID": server.source_server_id}], tags={"aws:x": "y"})
    assert not backend.jobs
