"""A region newer than this version: queries and the tag sync ask DRS there; a failure says which may be meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.handlers import data_management, query
from service.sandbox.moto_drs import drs_backends
from tests.support.sandbox import EngineSandbox

NEWER = "us-west-3"
HINT = f"this version knows no region {NEWER}: did you mean us-west-2?"


@pytest.fixture
def functions(sandbox: EngineSandbox) -> Iterator[EngineSandbox]:
    """Provide a sandbox, and close both functions' event loops afterwards."""
    yield sandbox
    data_management.runtime.close()
    query.runtime.close()


def ask(path: str, region: str = NEWER, **body: Any) -> tuple[int, dict[str, Any]]:
    event: dict[str, Any] = {"requestContext": {}, "path": path}
    if body:
        event |= {"httpMethod": "POST", "body": json.dumps({"region": region, **body})}
    else:
        event |= {"httpMethod": "GET", "queryStringParameters": {"region": region}}
    handler = data_management.lambda_handler if "tag-sync" in path else query.lambda_handler
    answer = handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


QUERIES = ("/drs/source-server-inventory", "/drs/source-servers", "/drs/extended-source-servers")


def test_a_newer_region_is_asked_like_any_other(functions: EngineSandbox) -> None:
    for account_id in (functions.names.a, functions.names.b):
        drs_backends[account_id].regions.append(NEWER)  # AWS has it now
    functions.add(functions.names.a, NEWER, servers=2)
    for path in QUERIES[:2]:
        status, body = ask(path)
        assert (status, len(body["servers"]), body["source"]) == (200, 2, "drs_api")
        assert body["refresh"] == {"requested": False, "reason": body["refresh"]["reason"]}  # no sync scans it
        assert "DRS_NEW_REGIONS" in body["refresh"]["reason"]
    status, body = ask("/drs/tag-sync", accountId=functions.names.a)
    assert (status, body["total_servers"], body["regions"]) == (200, 2, [NEWER])
    assert [warning["code"] for warning in body["warnings"]] == ["RegionNotKnown"]
    assert functions.status() == {}


def test_a_failure_in_a_region_that_is_not_known_says_which_may_be_meant(functions: EngineSandbox) -> None:
    functions.faults(deny=[{"account_id": each, "region": NEWER} for each in (functions.names.a, functions.names.b)])
    for path in QUERIES:
        status, body = ask(path)
        assert status in {403, 500}
        assert HINT in body["message"]
    status, body = ask(
        "/staging-accounts/validate", accountId=functions.names.b, externalId="drs-orchestration-cross-account"
    )
    assert (status, body["valid"]) == (200, False)
    assert HINT in body["error"]
    status, body = ask("/drs/tag-sync", accountId=functions.names.a)
    assert (status, [error["code"] for error in body["errors"]]) == (200, ["AccessDeniedException"])
    [warning] = body["warnings"]
    assert warning["message"] == HINT
    assert functions.status() == {}


def test_a_region_that_does_not_exist_is_a_failure_that_says_so(functions: EngineSandbox) -> None:
    for path in QUERIES:
        status, body = ask(path)
        assert status in {400, 500}
        assert HINT in body["message"]
    assert functions.status() == {}


@pytest.mark.parametrize("region", ["us-wset-2", "us-west-22", "us-west-2a", "us-gov-west-1", "nowhere"])
def test_a_name_that_no_region_of_the_partition_can_have_is_refused(region: str, functions: EngineSandbox) -> None:
    for status, body in (
        *(ask(path, region) for path in QUERIES),
        ask("/drs/tag-sync", region, accountId=functions.names.a),
    ):
        assert (status, body["error"], body["details"]["value"]) == (400, "INVALID_PARAMETER", region)
    assert functions.calls()["drs", "DescribeSourceServers"] == 0


def test_syncs_that_record_regions_refuse_what_they_do_not_know(functions: EngineSandbox) -> None:
    for operation in ("sync_source_server_inventory", "sync_staging_accounts"):
        answer = data_management.lambda_handler({"operation": operation, "body": {"regions": [NEWER]}}, None)
        assert answer["error"] == "INVALID_PARAMETER"
        assert "DRS_NEW_REGIONS" in answer["message"]
    assert functions.status() == {}
