"""docs/failback.md names every method, attribute, route and operation."""

from __future__ import annotations

from pathlib import Path

from service.handlers.query import OPERATIONS, ROUTES
from service.topology.origin import FILLED_LATE, ORIGIN
from service.topology.original import inventory_copy
from tests.failback.states import ORIGINAL

PAGE = (Path(__file__).parents[2] / "docs" / "failback.md").read_text()


def test_the_page_names_every_way_and_every_attribute() -> None:
    ways = ("reverse replication", "reinstall as recovery instance", "fresh protection", "Failback Client")
    for way in (*ways, "launch a new recovery instance"):
        assert f"| {way} |" in PAGE
    for name in {*ORIGIN, FILLED_LATE, *ORIGINAL, *inventory_copy(ORIGINAL)}:
        assert f"`{name}`" in PAGE, name
    for name in ("topologyHistory", "TOPOLOGY", "LINEAGE#", "MEMBER#", "--all", "--from"):
        assert name in PAGE


def test_the_route_and_the_operation_of_the_page_are_there() -> None:
    assert "get_failback_topology" in OPERATIONS
    assert ("GET", "/drs/failback") in {(route.method, route.path) for route in ROUTES}
    assert "GET /drs/failback?id=" in PAGE
    assert '"operation": "get_failback_topology"' in PAGE
