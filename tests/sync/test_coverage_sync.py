"""The coverage sync against the simulated AWS: which instances it lists and leaves out, and what it cannot know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from moto.ec2.models import ec2_backends

from service.app import App, open_app
from service.errors import AwsError, UnknownScopeError
from service.models import Scope
from service.protection.decision import TagFilter
from service.protection.reader import CoverageReader, EstateCoverage
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from service.settings import load_settings
from service.sync.coverage.choice import CoverageRequest
from tests.support.sandbox import EngineSandbox, new_account_id

HERE: Final = "us-east-1"
HOSTILE: Final = "[red]<b>\u202eevil"
INSTANCES: Final = [
    {"name": "batch-1", "tags": {"dr": "yes"}},
    {"name": HOSTILE, "state": "stopped"},
    {"name": "gone", "state": "terminated"},
    {"launched_by_drs": "replication"},
    {"launched_by_drs": "conversion"},
    {"launched_by_drs": "recovery", "name": "drill"},
    # Anybody may call an instance so.
    {"name": "AWS Elastic Disaster Recovery Replication Server"},
]


def add_instances(sandbox: EngineSandbox, account_id: str, region: str, instances: object) -> None:
    account = {"account_id": account_id, "instances": {region: instances}}
    sandbox.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))


async def look(app: App, *, tags: Sequence[str] = (), **request: Any) -> dict[str, Any]:
    return await app.sync_coverage(CoverageRequest(tags=TagFilter.parse(tags), **request))


async def estate(app: App) -> EstateCoverage:
    return await CoverageReader(app.deps.table(app.settings.source_server_topology_table)).read_all()


def numbers(report: dict[str, Any]) -> tuple[int, int, int]:
    return report["instancesProtected"], report["instancesUnprotected"], report["instancesLeftOut"]


@pytest.fixture
def sandbox(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Provide servers of A: two from A's own us-west-2, three from `apps` in us-east-1, one that is no instance."""
    sandbox = start_sandbox(a={"eu-west-1": {"servers": 2, "origin": {"region": "us-west-2"}}}, b={})
    sandbox.set(DRS_REGIONS="ca-central-1 eu-west-1 sa-east-1")
    sandbox.add(
        sandbox.names.a,
        "ca-central-1",
        servers=3,
        on_premises=1,
        origin={"account_id": sandbox.names.apps, "region": HERE},
    )
    return sandbox


async def test_every_instance_is_protected_or_listed_or_left_out(sandbox: EngineSandbox) -> None:
    a, apps = sandbox.names.a, sandbox.names.apps
    add_instances(sandbox, apps, HERE, INSTANCES)
    async with open_app(load_settings()) as app:
        await sandbox.sync()
        sandbox.calls()
        report = await look(app)
        found = await estate(app)
    calls = sandbox.calls()
    assert (report["status"], report["errors"], report["warnings"]) == ("complete", [], [])
    assert (report["regionSource"], report["scopes"]["complete"]) == ("inventory", 2)
    assert numbers(report) == (5, 3, 4)
    assert report["leftOut"] == {
        "replicationServers": 1,
        "conversionServers": 1,
        "recoveryInstances": 1,
        "terminated": 1,
        "otherAccounts": 0,
        "otherTags": 0,
    }
    assert {each["name"]: (each["state"], each["reason"], each["accountId"]) for each in report["instances"]} == {
        "batch-1": ("running", "NO_SOURCE_SERVER", apps),
        HOSTILE: ("stopped", "NO_SOURCE_SERVER", apps),
        "AWS Elastic Disaster Recovery Replication Server": ("running", "NO_SOURCE_SERVER", apps),
    }
    assert [each["why"] for each in report["instances"]] == ["no source server has this instance as its source"] * 3
    assert (report["sourceServers"], report["unknown"], report["serverScopesUnknown"]) == (6, [], [])
    assert report["lookedAt"] == sorted(
        (
            {"accountId": apps, "region": HERE, "protected": 3, "unprotected": 3, "leftOut": 4},
            {"accountId": a, "region": "us-west-2", "protected": 2, "unprotected": 0, "leftOut": 0},
        ),
        key=lambda each: str(each["accountId"]),
    )
    # One call of EC2 for each account and region; DRS is asked once about the account that no record names.
    assert (calls["ec2", "DescribeInstances"], calls["drs", "DescribeSourceServers"]) == (2, 1)
    assert {scope: (each.is_known, each.protected, each.unprotected) for scope, each in found.summaries.items()} == {
        Scope(apps, HERE): (True, 3, 3),
        Scope(a, "us-west-2"): (True, 2, 0),
    }
    assert found.run is not None
    assert (found.run.scopes, found.run.not_looked_at[HERE], found.run.not_looked_at["eu-west-1"]) == (2, 1, 2)


async def test_instances_of_other_accounts_are_left_out(sandbox: EngineSandbox) -> None:
    add_instances(sandbox, sandbox.names.apps, HERE, 1)
    *_, added = ec2_backends[sandbox.names.apps][HERE].reservations.values()
    added.owner_id = sandbox.names.hub
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app)
    assert (numbers(report), report["leftOut"]["otherAccounts"]) == ((5, 0, 1), 1)


async def test_regions_without_servers_are_named_and_looked_at_on_request(sandbox: EngineSandbox) -> None:
    a, apps = sandbox.names.a, sandbox.names.apps
    add_instances(sandbox, apps, "sa-east-1", 2)
    add_instances(sandbox, a, "sa-east-1", 1)
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app)
        left = {each["region"]: each["accounts"] for each in report["notLookedAt"]}
        assert (numbers(report), left["sa-east-1"], left[HERE], left["us-west-2"]) == ((5, 0, 0), 2, 1, 1)
        report = await look(app, regions=("sa-east-1",))
        left = {each["region"]: each["accounts"] for each in report["notLookedAt"]}
        assert (numbers(report), left[HERE], "sa-east-1" in left) == ((0, 3, 0), 2, False)
        assert report["regionSource"] == "requested"
        report = await look(app, accounts=(a,), regions=("sa-east-1", "us-west-2"))
        assert numbers(report) == (2, 1, 0)
        assert {scope.region for scope in (await estate(app)).summaries} == {HERE, "us-west-2", "sa-east-1"}


async def test_tags_restrict_what_is_listed_and_leave_no_summary(sandbox: EngineSandbox) -> None:
    add_instances(sandbox, sandbox.names.apps, HERE, INSTANCES)
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app, tags=["dr=yes"])
        found = await estate(app)
    assert [each["name"] for each in report["instances"]] == ["batch-1"]
    assert (numbers(report), report["leftOut"]["otherTags"], report["tags"]) == ((0, 1, 11), 8, ["dr=yes"])
    assert found == EstateCoverage({}, None)


async def test_an_account_that_denies_is_unknown_and_not_covered(sandbox: EngineSandbox) -> None:
    a, apps = sandbox.names.a, sandbox.names.apps
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        await look(app)
        sandbox.faults(deny=[{"account_id": apps, "service": "ec2"}])
        report = await look(app)
        denied = (await estate(app)).summaries
        sandbox.faults()
        await look(app)
        again = (await estate(app)).summaries
    assert (report["status"], numbers(report)) == ("partial", (2, 0, 0))
    [unknown] = report["unknown"]
    assert (unknown["accountId"], unknown["region"], unknown["operation"]) == (apps, HERE, "DescribeInstances")
    assert "ec2:DescribeInstances" in unknown["advice"]
    assert [each["accountId"] for each in report["lookedAt"]] == [a]
    here = denied[Scope(apps, HERE)]
    assert (here.is_known, here.protected, here.failure["code"]) == (False, 3, unknown["code"])
    assert here.failed_since is not None
    assert denied[Scope(a, "us-west-2")].is_known
    assert again[Scope(apps, HERE)].is_known


async def test_an_account_without_the_role_is_unknown(start_sandbox: Callable[..., EngineSandbox]) -> None:
    sandbox = start_sandbox(b={})
    other = sandbox.add_account(kind="application", role=None)
    sandbox.add(sandbox.names.a, "us-west-2", servers=1, origin={"account_id": other, "region": HERE})
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app)
    [unknown] = report["unknown"]
    assert (unknown["accountId"], unknown["service"], report["status"]) == (other, "sts", "partial")
    assert "role" in unknown["advice"]


async def test_an_account_that_only_the_inventory_names_is_not_entered(sandbox: EngineSandbox) -> None:
    """Whoever can write to the inventory table must not decide which accounts the hub enters."""
    apps = sandbox.names.apps
    await sandbox.sync()
    for record in sandbox.records(sandbox.names.a, "ca-central-1"):
        record.get("sourceCloudProperties", {})["originAccountID"] = sandbox.names.a
    sandbox.calls()
    async with open_app(load_settings()) as app:
        report = await look(app)
    [unknown] = report["unknown"]
    assert (unknown["accountId"], unknown["code"], unknown["errorClass"]) == (
        apps,
        "AccountNotNamed",
        "AccountNotNamed",
    )
    calls = sandbox.calls()
    assert (calls["sts", "AssumeRole"], calls["drs", "DescribeSourceServers"]) == (1, 3)  # A alone, about three servers


async def test_an_account_that_drs_cannot_confirm_is_unknown(sandbox: EngineSandbox) -> None:
    a, apps = sandbox.names.a, sandbox.names.apps
    await sandbox.sync()
    sandbox.faults(deny=[{"account_id": a, "region": "ca-central-1", "service": "drs"}])
    async with open_app(load_settings()) as app:
        report = await look(app)
    [unknown] = report["unknown"]
    assert (unknown["accountId"], unknown["code"]) == (apps, "AccessDeniedException")
    assert f"DRS in ca-central-1 of {a} could not confirm that servers come from the account" in unknown["message"]
    assert "drs:DescribeSourceServers" in unknown["advice"]


async def test_servers_that_are_not_known_make_the_answer_incomplete(sandbox: EngineSandbox) -> None:
    """An instance may be protected by a server that the inventory lacks."""
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": "sa-east-1", "service": "drs"}])
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app)
        found = await estate(app)
    [problem] = report["errors"]
    assert (report["status"], problem["code"], report["unknown"]) == ("partial", "ServersUnknown", [])
    assert report["serverScopesUnknown"] == [{"accountId": sandbox.names.b, "region": "sa-east-1"}]
    assert "drs-sync sync inventory" in problem["advice"]
    assert {each.server_scopes_unknown for each in found.summaries.values()} == {1}


async def test_a_server_that_waits_in_a_staging_account_protects_its_instance(sandbox: EngineSandbox) -> None:
    """The inventory has what targets have; only DRS of the staging account shows the others."""
    staging, apps = new_account_id(), sandbox.names.apps
    origin = {"account_id": apps, "region": HERE}
    account = {"account_id": staging, "kind": "staging", "regions": {"ca-central-1": {"servers": 2, "origin": origin}}}
    sandbox.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))
    records = [{"accountId": staging, "externalId": "drs-orchestration-cross-account"}]
    sandbox.change_target(sandbox.names.a, stagingAccounts=records)
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app)
        assert (report["status"], numbers(report), report["sourceServers"]) == ("complete", (7, 0, 0), 8)
        sandbox.faults(deny=[{"account_id": staging, "service": "drs"}])
        report = await look(app)
    assert (report["status"], numbers(report)) == ("partial", (5, 2, 0))
    assert report["serverScopesUnknown"] == [
        {"accountId": staging, "region": region} for region in ("ca-central-1", "eu-west-1")
    ]
    [problem] = report["errors"]
    assert (problem["accountId"], problem["regions"], problem["code"]) == (
        staging,
        ["ca-central-1", "eu-west-1"],
        "AccessDeniedException",
    )


async def test_nothing_known_is_not_complete(sandbox: EngineSandbox) -> None:
    async with open_app(load_settings()) as app:
        report = await look(app)
    assert (report["status"], report["sourceServers"], numbers(report)) == ("partial", 0, (0, 0, 0))
    assert [each["code"] for each in report["errors"]] == ["ServersUnknown"]
    assert report["serverScopesUnknown"] is None


async def test_an_inventory_that_cannot_be_read_ends_the_run(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    table = load_settings().source_server_inventory_table
    sandbox.faults(
        deny=[{"account_id": sandbox.names.hub, "service": "dynamodb", "operations": ["Query"], "table": table}]
    )
    async with open_app(load_settings()) as app:
        with pytest.raises(AwsError):
            await look(app)


async def test_a_summary_that_cannot_be_written_is_told(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    table = load_settings().source_server_topology_table
    sandbox.faults(
        deny=[{"account_id": sandbox.names.hub, "service": "dynamodb", "operations": ["PutItem"], "table": table}]
    )
    async with open_app(load_settings()) as app:
        report = await look(app)
    assert (report["status"], report["unknown"], numbers(report)) == ("partial", [], (5, 0, 0))
    assert {each["operation"] for each in report["errors"]} == {"PutItem"}


async def test_without_a_table_a_warning_says_that_no_summary_is_kept(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    sandbox.set(SOURCE_SERVER_TOPOLOGY_TABLE="")
    async with open_app(load_settings()) as app:
        report = await look(app)
    assert (report["status"], [each["code"] for each in report["warnings"]]) == ("complete", ["NoTopologyTable"])


async def test_an_account_that_has_nothing_to_do_with_servers_is_refused(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        with pytest.raises(UnknownScopeError, match="no source server comes from account 123456789012"):
            await look(app, accounts=("123456789012",))
        with pytest.raises(UnknownScopeError, match="us-wset-2"):
            await look(app, regions=("us-wset-2",))


async def test_a_recorded_account_is_looked_at_where_servers_of_others_come_from(sandbox: EngineSandbox) -> None:
    add_instances(sandbox, sandbox.names.b, HERE, 1)
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app, accounts=(sandbox.names.b,))
    assert [(each["region"], each["unprotected"]) for each in report["lookedAt"]] == [(HERE, 1), ("us-west-2", 0)]


async def test_time_that_is_up_leaves_scopes_unknown(sandbox: EngineSandbox) -> None:
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        await look(app)
        app.deps.shutdown.request()
        report = await look(app)
        summaries = (await estate(app)).summaries
    assert (report["status"], len(report["unknown"])) == ("failed", 2)
    assert {each["code"] for each in report["unknown"]} == {"DeadlineExceeded"}
    assert not any(each.is_known for each in summaries.values())


async def test_a_protected_instance_is_listed_once_its_server_is_disconnected(sandbox: EngineSandbox) -> None:
    [record, *_] = sandbox.records(sandbox.names.a, "eu-west-1")
    record["dataReplicationInfo"]["dataReplicationState"] = "DISCONNECTED"
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app)
    [listed] = report["instances"]
    server_id = record["sourceServerID"]
    assert (listed["reason"], listed["sourceServerID"]) == ("SERVER_DISCONNECTED", server_id)
    assert (listed["why"], numbers(report)) == (f"its source server {server_id} is disconnected", (4, 1, 0))


async def test_a_recovered_instance_is_protected_once_it_is_replicated_in_turn(sandbox: EngineSandbox) -> None:
    """After a failover production runs on the recovery instance, in the region to which servers replicate."""
    a, recovery_region = sandbox.names.a, "ca-central-1"
    add_instances(sandbox, a, recovery_region, [{"launched_by_drs": "recovery", "name": "app-1"}])
    [reservation] = ec2_backends[a][recovery_region].reservations.values()
    await sandbox.sync()
    async with open_app(load_settings()) as app:
        report = await look(app, accounts=(a,), regions=(recovery_region,))
        assert (numbers(report), report["leftOut"]["recoveryInstances"]) == ((0, 0, 1), 1)
        reversed_server = {
            "replicationDirection": "FAILBACK",
            "sourceProperties": {"identificationHints": {"awsInstanceID": reservation.instances[0].id}},
            "sourceCloudProperties": {"originAccountID": a, "originRegion": recovery_region},
        }
        sandbox.add(sandbox.names.b, "eu-west-1", servers=[{"record": reversed_server}])
        await sandbox.sync(full_scan=True)
        app.deps.status.invalidate()
        report = await look(app)
    [counts] = [each for each in report["lookedAt"] if each["region"] == recovery_region]
    assert (counts["accountId"], counts["protected"], counts["leftOut"]) == (a, 1, 0)
