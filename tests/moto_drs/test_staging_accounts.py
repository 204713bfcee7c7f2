"""Extension of servers from staging accounts into a target account, checked in both accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import REGION, Client, manual_backend

NewAccount = Callable[[], str]


@pytest.fixture
def staging(new_account: NewAccount, backend: DRSBackend) -> DRSBackend:
    """Staging account that trusts the account of `client`."""
    made = manual_backend(new_account())
    made.trust(backend.account_id)
    return made


def extensible(client: Any, account_id: str) -> list[str]:
    pages = client.get_paginator("list_extensible_source_servers").paginate(stagingAccountID=account_id)
    return [each["arn"] for page in pages for each in page["items"]]


def test_full_extension_flow(client: Any, connect: Client, backend: DRSBackend, staging: DRSBackend) -> None:
    configuration = {"bandwidthThrottling": 9}
    one = staging.add_source_server({"tags": {"Name": "one"}}, replication_configuration=configuration)
    two = staging.add_source_server({"sourceProperties": {"identificationHints": {"hostname": "two"}}})
    assert extensible(client, staging.account_id) == [one.arn, two.arn]
    assert client.list_staging_accounts()["accounts"] == []

    answer = client.create_extended_source_server(sourceServerArn=one.arn, tags={"Owner": "target"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    extended = answer["sourceServer"]
    assert extended["sourceServerID"] != one.source_server_id
    assert extended["arn"].split(":")[3:5] == [REGION, backend.account_id]
    assert extended["tags"] == {"Owner": "target"}
    assert extended["stagingArea"] == {
        "status": "EXTENDED",
        "stagingAccountID": staging.account_id,
        "stagingSourceServerArn": one.arn,
    }
    assert extended["sourceProperties"] == one.record["sourceProperties"]

    assert extensible(client, staging.account_id) == [two.arn]
    assert client.list_staging_accounts()["accounts"] == [{"accountID": staging.account_id}]
    assert client.describe_source_servers()["items"] == [extended]
    by_account = client.describe_source_servers(filters={"stagingAccountIDs": [staging.account_id]})
    assert by_account["items"] == [extended]
    got = client.get_replication_configuration(sourceServerID=extended["sourceServerID"])
    assert got["bandwidthThrottling"] == 9
    assert got["sourceServerID"] == extended["sourceServerID"]
    snapshots = client.describe_recovery_snapshots(sourceServerID=extended["sourceServerID"])["items"]
    assert [each["snapshotID"] for each in snapshots] == [each["snapshotID"] for each in one.snapshots]

    (own,) = connect(staging.account_id).describe_source_servers(filters={"sourceServerIDs": [one.source_server_id]})[
        "items"
    ]
    assert own["tags"] == {"Name": "one"}
    assert own["stagingArea"]["status"] == "NOT_EXTENDED"


def test_what_is_listed_as_extensible(client: Any, staging: DRSBackend) -> None:
    staging.add_source_server({"tags": {"a": "b"}, "sourceProperties": {"identificationHints": {"hostname": "web"}}})
    staging.add_source_server({"sourceProperties": {"identificationHints": {"hostname": None}}})
    named, unnamed = client.list_extensible_source_servers(stagingAccountID=staging.account_id)["items"]
    assert (named["hostname"], named["tags"]) == ("web", {"a": "b"})
    assert "hostname" not in unnamed


def test_extensible_servers_are_paginated(client: Any, staging: DRSBackend) -> None:
    arns = [staging.add_source_server({}).arn for _ in range(5)]
    first = client.list_extensible_source_servers(stagingAccountID=staging.account_id, maxResults=4)
    assert [each["arn"] for each in first["items"]] == arns[:4]
    rest = client.list_extensible_source_servers(stagingAccountID=staging.account_id, nextToken=first["nextToken"])
    assert [each["arn"] for each in rest["items"]] == arns[4:]
    assert "nextToken" not in rest


def test_staging_accounts_are_paginated(client: Any, backend: DRSBackend, new_account: NewAccount) -> None:
    accounts = sorted(new_account() for _ in range(51))
    for account_id in accounts:
        staging = manual_backend(account_id)
        staging.trust(backend.account_id)
        backend.extend(staging.add_source_server({}).arn)
    first = client.list_staging_accounts()
    assert [each["accountID"] for each in first["accounts"]] == accounts[:50]
    rest = client.list_staging_accounts(nextToken=first["nextToken"], maxResults=50)
    assert [each["accountID"] for each in rest["accounts"]] == accounts[50:]
    assert "nextToken" not in rest


def test_one_server_can_be_extended_into_many_targets(
    client: Any, connect: Client, staging: DRSBackend, new_account: NewAccount
) -> None:
    server = staging.add_source_server({})
    other = manual_backend(new_account())
    staging.trust(other.account_id)
    client.create_extended_source_server(sourceServerArn=server.arn)
    assert extensible(connect(other.account_id), staging.account_id) == [server.arn]
    connect(other.account_id).create_extended_source_server(sourceServerArn=server.arn)
    assert len(other.source_servers) == 1


def test_a_repeated_extension_is_an_error_unless_configured(
    client: Any, backend: DRSBackend, staging: DRSBackend
) -> None:
    server = staging.add_source_server({})
    first = client.create_extended_source_server(sourceServerArn=server.arn)["sourceServer"]
    with pytest.raises(client.exceptions.ValidationException):
        client.create_extended_source_server(sourceServerArn=server.arn)
    backend.repeat_extension_is_error = False
    again = client.create_extended_source_server(sourceServerArn=server.arn)["sourceServer"]
    assert again["sourceServerID"] == first["sourceServerID"]
    assert len(backend.source_servers) == 1


def test_two_records_of_one_extended_server_are_removed_one_by_one(
    client: Any, backend: DRSBackend, staging: DRSBackend
) -> None:
    area = {
        "status": "EXTENDED",
        "stagingAccountID": staging.account_id,
        "stagingSourceServerArn": staging.add_source_server({}).arn,
    }
    left = [{"accountID": staging.account_id}]
    ids = [backend.add_source_server({"stagingArea": area}).source_server_id for _ in range(2)]
    for source_server_id, accounts in zip(ids, (left, []), strict=True):
        backend.remove_source_server(source_server_id)
        assert client.list_staging_accounts()["accounts"] == accounts


def test_an_extended_server_cannot_be_extended_again(
    connect: Client, staging: DRSBackend, backend: DRSBackend, new_account: NewAccount
) -> None:
    extended = backend.extend(staging.add_source_server({}).arn)
    third = manual_backend(new_account())
    backend.trust(third.account_id)
    client = connect(third.account_id)
    assert extensible(client, backend.account_id) == []
    with pytest.raises(client.exceptions.ValidationException):
        client.create_extended_source_server(sourceServerArn=extended.arn)


def test_extension_requires_trust(client: Any, new_account: NewAccount) -> None:
    untrusting = manual_backend(new_account())
    arn = untrusting.add_source_server({}).arn
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.list_extensible_source_servers(stagingAccountID=untrusting.account_id)
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.create_extended_source_server(sourceServerArn=arn)


@pytest.mark.parametrize("lost", ["deleted", "trust revoked"])
def test_a_lost_staging_server_leaves_an_error(
    client: Any, connect: Client, staging: DRSBackend, backend: DRSBackend, lost: str
) -> None:
    origin = staging.add_source_server({})
    extended = backend.extend(origin.arn)
    if lost == "deleted":
        in_staging = connect(staging.account_id)
        in_staging.disconnect_source_server(sourceServerID=origin.source_server_id)
        in_staging.delete_source_server(sourceServerID=origin.source_server_id)
    else:
        staging.trusted_accounts.clear()
    (item,) = client.describe_source_servers()["items"]
    assert item["sourceServerID"] == extended.source_server_id
    assert item["stagingArea"]["status"] == "EXTENSION_ERROR"
    assert item["stagingArea"]["errorMessage"]
    assert item["stagingArea"]["stagingSourceServerArn"] == origin.arn
    assert client.get_replication_configuration(sourceServerID=extended.source_server_id)["name"]

    if lost != "deleted":  # with the trust restored, the server is extended again
        staging.trust(backend.account_id)
        (item,) = client.describe_source_servers()["items"]
        assert item["stagingArea"]["status"] == "EXTENDED"
        assert "errorMessage" not in item["stagingArea"]


def test_an_extended_record_follows_its_server_and_is_deleted_alone(
    client: Any, connect: Client, staging: DRSBackend, backend: DRSBackend
) -> None:
    origin = staging.add_source_server({})
    extended = backend.extend(origin.arn).source_server_id
    connect(staging.account_id).stop_replication(sourceServerID=origin.source_server_id)
    (item,) = client.describe_source_servers()["items"]
    assert item["dataReplicationInfo"]["dataReplicationState"] == "STOPPED"
    for operation in (client.stop_replication, client.start_replication, client.disconnect_source_server):
        with pytest.raises(client.exceptions.ConflictException):
            operation(sourceServerID=extended)
    with pytest.raises(client.exceptions.ConflictException):
        client.update_replication_configuration(sourceServerID=extended, bandwidthThrottling=1)
    client.delete_source_server(sourceServerID=extended)
    assert origin.source_server_id in staging.source_servers
    assert extensible(client, staging.account_id) == [origin.arn]


def test_what_cannot_be_extended(client: Any, connect: Client, staging: DRSBackend, backend: DRSBackend) -> None:
    own = backend.add_source_server({})
    east = drs_backends[staging.account_id]["us-east-1"]
    east.initialize_service()
    east.trust(backend.account_id)
    unknown = f"arn:aws:drs:{REGION}:{staging.account_id}:source-server/s-00000000000000000"
    for arn, code in (
        (own.arn, "ValidationException"),
        (east.add_source_server({}).arn, "ValidationException"),
        (unknown, "ResourceNotFoundException"),
        (f"arn:aws:drs:{REGION}:{staging.account_id}:source-server/s-1", "ValidationException"),
    ):
        with pytest.raises(ClientError) as error:
            client.create_extended_source_server(sourceServerArn=arn)
        assert error.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match="UninitializedAccountException"):
        connect(backend.account_id, "us-east-1").list_extensible_source_servers(stagingAccountID=staging.account_id)


def test_the_quota_of_servers(client: Any, staging: DRSBackend, backend: DRSBackend) -> None:
    backend.max_source_servers = 1
    client.create_extended_source_server(sourceServerArn=staging.add_source_server({}).arn)
    with pytest.raises(client.exceptions.ServiceQuotaExceededException) as error:
        client.create_extended_source_server(sourceServerArn=staging.add_source_server({}).arn)
    response = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 402
    assert (response["quotaCode"], response["serviceCode"]) == ("L-E28BE5E0", "drs")
