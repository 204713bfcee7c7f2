"""EngineSandbox with its tables in dynalite: same endpoint, faults and call counts; moto serves all other services."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

import boto3
import pytest
from moto.dynamodb.models import dynamodb_backends

from service.sandbox.aws_protocols import Application, Environ
from tests.dynalite.server import Dynalite
from tests.dynalite.transactions import Answer
from tests.support.sandbox import EngineSandbox, Names

__all__ = ["DynaliteSandbox"]

_HUB_REGION: Final = "us-east-1"
_FORWARDED_HEADERS: Final = ("x-amz-target", "content-type", "authorization", "x-amz-date", "accept-encoding")
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "date"})


class DynaliteMiddleware:
    """WSGI middleware that forwards DynamoDB requests to dynalite, one at a time, and passes on all others."""

    def __init__(self, others: Application, dynalite: Dynalite) -> None:
        self._others = others
        self._dynalite = dynalite

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        if not str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith("DynamoDB_"):
            return self._others(environ, start_response)
        self._dynalite.calls += 1
        names = {name: "CONTENT_TYPE" if name == "content-type" else _variable(name) for name in _FORWARDED_HEADERS}
        headers = {name: environ[variable] for name, variable in names.items() if variable in environ}
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        with self._dynalite.transactions.lock:
            version, _, operation = str(headers["x-amz-target"]).rpartition(".")
            if operation != "TransactWriteItems":
                status, reason, headers_sent, answer = self._forward(body, headers)
                start_response(f"{status} {reason}", headers_sent)
                return [answer]

            def send(operation: str, params: Mapping[str, Any]) -> Answer:
                target = {"x-amz-target": f"{version}.{operation}"}
                status, *_, answer = self._forward(json.dumps(params).encode(), {**headers, **target})
                return Answer(status, json.loads(answer))

            code, members = self._dynalite.transactions.write(json.loads(body), send)
        start_response(f"{code} {http.client.responses[code]}", [("Content-Type", "application/x-amz-json-1.0")])
        return [json.dumps(members).encode()]

    def _forward(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._dynalite.port, timeout=300)
        try:
            connection.request("POST", "/", body, dict(headers))
            answer = connection.getresponse()
            headers_sent = [pair for pair in answer.getheaders() if pair[0].lower() not in _HOP_BY_HOP]
            return answer.status, answer.reason, headers_sent, answer.read()
        finally:
            connection.close()


def _variable(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


class DynaliteSandbox(EngineSandbox):
    """EngineSandbox with its tables in a running dynalite."""

    def __init__(
        self, members: Mapping[str, Any], names: Names, monkeypatch: pytest.MonkeyPatch, *, dynalite: Dynalite
    ) -> None:
        super().__init__(members, names, monkeypatch)
        self._dynalite_client = boto3.client(
            "dynamodb",
            region_name=_HUB_REGION,
            endpoint_url=f"http://127.0.0.1:{dynalite.port}",
            aws_access_key_id="AKIADYNALITE00000000",
            aws_secret_access_key="opens-nothing",
        )
        middleware = self.server._control_api.middleware
        middleware._application = DynaliteMiddleware(middleware._application, dynalite)

    def __enter__(self) -> Self:
        super().__enter__()
        tables = dynamodb_backends[self.names.hub][_HUB_REGION].tables
        for name, table in tables.items():
            self._dynalite_client.create_table(
                TableName=name,
                KeySchema=table.schema,
                AttributeDefinitions=table.attr,
                BillingMode="PAY_PER_REQUEST",
                **_indexes(table),
            )
        for name in tables:  # created quickly, but not within the request
            self._dynalite_client.get_waiter("table_exists").wait(
                TableName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 5000}
            )
        self._copy_seeded_rows()
        return self

    def add(self, account_id: str, region: str, **members: Any) -> None:
        """Add servers or settings to a region while it runs."""
        super().add(account_id, region, **members)
        self._copy_seeded_rows()

    def _copy_seeded_rows(self) -> None:
        """Copy the account rows that the sandbox seeds, unless they exist."""
        for name, table in dynamodb_backends[self.names.hub][_HUB_REGION].tables.items():
            condition = f"attribute_not_exists({table.hash_key_attr})"
            for ranged in table.items.values():
                for item in ranged.values() if isinstance(ranged, Mapping) else [ranged]:
                    written = item.to_json()["Attributes"]
                    try:
                        self._dynalite_client.put_item(TableName=name, Item=written, ConditionExpression=condition)
                    except self._dynalite_client.exceptions.ConditionalCheckFailedException:
                        continue


def _indexes(table: Any) -> dict[str, Any]:
    indexes = [
        {"IndexName": index.name, "KeySchema": index.schema, "Projection": {"ProjectionType": "ALL"}}
        for index in table.global_indexes
    ]
    return {"GlobalSecondaryIndexes": indexes} if indexes else {}
