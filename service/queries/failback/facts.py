"""What is known of a server that may have to go back: kept in one value, whatever told it. Pure.

The same value is exported, so that a file from last week can be asked as DRS can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from service.inventory.reader import is_server, owner_account
from service.topology.history import history_of
from service.topology.lineage import alias_name, is_alias, lineage_of_item, normalised_name
from service.topology.original import TOPOLOGY, inventory_copy

__all__ = ["DrsRecord", "Facts", "Machine", "facts_of", "group", "holds", "machine_of", "with_live"]

_TEMPLATE_OF_OLD: Final = "originalReplicationConfigTemplateId"
_TEMPLATE: Final = "originalReplicationConfigurationTemplateId"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class DrsRecord(_Value):
    """A source server record of DRS. `seen_at`: when it was last read, ISO-8601; `live`: just now, from DRS itself."""

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
        """Its id within account and region."""
        return self.arn.rpartition("/")[2]


class Machine(_Value):
    """A recovery instance as DRS tells it now; its id is that of the EC2 instance."""

    instance_id: str
    account_id: str
    region: str
    ec2_state: str = ""
    agent_state: str = ""
    failback_state: str = ""
    is_drill: bool = False

    @property
    def is_connected(self) -> bool:
        """Whether its agent can be told to replicate."""
        return self.agent_state != "DISCONNECTED" and self.ec2_state not in {"STOPPED", "TERMINATED", "NOT_FOUND"}


class Facts(_Value):
    """Everything about one lineage.

    `original` has the members of the topology item, as R13 names them; `captured` tells whether they were taken down
    in an item that nothing overwrites. `recovered` and `failed_back` are the machines launched on the recovery side
    and, for failback, on the source side; None when DRS was not asked or does not have them. `asked` names the places
    that DRS told of just now. `notes` say what could not be read.
    """

    lineage: str
    names: tuple[str, ...] = ()
    original: Annotated[Mapping[str, Any], Field(default_factory=dict)]
    captured: bool = False
    forward: DrsRecord | None = None
    reversed: DrsRecord | None = None
    recovered: Machine | None = None
    failed_back: Machine | None = None
    asked: tuple[str, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """Give an original as text, empty when it is not known."""
        value = self.original.get(name)
        return value if isinstance(value, str) else ""

    @property
    def host(self) -> str:
        """A name for people."""
        told = [record.hostname for record in (self.forward, self.reversed) if record and record.hostname]
        return self.text("originalHostname") or next(iter(told), "")


def group(items: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Sort items of the table by lineage. Reversed servers of earlier writers go with the server they point at."""
    by_lineage: dict[str, list[Mapping[str, Any]]] = {}
    lineages = {}
    listed = list(items)
    for item in listed:
        if is_server(item):
            lineages[str(item.get("sourceServerArn"))] = lineage_of_item(item)
    for item in listed:
        if is_server(item) or is_alias(item) or item.get("stagingAccountId") == TOPOLOGY:
            lineage = lineage_of_item(item)
            # What points at an extended record belongs to the server that this one stands for.
            by_lineage.setdefault(lineages.get(lineage, lineage), []).append(item)
    return by_lineage


def facts_of(lineage: str, items: Sequence[Mapping[str, Any]]) -> Facts:
    """Put together what the table holds of a lineage: topology, records, names; any of them may be missing."""
    topology = next((item for item in items if item.get("stagingAccountId") == TOPOLOGY), None)
    servers = [item for item in items if is_server(item)]
    records = [_record(item) for item in servers]
    forwards = sorted((each for each in records if each.direction != "FAILBACK"), key=lambda e: _rank(e, lineage))
    reverses = sorted((each for each in records if each.direction == "FAILBACK"), key=lambda each: each.seen_at)
    forward = next(iter(forwards), None)
    # Of several the one that replicates the present machine, else the one seen last.
    present = [each for each in reverses if forward and each.instance_id == forward.recovery_instance]
    reverse = next(iter([*present, *reverses[::-1]]), None)
    own = next((item for item in servers if forward and item.get("sourceServerArn") == forward.arn), {})
    source = topology if topology is not None else own
    names = {alias_name(item) for item in items if is_alias(item)}
    names |= {name for each in records for name in _names(each)} | {normalised_name(lineage)}
    if topology is not None:
        told = (topology.get("originalInstanceId"), topology.get("originalHostname"))
        names |= {normalised_name(name) for name in told if isinstance(name, str) and name}
    return Facts(
        lineage=lineage,
        names=tuple(sorted(names)),
        original=_original(source),
        captured=topology is not None,
        forward=forward,
        reversed=reverse,
        history=tuple(history_of(topology or {})),
    )


def _rank(record: DrsRecord, lineage: str) -> tuple[bool, bool, str]:
    """Prefer the record that a machine was launched from; the server that replicates before its extensions."""
    return not record.recovery_instance, record.arn != lineage, record.arn


def _original(item: Mapping[str, Any]) -> dict[str, Any]:
    template = item.get(_TEMPLATE) or item.get(_TEMPLATE_OF_OLD)
    original = inventory_copy({**item, _TEMPLATE: template})
    del original["topologyComplete"]
    more = {name: item[name] for name in ("captureMethod", "originalHostname", "sourceSideTemplate") if item.get(name)}
    return {**original, **more}


def _names(record: DrsRecord) -> set[str]:
    told = (record.arn, record.instance_id, record.recovery_instance, record.hostname, record.fqdn)
    return {normalised_name(name) for name in told if name}


def _record(item: Mapping[str, Any]) -> DrsRecord:
    """Read an inventory item, also a flat one of long ago."""
    return DrsRecord(
        arn=str(item["sourceServerArn"]),
        account_id=owner_account(item),
        region=_text(item.get("replicationRegion")),
        direction=_text(item.get("replicationDirection")) or "FAILOVER",
        state=_text(item.get("replicationState")),
        instance_id=_text(item.get("instanceId")),
        zone=_text(_map(item.get("sourceCloudProperties")).get("originAvailabilityZone")),
        recovery_instance=_text(item.get("recoveryInstanceId")),
        last_launch=_text(item.get("lastLaunchResult")),
        reversed_arn=_text(item.get("reversedDirectionSourceServerArn")),
        hostname=_text(item.get("hostname")),
        fqdn=_text(item.get("fqdn")),
        seen_at=_text(item.get("lastUpdated")),
    )


def with_live(stored: DrsRecord, told: Mapping[str, Any], *, now: str) -> DrsRecord:
    """Replace what moves by what DRS tells now."""
    hints = _map(_map(told.get("sourceProperties")).get("identificationHints"))
    return stored.model_copy(
        update={
            "direction": _text(told.get("replicationDirection")) or "FAILOVER",
            "state": _text(_map(told.get("dataReplicationInfo")).get("dataReplicationState")),
            "instance_id": _text(hints.get("awsInstanceID")),
            "zone": _text(_map(told.get("sourceCloudProperties")).get("originAvailabilityZone")),
            "hostname": _text(hints.get("hostname")) or stored.hostname,
            "recovery_instance": _text(told.get("recoveryInstanceId")),
            "last_launch": _text(told.get("lastLaunchResult")),
            "reversed_arn": _text(told.get("reversedDirectionSourceServerArn")),
            "seen_at": now,
            "live": True,
        }
    )


def machine_of(told: Mapping[str, Any], account_id: str, region: str) -> Machine:
    """Read a DescribeRecoveryInstances record."""
    return Machine(
        instance_id=_text(told.get("ec2InstanceID")) or _text(told.get("recoveryInstanceID")),
        account_id=account_id,
        region=region,
        ec2_state=_text(told.get("ec2InstanceState")),
        agent_state=_text(_map(told.get("dataReplicationInfo")).get("dataReplicationState")),
        failback_state=_text(_map(told.get("failback")).get("state")),
        is_drill=told.get("isDrill") is True,
    )


def holds(facts: Facts, name: str) -> bool:
    """Whether a name is one of this lineage's."""
    return normalised_name(name) in facts.names or name.strip() == facts.lineage


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
