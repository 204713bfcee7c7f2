"""A world whose answers are odd: healthy responses of all services, of which chosen ones have one member changed.

Responses go through the parsers and checks of the client, byte for byte. Signing, rate limits and retries are left out,
so that thousands of answers take seconds.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final
from xml.sax.saxutils import escape

import anyio.lowlevel
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from service.aws.attribute_values import encode
from service.aws.call_counter import count_call
from service.aws.client import AwsClient
from service.aws.credentials import CredentialSource
from service.aws.parsers import ParserFactory
from service.aws.response_check import reject_incomplete, reject_malformed_body
from service.aws.sdk_errors import translating_sdk_errors
from service.models import Call
from tests.odd import samples
from tests.odd.mutations import DEEP, Mutation, applied
from tests.simulation.dynamodb import DynamoDb, ServiceError, tables

__all__ = ["HUB", "STAGING", "OddClient", "Spoil", "World"]

HUB: Final = "999900001111"
STAGING: Final = "444455556666"
NESTED: Final = b"[" * 2000 + b"]" * 2000
_FACTORY: Final = ParserFactory()
_VALIDATOR: Final = ParamValidator()


@dataclass(slots=True)
class Spoil:
    """Answers to change.

    Attributes:
        service: service and operation of the answers.
        mutation: what becomes of each of them; a function draws it for the answer.
        account: account that they are about; empty for all.
        nth: only the n-th of them, None for all.
        status: of the HTTP response; from 300 on, the answer is the body of an error.
        applied: the mutations that were applied.
    """

    service: str
    operation: str
    mutation: Mutation | Callable[[Any], Mutation | None]
    account: str = ""
    nth: int | None = None
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    seen: int = 0
    applied: list[Mutation] = field(default_factory=list)

    def answers(self, call: Call, account: str) -> bool:
        """Whether it changes the answer of a call."""
        if (call.service, call.operation) != (self.service, self.operation) or self.account not in {"", account}:
            return False
        self.seen += 1
        return self.nth is None or self.nth == self.seen - 1

    def of(self, answer: Any) -> Any:
        """Return the changed answer."""
        changed = self.error if self.status >= 300 else answer
        mutation = self.mutation if isinstance(self.mutation, Mutation) else self.mutation(changed)
        if mutation is None:
            return changed
        self.applied.append(mutation)
        return applied(changed, mutation)


class World:
    """Accounts with three servers each, one of them extended, and a fourth that waits in the staging account."""

    def __init__(self, accounts: int) -> None:
        self.targets = [f"2222{number:08d}" for number in range(accounts)]
        self.db = DynamoDb(tables(), lambda: 0.0, random.Random(0))  # noqa: S311 - not a secret
        self.spoils: list[Spoil] = []
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.extended: Counter[tuple[str, str]] = Counter()
        self.tagged: dict[str, Any] = {}
        self.stored_before: frozenset[str] = frozenset()
        self.is_spoilt = False  # the tables hold what another writer has left
        for account in self.targets:
            role = "arn:aws:iam::{}:role/DRSOrchestrationRole".format
            staging = [{"accountId": STAGING, "accountName": "s", "roleArn": role(STAGING), "externalId": "an-id"}]
            row = {"accountId": account, "accountName": account, "roleArn": role(account), "stagingAccounts": staging}
            self.db.serve("PutItem", {"TableName": "target_accounts_table", "Item": encode(row)})

    def servers(self, account: str) -> list[dict[str, Any]]:
        """Return the records of an account's servers."""
        number = account[-4:]
        own = [samples.server(account, f"s-{digit}000000000000{number}") for digit in (1, 2)]
        staging_id = f"s-3000000000000{number}"
        extended = samples.server(account, f"s-4000000000000{number}", staging=STAGING, staging_id=staging_id)
        return [*own, extended]

    def waiting(self, account: str) -> str:
        """Return the id of the server that waits in the staging account."""
        return f"s-5000000000000{account[-4:]}"

    def respond(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a call as the client would return it. Raises AwsError."""
        account = params["RoleArn"].split(":")[4] if call.operation == "AssumeRole" else call.account_id
        model = samples.model(call.service, call.operation)
        if call.service != "dynamodb":
            report = _VALIDATOR.validate(params, model.input_shape)
            assert not report.has_errors(), report.generate_report()
        self.calls[call.service, call.operation, account] += 1
        with translating_sdk_errors(call):
            try:
                answer, status = self.answer(call, params), 200
            except ServiceError as error:
                raise ClientError({"Error": {"Code": error.code, "Message": error.message}}, call.operation) from None
            for spoil in self.spoils:
                if spoil.answers(call, account):
                    answer, status = spoil.of(answer), spoil.status
            return self._parsed(model, answer, status)

    def _parsed(self, model: Any, answer: Any, status: int) -> dict[str, Any]:
        response = {"status_code": status, "headers": {}, "body": _body(model, answer, status), "context": {}}
        reject_malformed_body(model, response)
        parser = _FACTORY.create_parser(model.service_model.resolved_protocol)
        parsed: dict[str, Any] = _run(parser.parse(response, model.output_shape))
        if status >= 300:
            error_shape = model.service_model.shape_for_error_code(parsed["Error"].get("Code"))
            more = _run(parser.parse(response, error_shape)) if error_shape is not None else {}
            raise ClientError({**parsed, **more, "ResponseMetadata": {"HTTPStatusCode": status}}, model.name)
        reject_incomplete(model, SimpleNamespace(status_code=status), parsed)
        return parsed

    def answer(self, call: Call, params: Mapping[str, Any]) -> Any:
        """Return the healthy answer to a call, as a JSON value."""
        if call.service == "dynamodb":
            if call.operation == "DescribeTable":
                return {
                    "Table": samples.filled(samples.model("dynamodb", "DescribeTable").output_shape.members["Table"])
                }
            copied = json.loads(json.dumps(params, default=_base64))
            return json.loads(json.dumps(self.db.serve(call.operation, copied), default=_base64))
        return getattr(self, f"_{call.operation}")(call, params)

    def _GetCallerIdentity(self, *_: Any) -> Any:  # noqa: N802 - operations of AWS, here and below
        return {"Arn": f"arn:aws:sts::{HUB}:assumed-role/hub/x", "UserId": "u", "Account": HUB}

    def _AssumeRole(self, _: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        keys = {
            "AccessKeyId": "ASIA",
            "SecretAccessKey": "s",
            "SessionToken": "t",
            "Expiration": "2030-01-01T00:00:00Z",
        }
        user = {"AssumedRoleId": "r", "Arn": params["RoleArn"]}
        return {"Credentials": keys, "AssumedRoleUser": user, "PackedPolicySize": 6}

    def _DescribeSourceServers(self, call: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        servers, filters = self.servers(call.account_id), params.get("filters", {})
        if ids := filters.get("sourceServerIDs"):
            return {"items": [each for each in servers if each["sourceServerID"] in ids]}
        if accounts := filters.get("stagingAccountIDs"):
            return {"items": [each for each in servers if each["stagingArea"]["stagingAccountID"] in accounts]}
        return {"items": servers[2:]} if "nextToken" in params else {"items": servers[:2], "nextToken": "two"}

    def _DescribeRecoveryInstances(self, call: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        return {"items": [samples.machine(call.account_id, each) for each in params["filters"]["sourceServerIDs"]]}

    def _DescribeReplicationConfigurationTemplates(self, *_: Any) -> Any:  # noqa: N802
        return {"items": [samples.template()]}

    def _GetReplicationConfiguration(self, _: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        return samples.configuration(params["sourceServerID"])

    def _ListStagingAccounts(self, *_: Any) -> Any:  # noqa: N802
        return {"accounts": [{"accountID": STAGING}]}

    def _ListExtensibleSourceServers(self, call: Call, _: Any) -> Any:  # noqa: N802
        return {"items": [samples.extensible(STAGING, self.waiting(call.account_id))]}

    def _CreateExtendedSourceServer(self, call: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        staging_id = params["sourceServerArn"].rpartition("/")[2]
        self.extended[call.account_id, params["sourceServerArn"]] += 1
        new_id = f"s-6000000000000{call.account_id[-4:]}"
        return {"sourceServer": samples.server(call.account_id, new_id, staging=STAGING, staging_id=staging_id)}

    def _TagResource(self, call: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        self.tagged[params["resourceArn"]] = params["tags"]
        return {}

    def _GetLaunchConfiguration(self, _: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        return samples.launch(params["sourceServerID"], copies=False)

    def _UpdateLaunchConfiguration(self, _: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        return samples.launch(params["sourceServerID"], copies=True)

    def _DescribeInstances(self, _: Call, params: Mapping[str, Any]) -> Any:  # noqa: N802
        instances = [samples.instance(each) for each in params["Filters"][0]["Values"]]
        return {"reservationSet": [{"reservationId": "r", "instancesSet": instances}], "nextToken": ""}

    def _DescribeRule(self, *_: Any) -> Any:  # noqa: N802
        return samples.filled(samples.model("events", "DescribeRule").output_shape)

    def _PutRule(self, *_: Any) -> Any:  # noqa: N802
        return {"RuleArn": "arn"}


class OddClient(AwsClient):
    """The client, of which only what sends is replaced."""

    world: World

    async def send(
        self,
        source: CredentialSource,
        call: Call,
        params: Mapping[str, Any],
        *,
        on_behalf_of: str = "",
    ) -> dict[str, Any]:
        """Answer a call from the world."""
        await anyio.lowlevel.checkpoint()
        count_call(call.service, call.operation)
        return self.world.respond(call, params)


def _run(parsing: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        parsing.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a parser waited")


def _base64(value: Any) -> str:
    import base64  # noqa: PLC0415

    return base64.b64encode(value).decode()


def _body(model: Any, answer: Any, status: int) -> bytes:
    protocol = model.service_model.resolved_protocol
    if protocol not in {"ec2", "query"}:
        return json.dumps(answer).encode().replace(json.dumps(DEEP).encode(), NESTED)
    inner = _xml(answer).replace(escape(DEEP), "<a>" * 2000 + "</a>" * 2000)
    if status >= 300:
        return f"<Response>{inner}</Response>".encode()
    inner = f"<{model.name}Result>{inner}</{model.name}Result>" if protocol == "query" else inner
    return f"<{model.name}Response>{inner}</{model.name}Response>".encode()


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_xml(inner)}</item>" for inner in value)
    return "" if value is None else escape(str(value).lower() if isinstance(value, bool) else str(value))
