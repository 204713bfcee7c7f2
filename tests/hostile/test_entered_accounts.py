"""Which accounts each sync, query and command enters, and what its credentials can do there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from service.accounts.access import AccountAccess, read_directory
from service.app import open_app
from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.aws.operations import READ_OPERATIONS, READ_WRITE_OPERATIONS, Operations
from service.cli.doctor_checks import Doctor
from service.context import SyncRequest
from service.errors import AwsError, ConfigurationError
from service.handlers import data_management
from service.models import utc_now
from service.queries.request_models import InventoryRequest, ScopesRequest, ServersRequest
from service.query_app import QueryApp, open_query_app
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from service.sandbox.identity_store import IdentityStore
from service.sandbox.moto_drs import drs_backends
from service.settings import load_settings
from service.sync.coverage.choice import CoverageRequest
from tests.support.sandbox import EngineSandbox, new_account_id

EXTERNAL_ID: Final = "drs-orchestration-cross-account"
QUERY_READS: Final = frozenset({"drs:DescribeRecoveryInstances", "drs:DescribeSourceServers"})
ORIGIN: Final = frozenset({"ec2:DescribeInstances"})
READS: Final = frozenset(
    {
        *QUERY_READS,
        *ORIGIN,
        "drs:DescribeReplicationConfigurationTemplates",
        "drs:GetLaunchConfiguration",
        "drs:GetReplicationConfiguration",
        "drs:ListExtensibleSourceServers",
        "drs:ListStagingAccounts",
    }
)
ALL: Final = frozenset({"whatever the role may"})
Entered = dict[str, set[frozenset[str]]]


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Entered:
    """Return what the simulated STS was asked for: by account, the actions that each session is limited to."""
    assumed: Entered = {}
    check = IdentityStore.check_assume_role

    def record(self: IdentityStore, call: Any, caller: Any) -> Any:
        policy = call.form.get("Policy")
        actions = frozenset(json.loads(policy)["Statement"][0]["Action"]) if policy else ALL
        assumed.setdefault(call.form["RoleArn"].split(":")[4], set()).add(actions)
        return check(self, call, caller)

    monkeypatch.setattr(IdentityStore, "check_assume_role", record)
    return assumed


@pytest.fixture
def sandbox(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Provide targets A and B whose servers came from the unrecorded account `apps`; A has a staging account, too."""
    sandbox = start_sandbox()
    staging = new_account_id()
    account = {"account_id": staging, "kind": "staging", "regions": {"us-west-2": {"servers": 2}}}
    sandbox.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))
    drs_backends[staging]["us-west-2"].trust(sandbox.names.a)
    # The target may not list what it could extend, so the staging account itself is asked.
    denied = {"error": "AccessDeniedException", "status": 403, "times": None}
    listing = {"account_id": sandbox.names.a, "service": "drs", "operation": "ListExtensibleSourceServers"}
    sandbox.faults(fail=[{**listing, **denied}])
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET stagingAccounts = :staging",
        ExpressionAttributeValues={":staging": [{"accountId": staging, "externalId": EXTERNAL_ID}]},
    )
    return sandbox


def _staging_of(sandbox: EngineSandbox) -> str:
    record = sandbox.table("TARGET_ACCOUNTS_TABLE").get_item(Key={"accountId": sandbox.names.a})["Item"]
    return str(record["stagingAccounts"][0]["accountId"])


async def _sync_tags(sandbox: EngineSandbox, **request: Any) -> dict[str, Any]:
    async with open_app(load_settings()) as app:
        return await app.sync_tags(SyncRequest(**request), source="manual")


# Syncs


async def test_each_sync_enters_who_is_named_with_no_more_than_it_needs(
    sandbox: EngineSandbox, entered: Entered
) -> None:
    a, b, apps, staging = sandbox.names.a, sandbox.names.b, sandbox.names.apps, _staging_of(sandbox)
    await sandbox.sync(regions=("us-west-2", "eu-west-1"))
    # Discovery of servers that wait asks a staging account only where its target has none.
    assert entered == {a: {READS}, b: {READS}, apps: {ORIGIN}}
    entered.clear()
    await _sync_tags(sandbox, dry_run=True)
    assert entered == {a: {READS}, b: {READS}, apps: {ORIGIN}}
    entered.clear()
    await _sync_tags(sandbox)
    assert entered == {a: {ALL}, b: {ALL}, apps: {ORIGIN}}
    entered.clear()
    await sandbox.sync_staging(dry_run=True)
    assert entered == {a: {READS}, b: {READS}, staging: {READS}}
    entered.clear()
    report = await sandbox.sync_staging()
    assert report["serversExtended"] == 2
    assert entered == {a: {ALL}, b: {ALL}, staging: {READS}}


async def test_the_coverage_sync_may_only_list_instances_where_servers_come_from(
    sandbox: EngineSandbox, entered: Entered
) -> None:
    await sandbox.sync(regions=("us-west-2", "eu-west-1"))
    entered.clear()
    async with open_app(load_settings()) as app:
        report = await app.sync_coverage(CoverageRequest())
    assert report["unknown"] == []
    staging = _staging_of(sandbox)
    assert entered == {sandbox.names.a: {READS}, staging: {READS}, sandbox.names.apps: {ORIGIN}}
    entered.clear()
    sandbox.set(ENTER_RECORDED_ACCOUNTS_ONLY="true")
    async with open_app(load_settings()) as app:
        report = await app.sync_coverage(CoverageRequest())
    assert {each["code"] for each in report["unknown"]} == {"AccountNotRecorded"}
    assert sandbox.names.apps not in entered


async def test_an_origin_with_a_record_of_its_own_is_entered_once(sandbox: EngineSandbox, entered: Entered) -> None:
    sandbox.add(sandbox.names.a, "us-west-2", servers=1, origin={"account_id": sandbox.names.b, "region": "us-east-1"})
    sandbox.calls()
    await sandbox.sync(regions=("us-west-2", "eu-west-1"))
    assert entered[sandbox.names.b] == {READS}
    assert sandbox.calls()["sts", "AssumeRole"] == 3


async def test_only_recorded_accounts_are_entered_if_the_settings_say_so(
    sandbox: EngineSandbox, entered: Entered
) -> None:
    here = {"regions": ("us-west-2", "eu-west-1")}
    await sandbox.sync(**here)
    await _sync_tags(sandbox)
    await sandbox.sync(**here)
    before = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert sum("ec2NetworkConfig" in item and len(item["sourceTags"]) > 0 for item in before.values()) == 10
    entered.clear()
    sandbox.set(ENTER_RECORDED_ACCOUNTS_ONLY="true")
    sandbox.add(sandbox.names.a, "us-west-2", servers=1, origin={"account_id": sandbox.names.apps})
    report = await sandbox.sync(**here)
    assert report["status"] == "complete"
    _assert_told_once(report, sandbox.names.apps)
    after = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert {arn: after[arn] for arn in before} == before  # nothing known is removed
    (new,) = [item for arn, item in after.items() if arn not in before]
    assert "ec2NetworkConfig" not in new
    tags = await _sync_tags(sandbox)
    assert (tags["status"], tags["errors"]) == ("complete", [])
    _assert_told_once(tags, sandbox.names.apps)
    assert sandbox.names.apps not in entered
    # What is stored is refreshed all the same when a server changes, and keeps its details.
    changed = next(arn for arn, item in before.items() if "ec2NetworkConfig" in item and sandbox.names.a in arn)
    drs_backends[sandbox.names.a][changed.split(":")[3]].tag_resource(changed, {"new": "tag"})
    await sandbox.sync(**here)
    again = {item["sourceServerArn"]: item for item in sandbox.items()}[changed]
    assert again["tags"]["new"] == "tag"
    assert (again["ec2NetworkConfig"], again["sourceTags"]) == (
        before[changed]["ec2NetworkConfig"],
        before[changed]["sourceTags"],
    )


def _assert_told_once(report: Mapping[str, Any], account_id: str) -> None:
    told = [each for each in report["warnings"] if each["code"] == "AccountNotRecorded"]
    assert [each["accountId"] for each in told] == [account_id]
    assert "ENTER_RECORDED_ACCOUNTS_ONLY" in told[0]["message"]
    assert "ENTER_RECORDED_ACCOUNTS_ONLY=false" in told[0]["advice"]
    assert report["errors"] == []


@pytest.mark.parametrize("origin", ["99", "", "arn:aws:iam::111122223333:role/x", "11112222333é", 999999999999])
async def test_an_odd_origin_account_of_a_server_is_not_entered(
    origin: Any, start_sandbox: Callable[..., EngineSandbox], entered: Entered
) -> None:
    odd = {"record": {"sourceCloudProperties": {"originAccountID": origin, "originRegion": "us-east-1"}}}
    sandbox = start_sandbox(a={"us-west-2": {"servers": [odd]}}, b={})
    await sandbox.sync(regions=("us-west-2",))
    await _sync_tags(sandbox)
    assert set(entered) <= {sandbox.names.a, sandbox.names.b}


async def test_a_staging_account_that_only_drs_names_is_not_entered(sandbox: EngineSandbox, entered: Entered) -> None:
    await sandbox.sync(regions=("us-west-2",))
    await sandbox.sync_staging()
    staging = _staging_of(sandbox)
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a}, UpdateExpression="REMOVE stagingAccounts"
    )
    for adopt in ("false", "true"):
        entered.clear()
        sandbox.set(ADOPT_STAGING_ACCOUNTS=adopt)
        report = await sandbox.sync_staging()
        assert report["stagingAccountsFound"] == {sandbox.names.a: [staging]}
        assert staging not in entered
    await sandbox.sync_staging()  # now it is on record
    assert staging in entered


async def test_functions_that_are_given_a_role_enter_recorded_accounts_only(
    sandbox: EngineSandbox, entered: Entered
) -> None:
    apps = sandbox.names.apps  # its role could be assumed
    role = f"arn:aws:iam::{apps}:role/DRSOrchestrationRole"
    arn = f"arn:aws:drs:us-west-2:{sandbox.names.b}:source-server/s-00000000000000001"
    async with open_app(load_settings()) as app:
        access = await app.staging_access(writes=True)
        for call in (
            lambda: data_management.extend_source_server(access, apps, role, EXTERNAL_ID, arn),
            lambda: data_management.get_extended_source_servers(access, apps, role, EXTERNAL_ID, ["us-west-2"]),
            lambda: data_management.get_staging_account_servers(access, apps, role, EXTERNAL_ID, ["us-west-2"]),
        ):
            with pytest.raises(AwsError, match="no record names the account") as refused:
                await call()
            assert refused.value.code == "AccountNotNamed"
    assert entered == {}


# Queries and the doctor


@asynccontextmanager
async def _queries() -> AsyncIterator[QueryApp]:
    async with open_query_app(load_settings()) as app:
        yield app


async def test_every_query_enters_with_a_session_that_only_reads(sandbox: EngineSandbox, entered: Entered) -> None:
    a, b = sandbox.names.a, sandbox.names.b
    await sandbox.sync(regions=("us-west-2", "eu-west-1"))
    name = sandbox.items()[0]["sourceServerArn"]
    sandbox.set(INVENTORY_FRESH_SECONDS="0.001")  # so that every query reads DRS
    given = {"accountId": sandbox.names.apps, "externalId": EXTERNAL_ID, "region": "us-west-2"}
    queries: dict[str, tuple[Callable[[QueryApp], Any], set[str]]] = {
        "inventory": (lambda app: app.inventory.run(InventoryRequest.parse({}, app.settings).params), {a, b}),
        "servers": (
            lambda app: app.servers.run(ServersRequest.parse({"region": "us-west-2"}, app.settings).params),
            {a, b},
        ),
        "extended": (lambda app: app.extended.run(ScopesRequest.parse({}, app.settings).scopes), {a, b}),
        "failback": (lambda app: app.failback.run(name), {name.split(":")[4]}),
        "discover": (lambda app: app.staging.discover_staging_accounts(a), {a}),
        "staging": (lambda app: app.staging.query_recorded_staging_accounts(a), {a}),
        # The one operation about an account that need not be recorded.
        "validate": (lambda app: app.validation.validate_staging_account(given), {sandbox.names.apps}),
    }
    for query, (run, accounts) in queries.items():
        entered.clear()
        async with _queries() as app:
            await run(app)
        assert entered == {each: {QUERY_READS} for each in accounts}, query


async def test_a_request_cannot_name_an_account_without_a_record(sandbox: EngineSandbox, entered: Entered) -> None:
    await sandbox.sync(regions=("us-west-2",))
    entered.clear()
    apps = sandbox.names.apps
    sandbox.set(INVENTORY_FRESH_SECONDS="0.001")
    async with _queries() as app:
        requests: tuple[Callable[[], Any], ...] = (
            lambda: app.inventory.run(InventoryRequest.parse({"accountId": apps}, app.settings).params),
            lambda: app.servers.run(
                ServersRequest.parse({"region": "us-west-2", "accountId": apps}, app.settings).params
            ),
            lambda: app.staging.discover_staging_accounts(apps),
        )
        for run in requests:
            with pytest.raises(Exception, match=apps):
                await run()
    with pytest.raises(ConfigurationError, match=apps):
        await sandbox.sync(accounts=(apps,))
    with pytest.raises(ConfigurationError, match=apps):
        await Doctor(load_settings(), (apps,), ()).run()
    assert entered == {}


async def test_an_account_that_has_left_the_records_is_not_entered_for_its_servers(
    sandbox: EngineSandbox, entered: Entered
) -> None:
    await sandbox.sync(regions=("us-west-2", "eu-west-1"))
    b = sandbox.names.b
    arn = next(item["sourceServerArn"] for item in sandbox.items() if f":{b}:" in item["sourceServerArn"])
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": b})
    entered.clear()
    async with _queries() as app:
        answer = await app.failback.run(arn)
    assert answer.facts is not None
    assert f"{b}/us-west-2 could not be read (AccountNotNamed)" in str(answer.facts.notes)
    assert entered == {}


@pytest.mark.parametrize("recorded", [False, True])
async def test_a_validation_is_refused_too_where_only_recorded_accounts_are_entered(
    sandbox: EngineSandbox, entered: Entered, *, recorded: bool
) -> None:
    sandbox.set(ENTER_RECORDED_ACCOUNTS_ONLY="true")
    account = sandbox.names.b if recorded else sandbox.names.apps
    given = {"accountId": account, "externalId": EXTERNAL_ID, "region": "us-west-2"}
    async with _queries() as app:
        body = (await app.validation.validate_staging_account(given)).body
    assert body["valid"] is recorded
    assert entered == ({account: {QUERY_READS}} if recorded else {})
    if not recorded:
        assert body["roleAccessible"] is False
        assert "ENTER_RECORDED_ACCOUNTS_ONLY" in body["error"]


async def test_the_doctor_enters_recorded_accounts_and_only_reads(sandbox: EngineSandbox, entered: Entered) -> None:
    await sandbox.sync(regions=("us-west-2", "eu-west-1"))
    entered.clear()
    findings = await Doctor(load_settings(), (), ("us-west-2",)).run()
    recorded = {sandbox.names.a, sandbox.names.b, _staging_of(sandbox)}
    assert {each.account_id for each in findings if each.check == "drs" and each.cause == "DRS answers"} == recorded
    assert entered == {each: {QUERY_READS} for each in recorded}


# The credentials themselves


@asynccontextmanager
async def _drs_with(sandbox: EngineSandbox, allowed: Operations, *, writes: bool) -> AsyncIterator[Any]:
    """Yield an SDK client of DRS, not ours, with the credentials that a process with these operations has in A."""
    settings = load_settings()
    async with AwsClient(settings, utc_now, allowed=allowed) as aws_client:
        table = TableReader(aws_client.hub(), settings.target_accounts_table, aws_client.hub_region)
        directory, _ = await read_directory(table)
        session = await AccountAccess(aws_client, directory, writes=writes).session(sandbox.names.a)
        keys = await session.source()
    drs = boto3.client(
        "drs",
        region_name="us-west-2",
        endpoint_url=sandbox.server.endpoint_url,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield drs
    finally:
        drs.close()


@pytest.mark.parametrize(
    ("allowed", "writes"),
    [(READ_OPERATIONS, False), (READ_OPERATIONS, True), (READ_WRITE_OPERATIONS, False), (READ_WRITE_OPERATIONS, True)],
    ids=["query", "query that asks for more", "inventory sync", "tag sync"],
)
async def test_credentials_in_an_account_write_only_where_the_process_does(
    allowed: Operations, sandbox: EngineSandbox, *, writes: bool
) -> None:
    async with _drs_with(sandbox, allowed, writes=writes) as drs:
        server = drs.describe_source_servers()["items"][0]
        (waiting, *_) = drs_backends[_staging_of(sandbox)]["us-west-2"].source_servers.values()
        requests: dict[str, Callable[[], Any]] = {
            "TagResource": lambda: drs.tag_resource(resourceArn=server["arn"], tags={"a": "b"}),
            "UpdateLaunchConfiguration": lambda: drs.update_launch_configuration(
                sourceServerID=server["sourceServerID"], copyTags=True
            ),
            "CreateExtendedSourceServer": lambda: drs.create_extended_source_server(sourceServerArn=waiting.arn),
        }
        for operation, request in requests.items():
            if allowed is READ_WRITE_OPERATIONS and writes:
                request()
                continue
            with pytest.raises(ClientError) as denied:
                request()
            error = denied.value.response["Error"]
            assert error["Code"] == "AccessDeniedException"
            assert f"because no session policy allows the drs:{operation} action" in error["Message"]
