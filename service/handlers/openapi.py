"""The API in OpenAPI's words, made from the routes themselves: docs/openapi.json. No function imports it.

`python -m service.handlers.openapi` prints it; tests hold the page, the routes and the templates to one another.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from service.handlers import data_management, query
from service.handlers.router import Operation, Route
from service.handlers.tag_sync import TagSyncBody
from service.models import ACCOUNT_ID_PATTERN

__all__ = ["described", "page"]

Schema = Mapping[str, Any]

_ACCOUNT: Final[Schema] = {
    "type": "string",
    "pattern": f"^{ACCOUNT_ID_PATTERN}$",
    "description": "account id, 12 digits",
}
_REGION: Final[Schema] = {"type": "string", "description": "region name, such as us-west-2"}
_ACCOUNTS: Final[Schema] = {"type": "string", "description": "account ids, separated by commas; all targets without it"}
_REGIONS: Final[Schema] = {"type": "string", "description": "regions, separated by commas; the active ones without it"}
_ROLE: Final[Schema] = {"type": "string", "description": "ARN of a role of that account; DRSOrchestrationRole without"}
_EXTERNAL: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_+=,.@:/-]{2,1224}$"}
_FILTERS: Final[Schema] = {
    "type": "string",
    "description": "a JSON object of conditions: hostname, replicationState, stagingAccountId, sourceAccountId, "
    "minCpuCores, minRamBytes",
}

_QUERIES: Final[Mapping[str, Mapping[str, Schema]]] = MappingProxyType(
    {
        "get_source_server_inventory": {
            "accountId": _ACCOUNTS,
            "region": _REGIONS,
            "regions": _REGIONS,
            "filters": _FILTERS,
            "sourceAccountId": _ACCOUNT,
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
            "nextToken": {"type": "string", "description": "of the page before"},
        },
        "get_drs_source_servers": {
            "region": _REGION,
            "accountId": _ACCOUNT,
            "currentProtectionGroupId": {"type": "string"},
        },
        "get_extended_source_servers": {"accountId": _ACCOUNTS, "region": _REGIONS, "regions": _REGIONS},
        "get_failback_topology": {
            "id": {"type": "string", "description": "any name of a server: ARN, id, instance id, host name"}
        },
    }
)
_REQUIRED: Final = frozenset({("get_drs_source_servers", "region"), ("get_failback_topology", "id")})


def _object(required: tuple[str, ...], **members: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": members}


_BODIES: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "add_staging_account": _object(
            ("stagingAccount",),
            stagingAccount=_object(
                ("accountId", "accountName", "externalId"),
                accountId=_ACCOUNT,
                accountName={"type": "string", "minLength": 1, "maxLength": 256},
                externalId=_EXTERNAL,
                roleArn=_ROLE,
            ),
        ),
        "validate_staging_account": _object(
            ("accountId", "externalId", "region"),
            accountId=_ACCOUNT,
            externalId=_EXTERNAL,
            region=_REGION,
            roleArn=_ROLE,
        ),
        "update_tag_sync_settings": _object(
            ("enabled",),
            enabled={"type": "boolean"},
            intervalHours={"type": "integer", "minimum": 1, "maximum": 24},
        ),
    }
)
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "message": {"type": "string"}, "details": {}},
}
_ANSWERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "400": "The request is wrong; the message says how to mend it. Nothing was touched.",
        "403": "The account's role, or a policy of its organisation, does not let us read DRS there.",
        "404": "What was named is not there.",
        "409": "It conflicts with what is there, or with what is running.",
        "413": "The answer would be larger than Lambda carries: ask for less.",
        "500": "AWS, a table or a setting stood in the way; the message says which.",
    }
)


def described() -> dict[str, Any]:
    """Describe every route."""
    paths: dict[str, dict[str, Any]] = {}
    for module in (data_management, query):
        for route in module.ROUTES:
            operation = module.OPERATIONS[route.operation]
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "drs-sync",
            "version": "1",
            "description": "Source servers, staging accounts, tags and failback of AWS Elastic Disaster Recovery.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"cognito": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"cognito": []}],
    }


def page() -> str:
    """Write the description as docs/openapi.json holds it."""
    return json.dumps(described(), indent=2) + "\n"


def _operation(route: Route, operation: Operation[Any]) -> dict[str, Any]:
    text = (operation.work.__doc__ or "").split("\n\n")
    made: dict[str, Any] = {
        "operationId": "_".join(re.findall(r"\w+", f"{route.method.lower()} {route.path}")),
        "summary": " ".join(text[0].split()),
        "parameters": [*_in_path(route), *_in_query(route.operation)],
        "responses": {
            **{key: {"description": "Done.", "content": _json({"type": "object"})} for key in _good(route)},
            **{
                status: {"description": words, "content": _json({"$ref": "#/components/schemas/Error"})}
                for status, words in _ANSWERS.items()
                if (status, route.operation) != ("409", "handle_drs_tag_sync")
                and (status != "403" or route.operation == "get_drs_source_servers")
            },
        },
    }
    body = _body(route)
    return {**made, "requestBody": body} if body else made


def _good(route: Route) -> tuple[str, ...]:
    return ("200", "202", "409") if route.operation == "handle_drs_tag_sync" else ("200",)


def _in_path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _ACCOUNT}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _in_query(operation: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": (operation, name) in _REQUIRED, "schema": schema}
        for name, schema in _QUERIES.get(operation, {}).items()
    ]


def _body(route: Route) -> dict[str, Any] | None:
    if route.method not in {"POST", "PUT"}:
        return None
    if route.operation == "handle_drs_tag_sync":
        members = TagSyncBody.model_json_schema()["properties"].items()
        public = {name: schema for name, schema in members if not name.startswith("_")}  # its own, for calling itself
        return {"required": False, "content": _json({"type": "object", "properties": _of_3_0(public)})}
    schema = _BODIES.get(route.operation)
    return {"required": True, "content": _json(schema)} if schema else None


def _of_3_0(value: Any) -> Any:  # noqa: ANN401 - a schema
    """Say "or null" as OpenAPI 3.0 does, which knows no type null."""
    if isinstance(value, list):
        return [_of_3_0(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _of_3_0(each) for name, each in value.items() if name not in {"title", "default"}}
    options = inner.pop("anyOf", None)
    if options is None:
        return inner
    [real] = [each for each in options if each != {"type": "null"}]
    return {**inner, **real, "nullable": True}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


if __name__ == "__main__":
    sys.stdout.write(page())
