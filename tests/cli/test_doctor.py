"""`drs-sync doctor`: each known fault of a set-up is reported with its cause and how to fix it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import anyio
import pytest

from service.accounts.records import RoleRef
from service.cli.diagnosis import Finding, Level, diagnose_hub, diagnose_region, diagnose_role, diagnose_table
from service.cli.doctor_checks import check_until
from service.cli.schemas import TABLES
from service.errors import AwsError
from service.models import Call, Scope
from tests.cli.test_command_line import drs_sync
from tests.cli.test_servers import run_json
from tests.support.sandbox import EngineSandbox, Names, new_account_id

HERE = "us-west-2"
FindingJson = Mapping[str, str]


def run_doctor(*arguments: str, exit_code: int = 0, **environment: str) -> list[FindingJson]:
    """Run the command and return its findings."""
    document = run_json("doctor", *arguments, exit_code=exit_code, **environment)
    findings: list[FindingJson] = document["findings"]
    worst = next((level for level in ("failed", "warning") if any(each["status"] == level for each in findings)), "ok")
    assert document["status"] == worst
    for finding in findings:
        assert finding["cause"]
        assert bool(finding["cure"]) is (finding["status"] != "ok")
    return findings


def finding_of(findings: list[FindingJson], check: str, account_id: str = "", region: str = "") -> FindingJson:
    """Return the only finding of a check about an account and region."""
    wanted = {"accountId": account_id, "region": region}
    (found,) = [
        each
        for each in findings
        if each["check"] == check and all(each.get(name, "") == value for name, value in wanted.items() if value)
    ]
    return found


def faults_in(findings: list[FindingJson]) -> set[tuple[str, str, str]]:
    """Return check, account and region of each finding that is not ok."""
    return {
        (each["check"], each.get("accountId", ""), each.get("region", ""))
        for each in findings
        if each["status"] != "ok"
    }


def test_all_is_well_after_a_sync(sandbox: EngineSandbox) -> None:
    fresh = run_doctor()
    assert faults_in(fresh) == {("region status", "", "")}  # a warning: nothing was synced yet
    assert finding_of(fresh, "drs", sandbox.names.a, "us-east-1")["status"] == "ok"
    run_json("sync", "inventory", "--full-scan")
    findings = run_doctor()
    assert faults_in(findings) == set()
    tried = {(each["accountId"], each["region"]) for each in findings if each["check"] == "drs"}
    assert tried == {(sandbox.names.a, HERE), (sandbox.names.a, "eu-west-1"), (sandbox.names.b, HERE)}
    requested = run_doctor("--account", sandbox.names.b, "--region", "eu-west-1")
    assert finding_of(requested, "drs")["cause"].startswith("DRS is not initialised there: ")
    assert finding_of(requested, "drs")["status"] == "warning"


def test_a_person_gets_a_table_with_nothing_raw_in_it(sandbox: EngineSandbox) -> None:
    evil = "\x1b[2Jno\u202e [red]"
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "service": "drs", "message": evil}])
    done = drs_sync("doctor", "--region", HERE, "--output", "table", COLUMNS="220")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "1 failed" in done.stdout
    assert "drs:DescribeSourceServers" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--region", "mars"], "mars"),
        (["--account", "12"], "12 digits"),
        (["--account", ""], "--account is empty. Fix: give it a value, or leave the option out"),
        (["--region", " "], "--region is empty. Fix: give it a value, or leave the option out"),
        (["--account", "999999999999"], "neither a target nor a staging account"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_wrong_usage_exits_2(arguments: list[str], words: str) -> None:
    assert words in run_json("doctor", *arguments, exit_code=2)["message"]


def test_settings_that_are_missing(sandbox: EngineSandbox) -> None:
    unset = dict.fromkeys((spec.variable for spec in TABLES), "")
    levels = {each["cause"].split()[0]: each["status"] for each in run_doctor(exit_code=1, **unset)}
    assert levels.pop("this") == "ok"  # this is account ...
    assert levels == {
        "TARGET_ACCOUNTS_TABLE": "failed",
        "SOURCE_SERVER_INVENTORY_TABLE": "failed",
        "DRS_REGION_STATUS_TABLE": "warning",
        "SOURCE_SERVER_TOPOLOGY_TABLE": "warning",
        "TAG_SYNC_CONFIG_TABLE": "warning",
    }
    (nowhere,) = run_doctor(exit_code=1, AWS_REGION="", AWS_DEFAULT_REGION="")
    assert (nowhere["check"], "AWS_REGION" in nowhere["cure"]) == ("settings", True)


def test_credentials_of_the_hub_that_are_missing_or_refused(sandbox: EngineSandbox) -> None:
    done = drs_sync("doctor", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert done.returncode == 1
    (none,) = json.loads(done.stdout)["findings"]
    assert (none["check"], "no AWS credentials" in none["cause"]) == ("hub", True)
    refused = {"service": "sts", "operation": "GetCallerIdentity", "times": None, "status": 403}
    for error, words in (("InvalidClientTokenId", "refuses"), ("ExpiredToken", "expired")):
        sandbox.faults(fail=[{**refused, "error": error}])
        (found,) = run_doctor(exit_code=1)
        assert words in found["cause"]


def test_an_endpoint_that_cannot_be_reached(sandbox: EngineSandbox) -> None:
    unreachable = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
    hub = finding_of(run_doctor(exit_code=1, **unreachable), "hub")
    assert "cannot be reached" in hub["cause"]
    findings = run_doctor("--region", HERE, exit_code=1, AWS_ENDPOINT_URL_DRS="http://127.0.0.1:9")
    assert {each["accountId"] for each in findings if "the endpoint of drs cannot be reached" in each["cause"]} == {
        sandbox.names.a,
        sandbox.names.b,
    }


def test_tables_that_are_missing_of_another_schema_or_closed(sandbox: EngineSandbox) -> None:
    environment = sandbox.server.environment()
    swapped = {
        "SOURCE_SERVER_INVENTORY_TABLE": environment["DRS_REGION_STATUS_TABLE"],
        "TAG_SYNC_CONFIG_TABLE": "no-such-table",
        "DRS_REGION_STATUS_TABLE": "no-such-table",
    }
    findings = run_doctor(exit_code=1, **swapped)
    inventory = finding_of(findings, "table SOURCE_SERVER_INVENTORY_TABLE")
    assert "its key is region, not sourceServerArn + stagingAccountId" in inventory["cause"]
    assert "no index SourceAccountIndex; it has no index StagingAccountIndex" in inventory["cause"]
    assert "ReplicationRegionIndex (replicationRegion + sourceServerArn" in inventory["cure"]
    assert "table no-such-table does not exist" in finding_of(findings, "table TAG_SYNC_CONFIG_TABLE")["cause"]
    status = finding_of(findings, "region status")
    assert (status["status"], "every sync scans every region" in status["cause"]) == ("failed", True)
    assert finding_of(findings, "drs", sandbox.names.a)["status"] == "ok"  # the accounts are checked nevertheless

    platform = environment["TARGET_ACCOUNTS_TABLE"]
    assert (
        "its key is accountId, not groupId"
        in finding_of(run_doctor(exit_code=1, PROTECTION_GROUPS_TABLE=platform), "table PROTECTION_GROUPS_TABLE")[
            "cause"
        ]
    )

    hub = {"account_id": sandbox.names.hub, "service": "dynamodb"}
    sandbox.faults(deny=[{**hub, "operations": ["DescribeTable"]}])
    assert {each["status"] for each in run_doctor() if each["check"].startswith("table ")} == {"warning"}
    sandbox.faults(deny=[{**hub, "operations": ["DescribeTable", "Scan"]}])
    findings = run_doctor(exit_code=1)
    assert "dynamodb:Scan" in finding_of(findings, "table TARGET_ACCOUNTS_TABLE")["cure"]
    assert finding_of(findings, "accounts")["status"] == "failed"


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[EngineSandbox, dict[str, str]]]:
    """EngineSandbox in which each account has one fault, and the account ids by fault."""
    kinds = ("well", "no-role", "external-id", "staging-no-role", "denied", "scp", "off", "opt-in", "sts-off", "unused")
    ids = {kind: new_account_id() for kind in kinds}
    names = Names(new_account_id(), ids["well"], ids["denied"], new_account_id())
    accounts: list[dict[str, Any]] = [
        {"account_id": account_id, "name": kind, "regions": {HERE: {"servers": 1}}} for kind, account_id in ids.items()
    ]
    by_name = {account["name"]: account for account in accounts}
    by_name["no-role"]["role"] = None
    by_name["staging-no-role"] |= {"role": None, "kind": "staging"}
    by_name["well"]["staging_accounts"] = [ids["staging-no-role"]]
    by_name["off"]["regions_off"] = [HERE]
    by_name["unused"]["regions"] = {}
    failing = {"region": HERE, "operation": "DescribeSourceServers", "times": None, "status": 403}
    members = {
        "hub": {"account_id": names.hub},
        "tables": {"environment": names.hub[:6]},
        "accounts": accounts,
        "faults": {
            "deny": [{"account_id": ids["denied"]}, {"account_id": ids["scp"], "scp": True}],
            "fail": [
                {**failing, "account_id": ids["opt-in"], "error": "OptInRequired"},
                {**failing, "account_id": ids["sts-off"], "error": "RegionDisabledException"},
            ],
        },
    }
    with EngineSandbox(members, names, monkeypatch) as sandbox:
        table = sandbox.table("TARGET_ACCOUNTS_TABLE")
        key = {"accountId": ids["external-id"]}
        table.update_item(
            Key=key, UpdateExpression="SET externalId = :wrong", ExpressionAttributeValues={":wrong": "wrong"}
        )
        foreign = new_account_id()
        table.put_item(Item={"accountId": foreign, "roleArn": f"arn:aws:iam::{names.apps}:role/R"})
        table.put_item(Item={"accountId": "mars"})
        yield sandbox, {**ids, "foreign": foreign}


def test_each_account_is_named_with_its_own_cause_and_hides_no_other(
    faulty: tuple[EngineSandbox, dict[str, str]],
) -> None:
    sandbox, ids = faulty
    findings = run_doctor("--region", HERE, exit_code=1)
    assert finding_of(findings, "drs", ids["well"], HERE)["cause"] == "DRS answers"
    assert finding_of(findings, "role", sandbox.names.hub)["status"] == "ok"
    for kind in ("no-role", "external-id", "staging-no-role"):
        finding = finding_of(findings, "role", ids[kind])
        assert "STS gives the same error for all three" in finding["cause"]
        assert all(f"({number})" in finding["cure"] for number in (1, 2, 3))
    assert "'wrong'" in finding_of(findings, "role", ids["external-id"])["cause"]
    assert f"belongs to account {sandbox.names.apps}" in finding_of(findings, "role", ids["foreign"])["cause"]
    for kind, cause, fix in (
        (
            "denied",
            "no policy of the caller allows drs:DescribeSourceServers",
            f"allow drs:DescribeSourceServers in a policy of the role that drs-sync uses in account {ids['denied']}",
        ),
        ("scp", "a service control policy forbids drs:DescribeSourceServers", "DRS_EXCLUDED_REGIONS"),
        ("off", f"not enabled for account {ids['off']}", "AWS_STS_REGIONAL_ENDPOINTS"),
        ("opt-in", "has not opted in", f"opt in to the region for account {ids['opt-in']}"),
        ("sts-off", "STS is not active in that region", "activate STS for that region"),
    ):
        found = finding_of(findings, "drs", ids[kind], HERE)
        assert (found["status"], cause in found["cause"], fix in found["cure"]) == ("failed", True, True), found
    assert finding_of(findings, "drs", ids["unused"])["status"] == "warning"
    assert any(each["check"] == "accounts" and "'mars'" in each["cause"] for each in findings)


def test_a_check_without_response_by_the_deadline_is_a_finding_too(sandbox: EngineSandbox) -> None:
    findings = run_doctor("--region", HERE, exit_code=1, SCOPE_DEADLINE_SECONDS="0.000001")
    assert {each["status"] for each in findings} == {"failed"}
    assert all("did not answer in time" in each["cause"] for each in findings)
    assert finding_of(findings, "hub")
    assert sum(each["check"].startswith("table ") for each in findings) == len(TABLES)


async def test_a_check_that_hangs_ends_at_the_deadline() -> None:
    async def hang() -> list[Finding]:
        await anyio.sleep_forever()
        return []

    late = Finding("drs", Level.FAILED, "late", "wait")
    assert await check_until(anyio.current_time(), hang(), late) == [late]


ROLE = RoleRef(arn="arn:aws:iam::111122223333:role/R", external_id="id-1")


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("AccessDenied", "no identity-based policy allows the sts:AssumeRole action", "the hub's own role"),
        ("AccessDenied", "explicit deny in a service control policy", "service control policies"),
        ("RegionDisabledException", "STS is not activated", "activate STS for that region"),
        ("EndpointUnreachable", "no route", "DNS"),
        ("Novel", "never seen", "API reference"),
    ],
)
def test_other_reasons_why_an_account_cannot_be_entered(code: str, message: str, words: str) -> None:
    call = Call("sts", "AssumeRole", "111122223333", "us-east-1")
    found = diagnose_role(
        AwsError(code, message, call), Scope("111122223333", "us-east-1"), role=ROLE, hub="999900001111"
    )
    assert (found.status, words in found.fix) == (Level.FAILED, True)


def test_throttling_is_a_warning_and_no_fault_of_the_set_up() -> None:
    call = Call("drs", "DescribeSourceServers", "111122223333", HERE)
    error = AwsError("ThrottlingException", "Rate exceeded", call)
    assert diagnose_region(Scope("111122223333", HERE), error, expected=True).status is Level.WARNING
    assert diagnose_hub(AwsError("Throttling", "Rate exceeded", call), HERE).status is Level.WARNING


def test_indexes_are_compared_with_what_queries_need() -> None:
    spec = next(spec for spec in TABLES if spec.indexes)

    def index(name: str, key: str, projection: str = "ALL", status: str = "ACTIVE") -> dict[str, Any]:
        keys = [{"AttributeName": spec.keys[0], "KeyType": "RANGE"}, {"AttributeName": key, "KeyType": "HASH"}]
        return {
            "IndexName": name,
            "KeySchema": keys,
            "Projection": {"ProjectionType": projection},
            "IndexStatus": status,
        }

    described = {
        "TableStatus": "DELETING",
        "KeySchema": [
            {"AttributeName": spec.keys[0], "KeyType": "HASH"},
            {"AttributeName": spec.keys[1], "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [{"AttributeName": "sourceAccountId", "AttributeType": "N"}],
        "GlobalSecondaryIndexes": [
            index("SourceAccountIndex", "sourceAccountId", projection="KEYS_ONLY"),
            index("StagingAccountIndex", "accountId"),
            index("ReplicationRegionIndex", "replicationRegion", status="CREATING"),
        ],
    }
    cause = diagnose_table(spec, "inventory", described).cause
    for words in (
        "it is DELETING",
        "sourceAccountId is of type N",
        "index SourceAccountIndex does not hold all attributes",
        "index StagingAccountIndex has the key accountId + sourceServerArn, not stagingAccountId + sourceServerArn",
        "index ReplicationRegionIndex is CREATING",
    ):
        assert words in cause
