"""Both functions under Lambda's runtime client, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.endpoint import Trap
from tests.acceptance.world import World
from tests.runtime.runtime_api import MAX_ANSWER_BYTES, Function, running

DATA_MANAGEMENT = "service.handlers.data_management.lambda_handler"
QUERY = "service.handlers.query.lambda_handler"
SYNC = {"operation": "sync_source_server_inventory"}


@pytest.fixture(autouse=True)
def _settings(world: World) -> None:
    world.settings |= {"DRS_REGIONS": "us-east-1 us-west-2 eu-west-1", "READ_TIMEOUT_SECONDS": "30"}


@pytest.fixture
def function(world: World) -> Iterator[Function]:
    """Provide the data-management function, with one account that has servers in two regions."""
    account = world.account()
    world.servers(account, "us-west-2", 3)
    world.servers(account, "eu-west-1", 2)
    with running(DATA_MANAGEMENT, world.environment()) as started:
        yield started


def _scan_trap(region: str) -> Trap:
    return Trap(lambda call: call.operation == "DescribeSourceServers" and call.region == region)


def _api(method: str, path: str, **more: Any) -> dict[str, Any]:
    return {"requestContext": {}, "httpMethod": method, "path": path, **more}


def test_a_warm_invocation_keeps_clients_sessions_and_what_is_cached(world: World, function: Function) -> None:
    cold = function.invoke(SYNC)
    assert not cold.error
    assert (cold.payload["status"], cold.payload["totalSynced"]) == ("complete", 5)
    assert {"AssumeRole", "GetCallerIdentity"} <= {call.operation for call in world.calls("sts")}
    world.aws.forget_calls(world.accounts)
    for _ in range(3):
        warm = function.invoke(SYNC)
        assert (warm.payload["status"], warm.payload["totalSynced"]) == ("complete", 5)
    assert world.calls("sts") == []
    assert not function.init_errors


def test_the_time_limit_of_the_function_ends_a_sync_with_a_true_report(world: World, function: Function) -> None:
    trap = _scan_trap("us-west-2")
    with world.holding(trap):
        partial = function.invoke(SYNC, timeout_s=25)
    report = partial.payload
    assert (report["status"], report["serversByRegion"]) == ("partial", {"eu-west-1": 2})
    assert [(error["code"], error["regions"]) for error in report["errors"]] == [("DeadlineExceeded", ["us-west-2"])]
    assert report["scopes"]["asked"] == sum(report["scopes"][each] for each in ("complete", "failed", "skipped"))
    assert world.counts() == {"eu-west-1": 2}

    assert function.invoke(SYNC).payload["status"] == "complete"
    assert world.counts() == {"eu-west-1": 2, "us-west-2": 3}


def test_sigterm_ends_a_sync_with_a_true_report(world: World, function: Function) -> None:
    trap = _scan_trap("us-west-2")
    world.aws.traps.append(trap)
    request_id = function.send(SYNC)
    assert trap.wait_blocked()
    assert function.process is not None
    function.process.send_signal(signal.SIGTERM)
    report = function.answer(request_id).payload
    trap.released.set()
    assert report["status"] in {"partial", "failed"}  # the other regions may be unfinished at that time
    assert "us-west-2" not in report["serversByRegion"]
    assert {error["code"] for error in report["errors"]} == {"DeadlineExceeded"}
    assert "told to stop" in report["errors"][0]["message"]
    assert "us-west-2" not in world.counts()


def test_sigterm_between_events_closes_everything_and_ends_the_process(function: Function) -> None:
    assert not function.invoke(SYNC).error
    code, logged = function.end(signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert "Traceback" not in logged
    assert "Unclosed" not in logged


@pytest.mark.parametrize("event", [None, 7, "sync", [SYNC], {}, {"operation": 3}, {"detail-type": "Scheduled Event"}])
@pytest.mark.parametrize("handler", [DATA_MANAGEMENT, QUERY])
def test_an_event_of_another_shape_is_answered_and_touches_nothing(world: World, handler: str, event: Any) -> None:
    with running(handler, world.environment()) as function:
        answer = function.invoke(event)
    assert not answer.error
    body = json.loads(answer.payload["body"]) if "body" in answer.payload else answer.payload
    assert body["error"].startswith("INVALID_")
    assert world.calls() == []


def test_bytes_that_are_no_json_cost_only_their_own_event(function: Function) -> None:
    assert function.invoke(b"{not json").error  # Lambda's runtime client refuses them
    assert function.invoke(SYNC).payload["status"] == "complete"


def test_a_bug_costs_only_its_own_event(world: World, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(
        "from service.handlers import data_management\n"
        "from service.app import App\n"
        "original, times = App.sync_inventory, []\n"
        "async def broken(self, *args):\n"
        "    times.append(1)\n"
        "    if len(times) == 1:\n"
        "        raise ZeroDivisionError('planted')\n"
        "    return await original(self, *args)\n"
        "App.sync_inventory = broken\n"
        "lambda_handler = data_management.lambda_handler\n"
    )
    world.account()
    environment = world.environment()
    environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    with running("planted.lambda_handler", environment) as function:
        first, second = function.invoke(SYNC), function.invoke(SYNC)
        _, logged = function.end(signal.SIGTERM)
    assert not first.error
    assert first.payload["error"] == "OPERATION_FAILED"
    assert "planted" not in json.dumps(first.payload)
    assert "ZeroDivisionError" in logged
    assert second.payload["status"] == "complete"


def test_settings_that_are_wrong_are_named_and_the_process_lives(world: World) -> None:
    with running(DATA_MANAGEMENT, world.environment(SCOPES_AT_ONCE="many")) as function:
        answers = [function.invoke(SYNC) for _ in range(2)]
    assert [answer.payload["error"] for answer in answers] == ["CONFIGURATION_ERROR"] * 2
    assert "SCOPES_AT_ONCE" in answers[0].payload["message"]


@pytest.mark.parametrize(
    "event",
    [
        _api("POST", "/drs/tag-sync", body="[" * 3_000_000 + "]" * 2_900_000),
        _api("POST", "/drs/tag-sync", body=json.dumps({"accountId": "1" * 5_900_000})),
        {"operation": "sync_source_server_inventory", "body": {"accounts": ["1" * 5_900_000]}},
        {"operation": "x" * 5_900_000},
    ],
    ids=["api, deep", "api, long", "direct, long member", "direct, long name"],
)
def test_the_largest_events_that_lambda_lets_through_are_refused(world: World, function: Function, event: Any) -> None:
    answer = function.invoke(event)
    assert not answer.error
    assert len(json.dumps(answer.payload)) < 5000
    body = json.loads(answer.payload["body"]) if "body" in answer.payload else answer.payload
    assert body["error"] in {"INVALID_PARAMETER", "INVALID_OPERATION"}
    assert world.calls() == []


def test_an_inventory_above_what_lambda_carries_comes_in_pages(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 160)
    for server in world.scope(account, "us-west-2").servers:
        server["tags"] = {f"ключ-{number}": 'é"' * 120 for number in range(45)}
    world.sync()
    with running(QUERY, world.environment()) as function:
        for form in ("api", "direct"):
            ids, pages = _all_pages(function, form)
            assert pages > 1
            assert len(ids) == len(set(ids)) == 160


def _all_pages(function: Function, form: str) -> tuple[list[str], int]:
    ids: list[str] = []
    pages, token = 0, ""
    while pages == 0 or token:
        params = {"nextToken": token} if token else {}
        if form == "api":
            event = _api("GET", "/drs/source-server-inventory", queryStringParameters=params)
        else:
            event = {"operation": "get_source_server_inventory", "queryParams": params}
        answer = function.invoke(event)
        assert not answer.error, f"page {pages} is above {MAX_ANSWER_BYTES} bytes"
        body = json.loads(answer.payload["body"]) if form == "api" else answer.payload
        ids += [server["sourceServerID"] for server in body["servers"]]
        token, pages = body.get("nextToken") or "", pages + 1
    return ids, pages
