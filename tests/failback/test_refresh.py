"""Replication settings and templates read again over a day: how often, on a clock that the test advances."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.aws.attribute_values import decode
from service.context import SyncRequest
from service.regions.status_writer import RegionStatusTable
from service.sync.engine.sync import Deps
from service.sync.inventory.sync import sync_inventory
from service.sync.inventory.templates import Templates
from tests.failback.cycle import RECOVERY, SOURCE, Cycle
from tests.support.direct import DirectAws, Faults

ACCOUNT = "777000000001"


class Clock:
    """A wall clock that advances only when the test moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


class Day:
    """Runs a sync every quarter of an hour."""

    def __init__(self) -> None:
        self.aws = DirectAws("777000000000", (ACCOUNT,), Faults(random.Random(1)))  # noqa: S311 - not a secret
        self.clock = Clock()
        self.cycle = Cycle(ACCOUNT, ACCOUNT)
        settings = self.aws.settings(drs_region_status_table="")
        status = RegionStatusTable(None, self.clock, cache_s=0, timeout_s=60)
        self._deps = Deps(self.aws.aws_client(), settings, status, self.clock)
        self._templates = Templates(self.clock)

    async def sync(self, times: int = 1) -> None:
        for _ in range(times):
            report = await sync_inventory(SyncRequest(regions=(SOURCE, RECOVERY)), self._deps, self._templates)
            assert not report["errors"]
            self.clock.moment += timedelta(minutes=15)

    def topology(self) -> dict[str, Any]:
        stored = self.aws.items("SOURCE_SERVER_TOPOLOGY_TABLE")
        (topology,) = (decode(item) for item in stored if item["sk"]["S"] == "TOPOLOGY")
        return topology


@pytest.fixture
def day() -> Iterator[Day]:
    started = Day()
    yield started
    started.aws.forget()


async def test_a_configuration_edited_in_drs_is_found_within_a_day_and_the_original_stays(day: Day) -> None:
    await day.sync()
    before = day.topology()
    day.cycle.dr.update_replication_configuration(
        day.cycle.forward.source_server_id, {"stagingAreaSubnetId": "subnet-0000000000000beef"}
    )
    day.aws.counts.clear()
    await day.sync(96 + 48)
    after = day.topology()
    (entry,) = after.pop("topologyHistory")
    assert (entry["event"], entry["configuration"]) == (
        "reconfigured",
        {"stagingAreaSubnetId": "subnet-0000000000000beef"},
    )
    assert after == before
    assert day.aws.counts["drs", "GetReplicationConfiguration"] in {1, 2}  # a day and a half
    await day.sync(96)
    assert len(day.topology()["topologyHistory"]) == 1


async def test_templates_are_read_once_an_hour_however_many_servers_come(day: Day) -> None:
    for _ in range(4):
        day.cycle.dr.add_source_server({})
        await day.sync()
    # One read in the recovery region and one in the original region.
    assert day.aws.counts["drs", "DescribeReplicationConfigurationTemplates"] == 2
    for _ in range(2):
        day.cycle.dr.add_source_server({})
        await day.sync()
    assert day.aws.counts["drs", "DescribeReplicationConfigurationTemplates"] == 3
