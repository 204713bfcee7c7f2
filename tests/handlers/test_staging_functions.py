"""Functions of the staging accounts, one by one, against a simulated AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.app import open_app
from service.errors import AwsError, ConfigurationError, RefusalError, UnknownScopeError
from service.handlers import data_management, query
from service.sandbox.moto_drs import drs_backends
from service.settings import load_settings
from tests.support.estate import Estate

ROLE = "arn:aws:iam::{}:role/DRSOrchestrationRole"
EXTERNAL = "drs-orchestration-cross-account"


@pytest.fixture
def estate(start_estate: Callable[..., Estate]) -> Estate:
    """Provide an estate in which B replicates two servers that A may extend, in us-west-2."""
    prepared = start_estate()
    drs_backends[prepared.names.b]["us-west-2"].trust(prepared.names.a)
    return prepared


def staging_arns(estate: Estate) -> list[str]:
    return sorted(server.arn for server in drs_backends[estate.names.b]["us-west-2"].source_servers.values())


def test_the_functions_are_where_they_belong() -> None:
    moved = (
        "handle_sync_staging_accounts",
        "auto_extend_staging_servers",
        "extend_source_server",
        "get_extended_source_servers",
        "get_staging_account_servers",
        "handle_sync_single_account",
        "handle_add_staging_account",
        "handle_remove_staging_account",
    )
    stayed = (
        "handle_discover_staging_accounts",
        "handle_validate_staging_account",
        "get_staging_accounts_direct",
        "query_staging_accounts_from_target",
        "handle_get_source_server_inventory",
    )
    assert all(callable(getattr(data_management, name)) and not hasattr(query, name) for name in moved)
    assert all(callable(getattr(query, name)) and not hasattr(data_management, name) for name in stayed)


async def test_one_server_is_extended_and_the_repeat_is_a_success(estate: Estate) -> None:
    target, (arn, _) = estate.names.a, staging_arns(estate)
    async with open_app(load_settings()) as app:
        extended = await data_management.extend_source_server(app, target, ROLE.format(target), EXTERNAL, arn)
        assert (extended["extended"], extended["sourceServer"]["stagingArea"]["stagingSourceServerArn"]) == (True, arn)
        again = await data_management.extend_source_server(app, target, ROLE.format(target), EXTERNAL, arn)
        assert again == {"extended": False, "alreadyExtended": True}
        args = (target, ROLE.format(target), EXTERNAL, ["us-west-2", "eu-west-1", "sa-east-1"])
        assert await data_management.get_extended_source_servers(app, *args) == {arn}
    assert estate.calls()["sts", "AssumeRole"] == 2  # to extend, and with a session that only reads


async def test_why_a_server_is_not_extended_is_reported_even_if_drs_cannot_be_read(estate: Estate) -> None:
    target, (arn, _) = estate.names.a, staging_arns(estate)
    once = {"account_id": target, "service": "drs", "times": None}
    full = {"operation": "CreateExtendedSourceServer", "error": "ServiceQuotaExceededException", "status": 402}
    denied = {"operation": "DescribeSourceServers", "error": "AccessDeniedException", "status": 403}
    estate.faults(fail=[{**once, **full}, {**once, **denied}])
    async with open_app(load_settings()) as app:
        with pytest.raises(AwsError) as error:
            await data_management.extend_source_server(app, target, ROLE.format(target), EXTERNAL, arn)
    assert (error.value.code, error.value.call.operation) == (full["error"], full["operation"])
    assert estate.calls()["drs", "DescribeSourceServers"] > 0


async def test_servers_of_a_staging_account_are_its_own(estate: Estate) -> None:
    staging = estate.names.b
    async with open_app(load_settings()) as app:
        args: Any = (staging, ROLE.format(staging), EXTERNAL, ["us-west-2", "ca-central-1", "sa-east-1"])
        assert await data_management.get_staging_account_servers(app, *args) == staging_arns(estate)


async def test_a_region_that_cannot_be_read_is_an_error_and_not_an_empty_set(estate: Estate) -> None:
    estate.faults(deny=[{"account_id": estate.names.a, "region": "eu-west-1", "service": "drs"}])
    async with open_app(load_settings()) as app:
        args: Any = (estate.names.a, "", "", ["us-west-2", "eu-west-1"])
        with pytest.raises(AwsError, match="AccessDenied"):
            await data_management.get_extended_source_servers(app, *args)


async def test_a_role_of_another_account_or_a_wrong_external_id_is_refused(estate: Estate) -> None:
    target = estate.names.a
    async with open_app(load_settings()) as app:
        for role, external in ((ROLE.format(estate.names.b), EXTERNAL), (ROLE.format(target), "wrong-one")):
            with pytest.raises(AwsError):
                await data_management.extend_source_server(app, target, role, external, staging_arns(estate)[0])
    assert estate.calls()["drs", "CreateExtendedSourceServer"] == 0


@pytest.mark.parametrize("arn", ["", "x", "arn:aws:s3:::bucket", "arn:aws:drs:us-west-2:1:job/drsjob-1"])
async def test_what_is_no_server_is_refused(estate: Estate, arn: str) -> None:
    async with open_app(load_settings()) as app:
        with pytest.raises(RefusalError, match="not the ARN"):
            await data_management.extend_source_server(app, estate.names.a, "", "", arn)
    assert estate.calls() == {}


@pytest.mark.parametrize("region", ["us-wset-2", "us-gov-west-1"])
async def test_a_region_that_the_hub_cannot_reach_is_refused_before_any_call(estate: Estate, region: str) -> None:
    role = (estate.names.a, ROLE.format(estate.names.a), EXTERNAL)
    arn = f"arn:aws:drs:{region}:{estate.names.b}:source-server/s-00000000000000001"
    async with open_app(load_settings()) as app:
        with pytest.raises(UnknownScopeError):
            await data_management.extend_source_server(app, *role, arn)
        with pytest.raises(UnknownScopeError):
            await data_management.get_extended_source_servers(app, *role, ["us-east-1", region])
        with pytest.raises(UnknownScopeError):
            await data_management.get_staging_account_servers(app, *role, ["us-east-1", region])
    assert estate.calls() == {}


async def test_auto_extension_of_named_targets_in_named_regions(estate: Estate) -> None:
    table = estate.table("TARGET_ACCOUNTS_TABLE")
    table.update_item(
        Key={"accountId": estate.names.a},
        UpdateExpression="SET stagingAccounts = :staging",
        ExpressionAttributeValues={":staging": [{"accountId": estate.names.b}]},
    )
    async with open_app(load_settings()) as app:
        report = await data_management.auto_extend_staging_servers(app, [estate.names.a], ["us-west-2"])
        assert (report["serversExtended"], report["regionsScanned"]) == (2, 1)
        with pytest.raises(ConfigurationError, match="'mars-1' is no AWS region"):
            await data_management.auto_extend_staging_servers(app, [estate.names.a], ["mars-1"])
