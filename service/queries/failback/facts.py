"""Facts about a server and its failback, in one value, whether read from a table, from DRS or from an export. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from service.attributes import as_map, as_str
from service.inventory.reader import is_json, is_server, owner_account
from service.topology.history import history_of
from service.topology.keys import is_alias, is_topology
from service.topology.lineage import alias_name, lineage_of_item, normalised_name
from service.topology.origin import AWS, FILLED_LATE, HOSTNAME, ON_PREMISES, known_environment
from service.topology.original import stored_originals

__all__ = [
    "DrsRecord",
    "Facts",
    "RecoveryInstance",
    "facts_of",
    "group",
    "has_name",
    "parse_recovery_instance",
    "with_drs_record",
]


# States of ec2InstanceState. SHUTTING-DOWN comes before TERMINATED and cannot be reversed.
_GONE: Final = frozenset({"SHUTTING-DOWN", "TERMINATED", "NOT_FOUND"})
_STOPPED: Final = frozenset({"STOPPING", "STOPPED"})


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class DrsRecord(_Value):
    """A source server record of DRS. `seen_at`: when it was last read, ISO-8601; `live`: read from DRS just now."""

    arn: str
    account_id: str
    region: str
    direction: str = "FAILOVER"
    state: str = ""
    instance_id: str = ""
    zone: str = ""
    recovery_instance: str = ""
    last_launch: str = ""
    reversed_arn: str = ""
    hostname: str = ""
    fqdn: str = ""
    seen_at: str = ""
    live: bool = False

    @property
    def server_id(self) -> str:
        """The source server id, unique within account and region."""
        return self.arn.rpartition("/")[2]


class RecoveryInstance(_Value):
    """A recovery instance as DRS reports it now; its id is that of the EC2 instance."""

    instance_id: str
    account_id: str
    region: str
    ec2_state: str = ""
    agent_state: str = ""
    failback_state: str = ""
    is_drill: bool = False
    origin_environment: str = ""

    @property
    def is_connected(self) -> bool:
        """Whether DRS can reach its agent; otherwise DRS refuses ReverseReplication."""
        return self.agent_state != "DISCONNECTED" and not self.is_stopped and not self.is_gone

    @property
    def is_gone(self) -> bool:
        """Whether the machine no longer exists, or is about to be destroyed."""
        return self.ec2_state in _GONE

    @property
    def is_stopped(self) -> bool:
        """Whether the machine exists and does not run."""
        return self.ec2_state in _STOPPED


class Facts(_Value):
    """Everything known about one lineage.

    `original` has the members of the topology item; `captured` is whether a topology item records them, which no sync
    overwrites. `recovered` and `failed_back` are the recovery instances on the recovery side and, after a failback, on
    the source side; None when DRS was not read or does not have them. `scopes_read` names the scopes whose DRS was read
    for these facts. `notes` say what could not be read.
    """

    lineage: str
    names: tuple[str, ...] = ()
    original: Annotated[Mapping[str, Any], Field(default_factory=dict)]
    captured: bool = False
    forward: DrsRecord | None = None
    reversed: DrsRecord | None = None
    recovered: RecoveryInstance | None = None
    failed_back: RecoveryInstance | None = None
    scopes_read: Annotated[tuple[str, ...], Field(alias="asked")] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """Return an original value as text; empty when it is not known."""
        return as_str(self.original.get(name))

    @property
    def environments(self) -> frozenset[str | None]:
        """What DRS has told of where the server ran, recorded or live: AWS, ON_PREMISES, none, or both if it differs.

        An ON_PREMISES that an earlier version inferred from missing members is not counted.
        """
        live = self.recovered.origin_environment if self.recovered else ""
        return frozenset(each for each in (known_environment(self.original), live) if each in {AWS, ON_PREMISES})

    @property
    def is_on_premises(self) -> bool:
        """Whether DRS has told that the server ran outside AWS, and nothing that contradicts it."""
        return self.environments == {ON_PREMISES}

    @property
    def host(self) -> str:
        """The host name for people to read; empty when none is known."""
        hostnames = [record.hostname for record in (self.forward, self.reversed) if record and record.hostname]
        return self.text("originalHostname") or next(iter(hostnames), "")


def group(items: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group the items of the inventory and topology tables by lineage.

    A reversed server that an earlier version wrote does not name its lineage: it goes with the server it points at.
    """
    by_lineage: dict[str, list[Mapping[str, Any]]] = {}
    lineages = {}
    all_items = list(items)
    for item in all_items:
        if is_server(item):
            lineages[str(item.get("sourceServerArn"))] = lineage_of_item(item)
    for item in all_items:
        if is_server(item) or is_alias(item) or is_topology(item):
            lineage = lineage_of_item(item)
            # An item may point at an extended record, which itself belongs to the lineage of another server.
            by_lineage.setdefault(lineages.get(lineage, lineage), []).append(item)
    return by_lineage


def facts_of(lineage: str, items: Sequence[Mapping[str, Any]]) -> Facts:
    """Build the facts of a lineage from its items: topology, servers, names. Any of them may be missing."""
    topology = next((item for item in items if is_topology(item)), None)
    servers = [item for item in items if is_server(item)]
    records = [_record(item) for item in servers]
    forward = min(
        (each for each in records if each.direction != "FAILBACK"),
        key=lambda record: _preference(record, lineage),
        default=None,
    )
    own_item = next((item for item in servers if forward and item.get("sourceServerArn") == forward.arn), {})
    names = {alias_name(item) for item in items if is_alias(item)}
    names |= {name for each in records for name in _names(each)} | {normalised_name(lineage)}
    if topology is not None:
        original_names = (topology.get("originalInstanceId"), topology.get("originalHostname"))
        names |= {normalised_name(name) for name in original_names if isinstance(name, str) and name}
    return Facts(
        lineage=lineage,
        names=tuple(sorted(names)),
        original=_original(topology if topology is not None else own_item),
        captured=topology is not None,
        forward=forward,
        reversed=_present_reversed(records, forward),
        history=tuple(entry for entry in history_of(topology or {}) if is_json(entry)),
    )


def _preference(record: DrsRecord, lineage: str) -> tuple[bool, bool, str]:
    """Sort first the record that a recovery instance was launched from, then the server that replicates itself."""
    return not record.recovery_instance, record.arn != lineage, record.arn


def _present_reversed(records: Iterable[DrsRecord], forward: DrsRecord | None) -> DrsRecord | None:
    """Return the reversed server that replicates the present recovery instance, else the one read last."""
    reverses = sorted((each for each in records if each.direction == "FAILBACK"), key=lambda each: each.seen_at)
    present = [each for each in reverses if forward and each.instance_id == forward.recovery_instance]
    return next(iter([*present, *reverses[::-1]]), None)


def _original(item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("captureMethod", FILLED_LATE, HOSTNAME, "sourceSideTemplate")
    original = {**stored_originals(item), **{name: item[name] for name in names if item.get(name)}}
    return {name: value for name, value in original.items() if is_json(value)}


def _names(record: DrsRecord) -> set[str]:
    names = (record.arn, record.instance_id, record.recovery_instance, record.hostname, record.fqdn)
    return {normalised_name(name) for name in names if name}


def _record(item: Mapping[str, Any]) -> DrsRecord:
    """Read an inventory item, also the flat items of early versions."""
    return DrsRecord(
        arn=str(item["sourceServerArn"]),
        account_id=owner_account(item),
        region=as_str(item.get("replicationRegion")),
        direction=as_str(item.get("replicationDirection")) or "FAILOVER",
        state=as_str(item.get("replicationState")),
        instance_id=as_str(item.get("instanceId")),
        zone=as_str(as_map(item.get("sourceCloudProperties")).get("originAvailabilityZone")),
        recovery_instance=as_str(item.get("recoveryInstanceId")),
        last_launch=as_str(item.get("lastLaunchResult")),
        reversed_arn=as_str(item.get("reversedDirectionSourceServerArn")),
        hostname=as_str(item.get("hostname")),
        fqdn=as_str(item.get("fqdn")),
        seen_at=as_str(item.get("lastUpdated")),
    )


def with_drs_record(stored: DrsRecord, record: Mapping[str, Any], *, now: str) -> DrsRecord:
    """Update a stored record with a DescribeSourceServers record read at `now`, ISO-8601."""
    hints = as_map(as_map(record.get("sourceProperties")).get("identificationHints"))
    return stored.model_copy(
        update={
            "direction": as_str(record.get("replicationDirection")) or "FAILOVER",
            "state": as_str(as_map(record.get("dataReplicationInfo")).get("dataReplicationState")),
            "instance_id": as_str(hints.get("awsInstanceID")),
            "zone": as_str(as_map(record.get("sourceCloudProperties")).get("originAvailabilityZone")),
            "hostname": as_str(hints.get("hostname")) or stored.hostname,
            "recovery_instance": as_str(record.get("recoveryInstanceId")),
            "last_launch": as_str(record.get("lastLaunchResult")),
            "reversed_arn": as_str(record.get("reversedDirectionSourceServerArn")),
            "seen_at": now,
            "live": True,
        }
    )


def parse_recovery_instance(record: Mapping[str, Any], account_id: str, region: str) -> RecoveryInstance:
    """Read a DescribeRecoveryInstances record."""
    return RecoveryInstance(
        instance_id=as_str(record.get("ec2InstanceID")) or as_str(record.get("recoveryInstanceID")),
        account_id=account_id,
        region=region,
        ec2_state=as_str(record.get("ec2InstanceState")),
        agent_state=as_str(as_map(record.get("dataReplicationInfo")).get("dataReplicationState")),
        failback_state=as_str(as_map(record.get("failback")).get("state")),
        is_drill=record.get("isDrill") is True,
        origin_environment=as_str(record.get("originEnvironment")),
    )


def has_name(facts: Facts, name: str) -> bool:
    """Whether a server id, ARN, instance id or host name belongs to this lineage."""
    return normalised_name(name) in facts.names or name.strip() == facts.lineage
