"""A running sandbox and an engine pointed at it: what most tests of the syncs need."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import boto3
import pytest

from service.app import open_app
from service.context import SyncRequest
from service.sandbox.faults import Faults
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet, Fragment
from service.sandbox.server import Sandbox
from service.settings import load_settings

_numbers = itertools.count(100_000)

# A sync of all 28 regions of an empty table takes seconds, and most tests are about other things.
FEW_REGIONS: Final = (
    "af-south-1",
    "ap-south-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-west-2",
)


def new_account_id() -> str:
    """Give an account id that no other test of this process has; the simulated AWS keeps its state by account."""
    return f"{next(_numbers):06d}000000"


@dataclass(frozen=True, slots=True)
class Names:
    """The accounts of a test."""

    hub: str
    a: str
    b: str
    apps: str


class Estate:
    """A simulated AWS with two targets, and the engine in front of it."""

    def __init__(self, members: Mapping[str, Any], names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names = names
        self._monkeypatch = monkeypatch
        self.sandbox = Sandbox(parse_model(Fleet, members, "test"))

    def __enter__(self) -> Self:
        self.sandbox.start()
        for name, value in self.sandbox.environment().items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        self._monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        self.set(DRS_REGIONS=" ".join(FEW_REGIONS))
        # Nothing here is as slow as AWS, so pacing would only be waiting.
        self.set(DRS_CALLS_PER_SECOND="1000", DRS_BURST="1000")
        # A busy machine is no fault: only the tests of time-outs shall see one.
        self.set(REGION_STATUS_TIMEOUT_SECONDS="60", CONNECT_TIMEOUT_SECONDS="30", READ_TIMEOUT_SECONDS="60")
        self.set(SCOPE_DEADLINE_SECONDS="120", QUERY_DEADLINE_SECONDS="60")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.sandbox.close()

    def set(self, **environment: str) -> None:
        """Set environment variables of the engine."""
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)

    def everywhere(self) -> None:
        """Let the engine know every region of DRS, as it does by itself."""
        self._monkeypatch.delenv("DRS_REGIONS")

    async def sync(self, **request: Any) -> dict[str, Any]:
        """Run one inventory sync."""
        async with open_app(load_settings()) as app:
            return await app.sync_inventory(SyncRequest(**request))

    async def sync_staging(self, **request: Any) -> dict[str, Any]:
        """Run one staging sync."""
        async with open_app(load_settings()) as app:
            return await app.sync_staging(SyncRequest(**request))

    def add(self, account_id: str, region: str, **members: Any) -> None:
        """Add servers or settings to a region while it runs."""
        account = {"account_id": account_id, "regions": {region: members}}
        self.sandbox.add(parse_model(Fragment, {"accounts": [account]}, "test"))

    def faults(self, **members: Any) -> None:
        """Let these faults rule, and no others."""
        self.sandbox.replace_faults(parse_model(Faults, members, "test"))

    def calls(self) -> Counter[tuple[str, str]]:
        """Count the calls received, by service and operation, and forget them."""
        counts: Counter[tuple[str, str]] = Counter()
        for call in self.sandbox.calls():
            counts[call.service, call.operation] += call.count
        self.sandbox.clear_calls()
        return counts

    def dynamodb(self) -> Any:
        """Give a second pair of eyes on the tables: the SDK's own resource, none of the engine's code."""
        return boto3.resource("dynamodb", region_name="us-east-1", endpoint_url=self.sandbox.endpoint_url)

    def table(self, variable: str) -> Any:
        """Give the table that an environment variable names."""
        return self.dynamodb().Table(self.sandbox.environment()[variable])

    def items(self) -> list[dict[str, Any]]:
        """Give the inventory items of servers."""
        return [item for item in self._scan("SOURCE_SERVER_INVENTORY_TABLE") if item["stagingAccountId"].isdigit()]

    def topologies(self) -> dict[str, dict[str, Any]]:
        """Give the topology items by ARN."""
        found = (item for item in self._scan("SOURCE_SERVER_INVENTORY_TABLE") if item["stagingAccountId"] == "TOPOLOGY")
        return {item["sourceServerArn"]: item for item in found}

    def status(self) -> dict[str, dict[str, Any]]:
        """Give the rows of the region status table by region."""
        return {row["region"]: row for row in self._scan("DRS_REGION_STATUS_TABLE")}

    def counts(self) -> dict[str, int]:
        """Give the regions that have servers, with how many."""
        return {region: int(row["serverCount"]) for region, row in self.status().items() if row["serverCount"]}

    def _scan(self, variable: str) -> Iterable[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            page = self.table(variable).scan(**start)
            found.extend(page["Items"])
            if "LastEvaluatedKey" not in page:
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def two_targets(names: Names, **regions: Any) -> dict[str, Any]:
    """Declare a hub, two targets and the account of their instances.

    Args:
        names: the account ids.
        regions: `a` and `b` replace what the targets have.
    """
    origin = {"account_id": names.apps, "region": "us-east-1"}
    default_a = {
        "us-west-2": {"servers": 5, "origin": origin, "on_premises": 1},
        "eu-west-1": {"servers": 3, "origin": origin},
    }
    default_b = {"us-west-2": {"servers": 2, "origin": origin}, "ca-central-1": {"servers": 0}}
    return {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {"account_id": names.a, "name": "A", "regions": regions.get("a", default_a)},
            {"account_id": names.b, "name": "B", "regions": regions.get("b", default_b)},
            {"account_id": names.apps, "name": "Apps", "kind": "application"},
        ],
    }
