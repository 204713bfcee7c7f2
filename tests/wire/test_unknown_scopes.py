"""What is unknown, with an AWS of fixed responses that shares no code with the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from service.errors import RefusalError
from service.models import iso
from service.queries.answer import Answer
from service.queries.params import InventoryParams, ScopesParams
from service.query_app import QueryApp, open_query_app
from service.settings import load_settings
from tests.support.scripted import Answer as Response
from tests.support.scripted import Request, answer, refusal, scripted_aws

HUB, A = "999900001111", "111100000001"
EAST, WEST = "us-east-1", "us-west-2"
NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE_AGO, HOUR_AGO = iso(NOW - timedelta(minutes=1)), iso(NOW - timedelta(hours=1))
DENIAL: Final = "AccessDeniedException: not authorized with an explicit deny in a service control policy"


def server(number: int) -> dict[str, Any]:
    return {
        "sourceServerArn": {"S": f"arn:aws:drs:{EAST}:{A}:source-server/s-{number:017x}"},
        "stagingAccountId": {"S": A},
        "sourceServerID": {"S": f"s-{number:017x}"},
        "replicationRegion": {"S": EAST},
        "replicationState": {"S": "CONTINUOUS"},
    }


def row(region: str, count: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    members = {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in entry.items()}
    accounts = {"M": {A: {"M": members}}}
    return {"region": {"S": region}, "serverCount": {"N": str(count)}, "status": {"S": "ACTIVE"}, "accounts": accounts}


def tables(*, complete: str) -> dict[str, list[dict[str, Any]]]:
    """Return the tables: five servers in one region, and another region that a policy denies."""
    scanned = {"serverCount": 5, "status": "ACTIVE", "lastChecked": complete, "lastComplete": complete}
    denied = {"status": "SCP_DENIED", "lastChecked": MINUTE_AGO, "firstChecked": HOUR_AGO, "errorMessage": DENIAL}
    role = f"arn:aws:iam::{A}:role/DRSOrchestrationRole"
    return {
        "accounts": [{"accountId": {"S": A}, "accountName": {"S": "A"}, "roleArn": {"S": role}}],
        "status": [row(EAST, 5, scanned), row(WEST, 0, denied)],
        "inventory": [server(number) for number in range(5)],
    }


def script(stored: Mapping[str, list[dict[str, Any]]], request: Request) -> Response:
    if request.operation in {"Scan", "Query"}:
        items = stored[request.params["TableName"]]
        return answer({"Items": items, "Count": len(items)})
    if request.operation == "GetItem":
        return answer({"Item": stored["accounts"][0]})
    name = request.body.decode().partition("Action=")[2].partition("&")[0]
    if name == "GetCallerIdentity":
        inside = f"<Account>{HUB}</Account><UserId>u</UserId><Arn>arn:aws:iam::{HUB}:user/u</Arn>"
        return answer(f"<{name}Response><{name}Result>{inside}</{name}Result></{name}Response>".encode())
    if name == "AssumeRole":
        text = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"
        return answer(text.encode(), 403)
    return refusal("NotScripted", 400, request.operation)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TARGET_ACCOUNTS_TABLE": "accounts",
        "DRS_REGION_STATUS_TABLE": "status",
        "SOURCE_SERVER_INVENTORY_TABLE": "inventory",
        "DRS_REGIONS": f"{EAST} {WEST}",
        "QUERY_DEADLINE_SECONDS": "60",
    }.items():
        monkeypatch.setenv(name, value)


async def ask(app: QueryApp) -> dict[str, Answer]:
    return {
        "servers": await app.inventory.run(InventoryParams()),
        "servers --account A": await app.inventory.run(InventoryParams(ScopesParams((A,)))),
        "extended": await app.extended.run(ScopesParams()),
        "regions": await app.regions.run(),
    }


async def test_a_denied_scope_is_named_in_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = tables(complete=MINUTE_AGO)
    async with (
        scripted_aws(lambda request: script(stored, request), monkeypatch) as aws,
        open_query_app(load_settings(), lambda: NOW) as app,
    ):
        answers = await ask(app)
    assert not any("Describe" in request.operation for request in aws.requests)
    assert answers["servers"].body["count"] == 5
    for name, each in answers.items():
        body = json.loads(json.dumps(each.body))
        assert body["complete"] is False, name
        (unknown,) = body["unknown"]
        assert unknown == {
            "accountId": A,
            "region": WEST,
            "code": "SCP_DENIED",
            "message": DENIAL,
            "cause": "a service control policy forbids drs:DescribeSourceServers",
            "errorClass": "ServiceControlPolicy",
            "advice": unknown["advice"],
            "since": HOUR_AGO,
            "lastAttempt": MINUTE_AGO,
        }
        assert "DRS_EXCLUDED_REGIONS" in unknown["advice"]


async def test_discovery_that_could_read_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inventory is stale and shows no extended server, and the account cannot be entered."""
    stored = tables(complete=HOUR_AGO)
    async with (
        scripted_aws(lambda request: script(stored, request), monkeypatch),
        open_query_app(load_settings(), lambda: NOW) as app,
    ):
        discovered = await app.staging.discover_staging_accounts(A)
        with pytest.raises(RefusalError) as refused:
            await app.publish("discover_staging_accounts", discovered)
        shown = await app.inventory.run(InventoryParams())
    assert (refused.value.code, refused.value.status) == ("SCOPES_UNREADABLE", 500)
    assert "AccessDenied" in refused.value.message
    assert shown.failure is None  # the stale servers are shown, marked and incomplete
    assert {each["stale"] for each in shown.body["servers"]} == {True}
    assert shown.body["complete"] is False
