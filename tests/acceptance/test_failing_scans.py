"""Failing scans change no count, delete nothing, and are reported."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.endpoint import (
    Fault,
    Scope,
    access_denied,
    internal_error,
    malformed,
    service_control_policy,
)
from tests.acceptance.world import World

_OLD = "2026-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _few_regions(world: World) -> None:
    world.settings["DRS_REGIONS"] = "us-west-2 eu-west-1 sa-east-1 ap-south-1 me-south-1 us-east-1"


def test_denied_accounts_fail_alone_and_keep_what_was_known(world: World) -> None:
    """One role denies access, one account is under a service control policy; the third is healthy."""
    healthy, refusing, policed = world.account(), world.account(), world.account()
    remaining, deleted = world.servers(healthy, "us-west-2", 2)
    world.servers(refusing, "us-west-2", 3)
    world.servers(refusing, "eu-west-1", 1)
    world.servers(policed, "us-west-2", 4)
    world.sync()
    before = world.inventory()
    world.age_status()
    world.role(refusing).refuses = True
    for region in world.status():
        world.scope(policed, region).faults.append(Fault(service_control_policy))
    world.scope(healthy, "us-west-2").servers.remove(deleted)
    world.scope(refusing, "us-west-2").servers.clear()
    world.scope(policed, "us-west-2").servers.clear()

    run = world.sync(code=3)

    assert run.failed_accounts == {refusing, policed}
    assert run.report["status"] == "partial"
    assert run.report["regionsFailed"] >= 2
    after = world.inventory()
    assert set(before) - set(after) == {deleted["arn"]}
    assert {arn: item for arn, item in after.items() if arn != remaining["arn"]} == {
        arn: item for arn, item in before.items() if arn not in {remaining["arn"], deleted["arn"]}
    }
    assert world.counts() == {"us-west-2": 8, "eu-west-1": 1}
    assert world.entry("us-west-2", healthy)["serverCount"] == 1
    for account, count, word in ((refusing, 3, "IAM_PERMISSION_DENIED"), (policed, 4, "SCP_DENIED")):
        entry = world.entry("us-west-2", account)
        assert (entry["serverCount"], entry["status"]) == (count, word)
        assert entry["errorMessage"]
        assert entry["lastChecked"] > _OLD
    assert world.entry("eu-west-1", refusing)["serverCount"] == 1
    rows = world.status()
    assert rows["us-west-2"]["errorMessage"]
    assert rows["us-west-2"]["lastChecked"] > _OLD
    assert rows["eu-west-1"]["lastChecked"] > _OLD
    assert len([call for call in world.calls("sts", "AssumeRole") if refusing in call.detail["RoleArn"]]) == 1
    assert {call.account for call in world.calls("drs")} == {healthy, policed}

    world.role(refusing).refuses = False
    for region in rows:
        world.scope(policed, region).faults.clear()
    repaired = world.sync()

    assert repaired.report["errors"] == []
    assert world.counts() == {"us-west-2": 1, "eu-west-1": 1}
    assert len(world.inventory()) == 2
    assert not world.status()["us-west-2"].get("errorMessage")
    assert not world.entry("us-west-2", refusing).get("errorMessage")


def test_nothing_but_denials_is_a_failed_run(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.sync()
    world.role(account).refuses = True

    run = world.sync(code=1)

    assert run.report["status"] == "failed"
    assert run.failed_accounts == {account}
    assert world.counts() == {"us-west-2": 1}
    assert len(world.inventory()) == 1


def test_a_role_needs_the_external_id_of_its_record(world: World) -> None:
    own = world.account(external_id="an-id-of-its-own")
    wrong = world.account(externalId="not-what-the-role-asks-for")
    world.servers(own, "us-west-2", 1)
    world.servers(wrong, "us-west-2", 1)

    run = world.sync(code=3)

    assert run.failed_accounts == {wrong}
    assert world.counts() == {"us-west-2": 1}
    assert run.report["scopes"]["failed"] == 6


def test_a_page_that_fails_for_good(world: World) -> None:
    """The servers of page one are written; the items of servers on page two stay as they were."""
    account = world.account()
    first, _, third = world.servers(account, "us-west-2", 3)
    world.settings["DRS_PAGE_SIZE"] = "2"
    world.sync()
    world.age_status()
    first["sourceProperties"]["identificationHints"]["hostname"] = "renamed"
    scope = world.scope(account, "us-west-2")
    scope.servers.remove(third)
    extra = world.servers(account, "us-west-2", 1, first=9)[0]
    fault = Fault(internal_error, page=2)
    scope.faults.append(fault)

    run = world.sync(code=3)

    items = world.inventory()
    assert items[first["arn"]]["hostname"] == "renamed"
    assert third["arn"] in items
    assert extra["arn"] not in items
    assert world.counts() == {"us-west-2": 3}
    entry = world.entry("us-west-2", account)
    assert (entry["serverCount"], entry["status"]) == (3, "ERROR")
    assert "InternalServer" in entry["errorMessage"]
    assert entry["lastChecked"] > _OLD
    assert run.report["scopes"]["partial"] == 1
    assert run.report["regions"]["failed"] == ["us-west-2"]
    assert 2 <= fault.hits <= 5

    scope.faults.clear()
    world.sync()

    assert third["arn"] not in world.inventory()
    assert extra["arn"] in world.inventory()
    assert world.entry("us-west-2", account)["status"] == "ACTIVE"
    assert not world.entry("us-west-2", account).get("errorMessage")


def _hang(scope: Scope) -> None:
    scope.faults.append(Fault(internal_error, hang=True))


def _garble(scope: Scope) -> None:
    scope.faults.append(Fault(malformed))


def _drop(scope: Scope) -> None:
    scope.faults.append(Fault(None))


def _circle(scope: Scope) -> None:
    scope.repeats_token = True


def _deny(scope: Scope) -> None:
    scope.faults.append(Fault(access_denied))


def _break(scope: Scope) -> None:
    scope.faults.append(Fault(internal_error))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_hang, {"ENDPOINT_UNREACHABLE"}),
        (_drop, {"ENDPOINT_UNREACHABLE", "ERROR"}),
        (_garble, {"ERROR"}),
        (_circle, {"ERROR"}),
        (_deny, {"IAM_PERMISSION_DENIED"}),
        (_break, {"ERROR"}),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_one_bad_region_is_reported_and_harms_no_other(world: World, spoil: Any, words: set[str]) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 3)
    world.servers(account, "eu-west-1", 1)
    world.settings["DRS_PAGE_SIZE"] = "2"
    world.sync()
    before = world.inventory()
    world.age_status()
    world.servers(account, "eu-west-1", 1, first=2)
    spoil(world.scope(account, "us-west-2"))

    run = world.sync(code=3, READ_TIMEOUT_SECONDS="3")

    assert len([call for call in world.calls("drs") if call.region == "us-west-2"]) <= 8
    assert world.counts() == {"us-west-2": 3, "eu-west-1": 2}
    assert set(before) < set(world.inventory())
    entry = world.entry("us-west-2", account)
    assert entry["status"] in words, entry
    assert entry["serverCount"] == 3
    assert entry["errorMessage"]
    assert entry["lastChecked"] > _OLD
    assert "us-west-2" in run.report["regions"]["failed"]
    assert [error["accountId"] for error in run.report["errors"]] == [account]


def test_a_hang_beyond_the_deadline_of_its_scope(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.servers(account, "eu-west-1", 1)
    world.sync()
    _hang(world.scope(account, "us-west-2"))

    run = world.sync(code=3, SCOPE_DEADLINE_SECONDS="15", READ_TIMEOUT_SECONDS="30")

    assert world.counts() == {"us-west-2": 1, "eu-west-1": 1}
    assert run.report["scopes"]["failed"] == 1
    assert [error["code"] for error in run.report["errors"]] == ["DeadlineExceeded"]


def test_one_malformed_response_is_no_reason_to_fail(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.scope(account, "us-west-2").faults.append(Fault(internal_error, times=1))
    world.scope(account, "eu-west-1").faults.append(Fault(None, times=1))

    world.sync()

    assert world.counts() == {"us-west-2": 1}
