"""Checks of the templates; each returns complaints, so that a test can introduce a mistake and see one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.aws.operations import READ_OPERATIONS, READ_WRITE_OPERATIONS, Operations
from tests.deploy.templates import Template, bindings, of_type

DATA_MANAGEMENT = "Functions.Outputs.DataManagementHandlerFunctionArn"
QUERY = "Functions.Outputs.QueryHandlerFunctionArn"
RULES = {
    "TagSyncScheduleRule": ("tag-sync-schedule", "rate(1 hour)", "TagSyncTarget", "ApiHandlerFunctionArn"),
    "StagingAccountSyncScheduleRule": (
        "staging-account-sync",
        "rate(5 minutes)",
        "StagingAccountSyncTarget",
        "ApiHandlerFunctionArn",
    ),
    "InventorySyncScheduleRule": (
        "inventory-sync",
        "rate(15 minutes)",
        "InventorySyncTarget",
        "DataManagementHandlerFunctionArn",
    ),
}
PAYLOADS = {
    "TagSyncScheduleRule": {"synch_tags": True, "synch_instance_type": True},
    "StagingAccountSyncScheduleRule": {"operation": "sync_staging_accounts"},
    "InventorySyncScheduleRule": {"operation": "sync_source_server_inventory"},
}
# Permissions that Lambda itself needs in a function's role.
_OF_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
_ALLOWED = {
    "QueryHandlerRole": (READ_OPERATIONS, _OF_LAMBDA),
    "DataManagementRole": (READ_WRITE_OPERATIONS, _OF_LAMBDA | {"sqs:SendMessage"}),
}
_READS = re.compile(r"(Describe|Get|List|Query|Scan|BatchGet)")


def actions_of(operations: Operations) -> set[str]:
    """Return the IAM actions that operations need; GetCallerIdentity needs none."""
    renamed = {"lambda:Invoke": "lambda:InvokeFunction"}
    found = {f"{service}:{name}" for service, names in operations.items() for name in names}
    return {renamed.get(action, action) for action in found - {"sts:GetCallerIdentity"}}


def statements(policies: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of inline policies."""
    for policy in policies:
        yield from policy["PolicyDocument"]["Statement"]


def allowed(policies: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the actions that inline policies allow."""
    found: set[str] = set()
    for statement in statements(policies):
        action = statement["Action"]
        found |= {action} if isinstance(action, str) else set(action)
    return found


def role_complaints(roles: Template) -> list[str]:
    """Compare each function's role with the operations that its code declares, in both directions."""
    found = []
    for logical, properties in of_type(roles, "AWS::IAM::Role"):
        operations, extra = _ALLOWED[logical]
        has, needs = allowed(properties["Policies"]), actions_of(operations) | extra
        found += [f"{logical} allows {action}, which no code declares" for action in sorted(has - needs)]
        found += [f"{logical} lacks {action}" for action in sorted(needs - has)]
    return found


def query_complaints(roles: Template) -> list[str]:
    """Find permissions of the query role that change anything, whatever the code declares."""
    properties = roles["Resources"]["QueryHandlerRole"]["Properties"]
    bound = {"sts:AssumeRole", "lambda:InvokeFunction", *_OF_LAMBDA}
    found = [
        f"QueryHandlerRole allows {action}, which is not a read"
        for action in sorted(allowed(properties["Policies"]) - bound)
        if not _READS.match(action.split(":", 1)[1])
    ]
    for statement in statements(properties["Policies"]):
        if statement["Action"] == "lambda:InvokeFunction":
            target = statement["Resource"]["Fn::Sub"]
            if not target.endswith("data-management-handler-${Environment}"):
                found.append(f"QueryHandlerRole may invoke {target}")
    return found


def star_complaints(text: str) -> list[str]:
    """Require a reason on the line above each `*` of a policy."""
    lines = text.splitlines()
    policies = [i for i, line in enumerate(lines) if re.search(r"(Resource: |- !Sub |Action: ).*\*", line)]
    return [f"line {i + 1}: `*` without a reason" for i in policies if "# reason: " not in lines[i - 1]]


def schedule_complaints(main: Template, rules: Template) -> list[str]:
    """Check that each rule and its permission name the data management function."""
    _, bound = bindings(main)["EventRules"]
    found = []
    for logical, (_, _, _, parameter) in RULES.items():
        [target] = rules["Resources"][logical]["Properties"]["Targets"]
        permission = rules["Resources"][logical.removesuffix("Rule") + "Permission"]["Properties"]
        for what, ends_at in (("rule", target["Arn"]), ("permission", permission["FunctionName"])):
            if ends_at != {"Ref": parameter}:
                found.append(f"{logical}: its {what} names {ends_at}, not {parameter}")
            elif _output(bound[parameter]) != DATA_MANAGEMENT:
                found.append(f"{logical}: its {what} names {bound[parameter]}")
    return found


def _output(value: Mapping[str, Any]) -> str:
    attribute = value["Fn::GetAtt"]
    return attribute if isinstance(attribute, str) else ".".join(attribute)
