"""DRS of the simulated AWS: the operations that the engine calls, and what others than the engine change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.models import Scope
from tests.simulation.clock import VirtualLoop
from tests.simulation.dynamodb import ServiceError

__all__ = ["OPERATIONS", "Drs", "Record", "SimulatedDrs", "cloud_properties"]

Record = dict[str, Any]


@dataclass(slots=True)
class Drs:
    """DRS of one scope: its servers, recovery instances and settings by id.

    Attributes:
        launches: by server, whether its launch configuration copies tags.
        configurations: by server, the members of its replication configuration that differ from the template.
        next_states: by server or recovery instance, the states that its replication goes through next.
        recoverable: servers that have a snapshot to recover from.
        reversed: by recovery instance, the ARN of the server that replicates it back.
    """

    initialized: bool = False
    servers: dict[str, Record] = field(default_factory=dict)
    recovery_instances: dict[str, Record] = field(default_factory=dict)
    launches: dict[str, bool] = field(default_factory=dict)
    configurations: dict[str, Record] = field(default_factory=dict)
    next_states: dict[str, list[str]] = field(default_factory=dict)
    recoverable: set[str] = field(default_factory=set)
    reversed: dict[str, str] = field(default_factory=dict)


class SimulatedDrs:
    """DRS of every account and region.

    Args:
        loop: its clock.
        accounts: accounts that exist.
        regions: regions that exist.
    """

    def __init__(self, loop: VirtualLoop, accounts: Iterable[str], regions: tuple[str, ...]) -> None:
        self.loop, self.regions = loop, regions
        self.drs = {Scope(each, region): Drs() for each in accounts for region in regions}
        self.instances: dict[Scope, dict[str, Record]] = {}  # of EC2
        self.page = 2  # DRS may return fewer items than maxResults
        self._made = 0

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

    def _recovery_instances(self, _: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        filters = params.get("filters", {})
        ids, servers = filters.get("recoveryInstanceIDs"), filters.get("sourceServerIDs")
        records = [
            record
            for record in drs.recovery_instances.values()
            if (not ids or record["recoveryInstanceID"] in ids) and (not servers or record["sourceServerID"] in servers)
        ]
        return self._page(records, params, lambda record: str(record["recoveryInstanceID"]))

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
        return {"sourceServer": dict(drs.servers[self.extend(scope, str(params["sourceServerArn"]))])}

    def _templates(self, scope: Scope, _: Drs, _params: Mapping[str, Any]) -> dict[str, Any]:
        template = {"replicationConfigurationTemplateID": f"rct-{scope.account_id}", "arn": "arn:t", **_CONFIGURATION}
        return {"items": [template]}

    def _configuration(self, scope: Scope, drs: Drs, params: Mapping[str, Any]) -> dict[str, Any]:
        record = _find(drs, params["sourceServerID"])
        replicating = self.replicating(scope, record)
        changed = self.drs[replicating[0]].configurations.get(replicating[1], {}) if replicating else {}
        return {"sourceServerID": params["sourceServerID"], **_CONFIGURATION, **changed}

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

    def new_id(self, prefix: str) -> str:
        """Return an id that nothing has."""
        self._made += 1
        return f"{prefix}{self._made:017x}"

    def is_extended(self, target: str, arn: str) -> bool:
        """Return whether a staging server is extended into a target."""
        drs = self.drs[Scope(target, arn.split(":")[3])]
        return any(record["stagingArea"].get("stagingSourceServerArn") == arn for record in drs.servers.values())

    def protect(self, scope: Scope, *, tags: Mapping[str, str]) -> str:
        """Add a source server with an instance in the next region; initialize DRS if needed. Return the new id."""
        region = self.regions[(self.regions.index(scope.region) + 1) % len(self.regions)]
        instance = self.new_id("i-")
        entry = {"InstanceId": instance, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        self.instances.setdefault(Scope(scope.account_id, region), {})[instance] = entry
        hints = {"hostname": f"host-{self._made}", "awsInstanceID": instance}
        return self.add_server(scope, hints, Scope(scope.account_id, region))

    def add_server(self, scope: Scope, hints: Mapping[str, str], origin: Scope | None, **members: Any) -> str:
        """Add a source server with these identification hints, from AWS if it has an origin; return its id."""
        drs = self.drs[scope]
        drs.initialized = True
        record: Record = {
            "sourceProperties": {"identificationHints": dict(hints), "cpus": [{"cores": 2}], "ramBytes": 4096},
            "dataReplicationInfo": {"dataReplicationState": "CONTINUOUS"},
            **members,
        }
        if origin is not None:
            record["sourceCloudProperties"] = cloud_properties(origin)
        area = {"status": "NOT_EXTENDED", "stagingAccountID": scope.account_id}
        server_id = str(self._record(scope, drs, record, area)["sourceServerID"])
        if record["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS":
            drs.recoverable.add(server_id)
        return server_id

    def _record(self, scope: Scope, drs: Drs, members: Mapping[str, Any], area: Mapping[str, Any]) -> Record:
        server_id = self.new_id("s-")
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

    def extend(self, scope: Scope, arn: str) -> str:
        """Extend a staging server into a scope; return the id of the new server. Raises ServiceError."""
        found = self.find(arn)
        if found is None or found[0].region != scope.region:
            raise ServiceError("ResourceNotFoundException", "no such source server", status=404)
        if self.is_extended(scope.account_id, arn):
            raise ServiceError("ConflictException", "the server is extended already", status=409)
        origin = self.drs[found[0]].servers[found[1]]
        area = {"status": "EXTENDED", "stagingAccountID": found[0].account_id, "stagingSourceServerArn": arn}
        kept = {name: origin[name] for name in _INHERITED if name in origin}
        return str(self._record(scope, self.drs[scope], kept, area)["sourceServerID"])

    def change(self, scope: Scope, server_id: str, **members: Any) -> None:
        """Change members of a server's record; what its staging server has, an extended one inherits."""
        record = {**self.drs[scope].servers[server_id], **members}
        self.drs[scope].servers[server_id] = record
        inherited = {name: members[name] for name in _INHERITED if name in members}
        if inherited and not record["stagingArea"].get("stagingSourceServerArn"):
            for drs in self.drs.values():
                for each, other in drs.servers.items():
                    if other["stagingArea"].get("stagingSourceServerArn") == record["arn"]:
                        drs.servers[each] = {**other, **inherited}

    def find(self, arn: str) -> tuple[Scope, str] | None:
        """Return scope and id of the server with an ARN; None if there is none."""
        _, _, _, region, account, resource = arn.split(":")
        scope, server_id = Scope(account, region), resource.rpartition("/")[2]
        return (scope, server_id) if scope in self.drs and server_id in self.drs[scope].servers else None

    def replicating(self, scope: Scope, record: Record) -> tuple[Scope, str] | None:
        """Return the server that replicates for a record: of an extended one, its staging server."""
        arn = record["stagingArea"].get("stagingSourceServerArn")
        return self.find(arn) if arn else (scope, record["sourceServerID"])


def cloud_properties(origin: Scope, zone: str = "a") -> Record:
    """Return the sourceCloudProperties of a server from a scope."""
    return {
        "originAccountID": origin.account_id,
        "originRegion": origin.region,
        "originAvailabilityZone": f"{origin.region}{zone}",
    }


def _find(drs: Drs, server_id: str) -> Record:
    if server_id not in drs.servers:
        raise ServiceError("ResourceNotFoundException", "no such source server", status=404)
    return drs.servers[server_id]


_INHERITED: Final[tuple[str, ...]] = ("sourceProperties", "sourceCloudProperties", "dataReplicationInfo")
_CONFIGURATION: Final = {
    "stagingAreaSubnetId": "subnet-1",
    "ebsEncryption": "DEFAULT",
    "dataPlaneRouting": "PRIVATE_IP",
}
OPERATIONS: Final[Mapping[str, Callable[[SimulatedDrs, Scope, Drs, Mapping[str, Any]], dict[str, Any]]]] = {
    "DescribeRecoveryInstances": SimulatedDrs._recovery_instances,
    "DescribeSourceServers": SimulatedDrs._servers,
    "ListExtensibleSourceServers": SimulatedDrs._extensible,
    "ListStagingAccounts": SimulatedDrs._staging_accounts,
    "CreateExtendedSourceServer": SimulatedDrs._extend,
    "DescribeReplicationConfigurationTemplates": SimulatedDrs._templates,
    "GetReplicationConfiguration": SimulatedDrs._configuration,
    "GetLaunchConfiguration": SimulatedDrs._launch,
    "UpdateLaunchConfiguration": SimulatedDrs._update_launch,
    "TagResource": SimulatedDrs._tag,
}
