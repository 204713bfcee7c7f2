"""`drs-sync coverage`, run as a user runs it."""

from __future__ import annotations

import csv
import io

import pytest

from service.cli.main import run
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from tests.cli.test_servers import run_json
from tests.support.sandbox import EngineSandbox


@pytest.fixture
def synced(sandbox: EngineSandbox) -> EngineSandbox:
    """Provide an estate of which the inventory knows everything, with two instances that no server protects."""
    instances = {"us-east-1": [{"name": "batch", "tags": {"dr": "yes"}}, {"name": "[red]x"}]}
    account = {"account_id": sandbox.names.apps, "instances": instances}
    sandbox.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))
    sandbox.set(DRS_REGIONS="us-west-2 eu-west-1")
    run_json("sync", "inventory")
    return sandbox


def test_the_list_in_a_pipe_and_on_a_terminal(synced: EngineSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    document = run_json("coverage")
    assert (document["operation"], document["status"]) == ("sync_coverage", "complete")
    assert sorted(each["name"] for each in document["instances"]) == ["[red]x", "batch"]
    assert run(["coverage", "--tag", "dr=yes", "-o", "table"]) == 0
    out = capsys.readouterr().out
    assert "Instances with dr=yes: protected 0, not protected 1" in out
    assert f"  {synced.names.apps}  us-east-1  running  batch\n" in out
    assert "[red]x" not in out


def test_what_is_unknown_ends_with_exit_code_3(synced: EngineSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    synced.faults(deny=[{"account_id": synced.names.apps, "service": "ec2"}])
    document = run_json("coverage", exit_code=3)  # also if nothing else could be looked at
    assert (document["status"], len(document["unknown"])) == ("failed", 1)
    assert run(["coverage", "-o", "table"]) == 3
    out = capsys.readouterr().out
    assert "Unknown, not covered: 1 account and region" in out
    assert "Fix: allow ec2:DescribeInstances" in out


def test_csv_has_a_line_per_instance_and_one_for_what_is_unknown(
    synced: EngineSandbox, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    account = {"account_id": synced.names.a, "instances": {"us-west-2": [{"name": "=cmd()"}]}}
    synced.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))
    synced.faults(deny=[{"account_id": synced.names.apps, "service": "ec2"}])
    capfdbinary.readouterr()
    arguments = ["coverage", "--account", synced.names.a, "--account", synced.names.apps, "-o", "csv"]
    assert run([*arguments, "--region", "us-west-2"]) == 3
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    found = {(row["accountId"], row["name"], row["reason"]) for row in rows}
    assert (synced.names.a, "'=cmd()", "NO_SOURCE_SERVER") in found
    (unknown,) = (row for row in rows if row["accountId"] == synced.names.apps)
    assert (unknown["reason"], unknown["instanceId"]) == ("UNKNOWN", "")
    assert "ec2:DescribeInstances" in unknown["why"] or "UnauthorizedOperation" in unknown["why"]


def test_before_the_first_sync_nothing_is_known(sandbox: EngineSandbox) -> None:
    document = run_json("coverage", exit_code=3)
    assert [each["code"] for each in document["errors"]] == ["ServersUnknown"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tag", "=yes"], "--tag '=yes' has no key"),
        (["--tag", ""], "--tag '' has no key"),
        (["--account", ""], "--account is empty"),
        (["--region", "us-wset-2"], "did you mean us-west-2"),
        (["--account", "123456789012"], "no source server comes from account 123456789012"),
    ],
)
def test_wrong_usage_is_refused(arguments: list[str], message: str, sandbox: EngineSandbox) -> None:
    assert message in run_json("coverage", *arguments, exit_code=2)["message"]
