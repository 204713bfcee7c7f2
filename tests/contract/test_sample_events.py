"""Sample events of the platform and their responses, one by one, at the entry points of both functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest

from service.aws.dynamodb_write import Table
from service.handlers import data_management, query
from service.handlers.data_management.tags import interval_hours_of
from service.handlers.responses import HEADERS
from tests.support.sandbox import EVERY_REGION, EngineSandbox, Names, new_account_id

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


class Context:
    """The context object that Lambda passes."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Start a sandbox of one target (names.a), its staging account (names.b) and the account of the instances.

    Afterwards the event loops of both functions are closed.
    """
    names = Names(*(new_account_id() for _ in range(4)))
    origin = {"account_id": names.apps, "region": "us-east-1"}
    members = {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {
                "account_id": names.a,
                "name": "Prod DR",
                "staging_accounts": [names.b],
                "regions": {"us-west-2": {"servers": 1, "origin": origin}},
            },
            {"account_id": names.b, "name": "STAGING_01", "kind": "staging", "regions": {"us-west-2": {"servers": 2}}},
            {"account_id": names.apps, "kind": "application"},
        ],
    }
    with ExitStack() as stack:
        yield stack.enter_context(EngineSandbox(members, names, monkeypatch))
        data_management.runtime.close()
        query.runtime.close()


def write_handler(event: dict[str, Any]) -> dict[str, Any]:
    answer = data_management.lambda_handler(event, Context())
    json.dumps(answer)
    return answer


def query_handler(event: dict[str, Any]) -> dict[str, Any]:
    answer = query.lambda_handler(event, Context())
    json.dumps(answer)
    return answer


def enveloped(answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    assert set(answer) == {"statusCode", "headers", "body"}
    assert answer["headers"] == dict(HEADERS)
    return answer["statusCode"], json.loads(answer["body"])


def route(method: str, path: str, body: object = None, parameters: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "requestContext": {},
        "httpMethod": method,
        "path": path,
        "pathParameters": None,
        "queryStringParameters": parameters,
        "body": json.dumps(body) if body is not None and not isinstance(body, str) else body,
    }


def staging_path(target: str, rest: str = "") -> str:
    return f"/accounts/targets/{target}/staging-accounts{rest}"


STAGING = {"operation": "sync_staging_accounts"}
INVENTORY = {"operation": "sync_source_server_inventory"}


def test_1_the_hourly_rule_syncs_tags(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    status, body = enveloped(write_handler({"synch_tags": True, "synch_instance_type": True}))
    assert status == 200
    assert set(body) >= {"message", "total_accounts", "total_synced", "total_failed", "accounts"}
    assert (body["total_accounts"], body["total_synced"], body["total_failed"]) == (1, 1, 0)
    (account,) = body["accounts"]
    assert account["accountId"] == sandbox.names.a
    assert account["result"]["accountName"] == "Prod DR"
    assert (account["result"]["total_regions"], account["result"]["regions"]) == (len(EVERY_REGION), ["us-west-2"])
    status, response = enveloped(write_handler(route("GET", "/drs/tag-sync")))
    assert (status, response["source"], response["status"], response["totalServers"]) == (
        200,
        "eventbridge",
        "SUCCESS",
        1,
    )
    assert response["lastSync"].endswith("Z")


@pytest.mark.parametrize("event", [{"synch_tags": False}, {"synch_instance_type": None}])
def test_1_the_presence_of_either_word_selects_the_tag_sync(sandbox: EngineSandbox, event: dict[str, Any]) -> None:
    assert enveloped(write_handler(event))[0] == 200


def test_2_and_3_staging_sync_with_work_and_without(sandbox: EngineSandbox) -> None:
    answer = write_handler(STAGING)
    expected = {"totalAccounts": 1, "accountsProcessed": 1, "serversExtended": 2, "serversFailed": 0}
    assert {name: answer[name] for name in expected} == expected
    assert answer["details"] == [
        {"accountId": sandbox.names.a, "accountName": "Prod DR", "serversExtended": 2, "serversFailed": 0}
    ]
    assert ISO.fullmatch(answer["timestamp"])
    answer = write_handler(STAGING)
    assert (answer["serversExtended"], answer["details"]) == (0, [])


def test_4_inventory_sync(sandbox: EngineSandbox) -> None:
    answer = write_handler(INVENTORY)
    assert (answer["totalSynced"], answer["totalErrors"]) == (1, 0)
    assert isinstance(answer["message"], str)
    assert ISO.fullmatch(answer["timestamp"])


@pytest.mark.parametrize("name", ["sync_extended_source_servers", "sync_single_account"])
def test_5_single_account_sync(sandbox: EngineSandbox, name: str) -> None:
    write_handler(INVENTORY)
    answer = write_handler({"operation": name, "body": {"targetAccountId": sandbox.names.a}})
    assert (answer["success"], answer["targetAccountId"]) == (True, sandbox.names.a)
    assert [record["accountId"] for record in answer["stagingAccounts"]] == [sandbox.names.b]
    assert answer["changes"] == {"added": [], "removed": []}
    assert (answer["serversExtended"], answer["serversFound"], answer["stagingAccountsProcessed"]) == (2, 2, 1)
    assert ISO.fullmatch(answer["syncedAt"])
    status, body = enveloped(write_handler(route("POST", staging_path(sandbox.names.a, "/sync"), "{}")))
    assert (status, body["success"], body["serversExtended"]) == (200, True, 0)


def test_5_no_other_target_is_synced(sandbox: EngineSandbox) -> None:
    other = {"accountId": sandbox.names.apps, "stagingAccounts": [{"accountId": sandbox.names.b}]}
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(Item=other)
    sandbox.calls()
    answer = write_handler({"operation": "sync_extended_source_servers", "body": {"targetAccountId": sandbox.names.a}})
    assert [(each["accountId"], each["serversExtended"]) for each in answer["details"]] == [(sandbox.names.a, 2)]
    assert answer["errors"] == []
    assert sandbox.calls()["sts", "AssumeRole"] == 1


def test_5_a_sync_of_the_hub_says_why_it_does_nothing(sandbox: EngineSandbox) -> None:
    hub = sandbox.names.hub
    row = {"accountId": hub, "accountName": "Hub", "isCurrentAccount": True}
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(Item=row)
    status, body = enveloped(write_handler(route("POST", staging_path(hub, "/sync"), "{}")))
    assert (status, body["success"], body["status"]) == (200, True, "complete")
    assert [warning["code"] for warning in body["warnings"]] == ["HubNotSynced"]
    assert body["message"] == f"Skipped: {hub} is the hub: nothing is extended into it"
    assert [skipped["accountId"] for skipped in body["accountsSkipped"]] == [hub]


def test_5_a_process_that_is_about_to_end_begins_nothing(sandbox: EngineSandbox) -> None:
    class Late:
        def get_remaining_time_in_millis(self) -> int:
            return 3000

    event = {"operation": "sync_extended_source_servers", "body": {"targetAccountId": sandbox.names.a}}
    answer = data_management.lambda_handler(event, Late())
    assert (answer["success"], answer["status"], answer["serversExtended"]) == (False, "failed", 0)
    assert {error["code"] for error in answer["errors"]} == {"DeadlineExceeded"}
    assert sandbox.calls()["drs", "CreateExtendedSourceServer"] == 0


def test_6_single_account_sync_without_an_account(sandbox: EngineSandbox) -> None:
    answer = write_handler({"operation": "sync_extended_source_servers", "body": {}})
    assert answer["error"] == "INVALID_FORMAT"
    status, body = enveloped(write_handler(route("POST", staging_path("12", "/sync"), "{}")))
    assert (status, body["error"]) == (400, "INVALID_FORMAT")
    status, body = enveloped(write_handler(route("POST", staging_path("123456789012", "/sync"), "{}")))
    assert (status, body["error"]) == (404, "TARGET_ACCOUNT_NOT_FOUND")


def test_7_a_staging_account_that_is_there(sandbox: EngineSandbox) -> None:
    record = {"accountId": sandbox.names.b, "accountName": "x", "externalId": "ext"}
    body = {"targetAccountId": sandbox.names.a, "stagingAccount": record}
    assert write_handler({"operation": "add_staging_account", "body": body})["error"] == "STAGING_ACCOUNT_EXISTS"
    status, response = enveloped(
        write_handler(route("POST", staging_path(sandbox.names.a), {"stagingAccount": record}))
    )
    assert (status, response["error"]) == (409, "STAGING_ACCOUNT_EXISTS")


def test_8_a_staging_account_that_is_not_there(sandbox: EngineSandbox) -> None:
    body = {"targetAccountId": sandbox.names.a, "stagingAccountId": "777788889999"}
    assert write_handler({"operation": "remove_staging_account", "body": body})["error"] == "NOT_FOUND"
    status, response = enveloped(write_handler(route("DELETE", staging_path("123456789012", "/777788889999"))))
    assert (status, response["error"]) == (404, "NOT_FOUND")


def test_9_and_10_unknown_and_empty_operations(sandbox: EngineSandbox) -> None:
    answer = write_handler({"operation": "nope"})
    assert (answer["error"], answer["details"]) == ("INVALID_OPERATION", {"operation": "nope"})
    assert write_handler({"operation": ""})["error"] == "INVALID_EVENT_FORMAT"
    assert sandbox.calls() == {}


def test_11_an_event_of_no_kind(sandbox: EngineSandbox) -> None:
    status, body = enveloped(write_handler({"foo": 1}))
    assert (status, body["error"]) == (400, "INVALID_INVOCATION")
    status, body = enveloped(query_handler({"foo": 1}))
    assert (status, body["error"]) == (500, "INVALID_OPERATION")


def test_12_a_tag_sync_in_the_background(sandbox: EngineSandbox) -> None:
    name = sandbox.server.environment()["DATA_MANAGEMENT_FUNCTION_NAME"]
    sandbox.set(AWS_LAMBDA_FUNCTION_NAME=name)
    event = route("POST", "/drs/tag-sync", {"async": True, "accountId": sandbox.names.a})
    status, body = enveloped(write_handler(event))
    assert (status, body["status"], set(body)) == (202, "STARTED", {"message", "status", "details"})
    status, body = enveloped(write_handler(event))
    assert (status, body["status"]) == (409, "ALREADY_RUNNING")
    status, body = enveloped(write_handler(route("GET", "/drs/tag-sync")))
    assert (body["status"], body["source"], body["totalServers"]) == ("IN_PROGRESS", "manual", 0)
    (invocation,) = sandbox.server.invocations()
    assert (invocation.function, invocation.payload["operation"]) == (name, "handle_drs_tag_sync")
    assert invocation.payload["body"]["_async_execution"] is True
    answer = write_handler(invocation.payload)  # as Lambda would
    assert (answer["accountId"], answer["total_synced"]) == (sandbox.names.a, 1)
    assert enveloped(write_handler(route("GET", "/drs/tag-sync")))[1]["status"] == "SUCCESS"


@pytest.mark.parametrize("named", [{"region": "mars-1"}, {"accountId": "123456789012"}])
def test_12_what_is_not_known_is_refused_before_the_background(sandbox: EngineSandbox, named: dict[str, str]) -> None:
    sandbox.set(AWS_LAMBDA_FUNCTION_NAME=sandbox.server.environment()["DATA_MANAGEMENT_FUNCTION_NAME"])
    status, body = enveloped(write_handler(route("POST", "/drs/tag-sync", {"async": True, **named})))
    assert (status, body["error"]) == (400, "INVALID_PARAMETER")
    assert next(iter(named.values())) in body["message"]
    assert sandbox.server.invocations() == []
    assert set(enveloped(write_handler(route("GET", "/drs/tag-sync")))[1]) == {"message"}  # no lock was taken


def test_12_a_dry_run_writes_nothing_in_the_background_either(sandbox: EngineSandbox) -> None:
    sandbox.set(AWS_LAMBDA_FUNCTION_NAME=sandbox.server.environment()["DATA_MANAGEMENT_FUNCTION_NAME"])
    event = route("POST", "/drs/tag-sync", {"async": True, "dryRun": True, "region": "us-west-2"})
    status, body = enveloped(write_handler(event))
    assert (status, body["dryRun"], len(body["planned"])) == (200, True, 1)
    assert sandbox.server.invocations() == []
    assert sandbox.calls()["drs", "TagResource"] == 0


def test_12_outside_lambda_it_runs_at_once(sandbox: EngineSandbox) -> None:
    status, body = enveloped(write_handler(route("POST", "/drs/tag-sync", {"async": True})))
    assert (status, body["total_synced"]) == (200, 1)


def test_12_a_background_run_that_cannot_be_started_leaves_no_lock(sandbox: EngineSandbox) -> None:
    sandbox.set(AWS_LAMBDA_FUNCTION_NAME="no-such-function")
    status, _ = enveloped(write_handler(route("POST", "/drs/tag-sync", {"async": True})))
    assert status == 500
    status, _ = enveloped(write_handler(route("POST", "/drs/tag-sync", {})))
    assert status == 200


def test_13_no_history(sandbox: EngineSandbox) -> None:
    status, body = enveloped(write_handler(route("GET", "/drs/tag-sync")))
    assert (status, set(body)) == (200, {"message"})
    sandbox.set(TAG_SYNC_CONFIG_TABLE="")
    assert set(enveloped(write_handler(route("GET", "/drs/tag-sync")))[1]) == {"message"}


def record(account_id: str = "777788889999", **more: Any) -> dict[str, Any]:
    return {"stagingAccount": {"accountId": account_id, "accountName": "x", "externalId": "ext", **more}}


def test_14_an_unknown_target(sandbox: EngineSandbox) -> None:
    status, body = enveloped(write_handler(route("POST", staging_path("123456789012"), record())))
    assert (status, body["error"]) == (404, "TARGET_ACCOUNT_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (record("12"), "VALIDATION_ERROR"),
        ({"stagingAccount": {"accountName": "x", "externalId": "ext"}}, "VALIDATION_ERROR"),
        (record(externalId=""), "VALIDATION_ERROR"),
        (record(accountName=" "), "VALIDATION_ERROR"),
        (record(roleArn="arn:aws:iam::111122223333:role/Other"), "VALIDATION_ERROR"),
        ({"stagingAccount": "x"}, "VALIDATION_ERROR"),
        ({}, "MISSING_FIELD"),
        (None, "MISSING_BODY"),
        ("{", "INVALID_PARAMETER"),
        ("null", "INVALID_PARAMETER"),
        ("[]", "INVALID_PARAMETER"),
        ("x" * 6_000_000, "INVALID_PARAMETER"),
    ],
)
def test_15_a_record_that_cannot_be_added(sandbox: EngineSandbox, body: object, code: str) -> None:
    status, response = enveloped(write_handler(route("POST", staging_path(sandbox.names.a), body)))
    assert (status, response["error"]) == (400, code)
    assert sandbox.calls() == {}  # AWS was not called


def test_16_add_and_remove(sandbox: EngineSandbox) -> None:
    status, body = enveloped(write_handler(route("POST", staging_path(sandbox.names.a), record(note="kept"))))
    assert (status, body["success"], len(body["stagingAccounts"])) == (200, True, 2)
    added = body["stagingAccounts"][1]
    assert added["roleArn"] == "arn:aws:iam::777788889999:role/DRSOrchestrationRole"
    assert (added["accountName"], added["externalId"]) == ("x", "ext")
    assert (added["addedBy"], added["note"]) == ("user", "kept")
    assert ISO.fullmatch(added["addedAt"])
    for gone, left in (("777788889999", 1), (sandbox.names.b, 0)):
        status, body = enveloped(write_handler(route("DELETE", staging_path(sandbox.names.a, f"/{gone}"))))
        assert (status, body["success"], len(body["stagingAccounts"])) == (200, True, left)


def test_16_an_answer_that_is_lost_does_not_make_a_conflict_of_ones_own_write(
    sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, lost = Table.call, 0

    async def losing(table: Table, operation: str, params: Any, **more: Any) -> Any:
        """The write succeeds but its response is lost: the client repeats it, and its condition no longer holds."""
        nonlocal lost
        if operation == "UpdateItem":
            await original(table, operation, params, **more)
            lost += 1
        return await original(table, operation, params, **more)

    monkeypatch.setattr(Table, "call", losing)
    status, body = enveloped(write_handler(route("POST", staging_path(sandbox.names.a), record())))
    assert (status, [each["accountId"] for each in body["stagingAccounts"]]) == (
        200,
        [sandbox.names.b, "777788889999"],
    )
    status, body = enveloped(write_handler(route("DELETE", staging_path(sandbox.names.a, "/777788889999"))))
    assert (status, [each["accountId"] for each in body["stagingAccounts"]]) == (200, [sandbox.names.b])
    assert lost == 2
    monkeypatch.setattr(Table, "call", original)
    assert enveloped(write_handler(route("DELETE", staging_path(sandbox.names.a, "/777788889999"))))[0] == 404


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"enabled": "x"},
            {"error": "INVALID_PARAMETER", "details": {"parameter": "enabled", "value": "x", "expected": "boolean"}},
        ),
        ({}, {"error": "MISSING_PARAMETER", "details": {"parameter": "enabled"}}),
        ({"enabled": None}, {"error": "MISSING_PARAMETER", "details": {"parameter": "enabled"}}),
        ({"enabled": True, "intervalHours": 25}, {}),
        ({"enabled": True, "intervalHours": 0}, {}),
        ({"enabled": True, "intervalHours": True}, {"error": "INVALID_PARAMETER"}),
        ("[]", {"error": "INVALID_PARAMETER"}),
    ],
)
def test_17_settings_that_cannot_be(sandbox: EngineSandbox, body: object, expected: dict[str, Any]) -> None:
    status, response = enveloped(write_handler(route("PUT", "/config/tag-sync", body)))
    assert status == 400
    assert isinstance(response["error"], str)
    assert {**response, **expected} == response
    assert sandbox.calls() == {}


def test_17_settings_are_read_and_written(sandbox: EngineSandbox) -> None:
    status, body = enveloped(write_handler(route("GET", "/config/tag-sync")))
    assert (status, body["enabled"], body["intervalHours"], body["scheduleExpression"]) == (
        200,
        True,
        1,
        "rate(1 hour)",
    )
    status, body = enveloped(write_handler(route("PUT", "/config/tag-sync", {"enabled": False, "intervalHours": 6})))
    assert (status, body["enabled"], body["scheduleExpression"], body["syncTriggered"]) == (
        200,
        False,
        "rate(6 hours)",
        False,
    )
    assert enveloped(write_handler(route("GET", "/config/tag-sync")))[1]["intervalHours"] == 6
    sandbox.set(AWS_LAMBDA_FUNCTION_NAME=sandbox.server.environment()["DATA_MANAGEMENT_FUNCTION_NAME"])
    status, body = enveloped(write_handler(route("PUT", "/config/tag-sync", {"enabled": True})))
    assert (body["enabled"], body["intervalHours"], body["syncTriggered"]) == (True, 6, True)
    (invocation,) = sandbox.server.invocations()
    assert invocation.payload["body"]["_sync_source"] == "settings_update"


@pytest.mark.parametrize("expression", ["rate(30 minutes)", "cron(0 3 * * ? *)", "rate(2 days)"])
def test_17_a_schedule_stays_when_no_interval_is_given(sandbox: EngineSandbox, expression: str) -> None:
    events = boto3.client("events", region_name="us-east-1", endpoint_url=sandbox.server.endpoint_url)
    name = enveloped(write_handler(route("GET", "/config/tag-sync")))[1]["ruleName"]
    events.put_rule(Name=name, ScheduleExpression=expression)
    for enabled in (False, True):
        status, body = enveloped(write_handler(route("PUT", "/config/tag-sync", {"enabled": enabled})))
        assert (status, body["enabled"], body["scheduleExpression"]) == (200, enabled, expression)
        response = enveloped(write_handler(route("GET", "/config/tag-sync")))[1]
        assert (response["enabled"], response["scheduleExpression"]) == (enabled, expression)
        assert response["intervalHours"] == body["intervalHours"]


def test_17_settings_that_are_changed_are_reported_so_although_no_sync_could_be_started(sandbox: EngineSandbox) -> None:
    sandbox.set(AWS_LAMBDA_FUNCTION_NAME="no-such-function")
    status, body = enveloped(write_handler(route("PUT", "/config/tag-sync", {"enabled": True, "intervalHours": 3})))
    assert (status, body["scheduleExpression"], body["syncTriggered"], body["syncResult"]) == (
        200,
        "rate(3 hours)",
        False,
        None,
    )
    sandbox.set(AWS_LAMBDA_FUNCTION_NAME="")
    assert enveloped(write_handler(route("POST", "/drs/tag-sync", {})))[0] == 200  # no lock is left


def test_17_a_rule_that_is_changed_keeps_its_role_and_its_description(sandbox: EngineSandbox) -> None:
    rules = boto3.client("events", region_name="us-east-1", endpoint_url=sandbox.server.endpoint_url)
    (rule,) = rules.list_rules()["Rules"]
    role = f"arn:aws:iam::{sandbox.names.hub}:role/starts-it"
    rules.put_rule(Name=rule["Name"], ScheduleExpression="rate(1 hour)", Description="by hand", RoleArn=role)
    assert enveloped(write_handler(route("PUT", "/config/tag-sync", {"enabled": False, "intervalHours": 6})))[0] == 200
    (changed,) = rules.list_rules()["Rules"]
    assert (changed["ScheduleExpression"], changed["State"]) == ("rate(6 hours)", "DISABLED")
    assert (changed["Description"], changed["RoleArn"]) == ("by hand", role)


@pytest.mark.parametrize(
    ("expression", "hours"),
    [
        ("rate(1 hour)", 1),
        ("rate(6 hours)", 6),
        ("rate(1 minute)", 1),
        ("rate(90 minutes)", 1),
        ("rate(120 minutes)", 2),
        ("rate(1 day)", 24),
        ("rate(2 days)", 48),
        ("cron(0 12 * * ? *)", 4),
        ("", 4),
    ],
)
def test_17_every_schedule_reads_as_whole_hours(expression: str, hours: int) -> None:
    assert interval_hours_of(expression) == hours


def test_17_a_rule_that_is_missing(sandbox: EngineSandbox) -> None:
    sandbox.set(PROJECT_NAME="another")
    status, body = enveloped(write_handler(route("GET", "/config/tag-sync")))
    assert (status, body["enabled"], body["intervalHours"], body["scheduleExpression"]) == (
        200,
        False,
        4,
        "rate(4 hours)",
    )
    status, body = enveloped(write_handler(route("PUT", "/config/tag-sync", {"enabled": True})))
    assert (status, body["code"]) == (400, "RULE_NOT_FOUND")
    status, body = enveloped(write_handler(route("PUT", "/config/tag-sync", {"enabled": False})))
    assert (status, body["enabled"]) == (200, False)


@pytest.mark.parametrize("name", sorted(data_management.OPERATIONS))
def test_18_the_query_function_refuses_every_operation_that_writes(sandbox: EngineSandbox, name: str) -> None:
    answer = query_handler({"operation": name})
    assert (answer["error"], answer["details"]) == ("INVALID_OPERATION", {"operation": name})
    assert sandbox.calls() == {}


def test_19_and_20_staging_accounts_on_record(sandbox: EngineSandbox) -> None:
    for event in (
        {"operation": "get_staging_accounts", "targetAccountId": sandbox.names.a},
        {"operation": "get_staging_accounts", "queryParams": {"targetAccountId": sandbox.names.a}},
    ):
        answer = query_handler(event)
        assert answer["targetAccountId"] == sandbox.names.a
        assert answer["stagingAccounts"][0]["accountId"] == sandbox.names.b
    assert query_handler({"operation": "get_staging_accounts"})["error"] == "MISSING_PARAMETER"
    assert query_handler({"operation": "get_staging_accounts", "targetAccountId": "12"})["error"] == "INVALID_PARAMETER"
    assert (
        query_handler({"operation": "get_staging_accounts", "targetAccountId": "123456789012"})["error"] == "NOT_FOUND"
    )


def test_21_discovery(sandbox: EngineSandbox) -> None:
    answer = query_handler({"operation": "discover_staging_accounts", "queryParams": {"targetAccountId": "1"}})
    assert set(answer) == {"error"}
    write_handler(STAGING)
    status, body = enveloped(query_handler(route("GET", staging_path(sandbox.names.a, "/discover"))))
    assert status == 200
    (account,) = body["stagingAccounts"]
    assert account == {
        **account,
        "accountId": sandbox.names.b,
        "accountName": f"Staging Account {sandbox.names.b[-4:]}",
        "replicatingServers": 2,
        "totalServers": 2,
        "status": "discovered",
    }
    status, body = enveloped(query_handler(route("GET", staging_path("123456789012", "/discover"))))
    assert (status, set(body)) == (404, {"error"})


def test_21_discovery_that_is_denied_does_not_look_as_if_nothing_were_there(sandbox: EngineSandbox) -> None:
    sandbox.faults(deny=[{"account_id": sandbox.names.a}])
    status, body = enveloped(query_handler(route("GET", staging_path(sandbox.names.a, "/discover"))))
    assert (status, "stagingAccounts" in body) == (500, False)
    assert "AccessDeniedException" in body["error"]


EXTERNAL = "drs-orchestration-cross-account"


def test_22_and_23_validation(sandbox: EngineSandbox) -> None:
    request = {"accountId": sandbox.names.b, "externalId": EXTERNAL, "region": "us-west-2"}
    status, body = enveloped(query_handler(route("POST", "/staging-accounts/validate", request)))
    added = {"complete", "scopeStates", "unknown", "unknownByCause"}
    assert (status, {name: value for name, value in body.items() if name not in added}) == (
        200,
        {
            "valid": True,
            "roleAccessible": True,
            "drsInitialized": True,
            "currentServers": 2,
            "replicatingServers": 2,
            "totalAfter": 2,
        },
    )
    status, body = enveloped(
        query_handler(route("POST", "/staging-accounts/validate", {**request, "externalId": "wrong-one"}))
    )
    assert (status, body["valid"], body["roleAccessible"], set(body)) == (
        200,
        False,
        False,
        {"valid", "roleAccessible", "error", *added},
    )
    status, body = enveloped(
        query_handler(route("POST", "/staging-accounts/validate", {**request, "region": "eu-west-1"}))
    )
    assert (status, body["drsInitialized"], body["roleAccessible"]) == (200, False, True)
    del request["externalId"]
    status, body = enveloped(query_handler(route("POST", "/staging-accounts/validate", request)))
    assert (status, body["error"], body["details"]) == (
        400,
        "MISSING_PARAMETER",
        {"parameter": "externalId", "valid": False},
    )


@pytest.mark.parametrize("body", [None, "null", "{", {"accountId": "12", "externalId": "ee", "region": "us-west-2"}])
def test_23_a_validation_that_cannot_be_read(sandbox: EngineSandbox, body: object) -> None:
    status, _ = enveloped(query_handler(route("POST", "/staging-accounts/validate", body)))
    assert status == 400
    assert sandbox.calls()["sts", "AssumeRole"] == 0


def test_24_the_inventory_when_it_is_fresh(sandbox: EngineSandbox) -> None:
    sandbox.add(sandbox.names.a, "us-west-2", servers=1)
    write_handler(INVENTORY)
    sandbox.calls()
    status, body = enveloped(
        query_handler(route("GET", "/drs/source-server-inventory", parameters={"region": "us-west-2"}))
    )
    assert (status, body["count"], body["totalCount"]) == (200, 2, 2)
    assert (body["regions"], body["source"]) == (["us-west-2"], "inventory_database")
    server, _ = body["servers"]
    for name in ("sourceServerID", "region", "replicationState", "tags"):
        assert server[name]
    _, page = enveloped(query_handler(route("GET", "/drs/source-server-inventory", parameters={"limit": "1"})))
    assert (page["count"], len(page["servers"]), page["totalCount"]) == (1, 1, 2)
    calls = sandbox.calls()
    assert not [call for call in calls if call[0] in {"drs", "lambda"} or call[1] == "AssumeRole"]


def test_24_the_inventory_when_it_is_not_there_is_answered_by_drs_and_a_refresh_is_requested(
    sandbox: EngineSandbox,
) -> None:
    status, body = enveloped(
        query_handler(route("GET", "/drs/source-server-inventory", parameters={"region": "us-west-2"}))
    )
    assert (status, body["count"], body["source"], body["refresh"]["requested"]) == (200, 1, "drs_api", True)
    assert sandbox.items() == []  # the query wrote nothing
    (invocation,) = sandbox.server.invocations()
    assert invocation.payload == {
        "operation": "sync_source_server_inventory",
        "body": {"scopes": [{"accountId": sandbox.names.a, "region": "us-west-2"}]},
    }
    write_handler(invocation.payload)  # as Lambda would
    assert len(sandbox.items()) == 1
    sandbox.calls()
    query.runtime.close()  # the status table is cached for a minute
    status, body = enveloped(
        query_handler(route("GET", "/drs/source-server-inventory", parameters={"region": "us-west-2"}))
    )
    assert (body["count"], body["source"]) == (1, "inventory_database")
    assert not [call for call in sandbox.calls() if call[0] == "drs"]


@pytest.mark.parametrize(
    "parameters", [{"filters": "{"}, {"region": "mars"}, {"accountId": "12"}, {"nextToken": "?"}, {"limit": "-1"}]
)
def test_25_a_query_that_cannot_be_parsed(sandbox: EngineSandbox, parameters: dict[str, str]) -> None:
    status, body = enveloped(query_handler(route("GET", "/drs/source-server-inventory", parameters=parameters)))
    assert (status, body["error"]) == (400, "INVALID_PARAMETER")
    assert body["details"]
    assert sandbox.calls() == {}


def test_26_source_servers_want_a_region(sandbox: EngineSandbox) -> None:
    status, body = enveloped(query_handler(route("GET", "/drs/source-servers")))
    assert (status, body["error"], body["details"]) == (400, "MISSING_PARAMETER", {"parameter": "region"})
    write_handler(INVENTORY)
    status, body = enveloped(query_handler(route("GET", "/drs/source-servers", parameters={"region": "us-west-2"})))
    assert (status, body["serverCount"], body["source"]) == (200, 1, "inventory_database")


@pytest.mark.parametrize("function", [write_handler, query_handler])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nope"), ("PATCH", "/drs/tag-sync"), ("DELETE", "/drs/source-servers")]
)
def test_27_an_unknown_route_or_method(function: Any, method: str, path: str) -> None:
    status, body = enveloped(function(route(method, path)))
    assert (status, body["error"], body["details"]) == (404, "NOT_FOUND", {"path": path, "method": method})


def test_a_caller_may_not_choose_the_role(sandbox: EngineSandbox) -> None:
    for account in ({"accountId": sandbox.names.a}, {}):
        body = {**account, "assumeRoleName": "Administrator"}
        status, response = enveloped(write_handler(route("POST", "/drs/tag-sync", body)))
        assert (status, response["details"]["parameter"]) == (400, "assumeRoleName")
    body = {"accountId": sandbox.names.a, "assumeRoleName": "DRSOrchestrationRole"}
    assert enveloped(write_handler(route("POST", "/drs/tag-sync", body)))[0] == 200
    sandbox.change_target(sandbox.names.a, roleArn=f"arn:aws:iam::{sandbox.names.a}:role/path/Own")
    status, response = enveloped(write_handler(route("POST", "/drs/tag-sync", {**body, "assumeRoleName": "Own"})))
    assert (status, response["error"]) == (
        500,
        "INTERNAL_ERROR",
    )  # it may choose the role on record, which is not there
    assert "role/path/Own" in response["details"]["error"]


def test_extended_servers_across_accounts(sandbox: EngineSandbox) -> None:
    write_handler(STAGING)
    status, body = enveloped(query_handler(route("GET", "/drs/extended-source-servers")))
    assert (status, body["count"]) == (200, 2)
    assert {each["stagingAccountId"] for each in body["extendedServers"]} == {sandbox.names.b}
