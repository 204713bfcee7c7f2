"""OpenAPI page: it matches the routes, and requests generated from it get the responses that it describes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.handlers import data_management, query
from service.handlers.openapi import openapi_document, openapi_page
from service.models import RegionStatus, Scope
from service.queries.servers import refusal_of
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets

pytestmark = pytest.mark.deep

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HANDLERS = [(module.ROUTES, module.lambda_handler) for module in (data_management, query)]


def gateway(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Simulate API Gateway: pass an HTTP request as a proxy event to the function of its route."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    if path == "/openapi.json":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [openapi_page().encode()]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode(errors="replace")
    parameters = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    event = {
        "httpMethod": method,
        "path": unquote(path),
        "requestContext": {"httpMethod": method},
        "queryStringParameters": parameters or None,
        "body": body or None,
        "isBase64Encoded": False,
    }
    handler = next(
        (handler for routes, handler in HANDLERS if any(r.method == method and r.match(path) for r in routes)),
        query.lambda_handler,
    )
    answer = handler(event, None)
    start_response(f"{answer['statusCode']} X", list(answer["headers"].items()))
    return [answer["body"].encode()]


@pytest.fixture(scope="module", autouse=True)
def platform() -> Iterator[EngineSandbox]:
    """Provide one sandbox for all requests, which may change it."""
    with pytest.MonkeyPatch.context() as patch:
        names = Names(*(new_account_id() for _ in range(4)))
        with EngineSandbox(two_targets(names), names, patch) as sandbox:
            yield sandbox
            data_management.runtime.close()
            query.runtime.close()


schema = schemathesis.openapi.from_wsgi("/openapi.json", gateway)


@schema.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_answers_are_what_the_description_shows(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


def test_openapi_json_matches_the_routes() -> None:
    assert (Path(__file__).parents[2] / "docs" / "openapi.json").read_text() == openapi_page()


def test_every_route_is_described_and_no_other() -> None:
    described = {(method.upper(), path) for path, methods in openapi_document()["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for module in (data_management, query) for route in module.ROUTES}
    ids = [each["operationId"] for methods in openapi_document()["paths"].values() for each in methods.values()]
    assert len(set(ids)) == len(ids)
    assert all(
        each["summary"].endswith(".") for methods in openapi_document()["paths"].values() for each in methods.values()
    )


def test_every_refusal_of_a_region_is_described() -> None:
    scope = Scope("111122223333", "us-west-2")
    refusals = [refusal for word in RegionStatus if (refusal := refusal_of(word, scope))]
    described = openapi_document()["paths"]["/drs/source-servers"]["get"]["responses"]
    assert {str(refusal.status) for refusal in refusals} == {"400", "403"} <= set(described)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (path, parameter["name"])
        for path, methods in openapi_document()["paths"].items()
        for parameter in methods.get("get", {}).get("parameters", ())
        if parameter["in"] == "query" and parameter["name"] not in {"currentProtectionGroupId", "id"}
    ],
)
def test_a_parameter_that_is_described_is_read(path: str, name: str) -> None:
    """An invalid value is refused with the name of its parameter."""
    event = {
        "httpMethod": "GET",
        "path": re.sub(r"\{\w+\}", "111122223333", path),
        "requestContext": {},
        # `region` takes precedence over `regions`.
        "queryStringParameters": {**({} if name == "regions" else {"region": "us-west-2"}), name: "~ no such value ~"},
    }
    answer = query.lambda_handler(event, None)
    assert answer["statusCode"] == 400
    assert name in answer["body"], json.loads(answer["body"])


VALID_BODY = {"enabled": True, "accountId": "111122223333", "externalId": "external", "region": "us-west-2"}


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        (method, path, name)
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
        for name in operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    ],
)
def test_a_member_of_a_body_that_is_described_is_checked(method: str, path: str, name: str) -> None:
    """An invalid value is refused with the name of its member."""
    event = {
        "httpMethod": method.upper(),
        "path": re.sub(r"\{\w+\}", "111122223333", path),
        "requestContext": {},
        "body": json.dumps({**VALID_BODY, name: ["no such value"]}),
    }
    handler = next(
        handler for routes, handler in HANDLERS if any(r.path == path and r.method == method.upper() for r in routes)
    )
    answer = handler(event, None)
    assert answer["statusCode"] == 400
    assert name in answer["body"], json.loads(answer["body"])
