"""The double's writers: what they make of a failure, of a server that is listed twice, and of staging accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from tests.platform import writers
from tests.platform.installation import TAGS, Installation
from tests.platform.readers import doubled
from tests.platform.writers import newest_of_each, word_of

URL = "https://drs.us-west-2.amazonaws.com"
LISTING = {"service": "drs", "operation": "DescribeSourceServers", "region": "us-west-2"}


@pytest.mark.parametrize(
    ("code", "message", "word"),
    [
        ("UninitializedAccountException", "", "NOT_INITIALIZED"),
        ("ValidationException", "The account is Not Initialized", "NOT_INITIALIZED"),
        ("AccessDeniedException", "denied by a service control policy", "IAM_PERMISSION_DENIED"),
        ("ForbiddenException", "AccessDeniedException: no", "IAM_PERMISSION_DENIED"),
        ("AccessDenied", "not authorized", "ERROR"),
        ("AccessDenied", "with an explicit deny in a Service Control Policy", "SCP_DENIED"),
        ("ValidationException", "an SCP forbids it", "SCP_DENIED"),
        ("ThrottlingException", "Rate exceeded", "THROTTLED"),
        ("TooManyRequestsException", "", "THROTTLED"),
        ("OptInRequired", "", "REGION_NOT_OPTED_IN"),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", "ERROR"),
        ("InternalServerException", "", "ERROR"),
    ],
)
def test_the_word_of_an_answer_is_mostly_found_in_its_text(code: str, message: str, word: str) -> None:
    assert word_of(ClientError({"Error": {"Code": code, "Message": message}}, "DescribeSourceServers")) == word


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (EndpointConnectionError(endpoint_url=URL), "ENDPOINT_UNREACHABLE"),
        (ConnectTimeoutError(endpoint_url=URL), "ERROR"),
        (ReadTimeoutError(endpoint_url=URL), "ERROR"),
        (SSLError(endpoint_url=URL, error="certificate"), "ERROR"),
        (ConnectionClosedError(endpoint_url=URL), "ERROR"),
        (ProxyConnectionError(proxy_url="http://proxy"), "ERROR"),
        (NoCredentialsError(), "ERROR"),
        (SSLError(endpoint_url=URL, error="a security token"), "REGION_NOT_ENABLED"),
    ],
)
def test_only_a_refused_connection_means_an_unreachable_endpoint(error: BotoCoreError, word: str) -> None:
    assert word_of(error) == word


def listed(region: str, server_id: str | None = "s-1", snapshot: str | None = None) -> dict[str, Any]:
    """Return what the listing of a region has of a server."""
    replication = {"dataReplicationInfo": {"lastSnapshotDateTime": snapshot}} if snapshot else {}
    return {"_queryRegion": region, **({"sourceServerID": server_id} if server_id else {}), **replication}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (listed("eu-west-1"), listed("us-west-2"), ["eu-west-1"]),
        (listed("eu-west-1", snapshot="2024-11-23"), listed("us-west-2", snapshot="2024-11-24"), ["us-west-2"]),
        (listed("eu-west-1", snapshot="2024-11-24"), listed("us-west-2", snapshot="2024-11-23"), ["eu-west-1"]),
        (listed("eu-west-1", snapshot="2024-11-23"), listed("us-west-2"), ["eu-west-1"]),
        (listed("eu-west-1"), listed("us-west-2", snapshot="2024-11-23"), ["us-west-2"]),
        (listed("eu-west-1"), listed("us-west-2", "s-2"), ["eu-west-1", "us-west-2"]),
        (listed("eu-west-1", None), listed("us-west-2"), ["us-west-2"]),
    ],
)
def test_of_a_server_listed_twice_that_with_the_newer_snapshot_is_kept(
    first: dict[str, Any], second: dict[str, Any], kept: list[str]
) -> None:
    assert [each["_queryRegion"] for each in newest_of_each([first, second])] == kept


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"error": "ThrottlingException", "status": 429, "message": "Rate exceeded"}, "THROTTLED"),
        ({"error": "InternalServerException", "status": 500}, "ERROR"),
    ],
    ids=["throttled", "an error of the server"],
)
def test_a_call_is_repeated_once(installation: Installation, fault: dict[str, Any], word: str) -> None:
    servers = len(installation.records())
    installation.sandbox.faults(fail=[{**LISTING, **fault, "times": 1}])
    assert installation.theirs()["totalSynced"] == servers
    assert word not in {panel.status for panel in installation.readers.panels().values()}
    *_, last = installation.readers.target_accounts()  # whose rows stay
    installation.sandbox.faults(fail=[{**LISTING, **fault, "account_id": last["accountId"], "times": None}])
    installation.theirs()
    panel = installation.readers.panels()["us-west-2"]
    assert (panel.status, panel.server_count) == (word, 0)


def test_if_ec2_refuses_the_instances_of_an_origin_each_is_asked_for_alone(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "EC2_BATCH", 2)
    refusal = {"error": "InvalidInstanceID.NotFound", "status": 400, "message": "one is unknown"}
    failing = {"service": "ec2", "operation": "DescribeInstances", **refusal}
    installation.sandbox.faults(fail=[{**failing, "times": 1}])
    installation.theirs()
    items = [item for item in installation.readers.items() if "sourceCloudProperties" in item]
    assert len(items) > 2 * writers.EC2_BATCH
    assert all("ec2NetworkConfig" in item and item["tags"].items() >= TAGS.items() for item in items)
    installation.sandbox.faults(fail=[{**failing, "times": 2}])
    installation.theirs()  # the batch, and the first of the two
    assert sum("ec2NetworkConfig" in item for item in installation.readers.items()) == len(items) - 1


def test_staging_accounts_are_added_once_and_removed_where_they_are(installation: Installation) -> None:
    tables, names, now = installation.tables, installation.sandbox.names, installation.clock.moment
    table, key = tables.accounts, {"accountId": names.a}
    table.update_item(Key=key, UpdateExpression="REMOVE stagingAccounts[0].addedAt, stagingAccounts[0].addedBy")
    before = table.get_item(Key=key)["Item"]
    record = {name: before["stagingAccounts"][0][name] for name in ("accountName", "roleArn", "externalId")}
    refused: list[tuple[Callable[..., None], str, Any, str]] = [
        (installation.writers.add_staging_account, names.a, {"accountId": names.apps, **record}, "already has"),
        (installation.writers.add_staging_account, names.apps, {"accountId": names.b, **record}, "no row of"),
        (installation.writers.remove_staging_account, names.a, names.b, "lacks"),
        (installation.writers.remove_staging_account, names.apps, names.b, "no row of"),
    ]
    for change, target, what, why in refused:
        with pytest.raises(ValueError, match=why):
            change(tables, target, what, now)
    assert table.get_item(Key=key)["Item"] == before

    [read] = installation.readers.staging_records(names.a, now)
    assert (read.addedAt, read.addedBy) == (doubled(now), "system")
    installation.writers.add_staging_account(tables, names.a, {"accountId": names.b, **record}, now)
    written = table.get_item(Key=key)["Item"]["stagingAccounts"]
    assert [(each["accountId"], each["addedAt"], each["addedBy"]) for each in written] == [
        (names.apps, doubled(now), "system"),
        (names.b, doubled(now), "user"),
    ]
