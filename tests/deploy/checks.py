"""Checks of the templates: each returns complaints, so that a test can introduce a mistake and expect one."""

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
OWN_RULES = {
    "CoverageSyncScheduleRule": (
        "coverage-sync",
        "rate(1 day)",
        "CoverageSyncTarget",
        "DataManagementHandlerFunctionArn",
    ),
}
"""Rules that no platform has: NamePart is in their names, and they are off by default."""
PAYLOADS: dict[str, dict[str, Any]] = {
    "TagSyncScheduleRule": {"synch_tags": True, "synch_instance_type": True},
    "StagingAccountSyncScheduleRule": {"operation": "sync_staging_accounts"},
    "InventorySyncScheduleRule": {"operation": "sync_source_server_inventory"},
    "CoverageSyncScheduleRule": {"operation": "sync_coverage"},
}
# Permissions that Lambda itself needs in a function's role.
_OF_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
_ALLOWED = {
    "QueryHandlerRole": (READ_OPERATIONS, _OF_LAMBDA),
    "DataManagementRole": (READ_WRITE_OPERATIONS, _OF_LAMBDA | {"sqs:SendMessage"}),
}
_READS = re.compile(r"(Describe|Get|List|Query|Scan|BatchGet)")


def actions_of(operations: Operations) -> set[str]:
    """Return the IAM actions that operations need; GetCallerIdentity needs none, a transaction those of its writes."""
    renamed = {"lambda:Invoke": "lambda:InvokeFunction"}
    actions = {f"{service}:{name}" for service, names in operations.items() for name in names}
    return {
        renamed.get(action, action) for action in actions - {"sts:GetCallerIdentity", "dynamodb:TransactWriteItems"}
    }


def statements(policies: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of inline policies, those included that depend on a condition."""
    for policy in policies:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def allowed(policies: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the actions that inline policies allow."""
    actions: set[str] = set()
    for statement in statements(policies):
        action = statement["Action"]
        actions |= {action} if isinstance(action, str) else set(action)
    return actions


def role_complaints(roles: Template) -> list[str]:
    """Compare each function's role with the operations that its code declares, in both directions."""
    complaints = []
    for logical, properties in of_type(roles, "AWS::IAM::Role"):
        operations, extra = _ALLOWED[logical]
        has, needs = allowed(properties["Policies"]), actions_of(operations) | extra
        complaints += [f"{logical} allows {action}, which no code declares" for action in sorted(has - needs)]
        complaints += [f"{logical} lacks {action}" for action in sorted(needs - has)]
    return complaints


def query_complaints(roles: Template) -> list[str]:
    """Find permissions of the query role that change anything, whatever the code declares."""
    properties = roles["Resources"]["QueryHandlerRole"]["Properties"]
    bound = {"sts:AssumeRole", "lambda:InvokeFunction", *_OF_LAMBDA}
    complaints = [
        f"QueryHandlerRole allows {action}, which is not a read"
        for action in sorted(allowed(properties["Policies"]) - bound)
        if not _READS.match(action.split(":", 1)[1])
    ]
    for statement in statements(properties["Policies"]):
        if statement["Action"] == "lambda:InvokeFunction":
            target = statement["Resource"]["Fn::Sub"]
            if not target.endswith("data-management-handler-${Environment}"):
                complaints.append(f"QueryHandlerRole may invoke {target}")
    return complaints


def star_complaints(text: str) -> list[str]:
    """Require a reason on the line above each `*` of a policy."""
    lines = text.splitlines()
    policies = [i for i, line in enumerate(lines) if re.search(r"(Resource: |- !Sub |Action: ).*\*", line)]
    return [f"line {i + 1}: `*` without a reason" for i in policies if "# reason: " not in lines[i - 1]]


def schedule_complaints(main: Template, rules: Template) -> list[str]:
    """Check that each rule and its permission name the data management function."""
    _, bound = bindings(main)["EventRules"]
    complaints = []
    for logical, (_, _, _, parameter) in {**RULES, **OWN_RULES}.items():
        [target] = rules["Resources"][logical]["Properties"]["Targets"]
        permission = rules["Resources"][logical.removesuffix("Rule") + "Permission"]["Properties"]
        for what, ends_at in (("rule", target["Arn"]), ("permission", permission["FunctionName"])):
            if ends_at != {"Ref": parameter}:
                complaints.append(f"{logical}: its {what} names {ends_at}, not {parameter}")
            elif _output(bound[parameter]) != DATA_MANAGEMENT:
                complaints.append(f"{logical}: its {what} names {bound[parameter]}")
    return complaints


def _output(value: Mapping[str, Any]) -> str:
    attribute = value["Fn::GetAtt"]
    return attribute if isinstance(attribute, str) else ".".join(attribute)
