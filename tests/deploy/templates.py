"""The templates of `deploy/` as data."""

from __future__ import annotations

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
    return {split_output(each)[0] for each in attributes}


def split_output(attribute: str | list[str]) -> tuple[str, str]:
    """Return stack and output that an attribute of a nested stack names."""
    stack, output = attribute.split(".", 1) if isinstance(attribute, str) else attribute
    return stack, output.removeprefix("Outputs.")
