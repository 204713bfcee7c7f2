"""An interrupted full scan is continued even if its checkpoint could not be written at the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from service.models import Call, Scope
from tests.simulation.aws import REGIONS, TARGETS
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FAULT_KINDS, Fault, FaultInjector
from tests.simulation.history import History
from tests.simulation.host import Host, Killed

STATUS = "drs_region_status_table"


@dataclass(slots=True)
class _FirstStatusWriteFails(FaultInjector):
    """Denies writes to the status table before the first scan, and kills the process once there is a row."""

    host: Host | None = None
    scanned: bool = False

    def draw(self, call: Call, params: Mapping[str, Any]) -> Fault | None:
        assert self.host is not None
        self.scanned = self.scanned or call.service == "drs"
        if call.operation == "Scan" or STATUS not in str(params):
            return None
        if not self.scanned:
            return FAULT_KINDS["denied"]
        self.host.dead = bool(self.host.aws.dynamodb.tables[STATUS].items)
        return None


def test_the_first_row_written_has_the_full_scan_mark_that_could_not_be_written_before() -> None:
    async def work(loop: VirtualLoop) -> None:
        history = History(0, loop, jobs=("inventory",), targets=TARGETS, regions=REGIONS)
        for region in REGIONS:
            history.aws.protect(Scope(TARGETS[1], region), tags={})
        host = Host("first", history.aws, FaultInjector(history.rng), history.promises)
        host.faults = _FirstStatusWriteFails(history.rng, latency_s=0.01, host=host)
        with pytest.raises(Killed):
            await host.run("inventory")
        assert len(history.aws.dynamodb.tables[STATUS].items) == 1

        after = Host("next", history.aws, FaultInjector(history.rng), history.promises)
        report = await after.run("inventory")
        assert report["regionReason"].endswith("an earlier run over every region was cut short")
        assert report["serversSynced"] == 3
        report = await after.run("inventory")
        assert "cut short" not in report["regionReason"]
        history.result().check()

    run(work)
