"""Random histories of servers with syncs, faults and crashes in between, and the invariants that must hold.

A seed determines a history. To replay a failing one: `await play(seed)`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import anyio
from moto.core.exceptions import ServiceException
from moto.moto_api._internal import mock_random

from service.aws.attribute_values import decode
from service.context import SyncRequest
from service.errors import AwsError, RefusalError
from service.inventory.server import SourceServer, parse_server
from service.queries.failback.query import FailbackQuery
from service.regions.status_reader import RegionStatusReader
from service.regions.status_writer import RegionStatusTable
from service.sync.engine.sync import Deps
from service.sync.inventory.sync import sync_inventory
from service.sync.inventory.templates import Templates
from service.topology.lineage import server_names
from tests.failback.cycle import A1, HOST, RECOVERY, SOURCE, Cycle
from tests.support.direct import Crash, DirectAws, Faults, Lag, lagging

__all__ = ["History", "play"]

_LIFE: Final = ("recover", "reverse", "catch_up", "launch_back", "protect_again", "catch_up", "clean_up")
_ODD: Final = ("forget", "delete_forward", "relaunch", "stall", "drop_item")
_ONCE: Final = ("originEnvironment", "captureMethod", "topologyLastUpdated")
_PROPERTIES: Final[tuple[str, ...]] = ("sourceProperties", "sourceCloudProperties")
_BEGIN: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


async def play(seed: int) -> None:
    """Play one history. Raises AssertionError with the seed when an invariant is violated."""
    history = History(seed)
    try:
        await history.play()
    except* AssertionError as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise AssertionError(f"seed {seed}, after {' '.join(history.steps)}: {first}") from first
    finally:
        history.aws.forget()


class History:
    """One history. `steps` lists what happened so far."""

    def __init__(self, seed: int) -> None:
        mock_random.seed(seed)
        self.rng = random.Random(seed)  # noqa: S311 - not a secret
        self.steps: list[str] = []
        self.hub, self.a, self.b, self.c = (f"{seed:09d}{number:03d}" for number in range(4))
        self.aws = DirectAws(self.hub, (self.a, self.b, self.c), self._no_faults())
        self._settings = self.aws.settings(drs_region_status_table="", topology_reads_per_scope=50)
        self._moment = _BEGIN
        kind = self.rng.choice(("plain", "same account", "extended", "zone", "premises"))
        self.steps.append(kind)
        self.cycle = Cycle(
            self.a,
            self.a if kind in {"same account", "zone"} else self.b,
            zone_only=kind == "zone",
            on_premises=kind == "premises",
        )
        if kind == "extended":
            self.cycle.extend_into(self.c)
        self._kind = kind
        self._start: dict[str, dict[str, Any]] = {}
        self._truth = self._true_originals()
        self._shown = True
        self._names: set[str] = set()

    def _no_faults(self) -> Faults:
        return Faults(self.rng)

    def _now(self) -> datetime:
        self._moment += timedelta(milliseconds=1)
        return self._moment

    def _true_originals(self) -> dict[str, Any]:
        cloud = self.cycle.forward.record.get("sourceCloudProperties") or {}
        values = {
            "originalSourceRegion": cloud.get("originRegion"),
            "originalSourceAccountId": cloud.get("originAccountID"),
            "originalAvailabilityZone": cloud.get("originAvailabilityZone"),
            "originalInstanceId": A1 if cloud else None,
            "originalAccountId": self.a,
            "originalReplicationRegion": RECOVERY,
            "originEnvironment": "AWS" if cloud else "ON_PREMISES",
        }
        return {name: value for name, value in values.items() if value}

    async def play(self) -> None:
        """Run the steps and check the invariants after each sync."""
        if self.rng.random() < 0.5:
            await self._begin_undescribed()
        # Nothing happens to the server before one sync without faults, so its first capture is known to be correct.
        await self._sync_under_faults()
        await self._sync()
        self._shown = True
        at = 0
        for _ in range(self.rng.randint(4, 9)):
            if self.rng.random() < 0.55:
                step, at = _LIFE[at % len(_LIFE)], at + 1
            else:
                step = self.rng.choice(_ODD)
            self._act(step)
            if self.rng.random() < 0.5:
                await self._sync_under_faults()
        self.aws.faults = self._no_faults()
        await self._sync()
        self._check()
        await self._check_names()

    async def _begin_undescribed(self) -> None:
        """Sync while DRS does not show the properties of the server yet, as while it is INITIATING."""
        self.steps.append("undescribed")
        self._shown = False
        records = (self.cycle.forward.record, self.cycle.launched_from.record)
        hidden = [{name: each.pop(name) for name in _PROPERTIES if name in each} for each in records]
        await self._sync_under_faults()
        await self._sync()
        self._check()
        for topology in self._topologies().values():
            assert set(topology) & set(_ORIGINAL_MEMBERS) == {"originalAccountId", "originalReplicationRegion"}
        for record, members in zip(records, hidden, strict=True):
            record.update(members)

    def _act(self, step: str) -> None:
        """Run a step; DRS rejects one that the server's state does not allow."""
        act: Callable[[], None] = getattr(self, f"_{step}", None) or getattr(self.cycle, step)
        try:
            act()
        except (ServiceException, KeyError, IndexError):
            self.steps.append(f"({step})")
        else:
            self.steps.append(step)

    def _forget(self) -> None:
        """Delete the record of the recovery instance; the EC2 instance keeps running."""
        self.cycle.launches_in.discard_instance(self.cycle.recovered)

    def _delete_forward(self) -> None:
        """Delete the forward server from DRS permanently."""
        self.cycle.dr.remove_source_server(self.cycle.forward.source_server_id)

    def _relaunch(self) -> None:
        self.cycle.recover()

    def _stall(self) -> None:
        self.cycle.forward.enter("STALLED")

    def _drop_item(self) -> None:
        """Delete an inventory item of a server, as somebody other than the engine might."""
        servers = [item for item in self.aws.items() if item["stagingAccountId"]["S"].isdigit()]
        self.aws.delete(self.rng.choice(servers))

    async def _sync_under_faults(self) -> None:
        how = self.rng.choice(("none", "refused", "tables refused", "crash", "two", "two crash"))
        self.steps.append(f"sync:{how}")
        faults = self.aws.faults = self._no_faults()
        if how == "refused":
            faults.refuse = 0.3
        elif how == "tables refused":
            faults.refuse_tables = 0.15
        if "crash" in how:
            faults.crash_at = self.rng.randint(0, 25)
        if "two" in how:
            faults.switch = 0.5
            ended = anyio.Event()
            async with anyio.create_task_group() as tasks:
                # One of them may pause, and then finds that the tables have changed.
                tasks.start_soon(self._lagging_sync, Lag(self.rng.randint(1, 20), ended))
                await self._try_sync()
                ended.set()
        else:
            await self._try_sync()
        self.aws.faults = self._no_faults()

    async def _lagging_sync(self, lag: Lag) -> None:
        lagging.set(lag)
        await self._try_sync()

    async def _try_sync(self) -> None:
        try:
            await self._sync()
        except* (Crash, AwsError):
            pass  # a run may end early under faults
        self._check()

    async def _sync(self) -> None:
        status = RegionStatusTable(None, self._now, cache_s=0, timeout_s=60)
        deps = Deps(self.aws.aws_client(), self._settings, status, self._now)
        report = await sync_inventory(SyncRequest(regions=(SOURCE, RECOVERY)), deps, Templates(self._now))
        if self.aws.faults.are_none:
            assert not report["errors"], report["errors"]
            for backend in (self.cycle.dr, self.cycle.source, self.cycle.launches_in):
                for server in backend.source_servers.values():
                    parsed = parse_server(server.record)
                    assert isinstance(parsed, SourceServer)
                    self._names |= set(server_names(parsed)) | {parsed.arn}

    def _check(self) -> None:
        """Check that originals are correct, that none is lost, and that none has changed."""
        topologies = self._topologies()
        for arn, before in self._start.items():
            assert arn in topologies, f"{arn} is lost"
            for name, value in before.items():
                assert topologies[arn].get(name) == value, f"{name} was {value}, is {topologies[arn].get(name)}"
        if not topologies and not self._names:
            return  # no sync has completed yet
        assert set(topologies) == {self.cycle.forward.arn}, f"originals of {set(topologies)}"
        (topology,) = topologies.values()
        for name, value in self._truth.items():
            if self._shown or name in topology:
                assert topology.get(name) == value, f"{name} is {topology.get(name)}, must be {value}"
        known = set(topology) & set(_ORIGINAL_MEMBERS)
        assert known == set(self._truth) or (not self._shown and known <= set(self._truth))
        self._start = {
            arn: {name: value for name, value in item.items() if name.startswith("original") or name in _ONCE}
            for arn, item in topologies.items()
        }

    def _topologies(self) -> dict[str, dict[str, Any]]:
        found = [item for item in self.aws.items("SOURCE_SERVER_TOPOLOGY_TABLE") if item["sk"]["S"] == "TOPOLOGY"]
        return {item["pk"]["S"]: decode(item) for item in found}

    async def _check_names(self) -> None:
        """Check that every name that a sync without faults has read leads to the lineage, also of a deleted server."""
        status = RegionStatusReader(None, self._now, cache_s=0.0, timeout_s=1.0)
        query = FailbackQuery(self.aws.aws_client(), self._settings, status, self._now)
        assert HOST in self._names
        for name in sorted(self._names):
            try:
                facts = (await query.facts(name)).facts
            except RefusalError as error:
                raise AssertionError(f"{name}: {error.code} {error.message}") from error
            assert facts.lineage == self.cycle.forward.arn, name
            assert {each: facts.original[each] for each in self._truth} == self._truth, name


_ORIGINAL_MEMBERS: Final = (
    "originalSourceRegion",
    "originalSourceAccountId",
    "originalAvailabilityZone",
    "originalInstanceId",
    "originalAccountId",
    "originalReplicationRegion",
    "originEnvironment",
)
