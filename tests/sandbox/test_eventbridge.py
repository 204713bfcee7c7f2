"""EventBridge rule of the tag sync: creation, changes through the API, faults, removal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.faults import Faults
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.server import Sandbox

HUB, TARGET = "999900001111", "111122223333"
RULE = "drs-orchestration-tag-sync-schedule-sandbox"
Client = Callable[..., Any]


def _events(session: Any, sandbox: Sandbox) -> Any:
    return session.client(
        "events",
        region_name="us-east-1",
        endpoint_url=sandbox.endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


def _error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_the_rule_is_created(client: Client) -> None:
    rule = client("events").describe_rule(Name=RULE)
    assert rule["Arn"] == f"arn:aws:events:us-east-1:{HUB}:rule/{RULE}"
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 hour)", "ENABLED")
    assert rule["Description"]
    assert client("events", region="us-west-2").list_rules()["Rules"] == []
    assert client("events", account_id=TARGET).list_rules()["Rules"] == []


def test_the_rule_can_be_changed_and_calls_are_counted(sandbox: Sandbox, client: Client) -> None:
    events = client("events")
    events.disable_rule(Name=RULE)
    assert events.describe_rule(Name=RULE)["State"] == "DISABLED"
    events.enable_rule(Name=RULE)
    assert events.describe_rule(Name=RULE)["State"] == "ENABLED"
    events.put_rule(Name=RULE, ScheduleExpression="rate(4 hours)", State="DISABLED", Description="slower")
    rule = events.describe_rule(Name=RULE)
    assert (rule["ScheduleExpression"], rule["State"], rule["Description"]) == ("rate(4 hours)", "DISABLED", "slower")
    assert _error_of(events.put_rule, Name=RULE, ScheduleExpression="now and then") == ("ValidationException", 400)
    assert {call.operation: call.count for call in sandbox.calls() if call.service == "events"} == {
        "DescribeRule": 3,
        "DisableRule": 1,
        "EnableRule": 1,
        "PutRule": 2,
    }


def test_an_unknown_rule_is_not_found(client: Client) -> None:
    events = client("events")
    for call in (events.describe_rule, events.enable_rule, events.disable_rule):
        assert _error_of(call, Name="nothing") == ("ResourceNotFoundException", 400)


def test_faults_apply(sandbox: Sandbox, client: Client, clock: Any) -> None:
    events = client("events")
    deny = [{"account_id": HUB, "service": "events", "operations": ["PutRule"]}]
    sandbox.replace_faults(Faults.model_validate({"latency_ms": {"events": 30}, "deny": deny}))
    with pytest.raises(ClientError, match="events:PutRule") as caught:
        events.put_rule(Name=RULE, ScheduleExpression="rate(2 hours)")
    response = caught.value.response
    assert response["Error"]["Code"] == "AccessDeniedException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"
    assert events.describe_rule(Name=RULE)["ScheduleExpression"] == "rate(1 hour)"
    assert clock.slept == [0.03, 0.03]


def test_a_fleet_can_declare_no_rule(session: Any) -> None:
    fleet = parse_model(Fleet, {"hub": {"account_id": HUB, "tag_sync_rule": False}}, "fleet")
    with Sandbox(fleet) as running:
        events = _events(session, running)
        assert events.list_rules()["Rules"] == []
        events.close()


def test_closing_removes_every_rule(session: Any) -> None:
    for has_rule in (True, False):
        fleet = parse_model(Fleet, {"hub": {"account_id": HUB, "tag_sync_rule": has_rule}}, "fleet")
        with Sandbox(fleet) as running:
            events = _events(session, running)
            assert [rule["Name"] for rule in events.list_rules()["Rules"]] == ([RULE] if has_rule else [])
            events.put_rule(Name="another", ScheduleExpression="rate(1 day)")
            events.close()
