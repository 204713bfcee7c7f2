"""Both functions under Lambda's runtime client, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.runtime.runtime_api import MAX_ANSWER_BYTES, Function, running
from tests.support.command import CHECKOUT
from tests.support.received_calls import Matches, ReceivedCalls
from tests.support.sandbox import EngineSandbox

DATA_MANAGEMENT = "service.handlers.data_management.lambda_handler"
QUERY = "service.handlers.query.lambda_handler"
SYNC = {"operation": "sync_source_server_inventory"}


@contextmanager
def running_here(handler: str, *more_paths: Path, **environment: str) -> Iterator[Function]:
    """Run a handler of this checkout against the sandbox."""
    paths = os.pathsep.join([CHECKOUT["PYTHONPATH"], *map(str, more_paths)])
    with running(handler, {**os.environ, "PYTHONPATH": paths, **environment}) as function:
        yield function


@pytest.fixture
def function(sandbox: EngineSandbox) -> Iterator[Function]:
    """Run the data-management function."""
    with running_here(DATA_MANAGEMENT) as started:
        yield started


def _scans_of(region: str) -> Matches:
    return lambda call: call.operation == "DescribeSourceServers" and call.region == region


def _api(method: str, path: str, **more: Any) -> dict[str, Any]:
    return {"requestContext": {}, "httpMethod": method, "path": path, **more}


def test_a_warm_invocation_keeps_clients_sessions_and_what_is_cached(
    received: ReceivedCalls, function: Function
) -> None:
    cold = function.invoke(SYNC)
    assert not cold.error
    assert (cold.payload["status"], cold.payload["totalSynced"]) == ("complete", 5)
    assert {"AssumeRole", "GetCallerIdentity"} <= {call.operation for call in received.of("sts")}
    received.clear()
    for _ in range(3):
        warm = function.invoke(SYNC)
        assert (warm.payload["status"], warm.payload["totalSynced"]) == ("complete", 5)
    assert received.of("sts") == []
    assert not function.init_errors


def test_the_time_limit_of_the_function_ends_a_sync_with_a_true_report(
    sandbox: EngineSandbox, received: ReceivedCalls, function: Function
) -> None:
    only_one = {**SYNC, "body": {"regions": ["eu-west-1"]}}
    assert function.invoke(only_one).payload["status"] == "complete"  # warm, so that the limit may be short
    everything = {**SYNC, "body": {"fullScan": True}}
    with received.holding(_scans_of("us-west-2")):
        partial = function.invoke(everything, timeout_s=18)
    report = partial.payload
    assert (report["status"], report["serversByRegion"]) == ("partial", {"eu-west-1": 2})
    assert [(error["code"], error["regions"]) for error in report["errors"]] == [("DeadlineExceeded", ["us-west-2"])]
    assert report["scopes"]["asked"] == sum(report["scopes"][each] for each in ("complete", "failed", "skipped"))
    assert sandbox.counts() == {"eu-west-1": 2}

    assert function.invoke(SYNC).payload["status"] == "complete"
    assert sandbox.counts() == {"eu-west-1": 2, "us-west-2": 3}


def test_sigterm_ends_a_sync_with_a_true_report(
    sandbox: EngineSandbox, received: ReceivedCalls, function: Function
) -> None:
    with received.holding(_scans_of("us-west-2")) as held:
        request_id = function.send(SYNC)
        held.wait()
        assert function.process is not None
        function.process.send_signal(signal.SIGTERM)
        report = function.answer(request_id).payload
    assert report["status"] in {"partial", "failed"}  # the other regions may be unfinished at that time
    assert "us-west-2" not in report["serversByRegion"]
    assert {error["code"] for error in report["errors"]} == {"DeadlineExceeded"}
    assert "told to stop" in report["errors"][0]["message"]
    assert "us-west-2" not in sandbox.counts()


def test_sigterm_between_events_closes_everything_and_ends_the_process(function: Function) -> None:
    assert not function.invoke(SYNC).error
    code, logged = function.end(signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert "Traceback" not in logged
    assert "Unclosed" not in logged


@pytest.mark.parametrize("handler", [DATA_MANAGEMENT, QUERY])
def test_an_event_of_another_shape_is_answered_and_touches_nothing(handler: str, received: ReceivedCalls) -> None:
    events: list[Any] = [None, 7, "sync", [SYNC], {}, {"operation": 3}, {"detail-type": "Scheduled Event"}]
    with running_here(handler) as function:
        answers = [function.invoke(event) for event in events]
    for event, answer in zip(events, answers, strict=True):
        assert not answer.error, event
        body = json.loads(answer.payload["body"]) if "body" in answer.payload else answer.payload
        assert body["error"].startswith("INVALID_"), event
    assert received.count() == 0


def test_bytes_that_are_no_json_cost_only_their_own_event(function: Function) -> None:
    assert function.invoke(b"{not json").error  # Lambda's runtime client refuses them
    assert function.invoke(SYNC).payload["status"] == "complete"


@pytest.mark.usefixtures("sandbox")
def test_a_bug_costs_only_its_own_event(tmp_path: Path) -> None:
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
    with running_here("planted.lambda_handler", tmp_path) as function:
        first, second = function.invoke(SYNC), function.invoke(SYNC)
        _, logged = function.end(signal.SIGTERM)
    assert not first.error
    assert first.payload["error"] == "OPERATION_FAILED"
    assert "planted" not in json.dumps(first.payload)
    assert "ZeroDivisionError" in logged
    assert second.payload["status"] == "complete"


@pytest.mark.usefixtures("sandbox")
def test_settings_that_are_wrong_are_named_and_the_process_lives() -> None:
    with running_here(DATA_MANAGEMENT, SCOPES_AT_ONCE="many") as function:
        answers = [function.invoke(SYNC) for _ in range(2)]
    assert [answer.payload["error"] for answer in answers] == ["CONFIGURATION_ERROR"] * 2
    assert "SCOPES_AT_ONCE" in answers[0].payload["message"]


def test_the_largest_events_that_lambda_lets_through_are_refused(received: ReceivedCalls, function: Function) -> None:
    events = {
        "api, deep": _api("POST", "/drs/tag-sync", body="[" * 3_000_000 + "]" * 2_900_000),
        "api, long": _api("POST", "/drs/tag-sync", body=json.dumps({"accountId": "1" * 5_900_000})),
        "direct, long member": {**SYNC, "body": {"accounts": ["1" * 5_900_000]}},
        "direct, long name": {"operation": "x" * 5_900_000},
    }
    for name, event in events.items():
        answer = function.invoke(event)
        assert not answer.error, name
        assert len(json.dumps(answer.payload)) < 5000, name
        body = json.loads(answer.payload["body"]) if "body" in answer.payload else answer.payload
        assert body["error"] in {"INVALID_PARAMETER", "INVALID_OPERATION"}, name
    assert received.count() == 0


# aiohttp's warning of a body above 1 MB, which a batch of so long tags is.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
def test_an_inventory_above_what_lambda_carries_comes_in_pages(sandbox: EngineSandbox) -> None:
    tags = {f"ключ-{number}": 'é"' * 120 for number in range(45)}
    sandbox.set(DRS_REGIONS="us-east-1")
    sandbox.add_account(regions={"us-east-1": {"servers": [{"on_premises": True, "drs_tags": tags}] * 160}})
    assert anyio.run(sandbox.sync)["serversWritten"] == 160
    with running_here(QUERY) as function:
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
