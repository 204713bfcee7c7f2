"""One installation for both: our syncs and the platform's writers on the same tables, with a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import boto3
import pytest

from service.app import App, open_app
from service.context import SyncRequest
from service.handlers.data_management import shards
from service.handlers.router import Params
from service.sandbox.moto_drs import drs_backends
from service.settings import load_settings
from tests.platform.kinds import strangers
from tests.platform.readers import REGIONS as PLATFORM_REGIONS
from tests.platform.readers import Item, PlatformReaders, PlatformTables
from tests.platform.views import server_view
from tests.platform.writers import PlatformWriters
from tests.support.sandbox import EngineSandbox, Names

__all__ = ["BEGIN", "CYCLE", "REGIONS", "TAGS", "Clock", "Installation", "fleet"]

# In the past, so that credentials of the simulated AWS, which has the real time, never look expired.
BEGIN: Final = datetime(2024, 11, 23, 5, 0, tzinfo=UTC)
CYCLE: Final = timedelta(minutes=15)
REGIONS: Final = ("ca-central-1", "eu-west-1", "sa-east-1", "us-east-1", "us-west-2")
TAGS: Final = {"dr:wave": "1"}
"""Tags of every EC2 instance, by which the protection groups of the tests select."""
_MOVING: Final = frozenset({"lagDuration", "lastSeen"})  # ours are in a table of their own


class Clock:
    """The wall clock of all writers and readers. Each reading by our syncs moves it on by `pace`."""

    def __init__(self) -> None:
        self.moment = BEGIN
        self.pace = timedelta(milliseconds=1)

    def __call__(self) -> datetime:
        self.moment += self.pace
        return self.moment


def fleet(names: Names) -> dict[str, Any]:
    """Return a fleet: A has servers of its own and extended ones in us-west-2 and servers in eu-west-1, B in us-west-2.

    Both lack DRS elsewhere, but for ca-central-1, where B has it without servers. The hub is a target, too. The EC2
    instances are in the account `apps`, which also is the staging account of A.
    """
    origin = {"origin": {"account_id": names.apps, "region": "us-east-1"}, "tags": TAGS}
    extended = [{"account_id": names.apps, "count": "all"}]
    return {
        "hub": {"account_id": names.hub},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {
                "account_id": names.a,
                "name": "A",
                "staging_accounts": [names.apps],
                "regions": {
                    "us-west-2": {"servers": 2, "on_premises": 1, "extended_from": extended, **origin},
                    "eu-west-1": {"servers": 2, **origin},
                },
            },
            {
                "account_id": names.b,
                "name": "B",
                "regions": {"us-west-2": {"servers": 1, **origin}, "ca-central-1": {"servers": 0}},
            },
            {
                "account_id": names.apps,
                "name": "Apps",
                "kind": ["application", "staging"],
                "regions": {"us-west-2": {"servers": 2, **origin}},
            },
        ],
    }


@dataclass
class Installation:
    """The sandbox, the platform's readers and writers of it, and a clock for all."""

    sandbox: EngineSandbox
    clock: Clock
    tables: PlatformTables
    readers: PlatformReaders
    writers: PlatformWriters
    targets: tuple[str, ...]
    _dynamodb: Any = field(repr=False)

    @classmethod
    def of(cls, sandbox: EngineSandbox, session: boto3.Session) -> Installation:
        """Return the installation on the tables of a running sandbox."""
        dynamodb = session.resource("dynamodb", region_name="us-east-1", endpoint_url=sandbox.server.endpoint_url)
        names = sandbox.server.environment()
        tables = PlatformTables(
            dynamodb.Table(names["SOURCE_SERVER_INVENTORY_TABLE"]),
            dynamodb.Table(names["DRS_REGION_STATUS_TABLE"]),
            dynamodb.Table(names["TARGET_ACCOUNTS_TABLE"]),
        )
        writers = PlatformWriters(sandbox.server.endpoint_url, sandbox.names.hub, REGIONS, session)
        targets = (sandbox.names.a, sandbox.names.b, sandbox.names.hub)
        return cls(sandbox, Clock(), tables, PlatformReaders(tables), writers, targets, dynamodb)

    def close(self) -> None:
        """Close the connections."""
        self.writers.close()
        self._dynamodb.meta.client.close()

    # ---- runs, each followed by all readers

    async def ours(self, *, allow_errors: bool = False, **request: Any) -> dict[str, Any]:
        """Run our inventory sync, then all readers of the platform; every server is where DRS has it."""
        async with open_app(load_settings(), self.clock) as app:
            report = await app.sync_inventory(SyncRequest(**request))
        assert allow_errors or not report["errors"], report["errors"]
        self.read_all()
        return report

    async def ours_in_shards(self, *, lose: int | None = None, before_finish: Callable[[], None] | None = None) -> None:
        """Run our inventory sync in shards; shard `lose` does not run. `before_finish` is called after the last one."""
        async with open_app(load_settings(), self.clock) as app:
            plan = await self._call(app, "plan_sync", {"job": "inventory"})
            results: list[Any] = []
            for shard in plan["shards"]:
                await self._shard(app, shard, results, lost=shard["index"] == lose)
            self.read_all()
            if before_finish is not None:
                before_finish()
            await self._call(app, "finish_sync", {"shards": plan["shards"], "results": results})
        self.read_all()

    async def _shard(self, app: App, shard: Mapping[str, Any], results: list[Any], *, lost: bool) -> None:
        report = None if lost else await self._call(app, "sync_shard", shard)
        results.append({"index": shard["index"], **({"error": "States.Timeout"} if lost else {"report": report})})

    @staticmethod
    async def _call(app: App, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        response = await shards.OPERATIONS[operation].work(app, Params(dict(body)))
        assert isinstance(response.body, dict)
        return response.body

    def theirs(self, tables: PlatformTables | None = None) -> Item:
        """Run the platform's inventory sync, then all its readers."""
        report = self.writers.sync_inventory(tables or self.tables, self.clock.moment)
        if tables is None:
            self.read_all()
        return report

    def read_all(self) -> None:
        """Run all readers of the platform. Nothing may be of a kind that it does not know, or stop it."""
        readers, names = self.readers.at_one_moment(), self.sandbox.names
        assert strangers(readers) == []
        assert {row["accountId"] for row in readers.target_accounts()} == set(self.targets)
        assert {account[0] for account in readers.recovery_cache_accounts()} == set(self.targets)
        assert [record.accountId for record in readers.staging_records(names.a, self.clock.moment)] == [names.apps]
        panels, views = readers.panels(), readers.views()
        assert set(readers.active_regions()) <= {*panels, *PLATFORM_REGIONS}
        assert all(value is not None for view in views.values() for name, value in view.items() if name != _NULL)

    def wait(self, span: timedelta = CYCLE, *, since: datetime | None = None) -> datetime:
        """Move the clock to the given time after `since`, which is now by default, and return it."""
        self.clock.moment = (since or self.clock.moment) + span
        return self.clock.moment

    # ---- what happens to servers

    def add_server(self, account_id: str, region: str) -> None:
        """Let a server join a region of an account."""
        origin = {"account_id": self.sandbox.names.apps, "region": "us-east-1"}
        self.sandbox.add(account_id, region, servers=1, origin=origin, tags=TAGS)

    def remove_server(self, account_id: str, region: str) -> str:
        """Let the oldest server leave a region of an account, and return its ARN."""
        server = next(iter(_servers_of(account_id, region)))
        assert self.sandbox.server.remove(account_id, region, [server["sourceServerID"]]) == 1
        return str(server["arn"])

    def other_tables(self) -> PlatformTables:
        """Return empty tables of inventory and region status, which our syncs do not know."""
        inventory, status = (
            self._dynamodb.create_table(
                TableName=f"{table.name}-other",
                KeySchema=table.key_schema,
                AttributeDefinitions=[
                    {"AttributeName": key["AttributeName"], "AttributeType": "S"} for key in table.key_schema
                ],
                BillingMode="PAY_PER_REQUEST",
            )
            for table in (self.tables.inventory, self.tables.status)
        )
        return PlatformTables(inventory, status, self.tables.accounts)

    # ---- what is true

    def records(self) -> dict[str, Item]:
        """Return the DRS record of each server that a target has, by ARN."""
        scopes = ((account_id, region) for account_id in self.targets for region in drs_backends[account_id])
        servers = (each for account_id, region in scopes for each in _servers_of(account_id, region))
        return {server["arn"]: server for server in servers}

    def tagged(self, region: str) -> list[str]:
        """Return the ids of the servers in a region whose EC2 instances have the tags of the protection groups."""
        found = self.records().values()
        return sorted(
            each["sourceServerID"]
            for each in found
            if each["arn"].split(":")[3] == region and "sourceCloudProperties" in each
        )

    def counts(self) -> dict[str, int]:
        """Return the number of servers of each region that has some."""
        regions = [arn.split(":")[3] for arn in self.records()]
        return {region: regions.count(region) for region in sorted(set(regions))}

    def require_truth(self) -> None:
        """Check that the platform's readers see each server of DRS and count them right."""
        readers = self.readers.at_one_moment()
        self.require_servers(readers)
        panels = readers.panels().values()
        assert {each.region: each.server_count for each in panels if each.server_count} == self.counts()
        assert readers.active_regions() == sorted(self.counts())

    def require_waves(self, readers: PlatformReaders | None = None) -> None:
        """Check that a wave finds the servers of each region that the platform knows."""
        readers = readers or self.readers.at_one_moment()
        for region in {*self.counts()} & {*self.writers.regions}:
            assert readers.wave_servers(region, TAGS, self.clock.moment) == self.tagged(region)

    def require_servers(self, readers: PlatformReaders | None = None) -> None:
        """Check that the platform's readers see each server of DRS, as it is, and no other."""
        readers, names = readers or self.readers.at_one_moment(), self.sandbox.names
        views, records = readers.views(), self.records()
        assert set(views) == set(records)
        for arn, record in records.items():
            tags = views[arn]["tags"]
            assert _still(views[arn]) == _still(server_view({**record, "tags": tags})), arn
            assert record["tags"].items() <= tags.items(), arn
        self.require_waves(readers)
        for region in self.counts():
            assert readers.group_preview(names.apps, region, TAGS) == self.tagged(region)
        staged = [arn for arn, each in records.items() if each["stagingArea"]["stagingAccountID"] == names.apps]
        assert readers.staged_servers(names.apps, self.clock.moment) == sorted(staged)


_NULL: Final = "assignedToProtectionGroup"


def _servers_of(account_id: str, region: str) -> Iterator[Item]:
    for server in list(drs_backends[account_id][region].source_servers.values()):
        yield server.to_dict()


def _still(view: Mapping[str, Any]) -> Item:
    return {name: value for name, value in view.items() if name not in _MOVING}


def start(monkeypatch: pytest.MonkeyPatch, names: Names, session: boto3.Session) -> Iterator[Installation]:
    """Start the simulated AWS with the fleet; the engine asks the regions of the tests only."""
    with EngineSandbox(fleet(names), names, monkeypatch) as sandbox:
        sandbox.set(DRS_REGIONS=" ".join(REGIONS))
        installation = Installation.of(sandbox, session)
        for account_id, region in ((names.a, "us-west-2"), (names.a, "eu-west-1"), (names.b, "us-west-2")):
            for record in sandbox.records(account_id, region):
                record["tags"]["only-in-drs"] = "yes"  # all others are tags of the EC2 instance as well
        try:
            yield installation
        finally:
            installation.close()
