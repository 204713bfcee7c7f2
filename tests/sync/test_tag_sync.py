"""The tag sync, end to end: the engine with the real SDK against a simulated AWS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import anyio
import pytest
from moto.ec2.models import ec2_backends

from service.app import TagSyncRunningError, open_app
from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.context import SyncRequest
from service.errors import ConfigurationError
from service.models import Scope, utc_now
from service.regions.status_writer import RegionStatusTable
from service.sandbox.moto_drs import drs_backends
from service.settings import load_settings
from service.sync.engine.runner import run
from service.sync.engine.sync import Deps
from service.sync.tags.locking import tag_state
from service.sync.tags.plan import is_in_turn
from service.sync.tags.report import observation_of
from service.sync.tags.scan import TagScan
from service.sync.tags.state import TagState
from service.sync.tags.sync import TagSync
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import EVERY_REGION, FEW_REGIONS, EngineSandbox

UNUSED: Final = cast("Any", None)
DAY: Final = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
LAUNCH_INTO: Final = {"AWSDRS": "AllowLaunchingIntoThisInstance"}
WRITES: Final = {("drs", "TagResource"), ("drs", "UpdateLaunchConfiguration"), ("dynamodb", "PutItem")}
WRITES_OF_STATUS: Final = {("dynamodb", "UpdateItem")}


async def sync_tags(
    sandbox: EngineSandbox, *, at: datetime | None = None, source: str = "manual", **request: Any
) -> Any:
    """Run one tag sync. The hour decides whose launch settings are read again; by default, no server's."""
    moment = quiet_hour(sandbox) if at is None else at
    settings = load_settings()
    async with AwsClient(settings, utc_now) as aws_client:  # sessions expire by the real clock
        name = settings.drs_region_status_table
        status = RegionStatusTable(
            Table(aws_client.hub(), name, aws_client.hub_region) if name else None,
            utc_now,
            cache_s=settings.region_status_cache_seconds,
            timeout_s=settings.region_status_timeout_seconds,
        )
        deps = Deps(aws_client, settings, status, lambda: moment)
        return await run(TagSync(tag_state(deps), source), SyncRequest(**request), deps)


def servers(sandbox: EngineSandbox, scope: Scope | None = None) -> dict[str, Any]:
    """Return the source servers of a scope, or of both targets, by id."""
    scopes = [scope] if scope else [Scope(a, r) for a in (sandbox.names.a, sandbox.names.b) for r in drs_backends[a]]
    return {
        server_id: server
        for account_id, region in scopes
        for server_id, server in drs_backends[account_id][region].source_servers.items()
    }


def instance_of(server: Any) -> str:
    return str(server.record["sourceProperties"]["identificationHints"].get("awsInstanceID", ""))


def instance_tags(sandbox: EngineSandbox, server: Any) -> dict[str, str]:
    """Return the tags of a server's instance; changing them changes the instance."""
    tags: dict[str, str] = ec2_backends[sandbox.names.apps]["us-east-1"].tags[instance_of(server)]
    return tags


def quiet_hour(sandbox: EngineSandbox) -> datetime:
    hours = [DAY + timedelta(hours=hour) for hour in range(24)]
    arns = [server.record["arn"] for server in servers(sandbox).values()]
    return next((hour for hour in hours if not any(is_in_turn(arn, hour) for arn in arns)), DAY)


def figures(report: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the numbers of servers synced, tagged, unchanged, skipped, failed, and launch settings changed.

    Servers that a dry run plans come last.
    """
    names = ("Tagged", "Unchanged", "Skipped", "Failed", "Planned")
    synced, counts = sum(report["serversByRegion"].values()), [report[f"servers{name}"] for name in names]
    assert synced == sum(counts)
    assert report["serversSynced"] == (0 if report["dryRun"] else synced)
    totals = report["accountResults"]
    assert sum(each["totalServers"] for each in totals) == synced
    assert sum(each["totalSynced"] for each in totals) == counts[0] + counts[1]
    assert sum(each["totalSkipped"] for each in totals) == counts[2]
    assert sum(each["totalFailed"] for each in totals) == counts[3]
    scopes = report["scopes"]
    assert scopes["asked"] == sum(scopes[each] for each in ("complete", "partial", "skipped", "failed"))
    assert sum(each["totalPlanned"] for each in totals) == counts[4] == report.get("plannedTotal", 0)
    figures = (synced, *counts[:4], report["launchSettingsUpdated"])
    return (*figures, counts[4], report["launchSettingsPlanned"]) if report["dryRun"] else figures


def fail(operation: str, error: str, status: int, **members: Any) -> dict[str, Any]:
    return {"operation": operation, "error": error, "status": status, "times": None, **members}


@pytest.fixture
def main(sandbox: EngineSandbox) -> Scope:
    """Return the scope with the most servers."""
    return Scope(sandbox.names.a, "us-west-2")


async def test_the_first_run_writes_tags_and_launch_settings(sandbox: EngineSandbox) -> None:
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert report["regionSource"] == "fallback_table_empty"
    assert figures(report) == (11, 10, 0, 1, 0, 10)
    assert not report.keys() & {"planned", "plannedTotal"}
    for server in servers(sandbox).values():
        on_premises = not instance_of(server)
        assert server.launch_configuration["copyTags"] is not on_premises
        assert server.record["tags"] == ({} if on_premises else instance_tags(sandbox, server))
    calls = sandbox.calls()
    assert calls["drs", "TagResource"] == calls["drs", "UpdateLaunchConfiguration"] == 10
    assert calls["drs", "GetLaunchConfiguration"] == 10
    assert calls["ec2", "DescribeInstances"] == 3  # three scopes, one origin each
    assert calls["sts", "AssumeRole"] == 3  # two targets and the account of the instances
    assert {(service, name): n for service, ops in report["apiCalls"].items() for name, n in ops.items()} == calls


async def test_a_second_run_writes_nothing(sandbox: EngineSandbox) -> None:
    await sync_tags(sandbox)
    sandbox.calls()
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert report["regionSource"] == "status_table"
    assert figures(report) == (11, 0, 10, 1, 0, 0)
    assert sandbox.calls() == {
        ("sts", "GetCallerIdentity"): 1,
        ("sts", "AssumeRole"): 3,
        ("drs", "DescribeSourceServers"): 3,
        ("ec2", "DescribeInstances"): 3,
        ("dynamodb", "Scan"): 2,  # accounts and region status
        ("dynamodb", "GetItem"): 3,  # settled launch settings of each scope
        ("dynamodb", "PutItem"): 1,  # the result
    }


async def test_without_a_table_all_launch_settings_are_read_and_none_stored(sandbox: EngineSandbox) -> None:
    sandbox.set(TAG_SYNC_CONFIG_TABLE="")
    await sync_tags(sandbox)
    sandbox.calls()
    report = await sync_tags(sandbox)
    assert figures(report) == (11, 0, 10, 1, 0, 0)
    calls = sandbox.calls()
    assert calls["drs", "GetLaunchConfiguration"] == 10
    assert not calls.keys() & WRITES


async def test_settled_launches_that_cannot_be_read_are_a_warning(sandbox: EngineSandbox) -> None:
    await sync_tags(sandbox)
    sandbox.faults(
        deny=[{"account_id": sandbox.names.hub, "service": "dynamodb", "operations": ["GetItem", "PutItem"]}]
    )
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert figures(report) == (11, 0, 10, 1, 0, 0)
    assert {warning["operation"] for warning in report["warnings"]} == {"GetItem", "PutItem"}
    assert report["apiCalls"]["drs"]["GetLaunchConfiguration"] == 10


async def test_only_what_changed_is_written_and_nothing_removed(sandbox: EngineSandbox, main: Scope) -> None:
    await sync_tags(sandbox)
    changed, other = [server for server in servers(sandbox, main).values() if instance_of(server)][:2]
    changed.record["tags"]["Owner"] = "somebody"  # set only in DRS
    tags = instance_tags(sandbox, changed)
    tags["Environment"], tags["Team"] = "blue", "b"
    del tags["CostCenter"]
    tags["aws:cloudformation:stack-name"] = "stack"
    instance_tags(sandbox, other)["AWS:x"] = "y"
    cost_center = changed.record["tags"]["CostCenter"]
    sandbox.calls()
    report = await sync_tags(sandbox)
    assert figures(report) == (11, 1, 9, 1, 0, 0)
    assert sandbox.calls()["drs", "TagResource"] == 1
    assert changed.record["tags"] == {
        "Name": tags["Name"],
        "Environment": "blue",
        "Team": "b",
        "CostCenter": cost_center,
        "Owner": "somebody",
    }
    assert "AWS:x" not in other.record["tags"]


async def test_a_server_with_nothing_to_sync_is_skipped_and_not_failed(sandbox: EngineSandbox, main: Scope) -> None:
    disconnected, tagless, only_aws, gone, *_ = (each for each in servers(sandbox, main).values() if instance_of(each))
    disconnected.record["dataReplicationInfo"]["dataReplicationState"] = "DISCONNECTED"
    instance_tags(sandbox, tagless).clear()
    instance_tags(sandbox, only_aws).clear()
    instance_tags(sandbox, only_aws)["aws:autoscaling:groupName"] = "asg"
    gone.record["sourceProperties"]["identificationHints"]["awsInstanceID"] = "i-0123456789abcdef0"
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert figures(report) == (11, 6, 0, 5, 0, 6)
    for server in (disconnected, tagless, only_aws, gone):
        assert server.record["tags"] == {}
        assert server.launch_configuration["copyTags"] is False


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({f"k{number}": "p4ssw0rd" for number in range(48)}, "51 tags with those it has"),
        ({"long": "p4ssw0rd" * 33}, "values longer than 256 characters under the keys: long"),
        ({"k" * 129: "p4ssw0rd"}, "keys longer than 128 characters"),
        ({"": "p4ssw0rd"}, "empty key"),
    ],
)
async def test_a_server_whose_tags_do_not_fit_is_refused_alone(
    bad: dict[str, str], reason: str, sandbox: EngineSandbox, main: Scope, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server_id, server = next((key, each) for key, each in servers(sandbox, main).items() if instance_of(each))
    instance_tags(sandbox, server).update(bad)
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert figures(report) == (11, 9, 0, 1, 1, 9)
    (error,) = report["errors"]
    assert (error["code"], error["accountId"], error["regions"]) == ("TagsRefused", main.account_id, [main.region])
    assert server_id in error["message"]
    assert reason in error["message"]
    assert server.record["tags"] == {}
    assert server.launch_configuration["copyTags"] is False
    assert "p4ssw0rd" not in str(report)
    assert all("p4ssw0rd" not in str(record.__dict__) for record in caplog.records if record.name.startswith("service"))


async def test_many_refusals_are_reported_in_short(sandbox: EngineSandbox) -> None:
    sandbox.add(
        sandbox.names.b, "eu-central-1", servers=15, origin={"account_id": sandbox.names.apps}, tags={"x": "v" * 257}
    )
    report = await sync_tags(sandbox)
    assert figures(report) == (26, 10, 0, 1, 15, 10)
    assert len(report["errors"]) == 11
    assert "5 more servers failed" in report["errors"][-1]["message"]


@pytest.mark.parametrize("problem", ["ec2 denied", "role refused"])
async def test_where_ec2_cannot_be_read_servers_fail_and_others_go_on(problem: str, sandbox: EngineSandbox) -> None:
    sandbox.add(sandbox.names.a, "us-west-2", servers=2, origin={"region": "us-east-1"})  # in the target's own account
    if problem == "ec2 denied":
        sandbox.faults(deny=[{"account_id": sandbox.names.apps, "service": "ec2"}])
    else:
        mine = f"arn:aws:iam::{sandbox.names.a}:role/DRSOrchestrationRole"  # a role of another account
        sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
            Key={"accountId": sandbox.names.a},
            UpdateExpression="SET stagingAccounts = :record",
            ExpressionAttributeValues={":record": [{"accountId": sandbox.names.apps, "roleArn": mine}]},
        )
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert figures(report) == (13, 2, 0, 1, 10, 2)
    (error,) = report["errors"]
    assert error["accountId"] == sandbox.names.apps
    assert error["service"] == ("ec2" if problem == "ec2 denied" else "sts")
    assert report["scopes"]["partial"] == 3
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 10}  # DRS was read completely
    sandbox.faults()
    if problem == "ec2 denied":
        assert figures(await sync_tags(sandbox)) == (13, 10, 2, 1, 0, 10)


async def test_a_denied_account_affects_only_itself(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET externalId = :wrong",
        ExpressionAttributeValues={":wrong": "not-the-one"},
    )
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert figures(report) == (2, 2, 0, 0, 0, 2)
    (error,) = report["errors"]
    assert (error["accountId"], error["operation"], error["code"]) == (sandbox.names.a, "AssumeRole", "AccessDenied")
    refused, well = report["accountResults"]
    assert refused["error"].startswith("AccessDenied: ")
    assert (refused["accountId"], refused["accountName"], refused["regionsScanned"]) == (sandbox.names.a, "A", 0)
    assert len(refused["regionsFailed"]) == len(EVERY_REGION)
    assert "error" not in well
    assert well["regionsScanned"] == len(EVERY_REGION)
    assert well["regionsWithServers"] == ["us-west-2"]
    assert sandbox.counts() == {"us-west-2": 2}
    assert "accounts" in sandbox.status()["eu-west-1"]
    assert sandbox.names.a not in sandbox.status()["eu-west-1"]["accounts"]  # unknown is not zero


async def test_a_region_that_drs_denies_affects_only_itself(sandbox: EngineSandbox, main: Scope) -> None:
    sandbox.faults(deny=[{"account_id": main.account_id, "region": main.region}])
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert figures(report) == (5, 5, 0, 0, 0, 5)
    assert report["accountResults"][0]["regionsFailed"] == ["us-west-2"]
    assert report["scopes"]["failed"] == 1
    assert main.account_id not in sandbox.status()["us-west-2"]["accounts"]
    assert not any("sweepBegan" in row for row in sandbox.status().values())  # scanning it again would not help


async def test_a_throttled_run_is_complete(sandbox: EngineSandbox) -> None:
    throttled = {"service": "drs", "error": "ThrottlingException", "status": 429, "times": 3}
    sandbox.faults(fail=[{**throttled, "operation": each} for each in ("DescribeSourceServers", "TagResource")])
    report = await sync_tags(sandbox, regions=("us-west-2", "eu-west-1"))
    assert report["status"] == "complete"
    assert figures(report) == (11, 10, 0, 1, 0, 10)
    assert report["apiCallsThrottled"] == 6


async def test_servers_set_up_for_launch_into_an_instance_are_left_alone(sandbox: EngineSandbox, main: Scope) -> None:
    by_setting, by_tag, *_ = (each for each in servers(sandbox, main).values() if instance_of(each))
    into = {"launchIntoEC2InstanceID": "i-0123456789abcdef0"}
    by_setting.launch_configuration["launchIntoInstanceProperties"] = into
    instance_tags(sandbox, by_tag).update(LAUNCH_INTO)
    for _ in range(2):
        report = await sync_tags(sandbox)
        assert report["status"] == "complete"
    assert figures(report) == (11, 0, 10, 1, 0, 0)
    for server in (by_setting, by_tag):
        assert server.launch_configuration["copyTags"] is False
        assert server.record["tags"] == instance_tags(sandbox, server)
    assert by_setting.launch_configuration["launchIntoInstanceProperties"] == into
    assert sandbox.calls()["drs", "GetLaunchConfiguration"] == 9  # the tag is enough
    instance_tags(sandbox, by_tag).pop("AWSDRS")
    assert figures(await sync_tags(sandbox)) == (11, 0, 10, 1, 0, 1)
    assert by_tag.launch_configuration["copyTags"] is True


async def test_what_is_switched_on_already_is_only_read(sandbox: EngineSandbox) -> None:
    for server in servers(sandbox).values():
        server.launch_configuration["copyTags"] = True
    assert figures(await sync_tags(sandbox)) == (11, 10, 0, 1, 0, 0)
    calls = sandbox.calls()
    assert calls["drs", "GetLaunchConfiguration"] == 10
    assert calls["drs", "UpdateLaunchConfiguration"] == 0


async def test_every_server_is_read_again_once_a_day(sandbox: EngineSandbox) -> None:
    await sync_tags(sandbox)
    for server in servers(sandbox).values():
        server.launch_configuration["copyTags"] = False  # an operator switched it off
    sandbox.calls()
    reports = [await sync_tags(sandbox, at=DAY + timedelta(hours=hour)) for hour in range(24)]
    assert sum(report["launchSettingsUpdated"] for report in reports) == 10
    assert sandbox.calls()["drs", "GetLaunchConfiguration"] == 10
    assert all(each.launch_configuration["copyTags"] for each in servers(sandbox).values() if instance_of(each))


async def test_a_server_that_could_not_be_read_in_its_turn_is_read_by_the_next_run(
    sandbox: EngineSandbox, main: Scope
) -> None:
    await sync_tags(sandbox)
    server = next(each for each in servers(sandbox, main).values() if instance_of(each))
    server.launch_configuration["copyTags"] = False
    arn = server.record["arn"]
    turn = next(DAY + timedelta(hours=hour) for hour in range(24) if is_in_turn(arn, DAY + timedelta(hours=hour)))
    sandbox.faults(fail=[fail("GetLaunchConfiguration", "ConflictException", 409)])
    assert (await sync_tags(sandbox, at=turn, scopes=(main,)))["status"] == "partial"
    sandbox.faults()
    assert figures(await sync_tags(sandbox, scopes=(main,))) == (6, 0, 5, 1, 0, 1)
    assert server.launch_configuration["copyTags"] is True


async def test_a_server_that_is_listed_twice_counts_once(sandbox: EngineSandbox, main: Scope) -> None:
    shown = drs_backends[main.account_id][main.region].source_servers
    server_id, server = next((key, each) for key, each in shown.items() if instance_of(each))
    shown[f"{server_id}-again"] = server
    assert figures(await sync_tags(sandbox, scopes=(main,))) == (6, 5, 0, 1, 0, 5)


async def test_deleted_servers_leave_the_settled_launches(sandbox: EngineSandbox, main: Scope) -> None:
    await sync_tags(sandbox)
    gone, *rest = (key for key, each in servers(sandbox, main).items() if instance_of(each))
    key = {"accountId": f"_launch_settings#{main.account_id}#{main.region}"}
    assert sorted([gone, *rest]) == sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=key)["Item"]["settled"]
    sandbox.server.remove(*main, [gone])
    sandbox.set(DRS_PAGE_SIZE="3")
    sandbox.faults(fail=[fail("DescribeSourceServers", "InternalServerException", 500, page=2, region=main.region)])
    await sync_tags(sandbox)  # an incomplete listing does not show which servers were deleted
    assert gone in sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=key)["Item"]["settled"]
    sandbox.faults()
    sandbox.calls()
    await sync_tags(sandbox)
    assert sorted(rest) == sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=key)["Item"]["settled"]
    assert sandbox.calls()["dynamodb", "PutItem"] == 2  # this row, and the result


async def test_a_run_that_ends_between_the_two_writes_leaves_the_tags_to_the_next(
    sandbox: EngineSandbox, main: Scope
) -> None:
    sandbox.faults(fail=[fail("TagResource", "InternalServerException", 500)])
    report = await sync_tags(sandbox, scopes=(main,))
    assert figures(report) == (6, 0, 0, 1, 5, 5)
    assert all(each.launch_configuration["copyTags"] for each in servers(sandbox, main).values() if instance_of(each))
    sandbox.faults()
    sandbox.calls()
    assert figures(await sync_tags(sandbox, scopes=(main,))) == (6, 5, 0, 1, 0, 0)
    calls = sandbox.calls()
    assert (calls["drs", "TagResource"], calls["drs", "GetLaunchConfiguration"]) == (5, 0)


async def test_a_run_that_is_killed_at_work_is_completed_by_the_next(sandbox: EngineSandbox, main: Scope) -> None:
    def begun() -> bool:
        return any(each.launch_configuration["copyTags"] for each in servers(sandbox, main).values())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sync_tags, sandbox)
        while not begun():  # noqa: ASYNC110 - the simulated AWS has no event to wait for
            await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
    assert sandbox.status() == {}  # a cancelled run records no region status
    half_done = [each for each in servers(sandbox).values() if each.record["tags"]]
    assert all(each.launch_configuration["copyTags"] for each in half_done)  # tags are written last
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert figures(report)[0] == 11
    for each in servers(sandbox).values():
        if instance_of(each):
            assert each.launch_configuration["copyTags"] is True
            assert each.record["tags"] == instance_tags(sandbox, each)


async def test_launch_settings_that_were_not_stored_are_read_again(sandbox: EngineSandbox) -> None:
    sandbox.faults(deny=[{"account_id": sandbox.names.hub, "service": "dynamodb", "operations": ["PutItem"]}])
    assert figures(await sync_tags(sandbox)) == (11, 10, 0, 1, 0, 10)
    sandbox.faults()
    sandbox.calls()
    assert figures(await sync_tags(sandbox)) == (11, 0, 10, 1, 0, 0)
    assert sandbox.calls()["drs", "GetLaunchConfiguration"] == 10


async def test_a_dry_run_says_what_it_would_write_and_writes_nothing(sandbox: EngineSandbox, main: Scope) -> None:
    ready = next(each for each in servers(sandbox, main).values() if instance_of(each))
    ready.record["tags"].update(instance_tags(sandbox, ready))
    partly = [each for each in servers(sandbox, main).values() if instance_of(each)][1]
    partly.record["tags"]["Name"] = instance_tags(sandbox, partly)["Name"]
    partly.launch_configuration["copyTags"] = True
    report = await sync_tags(sandbox, dry_run=True)
    assert report["dryRun"] is True
    assert figures(report) == (11, 0, 0, 1, 0, 0, 10, 9)
    calls = sandbox.calls()
    assert not calls.keys() & (WRITES | WRITES_OF_STATUS)
    assert calls["drs", "GetLaunchConfiguration"] == 10
    assert report["plannedTotal"] == len(report["planned"]) == 10
    planned = {entry["sourceServerID"]: entry for entry in report["planned"]}
    scope = {"accountId": main.account_id, "region": main.region}
    assert planned[ready.source_server_id] == {
        **scope,
        "sourceServerID": ready.source_server_id,
        "tagKeys": [],
        "copyTags": True,
    }
    assert planned[partly.source_server_id] == {
        **scope,
        "sourceServerID": partly.source_server_id,
        "tagKeys": ["CostCenter", "Environment"],
        "copyTags": False,
    }
    assert sandbox.status() == {}
    assert figures(await sync_tags(sandbox)) == (11, 9, 1, 1, 0, 9)
    report = await sync_tags(sandbox, dry_run=True)
    assert (report["planned"], report["plannedTotal"]) == ([], 0)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"accounts": ("000000000009",)}, "000000000009 is not in the target accounts table"),
        ({"regions": ("us-west-22",)}, "'us-west-22' is no AWS region"),
    ],
)
async def test_a_wrong_request_changes_nothing(request_: dict[str, Any], message: str, sandbox: EngineSandbox) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await sync_tags(sandbox, **request_)
    assert not sandbox.calls().keys() & (WRITES | WRITES_OF_STATUS)


async def test_accounts_and_regions_can_be_chosen(sandbox: EngineSandbox, main: Scope) -> None:
    report = await sync_tags(sandbox, accounts=(main.account_id,), regions=("us-west-2", "sa-east-1"))
    assert report["regionSource"] == "requested"
    assert figures(report) == (6, 5, 0, 1, 0, 5)
    (account,) = report["accountResults"]
    assert account == {
        "accountId": main.account_id,
        "accountName": "A",
        "regionsScanned": 2,
        "regionsWithServers": ["us-west-2"],
        "regionsFailed": [],
        "totalServers": 6,
        "totalSynced": 5,
        "totalFailed": 0,
        "totalSkipped": 1,
        "totalPlanned": 0,
    }
    assert sandbox.status() == {}  # a run for some accounts or regions does not fill the table


async def test_a_fallback_fills_the_status_table_and_the_next_run_is_filtered(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    report = await sync_tags(sandbox)
    assert (report["regionSource"], report["regionsScanned"]) == ("fallback_table_empty", len(EVERY_REGION))
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    rows = sandbox.status()
    assert set(rows) == set(EVERY_REGION)
    assert rows["us-west-2"]["accounts"][sandbox.names.a]["serverCount"] == 6
    assert rows["eu-central-1"]["status"] == "NOT_INITIALIZED"
    assert not any("sweepBegan" in row for row in rows.values())
    sandbox.calls()
    report = await sync_tags(sandbox)
    assert report["regionSource"] == "status_table"
    assert report["regions"]["scanned"] == ["eu-west-1", "us-west-2"]
    assert report["scopes"]["complete"] == 3
    assert report["apiCallReductionPercent"] > 80
    assert sandbox.calls()["dynamodb", "UpdateItem"] == 0  # in filtered mode only the inventory sync writes counts
    assert sandbox.status() == rows


async def test_what_a_fallback_recorded_applies_at_once(sandbox: EngineSandbox) -> None:
    settings = load_settings()
    async with AwsClient(settings, utc_now) as aws_client:
        table = Table(aws_client.hub(), settings.drs_region_status_table, aws_client.hub_region)
        status = RegionStatusTable(table, utc_now, cache_s=3600, timeout_s=60)
        deps = Deps(aws_client, settings, status, utc_now)
        reports = [await run(TagSync(tag_state(deps), "manual"), SyncRequest(), deps) for _ in range(2)]
    sources = [report["regionSource"] for report in reports]
    assert sources == ["fallback_table_empty", "status_table"]


async def test_a_full_scan_drops_accounts_that_have_left(sandbox: EngineSandbox) -> None:
    await sync_tags(sandbox)
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": sandbox.names.b})
    await sync_tags(sandbox, full_scan=True)
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 6}
    assert all(set(row["accounts"]) == {sandbox.names.a} for row in sandbox.status().values())


async def test_a_full_scan_records_what_it_found_in_the_status_table(sandbox: EngineSandbox) -> None:
    await sync_tags(sandbox)
    sandbox.add(sandbox.names.b, "ap-southeast-2", servers=4, origin={"account_id": sandbox.names.apps})
    assert "ap-southeast-2" not in (await sync_tags(sandbox))["serversByRegion"]
    report = await sync_tags(sandbox, full_scan=True)
    assert figures(report) == (15, 4, 10, 1, 0, 4)
    assert sandbox.counts() == {"ap-southeast-2": 4, "eu-west-1": 3, "us-west-2": 8}
    assert (await sync_tags(sandbox))["serversByRegion"]["ap-southeast-2"] == 4


async def test_a_scope_that_could_not_be_read_on_fallback_is_scanned_again(sandbox: EngineSandbox, main: Scope) -> None:
    sandbox.faults(fail=[fail("DescribeSourceServers", "InternalServerException", 500, region=main.region)])
    report = await sync_tags(sandbox)
    assert figures(report) == (3, 3, 0, 0, 0, 3)
    assert report["scopes"]["failed"] == 2
    assert sandbox.counts() == {"eu-west-1": 3}
    assert sum("sweepBegan" in row for row in sandbox.status().values()) == 1
    sandbox.faults()
    report = await sync_tags(sandbox)  # by the table alone it would not be scanned
    assert report["regionSource"] == "status_table"
    assert figures(report) == (11, 7, 3, 1, 0, 7)
    assert report["regions"]["scanned"] == ["eu-west-1", "us-west-2"]


async def test_a_fallback_that_could_not_record_every_region_is_continued_by_the_next_run(
    sandbox: EngineSandbox,
) -> None:
    denied = fail("UpdateItem", "AccessDeniedException", 400, service="dynamodb", from_call=2)
    sandbox.faults(fail=[denied])
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert report["warnings"][0]["operation"] == "UpdateItem"
    assert len(sandbox.status()) == 1
    sandbox.faults()
    sandbox.table("DRS_REGION_STATUS_TABLE").update_item(  # as if a scope with servers had been recorded first
        Key={"region": "sa-east-1"}, UpdateExpression="SET serverCount = :one", ExpressionAttributeValues={":one": 1}
    )
    report = await sync_tags(sandbox)
    assert report["regionSource"] == "status_table"
    assert figures(report) == (11, 0, 10, 1, 0, 0)  # every scope was scanned, not only the one in the table


async def test_an_unread_scope_never_changes_a_count(sandbox: EngineSandbox, main: Scope) -> None:
    await sandbox.sync()
    sandbox.faults(fail=[fail("DescribeSourceServers", "InternalServerException", 500, page=1, region=main.region)])
    await sync_tags(sandbox, full_scan=True)
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}


async def test_a_status_table_that_cannot_be_written_is_a_warning(sandbox: EngineSandbox) -> None:
    sandbox.set(DRS_REGION_STATUS_TABLE="no-such-table")
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert report["regionSource"] == "fallback_table_unavailable"
    assert figures(report) == (11, 10, 0, 1, 0, 10)
    assert report["warnings"][0]["code"] == "ResourceNotFoundException"


async def test_a_region_that_is_switched_off_is_skipped_unless_it_had_servers(
    sandbox: EngineSandbox, main: Scope
) -> None:
    sandbox.everywhere()
    off = {"status": 403, "error": "UnrecognizedClientException", "operation": "DescribeSourceServers", "times": None}
    sandbox.faults(fail=[{**off, "region": region} for region in ("ca-central-1", "sa-east-1")])
    report = await sync_tags(sandbox)
    assert report["status"] == "complete"
    assert report["scopes"]["skipped"] == 4
    assert {warning["status"] for warning in report["warnings"]} == {"REGION_NOT_ENABLED"}
    assert len(sandbox.status()) == len(EVERY_REGION) - 2
    assert not any("sweepBegan" in row for row in sandbox.status().values())
    sandbox.faults(fail=[{**off, "region": main.region, "account_id": main.account_id}])
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert report["accountResults"][0]["regionsFailed"] == ["us-west-2"]
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}


async def test_a_listing_that_breaks_on_page_two_syncs_page_one(sandbox: EngineSandbox, main: Scope) -> None:
    sandbox.set(DRS_PAGE_SIZE="3")
    sandbox.faults(fail=[fail("DescribeSourceServers", "InternalServerException", 500, page=2)])
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    synced, tagged, _, skipped, failed, _ = figures(report)
    assert (synced, tagged + skipped, failed) == (8, 8, 0)
    assert report["scopes"]["partial"] == 1
    assert main.account_id not in sandbox.status()["us-west-2"]["accounts"]
    sandbox.faults()
    assert (await sync_tags(sandbox))["serversUnchanged"] == tagged


async def test_a_region_that_had_servers_does_not_count_as_unused(sandbox: EngineSandbox, main: Scope) -> None:
    sandbox.set(DRS_PAGE_SIZE="3")
    sandbox.faults(fail=[fail("DescribeSourceServers", "UninitializedAccountException", 400, page=2)])
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert report["errors"][0]["code"] == "UninitializedAccountException"
    assert main.account_id not in sandbox.status()["us-west-2"]["accounts"]


async def test_that_nothing_is_there_is_left_to_the_inventory_sync_where_servers_are_known(
    sandbox: EngineSandbox, main: Scope
) -> None:
    """The inventory sync has it confirmed before the count changes, and it alone removes the items."""
    await sandbox.sync()
    uninitialized = fail("DescribeSourceServers", "UninitializedAccountException", 400, region=main.region)
    sandbox.faults(fail=[{**uninitialized, "account_id": main.account_id}])
    report = await sync_tags(sandbox, full_scan=True)
    assert (report["status"], report["scopes"]["partial"]) == ("partial", 1)
    (error,) = report["errors"]
    assert (error["code"], error["status"]) == ("UninitializedAccountException", "ERROR")
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    sandbox.faults()
    sandbox.server.remove(main.account_id, main.region, list(servers(sandbox, main)))
    assert (await sync_tags(sandbox, full_scan=True))["status"] == "complete"
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    await sandbox.sync()
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 2}


@pytest.mark.parametrize("answer", [{"listed_completely": True}, {"uninitialized": True}])
@pytest.mark.parametrize(
    ("servers_listed", "known_count", "fills_table", "recorded"),
    [
        (0, None, True, True),
        (0, 0, True, True),
        (0, 5, True, False),
        (0, None, False, False),  # the table holds counts, or could not be read
        (0, 0, False, False),
        (3, 5, True, True),
        (3, None, False, True),
    ],
)
def test_which_scans_are_recorded(
    answer: dict[str, bool], servers_listed: int, known_count: int | None, *, fills_table: bool, recorded: bool
) -> None:
    tools = cast("Any", SimpleNamespace(now=lambda: DAY, state=None, dry_run=False))
    scan = TagScan(Scope("111122223333", "us-west-2"), UNUSED, UNUSED, tools, known_count=known_count)
    scan.results.counts.servers = servers_listed
    for name, value in answer.items():
        setattr(scan, name, value)
    assert (observation_of(scan, fills_table=fills_table) is not None) is recorded


async def test_a_denied_write_is_not_tried_for_every_server(start_sandbox: Callable[..., EngineSandbox]) -> None:
    sandbox = start_sandbox(a={"us-west-2": {"servers": 60}}, b={})
    deny = {"account_id": sandbox.names.a, "operations": ["TagResource"]}
    sandbox.faults(deny=[deny])
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert figures(report) == (60, 0, 0, 0, 60, 60)
    (error,) = report["errors"]
    assert (error["operation"], error["status"]) == ("TagResource", "IAM_PERMISSION_DENIED")
    assert sandbox.calls()["drs", "TagResource"] <= 16
    sandbox.faults()
    assert figures(await sync_tags(sandbox)) == (60, 60, 0, 0, 0, 0)


@pytest.mark.parametrize("operation", ["GetLaunchConfiguration", "UpdateLaunchConfiguration"])
async def test_where_launch_settings_are_denied_tags_are_written_all_the_same(
    operation: str, start_sandbox: Callable[..., EngineSandbox]
) -> None:
    sandbox = start_sandbox(a={"us-west-2": {"servers": 60}}, b={})
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "operations": [operation]}])
    report = await sync_tags(sandbox)
    assert figures(report) == (60, 0, 0, 0, 60, 0)
    (error,) = report["errors"]
    assert error["operation"] == operation
    calls = sandbox.calls()
    assert calls["drs", operation] <= 16
    assert calls["drs", "TagResource"] == 60
    sandbox.faults()
    assert figures(await sync_tags(sandbox)) == (60, 0, 60, 0, 0, 60)


@pytest.mark.parametrize(
    ("operation", "error", "status"),
    [
        ("TagResource", "ValidationException", 400),
        ("TagResource", "ServiceQuotaExceededException", 402),
        ("UpdateLaunchConfiguration", "ConflictException", 409),
    ],
)
async def test_what_is_refused_for_one_server_is_reported_for_that_server(
    operation: str, error: str, status: int, sandbox: EngineSandbox, main: Scope
) -> None:
    sandbox.faults(fail=[fail(operation, error, status, times=1, message="not this one")])
    report = await sync_tags(sandbox, scopes=(main,))
    assert figures(report)[:5] == (6, 4, 0, 1, 1)
    (entry,) = report["errors"]
    assert entry["code"] == error
    assert entry["message"].endswith(": not this one")
    assert entry["message"].split(":")[0] in servers(sandbox, main)
    assert figures(await sync_tags(sandbox, scopes=(main,)))[4] == 0


async def test_no_tag_value_comes_back_out_of_an_error(
    sandbox: EngineSandbox, main: Scope, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for server in servers(sandbox, main).values():
        if instance_of(server):
            instance_tags(sandbox, server)["Secret"] = "p4ssw0rd"
    message = "Value 'p4ssw0rd' at 'tags' failed to satisfy constraint"
    sandbox.faults(fail=[fail("TagResource", "ValidationException", 400, message=message)])
    report = await sync_tags(sandbox, scopes=(main,))
    assert figures(report)[4] == 5
    assert "p4ssw0rd" not in str(report)
    assert "the keys are CostCenter, Environment, Name, Secret" in report["errors"][0]["message"]
    assert all("p4ssw0rd" not in str(record.__dict__) for record in caplog.records if record.name.startswith("service"))


@pytest.mark.parametrize("operation", ["GetLaunchConfiguration", "UpdateLaunchConfiguration", "TagResource"])
async def test_a_server_deleted_meanwhile_is_skipped(operation: str, sandbox: EngineSandbox, main: Scope) -> None:
    sandbox.faults(fail=[fail(operation, "ResourceNotFoundException", 404, times=1)])
    report = await sync_tags(sandbox, scopes=(main,))
    assert report["status"] == "complete"
    assert figures(report)[:5] == (6, 4, 0, 2, 0)
    assert sandbox.calls()["drs", "TagResource"] == (5 if operation == "TagResource" else 4)  # it is not called again


async def test_a_record_that_cannot_be_read_affects_only_itself(sandbox: EngineSandbox, main: Scope) -> None:
    sandbox.add(*main, servers=[{"on_premises": True, "record": {"replicationDirection": 7}}])
    report = await sync_tags(sandbox)
    assert report["status"] == "partial"
    assert figures(report) == (12, 10, 0, 1, 1, 10)
    assert report["errors"][0]["code"] == "UnusableRecord"


async def test_a_failed_back_server_is_like_any_other(sandbox: EngineSandbox, main: Scope) -> None:
    server = next(each for each in servers(sandbox, main).values() if instance_of(each))
    server.record["replicationDirection"] = "FAILBACK"
    assert figures(await sync_tags(sandbox)) == (11, 10, 0, 1, 0, 10)


async def test_instances_are_read_in_bulk(start_sandbox: Callable[..., EngineSandbox]) -> None:
    sandbox = start_sandbox(a={"us-west-2": {"servers": 250, "origin": {"region": "us-west-2"}}}, b={})
    report = await sync_tags(sandbox)
    assert figures(report) == (250, 250, 0, 0, 0, 250)
    calls = sandbox.calls()
    assert calls["drs", "DescribeSourceServers"] == len(FEW_REGIONS) * 2 + 1
    assert calls["ec2", "DescribeInstances"] == 2
    assert calls["drs", "TagResource"] == 250


async def test_an_instance_behind_two_servers_gives_its_tags_to_both(sandbox: EngineSandbox, main: Scope) -> None:
    one, other, *_ = (each for each in servers(sandbox, main).values() if instance_of(each))
    other.record["sourceProperties"]["identificationHints"]["awsInstanceID"] = instance_of(one)
    assert figures(await sync_tags(sandbox)) == (11, 10, 0, 1, 0, 10)
    assert one.record["tags"] == other.record["tags"] == instance_tags(sandbox, one)


async def test_a_run_out_of_time_reports_every_scope_and_writes_nothing(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    report = await sync_tags(sandbox, remaining_s=0.0)
    assert report["status"] == "failed"
    assert report["scopes"]["failed"] == report["scopes"]["asked"] == 2 * len(EVERY_REGION)
    assert figures(report) == (0, 0, 0, 0, 0, 0)
    assert sandbox.status() == {}
    assert not sandbox.calls().keys() & (WRITES - {("dynamodb", "PutItem")})


async def test_a_scope_that_is_cut_short_keeps_what_it_did_and_the_next_goes_on(
    start_sandbox: Callable[..., EngineSandbox], loop_clock: LoopClock
) -> None:
    sandbox = start_sandbox(a={"us-west-2": {"servers": 320}}, b={})
    scope = Scope(sandbox.names.a, "us-west-2")
    sandbox.latency(loop_clock, drs=1000)  # all servers would take hundreds of seconds
    report = await sync_tags(sandbox, scopes=(scope,))
    assert report["status"] == "partial"
    assert {error["code"] for error in report["errors"]} == {"DeadlineExceeded"}
    synced, tagged, _, _, failed, _ = figures(report)
    assert (synced, failed) == (320, 320 - tagged)
    assert 0 < tagged < 320
    await anyio.sleep(0.5)  # calls in flight arrive
    arrived, done = sandbox.calls()["drs", "TagResource"], 0
    while done < arrived:
        await anyio.sleep(0.02)  # and are completed
        done = sum(bool(server.record["tags"]) for server in servers(sandbox, scope).values())
    assert tagged <= done <= tagged + 16  # a write whose response came too late does not count
    key = {"accountId": f"_launch_settings#{scope.account_id}#{scope.region}"}
    assert len(sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=key)["Item"]["settled"]) >= tagged
    sandbox.faults()
    sandbox.calls()
    sandbox.set(SCOPE_DEADLINE_SECONDS="60")
    assert figures(await sync_tags(sandbox, scopes=(scope,), at=DAY))[:3] == (320, 320 - done, done)
    in_turn = sum(is_in_turn(server.record["arn"], DAY) for server in servers(sandbox, scope).values())
    calls = sandbox.calls()
    assert calls["drs", "TagResource"] == 320 - done
    assert calls["drs", "GetLaunchConfiguration"] <= 320 - tagged + in_turn


async def test_two_runs_at_once_end_as_one_would(sandbox: EngineSandbox) -> None:
    reports: list[dict[str, Any]] = []

    async def one() -> None:
        reports.append(await sync_tags(sandbox))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)
    assert [report["status"] for report in reports] == ["complete"] * 3
    assert sandbox.counts() == {"eu-west-1": 3, "us-west-2": 8}
    assert not any("sweepBegan" in row for row in sandbox.status().values())
    sandbox.calls()
    assert figures(await sync_tags(sandbox)) == (11, 0, 10, 1, 0, 0)
    assert sandbox.calls()["drs", "GetLaunchConfiguration"] == 0


async def test_a_background_run_that_is_delivered_twice_runs_once(sandbox: EngineSandbox) -> None:
    """Lambda delivers an asynchronous event at least once; both have the lock that the request acquired."""
    outcomes: list[str] = []
    async with open_app(load_settings()) as app:
        assert await app.tag_state().acquire(owner="request")

        async def deliver() -> None:
            try:
                outcomes.append((await app.sync_tags(SyncRequest(), lock_owner="request"))["status"])
            except TagSyncRunningError as error:
                outcomes.append(error.code)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(deliver)
        assert sorted(outcomes) == ["ALREADY_RUNNING"] * 3 + ["complete"]
        assert await app.tag_state().acquire(owner="next")


async def test_a_run_that_stood_still_for_longer_than_its_lock_sends_nothing_more(sandbox: EngineSandbox) -> None:
    """The machine slept, so its wall clock has moved on, and another run has the lock by then."""
    stood_still_s = 0.0

    def now() -> datetime:
        return utc_now() + timedelta(seconds=stood_still_s)

    async def steal() -> None:
        nonlocal stood_still_s
        while not sandbox.calls()["drs", "GetLaunchConfiguration"]:  # noqa: ASYNC110 - no event to wait for
            await anyio.sleep(0.02)
        stood_still_s = 1000.0
        other = TagState.of(app.aws_client, load_settings(), now)
        assert await other.acquire(owner="another")
        await anyio.sleep(1.0)  # calls in flight arrive
        sandbox.calls()

    sandbox.faults(latency_ms={"drs": 200})
    async with open_app(load_settings(), now) as app, anyio.create_task_group() as tasks:
        tasks.start_soon(steal)
        with pytest.raises(TagSyncRunningError):
            await app.sync_tags(SyncRequest())
    assert not sandbox.calls().keys() & WRITES
    lock = sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key={"accountId": "_tag_sync_lock"})["Item"]
    assert (lock["owner"], lock["status"]) == ("another", "IN_PROGRESS")


async def test_the_result_is_stored_for_later_queries(sandbox: EngineSandbox, main: Scope) -> None:
    key = {"accountId": "_last_tag_sync"}
    report = await sync_tags(sandbox, source="eventbridge")
    assert sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=key)["Item"] == {
        **key,
        "timestamp": int(datetime.fromisoformat(report["startedAt"]).timestamp()),
        "source": "eventbridge",
        "totalAccounts": 2,
        "totalSynced": 10,
        "totalFailed": 0,
        "totalServers": 11,
        "status": "SUCCESS",
    }
    sandbox.faults(deny=[{"account_id": main.account_id, "region": main.region}])
    await sync_tags(sandbox)
    stored = sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=key)["Item"]
    assert (stored["status"], stored["source"], stored["totalServers"]) == ("PARTIAL", "manual", 5)
    await sync_tags(sandbox, dry_run=True, regions=("eu-west-1",))
    assert sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=key)["Item"] == stored


async def test_without_targets_there_is_nothing_to_do(sandbox: EngineSandbox) -> None:
    for account_id in (sandbox.names.a, sandbox.names.b):
        sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": account_id})
    report = await sync_tags(sandbox)
    assert (report["status"], report["accountResults"], report["scopes"]["asked"]) == ("complete", [], 0)
    assert sandbox.status() == {}
