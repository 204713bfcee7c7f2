"""Tests of sharded syncs, run by the state machine's definition: the result is that of a single run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from service.handlers import data_management
from service.models import Shard
from tests.deploy import checks
from tests.deploy.templates import FOLDER, of_type, template
from tests.shards.machine import Failed, Machine, Timeout, definition
from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EngineSandbox, estate_without_accounts, new_account_id
from tests.support.table_state import state

SUMS = ("serversSynced", "serversWritten", "serversUnchanged", "serversRemoved", "accounts", "serversByRegion")


class Context:
    """Lambda context."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def invoke(payload: Any) -> Any:
    return data_management.lambda_handler(payload, Context())


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Start a sandbox for shards of two accounts each."""
    with estate_without_accounts(monkeypatch) as started:
        started.set(DRS_REGIONS="us-east-1 us-west-2 eu-west-1", ACCOUNTS_PER_SHARD="2", DISCOVERY_WINDOW_SECONDS="900")
        yield started
        data_management.runtime.close()


@pytest.fixture(autouse=True)
def accounts(sandbox: EngineSandbox) -> list[str]:
    """Add seven target accounts, one or two in each shard of four."""
    ids = [next(filter(Shard(number % 4, 4).holds, iter(new_account_id, ""))) for number in range(7)]
    for number, account in enumerate(ids):
        regions = {"us-west-2": {"servers": number % 4}, "eu-west-1": {"servers": (number + 1) % 3}}
        sandbox.add_account(account_id=account, regions=regions)
    return ids


@pytest.fixture
def received(sandbox: EngineSandbox) -> ReceivedCalls:
    """Record the calls that the sandbox receives."""
    return sandbox.received_calls()


def single_run(sandbox: EngineSandbox) -> tuple[Any, dict[str, Any]]:
    """Return the tables and the report of two single runs of the same AWS, in new tables."""
    with sandbox.other_tables():
        for _ in range(2):
            report = anyio.run(sandbox.sync)
        return state(sandbox), report


def in_shards(machine: Machine | None = None, **job: Any) -> dict[str, Any]:
    output = (machine or Machine(invoke)).run({"job": "inventory", **job})
    report: dict[str, Any] = output["report"]
    return report


def test_the_tables_and_the_sums_are_those_of_one_run(sandbox: EngineSandbox) -> None:
    first = in_shards()
    assert first["shards"] == {"asked": 4, "lost": []}
    second = in_shards()
    expected, report = single_run(sandbox)
    assert state(sandbox) == expected
    assert (first["status"], second["status"]) == ("complete", "complete")
    assert {name: second[name] for name in SUMS} == {name: report[name] for name in SUMS}
    assert second["scopes"]["asked"] == report["scopes"]["asked"]
    assert set(report) <= set(second)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_some_twice_and_some_lost_the_next_run_ends_as_one_would(
    sandbox: EngineSandbox, accounts: list[str], seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - not a secret

    def flaky(payload: Any) -> Any:
        if payload["operation"] == "sync_shard" and rng.random() < 0.4:
            if rng.random() < 0.5:
                invoke(payload)  # it completed, but its response was lost
            raise Timeout("States.Timeout")
        return invoke(payload)

    for _ in range(2):
        report = in_shards(Machine(flaky, rng, twice=0.5))
        scopes = report["scopes"]
        assert scopes["asked"] == sum(scopes[each] for each in ("complete", "partial", "skipped", "failed"))
        assert (report["status"] == "complete") is (not report["shards"]["lost"])
        assert len([error for error in report["errors"] if error["code"] == "ShardFailed"]) == len(
            report["shards"]["lost"]
        )
        sandbox.add(accounts[1], "us-east-1", servers=1)
    in_shards(Machine(invoke, rng, twice=0.5))
    in_shards(Machine(invoke, rng))
    assert state(sandbox) == single_run(sandbox)[0]


def test_a_shard_that_is_lost_changes_no_count_of_its_accounts(sandbox: EngineSandbox) -> None:
    in_shards()
    before = sandbox.counts()

    def lossy(payload: Any) -> Any:
        if payload["operation"] == "sync_shard":
            raise Timeout("Lambda.Unknown")
        return invoke(payload)

    report = in_shards(Machine(lossy))
    assert (report["status"], report["shards"]["lost"], report["accounts"]) == ("failed", [0, 1, 2, 3], 7)
    assert sandbox.counts() == before
    assert "Lambda.Unknown" in report["errors"][0]["message"]


def scopes_failed(out: str) -> list[tuple[str, int]]:
    """Return operation and value of the metric ScopesFailed for each EMF line of an output."""
    every = [json.loads(line) for line in out.splitlines() if '"_aws"' in line]
    lines = [line for line in every if "ScopesFailed" in line]
    assert all(set(line) & {"ServersReady"} for line in every if line not in lines)  # those of the estate
    assert all(line["ScopesToRepair"] == line["ScopesFailed"] for line in lines)
    assert all(len(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]) == 3 for line in lines)
    return [(line["Operation"], line["ScopesFailed"]) for line in lines]


@pytest.mark.parametrize(
    ("job", "operation"),
    [("inventory", "sync_source_server_inventory"), ("staging", "sync_staging_accounts"), ("tags", "sync_tags")],
)
def test_scopes_of_a_lost_shard_are_in_the_metric_that_the_alarm_reads(
    sandbox: EngineSandbox, capfd: pytest.CaptureFixture[str], job: str, operation: str
) -> None:
    """A lost shard emits no metrics, so the final step must; else an account lost in every run raises no alarm."""
    in_shards()

    def lossy(payload: Any) -> Any:
        if payload["operation"] == "sync_shard" and payload["body"]["index"] == 1:
            raise Timeout("States.Timeout")
        return invoke(payload)

    capfd.readouterr()
    report = in_shards(Machine(lossy), job=job)
    captured = capfd.readouterr()
    assert report["shards"]["lost"] == [1]
    values = scopes_failed(captured.out + captured.err)
    assert [named for named, _ in values] == [operation] * 4, "three shards and the final step"
    assert values[-1][1] > 0
    scopes = report["scopes"]
    assert sum(failed for _, failed in values) == scopes["failed"] + scopes["partial"]
    in_shards(job=job)
    captured = capfd.readouterr()
    assert len(scopes_failed(captured.out + captured.err)) == 4, (
        "the final step adds none when all shards have reported"
    )


def test_removed_accounts_are_cleaned_up_when_every_shard_has_ended(
    sandbox: EngineSandbox, accounts: list[str]
) -> None:
    in_shards()
    removed = accounts[2]
    assert any(removed in row["accounts"] for row in sandbox.status().values())
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": removed})
    in_shards()
    assert not any(removed in row["accounts"] for row in sandbox.status().values())


def test_a_count_of_an_earlier_writer_is_replaced_once_every_account_was_scanned(sandbox: EngineSandbox) -> None:
    """No shard sees all accounts, so only the final step can decide this."""
    for region, count in (("us-west-2", 500), ("us-east-1", 7), ("eu-west-1", 1)):
        sandbox.table("DRS_REGION_STATUS_TABLE").put_item(
            Item={"region": region, "serverCount": count, "status": "ACTIVE"}
        )
    report = in_shards()
    assert report["regionSource"] == "status_table"
    assert sandbox.counts() == report["serversByRegion"]
    assert not any("unattributedCount" in row for row in sandbox.status().values())


def test_the_mark_of_a_full_scan_goes_when_its_last_shard_has_ended(sandbox: EngineSandbox) -> None:
    def lossy(payload: Any) -> Any:
        if payload["operation"] == "sync_shard" and payload["body"]["index"] == 1:
            raise Timeout("States.Timeout")
        return invoke(payload)

    in_shards(Machine(lossy))
    assert any("sweep" in name.lower() for row in sandbox.status().values() for name in row)
    in_shards()
    assert not any("sweep" in name.lower() for row in sandbox.status().values() for name in row)


def test_accounts_that_are_missing_stay_while_a_record_cannot_be_used(
    sandbox: EngineSandbox, accounts: list[str]
) -> None:
    """The unusable record may be theirs, so their region status is kept."""
    in_shards()
    removed = accounts[2]
    before = sandbox.counts()
    sandbox.table("TARGET_ACCOUNTS_TABLE").delete_item(Key={"accountId": removed})
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(Item={"accountId": f"{removed} "})
    in_shards()
    assert any(removed in row["accounts"] for row in sandbox.status().values())
    assert sandbox.counts() == before


def test_the_last_step_of_all_shards_tells_the_age_of_the_inventory_and_no_shard_does(sandbox: EngineSandbox) -> None:
    def checked() -> dict[str, str]:
        return {region: row["lastChecked"] for region, row in sandbox.status().items()}

    by_shards: list[dict[str, str]] = []

    def watched(payload: Any) -> Any:
        if payload["operation"] == "finish_sync":
            by_shards.append(checked())
        return invoke(payload)

    def lossy(payload: Any) -> Any:
        if payload["operation"] == "sync_shard" and payload["body"]["index"] == 1:
            raise Timeout("States.Timeout")
        return watched(payload)

    in_shards(Machine(watched))
    old = "2026-01-01T00:00:00Z"
    sandbox.table("DRS_REGION_STATUS_TABLE").put_item(
        Item={"region": "sa-east-1", "serverCount": 0, "status": "ACTIVE", "lastChecked": old}
    )
    in_shards(Machine(lossy))
    assert (by_shards[-1]["sa-east-1"], checked()["sa-east-1"]) == (old, old)
    report = in_shards(Machine(watched))
    assert by_shards[-1]["sa-east-1"] == old
    assert min(checked().values()) >= report["startedAt"][:19]


def test_the_mark_of_a_full_scan_stays_while_a_shard_has_run_out_of_time(sandbox: EngineSandbox) -> None:
    class NoTime(Context):
        def get_remaining_time_in_millis(self) -> int:
            return 10_000  # as much as the function reserves for its report

    def hurried(payload: Any) -> Any:
        late = payload["operation"] == "sync_shard" and payload["body"]["index"] == 1
        return data_management.lambda_handler(payload, NoTime()) if late else invoke(payload)

    report = in_shards(Machine(hurried))
    assert (report["status"], report["shards"]["lost"]) == ("partial", [])
    assert any("sweep" in name.lower() for row in sandbox.status().values() for name in row)
    assert in_shards()["status"] == "complete"
    assert not any("sweep" in name.lower() for row in sandbox.status().values() for name in row)


def test_few_accounts_are_one_invocation(sandbox: EngineSandbox) -> None:
    sandbox.set(ACCOUNTS_PER_SHARD="7")
    machine = Machine(invoke)
    report = in_shards(machine)
    assert machine.entered == ["Plan", "HowMany", "Alone"]
    assert report["sums"]["accounts"] == 7
    assert in_shards()["sums"]["serversWritten"] == 0
    assert state(sandbox) == single_run(sandbox)[0]


def test_a_plan_that_cannot_be_made_fails_the_execution_and_says_why(
    sandbox: EngineSandbox, received: ReceivedCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARGET_ACCOUNTS_TABLE", "no-such-table")
    with pytest.raises(Failed, match="no-such-table"):
        in_shards()
    assert received.of("drs") == []


def tag_rows(sandbox: EngineSandbox) -> dict[str, dict[str, Any]]:
    return {row["accountId"]: row for row in sandbox.table("TAG_SYNC_CONFIG_TABLE").scan()["Items"]}


def test_shards_of_the_tag_sync_share_a_lock_and_store_one_result(sandbox: EngineSandbox) -> None:
    lock = {"accountId": "_tag_sync_lock"}
    in_shards()

    def age_lock(**changes: Any) -> int:
        row = sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key=lock)["Item"]
        sandbox.table("TAG_SYNC_CONFIG_TABLE").put_item(Item={**row, "startedAt": row["startedAt"] - 800, **changes})
        return int(row["startedAt"])

    def while_it_runs(payload: Any) -> Any:
        if payload["operation"] == "sync_shard":
            assert Machine(invoke).run({"job": "tags"})["plan"]["alreadyRunning"]
            other = invoke({"operation": "handle_drs_tag_sync"})
            assert other["status"] == "ALREADY_RUNNING"
            began = age_lock()
            response = invoke(payload)
            assert age_lock() >= began, "the shard renewed it"
            return response
        ends.extend([payload] if payload["operation"] == "finish_sync" else [])
        return invoke(payload)

    ends: list[Any] = []
    report = in_shards(Machine(while_it_runs), job="tags")
    assert report["shards"]["lost"] == []
    rows = tag_rows(sandbox)
    assert rows["_tag_sync_lock"]["status"] == "COMPLETED"
    sandbox.table("TAG_SYNC_CONFIG_TABLE").delete_item(Key={"accountId": "_last_tag_sync"})
    invoke({**ends[0], "body": {**ends[0]["body"], "lockOwner": None}})  # as who invokes it without a lock
    assert tag_rows(sandbox)["_tag_sync_lock"] == rows["_tag_sync_lock"]
    rows = tag_rows(sandbox)
    last = rows["_last_tag_sync"]
    assert (last["totalAccounts"], last["source"]) == (7, "eventbridge")
    assert int(last["totalServers"]) == report["serversSynced"] > 0
    assert int(last["totalSynced"]) == report["serversTagged"] + report["serversUnchanged"]
    assert int(last["totalFailed"]) == report["serversFailed"]


def test_a_single_shard_of_the_tag_sync_stores_the_source_of_the_request(sandbox: EngineSandbox) -> None:
    sandbox.set(ACCOUNTS_PER_SHARD="7")
    in_shards()
    events: list[tuple[dict[str, Any], str]] = [({}, "eventbridge"), ({"source": "manual"}, "manual")]
    for body, source in events:
        in_shards(job="tags", **body)
        last = tag_rows(sandbox)["_last_tag_sync"]
        assert (last["source"], last["totalAccounts"]) == (source, 7)


def test_shards_whose_lock_went_to_another_do_nothing_and_leave_its_result(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    in_shards()
    in_shards(job="tags")
    before = tag_rows(sandbox)

    def stolen(payload: Any) -> Any:
        if payload["operation"] == "sync_shard":
            row = sandbox.table("TAG_SYNC_CONFIG_TABLE").get_item(Key={"accountId": "_tag_sync_lock"})["Item"]
            sandbox.table("TAG_SYNC_CONFIG_TABLE").put_item(Item={**row, "owner": "another"})
        return invoke(payload)

    calls = len(received.of("drs"))
    report = in_shards(Machine(stolen), job="tags")
    assert (report["status"], report["shards"]["lost"]) == ("failed", [0, 1, 2, 3])
    assert "is running already" in report["errors"][0]["message"]
    assert [warning["code"] for warning in report["warnings"]] == ["LeaseLost"]
    assert len(received.of("drs")) == calls
    after = tag_rows(sandbox)
    assert after["_last_tag_sync"] == before["_last_tag_sync"]
    assert (after["_tag_sync_lock"]["owner"], after["_tag_sync_lock"]["status"]) == ("another", "IN_PROGRESS")


def test_a_problem_of_one_account_is_reported_in_the_report_of_all(sandbox: EngineSandbox, accounts: list[str]) -> None:
    in_shards()
    bad = accounts[3]
    sandbox.change_target(bad, externalId="not-the-one")
    data_management.runtime.close()  # the next process has no cached session for it
    report = in_shards()
    assert report["status"] == "partial"
    assert {error["accountId"] for error in report["errors"]} == {bad}


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("plan_sync", {}),
        ("plan_sync", {"job": "everything"}),
        ("sync_shard", {"job": "inventory", "index": 2, "count": 2, "startedAt": "2026-11-23T05:00:00Z"}),
        ("sync_shard", {"job": "inventory", "index": 0, "count": 51, "startedAt": "2026-11-23T05:00:00Z"}),
        ("sync_shard", {"job": "inventory", "index": 0, "count": 2, "startedAt": "2026-11-23T05:00:00"}),
        ("finish_sync", {"shards": []}),
    ],
)
def test_an_invalid_body_is_refused_and_changes_nothing(
    sandbox: EngineSandbox, received: ReceivedCalls, operation: str, body: dict[str, Any]
) -> None:
    response = invoke({"operation": operation, "body": body})
    assert response["error"] == "INVALID_PARAMETER"
    assert received.count() == 0


def test_cfn_lint_accepts_the_definition(tmp_path: Path) -> None:
    found = template("statemachine.yaml")
    properties = found["Resources"]["SyncStateMachine"]["Properties"]
    assert (FOLDER / properties.pop("DefinitionS3Location")).resolve().name == "sync.asl.json"
    assert set(properties.pop("DefinitionSubstitutions")) == {"Partition", "DataManagementHandlerFunctionArn"}
    properties["DefinitionString"] = json.dumps(definition())
    inlined = tmp_path / "inlined.json"
    inlined.write_text(json.dumps(found))
    lint = [str(Path(sys.executable).with_name("cfn-lint")), str(inlined)]
    ended = subprocess.run(lint, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_machine_may_invoke_one_function_and_start_itself() -> None:
    roles = dict(of_type(template("statemachine.yaml"), "AWS::IAM::Role"))
    statements = {each["Sid"]: each for each in checks.statements(roles["SyncStateMachineRole"]["Policies"])}
    assert statements["RunTheTasks"]["Resource"] == {"Ref": "DataManagementHandlerFunctionArn"}
    own = statements["StartShards"]["Resource"]["Fn::Sub"]
    name = template("statemachine.yaml")["Resources"]["SyncStateMachine"]["Properties"]["StateMachineName"]["Fn::Sub"]
    assert own.endswith(f":stateMachine:{name}")
    assert statements["FollowShards"]["Resource"]["Fn::Sub"].endswith(f":execution:{name}/*")
    assert checks.allowed(roles["ScheduleRole"]["Policies"]) == {"states:StartExecution"}


def test_a_start_that_failed_is_retried_and_stored_as_those_of_the_functions_are() -> None:
    found, rules = template("statemachine.yaml"), template("rules.yaml")
    assert found["Parameters"]["SyncDeadLetterQueueArn"]["Default"] == ""
    assert found["Conditions"]["HasDeadLetters"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "SyncDeadLetterQueueArn"}, ""]}]
    }
    retries = {}
    for _, properties in of_type(found, "AWS::Events::Rule"):
        [target] = properties["Targets"]
        dead_letters = {"Arn": {"Ref": "SyncDeadLetterQueueArn"}}
        assert target["DeadLetterConfig"] == {"Fn::If": ["HasDeadLetters", dead_letters, {"Ref": "AWS::NoValue"}]}
        retries[properties["ScheduleExpression"]] = target["RetryPolicy"]
    assert retries == {
        properties["ScheduleExpression"]: properties["Targets"][0]["RetryPolicy"]
        for logical, properties in of_type(rules, "AWS::Events::Rule")
        if logical != "CoverageSyncScheduleRule"  # it never runs in shards
    }


def test_its_schedules_are_off_and_start_known_jobs_at_the_platforms_rates() -> None:
    found = template("statemachine.yaml")
    assert found["Parameters"]["EnableSchedules"]["Default"] == "false"
    rates = {}
    for logical, properties in of_type(found, "AWS::Events::Rule"):
        assert found["Resources"][logical]["Condition"] == "WithSchedules"
        [target] = properties["Targets"]
        rates[json.loads(target["Input"])["job"]] = properties["ScheduleExpression"]
    platform = {rule: rate for rule, (_, rate, _, _) in checks.RULES.items()}
    assert rates == {
        "inventory": platform["InventorySyncScheduleRule"],
        "staging": platform["StagingAccountSyncScheduleRule"],
        "tags": platform["TagSyncScheduleRule"],
    }
