"""Export of what a sandbox has, and the same fleet from it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sandbox.fleet import FleetError, demo_fleet, load_fleet, parse_fleet, parse_model
from service.sandbox.fleet_draw import draw_fleet
from service.sandbox.fleet_models import Fleet, Fragment
from service.sandbox.moto_drs import drs_backends
from service.sandbox.server import Sandbox
from tests.moto_drs.test_errors import ACTION_MEMBERS
from tests.sandbox.conftest import APPS, STAGING, TARGET, Client

Json = dict[str, Any]


def export_of(document: Json) -> Json:
    """Return what a sandbox exports that was started from a document."""
    with Sandbox(parse_fleet(json.dumps(document))) as running:
        return running.export()


def server_answers(running: Sandbox) -> list[Json]:
    """Return what DescribeSourceServers and the reads of configurations answer in every scope."""
    backends = [
        backend
        for account_id in sorted(running.fleet.account_ids)
        for _, backend in sorted(drs_backends[account_id].items())
        if backend.initialized
    ]
    return [
        {
            "record": server.record,
            "launch": server.launch_configuration,
            "replication": backend.replication_configuration_of(server.source_server_id),
            "snapshots": backend.snapshots_of(server.source_server_id),
        }
        for backend in backends
        for server in backend.describe_source_servers((), (), None)
    ]


def test_the_demo_fleet_comes_back_from_its_export() -> None:
    with Sandbox(demo_fleet()) as running:
        before = json.loads(json.dumps(server_answers(running)))
        document = running.export()
    with Sandbox(parse_fleet(json.dumps(document))) as running:
        assert server_answers(running) == before
        assert running.export() == document


@settings(max_examples=8)
@given(servers=st.integers(0, 60), seed=st.integers(0, 1000), steps=st.integers(0, 4))
def test_an_export_is_exported_unchanged(servers: int, seed: int, steps: int) -> None:
    with Sandbox(draw_fleet(servers, seed=seed, regions=["us-west-2", "eu-west-1"])) as running:
        for account_id in sorted(running.fleet.account_ids):
            for _, backend in sorted(drs_backends[account_id].items()):
                _drill(backend, steps)
        document = json.loads(json.dumps(running.export()))
    assert export_of(document) == document


def _drill(backend: Any, steps: int) -> None:
    """Launch a server, tag and change another one, let a third replicate anew, and go on by some steps."""
    ids = [each for each in backend.source_servers if not backend.source_servers[each].staging_arn]
    if ids:
        backend.start_recovery({ids[0]: None}, is_drill=True)
        backend.tag_resource(backend.server(ids[-1]).arn, {"Team": "é"})
        backend.update_launch_configuration(ids[-1], {"copyTags": True})
    for each in ids[1:2]:
        if backend.server(each).state == "CONTINUOUS":
            backend.stop_replication(each)
            backend.start_replication(each)
    for _ in range(steps):
        backend.advance()


def test_what_happened_is_carried_over(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    server, *_ = drs.describe_source_servers()["items"]
    server_id = server["sourceServerID"]
    drs.update_launch_configuration(sourceServerID=server_id, copyTags=True)
    job_id = drs.start_recovery(sourceServers=[{"sourceServerID": server_id}], isDrill=True)["job"]["jobID"]
    for _ in range(3):
        (job,) = drs.describe_jobs(filters={"jobIDs": [job_id]})["items"]
    assert job["status"] == "COMPLETED"
    ec2 = client("ec2", account_id=APPS)
    extra = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[extra])
    before = (drs.describe_source_servers()["items"], drs.describe_recovery_instances()["items"], _ec2(ec2))
    with urlopen(f"{sandbox.endpoint_url}/sandbox/fleet") as answer:  # noqa: S310 - loopback
        document = json.load(answer)
    sandbox.close()

    with Sandbox(parse_fleet(json.dumps(document)), port=sandbox._address[1]) as again:
        drs = _client(again, "drs", TARGET, "us-west-2")
        after = (drs.describe_source_servers()["items"], drs.describe_recovery_instances()["items"])
        assert (*after, _ec2(_client(again, "ec2", APPS, "us-east-1"))) == before
        assert [each["jobID"] for each in drs.describe_jobs()["items"]] == [job_id]
        assert drs.get_launch_configuration(sourceServerID=server_id)["copyTags"]
        assert document["not_saved"]


def test_launch_settings_networks_and_logs_are_carried_over(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    template = drs.create_launch_configuration_template(copyTags=True, tags={"Team": "dr"})
    template_id = template["launchConfigurationTemplate"]["launchConfigurationTemplateID"]
    drs.put_launch_action(resourceId=template_id, **ACTION_MEMBERS)
    vpc = client("ec2", account_id=APPS).describe_vpcs()["Vpcs"][0]["VpcId"]
    network = {
        "sourceNetworkID": drs.create_source_network(vpcID=vpc, originAccountID=APPS, originRegion="us-east-1")[
            "sourceNetworkID"
        ]
    }
    drs.start_source_network_replication(**network)
    server_id = drs.describe_source_servers()["items"][0]["sourceServerID"]
    job_id = drs.start_recovery(sourceServers=[{"sourceServerID": server_id}])["job"]["jobID"]

    def answers(of: Any) -> list[Any]:
        return [
            of.describe_jobs()["items"],
            of.describe_job_log_items(jobID=job_id)["items"],
            of.describe_launch_configuration_templates()["items"],
            of.list_launch_actions(resourceId=template_id)["items"],
            of.describe_source_networks()["items"],
        ]

    answers(drs)
    before, document = answers(drs), json.loads(json.dumps(sandbox.export()))
    assert all(before)
    sandbox.close()
    with Sandbox(parse_fleet(json.dumps(document))) as again:
        drs = _client(again, "drs", TARGET, "us-west-2")
        assert answers(drs) == before
        drs.start_source_network_recovery(sourceNetworks=[network])  # its template is saved, its VPC is not
        answers(drs)
        assert answers(drs)[-1][0]["lastRecovery"]["lastRecoveryResult"] == "SUCCESS"


def test_recovery_plans_are_carried_over_and_can_be_executed(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    server = next(each for each in drs.describe_source_servers()["items"] if "stagingSourceServerArn" not in each)
    arn = drs.create_recovery_plan(name="Retail", tags={"Team": "dr"})["recoveryPlan"]["recoveryPlanArn"]
    for name, configuration in {
        "Web": {"serverStepConfiguration": {"servers": [{"serverArn": server["arn"]}]}},
        "Settle": {"waitStepConfiguration": {"waitDurationMinutes": 5}},
    }.items():
        drs.create_recovery_plan_step(recoveryPlanArn=arn, stepName=name, configuration=configuration)

    def answers(of: Any) -> list[Any]:
        got = [of.get_recovery_plan(recoveryPlanArn=arn), of.list_recovery_plan_steps(recoveryPlanArn=arn)]
        return [{**each, "ResponseMetadata": None} for each in got]

    before, document = answers(drs), json.loads(json.dumps(sandbox.export()))
    sandbox.close()
    with Sandbox(parse_fleet(json.dumps(document))) as again:
        drs = _client(again, "drs", TARGET, "us-west-2")
        assert answers(drs) == before
        assert again.export() == document
        drs.start_recovery_plan_execution(recoveryPlanArn=arn, mode="DRILL")
        again.advance_clock(1200)
        assert len(drs.describe_recovery_instances()["items"]) == 1


def test_all_that_a_backend_keeps_is_exported_or_known_not_to_be() -> None:
    """Whoever adds an operation that keeps something decides here whether an export has it (see NOT_SAVED)."""
    saved = {
        *("initialized", "trusted_accounts", "templates", "launch_templates", "launch_actions", "source_networks"),
        *("source_servers", "extended", "recovery_instances", "jobs", "recovery_plans", "recovery_plan_steps"),
    }
    left_out = {
        *("region_name", "account_id", "partition"),  # the scope itself
        *("planned_errors", "failing_actions"),  # what a test has planned
        "_made",  # client tokens that were used
        "plan_executions",
    }
    assert vars(drs_backends["620000000001"]["us-west-2"]).keys() == saved | left_out


def _ec2(ec2: Any) -> list[Any]:
    return [
        (each["InstanceId"], each["PrivateIpAddress"], each["State"]["Name"], each["LaunchTime"], each.get("Tags"))
        for group in ec2.describe_instances()["Reservations"]
        for each in group["Instances"]
    ]


def _client(running: Sandbox, service: str, account_id: str, region: str) -> Any:
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=running.endpoint_url,
        aws_access_key_id=f"AKIA0000{account_id}",
        aws_secret_access_key="any",
    )


def test_faults_and_roles_are_exported_as_they_are_now(sandbox: Sandbox) -> None:
    body = json.dumps({"latency_ms": {"drs": 3}}).encode()
    with urlopen(Request(f"{sandbox.endpoint_url}/sandbox/faults", body, method="PUT")):  # noqa: S310 - loopback
        pass
    sandbox.set_auto_advance(is_on=False)
    document = sandbox.export()
    sandbox.close()
    fleet = parse_model(Fleet, document, "export")
    assert fleet.faults.latency_ms == {"drs": 3}
    assert not fleet.auto_advance
    accounts = {account.account_id: account for account in fleet.accounts}
    declared = {account.account_id: account for account in sandbox.fleet.accounts}
    for name in ("name", "kinds", "role", "staging_accounts", "regions_off", "registered"):
        assert {key: getattr(each, name) for key, each in accounts.items()} == {
            key: getattr(each, name) for key, each in declared.items()
        }


def test_servers_added_after_a_restoration_get_new_names_and_ids(sandbox: Sandbox) -> None:
    document = sandbox.export()
    sandbox.close()
    added = {
        "account_id": TARGET,
        "regions": {"us-west-2": {"servers": 1, "extended_from": [{"account_id": STAGING, "count": 1}]}},
        "instances": {"us-west-2": 1},
    }
    with Sandbox(parse_model(Fleet, document, "export")) as running:
        backend = drs_backends[TARGET]["us-west-2"]
        before = set(backend.source_servers)
        running.add(parse_model(Fragment, {"accounts": [added]}, "test"))
        assert before < set(backend.source_servers)
        assert len(backend.source_servers) == len(before) + 2
        names = [each.hints["hostname"] for each in backend.source_servers.values() if each.staging_arn is None]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ([{"account_id": "1", "region": "us-west-2"}], "saved[0].account_id: an account id has 12 digits"),
        ([{"account_id": TARGET, "region": "us-west-2"}] * 2, "saved twice"),
        (
            [
                {
                    "account_id": TARGET,
                    "region": "us-west-2",
                    "servers": [{"record": {}, "launch_configuration": {}, "replication_configuration": {}}],
                }
            ],
            "saved[0].servers[0].record: the record has no dataReplicationState. Fix: ",
        ),
        (
            [{"account_id": TARGET, "region": "us-west-2", "jobs": [{"record": {"jobID": "drsjob-1"}}]}],
            "saved[0].jobs[0].record: the record has no arn. Fix: ",
        ),
    ],
)
def test_errors_name_the_invalid_member_of_what_was_saved(saved: Any, expected: str) -> None:
    with pytest.raises(FleetError) as caught:
        parse_model(Fleet, {"hub": {"account_id": "999900001111"}, "saved": saved}, "fleet")
    assert expected in str(caught.value)


def test_an_export_is_a_fleet_file(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "later.json"
    path.write_text(json.dumps(sandbox.export(), indent=1))
    assert len(load_fleet(path).saved) == 4
