"""One history of a lineage: steps of its failback between inventory syncs under faults, and the promises about it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import anyio

from service.aws.attribute_values import decode
from service.context import SyncRequest
from service.errors import DrsSyncError, RefusalError
from service.inventory.server import SourceServer, parse_server
from service.models import Call
from service.queries.failback.query import FailbackQuery
from service.topology.lineage import server_names
from tests.simulation.aws import SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.dynamodb import ServiceError
from tests.simulation.failback import A1, HOST, RECOVERY, SOURCE, SimulatedLineage
from tests.simulation.fault_injection import FAULT_KINDS, FaultInjector
from tests.simulation.history import HistoryResult, quiet
from tests.simulation.host import Host, Killed, settings
from tests.simulation.promises import Promises

__all__ = ["FailbackHistory", "play_failback"]

_ACCOUNTS: Final = ("200000000001", "200000000002", "200000000003")
_KINDS: Final[Mapping[str, int]] = MappingProxyType(
    {"plain": 2, "same account": 1, "extended": 3, "zone": 1, "premises": 1}
)
"""Kinds of lineages, with the number of accounts that each concerns."""
_LIFE: Final = ("recover", "reverse", "catch_up", "launch_back", "protect_again", "catch_up", "clean_up")
_ODD: Final = ("forget", "delete_forward", "recover", "stall", "drop_item")
_FAULTS: Final = ("none", "refused", "tables refused", "any", "killed", "two", "two, killed")
_REFUSALS: Final = ("denied", "500", "503", "throttled", "bad token", "text not initialized")
_ONCE: Final = ("originEnvironment", "captureMethod", "topologyLastUpdated")
_HIDDEN: Final[tuple[str, ...]] = ("sourceProperties", "sourceCloudProperties")
_ORIGINALS: Final = (
    "originalSourceRegion",
    "originalSourceAccountId",
    "originalAvailabilityZone",
    "originalInstanceId",
    "originalAccountId",
    "originalReplicationRegion",
    "originEnvironment",
)


def play_failback(seed: int) -> HistoryResult:
    """Play the history of a seed on a virtual clock."""
    random.seed(seed)  # the engine's jitter between attempts to update a contended row
    with quiet():
        return run(lambda loop: FailbackHistory(seed, loop).play())


class FailbackHistory:
    """A running history of one lineage."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        self.seed, self.loop = seed, loop
        self.rng = random.Random(seed)  # noqa: S311 - not a secret
        self.kind = self.rng.choice(list(_KINDS))
        accounts = _ACCOUNTS[: _KINDS[self.kind]]
        self.aws = SimulatedAws(loop, self.rng, accounts, (SOURCE, RECOVERY), staging_of={})
        self.promises = Promises()
        self.promises.events.append(self.kind)
        self.promises.tables = self.aws.dynamodb.tables
        self.aws.dynamodb.listener = self.promises.on_change
        self.lineage = SimulatedLineage(
            self.aws,
            accounts[0],
            accounts[1] if self.kind == "plain" else accounts[0],
            zone_only=self.kind == "zone",
            on_premises=self.kind == "premises",
        )
        if self.kind == "extended":
            self.lineage.extend_into(accounts[2])
        self.hosts: list[Host] = []
        self._names: set[str] = set()
        self._shown = True
        self._before: dict[str, dict[str, Any]] = {}
        self._truth = self.true_originals()

    def true_originals(self) -> dict[str, Any]:
        """Return the originals that must be recorded, as far as DRS can tell them."""
        cloud = self.lineage.forward.get("sourceCloudProperties") or {}
        values = {
            "originalSourceRegion": cloud.get("originRegion"),
            "originalSourceAccountId": cloud.get("originAccountID"),
            "originalAvailabilityZone": cloud.get("originAvailabilityZone"),
            "originalInstanceId": A1 if cloud else None,
            "originalAccountId": self.lineage.recovery_side.account_id,
            "originalReplicationRegion": RECOVERY,
            "originEnvironment": "AWS" if cloud else "ON_PREMISES",
        }
        return {name: value for name, value in values.items() if value}

    async def play(self) -> HistoryResult:
        """Play the steps, and check the promises after each sync."""
        if self.rng.random() < 0.5:
            await self._begin_undescribed()
        # Nothing happens to the server before one sync without faults, so its first capture is known to be correct.
        await self._sync_under_faults()
        await self._sync_without_faults()
        self._shown = True
        at = 0
        for _ in range(self.rng.randint(4, 9)):
            if self.rng.random() < 0.7:
                step, at = _LIFE[at % len(_LIFE)], at + 1
            else:
                step = self.rng.choice(_ODD)
            self.act(step)
            if self.rng.random() < 0.5:
                await self._sync_under_faults()
        await self._sync_without_faults()
        await self._check_names()
        return HistoryResult.of(self.seed, self.promises, self.hosts, self.loop, "--failback")

    async def _begin_undescribed(self) -> None:
        """Sync while DRS does not show the properties of the server yet, as while it is INITIATING."""
        self.promises.events.append("undescribed")
        self._shown = False
        scope, server_id = self.lineage.recovery_side, self.lineage.forward_id
        whole = self.lineage.forward
        self.aws.change(scope, server_id, sourceProperties={}, sourceCloudProperties={})
        await self._sync_under_faults()
        await self._sync_without_faults()
        for topology in self.topologies().values():
            if (known := set(topology) & set(_ORIGINALS)) != {"originalAccountId", "originalReplicationRegion"}:
                self.promises.breaks("an unknown original is never guessed", sorted(known))
        self.aws.change(scope, server_id, **{name: whole[name] for name in _HIDDEN if name in whole})

    def act(self, step: str) -> None:
        """Do a step; DRS refuses one that the state of the server does not allow."""
        try:
            if step == "drop_item":
                self._drop_item()
            else:
                getattr(self.lineage, step)()
        except ServiceError:
            self.promises.events.append(f"({step})")
        else:
            self.promises.events.append(step)

    def _drop_item(self) -> None:
        """Delete the inventory item of a server, as somebody other than the engine might."""
        items = self.aws.dynamodb.tables["source_server_inventory_table"].items
        servers = sorted(key for key in items if key[1].isdigit())
        if servers:
            del items[self.rng.choice(servers)]

    # Syncs

    def _host(self, faults: FaultInjector) -> Host:
        """Start a new process: it knows only what the tables say."""
        chosen = settings(drs_regions=self.aws.regions, topology_reads_per_scope=50)
        host = Host(f"host{len(self.hosts)}", self.aws, faults, self.promises, chosen=chosen)
        self.hosts.append(host)
        return host

    def _faults(self, how: str) -> FaultInjector:
        faults = FaultInjector(self.rng, latency_s=self.rng.choice((0.01, 0.5)))
        if how == "refused":
            faults.share, faults.kinds, faults.applies_to = 0.3, _REFUSALS, _is_drs
        elif how == "tables refused":
            faults.share, faults.kinds, faults.applies_to = 0.15, tuple(FAULT_KINDS), _is_table
        elif how == "any":
            faults.share, faults.kinds = 0.12, tuple(FAULT_KINDS)
        return faults

    async def _sync_under_faults(self) -> None:
        how = self.rng.choice(_FAULTS)
        self.promises.events.append(f"sync:{how}")
        async with anyio.create_task_group() as tasks:
            for number in range(1 + how.startswith("two")):
                host = self._host(self._faults(how))
                if how.endswith("killed"):
                    host.kill_at = self.rng.randint(1, 60) / 2
                elif number:  # one of them may stand still, and then finds that the tables have changed
                    self.loop.call_later(self.rng.random() * 3.0, host.freeze, 30.0)
                tasks.start_soon(self._try_sync, host, self.rng.random() * 2.0 * number)
        if how in {"none", "two"}:
            self._note_names()
        self.check()
        # What is on its way may arrive before the next step, or after it.
        await anyio.sleep(self.rng.choice((1.0, 900.0)))

    async def _try_sync(self, host: Host, delay_s: float) -> None:
        await anyio.sleep(delay_s)
        try:
            await host.run("inventory", _REQUEST)
        except* (Killed, DrsSyncError):
            pass  # a run may end early under faults

    async def _sync_without_faults(self) -> None:
        """Sync once everything that is on its way has arrived, and note the names of the servers."""
        await anyio.sleep(max(0.0, self.aws.last_arrival_s - self.loop.time()))
        report = await self._host(FaultInjector(self.rng, latency_s=0.01)).run("inventory", _REQUEST)
        if report["errors"]:
            self.promises.breaks("the next runs repair", report["errors"])
        self._note_names()
        self.check()

    def _note_names(self) -> None:
        """Note every name that DRS shows, once a sync without faults has read them."""
        for drs in self.aws.drs.values():
            for record in drs.servers.values():
                parsed = parse_server(record)
                assert isinstance(parsed, SourceServer)
                self._names |= {*server_names(parsed), parsed.arn}

    # Promises

    def topologies(self) -> dict[str, dict[str, Any]]:
        """Return the topology items by lineage."""
        items = self.aws.dynamodb.tables["source_server_topology_table"].items
        return {pk: decode(item) for (pk, sk), item in items.items() if sk == "TOPOLOGY"}

    def check(self) -> None:
        """Check that originals are true, that none is lost, and that none has changed."""
        topologies, breaks = self.topologies(), self.promises.breaks
        for arn, before in self._before.items():
            now = topologies.get(arn, {})
            for name, value in before.items():
                if now.get(name) != value:
                    breaks("originals are kept", f"{name} of {arn} was {value}, is {now.get(name)}")
        if not topologies and not self._names:
            return  # no sync has completed yet
        if set(topologies) != {self.lineage.arn}:
            breaks("a lineage has one topology", sorted(topologies))
            return
        (topology,) = topologies.values()
        known = {name: topology[name] for name in _ORIGINALS if name in topology}
        if wrong := known.items() - self._truth.items():
            breaks("originals are true", sorted(wrong))
        if self._shown and (missing := self._truth.keys() - known.keys()):
            breaks("originals are complete", sorted(missing))
        self._before = {
            arn: {name: value for name, value in item.items() if name.startswith("original") or name in _ONCE}
            for arn, item in topologies.items()
        }

    async def _check_names(self) -> None:
        """Check that every name that a sync without faults has read leads to the lineage, also of a deleted server."""
        assert HOST in self._names
        host = self.hosts[-1]
        query = FailbackQuery(host.aws_client, host.settings, host.status_reader(), host.now)
        for name in sorted(self._names):
            try:
                facts = (await query.facts(name)).facts
            except RefusalError as error:
                self.promises.breaks("every name leads to the origin", f"{name}: {error.code} {error.message}")
                continue
            told = {name: facts.original.get(name) for name in self._truth}
            if facts.lineage != self.lineage.arn or told != self._truth:
                self.promises.breaks("every name leads to the origin", f"{name} to {facts.lineage} {facts.original}")


def _is_drs(call: Call) -> bool:
    return call.service == "drs"


def _is_table(call: Call) -> bool:
    return call.service == "dynamodb"


_REQUEST: Final = SyncRequest(regions=(SOURCE, RECOVERY))
