"""Fleet files: parsing, defaults, merging, and error messages for invalid members."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.fleet import FleetError, demo_fleet, load_fleet, merged, parse_fleet, parse_model
from service.sandbox.fleet_models import Fleet, Fragment, Role

_YAML = """
hub: {account_id: 999900001111}
tables: {prefix: hrp, environment: dev}
accounts:
  - account_id: "111122223333"
    kind: [target, staging]
    regions:
      us-west-2: {servers: 2, on_premises: 1}
      us-east-2: {servers: [{hostname: db-1, state: STALLED, tags: {Tier: db}}]}
faults: {latency_ms: {drs: 80}, throttle: {requests_per_second: 5}}
"""


def test_yaml_is_read() -> None:
    fleet = parse_fleet(_YAML)
    account = fleet.accounts[0]
    assert fleet.hub.account_id == "999900001111"
    assert fleet.tables.name_of("target-accounts") == "hrp-target-accounts-dev"
    assert account.kinds == ("target", "staging")
    assert [len(list(region.all_servers())) for region in account.regions.values()] == [3, 1]
    assert account.regions["us-east-2"].servers[0].state == "STALLED"
    assert fleet.faults.latency_s("drs") == 0.08
    assert fleet.faults.latency_s("ec2") == 0.0


def test_a_time_in_yaml_is_text_as_in_an_answer_of_drs() -> None:
    fleet = parse_fleet("""
hub: {account_id: "999900001111"}
accounts:
  - account_id: "111122223333"
    regions:
      us-west-2: {servers: [{record: {lifeCycle: {addedToServiceDateTime: 2026-01-02T03:04:05Z}}}]}
""")
    (server,) = fleet.accounts[0].regions["us-west-2"].servers
    assert server.record == {"lifeCycle": {"addedToServiceDateTime": "2026-01-02T03:04:05Z"}}


def test_json_is_read(tmp_path: Path, members: dict[str, Any]) -> None:
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(members, indent="\t"))
    assert load_fleet(path) == parse_model(Fleet, members, "fleet")


def test_a_role_without_a_trust_policy_has_the_usual_one() -> None:
    assert parse_model(Role, {"trust_policy": None}, "role") == Role()


def test_names_of_tables_by_default() -> None:
    fleet = parse_fleet("hub: {account_id: '999900001111'}")
    assert fleet.tables.name_of("source-server-inventory") == "drs-orchestration-source-server-inventory-sandbox"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hub: {account_id: '99990000111'}", "hub.account_id: an account id has 12 digits"),
        ("hub: {account_id: 001122334455}", "write it in quotes"),
        ("hub: {account_id: true}", "write it in quotes"),
        ("hub: {account_id: '999900001111', colour: red}", "hub.colour: no such member"),
        ("accounts: []", "hub: Field required"),
        ("hub: {account_id: '999900001111', region: Oregon}", "hub.region: "),
        ("hub: [", "not YAML"),
        ("{'hub': 1}", "not JSON, although it starts with a brace"),
        ("- hub", "must be a mapping of members, not list"),
    ],
)
def test_errors_name_the_invalid_member(text: str, expected: str) -> None:
    with pytest.raises(FleetError) as caught:
        parse_fleet(text, "my-fleet.yaml")
    assert expected in str(caught.value)
    assert str(caught.value).startswith("my-fleet.yaml: ")


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ({"servers": -1}, "accounts[0].regions.us-west-2.servers: give a number of servers from 0 to 4000"),
        ({"servers": True}, "give a number of servers"),
        ({"servers": [{"state": "GREEN"}]}, "accounts[0].regions.us-west-2.servers[0].state: "),
        ({"initialized": False, "servers": 1}, "set initialized to true"),
        ({"extended_from": [{"account_id": "444455556666"}]}, "has us-west-2 initialized"),
        ({"extended_from": [{"account_id": "444455556666", "count": "some"}]}, "extended_from[0].count: "),
        ({"states": {}}, "accounts[0].regions.us-west-2.states: "),
    ],
)
def test_errors_name_the_invalid_member_of_a_region(region: dict[str, Any], expected: str) -> None:
    members = {
        "hub": {"account_id": "999900001111"},
        "accounts": [{"account_id": "111122223333", "regions": {"us-west-2": region}}],
    }
    with pytest.raises(FleetError) as caught:
        parse_model(Fleet, members, "fleet")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        ([{"account_id": "111122223333"}, {"account_id": "111122223333"}], "declared twice"),
        ([{"account_id": "111122223333", "staging_accounts": ["444455556666"]}], "is not declared"),
        ([{"account_id": "111122223333", "kind": "bank"}], "accounts[0].kind[0]: "),
        (
            [{"account_id": "111122223333", "instances": {"us-east-1": -1}}],
            "accounts[0].instances.us-east-1: give a number of instances from 0 to 4000",
        ),
    ],
)
def test_errors_name_conflicts_between_accounts(accounts: list[Any], expected: str) -> None:
    with pytest.raises(FleetError) as caught:
        parse_model(Fleet, {"hub": {"account_id": "999900001111"}, "accounts": accounts}, "fleet")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"latency_ms": {"s3": 1}}, "faults.latency_ms.s3"),
        ({"throttle": {"requests_per_second": 0}}, "faults.throttle.requests_per_second"),
        ({"fail": [{"operation": "DescribeSourceServers", "page": 2, "from_call": 2}]}, "page or from_call, not both"),
        ({"deny": [{"service": "drs"}]}, "faults.deny[0].account_id: Field required"),
        ({"deny": [{"account_id": "111122223333", "table": "t"}]}, "faults.deny[0]: drs has no tables"),
        ({"fail": [{"operation": "Scan", "table": "t"}]}, "faults.fail[0]: drs has no tables"),
    ],
)
def test_errors_name_the_invalid_member_of_faults(faults: dict[str, Any], expected: str) -> None:
    with pytest.raises(FleetError) as caught:
        parse_model(Fleet, {"hub": {"account_id": "999900001111"}, "faults": faults}, "fleet")
    assert expected in str(caught.value)


def test_error_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="cannot be read"):
        load_fleet(tmp_path / "none.yaml")


def test_fragment_adds_regions_and_keeps_the_rest(fleet: Fleet) -> None:
    fragment = parse_model(
        Fragment,
        {"accounts": [{"account_id": "111122223333", "regions_off": [], "regions": {"ap-south-1": {"servers": 1}}}]},
        "fragment",
    )
    account = merged(fleet, fragment).account("111122223333")
    assert account is not None
    assert account.name == "Retail DR"
    assert account.regions_off == frozenset()
    assert set(account.regions) == {"us-west-2", "eu-west-1", "ap-south-1"}


def test_fragment_that_does_not_fit_is_rejected(fleet: Fleet) -> None:
    fragment = parse_model(
        Fragment, {"accounts": [{"account_id": "222233334444", "staging_accounts": ["000000000000"]}]}, "fragment"
    )
    with pytest.raises(FleetError, match="staging account 000000000000"):
        merged(fleet, fragment)


def test_demo_fleet_has_the_documented_shape() -> None:
    fleet = demo_fleet()
    targets = [account for account in fleet.accounts if "target" in account.kinds]
    active = {
        name
        for account in targets
        for name, region in account.regions.items()
        if region.extended_from or any(region.all_servers())
    }
    assert len(targets) == 3
    assert len(active) == 5
    regions = [region for account in fleet.accounts for region in account.regions.values()]
    assert sum(len(list(region.all_servers())) for region in regions) > 100
    assert any(account.regions_off for account in targets)
