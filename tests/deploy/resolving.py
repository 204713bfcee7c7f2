"""Templates with their parameters filled in: what CloudFormation would create, as far as the text alone says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.deploy.templates import Template, of_type, template

__all__ = ["exports", "physical_names", "resolved", "stacks_of"]

PSEUDO: Final = {
    "AWS::AccountId": "999900001111",
    "AWS::Region": "us-east-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
# Resource type -> property with the name that must be unique in the account and region.
_NAMES: Final = {
    "AWS::ApiGateway::RestApi": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECS::TaskDefinition": "Family",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
_REMOVED: Final = object()


class _Resolver:
    def __init__(self, template: Template, parameters: Mapping[str, Any]) -> None:
        defaults = {name: each.get("Default") for name, each in template.get("Parameters", {}).items()}
        unknown = parameters.keys() - defaults.keys()
        if unknown:
            raise ValueError(f"the template has no parameter {', '.join(sorted(unknown))}")
        self.values = {**PSEUDO, **defaults, **parameters}
        self._conditions = template.get("Conditions", {})

    def holds(self, name: str) -> bool:
        """Whether a condition holds."""
        return self._test(self._conditions[name])

    def _test(self, condition: Mapping[str, Any]) -> bool:
        [(function, arguments)] = condition.items()
        if function == "Condition":
            return self.holds(arguments)
        if function == "Fn::Equals":
            first, second = (self.value(each) for each in arguments)
            return str(first) == str(second)
        results = [self._test(each) for each in arguments]
        return {"Fn::Not": not results[0], "Fn::And": all(results), "Fn::Or": any(results)}[function]

    def value(self, value: Any) -> Any:
        """Fill in a value; what only AWS knows stays as it is."""
        if isinstance(value, list):
            return [found for each in value if (found := self.value(each)) is not _REMOVED]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"Ref"}:
            return _REMOVED if value["Ref"] == "AWS::NoValue" else self.values.get(value["Ref"], value)
        if value.keys() == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
            return re.sub(r"\$\{([\w:.]+)\}", lambda name: str(self.values.get(name[1], name[0])), value["Fn::Sub"])
        if value.keys() == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            return self.value(then if self.holds(condition) else otherwise)
        return {name: found for name, each in value.items() if (found := self.value(each)) is not _REMOVED}


def resolved(template: Template, parameters: Mapping[str, Any]) -> Template:
    """Return resources and outputs whose conditions hold, with parameters filled in.

    Raises:
        ValueError: the template lacks a parameter that is given.
    """
    resolver = _Resolver(template, parameters)

    def kept(members: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: resolver.value(each)
            for name, each in members.items()
            if "Condition" not in each or resolver.holds(each["Condition"])
        }

    return {"Resources": kept(template["Resources"]), "Outputs": kept(template.get("Outputs", {}))}


def stacks_of(parameters: Mapping[str, str]) -> dict[str, Template]:
    """Return main.yaml and the stacks that it creates with these parameters, resolved; by logical id and `Main`."""
    main = resolved(template("main.yaml"), parameters)
    nested = {
        logical: resolved(template(properties["TemplateURL"]), properties["Parameters"])
        for logical, properties in of_type(main, "AWS::CloudFormation::Stack")
    }
    return {"Main": main, **nested}


def exports(resolved_template: Template) -> set[str]:
    """Return the names that a resolved template exports."""
    return {each["Export"]["Name"] for each in resolved_template["Outputs"].values() if "Export" in each}


def physical_names(resolved_template: Template) -> Iterator[tuple[str, str]]:
    """Yield type and name of the resources whose names the template sets."""
    for each in resolved_template["Resources"].values():
        name = each.get("Properties", {}).get(_NAMES.get(each["Type"], ""))
        if isinstance(name, str):
            yield each["Type"], name
