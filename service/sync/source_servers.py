"""The inventory sync: choose places, look at all of them at once, keep both tables true, report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import anyio

from service.accounts.access import AccountAccess, read_directory
from service.accounts.records import Directory
from service.aws.door import AwsDoor
from service.aws.drs import DrsReader
from service.aws.dynamodb_write import Table
from service.aws.ec2 import Ec2Reader
from service.aws.meter import Meter, metering
from service.errors import AwsError, ConfigurationError
from service.fanout import fan_out
from service.inventory.table import InventoryTable
from service.models import Coverage, Now, Place, Trouble, iso
from service.regions.choose import Choice, DiscoveryPolicy, Unreadable, Why, choose
from service.regions.rows import Note, RegionRow, Sweep
from service.regions.status_write import RegionStatusTable
from service.settings import Settings
from service.sync.judge import Tokens, Visit, account_trouble, judge, note_of, place_trouble, trouble_at
from service.sync.look import Look, LookTools
from service.sync.report import InventoryReport, Looked, RunFacts

__all__ = ["OPERATION", "InventorySync", "Progress", "Request"]

OPERATION: Final = "sync_source_server_inventory"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller may ask of a run. No accounts means all of them; no regions means: let the table decide."""

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    excluded_regions: tuple[str, ...] = ()
    full_scan: bool = False
    budget_s: float | None = None


class Progress(Protocol):
    """Told how a run gets on."""

    def planned(self, choice: Choice, accounts: int) -> None:
        """The places are chosen."""
        ...

    def looked(self, looked: Looked) -> None:
        """One place is done."""
        ...


@dataclass(slots=True)
class _Run:
    """State of one run."""

    request: Request
    directory: Directory
    access: AccountAccess
    choice: Choice
    tools: LookTools
    known_accounts: frozenset[str] | None
    ends_at: float
    report: InventoryReport = field(default_factory=InventoryReport)
    open_looks: Counter[str] = field(default_factory=Counter)
    notes: dict[str, list[Note]] = field(default_factory=dict)
    announced: set[Place] = field(default_factory=set)
    tokens: Tokens = field(default_factory=Tokens)


class InventorySync:
    """Keeps the inventory table and the region status table true. One instance serves many runs."""

    def __init__(self, door: AwsDoor, settings: Settings, status: RegionStatusTable, now: Now) -> None:
        self._door = door
        self._settings = settings
        self._status = status
        self._now = now

    async def run(self, request: Request, progress: Progress | None = None) -> dict[str, Any]:
        """Do one sync and give its report.

        Raises:
            ConfigurationError: the request or the settings are wrong; nothing was read or written.
            AwsError: the hub's credentials or the target accounts table cannot be used.
        """
        self._settings.require("target_accounts_table", "source_server_inventory_table")
        self._check_regions((*request.regions, *request.excluded_regions))
        began, started_at = anyio.current_time(), self._now()
        with metering() as meter:
            try:
                run = await self._plan(request, started_at)
                if progress is not None:
                    progress.planned(run.choice, len({place.account_id for place in run.choice.look}))
                swept = await self._begin_sweep(run)
                await self._look_everywhere(run, progress)
                await self._tidy(run, swept)
            finally:
                self._status.invalidate()
        return run.report.as_json(self._facts(run, meter, started_at, anyio.current_time() - began))

    def _check_regions(self, regions: Iterable[str]) -> None:
        unknown = sorted(set(regions) - set(self._settings.drs_regions))
        if unknown:
            raise ConfigurationError(
                f"unknown region {', '.join(unknown)}: known are {' '.join(self._settings.drs_regions)}; "
                "add new ones to DRS_REGIONS"
            )

    async def _plan(self, request: Request, started_at: datetime) -> _Run:
        identity = await self._door.identity()
        region = self._door.hub_region
        directory, troubles = await read_directory(
            Table(self._door.hub(), self._settings.target_accounts_table, region)
        )
        accounts = _wanted(request.accounts, directory, self._settings.target_accounts_table)
        rows = await self._status.rows()
        choice = self._choose(request, rows, accounts)
        access = AccountAccess(self._door, directory)
        inventory = InventoryTable(Table(self._door.hub(), self._settings.source_server_inventory_table, region))
        await inventory.check()

        async def ec2_of(account_id: str) -> Ec2Reader:
            return Ec2Reader(await access.caller(account_id))

        async def announce(places: set[Place]) -> None:
            await self._announce(run, places)

        run = _Run(
            request=request,
            directory=directory,
            access=access,
            choice=choice,
            tools=LookTools(inventory, ec2_of, self._settings, self._now, identity.partition, started_at, announce),
            # Only a run that saw every account may say which entries of the status table belong to none.
            known_accounts=None if request.accounts or troubles else frozenset(directory.targets),
            ends_at=anyio.current_time() + (request.budget_s if request.budget_s is not None else float("inf")),
        )
        run.report.trouble(*troubles)
        run.report.skip(choice.skip)
        run.open_looks.update(place.region for place in choice.look)
        return run

    def _choose(self, request: Request, rows: Sequence[RegionRow] | Unreadable, accounts: Collection[str]) -> Choice:
        settings = self._settings
        excluded = frozenset((*request.excluded_regions, *settings.drs_excluded_regions))
        choice = choose(
            rows,
            accounts,
            settings.drs_regions,
            now=self._now(),
            policy=DiscoveryPolicy(
                window_s=settings.discovery_window_seconds,
                interval_s=settings.sync_interval_seconds,
                call_share=settings.discovery_call_share,
            ),
            full_scan=request.full_scan,
            requested=request.regions,
            excluded=excluded,
        )
        level = logging.WARNING if choice.source.is_fallback else logging.INFO
        _log.log(
            level,
            "regions chosen",
            extra={
                "operation": OPERATION,
                "regionSource": str(choice.source),
                "reason": choice.reason,
                "activeScopes": choice.count(Why.ACTIVE),
                "discoveryScopes": choice.count(Why.DISCOVERY),
                "scopes": len(choice.look),
                "scopesSkipped": len(choice.skip),
            },
        )
        return choice

    async def _look_everywhere(self, run: _Run, progress: Progress | None) -> None:
        async def visit(place: Place) -> Visit:
            return await self._visit(run, place)

        # Region by region, so that the first rows of the status table are written early.
        places = sorted(run.choice.look, key=lambda place: (place.region, place.account_id))
        async with fan_out(places, visit, at_once=self._settings.scopes_at_once) as visits:
            async for done in visits:
                if progress is not None:
                    progress.looked(done.looked)
                for settled in run.tokens.judge(done):
                    await self._book(run, settled)
        for settled in run.tokens.rest():
            await self._book(run, settled)

    async def _visit(self, run: _Run, place: Place) -> Visit:
        """Look at one place under its deadline; whatever goes wrong there stays there."""
        began = anyio.current_time()
        remaining = min(self._settings.scope_deadline_seconds, run.ends_at - began)
        if remaining <= 0:
            trouble = trouble_at(place, "DeadlineExceeded", "the run's time was up before this place's turn")
            return Visit(Looked(place, Coverage.FAILED, troubles=(trouble,)))
        look: Look | None = None
        failure: Trouble | None = None
        known = place in run.choice.known_active
        with anyio.move_on_after(remaining) as deadline:
            try:
                caller = await run.access.caller(place.account_id)
                look = Look(place, DrsReader(caller, page_size=self._settings.drs_page_size), run.tools)
                await look.run(had_servers=known)
            except AwsError as error:
                failure = place_trouble(error, place) if look is not None else account_trouble(error)
        if deadline.cancelled_caught:
            failure = trouble_at(place, "DeadlineExceeded", f"not done within {remaining:.0f} s")
        return judge(place, look, failure, known=known, seconds=anyio.current_time() - began)

    async def _book(self, run: _Run, visit: Visit) -> None:
        """Count a look, note it for the region's row, and write the row once the region's last look is in."""
        place = visit.looked.place
        run.report.add(visit.looked)
        if note := note_of(visit, run.choice, self._now()):
            run.notes.setdefault(place.region, []).append(note)
            if note.server_count and place.region not in {known.region for known in run.choice.known_active}:
                run.report.newly_active.add(place.region)
        run.open_looks[place.region] -= 1
        if run.open_looks[place.region] == 0:
            await self._record(run, place.region, run.notes.pop(place.region, []))

    async def _record(self, run: _Run, region: str, notes: Sequence[Note]) -> None:
        if not notes and run.known_accounts is None:
            return
        try:
            await self._status.record(region, notes, known_accounts=run.known_accounts)
        except AwsError as error:
            run.report.trouble(error.trouble)

    async def _announce(self, run: _Run, places: set[Place]) -> None:
        """Mark places that a server elsewhere points at, so that the next run looks there.

        Raises:
            AwsError: the mark could not be written.
        """
        for place in sorted(places - run.announced):
            run.announced.add(place)
            if place.account_id in run.directory.targets and place not in run.choice.look:
                await self._status.record(place.region, (), requests={place.account_id: self._now()})

    async def _begin_sweep(self, run: _Run) -> tuple[str, ...]:
        """Note that a run over every region begins, so that the next run goes on with it should this one be killed.

        Gives the regions whose rows carry such a note, this run's and those of earlier ones.
        """
        open_sweeps = run.choice.open_sweeps
        if run.choice.source.is_fallback and run.choice.look:
            first = min(place.region for place in run.choice.look)
            try:
                await self._status.record(first, (), sweep=Sweep(run.tools.run_started_at))
            except AwsError as error:
                run.report.trouble(error.trouble)
            open_sweeps = (*open_sweeps, first)
        return open_sweeps

    async def _tidy(self, run: _Run, swept: Sequence[str]) -> None:
        """Drop entries of accounts that are gone, and the notes of sweeps that have come to their end."""
        rows = await self._status.rows()
        if run.known_accounts is not None and not isinstance(rows, Unreadable):
            strangers = {row.region for row in rows if set(row.accounts) - run.known_accounts}
            for region in sorted(strangers):
                await self._record(run, region, [])
        # A run over some accounts only, or one out of time, has not come to the end of it.
        if run.request.accounts or anyio.current_time() >= run.ends_at:
            return
        for region in sorted(set(swept)):
            try:
                await self._status.record(region, (), sweep=Sweep(run.tools.run_started_at, ended=True))
            except AwsError as error:
                run.report.trouble(error.trouble)

    def _facts(self, run: _Run, meter: Meter, started_at: datetime, duration_s: float) -> RunFacts:
        places = [*run.choice.look, *run.choice.skip]
        return RunFacts(
            operation=OPERATION,
            accounts=len({place.account_id for place in places}),
            region_source=str(run.choice.source),
            region_reason=run.choice.reason,
            regions=tuple(sorted({place.region for place in places})),
            discovered=run.choice.count(Why.DISCOVERY),
            started_at=iso(started_at),
            duration_s=duration_s,
            calls=meter.by_service(),
            throttled=meter.throttled,
            scopes_at_once=self._settings.scopes_at_once,
        )


def _wanted(asked: Sequence[str], directory: Directory, table_name: str) -> Collection[str]:
    unknown = sorted(set(asked) - set(directory.targets))
    if unknown:
        raise ConfigurationError(
            f"account {', '.join(unknown)} is not in the target accounts table {table_name}; "
            f"it holds {', '.join(sorted(directory.targets)) or 'none'}"
        )
    return set(asked) or directory.targets.keys()
