"""The simulated AWS: accounts, regions, servers and instances behind DRS, EC2, STS and DynamoDB."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.accounts.records import DEFAULT_EXTERNAL_ID
from service.models import Call, Scope
from tests.simulation.clock import VirtualLoop
from tests.simulation.dynamodb import DynamoDb, ServiceError, tables
from tests.simulation.odd_answers import OddAnswers

__all__ = ["HUB", "HUB_REGION", "REGIONS", "STAGING", "TARGETS", "Drs", "SimulatedAws"]

HUB: Final = "100000000000"
TARGETS: Final = ("200000000000", "300000000000")
STAGING: Final = "400000000000"
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
HUB_REGION: Final = "us-east-1"
_TOKEN_S: Final = 900.0

Record = dict[str, Any]


@dataclass(slots=True)
class Drs:
    """DRS of one scope, with its servers by id."""

    initialized: bool = False
    servers: dict[str, Record] = field(default_factory=dict)
    launches: dict[str, bool] = field(default_factory=dict)  # server id -> copyTags


class SimulatedAws:
    """The simulated AWS.

    Args:
        loop: its clock.
        rng: source of randomness.
        targets: target accounts; the first has the staging account.
        regions: regions that exist.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        targets: tuple[str, ...] = TARGETS,
        regions: tuple[str, ...] = REGIONS,
    ) -> None:
        self.targets, self.regions = targets, regions
        self.loop = loop
        self.rng = rng
        self.dynamodb = DynamoDb(tables(), loop.time, rng)
        self.drs = {Scope(each, region): Drs() for each in (*targets, STAGING) for region in regions}
        self.instances: dict[Scope, dict[str, Record]] = {}
        self.tokens: dict[str, tuple[str, float]] = {"hub": (HUB, float("inf"))}
        self.odd_answers = OddAnswers()
        self.late_calls: set[asyncio.TimerHandle] = set()  # calls that arrive after their sender gave up
        self.same_clocks = True
        self.last_arrival_s = 0.0  # when the last late call will have arrived
        self.denied: set[str] = set()  # accounts whose role cannot be assumed
        self.page = 2  # DRS may return fewer items than maxResults
        self._made = 0
        for target in targets:
            record: Record = {"accountId": {"S": target}, "externalId": {"S": "e" * 32}}
            if target == targets[0]:
                record["stagingAccounts"] = {
                    "L": [{"M": {"accountId": {"S": STAGING}, "externalId": {"S": DEFAULT_EXTERNAL_ID}}}]
                }
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
        return _DRS[call.operation](self, scope, drs, params)

    # STS and EC2

    def _sts(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        if call.operation == "GetCallerIdentity":
            return {"Account": HUB, "Arn": f"arn:aws:sts::{HUB}:assumed-role/sync/sync", "UserId": "sync"}
        account = str(params["RoleArn"]).split(":")[4]
        expected = DEFAULT_EXTERNAL_ID if account == STAGING else "e" * 32
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
        (wanted,) = params["Filters"]
        known = self.instances.get(scope, {})
        return {"Reservations": [{"Instances": [known[each]]} for each in wanted["Values"] if each in known]}

    # DRS

    def _servers(self, _: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        filters = params.get("filters", {})
        ids, staging = filters.get("sourceServerIDs"), filters.get("stagingAccountIDs")
        records = [
            self._with_lag(record)
            for record in drs.servers.values()
            if (not ids or record["sourceServerID"] in ids)
            and (not staging or record["stagingArea"]["stagingAccountID"] in staging)
        ]
        return self._page(records, params, lambda record: str(record["arn"]))

    def _with_lag(self, record: Record) -> Record:
        """Return a record with the lag of this moment, which no other moment has."""
        info = {**record["dataReplicationInfo"], "lagDuration": f"PT{self.loop.time() * 1000:.0f}S"}
        return {**record, "dataReplicationInfo": info}

    def _recovery_instances(self, _: Scope, _drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        return self._page([], params, str)  # recovery instances are terminated at once

    def _page(self, records: list[Record], params: Mapping[str, Any], name: Callable[[Record], str]) -> dict[str, Any]:
        ordered = sorted(records, key=name)
        after = str(params.get("nextToken", "")).partition("#")[2]
        remaining = [each for each in ordered if name(each) > after]
        page = remaining[: min(params.get("maxResults", 200), self.page)]
        answer: dict[str, Any] = {"items": [dict(each) for each in page]}
        if len(remaining) > len(page):
            self._made += 1
            answer["nextToken"] = f"{self._made}#{name(page[-1])}"
        return answer

    def _extensible(self, scope: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        origin = self.drs[Scope(params["stagingAccountID"], scope.region)]
        if not origin.initialized:
            raise ServiceError("UninitializedAccountException", "Account not initialized")
        extended = {record["stagingArea"].get("stagingSourceServerArn") for record in drs.servers.values()}
        records = [
            {"arn": record["arn"], "hostname": "", "tags": record["tags"]}
            for record in origin.servers.values()
            if record["arn"] not in extended
        ]
        return self._page(records, params, lambda record: str(record["arn"]))

    def _staging_accounts(self, _: Scope, drs: Drs, _params: Mapping[str, Any]) -> dict[str, Any]:
        accounts = {
            str(record["stagingArea"]["stagingAccountID"])
            for record in drs.servers.values()
            if record["stagingArea"].get("stagingSourceServerArn")
        }
        return {"accounts": [{"accountID": each} for each in sorted(accounts)]}

    def _extend(self, scope: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        arn = str(params["sourceServerArn"])
        origin = self.drs[Scope(arn.split(":")[4], scope.region)].servers.get(arn.rpartition("/")[2])
        if origin is None:
            raise ServiceError("ResourceNotFoundException", "no such source server", status=404)
        if self.is_extended(scope.account_id, arn):
            raise ServiceError("ConflictException", "the server is extended already", status=409)
        area = {"status": "EXTENDED", "stagingAccountID": arn.split(":")[4], "stagingSourceServerArn": arn}
        kept = {name: origin[name] for name in ("sourceProperties", "sourceCloudProperties", "dataReplicationInfo")}
        return {"sourceServer": self._record(scope, drs, kept, area)}

    def _templates(self, scope: Scope, _: Drs, _params: Mapping[str, Any]) -> dict[str, Any]:
        template = {"replicationConfigurationTemplateID": f"rct-{scope.account_id}", "arn": "arn:t", **_CONFIGURATION}
        return {"items": [template]}

    def _configuration(self, _: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        _find(drs, params["sourceServerID"])
        return {"sourceServerID": params["sourceServerID"], **_CONFIGURATION}

    def _launch(self, _: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        _find(drs, params["sourceServerID"])
        copies = drs.launches.get(params["sourceServerID"], False)
        return {"sourceServerID": params["sourceServerID"], "copyTags": copies}

    def _update_launch(self, _: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        _find(drs, params["sourceServerID"])
        drs.launches[params["sourceServerID"]] = bool(params["copyTags"])
        return {"sourceServerID": params["sourceServerID"], "copyTags": params["copyTags"]}

    def _tag(self, _: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        record = _find(drs, str(params["resourceArn"]).rpartition("/")[2])
        record["tags"] = {**record["tags"], **params["tags"]}
        return {}

    # Changes made by others than the engine

    def is_extended(self, target: str, arn: str) -> bool:
        """Return whether a staging server is extended into a target."""
        drs = self.drs[Scope(target, arn.split(":")[3])]
        return any(record["stagingArea"].get("stagingSourceServerArn") == arn for record in drs.servers.values())

    def protect(self, scope: Scope, *, tags: Mapping[str, str]) -> str:
        """Add a source server with an instance in the next region; initialize DRS if needed. Return the new id."""
        drs = self.drs[scope]
        drs.initialized = True
        self._made += 1
        region = self.regions[(self.regions.index(scope.region) + 1) % len(self.regions)]
        instance = f"i-{self._made:017x}"
        entry = {"InstanceId": instance, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        self.instances.setdefault(Scope(scope.account_id, region), {})[instance] = entry
        hints = {"hostname": f"host-{self._made}", "awsInstanceID": instance}
        members = {
            "sourceProperties": {"identificationHints": hints, "cpus": [{"cores": 2}], "ramBytes": 4096},
            "sourceCloudProperties": {
                "originAccountID": scope.account_id,
                "originRegion": region,
                "originAvailabilityZone": f"{region}a",
            },
            "dataReplicationInfo": {"dataReplicationState": "CONTINUOUS"},
        }
        area = {"status": "NOT_EXTENDED", "stagingAccountID": scope.account_id}
        return str(self._record(scope, drs, members, area)["sourceServerID"])

    def _record(self, scope: Scope, drs: Drs, members: Mapping[str, Any], area: Mapping[str, Any]) -> Record:
        self._made += 1
        server_id = f"s-{self._made:017x}"
        record: Record = {
            "sourceServerID": server_id,
            "arn": f"arn:aws:drs:{scope.region}:{scope.account_id}:source-server/{server_id}",
            "tags": {},
            "stagingArea": dict(area),
            "lastLaunchResult": "NOT_STARTED",
            "replicationDirection": "FAILOVER",
            **members,
        }
        drs.servers[server_id] = record
        return dict(record)

    def delete(self, scope: Scope, server_id: str) -> None:
        """Delete a server from DRS, with the servers extended from it."""
        deleted = self.drs[scope].servers.pop(server_id)
        for drs in self.drs.values():
            for each in [
                key
                for key, rec in drs.servers.items()
                if rec["stagingArea"].get("stagingSourceServerArn") == deleted["arn"]
            ]:
                del drs.servers[each]

    def change(self, scope: Scope, server_id: str, **members: Any) -> None:
        """Change members of a server's record."""
        drs = self.drs[scope]
        drs.servers[server_id] = {**drs.servers[server_id], **members}

    def tag_instance(self, scope: Scope, instance: str, key: str, value: str) -> None:
        """Set a tag of an instance."""
        entry = self.instances[scope][instance]
        kept = [each for each in entry["Tags"] if each["Key"] != key]
        self.instances[scope][instance] = {**entry, "Tags": [*kept, {"Key": key, "Value": value}]}


def _find(drs: Drs, server_id: str) -> Record:
    if server_id not in drs.servers:
        raise ServiceError("ResourceNotFoundException", "no such source server", status=404)
    return drs.servers[server_id]


_CONFIGURATION: Final = {
    "stagingAreaSubnetId": "subnet-1",
    "ebsEncryption": "DEFAULT",
    "dataPlaneRouting": "PRIVATE_IP",
}
_DRS: Final[Mapping[str, Callable[[SimulatedAws, Scope, Drs, Mapping[str, Any]], dict[str, Any]]]] = {
    "DescribeRecoveryInstances": SimulatedAws._recovery_instances,
    "DescribeSourceServers": SimulatedAws._servers,
    "ListExtensibleSourceServers": SimulatedAws._extensible,
    "ListStagingAccounts": SimulatedAws._staging_accounts,
    "CreateExtendedSourceServer": SimulatedAws._extend,
    "DescribeReplicationConfigurationTemplates": SimulatedAws._templates,
    "GetReplicationConfiguration": SimulatedAws._configuration,
    "GetLaunchConfiguration": SimulatedAws._launch,
    "UpdateLaunchConfiguration": SimulatedAws._update_launch,
    "TagResource": SimulatedAws._tag,
}
