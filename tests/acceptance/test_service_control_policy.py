"""A service control policy that denies DRS: no failure where no servers are known, and one where they are."""

from __future__ import annotations

import pytest

from tests.acceptance.endpoint import Fault, access_denied, service_control_policy
from tests.acceptance.world import World

REGION = "us-west-2"


@pytest.fixture(autouse=True)
def _few_regions(world: World) -> None:
    world.settings["DRS_REGIONS"] = f"{REGION} eu-west-1 sa-east-1"


def test_a_service_control_policy_where_nothing_is_known_is_no_failure(world: World) -> None:
    account = world.account()
    world.servers(account, "eu-west-1", 1)
    for region in (REGION, "sa-east-1"):
        world.scope(account, region).faults.append(Fault(service_control_policy))
    for _ in range(2):
        run = world.sync()
        report = run.report
        assert (report["status"], report["errors"], report["scopes"]["failed"]) == ("complete", [], 0)
        assert {warning["status"] for warning in report["warnings"]} <= {"SCP_DENIED"}
        assert {figures["ScopesFailed"] for figures in run.metrics if "ScopesFailed" in figures} == {0}
    entry = world.entry(REGION, account)
    assert entry["status"] == "SCP_DENIED"
    assert "service control policy" in entry["errorMessage"]
    assert "serverCount" not in entry


def test_a_service_control_policy_where_servers_are_known_is_a_failure(world: World) -> None:
    account = world.account()
    world.servers(account, REGION, 2)
    world.servers(account, "eu-west-1", 1)
    world.sync()
    world.scope(account, REGION).faults.append(Fault(service_control_policy))
    report = world.sync(code=3).report
    assert [(error["status"], error["regions"]) for error in report["errors"]] == [("SCP_DENIED", [REGION])]
    assert report["scopes"]["failed"] == 1
    assert world.counts() == {REGION: 2, "eu-west-1": 1}
    assert len(world.inventory()) == 3
    assert world.entry(REGION, account)["status"] == "SCP_DENIED"


@pytest.mark.parametrize("job", ["tags", "staging"])
def test_the_other_syncs_make_the_same_difference(world: World, job: str) -> None:
    denied, healthy = world.account(), world.account()
    world.servers(denied, "eu-west-1", 1)
    world.servers(healthy, REGION, 1)
    world.sync()
    for operation in ("DescribeSourceServers", "ListStagingAccounts"):
        world.scope(denied, "sa-east-1").faults.append(Fault(service_control_policy, operation=operation))
    report = world.run("sync", job, "--region", "sa-east-1", "--account", denied).report
    assert ("SCP_DENIED" in {warning["status"] for warning in report["warnings"]}) is (job == "tags")
    assert not report["errors"]
    for operation in ("DescribeSourceServers", "ListStagingAccounts"):
        world.scope(denied, "eu-west-1").faults.append(Fault(service_control_policy, operation=operation))
    report = world.run("sync", job, "--region", "eu-west-1", "--account", denied).report
    assert {error["status"] for error in report["errors"]} == {"SCP_DENIED"}


def test_a_denial_without_a_policy_is_a_failure_where_nothing_is_known(world: World) -> None:
    account = world.account()
    world.scope(account, "sa-east-1").faults.append(Fault(access_denied))
    report = world.sync("--region", "sa-east-1", code=1).report
    assert [error["status"] for error in report["errors"]] == ["IAM_PERMISSION_DENIED"]
