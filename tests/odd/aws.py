"""The simulated AWS with odd answers: healthy responses of all services, of which chosen ones have one member changed.

Responses go through the parsers and checks of the client, byte for byte. Signing, rate limits and retries are left out,
so that thousands of answers take seconds.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final
from xml.sax.saxutils import escape

import anyio.lowlevel
import orjson
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from service.aws.call_counter import count_call
from service.aws.client import AwsClient
from service.aws.credentials import CredentialSource
from service.aws.parsers import ParserFactory
from service.aws.response_check import reject_incomplete, reject_malformed_body
from service.aws.sdk_errors import translating_sdk_errors
from service.models import Call, Scope
from tests.odd import samples
from tests.odd.mutations import DEEP, Mutation, applied
from tests.simulation.aws import HUB, SimulatedAws
from tests.simulation.clock import VirtualLoop
from tests.simulation.dynamodb import ServiceError

__all__ = ["REGION", "OddAws", "OddClient", "Spoil"]

REGION: Final = "us-west-2"
_NESTED: Final = b"[" * 2000 + b"]" * 2000
_DEEP_JSON: Final = orjson.dumps(DEEP)
_FACTORY: Final = ParserFactory()
_VALIDATOR: Final = ParamValidator()
_OF_HUB: Final = ("dynamodb", "events")


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


class OddAws(SimulatedAws):
    """Targets with three servers each, one of them extended, and a fourth that waits in their staging account.

    Attributes:
        spoils: the answers to change.
        asked: calls by service, operation and account.
        extended: requests to extend a server, by target and ARN.
        stored_before: ARNs of the servers that the tables have.
        is_spoilt: the tables hold what another writer has left.
    """

    def __init__(self, accounts: int) -> None:
        loop = VirtualLoop()
        loop.close()  # its clock alone is read, until a client runs on another
        targets = tuple(f"2222{number:08d}" for number in range(accounts))
        staging_of = {each: f"4444{each[4:]}" for each in targets}
        super().__init__(loop, random.Random(0), targets, (REGION,), staging_of=staging_of)  # noqa: S311 - no secret
        self.staging_of = staging_of
        self.spoils: list[Spoil] = []
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self.extended: Counter[tuple[str, str]] = Counter()
        self.stored_before: frozenset[str] = frozenset()
        self.is_spoilt = False
        for target, staging in staging_of.items():
            for _ in range(2):
                self._add(target)
            self.extend(Scope(target, REGION), self._add(staging))
            self._add(staging)
            for server_id in self.drs[Scope(target, REGION)].servers:
                self._add_recovery_instance(target, server_id)

    def _add(self, account: str) -> str:
        """Add a server with an instance of the same account; return its ARN."""
        scope, instance = Scope(account, REGION), self.new_id("i-")
        hints = {"hostname": f"host-{instance}", "fqdn": f"host-{instance}.example", "awsInstanceID": instance}
        server_id = self.add_server(scope, hints, scope)
        self.instances.setdefault(scope, {})[instance] = _instance(instance)
        return str(self.drs[scope].servers[server_id]["arn"])

    def _add_recovery_instance(self, account: str, server_id: str) -> None:
        """Give a server a recovery instance."""
        scope, instance = Scope(account, REGION), f"i-{server_id[2:]}"
        self.change(scope, server_id, recoveryInstanceId=instance)
        self.drs[scope].recovery_instances[instance] = {
            "recoveryInstanceID": instance,
            "ec2InstanceID": instance,
            "sourceServerID": server_id,
            "arn": f"arn:aws:drs:{REGION}:{account}:recovery-instance/{instance}",
        }

    def servers(self, account: str) -> list[dict[str, Any]]:
        """Return the records of an account's servers."""
        return list(self.drs[Scope(account, REGION)].servers.values())

    def respond(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a call as the client would return it. Raises AwsError."""
        account = params["RoleArn"].split(":")[4] if call.operation == "AssumeRole" else call.account_id
        model = samples.model(call.service, call.operation)
        if call.service != "dynamodb":
            report = _VALIDATOR.validate(params, model.input_shape)
            assert not report.has_errors(), report.generate_report()
        self.asked[call.service, call.operation, account] += 1
        if call.operation == "CreateExtendedSourceServer":
            self.extended[account, params["sourceServerArn"]] += 1
        with translating_sdk_errors(call):
            try:
                answer, status = self.answer(call, params), 200
            except ServiceError as error:
                raise ClientError({"Error": {"Code": error.code, "Message": error.message}}, call.operation) from None
            for spoil in self.spoils:
                if spoil.answers(call, account):
                    answer, status = spoil.of(answer), spoil.status
            return _parsed(model, answer, status)

    def answer(self, call: Call, params: Mapping[str, Any]) -> Any:
        """Return the healthy answer to a call as it is on the wire. Raises ServiceError."""
        model = samples.model(call.service, call.operation)
        if call.service == "events":
            return samples.filled(model.output_shape)
        if call.operation == "DescribeTable":
            return {"Table": samples.filled(model.output_shape.members["Table"])}
        if call.service == "dynamodb":
            return orjson.loads(_json(self.serve(call, orjson.loads(_json(params)))))
        answer = self.serve(call, params)
        # An instance has some sixty members, of which only those that are read are worth a mutation.
        whole = answer if call.service == "ec2" else samples.completed(model, answer)
        return samples.on_the_wire(model.output_shape, whole)


def _instance(instance_id: str) -> dict[str, Any]:
    """Return an EC2 instance with the members that the service reads."""
    return {
        "InstanceId": instance_id,
        "InstanceType": "m5.large",
        "State": {"Code": 16, "Name": "running"},
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "PrivateIpAddress": "10.0.0.1",
        "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "one"}],
        "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/x"},
        "Tags": [{"Key": "Name", "Value": instance_id}, {"Key": "team", "Value": "a"}],
    }


class OddClient(AwsClient):
    """The client, of which only what sends is replaced."""

    aws: OddAws

    async def send(
        self,
        source: CredentialSource,
        call: Call,
        params: Mapping[str, Any],
        *,
        on_behalf_of: str = "",
    ) -> dict[str, Any]:
        """Have a call answered by the simulated AWS, whose clock is that of the client's loop."""
        await anyio.lowlevel.checkpoint()
        count_call(call.service, call.operation)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.aws.loop = loop
        return self.aws.respond(call._replace(account_id=HUB) if call.service in _OF_HUB else call, params)


def _parsed(model: OperationModel, answer: Any, status: int) -> dict[str, Any]:
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


def _run(parsing: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        parsing.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a parser waited")


def _json(value: Any) -> bytes:
    """Return a value as JSON: bytes as base64, a number that is too long for orjson as json writes it."""
    try:
        return orjson.dumps(value, default=_base64)
    except TypeError:
        return json.dumps(value, default=_base64).encode()


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()


def _body(model: OperationModel, answer: Any, status: int) -> bytes:
    protocol = model.service_model.resolved_protocol
    if protocol not in {"ec2", "query"}:
        return _json(answer).replace(_DEEP_JSON, _NESTED)
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
