"""The simulated AWS: accounts, regions, servers and instances behind DRS, EC2, STS and DynamoDB."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from service.accounts.records import DEFAULT_EXTERNAL_ID
from service.models import Call, Scope
from tests.simulation.clock import VirtualLoop
from tests.simulation.drs import OPERATIONS, Record, SimulatedDrs
from tests.simulation.dynamodb import DynamoDb, ServiceError, tables
from tests.simulation.odd_answers import OddAnswers

__all__ = ["HUB", "HUB_REGION", "REGIONS", "STAGING", "TARGETS", "SimulatedAws"]

HUB: Final = "100000000000"
TARGETS: Final = ("200000000000", "300000000000")
STAGING: Final = "400000000000"
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
HUB_REGION: Final = "us-east-1"
_TOKEN_S: Final = 900.0
_EC2_PAGE: Final = 2


class SimulatedAws(SimulatedDrs):
    """The simulated AWS: DRS, and beside it EC2, STS and the tables of the hub.

    Args:
        loop: its clock.
        rng: source of randomness.
        targets: target accounts.
        regions: regions that exist.
        staging_of: staging account of each target that has one; by default the first has `STAGING`.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        targets: tuple[str, ...] = TARGETS,
        regions: tuple[str, ...] = REGIONS,
        staging_of: Mapping[str, str] | None = None,
    ) -> None:
        staging_of = {targets[0]: STAGING} if staging_of is None else staging_of
        super().__init__(loop, dict.fromkeys((*targets, *staging_of.values())), regions)
        self.targets, self.rng = targets, rng
        self.staging_accounts = frozenset(staging_of.values())
        self.dynamodb = DynamoDb(tables(), loop.time, rng)
        self.calls: Counter[tuple[str, str]] = Counter()  # by service and operation
        self.tokens: dict[str, tuple[str, float]] = {"hub": (HUB, float("inf"))}
        self.odd_answers = OddAnswers()
        self.late_calls: set[asyncio.TimerHandle] = set()  # calls that arrive after their sender gave up
        self.same_clocks = True
        self.last_arrival_s = 0.0  # when the last late call will have arrived
        self.denied: set[str] = set()  # accounts whose role cannot be assumed
        for target in targets:
            record: Record = {"accountId": {"S": target}, "externalId": {"S": "e" * 32}}
            if target in staging_of:
                staging = {"accountId": {"S": staging_of[target]}, "externalId": {"S": DEFAULT_EXTERNAL_ID}}
                record["stagingAccounts"] = {"L": [{"M": staging}]}
            self.dynamodb.tables["target_accounts_table"].items[target,] = record

    def account_of(self, access_key: str) -> str:
        """Return the account of an access key. Raises ServiceError when it is invalid or expired."""
        account, until = self.tokens.get(access_key, ("", 0.0))
        if not account:
            raise ServiceError("UnrecognizedClientException", "The security token included in the request is invalid")
        if self.loop.time() >= until:
            raise ServiceError("ExpiredTokenException", "The security token included in the request is expired")
        return account

    def serve(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a call. Raises ServiceError."""
        self.calls[call.service, call.operation] += 1
        if call.service == "dynamodb":
            if (call.account_id, call.region) != (HUB, HUB_REGION):
                raise ServiceError("ResourceNotFoundException", "no such table")
            return self.dynamodb.serve(call.operation, params)
        if call.service == "sts":
            return self._sts(call, params)
        scope = Scope(call.account_id, call.region)
        if call.service == "ec2":
            return self._describe_instances(scope, params)
        drs = self.drs.get(scope)
        if drs is None or not drs.initialized:
            raise ServiceError("UninitializedAccountException", "Account not initialized")
        if call.operation == "DescribeSourceServers":
            stored = {key[0] for key in self.dynamodb.tables["source_server_inventory_table"].items}
            odd = self.odd_answers.of(scope, params, [self._with_lag(each) for each in drs.servers.values()], stored)
            if odd is not None:
                return odd
        return OPERATIONS[call.operation](self, scope, drs, params)

    # STS and EC2

    def _sts(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        if call.operation == "GetCallerIdentity":
            return {"Account": HUB, "Arn": f"arn:aws:sts::{HUB}:assumed-role/sync/sync", "UserId": "sync"}
        account = str(params["RoleArn"]).split(":")[4]
        expected = DEFAULT_EXTERNAL_ID if account in self.staging_accounts else "e" * 32
        if params.get("ExternalId") != expected or account in self.denied:
            raise ServiceError("AccessDenied", "not authorized to perform: sts:AssumeRole", status=403)
        key = f"key-{account}-{len(self.tokens)}"
        self.tokens[key] = (account, self.loop.time() + _TOKEN_S)
        return {
            "Credentials": {
                "AccessKeyId": key,
                "SecretAccessKey": "secret",
                "SessionToken": key,
                "Expiration": self.loop.wall(_TOKEN_S),
            },
            "AssumedRoleUser": {"AssumedRoleId": "AROA:sync", "Arn": f"arn:aws:sts::{account}:assumed-role/sync/sync"},
        }

    def _describe_instances(self, scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
        known = self.instances.get(scope, {})
        if "Filters" not in params:
            ids, start = sorted(known), int(params.get("NextToken", 0))
            page = [
                {"OwnerId": scope.account_id, "Instances": [known[each]]} for each in ids[start : start + _EC2_PAGE]
            ]
            more = {"NextToken": str(start + _EC2_PAGE)} if start + _EC2_PAGE < len(ids) else {}
            return {"Reservations": page, **more}
        (wanted,) = params["Filters"]
        shown = (known[each] for each in wanted["Values"] if each in known)
        return {"Reservations": [{"OwnerId": scope.account_id, "Instances": [each]} for each in shown]}

    # Changes made by others than the engine

    def run_instance(self, scope: Scope) -> str:
        """Run an instance that no source server replicates from; return its id."""
        instance = self.new_id("i-")
        self.instances.setdefault(scope, {})[instance] = {"InstanceId": instance, "Tags": []}
        return instance

    def source_instances(self) -> set[str]:
        """Return the instances that source servers replicate from."""
        hints = (
            record["sourceProperties"]["identificationHints"]
            for drs in self.drs.values()
            for record in drs.servers.values()
        )
        return {each["awsInstanceID"] for each in hints if "awsInstanceID" in each}

    def loose_instances(self) -> set[str]:
        """Return the instances that no source server replicates from."""
        return {each for instances in self.instances.values() for each in instances} - self.source_instances()

    def tag_instance(self, scope: Scope, instance: str, key: str, value: str) -> None:
        """Set a tag of an instance."""
        entry = self.instances[scope][instance]
        kept = [each for each in entry["Tags"] if each["Key"] != key]
        self.instances[scope][instance] = {**entry, "Tags": [*kept, {"Key": key, "Value": value}]}
