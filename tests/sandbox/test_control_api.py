"""Control API: endpoints and call counts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.aws_protocols import forward
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet, Fragment
from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.server import Sandbox

HUB, TARGET, STAGING, APPS = "999900001111", "111122223333", "444455556666", "777788889999"
Client = Callable[..., Any]
Send = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def send(sandbox: Sandbox) -> Send:
    def send_request(method: str, path: str, members: object = None) -> tuple[int, dict[str, Any]]:
        connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
        body = members if isinstance(members, str) else json.dumps(members)
        connection.request(method, path, body=body if members is not None else None)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    return send_request


def test_health(send: Send) -> None:
    assert send("GET", "/sandbox/health") == (200, {"status": "ok", "hub": HUB, "accounts": 4, "servers": 10})


def test_only_this_machine_may_use_it(sandbox: Sandbox) -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/sandbox/health", "wsgi.input": io.BytesIO()}
    for address, status in (("127.0.0.1", 200), ("::1", 200), ("10.0.0.1", 403), (None, 403)):
        origin = {} if address is None else {"REMOTE_ADDR": address}
        assert forward(sandbox._control_api, {**environ, **origin}, b"").status == status, address


def test_calls_are_counted_by_account_region_and_operation(send: Send, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    drs.describe_source_servers()
    server = drs.describe_source_servers()["items"][0]
    drs.tag_resource(resourceArn=server["arn"], tags={"a": "b"})
    client("dynamodb").list_tables()
    with pytest.raises(ClientError):
        client("drs", region="sa-east-1").describe_source_servers()
    status, answer = send("GET", "/sandbox/calls")
    assert status == 200
    assert answer == {
        "total": 6,
        "calls": [
            {"account": TARGET, "region": "us-west-2", "service": "drs", "operation": operation, "count": count}
            for operation, count in [("DescribeSourceServers", 2), ("TagResource", 1)]
        ]
        + [
            {"account": HUB, "region": region, "service": service, "operation": operation, "count": 1}
            for region, service, operation in [
                ("sa-east-1", "drs", "DescribeSourceServers"),
                ("us-east-1", "dynamodb", "ListTables"),
                ("us-east-1", "sts", "AssumeRole"),
            ]
        ],
    }
    assert send("DELETE", "/sandbox/calls") == (200, {"total": 0, "calls": []})
    assert send("GET", "/sandbox/calls") == (200, {"total": 0, "calls": []})


def test_fleet_fragment_adds_an_account(send: Send, sandbox: Sandbox, client: Client) -> None:
    account = {"account_id": "222233334444", "name": "Late", "regions": {"eu-west-1": {"servers": 2}}}
    status, answer = send("POST", "/sandbox/fleet", {"accounts": [account]})
    assert (status, answer["accounts"], answer["servers"]) == (200, 5, 12)
    assert len(client("drs", account_id="222233334444", region="eu-west-1").describe_source_servers()["items"]) == 2
    name = sandbox.environment()["TARGET_ACCOUNTS_TABLE"]
    rows = client("dynamodb").scan(TableName=name)["Items"]
    assert "222233334444" in {row["accountId"]["S"] for row in rows}


def test_fleet_fragment_leaves_known_rows_alone(send: Send, sandbox: Sandbox, client: Client) -> None:
    dynamodb, name = client("dynamodb"), sandbox.environment()["TARGET_ACCOUNTS_TABLE"]
    dynamodb.put_item(TableName=name, Item={"accountId": {"S": TARGET}, "note": {"S": "edited"}})
    send("POST", "/sandbox/fleet", {"accounts": [{"account_id": TARGET, "regions": {"eu-west-1": {"servers": 1}}}]})
    assert "note" in dynamodb.get_item(TableName=name, Key={"accountId": {"S": TARGET}})["Item"]


def test_fleet_fragment_enables_a_region(send: Send, client: Client) -> None:
    sts = client("sts", account_id=TARGET, region="me-south-1")
    with pytest.raises(ClientError):
        sts.get_caller_identity()
    send("POST", "/sandbox/fleet", {"accounts": [{"account_id": TARGET, "regions_off": []}]})
    sts.get_caller_identity()


def test_faults_can_be_replaced(send: Send, client: Client) -> None:
    sts = client("sts")
    status, answer = send("PUT", "/sandbox/faults", {"deny": [{"account_id": HUB, "service": "sts"}]})
    assert status == 200
    assert answer["deny"][0]["account_id"] == HUB
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.get_caller_identity()
    assert send("PUT", "/sandbox/faults", {})[0] == 200
    sts.get_caller_identity()


def test_servers_can_be_removed(send: Send, client: Client) -> None:
    drs = client("drs", account_id=STAGING, region="us-west-2")
    ids = [server["sourceServerID"] for server in drs.describe_source_servers()["items"]][1:]
    members = {"account_id": STAGING, "region": "us-west-2", "source_server_ids": ids}
    assert send("POST", "/sandbox/remove", members) == (200, {"removed": 2})
    assert len(drs.describe_source_servers()["items"]) == 1


def test_the_clock_of_drs_moves_its_states(send: Send, sandbox: Sandbox, client: Client) -> None:
    status, clock = send("POST", "/sandbox/clock", {"auto_advance": False})
    assert (status, clock["moved_s"], clock["auto_advance"]) == (200, 0, False)
    drs = client("drs", account_id=TARGET, region="us-west-2")
    server_id = drs.describe_source_servers()["items"][0]["sourceServerID"]
    drs.start_recovery(sourceServers=[{"sourceServerID": server_id}])
    assert drs.describe_jobs()["items"][0]["status"] == "PENDING"
    assert send("POST", "/sandbox/clock", {"advance_s": 90})[1]["moved_s"] == 90
    assert drs.describe_jobs()["items"][0]["status"] == "STARTED"
    sandbox.advance_clock(30.5)
    job = drs.describe_jobs()["items"][0]
    assert job["status"] == "COMPLETED"
    assert send("GET", "/sandbox/clock")[1]["moved_s"] == 120.5
    assert send("GET", "/sandbox/clock")[1]["now"] > job["endDateTime"]
    drs.start_recovery(sourceServers=[{"sourceServerID": server_id}])
    sandbox.set_auto_advance(is_on=True)
    assert drs.describe_jobs()["items"][0]["status"] == "STARTED"


def test_a_fleet_file_can_leave_states_to_the_clock(send: Send, members: dict[str, Any]) -> None:
    accounts = {account_id: [{"account_id": account_id, "regions": {"eu-west-1": {"servers": 1}}}]
                for account_id in ("111100002222", "111100003333")}  # fmt: skip
    fleet = {"hub": {"account_id": "111100001111"}, "accounts": accounts["111100002222"], "auto_advance": False}
    with Sandbox(parse_model(Fleet, fleet, "fleet")) as other:
        other.add(parse_model(Fragment, {"accounts": accounts["111100003333"]}, "fragment"))
        assert other.fleet.auto_advance is False
        for account_id in accounts:
            assert drs_clock.is_manual(account_id)
        assert not drs_clock.is_manual(TARGET)  # that of the sandbox beside it
    assert not drs_clock.is_manual("111100003333")


def test_real_time_comes_back_when_the_last_sandbox_closes(fleet: Fleet, members: dict[str, Any]) -> None:
    with Sandbox(fleet) as first:
        with Sandbox(parse_model(Fleet, {"hub": {"account_id": "111100001111"}}, "fleet")) as second:
            second.advance_clock(60)
        assert drs_clock.offset.total_seconds() == 60
        first.advance_clock(60)
    assert not drs_clock.offset


@pytest.mark.parametrize(
    ("method", "path", "request_body", "expected"),
    [
        ("GET", "/sandbox/nothing", None, (404, "GET /sandbox/health")),
        ("POST", "/sandbox/calls", {}, (404, "no such endpoint")),
        ("PUT", "/sandbox/faults", {"colour": 1}, (400, "colour: no such member")),
        ("PUT", "/sandbox/faults", "{", (400, "request body: not JSON")),
        ("POST", "/sandbox/fleet", {}, (400, "accounts: Field required")),
        ("POST", "/sandbox/fleet", {"accounts": [{"account_id": "1"}]}, (400, "accounts[0].account_id")),
        ("POST", "/sandbox/clock", {"advance_s": -60}, (400, "advance_s: Input should be greater than or equal to 0")),
        ("POST", "/sandbox/clock", {"advance_s": 1e9}, (400, "advance_s: Input should be less than or equal")),
        ("POST", "/sandbox/clock", '{"advance_s": NaN}', (400, "advance_s: Input should be a finite number")),
        ("POST", "/sandbox/clock", {}, (400, "changes nothing. Fix: give advance_s, auto_advance, or both")),
        ("POST", "/sandbox/remove", {"account_id": TARGET}, (400, "region: Field required")),
        (
            "POST",
            "/sandbox/remove",
            {"account_id": TARGET, "region": "us-none-1", "source_server_ids": ["s-1"]},
            (400, "DRS has no region us-none-1"),
        ),
    ],
)
def test_errors_name_the_invalid_member(
    send: Send, method: str, path: str, request_body: object, expected: tuple[int, str]
) -> None:
    status, answer = send(method, path, request_body)
    assert status == expected[0]
    assert expected[1] in answer["error"]
