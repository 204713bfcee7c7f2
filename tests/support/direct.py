"""AWS client without HTTP for the engine: calls go directly to simulated backends, thousands of runs a minute.

DynamoDB is the simulation's, DRS the sandbox's. Faults (throttling, errors, a process killed before or after a call)
and the interleaving of two runs are drawn from a seed, so the same seed gives the same history. Signing, rate limits
and retries are left out; the tests of the AWS client cover them.
"""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, cast

import anyio
import anyio.lowlevel
import orjson
from moto.core.exceptions import ServiceException

from service.aws.attribute_values import encode
from service.aws.client import AccountSession, AwsClient, Identity
from service.aws.roles import RoleToAssume
from service.errors import AwsError
from service.models import Call, Scope
from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.register import register
from service.settings import Settings
from tests.simulation.dynamodb import DynamoDb, ServiceError, tables

__all__ = ["Crash", "DirectAws", "Faults", "Lag", "lagging"]

HUB_REGION: Final = "us-east-1"


class Crash(BaseException):
    """The process was killed at a call."""


@dataclass(slots=True)
class Lag:
    """Makes one run wait at its `at`-th call until an event is set."""

    at: int
    until: anyio.Event


lagging: Final[ContextVar[Lag | None]] = ContextVar("lagging", default=None)
"""Set at the start of a task; applies to the calls of this task and of tasks that it starts."""


@dataclass(slots=True)
class Faults:
    """Faults of calls, drawn from `rng`.

    `refuse`: share of DRS calls that fail with one of `codes`; `refuse_tables`: the same for DynamoDB. `crash_at`:
    number of calls until the process is killed, before or after the call takes effect. `switch`: share of calls before
    which another run may proceed.
    """

    rng: random.Random
    refuse: float = 0.0
    refuse_tables: float = 0.0
    crash_at: int | None = None
    switch: float = 0.0
    codes: tuple[str, ...] = ("ThrottlingException", "AccessDeniedException", "InternalServerException")

    @property
    def are_none(self) -> bool:
        """Whether every call succeeds."""
        return not self.refuse and not self.refuse_tables and self.crash_at is None


class DirectAws:
    """Stand-in for `AwsClient`. `counts` has the calls by service and operation; `faults` may be replaced."""

    hub_region = HUB_REGION

    def __init__(self, hub: str, targets: tuple[str, ...], faults: Faults) -> None:
        register()
        self.faults = faults
        self.counts: Counter[tuple[str, str]] = Counter()
        self._hub = hub
        self._accounts = (hub, *targets)
        self._dynamodb = DynamoDb(tables(), lambda: 0.0, faults.rng)
        self.tables: Mapping[str, str] = {name.upper(): name for name in self._dynamodb.tables}
        for account_id in targets:
            role = f"arn:aws:iam::{account_id}:role/DRSOrchestrationRole"
            row = {"accountId": account_id, "accountName": account_id, "roleArn": role}
            self._dynamodb.serve("PutItem", {"TableName": "target_accounts_table", "Item": encode(row)})

    def settings(self, **changes: Any) -> Settings:
        """Return settings for these tables; nothing is read from the environment."""
        named = {name.lower(): value for name, value in self.tables.items() if name.lower() in Settings.model_fields}
        return Settings.model_construct(**{**Settings().model_dump(), **named, **changes})

    def aws_client(self) -> AwsClient:
        """Return this object as an `AwsClient`: it has the members that syncs and queries use."""
        return cast("AwsClient", self)

    def forget(self) -> None:
        """Delete all DRS state of these accounts."""
        for account in self._accounts:
            drs_backends.pop(account, None)

    def items(self, variable: str = "SOURCE_SERVER_INVENTORY_TABLE") -> list[dict[str, Any]]:
        """Return the items of a table as DynamoDB attribute values."""
        return list(self._dynamodb.tables[self.tables[variable]].items.values())

    def delete(self, item: Mapping[str, Any]) -> None:
        """Delete an item of the inventory or the topology, as somebody other than the engine might."""
        own = "pk" in item
        name = self.tables["SOURCE_SERVER_TOPOLOGY_TABLE" if own else "SOURCE_SERVER_INVENTORY_TABLE"]
        key = {each: item[each] for each in (("pk", "sk") if own else ("sourceServerArn", "stagingAccountId"))}
        self._dynamodb.serve("DeleteItem", {"TableName": name, "Key": key})

    def put(self, item: Mapping[str, Any], variable: str = "SOURCE_SERVER_INVENTORY_TABLE") -> None:
        """Put an item, as somebody other than the engine might; its values are plain ones."""
        self._dynamodb.serve("PutItem", {"TableName": self.tables[variable], "Item": encode(item)})

    # Members of AwsClient

    def hub(self) -> AccountSession:
        """Return a session for the hub."""
        return cast("AccountSession", _DirectSession(self, self._hub))

    async def identity(self) -> Identity:
        """Return the identity of the hub."""
        return Identity(self._hub, "aws")

    def begin_run(self, unreachable_regions: Iterable[str] = ()) -> None:
        """Begin a run: every endpoint can be reached."""

    async def require_reachable(self, service: str, operation: str, scope: Scope) -> None:
        """Do nothing: every endpoint can be reached."""

    async def account(self, role: RoleToAssume) -> AccountSession:
        """Return a session for another account."""
        return cast("AccountSession", _DirectSession(self, role.account_id))

    async def perform(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a call, subject to the faults. Raises AwsError, Crash."""
        self.counts[call.service, call.operation] += 1
        faults, lag = self.faults, lagging.get()
        if lag is not None:
            lag.at -= 1
            if lag.at == 0:
                await lag.until.wait()
        while faults.switch and faults.rng.random() < faults.switch:
            await anyio.lowlevel.checkpoint()
        if faults.crash_at is not None:
            faults.crash_at -= 1
            if faults.crash_at < 0:
                if faults.rng.random() < 0.5:
                    self._carry_out(call, params)
                raise Crash(f"{call.service}:{call.operation}")
        share = faults.refuse if call.service == "drs" else faults.refuse_tables
        if share and faults.rng.random() < share:
            raise AwsError(faults.rng.choice(faults.codes), "injected", call)
        return self._carry_out(call, params)

    def _carry_out(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if call.service == "dynamodb":
                return self._dynamodb.serve(call.operation, _copied(params))
            return _SERVICES[call.service](call, params)
        except ServiceError as refused:
            raise AwsError(refused.code, refused.message, call) from refused
        except ServiceException as error:
            raise AwsError(str(error.code), str(error), call) from error


@dataclass(frozen=True, slots=True)
class _DirectSession:
    aws: DirectAws
    account_id: str
    source: None = field(default=None)

    async def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        return await self.aws.perform(Call(service, operation, self.account_id, region), params)


def _drs(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    backend = drs_backends[call.account_id][call.region]
    backend.require_initialized()
    filters: Mapping[str, Any] = params.get("filters", {})
    if call.operation == "DescribeSourceServers":
        found = backend.describe_source_servers(
            filters.get("sourceServerIDs", ()), filters.get("stagingAccountIDs", ()), filters.get("hardwareId")
        )
        return _copied({"items": [each.to_dict() for each in found]})
    if call.operation == "DescribeRecoveryInstances":
        machines = backend.describe_recovery_instances(
            filters.get("recoveryInstanceIDs", ()), filters.get("sourceServerIDs", ())
        )
        return _copied({"items": [each.to_dict() for each in machines]})
    if call.operation == "GetReplicationConfiguration":
        return _copied(backend.replication_configuration_of(params["sourceServerID"]))
    if call.operation == "DescribeReplicationConfigurationTemplates":
        listed = backend.describe_replication_configuration_templates(())
        return _copied({"items": [each.to_dict() for each in listed]})
    raise NotImplementedError(call.operation)


def _ec2(call: Call, _: Mapping[str, Any]) -> dict[str, Any]:
    """Return no instances: these tests do not cover EC2."""
    if call.operation != "DescribeInstances":
        raise NotImplementedError(call.operation)
    return {"Reservations": []}


def _copied(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Copy parameters or an answer as the network does: bytes arrive as base64."""
    copy: dict[str, Any] = orjson.loads(orjson.dumps(answer, default=lambda value: base64.b64encode(value).decode()))
    return copy


_SERVICES: Final = MappingProxyType({"drs": _drs, "ec2": _ec2})
