"""Both emulators respond as AWS documents, or the difference is listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.dynalite.requests import CASES, KNOWN_DIFFERENCES, NO_ANSWER, TABLE
from tests.dynalite.sandbox import DynaliteSandbox
from tests.dynalite.server import Dynalite
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets

pytestmark = pytest.mark.deep

SERVERS = ("moto", "dynalite")


class Server:
    """One emulator with an inventory table, called without parameter validation of the SDK."""

    def __init__(self, sandbox: EngineSandbox) -> None:
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        url = sandbox.server.endpoint_url
        self.client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=url, config=config)
        self.table = sandbox.server.environment()["SOURCE_SERVER_INVENTORY_TABLE"]

    def outcome(self, operation: str, params: Any) -> Any:
        """Return the response, or the error code."""
        try:
            answer = self.client._make_api_call(operation, self._filled(params))
        except ClientError as error:
            return error.response["Error"]["Code"]
        except ConnectionClosedError:
            return NO_ANSWER
        # moto returns these although they were not requested.
        ignored = {"ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics"}
        return {name: value for name, value in answer.items() if name not in ignored}

    def empty(self) -> None:
        """Delete every item."""
        for item in self.client.scan(TableName=self.table)["Items"]:
            key = {name: item[name] for name in ("sourceServerArn", "stagingAccountId")}
            self.client.delete_item(TableName=self.table, Key=key)

    def _filled(self, params: Any) -> Any:
        named = {} if "RequestItems" in params else {"TableName": self.table}
        return {**named, **self.renamed(params)}

    def renamed(self, value: Any) -> Any:
        """Replace the placeholder by the table's name."""
        if isinstance(value, dict):
            return {self.table if name == TABLE else name: self.renamed(inner) for name, inner in value.items()}
        return value


@pytest.fixture(scope="module")
def servers(dynalite: Dynalite) -> Iterator[dict[str, Server]]:
    with pytest.MonkeyPatch.context() as patch:
        names = [Names(*(new_account_id() for _ in range(4))) for _ in SERVERS]
        members = [two_targets(each, a={}, b={}) for each in names]
        with (
            EngineSandbox(members[0], names[0], patch) as moto,
            DynaliteSandbox(members[1], names[1], patch, dynalite=dynalite) as other,
        ):
            yield {"moto": Server(moto), "dynalite": Server(other)}


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("case", CASES)
def test_both_answer_as_aws_documents(case: str, name: str, servers: dict[str, Server]) -> None:
    server, request = servers[name], CASES[case]
    try:
        for item in request.stored:
            server.client.put_item(TableName=server.table, Item=item)
        expected = KNOWN_DIFFERENCES.get((case, name), request.answer)
        assert server.outcome(request.operation, dict(request.params)) == server.renamed(expected)
    finally:
        server.empty()
