"""The Python API: a sandbox in one line, its clients, and what can be given to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service import sandbox as api
from service.sandbox import Fleet, FleetError, Sandbox, fleet_of, start
from tests.support.command import CHECKOUT

ID = "610000000001"


def test_a_sandbox_in_one_line_has_servers_for_a_client_without_settings() -> None:
    with start(servers=3, account_id=ID, states={"STALLED": 1}) as sandbox:
        servers = sandbox.client("drs").describe_source_servers()["items"]
        assert [each["dataReplicationInfo"]["dataReplicationState"] for each in servers] == ["STALLED"] * 3
        assert sandbox.environment()["AWS_REGION"] == "us-east-1"


def test_clients_of_other_accounts_and_regions() -> None:
    members = {
        "hub": {"account_id": ID},
        "accounts": [{"account_id": "610000000002", "regions": {"eu-west-1": {"servers": 2}}}],
    }
    with start(members) as sandbox:
        drs = sandbox.client("drs", account_id="610000000002", region="eu-west-1")
        assert len(drs.describe_source_servers()["items"]) == 2
        assert sandbox.client("sts").get_caller_identity()["Account"] == ID
        with pytest.raises(FleetError, match="no account 610000000003"):
            sandbox.client("drs", account_id="610000000003")


def test_clients_do_without_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:9\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with start(servers=1, account_id=ID) as sandbox:
        assert len(sandbox.client("drs").describe_source_servers()["items"]) == 1


def test_faults_and_additions_are_given_as_in_a_fleet_file() -> None:
    with start(servers=1, account_id=ID) as sandbox:
        sandbox.add({"accounts": [{"account_id": ID, "regions": {"us-east-1": {"servers": 2}}}]})
        drs = sandbox.client("drs")
        assert len(drs.describe_source_servers()["items"]) == 3
        sandbox.replace_faults({"deny": [{"account_id": ID}]})
        with pytest.raises(ClientError, match="AccessDeniedException"):
            drs.describe_source_servers()
        with pytest.raises(FleetError, match=r"faults.*: fix these members"):
            sandbox.replace_faults({"denied": []})


def test_a_fleet_comes_from_members_a_file_or_a_seed(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(f"hub: {{account_id: '{ID}'}}")
    fleet = fleet_of(path)
    assert fleet.hub.account_id == ID
    assert fleet_of(str(path)) == fleet == fleet_of({"hub": {"account_id": ID}}) == fleet_of(fleet)
    assert fleet_of(servers=20, seed=7, regions=["us-west-2"]) == fleet_of(servers=20, seed=7, regions=["us-west-2"])
    assert len(fleet_of().accounts[0].regions["us-east-1"].servers) == 10
    listed = fleet_of(servers=[{"hostname": "db-1"}], region="eu-west-1")
    assert listed.accounts[0].regions["eu-west-1"].servers[0].hostname == "db-1"
    assert listed.hub.region == "eu-west-1"


@pytest.mark.parametrize(
    ("source", "members", "expected"),
    [
        ({"hub": {"account_id": ID}}, {"servers": 1}, "Fix: give one of the two"),
        (None, {"serverz": 1}, r"serverz: no such member"),
        (None, {"servers": -1}, "give a number of servers"),
        ("no-such-file.yaml", {}, "cannot be read"),
    ],
)
def test_a_fleet_that_cannot_be_made_is_refused(source: Any, members: dict[str, Any], expected: str) -> None:
    with pytest.raises(FleetError, match=expected):
        fleet_of(source, **members)


def test_the_package_names_what_it_has_and_imports_nothing_before() -> None:
    assert set(api.__all__) <= set(dir(api))
    assert (api.Fleet, api.Sandbox) == (Fleet, Sandbox)
    with pytest.raises(AttributeError, match="no attribute 'Sandbok'"):
        api.Sandbok  # noqa: B018 - an attribute that does not exist
    code = "import sys, service.sandbox, service.client_environment; print({'moto', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=CHECKOUT)
    assert done.stdout == "set()\n"
