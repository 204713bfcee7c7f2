"""Scenarios as data: fleet, injected faults, preparing commands, and the runs to measure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from benchmarks.endpoint.estate import Estate
from benchmarks.fleets import inventory_fleet, staging_fleet, tags_fleet, typical_fleet
from benchmarks.runs import LATENCY, LATENCY_MS, Run, Scenario, beside_floor, first_sync, process_cost
from benchmarks.scale.model import Estate as Size

__all__ = ["SCENARIOS"]


def _five_regions(name: str, faults: Mapping[str, Any], words: str) -> Scenario:
    """Return a scenario of the jobs with time targets, at the number of active regions for which these are stated."""
    return Scenario(
        name,
        f"200 servers new in the staging accounts of two targets, five active regions; {words}",
        staging_fleet(targets=2, regions=5, servers=10),
        staging_fleet(targets=2, regions=5, servers=1),
        (
            Run("staging", "drs_sync", "sync staging"),
            Run("inventory", "drs_sync", "sync inventory"),
            Run("extended", "drs_sync_query", "get_extended_source_servers", options={"times": 3, "fresh-seconds": 1}),
        ),
        faults=faults,
    )


_INVENTORY_QUERY: Final = "get_source_server_inventory"


def _at_size() -> Scenario:
    """Return a scenario of the syncs in their steady state at a sixteenth of a large estate's size, and at all of it.

    A large estate has many accounts, or many servers in one account and region. What a scope or a server costs may not
    depend on how many there are.
    """
    runs: list[Run] = []
    for size, times, inventory_times in ((62, 3, 3), (1000, 2, 1)):
        synced, options = Estate(size, 3, 10, known=True, staging=True, synced=True), {"times": times}
        runs.append(Run(f"tags_accounts_{size}", "drs_sync_job", "tags", fleet=synced, options=options))
        runs.append(Run(f"tags_accounts_{size}_floor", "floor_writes", "tags", options=options))
        runs.append(Run(f"staging_accounts_{size}", "drs_sync_job", "staging", options=options))
        runs.append(Run(f"staging_accounts_{size}_floor", "floor_writes", "staging", options=options))
        known = Estate(size, 3, 10, known=True)
        runs.append(
            Run(
                f"inventory_accounts_{size}",
                "drs_sync_job",
                "inventory",
                fleet=known,
                options={"times": inventory_times},
            )
        )
    for size in (625, 10_000):
        synced, options = Estate(1, 1, size, known=True, synced=True), {"times": 3}
        runs.append(Run(f"tags_servers_{size}", "drs_sync_job", "tags", fleet=synced, options=options))
        runs.append(Run(f"tags_servers_{size}_floor", "floor_writes", "tags", options=options))
    return Scenario(
        "at_size",
        "syncs with nothing to do: 62 and 1,000 accounts in three active regions, 10 servers in each; 625 and 10,000 "
        "servers in one account and region; the endpoint of large",
        Estate(62, 3, 10, known=True, staging=True, synced=True),
        Estate(2, 2, 3, known=True, staging=True, synced=True),
        tuple(runs),
        prepare=(),
    )


def _dark_region(*sizes: int) -> Scenario:
    """Return a scenario of a region that never responds, each beside the same without it, first and later runs."""
    regions = ("us-west-2", "eu-west-1", "me-south-1")
    runs: list[Run] = []
    for size in sizes:
        for name, dark in (("lit", ""), ("dark", regions[-1])):
            estate = Estate(size, 1, 1, dark=dark, regions_in_use=regions)
            runs.append(Run(f"{name}_{size}_first", "drs_sync", "sync inventory", fleet=estate))
            runs.append(Run(f"{name}_{size}_again", "drs_sync", "sync inventory"))
    return Scenario(
        "dark_region",
        "accounts with one server each in one of three regions, another of which never responds; the endpoint of large",
        Estate(sizes[0], 1, 1, regions_in_use=regions),
        Estate(2, 1, 1, dark=regions[-1], regions_in_use=regions),
        tuple(runs),
        prepare=(),
    )


SCENARIOS: Final = (
    Scenario(
        "staging_new",
        "1,200 servers new in the staging accounts of two targets, four active regions",
        staging_fleet(targets=2, regions=4, servers=75),
        staging_fleet(targets=2, regions=2, servers=3),
        (
            Run("new", "drs_sync", "sync staging"),
            Run("again", "drs_sync", "sync staging"),
            Run("reference", "sequential", "staging", fresh=True, options={"sample": 40}),
        ),
    ),
    Scenario(
        "tags_new",
        "1,800 servers of two targets have none of their instances' tags in DRS yet, three active regions",
        tags_fleet(targets=2, regions=3, servers=300),
        tags_fleet(targets=2, regions=2, servers=3),
        (
            Run("new", "drs_sync", "sync tags"),
            Run("again", "drs_sync", "sync tags"),
            Run("reference", "sequential", "tags", fresh=True, options={"sample": 40}),
        ),
    ),
    Scenario(
        "extended_query",
        "extended servers across two targets, four active regions, 1,200 of them",
        staging_fleet(targets=2, regions=4, servers=75),
        staging_fleet(targets=2, regions=2, servers=3),
        (
            Run("fresh", "drs_sync_query", "get_extended_source_servers", options={"times": 10}),
            Run("stale", "drs_sync_query", "get_extended_source_servers", options={"times": 3, "fresh-seconds": 1}),
            Run("reference", "sequential", "extended"),
        ),
        prepare=("sync inventory", "sync staging", "sync inventory"),
    ),
    Scenario(
        "inventory_query",
        "a query for 1,500 servers of one target, three active regions",
        inventory_fleet(targets=1, regions=3, servers=500),
        inventory_fleet(targets=1, regions=2, servers=5),
        (
            Run("fresh", "drs_sync_query", "get_source_server_inventory", options={"times": 40}),
            Run("region_status", "drs_sync_query", "region_status", options={"times": 40}),
            Run("reference", "sequential", "inventory"),
        ),
        faults=MappingProxyType({"latency_ms": {"drs": 80, "sts": 30, "ec2": 40}}),
    ),
    Scenario(
        "inventory_sync",
        "the inventory sync of a typical fleet: two targets with two staging accounts each, three active regions, "
        "100 servers in each",
        typical_fleet(targets=2, regions=3, servers=100),
        typical_fleet(targets=2, regions=2, servers=3),
        (
            Run("first", "drs_sync", "sync inventory"),
            Run("second", "drs_sync", "sync inventory"),  # captures the topology of 50 more servers in each scope
            Run("again", "drs_sync", "sync inventory"),
            Run("full_scan", "drs_sync", "sync inventory --full-scan"),
            *beside_floor(times=7),
            Run("floor_once", "floor", "inventory"),
            Run("reference", "sequential", "inventory", fresh=True),
            Run("threads", "threads", "inventory", fresh=True),
        ),
        prepare=(),
        size=Size(accounts=2, regions=3, servers=100),
    ),
    Scenario(
        "elsewhere",
        "the same sync in its steady state on an endpoint that shares no code with moto",
        Estate(targets=2, regions=3, servers=100),
        Estate(targets=2, regions=2, servers=3),
        beside_floor(times=7),
    ),
    Scenario(
        "first_sync",
        "the first inventory sync of 600 and 6,000 servers in 6 and 60 scopes of three active regions, beside a floor "
        "that makes the same DRS calls under the same limits; the endpoint of elsewhere",
        Estate(targets=2, regions=3, servers=100, new=True),
        Estate(targets=1, regions=2, servers=3, new=True),
        first_sync(Estate(2, 3, 100, new=True), Estate(20, 3, 100, new=True)),
        prepare=(),
    ),
    Scenario(
        "first_sync_large",
        "the same for 100,000 servers in 500 scopes, without latency",
        Estate(targets=100, regions=5, servers=200, new=True),
        Estate(targets=1, regions=2, servers=3, new=True),
        first_sync(Estate(100, 5, 200, new=True)),
        prepare=(),
        faults=MappingProxyType({}),
        on_request=True,
    ),
    Scenario(
        "large",
        "steady state of 1,000, 20,000 and 100,000 servers in five active regions, on the same endpoint",
        Estate(targets=1, regions=5, servers=200),
        Estate(targets=1, regions=1, servers=5),
        (
            Run("one_account", "drs_sync_job", "inventory", options={"times": 3}),
            Run("accounts_20", "drs_sync_job", "inventory", options={"times": 3}, fleet=Estate(20, 5, 200)),
            Run("accounts_100", "drs_sync_job", "inventory", options={"times": 3}, fleet=Estate(100, 5, 200)),
            Run("page", "drs_sync_query", "get_source_server_inventory", options={"times": 10, "limit": 50}),
        ),
        prepare=(),
    ),
    Scenario(
        "pages",
        "a page of 50 of 600, 6,000 and 100,000 servers, and of 10,000 in one account and region; 1,500 servers "
        "without pages; a query with a filter; the endpoint of large, without latency",
        Estate(1, 3, 200, known=True),
        Estate(2, 2, 3, known=True),
        (
            *(
                Run(name, "drs_sync_query", _INVENTORY_QUERY, fleet=fleet, options={"times": 20, "limit": 50})
                for name, fleet in (
                    ("servers_600", Estate(1, 3, 200, known=True)),
                    ("servers_6000", Estate(10, 3, 200, known=True)),
                    ("servers_100000", Estate(100, 5, 200, known=True)),
                )
            ),
            Run("further", "drs_sync_query", _INVENTORY_QUERY, options={"times": 20, "limit": 50, "further": 1}),
            Run(
                "scope_10000",
                "drs_sync_query",
                _INVENTORY_QUERY,
                fleet=Estate(1, 1, 10_000, known=True),
                options={"times": 20, "limit": 50, "further": 1},
            ),
            Run(
                "all_1500",
                "drs_sync_query",
                _INVENTORY_QUERY,
                fleet=Estate(1, 5, 300, known=True),
                options={"times": 20},
            ),
            Run("filter_1500", "drs_sync_query", _INVENTORY_QUERY, options={"times": 3, "limit": 50, "host-number": 7}),
            Run(
                "filter_6000",
                "drs_sync_query",
                _INVENTORY_QUERY,
                fleet=Estate(10, 3, 200, known=True),
                options={"times": 3, "limit": 50, "host-number": 7},
            ),
        ),
        prepare=(),
        faults=MappingProxyType({}),
    ),
    Scenario(
        "faces",
        "what people look at, for 50,000 servers in 50 accounts and five active regions, on the same endpoint",
        Estate(targets=50, regions=5, servers=200),
        Estate(targets=2, regions=2, servers=3),
        (
            Run("status", "faces", "status", options={"times": 5}),
            Run("pages", "faces", "pages", options={"times": 5}),
        ),
        faults=MappingProxyType({}),
    ),
    _at_size(),
    _dark_region(16, 48, 500),
    _five_regions("slow", {"latency_ms": {**LATENCY_MS, "drs": 300}}, "each DRS call takes 300 ms"),
    _five_regions(
        "throttled",
        {"latency_ms": dict(LATENCY_MS), "throttle": {"requests_per_second": 5}},
        "DRS takes 80 ms, and 5 calls a second for each account and region",
    ),
    _five_regions("five_regions", LATENCY, "each DRS call takes 80 ms"),
    Scenario(
        "process",
        "cost of a process before and around its work",
        inventory_fleet(targets=5, regions=2, servers=2),
        inventory_fleet(targets=5, regions=2, servers=2),
        (
            *process_cost(times=5),
            Run("invocation", "process", "invocation", options={"times": 40}),
            Run("first_calls", "process", "first_calls", fleet=Estate(targets=5, regions=2, servers=2, tls=True)),
        ),
        faults=MappingProxyType({}),
    ),
)
