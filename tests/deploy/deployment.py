"""Deployment of the templates to a simulated AWS, with the parameters that main.yaml passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.deploy.resolving import resolved
from tests.deploy.templates import Template, bindings, split_output, template

__all__ = ["Deployment", "as_simulated"]


class Deployment:
    """Stacks created in a simulated AWS."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.outputs: dict[str, dict[str, str]] = {}

    def create_stacks(
        self, main: Template, parameters: Mapping[str, str], replacements: Mapping[str, Template] | None = None
    ) -> None:
        """Create each stack of main.yaml with its parameters; `replacements`: templates to use instead, by name."""
        values_of_main = {name: str(each.get("Default", "")) for name, each in main["Parameters"].items()} | dict(
            parameters
        )
        created = resolved(main, parameters)["Resources"]
        for logical, (name, bound) in bindings(main).items():
            if logical in created:
                values = {parameter: self._value(value, values_of_main) for parameter, value in bound.items()}
                self.put_stack(logical, (replacements or {}).get(name) or template(name), values)

    def put_stack(self, name: str, body: Template, values: Mapping[str, str]) -> None:
        """Create a stack, or update it where it exists."""
        change = self._client.update_stack if name in self.outputs else self._client.create_stack
        try:
            change(
                StackName=name,
                TemplateBody=json.dumps(as_simulated(body, values)),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
        except ClientError as error:
            if error.response["Error"]["Message"] != "No updates are to be performed.":
                raise
            return
        [stack] = self._client.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, stack
        self.outputs[name] = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    def _value(self, value: Any, values_of_main: Mapping[str, str]) -> str:
        if isinstance(value, dict) and "Ref" in value:
            return values_of_main[value["Ref"]]
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            stack, output = split_output(value["Fn::GetAtt"])
            return self.outputs[stack][output]
        return str(value)


# moto's CloudFormation does not support these; other tests check their text.
_UNSUPPORTED = {
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::RequestValidator",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::SQS::QueuePolicy",
}


def _is_unsupported(resource: Mapping[str, Any]) -> bool:
    # moto requires a method and a URI for a MOCK integration, AWS does not.
    integration = resource["Properties"].get("Integration", {})
    return resource["Type"] in _UNSUPPORTED or integration.get("Type") == "MOCK"


def as_simulated(template: Template, parameters: Mapping[str, str]) -> Template:
    """Return a template as the simulated CloudFormation needs it.

    Resources that it does not support are left out. So are resources and outputs whose condition does not hold: it
    would keep such a resource at an update, and export such an output. At deletion it keeps only what says Retain.
    """
    created = resolved(template, parameters)
    resources = {
        name: each
        for name, each in template["Resources"].items()
        if not _is_unsupported(each) and name in created["Resources"]
    }
    removed = template["Resources"].keys() - resources.keys()
    resources = copy.deepcopy(resources)
    for each in resources.values():
        if each.get("DeletionPolicy") == "RetainExceptOnCreate":
            each["DeletionPolicy"] = "Retain"
        properties = each["Properties"]
        for name in [
            name for name, value in properties.items() if isinstance(value, dict) and value.get("Ref") in removed
        ]:
            del properties[name]
        if isinstance(each.get("DependsOn"), list):
            each["DependsOn"] = [name for name in each["DependsOn"] if name not in removed]
    kept = {name: each for name, each in template.get("Outputs", {}).items() if name in created["Outputs"]}
    return {**template, "Resources": resources, "Outputs": kept}
