"""A running sandbox and the engine configured for it, as most tests of the syncs need."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Final, Self

import boto3
import pytest

from service.app import open_app
from service.context import SyncRequest
from service.partitions import partition_of
from service.sandbox.faults import Faults
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet, Fragment
from service.sandbox.moto_drs import drs_backends
from service.sandbox.server import Sandbox
from service.sandbox.tables import create_tables, table_environment
from service.settings import load_settings
from tests.support.loop_clock import LoopClock
from tests.support.received_calls import ReceivedCalls

_numbers = itertools.count(100_000)

EVERY_REGION: Final = partition_of("us-east-1").drs_regions
"""The regions of a full scan by default."""
# A sync of all of them takes seconds, and most tests need no more than these.
FEW_REGIONS: Final = (
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-west-1",
    "sa-east-1",
    "us-east-1",
    "us-west-2",
)


def new_account_id() -> str:
    """Return an account id that is new in this process, because the simulated AWS keeps its state by account."""
    return f"{next(_numbers):06d}000000"


@dataclass(frozen=True, slots=True)
class Names:
    """Account ids of a test."""

    hub: str
    a: str
    b: str
    apps: str


class EngineSandbox:
    """A sandbox and environment variables that point the engine at it."""

    def __init__(self, members: Mapping[str, Any], names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names = names
        self._monkeypatch = monkeypatch
        self.server = Sandbox(parse_model(Fleet, members, "test"))
        self._tables = table_environment(self.server.fleet.tables)

    def __enter__(self) -> Self:
        self.server.start()
        for name, value in self.server.environment().items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        self._monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        self.set(DRS_REGIONS=" ".join(FEW_REGIONS))
        # The sandbox needs no rate limits; they would only slow tests down.
        self.set(DRS_CALLS_PER_SECOND="1000", DRS_BURST="1000")
        # A busy machine must not cause time-outs, except in tests of time-outs.
        self.set(REGION_STATUS_TIMEOUT_SECONDS="60", CONNECT_TIMEOUT_SECONDS="30", READ_TIMEOUT_SECONDS="60")
        self.set(SCOPE_DEADLINE_SECONDS="120", QUERY_DEADLINE_SECONDS="60")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if "dynamodb" in vars(self):
            self.dynamodb.meta.client.close()
        self.server.close()

    def set(self, **environment: str) -> None:
        """Set environment variables of the engine."""
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)

    def everywhere(self) -> None:
        """Use all regions of DRS, the engine's default."""
        self._monkeypatch.delenv("DRS_REGIONS")

    async def sync(self, **request: Any) -> dict[str, Any]:
        """Run one inventory sync."""
        async with open_app(load_settings()) as app:
            return await app.sync_inventory(SyncRequest(**request))

    async def sync_staging(self, **request: Any) -> dict[str, Any]:
        """Run one staging sync."""
        async with open_app(load_settings()) as app:
            return await app.sync_staging(SyncRequest(**request))

    def add_account(self, **members: Any) -> str:
        """Add a target account and return its id; members are those of an account in a fleet."""
        account = {"account_id": new_account_id(), **members}
        self.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))
        return str(account["account_id"])

    def add(self, account_id: str, region: str, **members: Any) -> None:
        """Add servers or settings to a region of the running sandbox."""
        account = {"account_id": account_id, "regions": {region: members}}
        self.server.add(parse_model(Fragment, {"accounts": [account]}, "test"))

    def records(self, account_id: str, region: str) -> list[dict[str, Any]]:
        """Return the records that DRS has in a region, oldest first; changes of them take effect."""
        return [server.record for server in drs_backends[account_id][region].source_servers.values()]

    def remove(self, account_id: str, region: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Remove servers from DRS."""
        self.server.remove(account_id, region, [record["sourceServerID"] for record in records])

    def change_target(self, account_id: str, **attributes: Any) -> None:
        """Change attributes of a row of the target accounts table."""
        self.table("TARGET_ACCOUNTS_TABLE").update_item(
            Key={"accountId": account_id},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in attributes),
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
        )

    def received_calls(self) -> ReceivedCalls:
        """Record each call from now on, with its parameters."""
        return ReceivedCalls(self.server)

    def faults(self, **members: Any) -> None:
        """Replace the sandbox's faults."""
        self.server.replace_faults(parse_model(Faults, members, "test"))

    def latency(self, clock: LoopClock, **milliseconds: int) -> None:
        """Delay responses of services by moving the clock of event loops; delays at the same time add up."""
        self._monkeypatch.setattr(self.server._control_api.middleware, "_sleep", clock.advance)
        self.faults(latency_ms=milliseconds)

    def calls(self) -> Counter[tuple[str, str]]:
        """Return and reset the number of received calls by service and operation."""
        counts: Counter[tuple[str, str]] = Counter()
        for call in self.server.calls():
            counts[call.service, call.operation] += call.count
        self.server.clear_calls()
        return counts

    @cached_property
    def dynamodb(self) -> Any:
        """boto3's DynamoDB resource, to read tables without the engine's code."""
        return boto3.resource("dynamodb", region_name="us-east-1", endpoint_url=self.server.endpoint_url)

    def table(self, variable: str) -> Any:
        """Return the table that an environment variable names."""
        return self.dynamodb.Table(self._tables[variable])

    @contextmanager
    def other_tables(self) -> Iterator[None]:
        """Use new tables until the end of the context, empty but for the same target accounts."""
        before, targets = self._tables, list(self._scan("TARGET_ACCOUNTS_TABLE"))
        fleet = self.server.fleet
        names = fleet.tables.model_copy(update={"environment": f"other-{next(_numbers)}"})
        create_tables(fleet.model_copy(update={"tables": names}))
        self._tables = table_environment(names)
        self.set(**self._tables)
        for row in targets:
            self.table("TARGET_ACCOUNTS_TABLE").put_item(Item=row)
        try:
            yield
        finally:
            self._tables = before
            self.set(**before)

    def items(self) -> list[dict[str, Any]]:
        """Return the inventory items of servers."""
        return [item for item in self._scan("SOURCE_SERVER_INVENTORY_TABLE") if item["stagingAccountId"].isdigit()]

    def bookkeeping(self) -> list[dict[str, Any]]:
        """Return the inventory items that are no servers."""
        return [item for item in self._scan("SOURCE_SERVER_INVENTORY_TABLE") if not item["stagingAccountId"].isdigit()]

    def topologies(self) -> dict[str, dict[str, Any]]:
        """Return the topology items by ARN."""
        found = (item for item in self._scan("SOURCE_SERVER_TOPOLOGY_TABLE") if item["sk"] == "TOPOLOGY")
        return {item["pk"]: item for item in found}

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the region status table by region."""
        return {row["region"]: row for row in self._scan("DRS_REGION_STATUS_TABLE")}

    def entry(self, region: str, account_id: str) -> dict[str, Any]:
        """Return what the region status table has of one account and region."""
        entry: dict[str, Any] = self.status()[region]["accounts"][account_id]
        return entry

    def put_status(self, region: str, **attributes: Any) -> None:
        """Put a row into the region status table as the earlier writer did."""
        item = {"region": region, "accountId": self.names.a, "lastUpdated": "2026-11-20T05:00:00.123456+00:00"}
        self.table("DRS_REGION_STATUS_TABLE").put_item(Item={**item, **attributes})

    def counts(self) -> dict[str, int]:
        """Return the number of servers by region, without regions that have none."""
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


@contextmanager
def estate_without_accounts(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Run a sandbox whose hub has no target accounts yet, for syncs that read no topology."""
    names = Names(*(new_account_id() for _ in range(4)))
    members = {"hub": {"account_id": names.hub, "registered": False}, "tables": {"environment": names.hub[:6]}}
    with EngineSandbox(members, names, monkeypatch) as sandbox:
        sandbox.set(TOPOLOGY_READS_PER_SCOPE="0")
        yield sandbox


def two_targets(names: Names, **regions: Any) -> dict[str, Any]:
    """Return a fleet of a hub, two targets and the account of their instances.

    Args:
        names: the account ids.
        regions: `a` and `b` replace the regions of the targets.
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
