"""OpenAPI description of the API, generated from the routes and their request models: docs/openapi.json.

`python -m service.handlers.openapi` prints it. Nothing imports it at run time; tests compare it with the routes, the
templates and the responses.
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
from service.queries.completeness import MAX_LISTED
from service.regions.scope_state import ScopeState

__all__ = ["openapi_document", "openapi_page"]

Schema = Mapping[str, Any]

_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "message": {"type": "string"}, "details": {}},
}
_ANSWER: Final[Schema] = {
    "type": "object",
    "description": "Answer of a query. `complete` is false if a scope is unknown or a read failed.",
    "required": ["complete", "scopeStates", "unknown", "unknownByCause"],
    "properties": {
        "complete": {"type": "boolean"},
        "scopeStates": {
            "type": "object",
            "description": "number of scopes (account and region) by state",
            "required": [*ScopeState],
            "properties": {str(state): {"type": "integer", "minimum": 0} for state in ScopeState},
        },
        "unknown": {
            "type": "array",
            "maxItems": MAX_LISTED,
            "description": "the first unknown scopes: cause, fix, since when, and the last attempt to read them",
            "items": {"type": "object"},
        },
        "unknownByCause": {
            "type": "array",
            "description": "all unknown scopes, counted by cause",
            "items": {"type": "object"},
        },
    },
}
_ERROR_RESPONSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "400": "The request is invalid; the message says how to fix it. Nothing was changed.",
        "403": "The account's role, or a policy of its organization, does not allow reading DRS there.",
        "404": "The account, server or route does not exist.",
        "409": "The request conflicts with an existing record, or with a running sync.",
        "413": "The response would be larger than Lambda allows. Fix: request less.",
        "500": "AWS, a table or a setting caused a failure; the message says which.",
    }
)


def openapi_document() -> dict[str, Any]:
    """Description of every route."""
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
            "schemas": {"Answer": _ANSWER, "Error": _ERROR},
            "securitySchemes": {"cognito": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"cognito": []}],
    }


def openapi_page() -> str:
    """Text of docs/openapi.json."""
    return json.dumps(openapi_document(), indent=2) + "\n"


def _operation(route: Route, operation: Operation[Any]) -> dict[str, Any]:
    summary = (operation.work.__doc__ or "").split("\n\n")[0]
    in_path = _path_members(route)
    members, required = _members(operation)
    rest = {name: schema for name, schema in members.items() if name not in in_path.values()}
    has_body = route.method in {"POST", "PUT"}
    described: dict[str, Any] = {
        "operationId": "_".join(re.findall(r"\w+", f"{route.method.lower()} {route.path}")),
        "summary": " ".join(summary.split()),
        "parameters": [
            *(_parameter("path", name, members[member], required=True) for name, member in in_path.items()),
            *(_parameter("query", name, rest[name], required=name in required) for name in rest if not has_body),
        ],
        "responses": _responses(route.operation),
    }
    return {**described, "requestBody": _body(rest, required & set(rest))} if has_body and rest else described


def _path_members(route: Route) -> dict[str, str]:
    """Names of the path parameters, and of the members that they become."""
    return {name: route.parameters.get(name, name) for name in re.findall(r"\{(\w+)\}", route.path)}


def _members(operation: Operation[Any]) -> tuple[dict[str, Schema], frozenset[str]]:
    """Members of a request that callers may send, and which of them are required."""
    if operation.request is None:
        return {}, frozenset()
    schema = operation.request.model_json_schema()
    members = _openapi_3_0(schema.get("properties", {}), schema.get("$defs", {}))
    # This function sets members with an underscore when it invokes itself.
    public = {name: member for name, member in members.items() if not name.startswith("_")}
    return public, frozenset(schema.get("required", ()))


def _parameter(location: str, name: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    parameter = {"name": name, "in": location, "required": required}
    if "contentSchema" not in schema:
        return {**parameter, "schema": schema}
    described = {"description": schema["description"]} if "description" in schema else {}
    return {**parameter, **described, "content": {schema["contentMediaType"]: {"schema": schema["contentSchema"]}}}


def _body(members: Mapping[str, Schema], required: frozenset[str]) -> dict[str, Any]:
    names = {"required": [name for name in members if name in required]} if required else {}
    return {"required": bool(required), "content": _json({"type": "object", **names, "properties": members})}


def _responses(operation: str) -> dict[str, Any]:
    successes = ("200", "202", "409") if operation == "handle_drs_tag_sync" else ("200",)
    errors = [
        status
        for status in _ERROR_RESPONSES
        if status not in successes and (status != "403" or operation == "get_drs_source_servers")
    ]
    error = _json({"$ref": "#/components/schemas/Error"})
    success = {"$ref": "#/components/schemas/Answer"} if operation in query.OPERATIONS else {"type": "object"}
    return {
        **{status: {"description": "Done.", "content": _json(success)} for status in successes},
        **{status: {"description": _ERROR_RESPONSES[status], "content": error} for status in errors},
    }


def _openapi_3_0(value: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a schema
    """Convert a JSON schema to OpenAPI 3.0, which has `nullable` instead of a type null. References are resolved."""
    if isinstance(value, list):
        return [_openapi_3_0(each, definitions) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        model = definitions[value["$ref"].rpartition("/")[2]]
        members = ("type", "required", "properties")
        return {name: _openapi_3_0(model[name], definitions) for name in members if name in model}
    inner = {name: _openapi_3_0(each, definitions) for name, each in value.items() if name not in {"title", "default"}}
    options = inner.pop("anyOf", None)
    if options is None:
        return inner
    [schema] = [each for each in options if each != {"type": "null"}]
    return {**inner, **schema, "nullable": True}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


if __name__ == "__main__":
    sys.stdout.write(openapi_page())
