"""Tests of the cost model: it adds up, it grows with the estate, and docs/scale.md shows its output."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale import facts
from benchmarks.scale.__main__ import main, render
from benchmarks.scale.model import Estate, plan
from service.aws.rate_limit import RateSettings, start_rates
from service.sync.engine.shards import MAX_SHARDS
from tests.deploy.templates import FOLDER, template
from tests.shards.machine import definition

ESTATES = st.builds(
    Estate,
    accounts=st.integers(1, 20_000),
    regions=st.integers(1, facts.REGIONS),
    servers=st.integers(0, 4000),
    per_hour=st.floats(0.1, 60),
    changes_per_day=st.floats(0, 50),
    accounts_per_shard=st.integers(1, 1000),
)
GROWTH_FACTORS = ("accounts", "regions", "servers", "changes_per_day")


def test_the_page_shows_the_output_of_the_command() -> None:
    page = (FOLDER.parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
    shown = page.split("<!-- python -m benchmarks.scale -->\n")[1].split("<!-- end -->")[0]
    assert shown == render(plan(Estate()))


def test_what_the_page_says_of_write_units_in_steady_state_and_with_changes() -> None:
    page = (FOLDER.parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
    still, daily = (plan(Estate(changes_per_day=changes)).units_per_server for changes in (0.0, 1.0))
    assert f"{still:.0f} write units per server and month while nothing happens to servers" in page
    assert f"is {daily - still:.0f} of {daily:.0f} units" in page
    assert (
        plan(Estate(changes_per_day=0.9)).units_per_server < 500 < plan(Estate(changes_per_day=0.91)).units_per_server
    )


@given(ESTATES, st.sampled_from(GROWTH_FACTORS))
def test_more_of_anything_costs_no_less(estate: Estate, name: str) -> None:
    more = replace(
        estate, **{name: min(facts.REGIONS, estate.regions + 1) if name == "regions" else getattr(estate, name) * 2}
    )
    less, greater = plan(estate), plan(more)
    assert sum(greater.write_units.values()) >= sum(less.write_units.values())
    assert greater.read_units >= less.read_units
    if name != "regions":  # an active region is scanned instead of being discovered
        assert sum(greater.calls.values()) >= sum(less.calls.values())


@given(ESTATES)
def test_the_parts_add_up_and_nothing_is_negative(estate: Estate) -> None:
    planned = plan(estate)
    for part in (planned.calls, planned.seconds, planned.write_units, planned.dollars, planned.heat, planned.limits):
        assert all(value >= 0 for value in part.values())
    assert planned.as_json()["dollarsPerMonth"] == pytest.approx(sum(planned.dollars.values()))
    assert 1 <= planned.shards <= MAX_SHARDS
    assert estate.idle + estate.scopes == estate.accounts * facts.REGIONS
    writes = sum(planned.write_units.values())
    assert planned.units_per_server * estate.all_servers == pytest.approx(writes if estate.all_servers else 0.0)


@given(ESTATES)
def test_shards_take_no_longer_than_one_process(estate: Estate) -> None:
    planned = plan(estate)
    assert planned.seconds["a shard"] <= planned.seconds["one process"] + 1e-9


def test_an_unchanged_estate_stays_below_its_goals() -> None:
    thousand = plan(Estate(accounts=1, regions=5, servers=200, changes_per_day=0))
    drs = [value for name, value in thousand.calls.items() if name.startswith(("DescribeSource", "GetReplication"))]
    assert sum(drs) < 20
    assert thousand.units_per_server < 500


def test_assumed_facts_match_the_code_and_the_templates() -> None:
    assert start_rates(RateSettings(1, 1, 1))["sts"].per_second == facts.STS_RATE
    assert definition()["States"]["Shards"]["MaxConcurrency"] == facts.SHARDS_AT_ONCE
    function = template("functions.yaml")["Resources"]["DataManagementHandlerFunction"]["Properties"]
    assert function["MemorySize"] == Estate().memory_gb * 1024
    assert function["Timeout"] - 10 == facts.FUNCTION_S


def test_the_command_takes_any_estate_and_refuses_one_that_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--accounts", "10", "--output", "json"]) == 0
    shown: Any = json.loads(capsys.readouterr().out)
    assert (shown["estate"]["accounts"], shown["shards"]) == (10, 1)
    with pytest.raises(SystemExit, match="2"):
        main(["--accounts", "-1"])
