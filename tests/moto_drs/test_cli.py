"""AWS CLI against the server: its pagination, arguments and ARNs in paths differ from boto3's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from moto.backends import get_backend

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import REGION, Keys, manual_backend
from tests.support import command

Aws = Any


@pytest.fixture
def aws(endpoint: str, keys: Keys, backend: DRSBackend, tmp_path: Path) -> Aws:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **{name.upper(): value for name, value in keys(backend.account_id).items()},
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }

    def run(*arguments: str) -> tuple[int, Any]:
        done = command.run("--endpoint-url", endpoint, "drs", *arguments, program="aws", env=environment)
        if done.returncode:
            return done.returncode, done.stderr
        return 0, json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_servers_are_paginated_by_the_cli(aws: Aws, backend: DRSBackend) -> None:
    ids = [backend.add_source_server({}).source_server_id for _ in range(5)]
    code, answer = aws("describe-source-servers", "--page-size", "2")
    assert code == 0
    assert [each["sourceServerID"] for each in answer["items"]] == ids
    code, answer = aws("describe-source-servers", "--filters", f"sourceServerIDs={ids[3]}")
    assert [each["sourceServerID"] for each in answer["items"]] == [ids[3]]


def test_tags(aws: Aws, backend: DRSBackend) -> None:
    arn = backend.add_source_server({"tags": {"Name": "web"}}).arn
    assert aws("tag-resource", "--resource-arn", arn, "--tags", "Team=blue,Cost=44/11") == (0, None)
    assert aws("untag-resource", "--resource-arn", arn, "--tag-keys", "Name", "Cost") == (0, None)
    assert aws("list-tags-for-resource", "--resource-arn", arn) == (0, {"tags": {"Team": "blue"}})


def test_staging_accounts(aws: Aws, backend: DRSBackend, new_account: Any) -> None:
    staging = manual_backend(new_account())
    staging.trust(backend.account_id)
    arn = staging.add_source_server({}).arn
    code, answer = aws("list-extensible-source-servers", "--staging-account-id", staging.account_id)
    assert (code, [each["arn"] for each in answer["items"]]) == (0, [arn])
    code, answer = aws("create-extended-source-server", "--source-server-arn", arn)
    assert answer["sourceServer"]["stagingArea"]["status"] == "EXTENDED"
    assert aws("list-staging-accounts") == (0, {"accounts": [{"accountID": staging.account_id}]})


def test_an_error_has_its_code(aws: Aws, backend: DRSBackend) -> None:
    backend.initialized = False
    code, message = aws("describe-source-servers")
    assert code != 0
    assert "UninitializedAccountException" in message
    assert aws("initialize-service") == (0, None)


def test_a_drill_with_launch_settings_and_its_log(aws: Aws, backend: DRSBackend) -> None:
    code, answer = aws("create-launch-configuration-template", "--post-launch-enabled", "--licensing", "osByol=true")
    assert code == 0
    template_id = answer["launchConfigurationTemplate"]["launchConfigurationTemplateID"]
    code, action = aws(
        *("put-launch-action", "--resource-id", template_id, "--action-code", "AWS-RunShellScript", "--order", "100"),
        *("--action-id", "11111111-2222-4333-8444-555555555555", "--action-version", "$DEFAULT", "--name", "Check it"),
        *("--category", "VALIDATION", "--description", "Checks it", "--active", "--no-optional"),
    )
    assert (code, action["type"]) == (0, "SSM_COMMAND")
    server_id = backend.add_source_server({}).source_server_id
    code, answer = aws("list-launch-actions", "--resource-id", server_id)
    assert [each["name"] for each in answer["items"]] == ["Check it"]

    code, answer = aws("start-recovery", "--is-drill", "--source-servers", f"sourceServerID={server_id}")
    backend.advance()
    backend.advance()
    code, answer = aws("describe-job-log-items", "--job-id", answer["job"]["jobID"], "--page-size", "2")
    events = [each["event"] for each in answer["items"]]
    assert (len(events), events[0], events[-2:]) == (7, "JOB_START", ["LAUNCH_START", "JOB_END"])
    code, answer = aws("describe-jobs")
    (participant,) = answer["items"][0]["participatingServers"]
    assert [each["status"] for each in participant["launchActionsStatus"]["runs"]] == ["SUCCEEDED"]
    assert aws("delete-launch-configuration-template", "--launch-configuration-template-id", template_id)[0] == 0


def test_a_network_from_its_vpc_to_its_stack(aws: Aws, backend: DRSBackend) -> None:
    vpc_id = get_backend("ec2")[backend.account_id][REGION].create_vpc("10.4.0.0/16").id
    origin = ("--origin-account-id", backend.account_id, "--origin-region", REGION)
    code, answer = aws("create-source-network", "--vpc-id", vpc_id, *origin, "--tags", "Name=shop")
    assert code == 0
    network = ("--source-network-id", answer["sourceNetworkID"])
    code, answer = aws("start-source-network-replication", *network)
    assert answer["sourceNetwork"]["replicationStatus"] == "IN_PROGRESS"
    backend.advance()
    entry = f"sourceNetworkID={network[1]},cfnStackName=shop-network"
    code, answer = aws("start-source-network-recovery", "--source-networks", entry, "--deploy-as-new")
    assert (code, answer["job"]["initiatedBy"]) == (0, "CREATE_NETWORK_RECOVERY")
    backend.advance()
    backend.advance()
    code, answer = aws("describe-source-networks", "--filters", f"originRegion={REGION}", "--page-size", "1")
    (recovered,) = answer["items"]
    assert (recovered["cfnStackName"], recovered["lastRecovery"]["lastRecoveryResult"]) == ("shop-network", "SUCCESS")
    code, answer = aws("associate-source-network-stack", *network, "--cfn-stack-name", "shop-network")
    assert (code, answer["job"]["initiatedBy"]) == (0, "ASSOCIATE_NETWORK_RECOVERY")
    code, message = aws("stop-source-network-replication", *network)
    assert code != 0
    assert "ConflictException" in message
    backend.advance()
    backend.advance()
    assert aws("stop-source-network-replication", *network)[0] == 0
    assert aws("delete-source-network", *network) == (0, None)
