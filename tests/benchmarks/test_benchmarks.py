"""Tests of the benchmarks: figures, targets, scenarios, and a run of small scenarios."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import page, table
from benchmarks.__main__ import main
from benchmarks.calibration import LoopTime
from benchmarks.contestants.floor_first import topology_items
from benchmarks.endpoint.estate import Estate
from benchmarks.runner import Result, percentile, play
from benchmarks.scenarios import SCENARIOS
from benchmarks.short import SHORT
from benchmarks.targets import Target, evaluate, load
from service.inventory.server import SourceServer, parse_server
from service.models import Scope
from service.sandbox.faults import Faults
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet
from service.topology.keys import topology_key
from service.topology.lineage import name_items, server_names

pytestmark = pytest.mark.deep

SECONDS = st.lists(st.floats(0, 1000), min_size=1)


def _result(run: str = "new", *, scenario: str = "s", **more: Any) -> Result:
    members: dict[str, Any] = {
        "contestant": "drs_sync",
        "wall_s": 4.0,
        "seconds": (3.0,),
        "cpu_s": 1.0,
        "peak_mb": 50.0,
        "calls": {},
    }
    members["loop"] = LoopTime(0.1, 0.1)
    return Result(scenario, run, **{**members, **more})


@given(SECONDS, st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_enough_values_do_not_exceed(seconds: list[float], share: float) -> None:
    value = percentile(seconds, share)
    assert value in seconds
    assert sum(each <= value for each in seconds) >= share * len(seconds) - 1e-9
    assert sum(each < value for each in seconds) < share * len(seconds)


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("wall_s", 4.0),
        ("work_s", 2.0),
        ("p95_s", 3.0),  # the first, 9 s, is cold
        ("drs_calls", 7),
        ("sts_calls", 0),
        ("drs_calls_per_serversExtended", 1.4),
        ("serversExtended", 5),
        ("work_cpu_s", 0.5),
        ("best_s", 1.0),
        ("best_cpu_s", 0.4),
        ("start_s", -12.0),  # the whole process minus its work
    ],
)
def test_figures_by_name(figure: str, value: float) -> None:
    calls = {"drs:DescribeSourceServers": 3, "drs:TagResource": 4, "dynamodb:Scan": 1}
    result = _result(
        seconds=(9.0, 1.0, 2.0, 3.0, 1.0), calls=calls, facts={"serversExtended": 5}, cpu_seconds=(0.9, 0.5, 0.4)
    )
    assert result.figure(figure) == value


def test_a_figure_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(KeyError):
        _result().figure("serversExtended")


@pytest.mark.parametrize(
    ("bound", "met"),
    [
        ({"exactly": 4}, True),
        ({"exactly": 3}, False),
        ({"at_most": 4}, True),
        ({"at_most": 3.9}, False),
        ({"at_least": 4}, True),
        ({"at_least": 4.1}, False),
        ({"at_least": 1, "at_most": 3}, False),
    ],
)
def test_targets_are_validated(bound: dict[str, Any], *, met: bool) -> None:
    [evaluation] = evaluate([Target("w", "s", "new", "wall_s", **bound)], [_result()])
    assert (evaluation.value, evaluation.met) == (4.0, met)


def test_a_ratio_is_the_other_run_over_this_one() -> None:
    target = Target("w", "s", "new", "wall_s", over="reference", over_figure="work_s", at_least=20)
    results = [_result(), _result("reference", seconds=(100.0,))]
    [evaluation] = evaluate([target], results)
    assert (evaluation.value, evaluation.met) == (25.0, True)
    assert evaluate([target], results[:1]) == []  # nothing to compare with
    assert evaluate([target], [_result(scenario="other")]) == []


def test_a_cost_is_this_run_over_the_other_one() -> None:
    results = [_result(), _result("floor", wall_s=2.0)]
    [dear, later] = evaluate(
        [
            Target("w", "s", "new", "wall_s", per="floor", at_most=1.5),
            Target("w", "s", "new", "wall_s", minus="floor", at_most=2),
        ],
        results,
    )
    assert (dear.value, dear.met) == (2.0, False)
    assert (later.value, later.met) == (2.0, True)
    assert evaluate([Target("w", "s", "new", "wall_s", per="floor", at_most=1.5)], results[:1]) == []


def test_every_target_names_a_run_of_its_scenario() -> None:
    runs = {(scenario.name, run.name) for scenario in (*SCENARIOS, *SHORT) for run in scenario.runs}
    for target in load():
        assert (target.scenario, target.run) in runs
        for other in filter(None, (target.over, target.minus, target.per)):
            assert (target.scenario, other) in runs
        assert target.bound


@pytest.mark.parametrize("scenario", [*SCENARIOS, *SHORT], ids=lambda scenario: scenario.name)
def test_fleets_and_faults_are_what_the_sandbox_takes(scenario: Any) -> None:
    parse_model(Faults, scenario.faults, scenario.name)
    fleets = (scenario.fleet, scenario.quick_fleet, *(run.fleet for run in scenario.runs if run.fleet))
    for fleet in fleets:
        if not isinstance(fleet, Estate):
            parse_model(Fleet, fleet, scenario.name)


def test_the_page_shows_words_as_words() -> None:
    result = _result(run="<b>", calls={"drs:X": 1})
    target = {"what": "<script>", "scenario": "s", "bound": "at most 1", "value": 2.0, "met": False}
    text = page.render(
        {"machine": {"cpus": 2}, "results": [json.loads(json.dumps(result.as_json()))], "targets": [target]}
    )
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text


def test_a_missed_target_shows_in_the_table() -> None:
    [evaluation] = evaluate([Target("fast", "s", "new", "wall_s", at_most=1)], [_result()])
    assert table.render([_result()], [evaluation]).splitlines()[-1].split() == [
        "s:",
        "fast",
        "at",
        "most",
        "1",
        "4",
        "NO",
    ]


def test_a_scenario_that_does_not_exist_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nope"])
    assert ended.value.code == 2
    assert "inventory_query" in capsys.readouterr().err


@pytest.mark.timeout(300)
def test_small_scenarios_run_to_their_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_file, page_file = tmp_path / "results.json", tmp_path / "page.html"
    assert main(["five_regions", "elsewhere", "--quick", "--json", str(results_file), "--html", str(page_file)]) == 0
    results = {(each["scenario"], each["run"]): each for each in json.loads(results_file.read_text())["results"]}
    new = results["five_regions", "staging"]
    assert new["calls"]["drs:CreateExtendedSourceServer"] == new["facts"]["serversExtended"] == 20
    assert results["five_regions", "extended"]["facts"]["servers"] == 20
    warm, floor = results["elsewhere", "warm"], results["elsewhere", "floor"]
    assert warm["facts"]["serversUnchanged"] == floor["facts"]["servers"] == 12
    assert len(warm["cpu_seconds"]) == len(floor["cpu_seconds"]) == 7
    assert floor["calls"]["drs:DescribeSourceServers"] == 7 * 4
    assert page_file.read_text().startswith("<!doctype html>")
    assert "five_regions" in capsys.readouterr().out


@pytest.mark.timeout(120)
def test_the_tag_and_staging_syncs_find_nothing_to_do_in_an_estate_that_is_synced() -> None:
    [at_size] = [each for each in SCENARIOS if each.name == "at_size"]
    names = ("tags_accounts_62", "tags_accounts_62_floor", "staging_accounts_62")
    few = replace(at_size, runs=tuple(replace(each, options={}) for each in at_size.runs if each.name in names))
    tags, floor, staging = play(replace(few, faults={}), quick=True, progress=lambda _: None)
    assert tags.facts["serversUnchanged"] == tags.facts["serversSynced"] == floor.facts["servers"] == 12
    assert {"drs:TagResource", "drs:UpdateLaunchConfiguration"}.isdisjoint(tags.calls)
    assert tags.facts["scopes_scanned"] == staging.facts["scopes_scanned"] == floor.facts["scopes_scanned"] == 4
    assert staging.calls["drs:ListExtensibleSourceServers"] == 5 * 4
    assert "drs:CreateExtendedSourceServer" not in staging.calls


@pytest.mark.timeout(120)
def test_the_floor_of_a_first_sync_makes_the_same_drs_calls_and_writes_the_same_items() -> None:
    [first_sync] = [each for each in SCENARIOS if each.name == "first_sync"]
    few = replace(first_sync, runs=first_sync.runs[:2], faults={})
    ours, floor = play(few, quick=True, progress=lambda _: None)
    assert ours.facts["serversWritten"] == floor.facts["serversWritten"] == 6
    of_drs = [{name: n for name, n in each.calls.items() if name.startswith("drs:")} for each in (ours, floor)]
    assert of_drs[0] == of_drs[1]
    assert of_drs[0]["drs:GetReplicationConfiguration"] == 6
    record = Estate(1, 1, 1).record(Scope("200000000000", "us-west-2"), 0)
    server = parse_server(record)
    assert isinstance(server, SourceServer)
    written = name_items(server.lineage, server.arn, server_names(server))
    keys = {(each["pk"], each["sk"]) for each in written} | {tuple(topology_key(server.arn).values())}
    assert {(each["pk"], each["sk"]) for each in topology_items(record, [], None)} == keys
