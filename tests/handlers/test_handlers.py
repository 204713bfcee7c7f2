"""Lambda entry points: events and the responses that callers of the platform expect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from service.handlers import data_management, query
from service.handlers.responses import HEADERS
from tests.support.sandbox import EVERY_REGION, EngineSandbox, estate_without_accounts

SYNC = {"operation": "sync_source_server_inventory"}


@dataclass
class Context:
    """The context object that Lambda passes."""

    remaining_ms: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@pytest.fixture
def function_sandbox(sandbox: EngineSandbox) -> Iterator[EngineSandbox]:
    """Provide a simulated sandbox, and close the function's event loop afterwards."""
    yield sandbox
    data_management.runtime.close()


def test_the_schedule_gets_the_response_that_it_expects(function_sandbox: EngineSandbox) -> None:
    answer = data_management.lambda_handler(SYNC, Context())
    assert (answer["totalSynced"], answer["totalErrors"]) == (11, 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", answer["timestamp"])
    assert isinstance(answer["message"], str)
    assert "error" not in answer
    assert json.dumps(answer)
    assert len(function_sandbox.items()) == 11


def test_a_warm_function_keeps_its_loop_its_clients_and_its_sessions(function_sandbox: EngineSandbox) -> None:
    data_management.lambda_handler(SYNC, Context())
    function_sandbox.calls()
    answer = data_management.lambda_handler(SYNC, Context())
    calls = function_sandbox.calls()
    assert calls["sts", "AssumeRole"] == calls["sts", "GetCallerIdentity"] == 0
    assert answer["regionSource"] == "status_table"


def test_errors_are_counted_in_a_normal_response(function_sandbox: EngineSandbox) -> None:
    function_sandbox.faults(deny=[{"account_id": function_sandbox.names.a, "service": "drs"}])
    answer = data_management.lambda_handler(SYNC, Context())
    assert answer["totalSynced"] == 2
    assert answer["totalErrors"] == len(answer["errors"]) == 1
    assert answer["status"] == "partial"


def test_a_function_about_to_be_ended_reports_before_that(function_sandbox: EngineSandbox) -> None:
    function_sandbox.everywhere()
    answer = data_management.lambda_handler(SYNC, Context(remaining_ms=5_000))
    assert answer["scopes"]["failed"] == answer["scopes"]["asked"] == 2 * len(EVERY_REGION)


def test_a_tag_sync_without_accounts_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with estate_without_accounts(monkeypatch):
        answer = data_management.lambda_handler({"operation": "handle_drs_tag_sync"}, Context())
        data_management.runtime.close()
    assert (answer["message"], answer["status"]) == ("No target accounts: nothing to sync", "complete")


def test_a_missing_table_name_is_an_error_body(function_sandbox: EngineSandbox) -> None:
    function_sandbox.set(SOURCE_SERVER_INVENTORY_TABLE="")
    answer = data_management.lambda_handler(SYNC, Context())
    assert "SOURCE_SERVER_INVENTORY_TABLE" in answer["message"]
    assert isinstance(answer["error"], str)


def test_an_accounts_table_that_cannot_be_read_is_worth_another_try(function_sandbox: EngineSandbox) -> None:
    function_sandbox.set(TARGET_ACCOUNTS_TABLE="no-such-table")
    answer = data_management.lambda_handler(SYNC, Context())
    assert (answer["error"], answer["retryable"]) == ("DYNAMODB_ERROR", True)


def test_one_account_and_region_can_be_requested(function_sandbox: EngineSandbox) -> None:
    body = {"accountIds": [function_sandbox.names.a], "regions": ["us-west-2"]}
    answer = data_management.lambda_handler({**SYNC, "body": body}, Context())
    assert (answer["totalSynced"], answer["scopes"]["asked"]) == (6, 1)


def test_a_refresh_has_an_operation_of_its_own_in_the_metrics(
    function_sandbox: EngineSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    scopes = [{"accountId": function_sandbox.names.a, "region": "us-west-2"}]
    for event in ({**SYNC, "body": {"scopes": scopes}}, {**SYNC, "body": {"regions": ["us-west-2"]}}, SYNC):
        assert data_management.lambda_handler(event, Context())["status"] == "complete"
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in (captured.out + captured.err).splitlines() if '"_aws"' in line]
    name = "sync_source_server_inventory"
    assert [line["Operation"] for line in lines] == [f"{name}_requested", f"{name}_requested", name]


Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@pytest.mark.parametrize(
    ("handler", "event", "error", "details"),
    [
        (data_management.lambda_handler, {"operation": "nope"}, "INVALID_OPERATION", {"operation": "nope"}),
        (data_management.lambda_handler, {"operation": ""}, "INVALID_EVENT_FORMAT", None),
        (data_management.lambda_handler, {"operation": None}, "INVALID_EVENT_FORMAT", None),
        (data_management.lambda_handler, {"operation": ["x"]}, "INVALID_EVENT_FORMAT", None),
        (data_management.lambda_handler, {**SYNC, "body": "text"}, "INVALID_PARAMETER", {"parameter": "body"}),
        (query.lambda_handler, SYNC, "INVALID_OPERATION", {"operation": "sync_source_server_inventory"}),
        (
            query.lambda_handler,
            {"operation": "sync_staging_accounts"},
            "INVALID_OPERATION",
            {"operation": "sync_staging_accounts"},
        ),
        (query.lambda_handler, {"operation": 7}, "INVALID_OPERATION", None),
    ],
)
def test_a_direct_call_that_is_wrong_gets_the_error_as_its_body(
    handler: Handler, event: dict[str, Any], error: str, details: dict[str, Any] | None
) -> None:
    answer = handler(event, Context())
    assert answer["error"] == error
    assert isinstance(answer["message"], str)
    assert answer.get("details") == details


@pytest.mark.parametrize(
    "body", [{"accountIds": ["12"]}, {"accountIds": "111122223333"}, {"fullScan": "perhaps"}, {"acounts": ["1"]}]
)
def test_a_body_that_does_not_fit_is_refused_before_anything_is_touched(body: dict[str, Any]) -> None:
    answer = data_management.lambda_handler({**SYNC, "body": body}, Context())
    assert answer["error"] == "INVALID_PARAMETER"
    assert answer["details"]["problems"][0]["parameter"]


@pytest.mark.parametrize(
    ("handler", "event"),
    [
        (data_management.lambda_handler, {**SYNC, "body": {"regions": ["us-east-1", "us-wset-2"]}}),
        (data_management.lambda_handler, {**SYNC, "body": {"excludedRegions": ["us-wset-2"]}}),
        (
            data_management.lambda_handler,
            {**SYNC, "body": {"scopes": [{"accountId": "111122223333", "region": "us-wset-2"}]}},
        ),
        (data_management.lambda_handler, {"operation": "sync_staging_accounts", "body": {"regions": ["us-wset-2"]}}),
        (data_management.lambda_handler, {"operation": "handle_drs_tag_sync", "body": {"region": "us-wset-2"}}),
        (query.lambda_handler, {"operation": "get_drs_source_servers", "queryParams": {"region": "us-wset-2"}}),
        (query.lambda_handler, {"operation": "get_source_server_inventory", "queryParams": {"regions": "us-wset-2"}}),
    ],
)
def test_a_region_that_does_not_exist_is_refused_with_the_most_similar_one(
    handler: Handler, event: dict[str, Any], function_sandbox: EngineSandbox
) -> None:
    answer = handler(event, Context())
    assert answer["error"] == "INVALID_PARAMETER"
    assert "did you mean us-west-2?" in answer["message"]
    assert answer["details"]["parameter"] in {"region", "regions"}
    assert (answer["details"]["value"], answer["details"]["expected"]) == ("us-wset-2", "a region of the partition aws")
    assert not function_sandbox.status()


def test_a_region_that_does_not_exist_is_400_for_the_api(function_sandbox: EngineSandbox) -> None:
    body = json.dumps({"region": "us-wset-2", "accountId": function_sandbox.names.a, "async": True})
    function_sandbox.set(AWS_LAMBDA_FUNCTION_NAME="data-management-handler")
    request = {"httpMethod": "POST", "path": "/drs/tag-sync", "requestContext": {}, "body": body}
    answer = data_management.lambda_handler(request, Context())
    assert (answer["statusCode"], json.loads(answer["body"])["details"]["value"]) == (400, "us-wset-2")
    assert function_sandbox.calls()["lambda", "Invoke"] == 0


@pytest.mark.parametrize(("handler", "status", "error"), [
    (data_management.lambda_handler, 400, "INVALID_INVOCATION"),
    (query.lambda_handler, 500, "INVALID_OPERATION"),
])  # fmt: skip
def test_an_event_of_no_kind_gets_an_envelope(handler: Handler, status: int, error: str) -> None:
    answer = handler({"foo": 1}, Context())
    assert (answer["statusCode"], json.loads(answer["body"])["error"]) == (status, error)
    assert answer["headers"] == dict(HEADERS)


@pytest.mark.parametrize("handler", [data_management.lambda_handler, query.lambda_handler])
def test_an_unknown_route_is_404(handler: Handler) -> None:
    answer = handler({"requestContext": {}, "httpMethod": "GET", "path": "/nope"}, Context())
    assert answer["statusCode"] == 404
    body = json.loads(answer["body"])
    assert (body["error"], body["details"]) == ("NOT_FOUND", {"path": "/nope", "method": "GET"})


def test_the_coverage_sync_tells_which_instances_are_not_protected(function_sandbox: EngineSandbox) -> None:
    data_management.lambda_handler(SYNC, Context())
    answer = data_management.lambda_handler({"operation": "sync_coverage"}, Context())
    assert (answer["operation"], answer["status"], answer["instancesProtected"]) == ("sync_coverage", "complete", 10)
    assert json.dumps(answer)
    body = {"regions": ["sa-east-1"], "tags": ["dr=yes"], "accountIds": [function_sandbox.names.apps]}
    answer = data_management.lambda_handler({"operation": "sync_coverage", "body": body}, Context())
    assert (answer["scopes"]["complete"], answer["tags"], answer["regionSource"]) == (1, ["dr=yes"], "requested")


@pytest.mark.parametrize(
    ("body", "text"),
    [({"tags": ["=yes"]}, "has no key"), ({"tag": ["dr=yes"]}, "did you mean tags?"), ({"tags": "dr"}, "tags")],
)
def test_a_mistyped_restriction_of_the_coverage_sync_is_refused(
    body: dict[str, Any], text: str, function_sandbox: EngineSandbox
) -> None:
    answer = data_management.lambda_handler({"operation": "sync_coverage", "body": body}, Context())
    assert "error" in answer
    assert text in json.dumps(answer)
