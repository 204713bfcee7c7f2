"""Double of the existing platform's stacks, as far as ours can collide with them: names, exports and rules.

Written from the facts of the compatibility contract: the event stack with its three rules of this area, and the names
of the tables, functions, roles, queue and log groups. Its functions are ARNs in parameters; nothing is invoked.
"""

from __future__ import annotations

from typing import Any, Final

from tests.deploy.templates import Template

__all__ = ["EVENT_STACK", "NAMES", "TABLE_STACK"]

_RULES: Final = {
    "TagSync": ("tag-sync-schedule", "rate(1 hour)", '{"synch_tags": true, "synch_instance_type": true}'),
    "StagingAccountSync": ("staging-account-sync", "rate(5 minutes)", '{"operation": "sync_staging_accounts"}'),
    "InventorySync": ("inventory-sync", "rate(15 minutes)", '{"operation": "sync_source_server_inventory"}'),
}
_EXPORTS: Final = {
    "TagSync": "tag-sync-rule",
    "StagingAccountSync": "staging-account-sync-rule",
    "InventorySync": "inventory-sync-rule",
}
_TABLES: Final = {
    "SourceServerInventory": ("source-server-inventory", ("sourceServerArn", "stagingAccountId")),
    "DRSRegionStatus": ("drs-region-status", ("region",)),
    "TargetAccounts": ("target-accounts", ("accountId",)),
}

NAMES: Final = (
    ("AWS::Lambda::Function", "${ProjectName}-query-handler-${Environment}"),
    ("AWS::Lambda::Function", "${ProjectName}-data-management-handler-${Environment}"),
    ("AWS::Logs::LogGroup", "/aws/lambda/${ProjectName}-query-handler-${Environment}"),
    ("AWS::Logs::LogGroup", "/aws/lambda/${ProjectName}-data-management-handler-${Environment}"),
    ("AWS::IAM::Role", "${ProjectName}-query-handler-role-${Environment}"),
    ("AWS::IAM::Role", "${ProjectName}-data-management-role-${Environment}"),
    ("AWS::IAM::Role", "${ProjectName}-eventbridge-invoke-${Environment}"),
    ("AWS::SQS::Queue", "${ProjectName}-lambda-dlq-${Environment}"),
    *(("AWS::DynamoDB::Table", f"${{ProjectName}}-{base}-${{Environment}}") for base, _ in _TABLES.values()),
)
"""Type and name of what other stacks of the platform create."""


def _name(base: str) -> dict[str, str]:
    return {"Fn::Sub": f"${{ProjectName}}-{base}-${{Environment}}"}


def _parameters(**members: Any) -> dict[str, Any]:
    return {"ProjectName": {"Type": "String"}, "Environment": {"Type": "String"}, **members}


def _switch(base: str) -> str:
    return f"Enable{base}"


def _rule(base: str) -> dict[str, Any]:
    name, rate, payload = _RULES[base]
    function = "ApiHandlerFunctionArn" if base == "TagSync" else "DataManagementHandlerFunctionArn"
    target = {"Id": f"{base}Target", "Arn": {"Ref": function}, "Input": payload}
    properties = {"Name": _name(name), "ScheduleExpression": rate, "State": "ENABLED", "Targets": [target]}
    return {"Type": "AWS::Events::Rule", "Condition": f"{_switch(base)}Condition", "Properties": properties}


_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

EVENT_STACK: Final[Template] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Parameters": _parameters(
        DataManagementHandlerFunctionArn={"Type": "String"},
        ApiHandlerFunctionArn={"Type": "String"},
        **{_switch(base): {"Type": "String", "Default": "true"} for base in _RULES},
    ),
    "Conditions": {f"{_switch(base)}Condition": {"Fn::Equals": [{"Ref": _switch(base)}, "true"]} for base in _RULES},
    "Resources": {
        "EventBridgeInvokeRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": _name("eventbridge-invoke"), "AssumeRolePolicyDocument": _TRUST},
        },
        **{f"{base}ScheduleRule": _rule(base) for base in _RULES},
    },
    "Outputs": {
        **{
            f"{base}ScheduleRuleArn": {
                "Condition": f"{_switch(base)}Condition",
                "Value": {"Fn::GetAtt": [f"{base}ScheduleRule", "Arn"]},
                "Export": {"Name": _name(_EXPORTS[base])},
            }
            for base in _RULES
        },
        "EventBridgeInvokeRoleArn": {
            "Value": {"Fn::GetAtt": ["EventBridgeInvokeRole", "Arn"]},
            "Export": {"Name": _name("eventbridge-role")},
        },
    },
}


def _table(base: str, keys: tuple[str, ...]) -> dict[str, Any]:
    kinds = ("HASH", "RANGE")
    properties = {
        "TableName": _name(base),
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, kinds, strict=False)],
    }
    return {"Type": "AWS::DynamoDB::Table", "Properties": properties}


TABLE_STACK: Final[Template] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Parameters": _parameters(),
    "Resources": {f"{logical}Table": _table(*each) for logical, each in _TABLES.items()},
    "Outputs": {
        f"{logical}Table{what}": {"Value": value, "Export": {"Name": _name(f"{base}-table{part}")}}
        for logical, (base, _) in _TABLES.items()
        for what, value, part in (
            ("Name", {"Ref": f"{logical}Table"}, ""),
            ("Arn", {"Fn::GetAtt": [f"{logical}Table", "Arn"]}, "-arn"),
        )
    },
}
