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


@pytest.mark.parametrize(
    ("method", "path", "request_body", "expected"),
    [
        ("GET", "/sandbox/nothing", None, (404, "GET /sandbox/health")),
        ("POST", "/sandbox/calls", {}, (404, "no such endpoint")),
        ("PUT", "/sandbox/faults", {"colour": 1}, (400, "colour: no such member")),
        ("PUT", "/sandbox/faults", "{", (400, "request body: not JSON")),
        ("POST", "/sandbox/fleet", {}, (400, "accounts: Field required")),
        ("POST", "/sandbox/fleet", {"accounts": [{"account_id": "1"}]}, (400, "accounts[0].account_id")),
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
