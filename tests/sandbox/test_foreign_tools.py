"""Tools of others that read DRS, against the sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from moto.core.utils import get_service_model

from service.sandbox import start

pytestmark = pytest.mark.deep

# What it lists of a service: operations without required members, which it finds in the model by itself.
LISTED = {
    name
    for name in get_service_model("drs").operation_names
    if name.startswith(("Describe", "List"))
    and not get_service_model("drs").operation_model(name).input_shape.required_members
}


def test_aws_list_all_lists_every_resource_of_drs(tmp_path: Path) -> None:
    with start(servers=3) as sandbox:
        region = sandbox.fleet.hub.region
        client = sandbox.client("drs")
        client.create_launch_configuration_template()
        client.create_recovery_plan(name="Retail")
        servers = [each["sourceServerID"] for each in client.describe_source_servers()["items"]]
        done = subprocess.run(
            [sys.executable, "-m", "aws_list_all", "query", "--service", "drs", "--region", region, "--parallel", "1"],
            cwd=tmp_path,
            env={**os.environ, **sandbox.environment(), "XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = {name: sign for sign, name in re.findall(rf"^(\S+) drs {region} (\w+) ", done.stdout, re.MULTILINE)}
    assert told.keys() == LISTED, done.stdout
    assert set(told.values()) == {"---", "+++"}, "nothing was refused"
    assert {name for name, sign in told.items() if sign == "+++"} >= {
        "DescribeSourceServers",
        "DescribeLaunchConfigurationTemplates",
        "ListRecoveryPlans",
    }
    (file,) = tmp_path.glob("drs_DescribeSourceServers_*.json")
    found = json.loads(file.read_text(encoding="utf-8"))["response"]["items"]
    assert [each["sourceServerID"] for each in found] == servers
