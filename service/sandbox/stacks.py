"""CloudFormation for whole templates: moto's, with nested stacks, checked parameters and failures that are told.

`aws cloudformation package` and `deploy` work with the templates of this project. Resources of types that moto cannot
create are left out, and so is what refers to them.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.utils import yaml_tag_constructor
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

__all__ = ["register_stacks", "supported_part"]

Template = dict[str, Any]
_BUCKET_HOST: Final = re.compile(r"([^:]+)\.s3[.-].*amazonaws\.com")
_ORIGINALS: Final[dict[str, Any]] = {}


def register_stacks() -> None:
    """Replace the parts of moto's CloudFormation that cannot deploy nested stacks. Idempotent."""
    if _ORIGINALS:
        return
    _ORIGINALS.update(
        update=parsing.ResourceMap.update,
        build_resource_diff=parsing.ResourceMap.build_resource_diff,
        delete=parsing.ResourceMap.delete,
        load_parameters=parsing.ResourceMap.load_parameters,
        create_change_set=models.CloudFormationBackend.create_change_set,
        execute_change_set=models.CloudFormationBackend.execute_change_set,
    )
    models.get_stack_from_s3_url = _template_at
    models.Stack.parse_template = staticmethod(_parse)
    models.Stack.get_cfn_attribute = _output
    models.Stack.update_from_cloudformation_json = classmethod(_update_nested)
    models.ChangeSet._parse_template = _parse_change_set  # noqa: SLF001
    parsing.OutputMap.exports = property(_exports)
    parsing.ResourceMap.update = _update_resources
    parsing.ResourceMap.build_resource_diff = _changes
    parsing.ResourceMap.delete = _delete_resources
    parsing.ResourceMap.load_parameters = _load_parameters
    models.CloudFormationBackend.create_change_set = _create_change_set
    models.CloudFormationBackend.execute_change_set = _execute_change_set


def supported_part(template: Template) -> Template:
    """Return a template without the resources that moto cannot create, and without what refers to them directly."""
    resources = {name: each for name, each in template["Resources"].items() if _is_supported(each)}
    removed = template["Resources"].keys() - resources.keys()
    if not removed:
        return template
    resources = copy.deepcopy(resources)
    for each in resources.values():
        properties = each.get("Properties", {})
        for name in [name for name, value in properties.items() if _refers(value) in removed]:
            del properties[name]
        needed = each.pop("DependsOn", [])
        kept = [name for name in ([needed] if isinstance(needed, str) else needed) if name not in removed]
        if kept:
            each["DependsOn"] = kept
    outputs = {
        name: each for name, each in template.get("Outputs", {}).items() if _refers(each["Value"]) not in removed
    }
    return {**template, "Resources": resources} | ({"Outputs": outputs} if outputs else {})


def _is_supported(resource: Mapping[str, Any]) -> bool:
    # moto requires a method and a URI for a MOCK integration, AWS does not.
    is_mock = resource.get("Properties", {}).get("Integration", {}).get("Type") == "MOCK"
    return resource["Type"] in parsing.get_model_map() and not is_mock


def _refers(value: object) -> str | None:
    """Return the resource that a value refers to, when it is nothing but a reference."""
    if not isinstance(value, dict):
        return None
    attribute = value.get("Fn::GetAtt")
    named = value.get("Ref") or (
        attribute.partition(".")[0] if isinstance(attribute, str) else attribute and attribute[0]
    )
    return named if isinstance(named, str) else None


def _parse(template: str) -> Template:
    yaml.add_multi_constructor("", yaml_tag_constructor)
    try:
        parsed = yaml.load(template, Loader=yaml.Loader)  # noqa: S506  (as in moto; the template is the user's own)
    except yaml.YAMLError:
        parsed = json.loads(template)
    return supported_part(parsed)


def _parse_change_set(change_set: models.ChangeSet) -> None:
    change_set.template_dict = _parse(change_set.template)


def _template_at(template_url: str, account_id: str, partition: str) -> str:
    """Return a template of a bucket: `package` puts the bucket into the URL's path, others into its host name."""
    url = urlsplit(template_url)
    in_host = _BUCKET_HOST.fullmatch(url.netloc)
    bucket, key = (in_host[1], url.path[1:]) if in_host else url.path[1:].split("/", 1)
    found = s3_backends[account_id][partition].get_object(bucket, key)
    if found is None:
        raise ValidationError(message=f"S3 error: {template_url} does not exist")
    text: str = found.value.decode()
    return text


def _output(stack: models.Stack, attribute: str) -> str:
    name, outputs = attribute.removeprefix("Outputs."), stack.output_map
    output = outputs[name] if name in outputs.outputs else None
    if output is None:
        raise ValidationError(message=f"stack {stack.name} has no output {attribute}")
    return str(output.value)


def _exports(outputs: parsing.OutputMap) -> list[parsing.Export]:
    """Return what a stack exports; moto forgets the conditions of outputs."""
    resources: parsing.ResourceMap = outputs._resource_map  # noqa: SLF001  (moto has no other way to tell)
    return [
        parsing.Export(
            outputs._stack_id,  # noqa: SLF001
            parsing.clean_json(each["Export"]["Name"], resources),
            parsing.clean_json(each["Value"], resources),
        )
        for each in (outputs._output_json_map or {}).values()  # noqa: SLF001
        if "Export" in each and ("Condition" not in each or resources.lazy_condition_map[each["Condition"]])
    ]


def _update_nested(
    _cls: type[models.Stack],
    original_resource: models.Stack,
    new_resource_name: str,  # noqa: ARG001  (moto's signature)
    cloudformation_json: Any,  # noqa: ANN401
    account_id: str,
    region_name: str,
) -> models.Stack:
    properties = cloudformation_json["Properties"]
    template = _template_at(properties["TemplateURL"], account_id, get_partition(region_name))
    exports = models.cloudformation_backends[account_id][region_name].exports
    for export in original_resource.exports:
        exports.pop(export.name, None)
    original_resource.update(template, parameters=properties.get("Parameters", {}))
    exports.update({export.name: export for export in original_resource.exports})
    return original_resource


def _update_resources(
    resources: parsing.ResourceMap, template: Template, parameters: dict[str, Any] | None = None
) -> None:
    """Update as moto does, then create and delete the resources whose condition has changed, which moto forgets."""
    _ORIGINALS["update"](resources, template, parameters)
    known = resources._parsed_resources  # noqa: SLF001  (moto has no other way to tell)
    for name, each in template["Resources"].items():
        wanted = "Condition" not in each or resources.lazy_condition_map[each["Condition"]]
        if wanted and known.get(name) is None:
            _ = resources[name]  # creates it
        elif not wanted and known.get(name) is not None:
            resources._delete_resource(known.pop(name), each)  # noqa: SLF001


def _delete_resources(resources: parsing.ResourceMap) -> None:
    """Delete as moto does, but keep what `RetainExceptOnCreate` keeps."""
    declared = resources._resource_json_map  # noqa: SLF001
    kept = {name for name, each in declared.items() if each.get("DeletionPolicy") == "RetainExceptOnCreate"}
    resources._resource_json_map = {name: each for name, each in declared.items() if name not in kept}  # noqa: SLF001
    _ORIGINALS["delete"](resources)


def _changes(
    resources: parsing.ResourceMap, other_template: Template, parameters: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the changes of an update, without those of resources that do not exist because of a condition."""
    changes: dict[str, list[str]] = _ORIGINALS["build_resource_diff"](resources, other_template, parameters)
    known = resources._parsed_resources  # noqa: SLF001  (moto has no other way to tell)
    return {
        action: [name for name in changed if action == "Add" or known.get(name) is not None]
        for action, changed in changes.items()
    }


def _load_parameters(resources: parsing.ResourceMap) -> None:
    template = resources._template  # noqa: SLF001
    if template:  # not the empty one of a stack that so far has only a change set
        _check_parameters(template, resources.input_parameters)
    _ORIGINALS["load_parameters"](resources)


def _check_parameters(template: Template, given: Mapping[str, Any]) -> None:
    """Refuse what CloudFormation refuses.

    Raises:
        ValidationError: a parameter is unknown, lacks a value, or has one that its declaration does not allow.
    """
    declared = template.get("Parameters", {})
    if unknown := sorted(given.keys() - declared.keys()):
        raise ValidationError(message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    if missing := [name for name, each in declared.items() if name not in given and "Default" not in each]:
        raise ValidationError(message=f"Parameters: [{', '.join(missing)}] must have values")
    for complaint in _complaints(declared, given):
        raise ValidationError(message=complaint)


def _complaints(declared: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        allowed, pattern = declared[name].get("AllowedValues"), declared[name].get("AllowedPattern")
        if allowed and str(value) not in map(str, allowed):
            yield f"Parameter '{name}' must be one of AllowedValues"
        if pattern and not re.fullmatch(pattern, str(value)):
            yield f"Parameter '{name}' must match pattern {pattern}"


def _create_change_set(
    backend: models.CloudFormationBackend,
    *args: Any,  # noqa: ANN401  (moto's signature, passed on)
    template: str,
    parameters: dict[str, str],
    **kwargs: Any,  # noqa: ANN401
) -> tuple[str, str]:
    parsed = _parse(template)
    _check_parameters(parsed, parameters)
    _check_rules(parsed, parameters)
    created: tuple[str, str] = _ORIGINALS["create_change_set"](
        backend, *args, template=template, parameters=parameters, **kwargs
    )
    return created


def _check_rules(template: Template, given: Mapping[str, Any]) -> None:
    values = {name: str(each.get("Default")) for name, each in template.get("Parameters", {}).items()} | dict(given)
    for rule in template.get("Rules", {}).values():
        if "RuleCondition" in rule and not parsing.parse_condition(rule["RuleCondition"], values, {}):
            continue
        for assertion in rule["Assertions"]:
            if not parsing.parse_condition(assertion["Assert"], values, {}):
                raise ValidationError(message=f"Template validation error: {assertion['AssertDescription']}")


def _execute_change_set(
    backend: models.CloudFormationBackend, change_set_name: str, stack_name: str | None = None
) -> None:
    """Execute as moto does; a failure becomes the stack's status and its last event, as in AWS.

    A failed creation deletes what it has created. A failed update leaves what it has done, unlike AWS.
    """
    change_set = backend.describe_change_set(change_set_name)
    assert change_set is not None  # noqa: S101  (describe_change_set raises for an unknown one)
    stack = backend.stacks[change_set.stack_id]
    stack.cross_stack_resources = stack.resource_map.cross_stack_resources = backend.exports
    try:
        _ORIGINALS["execute_change_set"](backend, change_set_name, stack_name)
    except Exception as error:  # noqa: BLE001  (whatever fails in moto fails the stack)
        kind = change_set.change_set_type
        stack._add_stack_event(f"{kind}_FAILED", resource_status_reason=f"{type(error).__name__}: {error}")  # noqa: SLF001
        if kind == "CREATE":
            _ORIGINALS["delete"](stack.resource_map)
        stack.status = "ROLLBACK_COMPLETE" if kind == "CREATE" else "UPDATE_ROLLBACK_COMPLETE"
        stack._add_stack_event(stack.status)  # noqa: SLF001
    else:
        stack.template = change_set.template
        stack._parse_template()  # noqa: SLF001
        stack.parameters = change_set.parameters
        stack.output_map = stack._create_output_map()  # noqa: SLF001
