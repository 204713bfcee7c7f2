"""Seeded servers: DRS records per account and region, and the EC2 instances they replicate."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.fleet import FleetError, demo_fleet, parse_model
from service.sandbox.fleet_models import Fleet, Fragment, Region
from service.sandbox.moto_drs import drs_backends
from service.sandbox.server import Sandbox
from service.sandbox.server_plans import plan_servers

HUB, TARGET, STAGING, APPS = "999900001111", "111122223333", "444455556666", "777788889999"
Client = Callable[..., Any]


def _servers(client: Client, account_id: str, region: str = "us-west-2") -> list[dict[str, Any]]:
    return list(client("drs", account_id=account_id, region=region).describe_source_servers(maxResults=200)["items"])


def _hostnames(servers: list[dict[str, Any]]) -> list[str]:
    return sorted(server["sourceProperties"]["identificationHints"]["hostname"] for server in servers)


def test_each_account_has_its_own_servers(client: Client) -> None:
    own = [server for server in _servers(client, TARGET) if server["stagingArea"]["status"] == "NOT_EXTENDED"]
    assert _hostnames(own) == [f"app-{number:04d}" for number in range(1, 7)]
    assert _hostnames(_servers(client, STAGING)) == ["stg-0001", "stg-0002", "stg-0003"]
    assert _servers(client, TARGET, "eu-west-1") == []


@pytest.mark.parametrize(("account_id", "region"), [(TARGET, "us-east-2"), (APPS, "us-west-2"), (HUB, "us-west-2")])
def test_an_undeclared_region_is_uninitialized(client: Client, account_id: str, region: str) -> None:
    with pytest.raises(ClientError) as caught:
        _servers(client, account_id, region)
    assert caught.value.response["Error"]["Code"] == "UninitializedAccountException"


def test_one_server_is_extended_and_the_others_can_be(client: Client) -> None:
    (extended,) = [server for server in _servers(client, TARGET) if server["stagingArea"]["status"] == "EXTENDED"]
    assert extended["stagingArea"]["stagingAccountID"] == STAGING
    drs = client("drs", account_id=TARGET, region="us-west-2")
    extensible = drs.list_extensible_source_servers(stagingAccountID=STAGING)["items"]
    staged = {server["arn"] for server in _servers(client, STAGING)}
    assert {server["arn"] for server in extensible} == staged - {extended["stagingArea"]["stagingSourceServerArn"]}


def test_servers_have_instances_with_tags(client: Client) -> None:
    from_ec2 = [server for server in _servers(client, TARGET) if "sourceCloudProperties" in server][:5]
    ids = [server["sourceProperties"]["identificationHints"]["awsInstanceID"] for server in from_ec2]
    ec2 = client("ec2", account_id=APPS, region="us-east-1")
    found = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": ids}], MaxResults=1000)["Reservations"]
    instances = {instance["InstanceId"]: instance for group in found for instance in group["Instances"]}
    for server in from_ec2:
        if server["stagingArea"]["status"] == "EXTENDED":
            continue
        hints = server["sourceProperties"]["identificationHints"]
        instance = instances[hints["awsInstanceID"]]
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        assert tags["Name"] == hints["hostname"]
        assert tags["Team"] == "retail"
        assert {"Environment", "CostCenter"} <= set(tags)
        assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
        assert server["sourceCloudProperties"] == {
            "originAccountID": APPS,
            "originRegion": "us-east-1",
            "originAvailabilityZone": "us-east-1b",
        }
        assert server["sourceProperties"]["networkInterfaces"][0]["ips"] == [instance["PrivateIpAddress"]]


def test_on_premises_servers_have_no_instance(client: Client) -> None:
    own = [server for server in _servers(client, TARGET) if "sourceCloudProperties" not in server]
    (server,) = [each for each in own if each["stagingArea"]["status"] == "NOT_EXTENDED"]
    hints = server["sourceProperties"]["identificationHints"]
    assert "awsInstanceID" not in hints
    assert hints["vmWareUuid"]


def test_templates_are_there(client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    assert len(drs.describe_replication_configuration_templates()["items"]) == 1


def test_a_fragment_adds_servers_and_regions(sandbox: Sandbox, client: Client) -> None:
    fragment = {
        "accounts": [
            {
                "account_id": TARGET,
                "regions": {
                    "us-west-2": {"servers": [{"hostname": "late", "drs_tags": {"a": "b"}, "state": "STALLED"}]},
                    "ap-south-2": {"initialized": False},
                    "ap-south-1": {
                        "servers": [{"record": {"sourceProperties": {"identificationHints": {"fqdn": "x.example"}}}}]
                    },
                },
            }
        ]
    }
    before = _servers(client, TARGET)
    sandbox.add(parse_model(Fragment, fragment, "fragment"))
    (late,) = [server for server in _servers(client, TARGET) if server not in before]
    assert _hostnames([late]) == ["late"]
    assert late["tags"] == {"a": "b"}
    assert late["dataReplicationInfo"]["dataReplicationState"] == "STALLED"
    (new,) = _servers(client, TARGET, "ap-south-1")
    hints = new["sourceProperties"]["identificationHints"]
    assert (hints["hostname"], hints["fqdn"]) == ("app-0001", "x.example")
    with pytest.raises(ClientError, match="UninitializedAccountException"):
        client("drs", account_id=TARGET, region="ap-south-2").describe_source_servers()
    off = {"account_id": STAGING, "regions": {"ap-south-2": {"initialized": False}}}
    sandbox.add(parse_model(Fragment, {"accounts": [off]}, "fragment"))
    assert not drs_backends[STAGING]["ap-south-2"].trusted_accounts


def test_servers_can_be_removed(sandbox: Sandbox, client: Client) -> None:
    first, *others = _servers(client, TARGET)
    assert sandbox.remove(TARGET, "us-west-2", [first["sourceServerID"], "s-00000000000000000"]) == 1
    left = {server["sourceServerID"] for server in _servers(client, TARGET)}
    assert left == {server["sourceServerID"] for server in others}


def test_the_same_fleet_gives_the_same_servers() -> None:
    region = parse_model(Region, {"servers": 50, "states": {"CONTINUOUS": 4, "STALLED": 1}}, "region")
    once, again = (plan_servers(TARGET, "us-west-2", region, first=1) for _ in range(2))
    elsewhere = plan_servers(TARGET, "us-east-2", region, first=1)
    assert once == again
    assert Counter(plan.state for plan in once) == {"CONTINUOUS": 40, "STALLED": 10}
    assert len({plan.server_id for plan in once + elsewhere}) == 100
    assert {plan.origin.region for plan in once if plan.origin} == {"us-east-1"}


def test_a_removed_copy_can_be_extended_again(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    copy = next(each for each in _servers(client, TARGET) if each["stagingArea"]["status"] == "EXTENDED")
    arn = copy["stagingArea"]["stagingSourceServerArn"]
    with pytest.raises(ClientError, match="already extended"):
        drs.create_extended_source_server(sourceServerArn=arn)
    assert sandbox.remove(TARGET, "us-west-2", [copy["sourceServerID"]]) == 1
    assert drs.list_staging_accounts()["accounts"] == []
    assert arn in {each["arn"] for each in drs.list_extensible_source_servers(stagingAccountID=STAGING)["items"]}
    assert drs.create_extended_source_server(sourceServerArn=arn)["sourceServer"]["stagingArea"]["status"] == "EXTENDED"
    drs.delete_source_server(sourceServerID=_extended_id(client))
    assert drs.list_staging_accounts()["accounts"] == []


def _extended_id(client: Client) -> str:
    found = next(each for each in _servers(client, TARGET) if each["stagingArea"]["status"] == "EXTENDED")
    return str(found["sourceServerID"])


def test_some_servers_have_the_tags_of_their_instances() -> None:
    declared = {"servers": [{"on_premises": True}, {}, {}, {}], "tags_in_drs": 2, "drs_tags": {"Environment": "old"}}
    plans = plan_servers(TARGET, "us-west-2", parse_model(Region, declared, "region"), first=1)
    missing = [{key for key in plan.tags if plan.drs_tags.get(key) != plan.tags[key]} for plan in plans]
    all_tags = {"Name", "Environment", "CostCenter"}
    assert missing == [all_tags, {"Environment"}, {"Environment"}, all_tags]


def _extension_counts(account_id: str, staging: str, region: str) -> tuple[int, int]:
    """Return the numbers of extended and of extensible servers of a staging account."""
    backend = drs_backends[account_id][region]
    return len(backend.extended), len(backend.list_extensible_source_servers(staging))


def test_the_demo_fleet_has_servers_left_to_extend_and_to_tag() -> None:
    with Sandbox(demo_fleet()) as running:
        assert _extension_counts("111122223333", "444455556666", "us-west-2") == (6, 4)
        assert _extension_counts("222233334444", "555566667777", "eu-west-1") == (3, 2)
        targets = [account.account_id for account in running.fleet.accounts if "target" in account.kinds]
        tags = [
            server.record["tags"]
            for account_id in targets
            for backend in drs_backends[account_id].values()
            for server in backend.source_servers.values()
        ]
    assert (len(tags), sum("Name" in each for each in tags)) == (110, 30)


def test_the_demo_fleet_is_served() -> None:
    with Sandbox(demo_fleet()) as running:
        connection = HTTPConnection("127.0.0.1", running.port, timeout=300)
        connection.request("GET", "/sandbox/health")
        health = json.loads(connection.getresponse().read())
        connection.close()
    assert (health["accounts"], health["servers"]) == (6, 125)


def test_the_error_names_a_region_without_drs() -> None:
    account = {"account_id": "111122224444", "regions": {"xx-north-9": {}}}
    fleet = parse_model(Fleet, {"hub": {"account_id": "999900004444"}, "accounts": [account]}, "fleet")
    with pytest.raises(FleetError, match="DRS has no region xx-north-9"):
        Sandbox(fleet).start()


def test_further_instances_run_beside_those_of_servers(client: Client, sandbox: Sandbox) -> None:
    declared = [
        {"name": "batch", "tags": {"dr": "yes"}},
        {"state": "stopped"},
        {"state": "terminated"},
        {"launched_by_drs": "replication"},
        {"launched_by_drs": "conversion"},
        {"launched_by_drs": "recovery", "name": "app"},
    ]
    account = {"account_id": APPS, "instances": {"sa-east-1": declared, "eu-north-1": 3}}
    sandbox.add(parse_model(Fragment, {"accounts": [account]}, "test"))

    def described(region: str) -> list[tuple[str, dict[str, str], str]]:
        found = client("ec2", account_id=APPS, region=region).describe_instances()["Reservations"]
        return [
            (each["State"]["Name"], {tag["Key"]: tag["Value"] for tag in each["Tags"]}, group["OwnerId"])
            for group in found
            for each in group["Instances"]
        ]

    managed = {"AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com"}
    assert described("sa-east-1") == [
        ("running", {"Name": "batch", "dr": "yes"}, APPS),
        ("stopped", {"Name": "other-0002"}, APPS),
        ("terminated", {"Name": "other-0003"}, APPS),
        ("running", {"Name": "AWS Elastic Disaster Recovery Replication Server", **managed}, APPS),
        ("running", {"Name": "AWS Elastic Disaster Recovery Conversion Server", **managed}, APPS),
        ("running", {"Name": "app", **managed}, APPS),
    ]
    assert [state for state, _, _ in described("eu-north-1")] == ["running"] * 3


def test_instances_in_a_region_that_ec2_lacks_are_refused(sandbox: Sandbox) -> None:
    account = {"account_id": APPS, "instances": {"us-wset-2": 1}}
    with pytest.raises(FleetError, match="EC2 has no region us-wset-2"):
        sandbox.add(parse_model(Fragment, {"accounts": [account]}, "test"))
