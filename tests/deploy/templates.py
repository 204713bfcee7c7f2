"""The templates of `deploy/` as data, and their deployment with the parameters that main.yaml passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load

FOLDER = Path(__file__).parents[2] / "deploy" / "templates"
Template = dict[str, Any]


def names() -> list[str]:
    """Return the names of the templates."""
    return sorted(path.name for path in FOLDER.glob("*.yaml"))


def text(name: str) -> str:
    """Return the text of a template."""
    return (FOLDER / name).read_text(encoding="utf-8")


def template(name: str) -> Template:
    """Parse a template; intrinsic functions are in their long form."""
    parsed: Template = _plain(load(str(FOLDER / name)))
    return parsed


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return str(value) if isinstance(value, str) else value


def of_type(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield logical id and properties of the resources of a type."""
    for logical, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield logical, resource["Properties"]


def bindings(main: Template) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return template and parameters of each stack of main.yaml, in the order of their dependencies."""
    stacks = {
        logical: (properties["TemplateURL"], properties["Parameters"])
        for logical, properties in of_type(main, "AWS::CloudFormation::Stack")
    }
    ordered: dict[str, tuple[str, dict[str, Any]]] = {}
    while len(ordered) < len(stacks):
        ready = {
            logical: stack
            for logical, stack in stacks.items()
            if logical not in ordered and _needs(stack[1]) <= ordered.keys()
        }
        if not ready:
            raise ValueError(f"stacks depend on each other: {sorted(set(stacks) - set(ordered))}")
        ordered |= ready
    return ordered


def _needs(parameters: Mapping[str, Any]) -> set[str]:
    attributes = (
        value["Fn::GetAtt"] for value in parameters.values() if isinstance(value, dict) and "Fn::GetAtt" in value
    )
    return {_split(each)[0] for each in attributes}


def _split(attribute: str | list[str]) -> tuple[str, str]:
    stack, output = attribute.split(".", 1) if isinstance(attribute, str) else attribute
    return stack, output.removeprefix("Outputs.")


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
        for logical, (name, bound) in bindings(main).items():
            body = as_simulated((replacements or {}).get(name) or template(name))
            values = {parameter: self._value(value, values_of_main) for parameter, value in bound.items()}
            self._client.create_stack(
                StackName=logical,
                TemplateBody=json.dumps(body),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            [stack] = self._client.describe_stacks(StackName=logical)["Stacks"]
            assert stack["StackStatus"] == "CREATE_COMPLETE", stack
            self.outputs[logical] = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    def _value(self, value: Any, values_of_main: Mapping[str, str]) -> str:
        if isinstance(value, dict) and "Ref" in value:
            return values_of_main[value["Ref"]]
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            stack, output = _split(value["Fn::GetAtt"])
            return self.outputs[stack][output]
        return str(value)


# moto's CloudFormation does not support these; other tests check their text.
_UNSUPPORTED = {
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::RequestValidator",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::SQS::QueuePolicy",
}


def _is_unsupported(resource: Mapping[str, Any]) -> bool:
    # moto requires a method and a URI for a MOCK integration, AWS does not.
    integration = resource["Properties"].get("Integration", {})
    return resource["Type"] in _UNSUPPORTED or integration.get("Type") == "MOCK"


def as_simulated(template: Template) -> Template:
    """Return a template without the resources that the simulated CloudFormation does not support."""
    resources = {name: each for name, each in template["Resources"].items() if not _is_unsupported(each)}
    removed = template["Resources"].keys() - resources.keys()
    resources = copy.deepcopy(resources)
    for each in resources.values():
        properties = each["Properties"]
        for name in [
            name for name, value in properties.items() if isinstance(value, dict) and value.get("Ref") in removed
        ]:
            del properties[name]
        if isinstance(each.get("DependsOn"), list):
            each["DependsOn"] = [name for name in each["DependsOn"] if name not in removed]
    return {**template, "Resources": resources}
