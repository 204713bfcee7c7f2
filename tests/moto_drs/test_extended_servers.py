"""Extended servers: separate tags and launches, concurrent extension, lost staging servers, failback."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import REGION, Client, manual_backend

CALLERS = 8


@pytest.fixture
def staging(new_account: Callable[[], str], backend: DRSBackend) -> DRSBackend:
    """Staging account that trusts the account of `client`."""
    made = manual_backend(new_account())
    made.trust(backend.account_id)
    return made


def only(items: Any) -> Any:
    (item,) = items
    return item


@pytest.mark.parametrize("repeat_is_error", [True, False])
def test_concurrent_extensions_create_one_record(
    client: Any,
    backend: DRSBackend,
    staging: DRSBackend,
    repeat_is_error: bool,  # noqa: FBT001
) -> None:
    backend.repeat_extension_is_error = repeat_is_error
    arns = [staging.add_source_server({}).arn for _ in range(5)]

    def extend(arn: str) -> str:
        try:
            return str(client.create_extended_source_server(sourceServerArn=arn)["sourceServer"]["sourceServerID"])
        except client.exceptions.ValidationException:
            return "rejected"

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(extend, arns * CALLERS))
    made = set(answers) - {"rejected"}
    assert made == set(backend.source_servers)
    assert len(made) == len(arns)
    assert answers.count("rejected") == (len(arns) * (CALLERS - 1) if repeat_is_error else 0)


def test_extended_and_staging_server_have_separate_tags(
    client: Any, connect: Client, backend: DRSBackend, staging: DRSBackend
) -> None:
    origin = staging.add_source_server({"tags": {"Name": "web"}})
    extended = backend.extend(origin.arn, {"Owner": "target"})
    in_staging = connect(staging.account_id)
    client.tag_resource(resourceArn=extended.arn, tags={"Name": "copy"})
    in_staging.tag_resource(resourceArn=origin.arn, tags={"Team": "blue"})
    in_staging.untag_resource(resourceArn=origin.arn, tagKeys=["Owner"])
    assert only(client.describe_source_servers()["items"])["tags"] == {"Owner": "target", "Name": "copy"}
    assert only(in_staging.describe_source_servers()["items"])["tags"] == {"Name": "web", "Team": "blue"}
    for wrong, arn in ((client, origin.arn), (in_staging, extended.arn)):
        with pytest.raises(wrong.exceptions.ResourceNotFoundException):
            wrong.list_tags_for_resource(resourceArn=arn)


def test_extended_and_staging_server_have_separate_launches(
    client: Any, backend: DRSBackend, staging: DRSBackend
) -> None:
    origin = staging.add_source_server({}, launch_configuration={"name": "staging's"})
    extended = backend.extend(origin.arn).source_server_id
    client.update_launch_configuration(sourceServerID=extended, name="target's", copyTags=True)
    assert (origin.launch_configuration["name"], origin.launch_configuration["copyTags"]) == ("staging's", False)
    client.start_recovery(sourceServers=[{"sourceServerID": extended}], isDrill=True)
    assert only(client.describe_source_servers()["items"])["lifeCycle"]["lastLaunch"]["status"] == "PENDING"
    assert "lastLaunch" not in origin.record["lifeCycle"]


def test_an_arn_of_another_partition_names_nothing(client: Any, backend: DRSBackend, staging: DRSBackend) -> None:
    arn = staging.add_source_server({}).arn
    for foreign in (arn.replace("arn:aws:", "arn:aws-us-gov:"), arn.replace("arn:aws:", "arn:aws-cn:")):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.create_extended_source_server(sourceServerArn=foreign)
    assert not backend.source_servers


def test_a_lost_extension_cannot_be_launched_and_can_be_created_again(
    client: Any, backend: DRSBackend, staging: DRSBackend
) -> None:
    origin = staging.add_source_server({})
    extended = backend.extend(origin.arn).source_server_id
    staging.trusted_accounts.clear()
    client.start_recovery(sourceServers=[{"sourceServerID": extended}])
    backend.advance()
    backend.advance()
    assert only(only(client.describe_jobs()["items"])["participatingServers"])["launchStatus"] == "FAILED"
    item = only(client.describe_source_servers()["items"])
    assert (item["stagingArea"]["status"], item["lastLaunchResult"]) == ("EXTENSION_ERROR", "FAILED")
    assert client.list_staging_accounts()["accounts"] == [{"accountID": staging.account_id}]
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.create_extended_source_server(sourceServerArn=origin.arn)

    client.delete_source_server(sourceServerID=extended)
    assert client.list_staging_accounts()["accounts"] == []
    staging.trust(backend.account_id)
    listed = client.list_extensible_source_servers(stagingAccountID=staging.account_id)["items"]
    assert [each["arn"] for each in listed] == [origin.arn]
    anew = client.create_extended_source_server(sourceServerArn=origin.arn)["sourceServer"]
    assert anew["stagingArea"]["status"] == "EXTENDED"
    assert anew["sourceServerID"] != extended
    assert "lastLaunch" not in anew["lifeCycle"]


def test_a_record_from_an_unreachable_region_has_an_extension_error(client: Any, backend: DRSBackend) -> None:
    for region in ("us-gov-west-1", "xx-nowhere-1"):
        arn = f"arn:aws:drs:{region}:111111111111:source-server/s-00000000000000000"
        area = {"status": "EXTENDED", "stagingAccountID": "111111111111", "stagingSourceServerArn": arn}
        backend.add_source_server({"stagingArea": area})
    items = client.describe_source_servers()["items"]
    assert [each["stagingArea"]["status"] for each in items] == ["EXTENSION_ERROR"] * 2


def test_reversal_across_zones_repoints_the_staging_server(
    client: Any, connect: Client, backend: DRSBackend, staging: DRSBackend
) -> None:
    here = {"originAccountID": backend.account_id, "originRegion": REGION, "originAvailabilityZone": f"{REGION}a"}
    origin = staging.add_source_server({"sourceCloudProperties": here})
    staging.create_replication_configuration_template({"stagingAreaSubnetId": "subnet-0000000000000beef"})
    extended = backend.extend(origin.arn)
    backend.start_recovery({extended.source_server_id: None}, is_drill=False)
    backend.advance()
    backend.advance()
    instance_id = only(backend.recovery_instances)
    answer = client.reverse_replication(recoveryInstanceID=instance_id)
    assert answer["reversedDirectionSourceServerArn"] == extended.arn
    both = client.describe_source_servers()["items"] + connect(staging.account_id).describe_source_servers()["items"]
    for item in both:
        assert item["sourceProperties"]["identificationHints"]["awsInstanceID"] == instance_id
        assert item["sourceCloudProperties"] == {**here, "originAvailabilityZone": f"{REGION}b"}
        assert item["dataReplicationInfo"]["dataReplicationState"] == "RESCAN"
    got = client.get_replication_configuration(sourceServerID=extended.source_server_id)
    assert got["stagingAreaSubnetId"] == "subnet-0000000000000beef"


def test_reversal_without_the_staging_server_is_rejected(client: Any, backend: DRSBackend, staging: DRSBackend) -> None:
    here = {"originAccountID": backend.account_id, "originRegion": REGION}
    origin = staging.add_source_server({"sourceCloudProperties": here})
    extended = backend.extend(origin.arn).source_server_id
    backend.start_recovery({extended: None}, is_drill=False)
    backend.advance()
    backend.advance()
    staging.remove_source_server(origin.source_server_id)
    with pytest.raises(ClientError) as error:
        client.reverse_replication(recoveryInstanceID=only(backend.recovery_instances))
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert error.value.response["resourceId"] == origin.arn
