"""The pytest plugin, as a test suite of somebody else uses it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import pytest

from tests.support.command import CHECKOUT

_PLUGIN: Final = "service.sandbox.pytest_plugin"
_LISTING: Final = """
import os
import boto3
import pytest

def servers():
    return boto3.client("drs").describe_source_servers()["items"]
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite of its own, in a process of its own, with the plugin as its entry point loads it."""
    monkeypatch.setenv("PYTHONPATH", CHECKOUT["PYTHONPATH"])
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", f"{_PLUGIN},xdist.plugin")
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", "http://127.0.0.1:9")
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error")
    return pytester


def run(suite: pytest.Pytester, code: str, *arguments: str) -> pytest.RunResult:
    suite.makepyfile(_LISTING + code)
    return suite.runpytest_subprocess(*arguments, timeout=300)


def test_a_test_gets_a_sandbox_of_its_own_with_the_fleet_that_it_names(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
def test_by_default(drs_sandbox):
    assert len(servers()) == 10
    assert drs_sandbox.endpoint_url == os.environ["AWS_ENDPOINT_URL"] == drs_sandbox.environment()["AWS_ENDPOINT_URL"]

@pytest.mark.drs_fleet(servers=2, states={"STALLED": 1}, tags_in_drs=2)
def test_by_marker(drs_sandbox):
    first, second = servers()
    assert first["dataReplicationInfo"]["dataReplicationState"] == "STALLED"
    drs_sandbox.client("drs").tag_resource(resourceArn=first["arn"], tags={"changed": "yes"})

@pytest.mark.drs_fleet(servers=2, states={"STALLED": 1}, tags_in_drs=2)
def test_nothing_is_left_of_another_test(drs_sandbox):
    assert not any("changed" in each["tags"] for each in servers())

@pytest.mark.drs_fleet(servers=40, seed=7)
def test_drawn(drs_sandbox):
    account, *_ = [each for each in drs_sandbox.fleet.accounts if each.regions]
    region = next(iter(account.regions))
    assert drs_sandbox.client("drs", account_id=account.account_id, region=region).describe_source_servers()["items"]

@pytest.mark.drs_fleet({"hub": {"account_id": "999900001111"}})
def test_whole(drs_sandbox):
    assert boto3.client("sts").get_caller_identity()["Account"] == "999900001111"

@pytest.mark.drs_fleet(serverz=2)
def test_a_fleet_that_cannot_be_made(drs_sandbox):
    pass

class TestOverridden:
    @pytest.fixture
    def drs_fleet(self):
        return {"hub": {"account_id": "999900002222"}}

    def test_it(self, drs_sandbox):
        assert boto3.client("sts").get_caller_identity()["Account"] == "999900002222"

def test_the_environment_is_as_before():
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert os.environ["AWS_PROFILE"] == "nobody-has-this"
    assert boto3.DEFAULT_SESSION is None
""",
    )
    result.assert_outcomes(passed=7, errors=1)
    result.stdout.fnmatch_lines(["*serverz: no such member. Fix: *"])


@pytest.mark.deep
def test_a_shared_sandbox_serves_the_whole_run_beside_those_of_tests(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
endpoints = set()

@pytest.mark.parametrize("number", range(4))
def test_it_is_always_the_same(number, drs_shared_sandbox, drs_sandbox):
    endpoints.add(drs_shared_sandbox.endpoint_url)
    assert len(endpoints) == 1
    assert os.environ["AWS_ENDPOINT_URL"] == drs_sandbox.endpoint_url not in endpoints
    assert len(drs_shared_sandbox.client("drs").describe_source_servers()["items"]) == 10
""",
        "-n2",
    )
    result.assert_outcomes(passed=4)


def test_a_run_without_it_imports_nothing_of_it(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
def test_it():
    import sys
    assert "service.sandbox.pytest_plugin" in sys.modules
    assert not {"moto", "pydantic", "service.sandbox.server", "service.sandbox.fleet"} & {*sys.modules}
""",
    )
    result.assert_outcomes(passed=1)


def test_without_the_extra_the_test_says_what_to_install(suite: pytest.Pytester) -> None:
    suite.makepyfile(moto="raise ImportError('not installed')")
    suite.makepyfile(test_it="def test_it(drs_sandbox): pass")
    result = suite.runpytest_subprocess("test_it.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the sandbox is not installed. Fix: pip install 'drs-sync[[]sandbox]'"])


def test_the_distribution_has_the_entry_point() -> None:
    project = tomllib.loads((Path(CHECKOUT["PYTHONPATH"]) / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"drs_sandbox": _PLUGIN}
