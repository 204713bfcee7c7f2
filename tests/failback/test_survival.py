"""The original topology after every step of a disaster: the engine with the real SDK against a simulated AWS."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Self

import pytest

from service.app import open_app
from service.context import SyncRequest
from service.models import Scope, parse_iso
from service.query_app import open_query_app
from service.sandbox.moto_drs import drs_backends
from service.settings import load_settings
from tests.failback.cycle import A1, HOST, RECOVERY, SOURCE, Cycle
from tests.support.sandbox import EngineSandbox

REGIONS = (SOURCE, RECOVERY)
ORIGINALS = (
    "originalSourceRegion",
    "originalAccountId",
    "originalReplicationConfigurationTemplateId",
    "originalReplicationConfiguration",
    "originalSourceAccountId",
    "originalReplicationRegion",
    "originalInstanceId",
    "originalAvailabilityZone",
    "originalHostname",
    "originEnvironment",
    "sourceSideTemplate",
    "captureMethod",
    "topologyLastUpdated",
)
_NOT_COPIED = {"sourceSideTemplate", "originalReplicationConfiguration"}
OWN_ID = "replicationConfigurationTemplateID"
STEPS = ("recover", "reverse", "catch_up", "launch_back", "protect_again", "catch_up", "clean_up")


class TopologyWatch:
    """Syncs in one process, and compares every topology item with its first version."""

    def __init__(self, sandbox: EngineSandbox, cycle: Cycle) -> None:
        self.cycle = cycle
        self.names: set[str] = set()
        self.before: dict[str, dict[str, Any]] = {}
        self._table = sandbox.table("SOURCE_SERVER_TOPOLOGY_TABLE")
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._app = await self._opened.enter_async_context(open_app(load_settings()))
        self._queries = await self._opened.enter_async_context(open_query_app(load_settings()))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._opened.aclose()

    async def sync(self) -> None:
        report = await self._app.sync_inventory(SyncRequest(regions=REGIONS))
        assert report["status"] == "complete", report["errors"]
        topologies = {item["pk"]: item for item in self._table.scan()["Items"] if item["sk"] == "TOPOLOGY"}
        for arn, original in self.before.items():
            assert _originals(topologies[arn]) == original, arn
        self.before = {arn: _originals(item) for arn, item in topologies.items()}

    async def ask(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._queries.failback.run(name)).body
        assert answer["lineage"] == self.cycle.forward.arn, name
        return answer

    async def check_names(self, *names: str) -> None:
        self.names |= set(names)
        for name in sorted(self.names):
            assert (await self.ask(name))["originalInstanceId"] == A1, name


def _originals(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ORIGINALS if name in item}


@pytest.mark.deep
@pytest.mark.parametrize(("same_account", "extended"), [(True, False), (False, True)])
async def test_originals_survive_every_step(
    start_sandbox: Callable[..., EngineSandbox],
    same_account: bool,  # noqa: FBT001
    extended: bool,  # noqa: FBT001
) -> None:
    """`test_cycles.py` has the other two, in the simulation."""
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}, SOURCE: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    names = sandbox.names
    cycle = Cycle(names.a, names.a if same_account else names.b)
    if extended:
        cycle.extend_into(names.b)
    async with TopologyWatch(sandbox, cycle) as watch:
        await watch.sync()
        start = dict(watch.before)
        assert set(start) == {cycle.forward.arn}
        assert start[cycle.forward.arn]["originalSourceRegion"] == SOURCE
        assert start[cycle.forward.arn]["captureMethod"] == "first_sight"
        (template,) = cycle.source.templates
        source_side = sandbox.topologies()[cycle.forward.arn]["sourceSideTemplate"]
        assert source_side["replicationConfigurationTemplateID"] == template
        known = [A1, HOST, HOST.upper(), f"{HOST}.corp.example", cycle.forward.arn, cycle.forward.source_server_id]
        known += [cycle.launched_from.arn, cycle.launched_from.source_server_id]
        for _ in range(2):
            for step in STEPS:
                getattr(cycle, step)()
                if step == "recover":
                    known += [cycle.recovered.instance_id, cycle.recovered.arn]
                if step == "reverse":
                    known += [cycle.reversed.arn, cycle.reversed.source_server_id]
                if step == "launch_back":
                    known += [cycle.failed_back.instance_id]
                await watch.sync()
                assert watch.before == start
            await watch.check_names(*known)
    (topology,) = sandbox.topologies().values()
    moves = [entry["instanceId"] for entry in topology["topologyHistory"] if entry["event"] == "moved"]
    assert len(moves) == 2
    assert A1 not in moves
    assert any(entry["event"] == "absent" for entry in topology["topologyHistory"])


ZONES = ("recover", "reverse_in_place", "catch_up", "recover", "reverse_in_place", "catch_up")
CLIENT = ("recover", "connect_failback_client", "catch_up", "launch_with_client", "catch_up")


@pytest.mark.parametrize(
    ("kind", "steps", "environment"),
    [("zone_only", ZONES, "AWS"), ("on_premises", CLIENT, "ON_PREMISES")],
)
async def test_originals_survive_a_change_of_zone_and_the_failback_client(
    start_sandbox: Callable[..., EngineSandbox], kind: str, steps: tuple[str, ...], environment: str
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    cycle = Cycle(sandbox.names.a, sandbox.names.a, **{kind: True})
    async with TopologyWatch(sandbox, cycle) as watch:
        await watch.sync()
        start = dict(watch.before)
        assert start[cycle.forward.arn]["originEnvironment"] == environment
        ways = []
        for step in steps:
            getattr(cycle, step)()
            await watch.sync()
            assert watch.before == start
            for name in (HOST, cycle.forward.arn, cycle.recovered.instance_id):
                answer = await watch.ask(name)
            ways.append(answer["way"])
    back_in_its_zone = ["reverse-replication"] * 4 + ["nothing-to-do"] * 2
    assert ways == (back_in_its_zone if kind == "zone_only" else ["failback-client"] * 5)


async def test_what_is_seen_late_or_without_origin_is_warned_of(
    start_sandbox: Callable[..., EngineSandbox], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service")
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    names = sandbox.names
    late = Cycle(names.a, names.b)
    late.recover()
    premises = Cycle(names.a, names.b, on_premises=True)
    unknown = late.dr.add_source_server({"sourceProperties": {"identificationHints": {"awsInstanceID": "i-0bad0bad"}}})
    unknown.record.pop("sourceCloudProperties", None)
    report = await sandbox.sync(regions=REGIONS)
    assert {each["code"] for each in report["warnings"]} == {"TopologyCapturedLate", "TopologyIncomplete"}
    logged = {
        (record.levelname, record.message, getattr(record, "server", ""))
        for record in caplog.records
        if record.name.startswith("service.sync.inventory.topology")
    }
    assert logged == {
        ("WARNING", "topology captured late", late.forward.arn),
        ("INFO", "no region of origin", premises.forward.arn),
        ("WARNING", "no region of origin", unknown.arn),
    }
    topologies = sandbox.topologies()
    assert topologies[late.forward.arn]["captureMethod"] == "late"
    assert topologies[premises.forward.arn]["originEnvironment"] == "ON_PREMISES"
    for arn in (premises.forward.arn, unknown.arn):
        assert "originalSourceRegion" not in topologies[arn]


def _minutes_between(first: str, second: str) -> float:
    began, ended = parse_iso(first), parse_iso(second)
    assert began is not None
    assert ended is not None
    return (ended - began).total_seconds() / 60


async def test_a_steady_sync_writes_no_bookkeeping(start_sandbox: Callable[..., EngineSandbox]) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    cycle = Cycle(sandbox.names.a, sandbox.names.b)
    await sandbox.sync(regions=REGIONS)
    cycle.recover()
    cycle.reverse()
    cycle.catch_up()
    await sandbox.sync(regions=REGIONS)
    entries = [entry for row in sandbox.status().values() for entry in row["accounts"].values()]
    requests = [(entry["lookRequestedAt"], entry["lastComplete"]) for entry in entries if "lookRequestedAt" in entry]
    # Each record names the other, and the run scanned both: what is left is the request of a scope with new servers.
    assert all(_minutes_between(scanned, requested) > 10 for requested, scanned in requests)
    sandbox.calls()
    await sandbox.sync(regions=REGIONS)
    calls = sandbox.calls()
    assert calls["dynamodb", "BatchWriteItem"] == 0
    assert calls["dynamodb", "PutItem"] == 2 + 1  # the moving values of the two regions, the record of the run
    assert calls["drs", "DescribeRecoveryInstances"] == calls["drs", "GetReplicationConfiguration"] == 0
    assert calls["dynamodb", "Query"] == 5  # the items of four scopes, what earlier versions left; no lineage again


async def test_a_reversed_server_that_is_scanned_before_its_forward_one_still_finds_its_lineage(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    """The recovery side was not read at first, and DRS gives no ARN of the opposite direction."""
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    cycle = Cycle(sandbox.names.a, sandbox.names.b)
    cycle.recover()
    cycle.reverse()
    cycle.catch_up()
    cycle.reversed.record.pop("reversedDirectionSourceServerArn", None)
    arn = cycle.reversed.arn
    await sandbox.sync(regions=[SOURCE])
    (item,) = sandbox.items()
    assert (item["sourceServerArn"], item.get("lineageArn")) == (arn, None)
    await sandbox.sync(regions=[RECOVERY])
    report = await sandbox.sync(regions=[SOURCE])
    assert (report["serversWritten"], report["serversUnchanged"]) == (1, 0)
    assert {each["sourceServerArn"]: each.get("lineageArn") for each in sandbox.items()} == {
        arn: cycle.forward.arn,
        cycle.forward.arn: cycle.forward.arn,
    }
    async with open_query_app(load_settings()) as app:
        for name in (arn, cycle.reversed.source_server_id):
            answer = (await app.failback.run(name)).body
            assert (answer["lineage"], answer["originalInstanceId"]) == (cycle.forward.arn, A1)
    report = await sandbox.sync(regions=[SOURCE])
    assert (report["serversWritten"], report["serversUnchanged"]) == (0, 1)


async def test_a_reversed_server_belongs_to_the_one_that_drs_names_before_that_is_scanned(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    cycle = Cycle(sandbox.names.a, sandbox.names.b)
    cycle.recover()
    cycle.reverse()
    cycle.catch_up()
    await sandbox.sync(regions=[SOURCE])
    (item,) = sandbox.items()
    assert (item["sourceServerArn"], item["lineageArn"]) == (cycle.reversed.arn, cycle.forward.arn)
    await sandbox.sync(regions=[RECOVERY])
    report = await sandbox.sync(regions=[SOURCE])
    assert (report["serversWritten"], report["serversUnchanged"]) == (0, 1)


@pytest.mark.parametrize(
    ("request_of", "reads_source"),
    [
        (lambda _: {"regions": REGIONS}, True),
        (lambda _: {"regions": (RECOVERY,)}, False),
        (lambda account: {"scopes": (Scope(account, RECOVERY),)}, False),
        (lambda _: {"regions": REGIONS, "excluded_regions": (SOURCE,)}, False),
    ],
)
async def test_the_source_side_is_read_only_in_scopes_of_the_run(
    start_sandbox: Callable[..., EngineSandbox],
    request_of: Callable[[str], dict[str, Any]],
    reads_source: bool,  # noqa: FBT001
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}, SOURCE: {"servers": 0}}, b={})
    cycle = Cycle(sandbox.names.a, sandbox.names.a)
    await sandbox.sync(**request_of(sandbox.names.a))
    assert sandbox.calls()["drs", "DescribeReplicationConfigurationTemplates"] == 1 + reads_source
    assert ("sourceSideTemplate" in sandbox.topologies()[cycle.forward.arn]) is reads_source


@pytest.mark.parametrize(
    ("operation", "lacks"),
    [
        ("DescribeReplicationConfigurationTemplates", {"originalReplicationConfigurationTemplateId"}),
        ("GetReplicationConfiguration", {"originalReplicationConfiguration", "sourceSideTemplate"}),
    ],
)
async def test_details_that_could_not_be_read_are_reported_and_read_by_a_later_run(
    start_sandbox: Callable[..., EngineSandbox], operation: str, lacks: set[str]
) -> None:
    """With one read per run, a server whose templates stay denied must not keep the others from being read."""
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    sandbox.set(TOPOLOGY_READS_PER_SCOPE="1")
    cycles = [Cycle(sandbox.names.a, sandbox.names.b) for _ in range(2)]
    denied = {"service": "drs", "region": RECOVERY, "error": "AccessDeniedException", "status": 403, "times": 99}
    sandbox.faults(fail=[{**denied, "account_id": sandbox.names.a, "operation": operation}])
    for _ in range(3):
        report = await sandbox.sync(regions=REGIONS)
        assert report["status"] == "complete"  # the servers themselves are known
        assert [each["operation"] for each in report["warnings"]] == [operation]
    before = sandbox.topologies()
    assert set(before) == {cycle.forward.arn for cycle in cycles}
    for topology in before.values():
        assert topology["originalSourceRegion"] == SOURCE
        assert not topology.keys() & lacks
        assert ("originalReplicationConfiguration" in topology) is (operation != "GetReplicationConfiguration")
    sandbox.faults()
    sandbox.calls()
    for _ in cycles:
        assert (await sandbox.sync(regions=REGIONS))["warnings"] == []
    reads = sandbox.calls()["drs", "GetReplicationConfiguration"]
    assert reads == (2 if operation == "GetReplicationConfiguration" else 0)
    after = sandbox.topologies()
    for arn, topology in before.items():
        assert after[arn].keys() == {*topology, *lacks}
        assert {name: after[arn][name] for name in topology} == topology
    copies = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert all(copies[arn]["topologyComplete"] is True and lacks - _NOT_COPIED <= copies[arn].keys() for arn in after)
    sandbox.calls()
    await sandbox.sync(regions=REGIONS)
    steady = sandbox.calls()
    assert steady["dynamodb", "BatchGetItem"] == steady["dynamodb", "TransactWriteItems"] == 1  # rows of both regions
    assert steady["dynamodb", "UpdateItem"] == steady["drs", "GetReplicationConfiguration"] == 0


async def test_configurations_whose_turn_has_come_are_read_within_the_budget_of_calls(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    for _ in range(2):
        Cycle(sandbox.names.a, sandbox.names.b)
    await sandbox.sync(regions=REGIONS)
    for item in sandbox.items():
        sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").update_item(
            Key={name: item[name] for name in ("sourceServerArn", "stagingAccountId")},
            UpdateExpression="SET topologyLastUpdated = :ago",
            ExpressionAttributeValues={":ago": "2026-01-01T00:00:00+00:00"},
        )
    sandbox.set(SYNC_INTERVAL_SECONDS="86400")  # so that both are due in every run
    for budget in (1, 2):
        sandbox.set(TOPOLOGY_READS_PER_SCOPE=str(budget))
        sandbox.calls()
        assert (await sandbox.sync(regions=REGIONS))["status"] == "complete"
        assert sandbox.calls()["drs", "GetReplicationConfiguration"] == budget


async def test_where_several_templates_fit_none_is_named_and_none_searched_again(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    cycle = Cycle(sandbox.names.a, sandbox.names.b)
    (template,) = cycle.dr.templates.values()
    alike = {name: value for name, value in template.record.items() if name not in {"arn", OWN_ID}}
    cycle.dr.create_replication_configuration_template(alike)
    await sandbox.sync(regions=REGIONS)
    topology = sandbox.topologies()[cycle.forward.arn]
    assert topology["originalReplicationConfiguration"]
    assert "originalReplicationConfigurationTemplateId" not in topology
    (item,) = sandbox.items()
    assert item["topologyComplete"] is True
    sandbox.calls()
    await sandbox.sync(regions=REGIONS)
    calls = sandbox.calls()
    assert calls["drs", "GetReplicationConfiguration"] == 0
    assert calls["dynamodb", "BatchGetItem"] == 1  # the rows of both regions, and no topology


async def test_an_extended_server_has_the_template_of_the_account_that_replicates(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}, SOURCE: {"servers": 0}}, b={RECOVERY: {"servers": 0}})
    names = sandbox.names
    cycle = Cycle(names.a, names.a)
    for _ in range(2):
        cycle.extend_into(names.b)
        cycle = Cycle(names.a, names.a)
    extended = {"accounts": (names.b,), "regions": (RECOVERY,)}
    sandbox.calls()
    assert (await sandbox.sync(**extended))["warnings"] == []
    assert sandbox.calls()["drs", "DescribeReplicationConfigurationTemplates"] == 1
    (template,) = drs_backends[names.a][RECOVERY].templates
    for topology in sandbox.topologies().values():
        assert topology["originalReplicationConfigurationTemplateId"] == template
    for item in sandbox.items():
        assert (item["originalReplicationConfigurationTemplateId"], item["topologyComplete"]) == (template, True)
    sandbox.calls()
    await sandbox.sync(**extended)
    calls = sandbox.calls()
    assert calls["dynamodb", "BatchGetItem"] == calls["drs", "GetReplicationConfiguration"] == 0
    assert calls["drs", "DescribeReplicationConfigurationTemplates"] == 0


async def test_a_template_that_the_staging_account_refuses_is_reported_once_and_not_called_complete(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={RECOVERY: {"servers": 0}})
    names = sandbox.names
    for _ in range(3):
        Cycle(names.a, names.a).extend_into(names.b)
    operation = "DescribeReplicationConfigurationTemplates"
    denied = {"service": "drs", "error": "AccessDeniedException", "status": 403, "times": 99}
    sandbox.faults(fail=[{**denied, "account_id": names.a, "operation": operation}])
    extended = {"accounts": (names.b,), "regions": (RECOVERY,)}
    for run in range(2):
        sandbox.calls()
        (warning,) = (await sandbox.sync(**extended))["warnings"]
        assert (warning["operation"], warning["accountId"]) == (operation, names.a)
        assert f"account {names.a}" in warning["advice"]
        calls = sandbox.calls()
        assert calls["drs", operation] == 1
        assert run == 0 or calls["dynamodb", "BatchGetItem"] == 0  # no topology is read in vain
        for item in sandbox.items():
            assert (item["topologyComplete"], item["topologyMissing"]) == (False, ["template"])
            assert sandbox.topologies()[item["lineageArn"]]["originalReplicationConfiguration"]
    sandbox.faults()
    assert (await sandbox.sync(**extended))["warnings"] == []
    assert {item["topologyComplete"] for item in sandbox.items()} == {True}


async def test_an_extended_server_that_an_earlier_version_called_complete_is_completed(
    start_sandbox: Callable[..., EngineSandbox],
) -> None:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={RECOVERY: {"servers": 0}})
    Cycle(sandbox.names.a, sandbox.names.a).extend_into(sandbox.names.b)
    extended = {"accounts": (sandbox.names.b,), "regions": (RECOVERY,)}
    await sandbox.sync(**extended)
    (whole,) = sandbox.items()
    table = sandbox.table("SOURCE_SERVER_INVENTORY_TABLE")
    key = {name: whole[name] for name in ("sourceServerArn", "stagingAccountId")}
    name = "originalReplicationConfigurationTemplateId"
    table.update_item(Key=key, UpdateExpression=f"REMOVE {name}, topologyMissing")
    topology_key = {"pk": whole["lineageArn"], "sk": "TOPOLOGY"}
    own = sandbox.table("SOURCE_SERVER_TOPOLOGY_TABLE")
    own.update_item(Key=topology_key, UpdateExpression=f"REMOVE {name}")
    denied = {"service": "drs", "error": "AccessDeniedException", "status": 403, "times": 99}
    operation = "DescribeReplicationConfigurationTemplates"
    sandbox.faults(fail=[{**denied, "account_id": sandbox.names.a, "operation": operation}])
    assert (await sandbox.sync(**extended))["serversUnchanged"] == 1
    assert [item["topologyComplete"] for item in sandbox.items()] == [False]
    sandbox.faults()
    await sandbox.sync(**extended)
    assert sandbox.items() == [whole]
