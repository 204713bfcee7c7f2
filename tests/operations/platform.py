"""A double of the existing platform as an operator finds it: main stack, event stack, functions, API, tables.

Written from facts about the platform (names, parameters, rules, routes); none of its text is in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

__all__ = ["ENVIRONMENT", "PROJECT", "ExistingPlatform"]

PROJECT = "aws-drs-orchestration"
ENVIRONMENT = "prod"
_RULES = {
    "ExecutionPolling": ("execution-polling-schedule", "rate(1 minute)", "ExecutionHandlerFunctionArn"),
    "TagSync": ("tag-sync-schedule", "rate(1 hour)", "ApiHandlerFunctionArn"),
    "StagingAccountSync": ("staging-account-sync", "rate(5 minutes)", "DataManagementHandlerFunctionArn"),
    "InventorySync": ("inventory-sync", "rate(15 minutes)", "DataManagementHandlerFunctionArn"),
    "RecoveryInstanceSync": ("recovery-instance-sync", "rate(5 minutes)", "DataManagementHandlerFunctionArn"),
}
_EXPORTS = {
    "TagSync": "tag-sync-rule",
    "StagingAccountSync": "staging-account-sync-rule",
    "InventorySync": "inventory-sync-rule",
}
_MANAGE, _QUERY = "data-management-handler", "query-handler"
_ROUTES = {
    ("POST", "/drs/tag-sync"): _MANAGE,
    ("GET", "/drs/tag-sync"): _MANAGE,
    ("GET", "/config/tag-sync"): _MANAGE,
    ("PUT", "/config/tag-sync"): _MANAGE,
    ("POST", "/accounts/targets/{id}/staging-accounts"): _MANAGE,
    ("DELETE", "/accounts/targets/{id}/staging-accounts/{stagingAccountId}"): _MANAGE,
    ("POST", "/accounts/targets/{id}/staging-accounts/sync"): _MANAGE,
    ("GET", "/accounts/targets/{id}/staging-accounts/discover"): _QUERY,
    ("POST", "/staging-accounts/validate"): _QUERY,
    ("GET", "/drs/source-server-inventory"): _QUERY,
    ("GET", "/drs/source-servers"): _QUERY,
}
_OTHER_ROUTES = {("GET", "/accounts/targets"): _QUERY, ("POST", "/protection-groups"): _MANAGE}
_MAIN = """\
Parameters:
  ProjectName: {{Type: String}}
  Environment: {{Type: String}}
  DeploymentBucket: {{Type: String}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Sub '${{ProjectName}}-unified-role-${{Environment}}'
      AssumeRolePolicyDocument: {{Version: '2012-10-17', Statement: []}}
{functions}  EventBridgeStack:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: !Sub 'https://${{DeploymentBucket}}.s3.amazonaws.com/cfn/eventbridge/rules-stack.yaml'
      Parameters:
        ProjectName: !Ref ProjectName
        Environment: !Ref Environment
        ExecutionHandlerFunctionArn: {execution}
        DataManagementHandlerFunctionArn: {manage}
        ApiHandlerFunctionArn: {query}
        EnableExecutionPolling: 'true'
        EnableTagSync: 'true'
        EnableStagingAccountSync: 'true'
        EnableInventorySync: 'true'
        EnableRecoveryInstanceSync: 'true'
  S3Stack:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: !Sub 'https://${{DeploymentBucket}}.s3.amazonaws.com/cfn/s3/buckets-stack.yaml'
      Parameters:
        EnableTagSync: 'true'
"""


_FUNCTION = """\
  {logical}:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Sub '${{ProjectName}}-{base}-${{Environment}}'
      Runtime: python3.12
      Handler: index.lambda_handler
      Role: !GetAtt Role.Arn
      Code: {{ZipFile: 'def lambda_handler(event, context): return None'}}
  {logical}Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref {logical}
      Action: lambda:InvokeFunction
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub 'arn:aws:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:{api}/*'
"""


def _rules_stack() -> str:
    lines = ["Parameters:", "  ProjectName: {Type: String}", "  Environment: {Type: String}"]
    lines += [f"  {name}: {{Type: String}}" for name in sorted({each[2] for each in _RULES.values()})]
    lines += [f"  Enable{name}: {{Type: String, Default: 'true', AllowedValues: ['true', 'false']}}" for name in _RULES]
    lines += ["Conditions:"]
    lines += [f"  With{name}: !Equals [!Ref Enable{name}, 'true']" for name in _RULES]
    lines += ["Resources:"]
    for name, (base, rate, function) in _RULES.items():
        lines += [
            f"  {name}Rule:",
            "    Type: AWS::Events::Rule",
            f"    Condition: With{name}",
            "    Properties:",
            f"      Name: !Sub '${{ProjectName}}-{base}-${{Environment}}'",
            f"      ScheduleExpression: {rate}",
            "      State: ENABLED",
            f"      Targets: [{{Id: Target, Arn: !Ref {function}}}]",
        ]
    lines += ["Outputs:"]
    for name, export in _EXPORTS.items():
        lines += [
            f"  {name}RuleArn:",
            f"    Condition: With{name}",
            f"    Value: !GetAtt {name}Rule.Arn",
            f"    Export: {{Name: !Sub '${{ProjectName}}-{export}-${{Environment}}'}}",
        ]
    return "\n".join(lines) + "\n"


class ExistingPlatform:
    """The platform in the hub of a simulated AWS.

    Args:
        folder: of the platform's repository.
        hub: account id of the hub.
    """

    def __init__(self, folder: Path, hub: str) -> None:
        self._hub = hub
        self.routes = {**_ROUTES, **_OTHER_ROUTES}
        self._bucket = f"{PROJECT}-{hub}-{ENVIRONMENT}"
        self.main = folder / "cfn" / "main-stack.yaml"
        self.main.parent.mkdir(parents=True)
        arns = {
            "execution": self.arn("execution-handler"),
            "manage": self.arn("data-management-handler"),
            "query": self.arn("query-handler"),
        }
        self.api = self._create_api(self.routes)
        functions = {"QueryHandler": _QUERY, "DataManagementHandler": _MANAGE}
        texts = [_FUNCTION.format(logical=logical, base=base, api=self.api) for logical, base in functions.items()]
        self.main.write_text(_MAIN.format(functions="".join(texts), **arns))

    def others(self) -> dict[tuple[str, str], str]:
        """Return the routes that stay with the platform, with their functions."""
        return {route: f"{PROJECT}-{base}-{ENVIRONMENT}" for route, base in _OTHER_ROUTES.items()}

    def arn(self, base: str) -> str:
        """Return the ARN of one of the platform's functions."""
        return f"arn:aws:lambda:us-east-1:{self._hub}:function:{PROJECT}-{base}-{ENVIRONMENT}"

    def deploy(self) -> None:
        """Deploy the main stack as it is in the repository, for the first time."""
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=self._bucket)
        s3.put_object(Bucket=self._bucket, Key="cfn/eventbridge/rules-stack.yaml", Body=_rules_stack().encode())
        other = "Parameters: {EnableTagSync: {Type: String}}\nResources: {Topic: {Type: 'AWS::SNS::Topic'}}\n"
        s3.put_object(Bucket=self._bucket, Key="cfn/s3/buckets-stack.yaml", Body=other.encode())
        values = {"ProjectName": PROJECT, "Environment": ENVIRONMENT, "DeploymentBucket": self._bucket}
        boto3.client("cloudformation").create_stack(
            StackName=f"{PROJECT}-{ENVIRONMENT}",
            TemplateBody=self.main.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

    @staticmethod
    def targets() -> dict[str, str]:
        """Return the function that each rule starts, by the rule's base name; rules that do not exist are left out."""
        events = boto3.client("events")
        found = {}
        for rule in events.list_rules()["Rules"]:
            [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            base = rule["Name"].removeprefix(f"{PROJECT}-").removesuffix(f"-{ENVIRONMENT}")
            found[base] = target["Arn"].rpartition(":")[2]
        return found

    def served_by(self) -> dict[tuple[str, str], str]:
        """Return the function that serves each route of the API."""
        gateway = boto3.client("apigateway")
        found = {}
        for resource in gateway.get_resources(restApiId=self.api, limit=500, embed=["methods"])["items"]:
            for method in resource.get("resourceMethods", {}):
                integration = gateway.get_integration(restApiId=self.api, resourceId=resource["id"], httpMethod=method)
                found[method, resource["path"]] = integration["uri"].split("function:")[1].removesuffix("/invocations")
        return found

    def _create_api(self, routes: Mapping[tuple[str, str], str]) -> str:
        gateway: Any = boto3.client("apigateway")
        api: str = gateway.create_rest_api(name=f"{PROJECT}-api-{ENVIRONMENT}")["id"]
        [root] = gateway.get_resources(restApiId=api)["items"]
        ids = {"": root["id"]}
        for (method, path), base in routes.items():
            parts = path.split("/")
            for end in range(2, len(parts) + 1):
                here, parent = "/".join(parts[:end]), "/".join(parts[: end - 1])
                if here not in ids:
                    created = gateway.create_resource(restApiId=api, parentId=ids[parent], pathPart=parts[end - 1])
                    ids[here] = created["id"]
            place = {"restApiId": api, "resourceId": ids[path], "httpMethod": method}
            gateway.put_method(**place, authorizationType="NONE")
            uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{self.arn(base)}/invocations"
            gateway.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        return api
