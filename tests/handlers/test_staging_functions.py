"""Functions of which the staging sync is made, one by one, against a simulated AWS."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from service import app as app_module
from service.app import open_app
from service.errors import AwsError, ConfigurationError, RefusalError, UnknownScopeError
from service.handlers import data_management, query
from service.sandbox.moto_drs import drs_backends
from service.settings import load_settings
from service.sync import extensions
from service.sync.staging import extend
from service.sync.staging_access import StagingAccess
from tests.support.sandbox import EngineSandbox

ROLE: Final = "arn:aws:iam::{}:role/DRSOrchestrationRole"
EXTERNAL: Final = "drs-orchestration-cross-account"
HERE: Final = ("eu-west-1", "sa-east-1", "us-west-2")
ACTIVE: Final = {"eu-west-1", "us-west-2"}
UNREAD: Final = {"service": "drs", "operation": "DescribeSourceServers", "times": None}

Reader = Callable[..., Awaitable[Collection[str]]]
READERS: Final = (data_management.get_extended_source_servers, data_management.get_staging_account_servers)
each_reader = pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)


@pytest.fixture
def sandbox(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Provide a sandbox in which B replicates two servers that A may extend, in us-west-2.

    A has servers there and in eu-west-1. In sa-east-1 DRS was never initialised.
    """
    prepared = start_sandbox(
        a={"us-west-2": {"servers": 1}, "eu-west-1": {"servers": 3}}, b={"us-west-2": {"servers": 2}}
    )
    prepared.set(DRS_REGIONS=" ".join(HERE))
    drs_backends[prepared.names.b]["us-west-2"].trust(prepared.names.a)
    return prepared


@asynccontextmanager
async def opened(*, writes: bool = False) -> AsyncIterator[StagingAccess]:
    async with open_app(load_settings()) as app:
        yield await app.staging_access(writes=writes)


def staging_arns(sandbox: EngineSandbox) -> list[str]:
    return sorted(server.arn for server in drs_backends[sandbox.names.b]["us-west-2"].source_servers.values())


def make_staging(sandbox: EngineSandbox) -> None:
    """Make B a staging account in the record of A, as it is in DRS."""
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET stagingAccounts = :staging",
        ExpressionAttributeValues={":staging": [{"accountId": sandbox.names.b}]},
    )


def regions_read(sandbox: EngineSandbox, operation: str = "DescribeSourceServers") -> Counter[str]:
    """Return and reset in which regions an operation of DRS was called, and how often."""
    counts: Counter[str] = Counter()
    for call in sandbox.server.calls():
        if (call.service, call.operation) == ("drs", operation):
            counts[call.region] += call.count
    sandbox.server.clear_calls()
    return counts


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


@pytest.mark.parametrize(
    "event", [{"operation": "sync_staging_accounts"}, {"operation": "sync_extended_source_servers", "body": {}}]
)
def test_the_operations_go_through_the_four_functions(
    sandbox: EngineSandbox, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of what may be extended is denied, and a creation's response is unclear: so each has its part."""
    passed: Counter[str] = Counter()
    for module, function in (
        (app_module, data_management.auto_extend_staging_servers),
        (extend, data_management.extend_source_server),
        (extensions, data_management.get_extended_source_servers),
        (extensions, data_management.get_staging_account_servers),
    ):

        async def counting(*args: Any, function: Any = function, **options: Any) -> Any:
            passed[function.__name__] += 1
            return await function(*args, **options)

        monkeypatch.setattr(module, function.__name__, counting)
    make_staging(sandbox)
    sandbox.put_status("us-west-2", serverCount=6)
    denied = {"service": "drs", "operation": "ListExtensibleSourceServers", "times": None}
    sandbox.faults(fail=[{**denied, "error": "AccessDeniedException", "status": 403}])
    body = {"targetAccountId": sandbox.names.a} if "body" in event else None
    try:
        answer = data_management.lambda_handler({**event, **({"body": body} if body else {})}, None)
    finally:
        data_management.runtime.close()
    assert answer["serversExtended"] == 2
    assert passed == {
        "auto_extend_staging_servers": 1,
        "extend_source_server": 2,
        "get_extended_source_servers": 1,
        "get_staging_account_servers": 1,
    }


async def test_one_server_is_extended_and_the_repeat_is_a_success(sandbox: EngineSandbox) -> None:
    target, (arn, _) = sandbox.names.a, staging_arns(sandbox)
    async with open_app(load_settings()) as app:
        writing = await app.staging_access(writes=True)
        extended = await data_management.extend_source_server(writing, target, ROLE.format(target), EXTERNAL, arn)
        assert (extended["extended"], extended["sourceServer"]["stagingArea"]["stagingSourceServerArn"]) == (True, arn)
        again = await data_management.extend_source_server(writing, target, ROLE.format(target), EXTERNAL, arn)
        assert again == {"extended": False, "alreadyExtended": True}
        reading = await app.staging_access()
        args = (target, ROLE.format(target), EXTERNAL, HERE)
        assert await data_management.get_extended_source_servers(reading, *args) == {arn}
    assert sandbox.calls()["sts", "AssumeRole"] == 2  # to extend, and with a session that only reads


async def test_access_that_only_reads_extends_nothing(sandbox: EngineSandbox) -> None:
    target, (arn, _) = sandbox.names.a, staging_arns(sandbox)
    async with opened() as access:
        with pytest.raises(AwsError, match="session policy"):
            await data_management.extend_source_server(access, target, "", "", arn)
        assert await data_management.get_extended_source_servers(access, target) == set()


@pytest.mark.parametrize("is_readable", [True, False])
async def test_why_a_server_is_not_extended_is_reported_even_if_drs_cannot_be_read(
    sandbox: EngineSandbox, *, is_readable: bool
) -> None:
    target, (arn, _) = sandbox.names.a, staging_arns(sandbox)
    once = {"account_id": target, "service": "drs", "times": None}
    full = {"operation": "CreateExtendedSourceServer", "error": "ServiceQuotaExceededException", "status": 402}
    denied = {"operation": "DescribeSourceServers", "error": "AccessDeniedException", "status": 403}
    sandbox.faults(fail=[{**once, **full}, *([] if is_readable else [{**once, **denied}])])
    async with opened(writes=True) as access:
        with pytest.raises(AwsError) as error:
            await data_management.extend_source_server(access, target, ROLE.format(target), EXTERNAL, arn)
    assert (error.value.code, error.value.call.operation) == (full["error"], full["operation"])
    assert sandbox.calls()["drs", "DescribeSourceServers"] > 0


async def test_a_server_whose_arn_is_of_another_region_is_no_server_to_extend(sandbox: EngineSandbox) -> None:
    """A creation goes to the region of the ARN, so it would be made where nobody asked for it."""
    server = next(iter(drs_backends[sandbox.names.b]["us-west-2"].source_servers.values()))
    server.record["arn"] = server.arn.replace("us-west-2", "eu-west-1")
    async with opened() as access:
        with pytest.raises(AwsError, match="is not the ARN of a source server there"):
            await data_management.get_staging_account_servers(access, sandbox.names.b, "", "", ["us-west-2"])


async def test_servers_of_a_staging_account_are_those_that_it_protects_itself(sandbox: EngineSandbox) -> None:
    """Not those extended into it, nor those of a failback or disconnected, which have no use as an extension."""
    staging, backends = sandbox.names.b, drs_backends[sandbox.names.b]
    sandbox.add(staging, "us-west-2", servers=2)
    sandbox.add(sandbox.names.apps, "us-west-2", servers=1)
    reversed_, disconnected, *own = backends["us-west-2"].source_servers.values()
    reversed_.record["replicationDirection"] = "FAILBACK"
    disconnected.record["dataReplicationInfo"]["dataReplicationState"] = "DISCONNECTED"
    (elsewhere,) = drs_backends[sandbox.names.apps]["us-west-2"].source_servers.values()
    drs_backends[sandbox.names.apps]["us-west-2"].trust(staging)
    backends["us-west-2"].extend(elsewhere.arn)
    async with opened() as access:
        args = (staging, ROLE.format(staging), EXTERNAL, HERE)
        found = await data_management.get_staging_account_servers(access, *args)
        assert await data_management.get_extended_source_servers(access, *args) == {elsewhere.arn}
    assert len(backends["us-west-2"].source_servers) == 5
    assert found == sorted(server.arn for server in own)


@each_reader
async def test_without_regions_those_of_region_status_are_read(sandbox: EngineSandbox, read: Reader) -> None:
    """B has no servers in eu-west-1, but a sync looks for servers of staging accounts wherever a target has some."""
    await sandbox.sync()
    async with opened() as access:
        for account_id in (sandbox.names.a, sandbox.names.b):
            sandbox.calls()
            await read(access, account_id, ROLE.format(account_id), EXTERNAL)
            assert regions_read(sandbox) == dict.fromkeys(ACTIVE, 1)
        sandbox.put_status("eu-west-1", serverCount=0)
        access.deps.status.invalidate()
        await read(access, sandbox.names.a)
        assert set(regions_read(sandbox)) == {"us-west-2"}


@each_reader
async def test_regions_that_the_caller_names_are_read_and_no_others(sandbox: EngineSandbox, read: Reader) -> None:
    sandbox.put_status("us-west-2", serverCount=2)
    async with opened() as access:
        sandbox.calls()
        await read(access, sandbox.names.b, "", "", ["eu-west-1", "sa-east-1"])
        assert regions_read(sandbox) == {"eu-west-1": 1, "sa-east-1": 1}


@each_reader
async def test_where_no_region_is_active_none_is_read(sandbox: EngineSandbox, read: Reader) -> None:
    for region in HERE:
        sandbox.put_status(region, serverCount=0)
    async with opened() as access:
        sandbox.calls()
        assert not await read(access, sandbox.names.b)
    assert regions_read(sandbox) == {}


@each_reader
@pytest.mark.parametrize("table", ["empty", "unreadable"])
async def test_without_region_status_every_region_is_read(
    sandbox: EngineSandbox, read: Reader, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    if table == "unreadable":
        sandbox.set(DRS_REGION_STATUS_TABLE="no-such-table")
    (arn, _) = staging_arns(sandbox)
    drs_backends[sandbox.names.a]["us-west-2"].extend(arn)
    account_id = sandbox.names.a if read is data_management.get_extended_source_servers else sandbox.names.b
    expected = {arn} if account_id == sandbox.names.a else set(staging_arns(sandbox))
    async with opened() as access:
        sandbox.calls()
        assert set(await read(access, account_id)) == expected
    assert set(regions_read(sandbox)) == set(HERE)
    assert "regions chosen" in [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


@each_reader
@pytest.mark.parametrize("given", [(), ("us-west-2", "eu-west-1")], ids=["chosen", "given"])
async def test_a_region_that_cannot_be_read_is_an_error_and_not_an_empty_set(
    sandbox: EngineSandbox, read: Reader, given: tuple[str, ...]
) -> None:
    for region in ACTIVE:
        sandbox.put_status(region, serverCount=1)
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": "eu-west-1", "service": "drs"}])
    async with opened() as access:
        with pytest.raises(AwsError, match="AccessDenied"):
            await read(access, sandbox.names.a, "", "", given)


@each_reader
async def test_drs_that_says_it_is_not_initialised_where_servers_are_known_was_not_read(
    sandbox: EngineSandbox, read: Reader
) -> None:
    await sandbox.sync()
    wrong = {"error": "UninitializedAccountException", "status": 400, "region": "eu-west-1"}
    sandbox.faults(fail=[{**UNREAD, **wrong}])
    async with opened() as access:
        with pytest.raises(AwsError, match="3 servers are known there") as error:
            await read(access, sandbox.names.a)
        assert error.value.cause.startswith("DRS claims that it was never initialised")
        assert await read(access, sandbox.names.b, "", "", ["eu-west-1"]) is not None  # none are known of B


@each_reader
async def test_a_region_that_is_switched_off_has_nothing_if_others_accept_the_session(
    sandbox: EngineSandbox, read: Reader
) -> None:
    off = {**UNREAD, "error": "UnrecognizedClientException", "status": 403, "account_id": sandbox.names.b}
    sandbox.faults(fail=[{**off, "region": "eu-west-1"}])
    async with opened() as access:  # the table is empty: every region is read
        found = await read(access, sandbox.names.b)
        assert list(found) == (staging_arns(sandbox) if read is READERS[1] else [])
        with pytest.raises(AwsError):  # a caller who names it wants to know of it
            await read(access, sandbox.names.b, "", "", HERE)
        sandbox.faults(fail=[off])
        with pytest.raises(AwsError):  # not the regions are off: the session is rejected
            await read(access, sandbox.names.b)
    sandbox.faults()
    await sandbox.sync()
    sandbox.faults(fail=[{**off, "region": "us-west-2"}])
    async with opened() as access:
        with pytest.raises(AwsError):  # servers are known there
            await read(access, sandbox.names.b)


async def test_a_role_of_another_account_or_a_wrong_external_id_is_refused(sandbox: EngineSandbox) -> None:
    target = sandbox.names.a
    async with opened(writes=True) as access:
        for role, external in ((ROLE.format(sandbox.names.b), EXTERNAL), (ROLE.format(target), "wrong-one")):
            with pytest.raises(AwsError):
                await data_management.extend_source_server(access, target, role, external, staging_arns(sandbox)[0])
        assert (await data_management.extend_source_server(access, target, "", "", staging_arns(sandbox)[0]))[
            "extended"
        ]
    assert sandbox.calls()["drs", "CreateExtendedSourceServer"] == 1


@pytest.mark.parametrize(
    "arn", ["", "x", "arn:aws:s3:::bucket", "arn:aws:drs:us-west-2:1:job/drsjob-1", "arn:aws:drs:source-server/s-1"]
)
async def test_what_is_no_server_is_refused(sandbox: EngineSandbox, arn: str) -> None:
    async with opened(writes=True) as access:
        sandbox.calls()
        with pytest.raises(RefusalError, match="not the ARN"):
            await data_management.extend_source_server(access, sandbox.names.a, "", "", arn)
    assert sandbox.calls() == {}


@pytest.mark.parametrize("region", ["us-wset-2", "us-gov-west-1"])
async def test_a_region_that_the_hub_cannot_reach_is_refused_before_any_call(
    sandbox: EngineSandbox, region: str
) -> None:
    role = (sandbox.names.a, ROLE.format(sandbox.names.a), EXTERNAL)
    arn = f"arn:aws:drs:{region}:{sandbox.names.b}:source-server/s-00000000000000001"
    async with opened(writes=True) as access:
        sandbox.calls()
        with pytest.raises(UnknownScopeError):
            await data_management.extend_source_server(access, *role, arn)
        for read in READERS:
            with pytest.raises(UnknownScopeError):
                await read(access, *role, ["us-east-1", region])
    assert sandbox.calls() == {}


async def test_auto_extension_of_named_targets_in_named_regions(sandbox: EngineSandbox) -> None:
    make_staging(sandbox)
    async with open_app(load_settings()) as app:
        report = await data_management.auto_extend_staging_servers(app.deps, [sandbox.names.a], ["us-west-2"])
        assert (report["serversExtended"], report["regions"]["scanned"]) == (2, ["us-west-2"])
        with pytest.raises(ConfigurationError, match="'mars-1' is no AWS region"):
            await data_management.auto_extend_staging_servers(app.deps, [sandbox.names.a], ["mars-1"])
        with pytest.raises(ConfigurationError, match="is not in the target accounts table"):
            await data_management.auto_extend_staging_servers(app.deps, [sandbox.names.apps])


async def test_auto_extension_without_regions_scans_active_ones(sandbox: EngineSandbox) -> None:
    for region in ACTIVE:
        sandbox.put_status(region, serverCount=1)
    make_staging(sandbox)
    async with open_app(load_settings()) as app:
        report = await data_management.auto_extend_staging_servers(app.deps)
    assert (report["serversExtended"], set(report["regions"]["scanned"])) == (2, ACTIVE)
    assert set(regions_read(sandbox, "ListStagingAccounts")) == ACTIVE
