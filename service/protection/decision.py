"""Whether a source server protects an EC2 instance, and why not. Pure.

An instance is protected if a source server replicates from it now, in whatever state; how well it replicates is for the
posture of that server to say. What DRS runs for itself, what no longer runs and what is not of the account is left out,
and counted by kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from service.models import Scope

__all__ = [
    "Instance",
    "LeftOut",
    "Protected",
    "ProtectionTally",
    "Reason",
    "ServerIndex",
    "SourceRef",
    "TagFilter",
    "Unprotected",
    "decide",
]

# Tag keys that DRS sets on instances that it launches. Its own role may launch none without the first.
_LAUNCHED_BY_DRS: Final = frozenset(
    {"AWSElasticDisasterRecoveryManaged", "AWSElasticDisasterRecoverySourceServerID", "drs.amazonaws.com-source-server"}
)
_REPLICATION_NAME: Final = "AWS Elastic Disaster Recovery Replication Server"
_CONVERSION_NAME: Final = "AWS Elastic Disaster Recovery Conversion Server"
_REPLICATION_PROFILE: Final = "AWSElasticDisasterRecoveryReplicationServerRole"
_CONVERSION_PROFILE: Final = "AWSElasticDisasterRecoveryConversionServerRole"
_GONE: Final = frozenset({"shutting-down", "terminated"})
_DISCONNECTED: Final = "DISCONNECTED"
_STOPPED: Final = "STOPPED"


class LeftOut(StrEnum):
    """Kind of an instance that is not asked whether it is protected; its value is a member of documents."""

    REPLICATION_SERVER = "replicationServers"
    CONVERSION_SERVER = "conversionServers"
    RECOVERY_INSTANCE = "recoveryInstances"
    """DRS launched it in a drill or a recovery, and no source server replicates from it."""
    TERMINATED = "terminated"
    OTHER_ACCOUNT = "otherAccounts"
    """EC2 shows it to the account, and another account owns it."""
    OTHER_TAGS = "otherTags"
    """It lacks a tag that was asked for."""


class Reason(StrEnum):
    """Why an instance is not protected."""

    NO_SOURCE_SERVER = "NO_SOURCE_SERVER"
    SERVER_MOVED = "SERVER_MOVED"
    SERVER_STOPPED = "SERVER_STOPPED"
    SERVER_DISCONNECTED = "SERVER_DISCONNECTED"


_WHY: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.NO_SOURCE_SERVER: "no source server has this instance as its source",
        Reason.SERVER_MOVED: "its source server {server} replicates from another instance now",
        Reason.SERVER_STOPPED: "replication of its source server {server} was stopped",
        Reason.SERVER_DISCONNECTED: "its source server {server} is disconnected",
    }
)
# From the best to the worst, if several source servers had the instance as their source.
_ORDER: Final = (None, Reason.SERVER_STOPPED, Reason.SERVER_DISCONNECTED, Reason.SERVER_MOVED)


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance, as DescribeInstances shows it.

    Args:
        instance_id: its id.
        owner: the account that owns it; empty where EC2 does not tell, which it always does.
        state: such as `running`.
        tags: its tags.
        profile: name of its instance profile, without path; empty for none.
        instance_type: such as `m5.large`.
    """

    instance_id: str
    owner: str = ""
    state: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    instance_type: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any], owner: str) -> Self:
        """Read a record of DescribeInstances, of which only the id is certain to be there; a tag without key is none.

        Args:
            record: the record.
            owner: `OwnerId` of its reservation.
        """
        return cls(
            record["InstanceId"],
            owner,
            record.get("State", {}).get("Name", ""),
            {tag["Key"]: tag.get("Value", "") for tag in record.get("Tags", []) if "Key" in tag},
            record.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2],
            record.get("InstanceType", ""),
        )

    @property
    def name(self) -> str:
        """Its Name tag; empty if it has none."""
        return self.tags.get("Name", "")


@dataclass(frozen=True, slots=True)
class SourceRef:
    """The instances that one source server replicates or has launched, by its inventory item.

    Args:
        arn: its ARN.
        state: its replication state.
        instance_id: the instance that it replicates from; empty where it is not known, or no EC2 instance.
        original_id: the instance that it replicated from when it was first seen; empty where it is not known.
        recovery_id: the instance that it launched last; empty for none.
        origins: accounts and regions of these source instances.
    """

    arn: str
    state: str = ""
    instance_id: str = ""
    original_id: str = ""
    recovery_id: str = ""
    origins: frozenset[Scope] = frozenset()

    @property
    def server_id(self) -> str:
        """Its id: the last part of its ARN."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one source server is to an instance: `reason` is why it does not protect it, None if it does."""

    reason: Reason | None
    server_id: str

    @property
    def rank(self) -> tuple[int, str]:
        return _ORDER.index(self.reason), self.server_id


class ServerIndex:
    """Source servers by the instances that they replicate from, and the instances that they launched."""

    def __init__(self, servers: Iterable[SourceRef] = ()) -> None:
        self._claims: dict[str, _Claim] = {}
        self._recovery_ids: set[str] = set()
        self.servers = 0
        for server in servers:
            self.add(server)

    def add(self, server: SourceRef) -> None:
        """Add a source server. Where it is not known what it replicates from now, what is recorded counts."""
        self.servers += 1
        current = server.instance_id or server.original_id
        if current:
            self._claim(current, _Claim(_ended(server.state), server.server_id))
        if server.original_id not in {"", current}:
            self._claim(server.original_id, _Claim(Reason.SERVER_MOVED, server.server_id))
        if server.recovery_id:
            self._recovery_ids.add(server.recovery_id)

    def _claim(self, instance_id: str, claim: _Claim) -> None:
        known = self._claims.get(instance_id)
        if known is None or claim.rank < known.rank:
            self._claims[instance_id] = claim

    def verdict_of(self, instance_id: str) -> Protected | Unprotected:
        """Return whether a source server replicates from an instance, and why not if none does."""
        claim = self._claims.get(instance_id)
        if claim is None:
            return Unprotected(Reason.NO_SOURCE_SERVER)
        return Protected(claim.server_id) if claim.reason is None else Unprotected(claim.reason, claim.server_id)

    def has_launched(self, instance_id: str) -> bool:
        """Whether a source server launched an instance in its last drill or recovery."""
        return instance_id in self._recovery_ids


def _ended(state: str) -> Reason | None:
    return {_STOPPED: Reason.SERVER_STOPPED, _DISCONNECTED: Reason.SERVER_DISCONNECTED}.get(state)


@dataclass(frozen=True, slots=True)
class Protected:
    """A source server replicates from the instance."""

    server_id: str


@dataclass(frozen=True, slots=True)
class Unprotected:
    """No source server replicates from the instance; `server_id` names the one that did, empty for none."""

    reason: Reason
    server_id: str = ""

    @property
    def why(self) -> str:
        """The reason as a sentence."""
        return _WHY[self.reason].format(server=self.server_id)


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Tags that an instance must have to be asked about: all of them; a value of None stands for any."""

    wanted: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Read `key=value` and `key`. The key ends at the first `=`.

        Raises:
            ValueError: a text has no key.
        """
        wanted: list[tuple[str, str | None]] = []
        for text in texts:
            key, separator, value = text.partition("=")
            if not key.strip():
                raise ValueError(f"{text!r} has no key: key=value is expected, or key for any value")
            wanted.append((key, value if separator else None))
        return cls(tuple(wanted))

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.wanted)

    def matches(self, tags: Mapping[str, str]) -> bool:
        """Whether tags have all that is wanted."""
        return all(key in tags and value in {None, tags[key]} for key, value in self.wanted)


_ANY_TAGS: Final = TagFilter()


def decide(
    instance: Instance, *, account_id: str, servers: ServerIndex, tags: TagFilter = _ANY_TAGS
) -> Protected | Unprotected | LeftOut:
    """Decide whether an instance is protected, or left out.

    What DRS made is left out only if no source server replicates from it: after a recovery, a recovery instance that is
    protected in turn counts as protected.

    Args:
        instance: the instance.
        account_id: the account that was asked.
        servers: every source server that is known.
        tags: tags that it must have to be asked about.
    """
    left_out = _left_out(instance, account_id, tags)
    if left_out is not None:
        return left_out
    verdict = servers.verdict_of(instance.instance_id)
    is_launched = _kind_of_drs(instance) is not None or servers.has_launched(instance.instance_id)
    return LeftOut.RECOVERY_INSTANCE if is_launched and isinstance(verdict, Unprotected) else verdict


def _left_out(instance: Instance, account_id: str, tags: TagFilter) -> LeftOut | None:
    """Return why an instance is left out whether or not it is protected; None if it is not."""
    if instance.owner not in {"", account_id}:
        return LeftOut.OTHER_ACCOUNT
    if instance.state in _GONE:
        return LeftOut.TERMINATED
    kind = _kind_of_drs(instance)
    if kind in {LeftOut.REPLICATION_SERVER, LeftOut.CONVERSION_SERVER}:
        return kind
    return None if tags.matches(instance.tags) else LeftOut.OTHER_TAGS


def _kind_of_drs(instance: Instance) -> LeftOut | None:
    """Return what an instance is to DRS, which must have marked it: a name alone proves nothing."""
    if instance.profile == _REPLICATION_PROFILE:
        return LeftOut.REPLICATION_SERVER
    if instance.profile == _CONVERSION_PROFILE:
        return LeftOut.CONVERSION_SERVER
    if not _LAUNCHED_BY_DRS & instance.tags.keys():
        return None
    by_name = {_REPLICATION_NAME: LeftOut.REPLICATION_SERVER, _CONVERSION_NAME: LeftOut.CONVERSION_SERVER}
    return by_name.get(instance.name, LeftOut.RECOVERY_INSTANCE)


@dataclass(slots=True)
class ProtectionTally:
    """Instances of one account and region, each counted once, and those that are not protected."""

    protected: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    unprotected: list[tuple[Instance, Unprotected]] = field(default_factory=list)

    def add(self, instance: Instance, verdict: Protected | Unprotected | LeftOut) -> None:
        """Count an instance."""
        match verdict:
            case Protected():
                self.protected += 1
            case Unprotected():
                self.reasons[verdict.reason] += 1
                tags = {"Name": instance.name} if instance.name else {}  # the others would be most of the memory
                self.unprotected.append((replace(instance, tags=tags), verdict))
            case LeftOut():
                self.left_out[verdict] += 1

    @property
    def instances(self) -> int:
        """How many there are."""
        return self.protected + len(self.unprotected) + self.left_out.total()
