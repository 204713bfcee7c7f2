"""One DescribeSourceServers record: the members that decisions are made by, and what counts as a change. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, AliasPath, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.models import ACCOUNT_ID_PATTERN, Scope

__all__ = ["InstanceFacts", "SourceServer", "content_hash", "instance_facts", "parse_server"]

# Raised when the shape of items changes, so that every item is written anew once.
_ITEM_FORMAT: Final = 2

# Members that move all the time without telling anything; the lag is kept in coarse steps instead.
_VOLATILE: Final = frozenset(
    {
        "backloggedStorageBytes",
        "elapsedReplicationDuration",
        "etaDateTime",
        "lagDuration",
        "lastSeenByServiceDateTime",
        "lastUpdatedDateTime",
        "nextAttemptDateTime",
        "replicatedStorageBytes",
        "rescannedStorageBytes",
    }
)
_LAG_STEPS_S: Final = (15 * 60, 3600, 6 * 3600, 24 * 3600)

_ARN: Final = f"arn:[a-z0-9-]+:drs:[a-z0-9-]+:{ACCOUNT_ID_PATTERN}:source-server/[^ ]+"

# These go into calls of their own, and the SDK refuses there what has another form as it refuses what a bug makes. All
# but the first two may be missing, or empty. The pointer at the server of the opposite direction goes stale anyway, so
# one that is no ARN points nowhere and costs the server nothing.
ServerArn = Annotated[str, StringConstraints(pattern=f"^{_ARN}$")]
ServerId = Annotated[str, StringConstraints(pattern="^s-[0-9A-Za-z]{17}$")]
OtherArn = Annotated[str, StringConstraints(pattern=f"^({_ARN})?$")]
AccountId = Annotated[str, StringConstraints(pattern=f"^({ACCOUNT_ID_PATTERN})?$")]
Pointer = Annotated[str | None, AfterValidator(lambda arn: arn if arn and re.fullmatch(_ARN, arn) else None)]
RegionName = Annotated[str, StringConstraints(pattern="^([a-z][a-z0-9-]{0,61}[a-z0-9])?$")]


class _Cpu(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    cores: int = 0


class SourceServer(BaseModel):
    """What we decide by. The record itself is stored whole; members unknown to us are kept as they are."""

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
        OtherArn | None, Field(validation_alias=AliasPath("stagingArea", "stagingSourceServerArn"))
    ] = None
    reversed_arn: Annotated[Pointer, Field(validation_alias="reversedDirectionSourceServerArn")] = None
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
        str | None, Field(validation_alias=AliasPath("sourceProperties", "identificationHints", "awsInstanceID"))
    ] = None
    hostname: Annotated[
        str, Field(validation_alias=AliasPath("sourceProperties", "identificationHints", "hostname"))
    ] = ""
    fqdn: Annotated[str, Field(validation_alias=AliasPath("sourceProperties", "identificationHints", "fqdn"))] = ""
    cpus: Annotated[list[_Cpu], Field(validation_alias=AliasPath("sourceProperties", "cpus"))] = Field(
        default_factory=list
    )
    ram_bytes: Annotated[int, Field(validation_alias=AliasPath("sourceProperties", "ramBytes"))] = 0
    tags: dict[str, str] = Field(default_factory=dict)
    last_launch: Annotated[str | None, Field(validation_alias="lastLaunchResult")] = None
    recovery_instance: Annotated[str | None, Field(validation_alias="recoveryInstanceId")] = None

    @property
    def is_forward(self) -> bool:
        """Whether it protects production; the other kind was made by ReverseReplication."""
        return self.direction != "FAILBACK"

    @property
    def lineage(self) -> str:
        """ARN of the server that replicates; an extended record points at it."""
        return self.staging_arn or self.arn

    @property
    def scope(self) -> Scope:
        """The account and region that it is a record of."""
        return _scope_of(self.arn)

    def replicates_in(self, scope: Scope) -> bool:
        """Whether it replicates into the account that shows it; an extended record replicates elsewhere."""
        return self.staging_account in {None, scope.account_id}

    def origin(self, seen_from: Scope) -> Scope | None:
        """Tell where its EC2 instance lives, None when it has none."""
        if not self.instance_id or not self.instance_id.startswith("i-"):
            return None
        return Scope(self.origin_account or seen_from.account_id, self.origin_region or seen_from.region)

    def points_at(self) -> set[Scope]:
        """Name the places of other servers that this record refers to."""
        return {_scope_of(arn) for arn in (self.reversed_arn, self.staging_arn) if arn}


def _scope_of(arn: str) -> Scope:
    parts = arn.split(":")
    return Scope(parts[4], parts[3])


def parse_server(record: Mapping[str, Any], *, shown_by: Scope | None = None) -> SourceServer | str:
    """Read a record; when it cannot be used, say why instead.

    Args:
        record: of DescribeSourceServers.
        shown_by: the account and region that were asked, whose record it must be; None when that is not known.
    """
    try:
        orjson.dumps(record)  # it is stored whole, whatever else it holds: half a surrogate pair could not be
        server = SourceServer.model_validate(record)
    except orjson.JSONEncodeError as error:
        return f"it cannot be stored: {error}"
    except ValidationError as error:
        return "; ".join(f"{_member(each['loc'])}: {each['msg']}" for each in error.errors())
    if shown_by is not None and server.scope != shown_by:
        return f"its ARN is one of {server.scope.account_id} in {server.scope.region}"
    return server


def _member(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path[:1] if path[:1] == ("tags",) else path))  # of tags not even the keys are told


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What EC2 says of a source instance."""

    tags: Mapping[str, str] = field(default_factory=dict)
    network: Mapping[str, Any] | None = None


def instance_facts(instance: Mapping[str, Any]) -> InstanceFacts:
    """Take from a DescribeInstances record what the inventory keeps."""
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


def content_hash(record: Mapping[str, Any], server: SourceServer, facts: InstanceFacts | None) -> str:
    """Hash what matters of a server; equal hashes mean that a write would tell nothing new."""
    material = {
        "format": _ITEM_FORMAT,
        "record": _without_volatile(record),
        "lag": _lag_step(server.lag),
        "tags": facts.tags if facts else None,
        "network": facts.network if facts else None,
    }
    return hashlib.blake2b(orjson.dumps(material, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _without_volatile(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        # A tag may be called like a volatile member, so tags are taken whole. Most members are plain: looked at here,
        # they save a call each, and hashing is a tenth of a sync's CPU.
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
    """Round a lag to one of five steps, so that jitter is no change and a growing lag is."""
    if lag is None:
        return None
    match = _DURATION.fullmatch(lag.replace("DT", "D"))
    if match is None:
        return -1
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return sum(total > step for step in _LAG_STEPS_S)
