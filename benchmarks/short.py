"""Scenarios of the short form, which runs with every change: small fleets, each kind of figure once.

Its thresholds are call counts, ratios within one run, and ceilings in calibration loops, so that it fails when the code
regresses and not when the machine is slow or busy.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from benchmarks.endpoint.estate import Estate
from benchmarks.fleets import inventory_fleet, typical_fleet
from benchmarks.runs import Run, Scenario, beside_floor, first_sync, process_cost
from benchmarks.scale.model import Estate as Size

__all__ = ["SHORT"]

SHORT: Final = (
    Scenario(
        "short_calls",
        "every sync from its first run on: two targets, 8 servers in each of three regions, two staging accounts each",
        typical_fleet(targets=2, regions=3, servers=8, tags_in_drs=False),
        typical_fleet(targets=1, regions=1, servers=1, tags_in_drs=False),
        (
            Run("first", "drs_sync", "sync inventory"),
            Run("again", "drs_sync", "sync inventory"),
            Run("full_scan", "drs_sync", "sync inventory --full-scan"),
            Run("staging", "drs_sync", "sync staging"),
            Run("staging_again", "drs_sync", "sync staging"),
            Run("inventory", "drs_sync_query", "get_source_server_inventory"),
            Run("extended", "drs_sync_query", "get_extended_source_servers", options={"times": 3, "fresh-seconds": 1}),
            Run("tags", "drs_sync", "sync tags"),
            Run("tags_again", "drs_sync", "sync tags"),
        ),
        prepare=(),
    ),
    Scenario(
        "short_floor",
        "steady state of 600 servers beside the floor and beside a full scan, and queries; the endpoint of elsewhere",
        Estate(targets=1, regions=3, servers=200),
        Estate(targets=1, regions=1, servers=3),
        (
            *beside_floor(times=5),
            Run("full_scan", "drs_sync_job", "inventory", options={"times": 3, "full-scan": 1}),
            Run("query", "drs_sync_query", "get_source_server_inventory", options={"times": 5, "limit": 500}),
            Run("page", "drs_sync_query", "get_source_server_inventory", options={"times": 5, "limit": 50}),
            Run("region_status", "drs_sync_query", "region_status", options={"times": 20}),
        ),
        size=Size(accounts=1, regions=3, servers=200),
    ),
    Scenario(
        "short_first",
        "the first inventory sync of 600 servers in three active regions, beside its floor; the endpoint of elsewhere",
        Estate(targets=1, regions=3, servers=200, new=True),
        Estate(targets=1, regions=1, servers=3, new=True),
        first_sync(Estate(1, 3, 200, new=True)),
        prepare=(),
    ),
    Scenario(
        "short_process",
        "cost of a process before and around its work",
        inventory_fleet(targets=2, regions=1, servers=2),
        inventory_fleet(targets=1, regions=1, servers=1),
        process_cost(times=3),
        faults=MappingProxyType({}),
    ),
)
