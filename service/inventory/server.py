"""A DescribeSourceServers record: the members that the sync reads, and the hash that detects changes. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, AliasPath, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.inventory.moving_values import MovingValues, not_understood
from service.models import ACCOUNT_ID_PATTERN, OddRecord, Scope

__all__ = ["InstanceFacts", "SourceServer", "content_hash", "instance_facts", "name_of_record", "parse_server"]

# Part of the content hash: increase it when the format of items changes, so that every item is rewritten once.
_ITEM_FORMAT: Final = 3

# Members that change all the time: moving values, and the steps of setting up replication, which DRS repeats for a
# server that cannot be set up. What they lead to is hashed: the replication state, the error, the last launch.
_VOLATILE: Final = frozenset(
    {
        "backloggedStorageBytes",
        "dataReplicationInitiation",
        "elapsedReplicationDuration",
        "etaDateTime",
        "lagDuration",
        "lastSeenByServiceDateTime",
        "lastUpdatedDateTime",
        "replicatedStorageBytes",
        "rescannedStorageBytes",
    }
)
_LAG_STEPS_S: Final = (15 * 60, 3600, 6 * 3600, 24 * 3600)

_ARN: Final = f"arn:[a-z0-9-]+:drs:[a-z0-9-]+:{ACCOUNT_ID_PATTERN}:source-server/[^ :/]+"

# These values become parameters of other calls, and the SDK raises the same exception for a malformed one as for a bug.
# All but the first two may be missing or empty. A malformed ARN of the server of the opposite direction is ignored, as
# that ARN may be outdated anyway.
# Texts that become keys of tables are as long as DynamoDB takes them. A sort key, of 1,024 bytes, holds a prefix and an
# ARN; a partition key, of 2,048, a prefix and a name with up to 4 bytes per character. DRS itself takes 256 characters.
_MAX_ARN: Final = 900
_MAX_NAME: Final = 500
_MAX_SHOWN: Final = 100  # characters of the name of a record that cannot be used
ServerArn = Annotated[str, StringConstraints(pattern=f"^{_ARN}$", max_length=_MAX_ARN)]
ServerId = Annotated[str, StringConstraints(pattern="^s-[0-9A-Za-z]{17}$")]
OptionalArn = Annotated[str, StringConstraints(pattern=f"^({_ARN})?$", max_length=_MAX_ARN)]
Name = Annotated[str, StringConstraints(max_length=_MAX_NAME)]
AccountId = Annotated[str, StringConstraints(pattern=f"^({ACCOUNT_ID_PATTERN})?$")]
ReversedArn = Annotated[str | None, AfterValidator(lambda arn: arn if arn and _is_arn(arn) else None)]
RegionName = Annotated[str, StringConstraints(pattern="^([a-z][a-z0-9-]{0,61}[a-z0-9])?$")]


def _is_arn(text: str) -> bool:
    return len(text) <= _MAX_ARN and re.fullmatch(_ARN, text) is not None


class _Cpu(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    cores: int = 0


class SourceServer(BaseModel):
    """The members that the sync reads. The record is stored whole, including members that are unknown here."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    arn: ServerArn
    server_id: Annotated[ServerId, Field(validation_alias="sourceServerID")]
    direction: Annotated[str, Field(validation_alias="replicationDirection")] = "FAILOVER"
    state: Annotated[str, Field(validation_alias=AliasPath("dataReplicationInfo", "dataReplicationState"))] = ""
    lag: Annotated[str | None, Field(validation_alias=AliasPath("dataReplicationInfo", "lagDuration"))] = None
    staging_account: Annotated[
        AccountId | None, Field(validation_alias=AliasPath("stagingArea", "stagingAccountID"))
    ] = None
    staging_arn: Annotated[
        OptionalArn | None, Field(validation_alias=AliasPath("stagingArea", "stagingSourceServerArn"))
    ] = None
    reversed_arn: Annotated[ReversedArn, Field(validation_alias="reversedDirectionSourceServerArn")] = None
    origin_account: Annotated[
        AccountId | None, Field(validation_alias=AliasPath("sourceCloudProperties", "originAccountID"))
    ] = None
    origin_region: Annotated[
        RegionName | None, Field(validation_alias=AliasPath("sourceCloudProperties", "originRegion"))
    ] = None
    origin_zone: Annotated[
        str | None, Field(validation_alias=AliasPath("sourceCloudProperties", "originAvailabilityZone"))
    ] = None
    instance_id: Annotated[
        Name | None, Field(validation_alias=AliasPath("sourceProperties", "identificationHints", "awsInstanceID"))
    ] = None
    hostname: Annotated[
        Name, Field(validation_alias=AliasPath("sourceProperties", "identificationHints", "hostname"))
    ] = ""
    fqdn: Annotated[Name, Field(validation_alias=AliasPath("sourceProperties", "identificationHints", "fqdn"))] = ""
    vmware_uuid: Annotated[
        str | None, Field(validation_alias=AliasPath("sourceProperties", "identificationHints", "vmWareUuid"))
    ] = None
    cpus: Annotated[list[_Cpu], Field(validation_alias=AliasPath("sourceProperties", "cpus"))] = Field(
        default_factory=list
    )
    ram_bytes: Annotated[int, Field(validation_alias=AliasPath("sourceProperties", "ramBytes"))] = 0
    tags: dict[str, str] = Field(default_factory=dict)
    last_launch: Annotated[str | None, Field(validation_alias="lastLaunchResult")] = None
    recovery_instance: Annotated[Name | None, Field(validation_alias="recoveryInstanceId")] = None

    @property
    def is_forward(self) -> bool:
        """Whether it replicates towards the recovery site; FAILBACK servers are created by ReverseReplication."""
        return self.direction != "FAILBACK"

    @property
    def lineage(self) -> str:
        """ARN of the server that replicates, which an extended server refers to."""
        return self.staging_arn or self.arn

    @property
    def scope(self) -> Scope:
        """The account and region of its ARN."""
        return _scope_of(self.arn)

    def replication_scope(self, scope: Scope) -> Scope:
        """Return the scope in which it replicates: for an extended server that of its staging account."""
        return Scope(self.staging_account or scope.account_id, _scope_of(self.lineage).region)

    def origin(self, scope: Scope) -> Scope | None:
        """Return the account and region of its EC2 instance, by default those of `scope`; None without an instance."""
        if not self.instance_id or not self.instance_id.startswith("i-"):
            return None
        return Scope(self.origin_account or scope.account_id, self.origin_region or scope.region)

    def referenced_scopes(self) -> set[Scope]:
        """Return the scopes of the other servers that the record refers to."""
        return {_scope_of(arn) for arn in (self.reversed_arn, self.staging_arn) if arn}


def _scope_of(arn: str) -> Scope:
    parts = arn.split(":")
    return Scope(parts[4], parts[3])


def parse_server(record: Mapping[str, Any], *, reported_by: Scope | None = None) -> SourceServer | str:
    """Parse a DescribeSourceServers record; return why it cannot be used if it cannot.

    Args:
        record: the record.
        reported_by: the scope whose DRS returned the record, and which its ARN must belong to; None to accept any.
    """
    if isinstance(record, OddRecord):
        return record.why
    try:
        orjson.dumps(record)  # the whole record is stored, and unpaired surrogates cannot be
        server = SourceServer.model_validate(record)
    except orjson.JSONEncodeError as error:
        return f"it cannot be stored: {error}"
    except ValidationError as error:
        return "; ".join(f"{_member(each['loc'])}: {each['msg']}" for each in error.errors())
    if reported_by is not None and server.scope != reported_by:
        return f"its ARN is one of {server.scope.account_id} in {server.scope.region}"
    return server


def name_of_record(record: Mapping[str, Any]) -> str:
    """Return a short name for a record that cannot be used: its id, else its ARN, as far as it has one."""
    names = (record.get("sourceServerID"), record.get("arn"))
    found = next((name for name in names if isinstance(name, str) and name), "a server without an id")
    return found if len(found) <= _MAX_SHOWN else f"{found[:_MAX_SHOWN]}..."


def _member(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path[:1] if path[:1] == ("tags",) else path))  # tags may be confidential, even their keys


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """Tags and network of a source instance, as read from EC2."""

    tags: Mapping[str, str] = field(default_factory=dict)
    network: Mapping[str, Any] | None = None


def instance_facts(instance: Mapping[str, Any]) -> InstanceFacts:
    """Extract from a DescribeInstances record what the inventory stores."""
    return InstanceFacts(
        tags={tag["Key"]: tag.get("Value", "") for tag in instance.get("Tags", [])},
        network={
            "vpcId": instance.get("VpcId", ""),
            "subnetId": instance.get("SubnetId", ""),
            "privateIp": instance.get("PrivateIpAddress", ""),
            "securityGroups": sorted(group["GroupId"] for group in instance.get("SecurityGroups", [])),
            "instanceProfile": instance.get("IamInstanceProfile", {}).get("Arn", ""),
        },
    )


def content_hash(
    record: Mapping[str, Any], server: SourceServer, facts: InstanceFacts | None, moving: MovingValues | None = None
) -> str:
    """Hash a server without its volatile members; equal hashes mean that a write would change nothing that matters.

    Args:
        record: the DescribeSourceServers record.
        server: the same record, parsed.
        facts: tags and network of its instance.
        moving: its moving values, where they are kept apart from its item. Then the item need not follow the lag; but
            a value that cannot be kept there because it cannot be understood is in the item alone. None: the item
            follows the lag in coarse steps.
    """
    material = {
        "format": _ITEM_FORMAT,
        "record": _without_volatile(record),
        "lag": _lag_step(server.lag) if moving is None else not_understood(record, moving),
        "tags": facts.tags if facts else None,
        "network": facts.network if facts else None,
    }
    return hashlib.blake2b(orjson.dumps(material, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _without_volatile(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        # A tag may have the name of a volatile member, so tags are hashed whole. Plain values are tested here to save a
        # call for each: hashing takes a tenth of the CPU time of a sync.
        return {
            key: inner if key == "tags" or type(inner) in _PLAIN else _without_volatile(inner)
            for key, inner in value.items()
            if key not in _VOLATILE
        }
    if isinstance(value, list):
        return [_without_volatile(inner) for inner in value]
    return value


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


_DURATION: Final = re.compile(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?")


def _lag_step(lag: str | None) -> int | None:
    """Round a lag to one of five steps, so that jitter is not a change and a growing lag is."""
    if lag is None:
        return None
    match = _DURATION.fullmatch(lag.replace("DT", "D"))
    if match is None:
        return -1
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return sum(total > step for step in _LAG_STEPS_S)
