"""Points the routes of this project in an existing API at another pair of functions, and deploys the API.

    python deploy/move_routes.py API_ID STAGE DATA_MANAGEMENT_FUNCTION QUERY_FUNCTION

Beside the existing platform the functions are drs-sync's; to roll back they are the platform's. Nothing else in the API
is changed. Running it again changes nothing. Credentials and region are those of the AWS CLI.
"""
# ruff: noqa: INP001, T201 - a script that prints

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

DATA_MANAGEMENT: Final = "data-management-handler"
QUERY: Final = "query-handler"
ROUTES: Final = {
    ("POST", "/drs/tag-sync"): DATA_MANAGEMENT,
    ("GET", "/drs/tag-sync"): DATA_MANAGEMENT,
    ("GET", "/config/tag-sync"): DATA_MANAGEMENT,
    ("PUT", "/config/tag-sync"): DATA_MANAGEMENT,
    ("POST", "/accounts/targets/{id}/staging-accounts"): DATA_MANAGEMENT,
    ("DELETE", "/accounts/targets/{id}/staging-accounts/{stagingAccountId}"): DATA_MANAGEMENT,
    ("POST", "/accounts/targets/{id}/staging-accounts/sync"): DATA_MANAGEMENT,
    ("GET", "/accounts/targets/{id}/staging-accounts/discover"): QUERY,
    ("POST", "/staging-accounts/validate"): QUERY,
    ("GET", "/drs/source-server-inventory"): QUERY,
    ("GET", "/drs/source-servers"): QUERY,
}
"""Method and path of each route that platform and drs-sync share, with the function that serves it."""

_FUNCTION: Final = re.compile(r"function:([^/]+)/invocations$")
_GATEWAY: Final = "apigateway.amazonaws.com"
_STATEMENT: Final = "drs-sync-routes"


class Problem(Exception):  # noqa: N818  (a message for the operator, not an error of the program)
    """What stops the move; the message says what to change."""


class Route(NamedTuple):
    """A route as it is in the API."""

    method: str
    path: str
    resource_id: str
    uri: str


def find_routes(gateway: Any, api: str) -> list[Route]:  # noqa: ANN401  (boto3's clients have no types)
    """Find the routes in the API, before anything is changed.

    Raises:
        Problem: the API does not have all of them.
    """
    pages = gateway.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"])
    resources = {each["path"]: each for page in pages for each in page["items"]}
    missing = [
        f"{method} {path}"
        for method, path in ROUTES
        if method not in resources.get(path, {}).get("resourceMethods", {})
    ]
    if missing:
        raise Problem(f"API {api} does not have {', '.join(missing)}. Fix: give the id of the platform's API")
    found = []
    for method, path in ROUTES:
        resource = resources[path]
        integration = gateway.get_integration(restApiId=api, resourceId=resource["id"], httpMethod=method)
        found.append(Route(method, path, resource["id"], integration.get("uri", "")))
    return found


def allow(functions: Any, function: str, api_arn: str) -> None:  # noqa: ANN401
    """Let the API invoke the function, unless it may already."""
    try:
        policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":  # it has no policy yet
            raise
        policy = {"Statement": []}
    for statement in policy["Statement"]:
        source = next(iter(statement.get("Condition", {}).get("ArnLike", {}).values()), "")
        if statement.get("Principal") == {"Service": _GATEWAY} and source.startswith(f"{api_arn}/"):
            return
    functions.add_permission(
        FunctionName=function,
        StatementId=_STATEMENT,
        Action="lambda:InvokeFunction",
        Principal=_GATEWAY,
        SourceArn=f"{api_arn}/*",
    )


def move(api: str, stage: str, names: dict[str, str]) -> None:
    """Point each route at the function of its handler, and deploy the stage."""
    gateway, functions = boto3.client("apigateway"), boto3.client("lambda")
    region, identity = gateway.meta.region_name, boto3.client("sts").get_caller_identity()
    partition, account = identity["Arn"].split(":")[1], identity["Account"]
    routes = find_routes(gateway, api)
    for name in names.values():
        allow(functions, name, f"arn:{partition}:execute-api:{region}:{account}:{api}")
    for route in routes:
        name = names[ROUTES[route.method, route.path]]
        now = _FUNCTION.search(route.uri)
        print(f"{route.method:6} {route.path}: {now[1] if now else route.uri} -> {name}")
        arn = f"arn:{partition}:lambda:{region}:{account}:function:{name}"
        uri = f"arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations"
        if uri != route.uri:
            operation = {"op": "replace", "path": "/uri", "value": uri}
            gateway.update_integration(
                restApiId=api, resourceId=route.resource_id, httpMethod=route.method, patchOperations=[operation]
            )
    deployment = gateway.create_deployment(restApiId=api, stageName=stage, description="drs-sync: routes moved")
    print(f"stage {stage} has deployment {deployment['id']}")


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    if len(arguments) != 4:  # noqa: PLR2004  (as many as the usage names)
        print(__doc__, file=sys.stderr)
        return 2
    api, stage, data_management, query = arguments
    try:
        move(api, stage, {DATA_MANAGEMENT: data_management, QUERY: query})
    except (Problem, BotoCoreError, ClientError) as error:
        print(f"move_routes.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
