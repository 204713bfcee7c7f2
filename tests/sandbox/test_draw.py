"""Fleets drawn from a seed: the same ones for the same seed, plausible, and within DRS's quotas."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sandbox.draw import MAX_REPLICATING_SERVERS, MAX_SERVERS
from service.sandbox.ec2_instances import has_zone
from service.sandbox.fleet import FleetError, parse_fleet, parse_model
from service.sandbox.fleet_draw import draw_fleet, drawn
from service.sandbox.fleet_models import Account, Fleet
from service.sandbox.server_plans import locations_of

_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


def _total(fleet: Fleet) -> int:
    """Return the number of source servers, extended ones included."""
    regions = [region for account in fleet.accounts for region in account.regions.values()]
    return sum(region.number + sum(each.count or 0 for each in region.extended_from) for region in regions)


def _quotas(account: Account) -> list[tuple[int, int]]:
    """Return the numbers of own servers and of all servers in each region."""
    return [
        (region.number, region.number + sum(each.count or 0 for each in region.extended_from))
        for region in account.regions.values()
    ]


@settings(max_examples=40)
@given(
    servers=st.integers(0, 6000),
    seed=st.integers(),
    accounts=st.none() | st.integers(1, 40),
    regions=st.lists(st.sampled_from(_REGIONS), min_size=1, unique=True),
)
def test_a_drawn_fleet_has_as_many_servers_as_asked_for_within_the_quotas(
    servers: int, seed: int, accounts: int | None, regions: list[str]
) -> None:
    most = MAX_REPLICATING_SERVERS * 13 * len(regions) * (accounts or 1000)
    members: dict[str, Any] = {"seed": seed, "accounts": accounts, "regions": regions}
    if servers > most:
        with pytest.raises(FleetError, match="do not fit into"):
            draw_fleet(servers, **members)
        return
    fleet = draw_fleet(servers, **members)
    assert _total(fleet) == servers
    for account in fleet.accounts:
        assert set(account.regions) <= set(regions)
        for own, total in _quotas(account):
            assert own <= MAX_REPLICATING_SERVERS
            assert total <= MAX_SERVERS
        for name, region in account.regions.items():
            assert all(
                has_zone(each.region, each.availability_zone) and each.region != name
                for each in locations_of(account.account_id, name, region)
            )
    if accounts:
        assert sum("target" in account.kinds for account in fleet.accounts) == accounts


def test_the_same_seed_draws_the_same_fleet_and_another_one_another() -> None:
    once, again, other = (draw_fleet(700, seed=seed) for seed in (7, 7, 8))
    assert once == again
    assert once != other


def test_a_client_without_settings_sees_servers_of_a_drawn_fleet() -> None:
    hub = draw_fleet(20, seed=3).hub
    account = draw_fleet(20, seed=3).account(hub.account_id)
    assert account is not None
    assert account.regions[hub.region].number > 0


def test_a_large_drawn_fleet_is_plausible() -> None:
    fleet = draw_fleet(100_000, seed=7)
    assert _total(fleet) == 100_000
    kinds = Counter(kind for account in fleet.accounts for kind in account.kinds)
    assert kinds["target"] == 100
    assert min(kinds["staging"], kinds["application"]) >= 50
    regions = [region for account in fleet.accounts for region in account.regions.values()]
    states = Counter(server.state for region in regions for server in region.servers)
    assert 0.85 < states["CONTINUOUS"] / states.total() < 0.95
    assert len(states) == 9  # a few servers are in each other state
    assert 0.02 < sum(server.on_premises for region in regions for server in region.servers) / states.total() < 0.3
    assert len({region.hostname_prefix for region in regions}) > 20
    assert {region.templates for region in regions} == {1, 2}


def test_a_fleet_file_declares_a_draw_beside_its_accounts() -> None:
    fleet = drawn(
        parse_fleet("""
hub: {account_id: "300000000001"}
draw: {seed: 7, servers: 40, accounts: 2, regions: [eu-west-1]}
accounts: [{account_id: "300000000002", regions: {us-west-2: {servers: 3}}}]
""")
    )
    ids = [account.account_id for account in fleet.accounts]
    assert ids[0] == "300000000002"
    assert len(set(ids)) == len(ids)
    assert "300000000001" not in ids, "a drawn account has the id of the hub"
    assert _total(fleet) == 43
    assert fleet.draw is None
    assert drawn(fleet) is fleet


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        ({"servers": 100_001}, "draw.servers: "),
        ({"servers": 10, "regions": []}, "draw.regions: "),
        ({"servers": 10, "accounts": 0}, "draw.accounts: "),
        ({"seed": 7}, "draw.servers: Field required"),
    ],
)
def test_errors_name_the_invalid_member_of_a_draw(draw: dict[str, Any], expected: str) -> None:
    with pytest.raises(FleetError) as caught:
        parse_model(Fleet, {"hub": {"account_id": "999900001111"}, "draw": draw}, "fleet")
    assert expected in str(caught.value)


def test_too_many_servers_for_the_accounts_are_refused_with_the_fix() -> None:
    with pytest.raises(FleetError, match="Fix: give more accounts or regions"):
        draw_fleet(4000, accounts=1, regions=["us-west-2"])


def test_extending_more_servers_than_a_scope_may_have_is_refused() -> None:
    staging = [{"account_id": f"{600000000000 + n}", "regions": {"us-west-2": {"servers": 2000}}} for n in (1, 2)]
    extended_from = [{"account_id": each["account_id"]} for each in staging]
    target = {"account_id": "600000000009", "regions": {"us-west-2": {"servers": 1, "extended_from": extended_from}}}
    with pytest.raises(FleetError, match=r"has 4001 servers in us-west-2 .* Fix: extend fewer"):
        parse_model(Fleet, {"hub": {"account_id": "600000000000"}, "accounts": [*staging, target]}, "fleet")
