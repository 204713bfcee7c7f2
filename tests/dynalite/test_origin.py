"""The origin of servers, from the records of DRS to the runbook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import anyio
import pytest

from service.query_app import open_query_app
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.models import DRSBackend
from service.sandbox.moto_drs.records import RecoveryInstance
from service.sandbox.moto_drs.request import RecordResult
from service.sandbox.moto_drs.responses import DRSResponse
from service.settings import load_settings
from tests.dynalite.sandbox import DynaliteSandbox
from tests.dynalite.server import Dynalite
from tests.support.sandbox import EngineSandbox, Names, new_account_id

pytestmark = pytest.mark.deep

REGION: Final = "us-west-2"
SERVER: Final = "s-0123456789abcdef1"
STAGED: Final = "s-0fedcba9876543210"
A1, B3 = "i-0123456789abcdef0", "i-0b5c1f2a9d3e47c68"
APPS: Final = new_account_id()
TEMPLATES: Final = "DescribeReplicationConfigurationTemplates"
CLOUD: Final = {"originAccountID": APPS, "originRegion": "us-east-1", "originAvailabilityZone": "us-east-1a"}
IN_AWS: Final = {
    "sourceCloudProperties": CLOUD,
    "sourceProperties": {"identificationHints": {"awsInstanceID": A1, "hostname": "app-1"}},
}
PHYSICAL: Final = {"sourceProperties": {"identificationHints": {"hostname": "db7"}}}
RECOVERED: Final = {"recoveryInstanceId": B3, "lastLaunchResult": "SUCCEEDED"}
ORIGIN: Final = {
    "originalSourceRegion": "us-east-1",
    "originalSourceAccountId": APPS,
    "originalInstanceId": A1,
    "originalAvailabilityZone": "us-east-1a",
    "originEnvironment": "AWS",
}
STAGING_ROLE: Final = {"name": "reader-of-staging", "external_id": "id-of-staging"}
WRITTEN: Final = {
    "SOURCE_SERVER_INVENTORY_TABLE": ("sourceServerArn", "stagingAccountId"),
    "SOURCE_SERVER_TOPOLOGY_TABLE": ("pk", "sk"),
    "DRS_REGION_STATUS_TABLE": ("region",),
}


@pytest.fixture(scope="module")
def running(dynalite: Dynalite) -> Iterator[EngineSandbox]:
    """Start a sandbox of one target (names.a), its staging account (names.b) and the account of the instances."""
    names = Names(new_account_id(), new_account_id(), new_account_id(), APPS)
    region = {REGION: {"servers": 0}}
    members = {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {"account_id": names.a, "name": "A", "regions": region, "staging_accounts": [names.b]},
            {"account_id": names.b, "name": "S", "regions": region, "kind": "staging", "role": STAGING_ROLE},
            {"account_id": names.apps, "name": "Apps", "kind": "application"},
        ],
    }
    with pytest.MonkeyPatch.context() as patch, DynaliteSandbox(members, names, patch, dynalite=dynalite) as sandbox:
        sandbox.set(DRS_REGIONS=REGION)
        yield sandbox


@pytest.fixture
def sandbox(running: EngineSandbox) -> EngineSandbox:
    """Return the sandbox without servers, written items and faults."""
    for account_id in (running.names.a, running.names.b):
        backend = _drs(account_id)
        for server_id in list(backend.source_servers):
            backend.remove_source_server(server_id)
        backend.recovery_instances.clear()
    for variable, keys in WRITTEN.items():
        table = running.table(variable)
        for item in table.scan()["Items"]:
            table.delete_item(Key={name: item[name] for name in keys})
    running.faults()
    _give_role(running, running.names.b, STAGING_ROLE)  # a test that failed may have taken it
    return running


def _drs(account_id: str) -> DRSBackend:
    backend: DRSBackend = drs_backends[account_id][REGION]
    return backend


def _record(sandbox: EngineSandbox, state: str = "CONTINUOUS", /, **members: Any) -> dict[str, Any]:
    """Return a record of DRS that has nothing but the given members and those that every record has."""
    return {
        "sourceServerID": SERVER,
        "arn": _drs(sandbox.names.a).arn_of("source-server", SERVER),
        "dataReplicationInfo": {"dataReplicationState": state},
        "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": sandbox.names.a},
        "replicationDirection": "FAILOVER",
        **members,
    }


def _show(sandbox: EngineSandbox, record: Mapping[str, Any], instance: Mapping[str, Any] | None = None) -> None:
    """Have DRS show one server in A, with no member but those of the record, and its recovery instance if any."""
    backend = _drs(sandbox.names.a)
    backend.add_source_server(record).record = dict(record)
    backend.recovery_instances.clear()
    if instance is not None:
        whole = {
            "recoveryInstanceID": B3,
            "sourceServerID": SERVER,
            "failback": {"state": "FAILBACK_NOT_STARTED"},
            "dataReplicationInfo": {"dataReplicationState": "NOT_STARTED"},
            **instance,
        }
        backend.recovery_instances[B3] = RecoveryInstance(whole)


def _extend(sandbox: EngineSandbox) -> None:
    """Have A extend a server of its staging account S."""
    staged = _drs(sandbox.names.b).add_source_server({"sourceServerID": STAGED, **IN_AWS})
    _drs(sandbox.names.a).extend(staged.arn)


def _give_role(sandbox: EngineSandbox, account_id: str, role: Mapping[str, str] | None) -> None:
    """Replace the role that the hub may assume in an account; the account's row stays as it is."""
    members = {"accounts": [{"account_id": account_id, "role": role}]}
    sandbox.server.add(parse_model(Fragment, members, "test"))


async def _sync(sandbox: EngineSandbox) -> dict[str, Any]:
    """Run an inventory sync from a new process."""
    sandbox.calls()
    report = await sandbox.sync()
    assert report["status"] == "complete", report["errors"]
    return report


async def _runbook(name: str = SERVER) -> dict[str, Any]:
    async with open_query_app(load_settings()) as app:
        return (await app.failback.run(name)).body


def _calls(sandbox: EngineSandbox, account_id: str, operation: str) -> int:
    """Return how often the last sync, or what followed it, called an operation in an account."""
    counts = sandbox.server.calls()
    return sum(each.count for each in counts if (each.account, each.operation) == (account_id, operation))


def _topology(sandbox: EngineSandbox) -> dict[str, Any]:
    (topology,) = sandbox.topologies().values()
    return topology


def _item(sandbox: EngineSandbox) -> dict[str, Any]:
    (item,) = sandbox.items()
    return item


def _store_as_guess(sandbox: EngineSandbox, history: list[dict[str, Any]] | None) -> None:
    """Change the stored items to what an earlier version wrote of a server first seen without its properties."""
    topology = _topology(sandbox)
    key = {"pk": topology.pop("pk"), "sk": topology.pop("sk")}
    sandbox.table("SOURCE_SERVER_TOPOLOGY_TABLE").delete_item(Key=key)
    topology |= {"sourceServerArn": key["pk"], "stagingAccountId": key["sk"]}
    for item in (topology, _item(sandbox)):
        kept = {name: value for name, value in item.items() if name not in {*ORIGIN, "topologyMissing"}}
        kept.pop("originEnvironmentSource", None)
        kept["originEnvironment"] = "ON_PREMISES"
        if item["stagingAccountId"] == "TOPOLOGY" and history:
            kept["topologyHistory"] = history
        sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").put_item(Item=kept)


def _origin(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ORIGIN if name in item}


async def test_what_was_unknown_at_first_is_filled_when_drs_reports_it(sandbox: EngineSandbox) -> None:
    _show(sandbox, _record(sandbox, "INITIATING"))
    report = await _sync(sandbox)
    assert report["warnings"] == []  # nothing to do about a server that DRS has not described yet
    assert (_origin(_topology(sandbox)), _origin(_item(sandbox))) == ({}, {})
    assert (_item(sandbox)["topologyComplete"], _item(sandbox)["topologyMissing"]) == (False, ["origin"])
    assert (await _runbook())["way"] == "origin-unknown"
    _show(sandbox, _record(sandbox, "INITIAL_SYNC", sourceCloudProperties={"originRegion": "us-east-1"}))
    await _sync(sandbox)
    assert _origin(_topology(sandbox)) == {"originalSourceRegion": "us-east-1", "originEnvironment": "AWS"}
    _show(sandbox, _record(sandbox, **IN_AWS))
    await _sync(sandbox)
    topology = _topology(sandbox)
    assert (_origin(topology), topology["originalHostname"]) == (ORIGIN, "app-1")
    assert (_origin(_item(sandbox)), _item(sandbox)["topologyComplete"]) == (ORIGIN, True)
    assert "topologyHistory" not in topology
    assert topology["captureMethod"] == "first_sight"
    elsewhere = {"awsInstanceID": "i-0a44444444444444a", "hostname": "other"}
    _show(sandbox, _record(sandbox, sourceProperties={"identificationHints": elsewhere}, sourceCloudProperties=CLOUD))
    await _sync(sandbox)
    after = _topology(sandbox)
    assert [entry["event"] for entry in after.pop("topologyHistory")] == ["moved"]
    assert after == topology


@pytest.mark.parametrize("moved", [False, True])
async def test_a_guess_of_an_earlier_version_is_corrected_although_the_server_is_unchanged(
    sandbox: EngineSandbox,
    moved: bool,  # noqa: FBT001
) -> None:
    _show(sandbox, _record(sandbox, **IN_AWS))
    await _sync(sandbox)
    whole, item = _topology(sandbox), _item(sandbox)
    entry = {
        "event": "moved",
        "at": "2026-11-23T05:00:00.000000+00:00",
        "instanceId": A1,
        "sourceRegion": "us-east-1",
        "availabilityZone": "us-east-1a",
        "sourceAccountId": APPS,
    }
    _store_as_guess(sandbox, [entry] if moved else None)
    assert _item(sandbox)["contentHash"] == item["contentHash"]
    assert (await _runbook())["way"] == "nothing-to-do"  # DRS was read: it came from AWS, and nothing is launched
    report = await _sync(sandbox)
    assert (report["serversWritten"], report["serversUnchanged"]) == (0, 1)
    assert _origin(_topology(sandbox)) == _origin(_item(sandbox)) == _origin(whole) == ORIGIN
    assert _item(sandbox)["topologyComplete"] is True


async def test_two_runs_at_once_fill_an_origin_from_one_report(sandbox: EngineSandbox) -> None:
    _show(sandbox, _record(sandbox, "INITIATING"))
    await _sync(sandbox)
    _show(sandbox, _record(sandbox, **IN_AWS))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(_sync, sandbox)
    topology = _topology(sandbox)
    assert (_origin(topology), _origin(_item(sandbox))) == (ORIGIN, ORIGIN)
    assert "topologyHistory" not in topology


async def test_an_unknown_origin_is_warned_of_once_drs_describes_the_machine(sandbox: EngineSandbox) -> None:
    codes = []
    records = (
        _record(sandbox, "INITIATING"),
        _record(sandbox, "INITIATING", agentVersion="6.2"),
        _record(sandbox, **PHYSICAL),
        _record(sandbox, "BACKLOG", **PHYSICAL),
        _record(sandbox, **PHYSICAL),
    )
    for record in records:
        _show(sandbox, record)
        codes.append([each["code"] for each in (await _sync(sandbox))["warnings"]])
    assert codes == [[], [], ["TopologyIncomplete"], [], []]


async def test_a_machine_of_unknown_origin_is_not_on_premises_until_the_recovery_instance_says_so(
    sandbox: EngineSandbox,
) -> None:
    _show(sandbox, _record(sandbox, **PHYSICAL))
    (warning,) = (await _sync(sandbox))["warnings"]
    assert warning["code"] == "TopologyIncomplete"
    assert _calls(sandbox, sandbox.names.a, "DescribeRecoveryInstances") == 0
    running = {"ec2InstanceID": B3, "ec2InstanceState": "RUNNING"}
    _show(sandbox, _record(sandbox, "STALLED", **PHYSICAL, **RECOVERED), running)
    assert (await _sync(sandbox))["warnings"] == []
    body = await _runbook()
    assert body["way"] == "origin-unknown"
    commands = [command for step in body["steps"] for command in step["commands"]]
    assert any("describe-recovery-instances" in command and "originEnvironment" in command for command in commands)
    assert not [command for command in commands if "describe-" not in command]
    _show(
        sandbox, _record(sandbox, "STALLED", **PHYSICAL, **RECOVERED), {**running, "originEnvironment": "ON_PREMISES"}
    )
    assert (await _runbook())["way"] == "failback-client"  # DRS was read for this answer
    assert "originEnvironment" not in _topology(sandbox)
    await _sync(sandbox)
    assert _topology(sandbox)["originEnvironment"] == _item(sandbox)["originEnvironment"] == "ON_PREMISES"
    assert _item(sandbox)["topologyComplete"] is True
    _show(sandbox, _record(sandbox, "STALLED", **PHYSICAL, **RECOVERED), {**running, "originEnvironment": "AWS"})
    await _sync(sandbox)
    assert _calls(sandbox, sandbox.names.a, "DescribeRecoveryInstances") == 0
    assert _topology(sandbox)["originEnvironment"] == "ON_PREMISES"
    assert (await _runbook())["way"] == "origin-unknown"  # the two contradict each other


@pytest.mark.parametrize(
    ("state", "way"),
    [
        ("RUNNING", "reverse-replication"),
        ("STOPPED", "reinstall-as-recovery-instance"),
        ("SHUTTING-DOWN", "launch-new-recovery"),
        ("TERMINATED", "launch-new-recovery"),
        ("NOT_FOUND", "launch-new-recovery"),
    ],
)
async def test_a_recovered_machine_that_is_gone_is_launched_again(sandbox: EngineSandbox, state: str, way: str) -> None:
    instance = {"ec2InstanceID": B3, "ec2InstanceState": state, "originEnvironment": "AWS"}
    _show(sandbox, _record(sandbox, "STALLED", **IN_AWS, **RECOVERED), instance)
    await _sync(sandbox)
    body = await _runbook(A1)
    assert body["way"] == way
    commands = " ".join(command for step in body["steps"] for command in step["commands"])
    assert ("installer" in commands) is (way == "reinstall-as-recovery-instance")
    assert (f"start-recovery --source-servers sourceServerID={SERVER}" in commands) is (way == "launch-new-recovery")


async def test_an_extended_server_has_its_template_read_with_the_role_of_the_staging_account(
    sandbox: EngineSandbox,
) -> None:
    _extend(sandbox)
    assert (await _sync(sandbox))["warnings"] == []
    assert _calls(sandbox, sandbox.names.b, TEMPLATES) == 1  # no other role and external id opens S
    (template,) = _drs(sandbox.names.b).templates
    for item in (_topology(sandbox), _item(sandbox)):
        assert item["originalReplicationConfigurationTemplateId"] == template
    assert _item(sandbox)["topologyComplete"] is True
    assert _calls(sandbox, sandbox.names.a, TEMPLATES) == 0
    await _sync(sandbox)
    assert _calls(sandbox, sandbox.names.b, TEMPLATES) == 0
    assert _calls(sandbox, sandbox.names.a, "GetReplicationConfiguration") == 0


@pytest.mark.parametrize("operation", ["AssumeRole", TEMPLATES])
async def test_a_template_that_cannot_be_read_is_told_and_not_called_complete(
    sandbox: EngineSandbox, operation: str
) -> None:
    staging = sandbox.names.b
    _extend(sandbox)
    if operation == TEMPLATES:
        sandbox.faults(deny=[{"account_id": staging, "operations": [TEMPLATES]}])
    else:
        _give_role(sandbox, staging, None)
    (template,) = _drs(staging).templates.values()
    for _ in range(2):
        (warning,) = (await _sync(sandbox))["warnings"]
        assert (warning["accountId"], warning["operation"]) == (staging, operation)
        assert f"account {staging}" in warning["advice"]
        assert _calls(sandbox, staging, TEMPLATES) == (operation == TEMPLATES)
        item = _item(sandbox)
        assert (item["topologyComplete"], item["topologyMissing"]) == (False, ["template"])
        configuration = _topology(sandbox)["originalReplicationConfiguration"]
        assert configuration["stagingAreaSubnetId"] == template.record["stagingAreaSubnetId"]
    sandbox.faults()
    _give_role(sandbox, staging, STAGING_ROLE)
    assert (await _sync(sandbox))["warnings"] == []
    assert _item(sandbox)["topologyComplete"] is True


async def test_a_configuration_that_the_target_does_not_have_is_read_where_the_server_replicates(
    sandbox: EngineSandbox,
) -> None:
    _extend(sandbox)
    operation = "GetReplicationConfiguration"
    error = {"error": "ResourceNotFoundException", "status": 404, "times": None}
    sandbox.faults(fail=[{"account_id": sandbox.names.a, "operation": operation, **error}])
    assert (await _sync(sandbox))["warnings"] == []
    assert [_calls(sandbox, each, operation) for each in (sandbox.names.a, sandbox.names.b)] == [1, 1]
    assert _topology(sandbox)["originalReplicationConfiguration"]["sourceServerID"] == STAGED
    assert _item(sandbox)["topologyComplete"] is True


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": [None]}, {"items": [5]}])
@pytest.mark.parametrize("operation", ["describe_source_servers", "describe_recovery_instances"])
async def test_an_odd_answer_is_a_problem_and_not_an_absence(
    sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch, operation: str, body: dict[str, Any]
) -> None:
    instance = {"ec2InstanceID": B3, "ec2InstanceState": "RUNNING", "originEnvironment": "AWS"}
    _show(sandbox, _record(sandbox, "STALLED", **IN_AWS, **RECOVERED), instance)
    await _sync(sandbox)
    monkeypatch.setattr(DRSResponse, operation, lambda _: RecordResult(body))
    runbook = await _runbook()
    (note,) = runbook["facts"]["notes"]
    assert "MalformedResponse" in note
    assert (runbook["way"], runbook["facts"]["forward"]["live"]) == ("reverse-replication", False)
