"""Where the tests ask: each question through a door of its own that refuses every write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.aws.operations import READS
from service.models import iso
from service.queries.answer import Answer
from service.queries.extended import ExtendedQuery
from service.queries.inventory import InventoryQuery
from service.queries.request_models import InventoryRequest, ScopesRequest, ServersRequest
from service.queries.servers import ServersQuery
from service.queries.staging import StagingQueries
from service.queries.validation import StagingValidation
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings, load_settings
from tests.support.estate import Estate

Now = Callable[[], datetime]
LOOKED_AT = ("us-west-2", "eu-west-1", "eu-central-1")
"""Both regions that have servers, and one where DRS is not in use; a sync of all 28 would only take longer."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a question needs."""

    aws_client: AwsClient
    settings: Settings
    status: RegionStatusReader
    now: Now


class Desk:
    """Asks questions of an estate, at a time that the estate's own tables tell."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self._moment: datetime | None = None
        self.calls: dict[tuple[str, str], int] = {}

    def now(self) -> datetime:
        """Give the time of all questions: a minute after the newest look that the status table knew of at first."""
        if self._moment is None:
            looks = [
                datetime.fromisoformat(entry["lastComplete"])
                for row in self.estate.status().values()
                for entry in row.get("accounts", {}).values()
                if "lastComplete" in entry
            ]
            self._moment = max(looks, default=datetime.now(UTC)) + timedelta(minutes=1)
        return self._moment

    @asynccontextmanager
    async def room(self) -> AsyncIterator[Room]:
        """Open a room; the calls made in it are in `calls` afterwards."""
        settings, moment = load_settings(), self.now()
        self.estate.calls()
        async with AwsClient(settings, lambda: moment, allowed=READS) as aws_client:
            name = settings.drs_region_status_table
            status = RegionStatusReader(
                TableReader(aws_client.hub(), name, aws_client.hub_region) if name else None, cache_s=60, timeout_s=60
            )
            yield Room(aws_client, settings, status, lambda: moment)
        self.calls = dict(self.estate.calls())

    async def inventory(self, **given: Any) -> Answer:
        """Ask the inventory, as the query string would."""
        async with self.room() as room:
            query = InventoryQuery(room.aws_client, room.settings, room.status, room.now)
            return await query.run(InventoryRequest.parse(given, room.settings).params)

    async def servers(self, **given: Any) -> Answer:
        """Ask for the servers of a region."""
        async with self.room() as room:
            query = ServersQuery(room.aws_client, room.settings, room.status, room.now)
            return await query.run(ServersRequest.parse(given, room.settings).params)

    async def extended(self, **given: Any) -> Answer:
        """Ask for extended servers."""
        async with self.room() as room:
            query = ExtendedQuery(room.aws_client, room.settings, room.status, room.now)
            return await query.run(ScopesRequest.parse(given, room.settings).scopes)

    @asynccontextmanager
    async def staging(self) -> AsyncIterator[StagingQueries]:
        """Give the queries about staging accounts."""
        async with self.room() as room:
            yield StagingQueries(room.aws_client, room.settings, room.status, room.now)

    async def validate(self, given: object) -> dict[str, Any]:
        """Try a staging account."""
        async with self.room() as room:
            return await StagingValidation(room.aws_client, room.settings).validate_staging_account(given)

    def age(self, account_id: str, region: str, seconds: float) -> None:
        """Let the last complete look at a place be so long ago when the next question is asked."""
        moment = self.now() - timedelta(seconds=seconds)
        self.estate.table("DRS_REGION_STATUS_TABLE").update_item(
            Key={"region": region},
            UpdateExpression="SET accounts.#account.lastComplete = :then",
            ExpressionAttributeNames={"#account": account_id},
            ExpressionAttributeValues={":then": iso(moment)},
        )

    @property
    def asked_elsewhere(self) -> dict[str, int]:
        """The calls that left the tables: DRS, and roles assumed."""
        return {name: count for (service, name), count in self.calls.items() if service in {"drs", "sts", "ec2"}}


async def synced(estate: Estate) -> Desk:
    """Fill the tables, and give a desk whose time is a minute later."""
    await estate.sync(regions=LOOKED_AT)
    desk = Desk(estate)
    desk.now()
    return desk
