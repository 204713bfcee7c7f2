"""Events of changes that matter: each once, over repeats, refusals, crashes and two runs at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import anyio
import pytest

from service.app import open_app
from service.context import SyncRequest
from service.models import Scope, iso, parse_iso, utc_now
from service.sandbox.aws_protocols import Response, json_response
from service.settings import load_settings
from tests.support.received_calls import ReceivedCall, ReceivedCalls
from tests.support.sandbox import EngineSandbox, Names, new_account_id

EAST, WEST = "us-east-1", "us-west-2"
TOPOLOGY: Final = "SOURCE_SERVER_TOPOLOGY_TABLE"
STALLED: Final[dict[str, Any]] = {
    "dataReplicationState": "STALLED",
    "dataReplicationError": {"error": "AGENT_NOT_SEEN"},
}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Start a sandbox with two servers of A in each of two regions, and an event bus."""
    names = Names(*(new_account_id() for _ in range(4)))
    members = {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [{"account_id": names.a, "regions": {EAST: {"servers": 2}, WEST: {"servers": 2}}}],
    }
    with EngineSandbox(members, names, monkeypatch) as started:
        started.set(DRS_REGIONS=f"{EAST} {WEST}", EVENT_BUS_NAME="default")
        yield started


def is_put(call: ReceivedCall) -> bool:
    return call.operation == "PutEvents"


def details(received: ReceivedCalls) -> list[dict[str, Any]]:
    """Return the details of the events since the last time, in order of their kinds and servers."""
    entries = [entry for call in received.of("events", "PutEvents") for entry in call.params["Entries"]]
    received.clear()
    assert all(entry["Source"] == "drs-sync" and entry["EventBusName"] == "default" for entry in entries)
    found = [json.loads(entry["Detail"]) for entry in entries]
    return sorted(found, key=lambda each: (each["kind"], each.get("region", ""), each.get("sourceServerID", "")))


def kinds(received: ReceivedCalls) -> list[str]:
    return [each["kind"] for each in details(received)]


def change(sandbox: EngineSandbox, region: str, position: int = 0, **info: Any) -> str:
    """Change the replication of a server; return its id."""
    record = sandbox.records(sandbox.names.a, region)[position]
    record["dataReplicationInfo"].pop("dataReplicationError", None)
    record["dataReplicationInfo"].update(info)
    return str(record["sourceServerID"])


def outbox(sandbox: EngineSandbox, region: str) -> dict[str, Any]:
    key = {"pk": f"scope#{sandbox.names.a}#{region}", "sk": "events"}
    item: dict[str, Any] = sandbox.table(TOPOLOGY).get_item(Key=key)["Item"]
    return item


def expire_claim(sandbox: EngineSandbox, region: str) -> None:
    """Let the time pass in which a run may still be sending."""
    item = outbox(sandbox, region)
    assert parse_iso(item["claimedUntil"])
    sandbox.table(TOPOLOGY).put_item(Item={**item, "claimedUntil": iso(utc_now() - timedelta(seconds=1))})


async def test_the_first_sight_of_a_scope_is_one_event_and_then_silence(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    found = details(received)
    assert [(each["kind"], each["region"], each["servers"]) for each in found] == [
        ("SUMMARY", EAST, 2),
        ("SUMMARY", WEST, 2),
    ]
    await sandbox.sync(full_scan=True)
    assert details(received) == []


async def test_each_change_is_one_event_with_what_changed_and_the_fix(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    received.clear()
    stalled = change(sandbox, EAST, **STALLED)
    behind = change(sandbox, WEST, lagDuration="PT1H")
    report = await sandbox.sync(full_scan=True)
    assert report["status"] == "complete"
    first, second = details(received)
    assert (first["kind"], first["sourceServerID"], first["reason"]) == ("BEHIND", behind, "LAG_OVER_OBJECTIVE")
    assert (second["kind"], second["sourceServerID"], second["reason"]) == ("STALLED", stalled, "AGENT_NOT_SEEN")
    assert (second["severity"], second["accountId"], second["region"]) == ("critical", sandbox.names.a, EAST)
    assert second["since"] == report["startedAt"]
    assert second["fix"]
    await sandbox.sync(full_scan=True)
    assert details(received) == []
    change(sandbox, EAST, dataReplicationState="CONTINUOUS")
    change(sandbox, WEST, lagDuration="PT1S")
    await sandbox.sync(full_scan=True)
    assert kinds(received) == ["CAUGHT_UP", "RECOVERED"]
    gone = sandbox.records(sandbox.names.a, EAST)[:1]
    sandbox.remove(sandbox.names.a, EAST, gone)
    await sandbox.sync(full_scan=True)
    (left,) = details(received)
    assert (left["kind"], left["sourceServerID"]) == ("GONE", gone[0]["sourceServerID"])
    await sandbox.sync(full_scan=True)
    assert details(received) == []


async def test_events_that_are_refused_are_put_again_and_no_others(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    for position in range(2):
        change(sandbox, EAST, position, **STALLED)
    refusal = {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}]}
    received.answer(is_put, json_response(200, refusal))
    received.clear()
    await sandbox.sync(full_scan=True)
    first, second = received.of("events", "PutEvents")
    assert (len(first.params["Entries"]), len(second.params["Entries"])) == (2, 1)
    assert second.params["Entries"][0]["Detail"] == first.params["Entries"][1]["Detail"]
    assert outbox(sandbox, EAST)["pending"] == []


async def test_a_bus_that_fails_costs_a_warning_and_the_events_are_sent_later_with_the_same_ids(
    sandbox: EngineSandbox,
) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    change(sandbox, EAST, **STALLED)
    received.clear()
    sandbox.faults(
        fail=[
            {
                "service": "events",
                "operation": "PutEvents",
                "times": None,
                "status": 400,
                "error": "AccessDeniedException",
            }
        ]
    )
    report = await sandbox.sync(full_scan=True)
    assert report["status"] == "complete"
    assert [(each["code"], each["service"]) for each in report["warnings"]] == [("AccessDeniedException", "events")]
    (tried,) = details(received)
    sandbox.faults()
    await sandbox.sync(full_scan=True)
    (sent,) = details(received)
    assert sent == tried
    await sandbox.sync(full_scan=True)
    assert details(received) == []


async def test_an_unusable_answer_of_the_bus_counts_as_not_sent(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    change(sandbox, EAST, **STALLED)
    received.answer(is_put, json_response(200, {"Entries": []}), times=None)
    report = await sandbox.sync(full_scan=True)
    assert [each["code"] for each in report["warnings"]] == ["MalformedResponse"]
    assert len(outbox(sandbox, EAST)["pending"]) == 1


async def test_a_run_that_is_killed_while_it_sends_loses_no_event(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    stalled = change(sandbox, EAST, **STALLED)
    received.clear()
    with received.holding(is_put, drops=True) as held:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: sandbox.sync(full_scan=True))
            await held.blocked()
            tasks.cancel_scope.cancel()
    received.clear()
    await sandbox.sync(full_scan=True)
    assert details(received) == []  # the run before may still be sending
    expire_claim(sandbox, EAST)
    await sandbox.sync(full_scan=True)
    (sent,) = details(received)
    assert (sent["kind"], sent["sourceServerID"]) == ("STALLED", stalled)


async def test_two_runs_at_once_announce_a_change_once(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    change(sandbox, EAST, **STALLED)
    received.clear()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(lambda: sandbox.sync(full_scan=True))
    assert kinds(received) == ["STALLED"]


async def test_a_scope_that_becomes_unknown_and_known_again_is_one_event_each(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync()
    received.clear()
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": WEST, "service": "drs"}])
    long_ago = iso(utc_now() - timedelta(hours=3))
    sandbox.table("DRS_REGION_STATUS_TABLE").update_item(
        Key={"region": WEST},
        UpdateExpression="SET accounts.#account.lastComplete = :then",
        ExpressionAttributeNames={"#account": sandbox.names.a},
        ExpressionAttributeValues={":then": long_ago},
    )
    for position in range(2):
        change(sandbox, WEST, position, **STALLED)
    await sandbox.sync()
    (unknown,) = details(received)
    assert (unknown["kind"], unknown["cause"], unknown["examples"]) == (
        "SCOPES_UNKNOWN",
        "IAM_PERMISSION_DENIED",
        [f"{sandbox.names.a}/{WEST}"],
    )
    assert (unknown["scopes"], unknown["servers"]) == (1, 2)
    await sandbox.sync()
    assert details(received) == []
    sandbox.faults()
    await sandbox.sync()
    known, summary = details(received)
    assert (known["kind"], known["examples"]) == ("SCOPES_KNOWN", [f"{sandbox.names.a}/{WEST}"])
    assert (summary["kind"], summary["why"], summary["changes"]) == ("SUMMARY", "known again", {"STALLED": 2})
    await sandbox.sync()
    assert details(received) == []


async def test_a_staging_account_near_its_quota_is_one_event(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync()
    received.clear()
    sandbox.set(REPLICATING_SERVERS_PER_REGION="2")
    await sandbox.sync()
    found = details(received)
    assert [(each["kind"], each["region"], each["replicating"], each["quota"]) for each in found] == [
        ("NEAR_FULL", EAST, 2, 2),
        ("NEAR_FULL", WEST, 2, 2),
    ]
    await sandbox.sync()
    assert details(received) == []
    sandbox.set(REPLICATING_SERVERS_PER_REGION="300")
    await sandbox.sync()
    assert kinds(received) == ["HAS_ROOM", "HAS_ROOM"]


async def test_a_lost_table_gives_one_summary_per_scope(sandbox: EngineSandbox) -> None:
    change(sandbox, EAST, **STALLED)
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    received.clear()
    for region in (EAST, WEST):
        sandbox.table(TOPOLOGY).delete_item(Key={"pk": f"scope#{sandbox.names.a}#{region}", "sk": "events"})
    await sandbox.sync(full_scan=True)
    assert [(each["kind"], each["byMark"]) for each in details(received)] == [
        ("SUMMARY", {"STALLED": 1, "GOOD": 1}),
        ("SUMMARY", {"GOOD": 2}),
    ]


async def test_without_a_bus_nothing_is_kept_and_nothing_is_sent(sandbox: EngineSandbox) -> None:
    sandbox.set(EVENT_BUS_NAME="")
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    assert received.of("events") == []
    assert not [item for item in sandbox.table(TOPOLOGY).scan()["Items"] if item["sk"] == "events"]


async def test_a_run_over_one_scope_announces_its_changes(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync()
    change(sandbox, EAST, **STALLED)
    received.clear()
    async with open_app(load_settings()) as app:
        await app.sync_inventory(SyncRequest(scopes=(Scope(sandbox.names.a, EAST),)))
    assert kinds(received) == ["STALLED"]


async def test_a_run_that_has_compared_with_what_another_has_replaced_announces_nothing(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    change(sandbox, EAST, **STALLED)
    received.clear()
    first: list[ReceivedCall] = []

    def is_first_write(call: ReceivedCall) -> bool:
        item = call.params.get("Item", {})
        if not first and call.operation == "PutItem" and item.get("sk") == {"S": "events"}:
            first.append(call)
        return call in first

    with received.holding(is_first_write) as held:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: sandbox.sync(full_scan=True))
            await held.blocked()
            await sandbox.sync(full_scan=True)
            assert kinds(received) == ["STALLED"]
            held.release()
    assert details(received) == []


def refuse(received: ReceivedCalls, code: str, *, where: str) -> None:
    """Refuse each event that contains a text, as EventBridge does: by its own entry of the response."""

    def answer(call: ReceivedCall) -> Response:
        entries = [
            {"ErrorCode": code, "ErrorMessage": "no"} if where in entry["Detail"] else {"EventId": f"{position}"}
            for position, entry in enumerate(call.params["Entries"])
        ]
        return json_response(200, {"FailedEntryCount": 1, "Entries": entries})

    received.answer(is_put, answer, times=None)


async def test_an_event_that_is_refused_for_ever_holds_up_no_other_and_is_given_up_after_a_day(
    sandbox: EngineSandbox,
) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    first = change(sandbox, EAST, 0, **STALLED)
    refuse(received, "NotAuthorizedForSourceException", where=first)
    report = await sandbox.sync(full_scan=True)
    (warning,) = report["warnings"]
    assert (warning["code"], warning["regions"]) == ("EventsRefused", [EAST])
    assert "NotAuthorizedForSourceException" in warning["message"]
    received.clear()
    second = change(sandbox, EAST, 1, **STALLED)
    await sandbox.sync(full_scan=True)
    assert {each["sourceServerID"] for each in details(received)} == {first, second}
    (kept,) = outbox(sandbox, EAST)["pending"]
    assert first in kept["Detail"]
    old = json.dumps({**json.loads(kept["Detail"]), "time": iso(utc_now() - timedelta(hours=25))})
    sandbox.table(TOPOLOGY).put_item(Item={**outbox(sandbox, EAST), "pending": [{**kept, "Detail": old}]})
    report = await sandbox.sync(full_scan=True)
    assert ["are lost" in each["message"] for each in report["warnings"]] == [True]
    assert outbox(sandbox, EAST)["pending"] == []
    received.clear()
    assert (await sandbox.sync(full_scan=True))["warnings"] == []
    assert details(received) == []


async def test_a_request_that_one_event_makes_invalid_costs_that_event_alone(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    odd, good = (change(sandbox, EAST, position, **STALLED) for position in range(2))

    def answer(call: ReceivedCall) -> Response:
        if any(odd in entry["Detail"] for entry in call.params["Entries"]):
            return json_response(400, {"__type": "ValidationException", "message": "too large"})
        return json_response(200, {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}] * len(call.params["Entries"])})

    received.answer(is_put, answer, times=None)
    report = await sandbox.sync(full_scan=True)
    assert [each["code"] for each in report["warnings"]] == ["EventsRefused"]
    (kept,) = outbox(sandbox, EAST)["pending"]
    assert odd in kept["Detail"]
    received.clear()
    await sandbox.sync(full_scan=True)
    assert good not in str(details(received))


async def test_events_that_were_accepted_are_not_sent_again_after_a_later_call_has_failed(
    sandbox: EngineSandbox,
) -> None:
    received = sandbox.received_calls()
    sandbox.add(sandbox.names.a, EAST, servers=21)
    await sandbox.sync(full_scan=True)
    for position in range(23):
        change(sandbox, EAST, position, **STALLED)
    received.clear()
    calls: list[ReceivedCall] = []

    def is_second_batch(call: ReceivedCall) -> bool:
        if call.operation == "PutEvents" and call not in calls:
            calls.append(call)
        return call in calls[1:2]

    denied = json_response(400, {"__type": "AccessDeniedException", "message": "no"})
    received.answer(is_second_batch, denied, times=None)
    await sandbox.sync(full_scan=True)
    assert len(outbox(sandbox, EAST)["pending"]) == 13
    received.clear()
    await sandbox.sync(full_scan=True)
    assert len({each["sourceServerID"] for each in details(received)}) == 13


async def test_a_scan_that_is_older_than_what_was_announced_announces_nothing(sandbox: EngineSandbox) -> None:
    """Run A lists the servers before they change and announces after run B, which has seen the change."""
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    received.clear()
    first: list[ReceivedCall] = []

    def is_first_read(call: ReceivedCall) -> bool:
        if not first and call.operation == "GetItem" and call.params["Key"].get("sk") == {"S": "events"}:
            first.append(call)
        return call in first

    here = {"accounts": (sandbox.names.a,), "regions": (EAST,)}
    with received.holding(is_first_read) as held:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: sandbox.sync(**here))
            await held.blocked()
            change(sandbox, EAST, **STALLED)
            await sandbox.sync(**here)
            assert kinds(received) == ["STALLED"]
            held.release()
    await sandbox.sync(**here)
    assert details(received) == []


async def test_the_last_servers_of_a_scope_are_announced_as_gone_although_the_bus_failed_then(
    sandbox: EngineSandbox,
) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    gone = {each["sourceServerID"] for each in sandbox.records(sandbox.names.a, EAST)}
    sandbox.remove(sandbox.names.a, EAST, sandbox.records(sandbox.names.a, EAST))
    put = {"service": "events", "operation": "PutEvents", "times": None, "status": 400}
    sandbox.faults(fail=[{**put, "error": "AccessDeniedException"}])
    await sandbox.sync(full_scan=True)
    received.clear()
    # An hour later, when no write of the run before can arrive any more, so that it is not what has the scope scanned.
    sandbox.table("DRS_REGION_STATUS_TABLE").update_item(
        Key={"region": EAST},
        UpdateExpression="SET accounts.#account.lookRequestedAt = :then",
        ExpressionAttributeNames={"#account": sandbox.names.a},
        ExpressionAttributeValues={":then": iso(utc_now() - timedelta(minutes=1))},
    )
    await sandbox.sync()  # still failing; the scope is empty by now
    assert {each["sourceServerID"] for each in details(received)} == gone
    sandbox.faults()
    await sandbox.sync()
    assert {(each["kind"], each["sourceServerID"]) for each in details(received)} == {("GONE", each) for each in gone}
    await sandbox.sync()
    assert details(received) == []


async def test_a_server_whose_state_nobody_can_read_has_not_recovered(sandbox: EngineSandbox) -> None:
    received = sandbox.received_calls()
    await sandbox.sync(full_scan=True)
    change(sandbox, EAST, **STALLED)
    change(sandbox, WEST, lagDuration="PT1H")
    await sandbox.sync(full_scan=True)
    received.clear()
    change(sandbox, EAST, dataReplicationState="NEW_STATE")
    change(sandbox, WEST, dataReplicationState="BACKLOG")
    await sandbox.sync(full_scan=True)
    assert details(received) == []
    change(sandbox, EAST, dataReplicationState="CONTINUOUS")
    change(sandbox, WEST, dataReplicationState="CONTINUOUS", lagDuration="PT0S")
    await sandbox.sync(full_scan=True)
    assert kinds(received) == ["CAUGHT_UP", "RECOVERED"]
