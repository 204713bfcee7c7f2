"""CloudFormation of the sandbox: nested stacks, conditions that change, what is refused, what a failure leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from service.sandbox.stacks import supported_part
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets

INNER = {
    "Parameters": {"Queue": {"Type": "String", "Default": "true", "AllowedValues": ["true", "false"]}},
    "Conditions": {"WithQueue": {"Fn::Equals": [{"Ref": "Queue"}, "true"]}},
    "Resources": {
        "Kept": {
            "Type": "AWS::SNS::Topic",
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {"TopicName": "kept"},
        },
        "Queue1": {"Type": "AWS::SQS::Queue", "Condition": "WithQueue", "Properties": {"QueueName": "one"}},
    },
    "Outputs": {
        "Topic": {"Value": {"Ref": "Kept"}},
        "Url": {"Condition": "WithQueue", "Value": {"Ref": "Queue1"}, "Export": {"Name": "queue-url"}},
    },
}
FAILING = {"Type": "AWS::Lambda::Function", "DependsOn": ["Inner"], "Properties": {"FunctionName": "f", "Code": {}}}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    names = Names(*(new_account_id() for _ in range(4)))
    with EngineSandbox(two_targets(names), names, monkeypatch) as sandbox:
        yield sandbox


class Stacks:
    """Stacks as `aws cloudformation deploy` makes them: with a change set."""

    def __init__(self, sandbox: EngineSandbox, url: str = "{endpoint}/{bucket}/inner.json") -> None:
        self._client = boto3.client("cloudformation")
        bucket = f"templates-{sandbox.names.hub}"
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="inner.json", Body=json.dumps(INNER).encode())
        self.template: dict[str, Any] = {
            "Parameters": {
                "Queue": {"Type": "String", "AllowedPattern": "true|false"},
                "Size": {"Type": "String", "Default": "one", "AllowedValues": ["one", "two"]},
            },
            "Resources": {
                "Inner": {
                    "Type": "AWS::CloudFormation::Stack",
                    "Properties": {
                        "TemplateURL": url.format(endpoint=sandbox.server.endpoint_url, bucket=bucket),
                        "Parameters": {"Queue": {"Ref": "Queue"}},
                    },
                }
            },
            "Outputs": {"Topic": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Topic"]}}},
        }

    def deploy(self, kind: str = "CREATE", **parameters: str) -> dict[str, Any]:
        self._client.create_change_set(
            StackName="outer",
            ChangeSetName=f"{kind}-{parameters.get('Queue')}",
            ChangeSetType=kind,
            TemplateBody=json.dumps(self.template, indent="\t"),  # JSON that is no YAML
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        self._client.execute_change_set(StackName="outer", ChangeSetName=f"{kind}-{parameters.get('Queue')}")
        [stack] = self._client.describe_stacks(StackName="outer")["Stacks"]
        return dict(stack)

    def reasons(self) -> list[str]:
        events = self._client.describe_stack_events(StackName="outer")["StackEvents"]
        return [each["ResourceStatusReason"] for each in events if each["ResourceStatus"].endswith("_FAILED")]

    def delete(self) -> None:
        self._client.delete_stack(StackName="outer")


def queues() -> int:
    return len(boto3.client("sqs").list_queues().get("QueueUrls", []))


def topics() -> int:
    return len(boto3.client("sns").list_topics()["Topics"])


@pytest.mark.parametrize("url", ["{endpoint}/{bucket}/inner.json", "https://{bucket}.s3.amazonaws.com/inner.json"])
def test_a_condition_of_a_nested_stack_creates_and_deletes(sandbox: EngineSandbox, url: str) -> None:
    stacks = Stacks(sandbox, url)
    stack = stacks.deploy(Queue="false")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"].endswith(":kept")
    assert queues() == 0
    exports = boto3.client("cloudformation").list_exports
    assert exports()["Exports"] == []
    assert stacks.deploy("UPDATE", Queue="true")["StackStatus"] == "UPDATE_COMPLETE"
    assert queues() == 1
    assert [each["Name"] for each in exports()["Exports"]] == ["queue-url"]
    stacks.deploy("UPDATE", Queue="false")
    assert (queues(), exports()["Exports"]) == (0, [])


def test_what_is_retained_except_on_creation_outlives_its_stack(sandbox: EngineSandbox) -> None:
    stacks = Stacks(sandbox)
    stacks.deploy(Queue="true")
    stacks.delete()
    assert (queues(), topics()) == (0, 1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "must have values"),
        ({"Queue": "perhaps"}, "must match pattern"),
        ({"Queue": "true", "Size": "ten"}, "must be one of AllowedValues"),
        ({"Queue": "true", "Topic": "x"}, r"\[Topic\] do not exist in the template"),
    ],
)
def test_parameters_that_cloudformation_refuses_are_refused(
    sandbox: EngineSandbox, parameters: dict[str, str], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        Stacks(sandbox).deploy(**parameters)


def test_an_assertion_of_a_rule_is_checked(sandbox: EngineSandbox) -> None:
    stacks = Stacks(sandbox)
    assertion = {"Assert": {"Fn::Equals": [{"Ref": "Queue"}, "true"]}, "AssertDescription": "a queue is needed"}
    never = {"RuleCondition": {"Fn::Equals": [{"Ref": "Size"}, "two"]}, "Assertions": [{**assertion, "Assert": False}]}
    stacks.template["Rules"] = {"Needs": {"Assertions": [assertion]}, "Never": never}
    with pytest.raises(ClientError, match="a queue is needed"):
        stacks.deploy(Queue="false")
    assert stacks.deploy(Queue="true")["StackStatus"] == "CREATE_COMPLETE"


def test_a_failure_is_the_status_of_the_stack_and_its_creation_is_undone(sandbox: EngineSandbox) -> None:
    stacks = Stacks(sandbox)
    stacks.template["Resources"]["Failing"] = FAILING
    assert stacks.deploy(Queue="true")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.reasons()
    assert queues() == 0


@pytest.mark.parametrize("missing", ["TemplateURL", "Outputs.None", "Outputs.Url"])
def test_an_update_that_refers_to_nothing_is_a_failed_update(sandbox: EngineSandbox, missing: str) -> None:
    stacks = Stacks(sandbox)
    assert stacks.deploy(Queue="false")["StackStatus"] == "CREATE_COMPLETE"
    if missing != "TemplateURL":
        name = {"Fn::GetAtt": ["Inner", missing]}
        stacks.template["Resources"]["Named"] = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}
    else:
        properties = stacks.template["Resources"]["Inner"]["Properties"]
        stacks.template["Resources"]["Second"] = {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {**properties, "TemplateURL": f"{properties['TemplateURL']}.none"},
        }
    assert stacks.deploy("UPDATE", Queue="false")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    [reason] = stacks.reasons()
    assert ("does not exist" if missing == "TemplateURL" else f"has no output {missing}") in reason


def test_what_moto_cannot_create_is_left_out_with_what_refers_to_it() -> None:
    template = {
        "Resources": {
            "Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": {}},
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "DependsOn": ["Stage", "Queue"],
                "Properties": {"DisplayName": {"Ref": "Stage"}, "TopicName": "t"},
            },
            "Queue": {"Type": "AWS::SQS::Queue", "DependsOn": "Stage"},
        },
        "Outputs": {"Stage": {"Value": {"Fn::GetAtt": ["Stage", "Arn"]}}, "Topic": {"Value": {"Ref": "Topic"}}},
    }
    assert supported_part(template) == {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "DependsOn": ["Queue"], "Properties": {"TopicName": "t"}},
            "Queue": {"Type": "AWS::SQS::Queue"},
        },
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
    }
