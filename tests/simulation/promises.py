"""The promises as checks: each change to a table or to DRS is compared with the responses its host had received."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from service.aws.attribute_values import decode
from service.models import Call, Scope, parse_iso
from tests.simulation.listings import Listing, proving
from tests.simulation.odd_answers import OddAnswer

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Table
    from tests.simulation.host import Host

__all__ = ["Promises"]

_LOCK_S: Final = 900.0  # a lock older than this is void
_MAX_SKEW_S: Final = 480.0
_SLOW_ANSWER_S: Final = 120.0
_TOPOLOGY: Final = "TOPOLOGY"
_SWITCHED_OFF: Final = {"UnrecognizedClientException", "OptInRequired"}
_NEVER_CHANGES: Final = ("originEnvironment", "captureMethod", "topologyLastUpdated", "sourceSideTemplate")


def _true_originals(topology: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the originals alone: a request that was on its way for minutes may have recorded them at another time."""
    return ((name, value) for name, value in topology.items() if name.startswith("original"))


@dataclass(slots=True)
class Promises:
    """Observer of all hosts. `broken` lists the violations in order."""

    broken: list[str] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    extensible: dict[tuple[Host, str], float] = field(default_factory=dict)
    shown: dict[tuple[Host, str], list[Mapping[str, Any]]] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    frozen_s: float = 0.0  # the longest time for which a process was frozen
    switched_off: dict[Scope, float] = field(default_factory=dict)
    _shown_at: dict[tuple[Host, str], float] = field(default_factory=dict)
    _by_token: dict[tuple[Host, str], Listing] = field(default_factory=dict)
    _actor: Host | None = None
    _extended: dict[tuple[str, str], float] = field(default_factory=dict)
    _acknowledged: set[tuple[int, str, str]] = field(default_factory=set)
    _hash: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    _instance_tags: dict[tuple[Host, str], set[tuple[str, str]]] = field(default_factory=dict)
    _lock_owner: str | None = None
    _owner_of: dict[int, str] = field(default_factory=dict)
    _known_since: dict[Scope, float] = field(default_factory=dict)
    lock_free_at: float = 0.0
    tables: Mapping[str, Table] = field(default_factory=dict)

    def trace(self, host: str, call: Call, outcome: str) -> None:
        """Add an event to the trace."""
        self._hash.update(f"{host} {call} {outcome}\n".encode())

    @property
    def digest(self) -> str:
        """Hash of the trace."""
        return str(self._hash.hexdigest())

    def breaks(self, promise: str, what: object) -> None:
        """Record that a promise was broken."""
        self.broken.append(f"{promise}: {what}")

    # Responses that hosts receive

    def on_response(
        self, host: Host, call: Call, params: Mapping[str, Any], answer: Mapping[str, Any], *, served_at: float
    ) -> None:
        """Record a response that arrived; it was true at `served_at`."""
        scope = Scope(call.account_id, call.region)
        if call.operation == "DescribeSourceServers" and not params.get("filters"):
            self._page(host, scope, params, answer, served_at)
        elif call.operation == "ListExtensibleSourceServers":
            for each in answer["items"]:
                self.extensible[host, each["arn"]] = served_at
        elif call.operation == "CreateExtendedSourceServer":
            self._acknowledged.add((host.run_number, call.account_id, params["sourceServerArn"]))
        elif call.operation == "DescribeInstances":
            for reservation in answer["Reservations"]:
                for each in reservation["Instances"]:
                    tags = self._instance_tags.setdefault((host, each["InstanceId"]), set())
                    tags.update((tag["Key"], tag["Value"]) for tag in each["Tags"])

    def on_error(self, host: Host, call: Call, code: str, *, is_odd: bool = False) -> None:
        """Record an error response: a listing is empty if the code, whatever the text, says "not initialized"."""
        if call.operation != "DescribeSourceServers":
            return
        scope, now = Scope(call.account_id, call.region), host.loop.time()
        if code == "UninitializedAccountException":
            listing = Listing(host, scope, now, complete=True, is_uninitialized=True, is_odd=is_odd)
            self.listings.append(listing)
        elif code in _SWITCHED_OFF:
            self.switched_off[scope] = now

    def _page(
        self, host: Host, scope: Scope, params: Mapping[str, Any], answer: Mapping[str, Any], served_at: float
    ) -> None:
        token = params.get("nextToken")
        if token is None:
            listing = Listing(host, scope, served_at, is_odd=isinstance(answer, OddAnswer))
            self.listings.append(listing)
        else:
            listing = self._by_token[host, token]
        for record in answer["items"]:
            listing.lags[record["arn"]] = record["dataReplicationInfo"]["lagDuration"]
            self.shown.setdefault((host, record["arn"]), []).append(record)
            self._shown_at[host, record["arn"]] = served_at
            if record["stagingArea"]["stagingAccountID"] == scope.account_id:
                self.extensible[host, record["arn"]] = served_at
        if "nextToken" in answer:
            self._by_token[host, answer["nextToken"]] = listing
        else:
            listing.complete = True

    # Changes that hosts make

    @contextmanager
    def during_call(self, host: Host, call: Call, params: Mapping[str, Any], *, late: bool = False) -> Iterator[None]:
        """Check what a call changes against the responses its host had received.

        A `late` call was sent before its host received later responses, so extensions are not checked for it.
        """
        self._actor = host
        try:
            if call.operation == "TagResource":
                self._check_tags(host, params)
            elif call.operation == "CreateExtendedSourceServer" and not late:
                self._check_extension(host, call, str(params["sourceServerArn"]))
            yield
            if call.operation == "CreateExtendedSourceServer":
                self._extended[call.account_id, params["sourceServerArn"]] = host.loop.time()
        finally:
            self._actor = None

    def on_change(self, table: str, key: tuple[str, ...], before: Mapping[str, Any] | None, after: Any) -> None:
        """Check a change of an item."""
        if self._actor is None:
            return
        if table == "drs_region_status_table":
            self._check_counts(key[0], before, after)
        elif table == "source_server_inventory_table":
            self._check_inventory(key, before, after)
        elif table == "source_server_topology_table":
            self._check_own_table(key, before, after)
        elif table == "tag_sync_config_table" and key[0] == "_tag_sync_lock":
            self._check_lock(decode(after))
        elif table == "target_accounts_table" and after is None:
            self.breaks("no record vanishes", f"target account {key[0]}")

    def _check_inventory(self, key: tuple[str, ...], before: Mapping[str, Any] | None, after: Any) -> None:
        if key[1] == _TOPOLOGY:
            self._check_topology_of_earlier_version(key[0], before, after)
        elif key[1].isdigit():
            self._check_item(key[0], before, after)

    def _check_own_table(self, key: tuple[str, ...], before: Mapping[str, Any] | None, after: Any) -> None:
        if key[1] == _TOPOLOGY:
            self._check_topology(key[0], before, after)
        elif key[1].startswith("values#"):
            self._check_values(key[0], before, after)

    # The lock of the tag sync

    def _check_lock(self, lock: Mapping[str, Any]) -> None:
        host = self._actor
        assert host is not None
        if lock["status"] == "IN_PROGRESS":
            self._lock_owner = self._owner_of[host.run_number] = lock["owner"]
            self.lock_free_at = host.loop.time() + _LOCK_S + (0.0 if host.aws.same_clocks else _MAX_SKEW_S)
        else:
            self._lock_owner, self.lock_free_at = None, host.loop.time()

    def before_send(self, host: Host, operation: str) -> None:
        """Check that the sender of a write has the lock; a request already on its way may still arrive."""
        if operation not in {"TagResource", "UpdateLaunchConfiguration"} or not host.aws.same_clocks:
            return
        if self._lock_owner is not None and self._owner_of.get(host.run_number) != self._lock_owner:
            self.breaks("a run that lost the lock sends nothing more", f"{operation} of {host.name}")

    def was_locked_out(self, host: Host) -> None:
        """Check that a run was rejected by a lock that is still valid."""
        if not host.frozen_s and host.loop.time() > self.lock_free_at + _SLOW_ANSWER_S:
            self.breaks("no sync is blocked for longer than the lease", f"{host.name} at {host.loop.time():.0f} s")

    def _check_counts(self, region: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        host = self._actor
        assert host is not None
        if after is None:
            self.breaks("a failed scan never changes a count", f"the row of {region} was deleted")
            return
        old = decode(before).get("accounts", {}) if before else {}
        row = decode(after)
        new = row.get("accounts", {})
        for account_id in old.keys() - new.keys():
            self.breaks("a failed scan never changes a count", f"{account_id} vanished from the row of {region}")
        for account_id, entry in new.items():
            previous = old.get(account_id, {})
            fact = (entry.get("serverCount"), entry.get("lastComplete"))
            if fact != (previous.get("serverCount"), previous.get("lastComplete")):
                self._check_count(host, Scope(account_id, region), *fact, previous.get("serverCount") or 0)
                if entry.get("serverCount"):
                    self._known_since.setdefault(Scope(account_id, region), host.loop.time())
                else:
                    self._known_since.pop(Scope(account_id, region), None)
        total = sum(entry.get("serverCount") or 0 for entry in new.values())
        if row["serverCount"] < total:
            self.breaks("a failed scan never changes a count", f"{region} says {row['serverCount']} of {total}")

    def _check_count(self, host: Host, scope: Scope, count: int | None, at: str | None, known: int) -> None:
        """Check a count against the host's listings; an answer that was not true may at most raise the count."""
        moment = parse_iso(at)
        if count is None or moment is None:
            self.breaks("a failed scan never changes a count", f"{scope} lost its count")
            return
        proofs = proving(self.listings, host, scope, known_since=self._known_since.get(scope))
        proofs += [
            each
            for each in self.listings
            if each.host is host and each.scope == scope and each.is_odd and count >= known
        ]
        if not any(each.began_on_host_clock >= moment and len(each.arns) == count for each in proofs):
            self.breaks("a failed scan never changes a count", f"{scope} counts {count} at {at}, which no scan proves")

    def _check_item(self, arn: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        host = self._actor
        assert host is not None
        scope = Scope(*reversed(arn.split(":")[3:5]))
        if after is None:
            self._check_removal(host, scope, arn)
            return
        self.written[arn] = self._shown_at.get((host, arn), 0.0)
        item, records = decode(after), self.shown.get((host, arn), ())
        if item.get("_queryAccount") != scope.account_id or item.get("replicationRegion") != scope.region:
            self.breaks("one account costs only itself", f"{arn} was written for {item.get('_queryAccount')}")
        if before is not None and before.get("replicationState") == after.get("replicationState"):
            return  # written by another host and unchanged here
        if not any(item["replicationState"] == each["dataReplicationInfo"]["dataReplicationState"] for each in records):
            self.breaks("nothing is made up", f"{arn} is {item['replicationState']}, which its host was never shown")

    def _check_removal(self, host: Host, scope: Scope, arn: str) -> None:
        proofs = proving(self.listings, host, scope, known_since=self._known_since.get(scope))
        absent = [each for each in proofs if arn not in each.arns]
        if not absent:
            self.breaks("no record vanishes without a complete scan", arn)
        elif host.aws.same_clocks and not any(each.began >= self.written.get(arn, 0.0) for each in absent):
            self.breaks("no record vanishes without a complete scan", f"{arn} was shown to its writer after the scan")

    def _check_values(self, key: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        host, new = self._actor, decode(after)
        scope, moment = Scope(*key.split("#")[1:]), parse_iso(new["scannedAt"])
        assert moment is not None
        if before is not None and decode(before)["scannedAt"] >= new["scannedAt"]:
            self.breaks("an older scan never overwrites moving values", f"{scope} at {moment}")
        complete = [each for each in self.listings if each.host is host and each.scope == scope and each.complete]
        if not any(each.began_on_host_clock >= moment and len(each.arns) >= new["servers"] for each in complete):
            self.breaks("moving values are those of a complete scan", f"{new['servers']} of {scope} at {moment}")

    def _check_topology(self, lineage: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        if after is None:
            self.breaks("original topology is never lost", lineage)
            return
        old, new = decode(before) if before else {}, decode(after)
        for name, value in old.items():
            if (name.startswith("original") or name in _NEVER_CHANGES) and new.get(name) != value:
                self.breaks(
                    "original topology is never changed", f"{name} of {lineage} was {value}, is {new.get(name)}"
                )
        earlier = decode(self._topology_in("source_server_inventory_table", lineage))
        if before is None and any(new.get(name, value) != value for name, value in _true_originals(earlier)):
            self.breaks("original topology is never changed", f"{lineage} was {earlier}, is {new}")
        if before is None and not earlier:
            self._check_first_topology(lineage, new)

    def _check_topology_of_earlier_version(self, lineage: str, before: Any, after: Any) -> None:
        """Check that an item leaves the inventory table only when the topology table has all its originals."""
        if after is not None:  # a run that could not use the topology table has kept it here, until a later one can
            return
        old, new = decode(before), decode(self._topology_in("source_server_topology_table", lineage))
        for name, value in _true_originals(old):
            if new.get(name) != value:
                self.breaks("original topology is never lost", f"{name} of {lineage} was {value}, is {new.get(name)}")

    def _topology_in(self, table: str, lineage: str) -> Mapping[str, Any]:
        return self.tables[table].items.get((lineage, _TOPOLOGY), {})

    def _check_first_topology(self, lineage: str, topology: Mapping[str, Any]) -> None:
        host = self._actor
        assert host is not None
        records = [each for (owner, _), received in self.shown.items() if owner is host for each in received]
        of_lineage = [
            each for each in records if lineage in {each["arn"], each["stagingArea"].get("stagingSourceServerArn")}
        ]
        regions = {each.get("sourceCloudProperties", {}).get("originRegion") for each in of_lineage}
        regions |= self._copied_regions(lineage)
        if topology.get("originalSourceRegion") not in regions:
            self.breaks("original topology is true", f"{lineage} from {topology.get('originalSourceRegion')}")

    def _copied_regions(self, lineage: str) -> set[str]:
        """Return the regions of origin that items of servers have a copy of: an earlier run could not use the table."""
        items = [decode(item) for item in self.tables["source_server_inventory_table"].items.values()]
        copies = (item for item in items if item.get("lineageArn") == lineage)  # names of a lineage have no region
        return {item["originalSourceRegion"] for item in copies if "originalSourceRegion" in item}

    def _check_extension(self, host: Host, call: Call, arn: str) -> None:
        """Check an extension; a repeat is allowed only if the first response was lost or another host was faster."""
        shown_at = self.extensible.get((host, arn))
        if shown_at is None:
            self.breaks("no server is extended because of a failed read", arn)
        elif host.aws.is_extended(call.account_id, arn):
            if self._extended[call.account_id, arn] < shown_at:
                self.breaks("no server is extended because of a failed read", f"{arn} was extended before")
            if (host.run_number, call.account_id, arn) in self._acknowledged:
                self.breaks("no server is extended twice", arn)
        else:
            self._acknowledged.discard((host.run_number, call.account_id, arn))

    def _check_tags(self, host: Host, params: Mapping[str, Any]) -> None:
        wanted = set(params["tags"].items())
        shown = {pair for (owner, _), tags in self._instance_tags.items() if owner is host for pair in tags}
        if not wanted <= shown:
            self.breaks("no tag is made up", f"{params['resourceArn']} got {sorted(wanted - shown)}")
