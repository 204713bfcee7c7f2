"""The inventory sync: choose places, look at all of them at once, keep both tables true, report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

import anyio

from service.accounts.access import AccountAccess, read_directory
from service.accounts.records import Directory
from service.aws.door import AwsDoor
from service.aws.drs import DrsReader
from service.aws.dynamodb import Table
from service.aws.ec2 import Ec2Reader
from service.aws.meter import Meter, metering
from service.errors import AwsError, ConfigurationError
from service.inventory.table import InventoryTable
from service.models import Coverage, Now, Place, RegionStatus, Trouble, iso
from service.regions.choose import Choice, DiscoveryPolicy, Unreadable, Why, choose
from service.regions.rows import Note, RegionRow, Sweep
from service.regions.status_table import RegionStatusTable
from service.settings import Settings
from service.sync.fanout import fan_out
from service.sync.look import Look, LookTools, Seen
from service.sync.report import InventoryReport, Looked, RunFacts

__all__ = ["OPERATION", "InventorySync", "Progress", "Request"]

OPERATION: Final = "sync_source_server_inventory"
_log = logging.getLogger(__name__)
_SWITCHED_OFF: Final = frozenset({RegionStatus.REGION_NOT_ENABLED, RegionStatus.REGION_NOT_OPTED_IN})
_NO_REGION_ADVICE: Final = "no region takes this account's session: use regional STS endpoints, and check the role"


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


@dataclass(frozen=True, slots=True)
class _Visit:
    """A look and what became of it; no look where the account could not be entered."""

    looked: Looked
    look: Look | None = None
    switched_off: bool = False


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
    works: set[str] = field(default_factory=set)
    switched_off: dict[str, list[_Visit]] = field(default_factory=dict)


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
        async def visit(place: Place) -> _Visit:
            return await self._visit(run, place)

        # Region by region, so that the first rows of the status table are written early.
        places = sorted(run.choice.look, key=lambda place: (place.region, place.account_id))
        async with fan_out(places, visit, at_once=self._settings.scopes_at_once) as visits:
            async for done in visits:
                if progress is not None:
                    progress.looked(done.looked)
                for judged in _judge_account(run, done):
                    await self._book(run, judged)
        for refused in run.switched_off.values():
            for judged in _judge_refused(refused):
                await self._book(run, judged)

    async def _visit(self, run: _Run, place: Place) -> _Visit:
        """Look at one place under its deadline; whatever goes wrong there stays there."""
        began = anyio.current_time()
        remaining = min(self._settings.scope_deadline_seconds, run.ends_at - began)
        if remaining <= 0:
            trouble = _trouble(place, "DeadlineExceeded", "the run's time was up before this place's turn")
            return _Visit(Looked(place, Coverage.FAILED, troubles=(trouble,)))
        look: Look | None = None
        failure: Trouble | None = None
        known = place in run.choice.known_active
        with anyio.move_on_after(remaining) as deadline:
            try:
                caller = await run.access.caller(place.account_id)
                look = Look(place, DrsReader(caller, page_size=self._settings.drs_page_size), run.tools)
                await look.run(had_servers=known)
            except AwsError as error:
                failure = _place_trouble(error, place) if look is not None else _account_trouble(error)
        if deadline.cancelled_caught:
            failure = _trouble(place, "DeadlineExceeded", f"not done within {remaining:.0f} s")
        return _judge(place, look, failure, known=known, seconds=anyio.current_time() - began)

    async def _book(self, run: _Run, visit: _Visit) -> None:
        """Count a look, note it for the region's row, and write the row once the region's last look is in."""
        place = visit.looked.place
        run.report.add(visit.looked)
        if note := _note_of(visit, run.choice, self._now()):
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


def _judge(place: Place, look: Look | None, failure: Trouble | None, *, known: bool, seconds: float) -> _Visit:
    """Say what became of a scope: what it brought, and whether that is all there is.

    Args:
        place: the scope.
        look: the look, None where the account could not be entered.
        failure: what broke it off, if something did.
        known: servers were known there before.
        seconds: how long it took.
    """
    seen = look.seen if look else Seen()
    refused_by_drs = failure is not None and failure.service == "drs" and not seen.servers
    if failure is not None and refused_by_drs and failure.status in _SWITCHED_OFF and not known:
        # The account has switched the region off: worth a word, no failure, unless servers were known there.
        return _Visit(Looked(place, Coverage.SKIPPED, seconds=seconds, warnings=(failure,)), look, switched_off=True)
    warnings, troubles = list(seen.warnings), list(seen.troubles)
    if failure is not None:
        (warnings if seen.settled else troubles).append(failure)
    if seen.settled and not troubles:
        coverage = Coverage.COMPLETE
    else:
        told = seen.servers or seen.listed_completely or seen.uninitialized
        coverage = Coverage.PARTIAL if told else Coverage.FAILED
    looked = Looked(
        place,
        coverage,
        servers=seen.servers,
        written=seen.written,
        removed=seen.removed,
        rejected=seen.rejected,
        topologies=seen.topologies,
        seconds=seconds,
        troubles=tuple(troubles),
        warnings=tuple(warnings),
    )
    return _Visit(looked, look)


def _judge_account(run: _Run, visit: _Visit) -> list[_Visit]:
    """Hold back regions that refused an account's token until another region takes it: then they are switched off."""
    account_id = visit.looked.place.account_id
    if visit.switched_off:
        if account_id in run.works:
            return [visit]
        run.switched_off.setdefault(account_id, []).append(visit)
        return []
    if visit.looked.coverage in {Coverage.COMPLETE, Coverage.PARTIAL}:
        run.works.add(account_id)
        return [visit, *run.switched_off.pop(account_id, [])]
    return [visit]


def _judge_refused(visits: Sequence[_Visit]) -> list[_Visit]:
    """Judge an account whose token no region took: with more than one asked, the token is bad, not the regions."""
    if len(visits) == 1:
        return list(visits)
    judged = []
    for visit in visits:
        troubles = tuple(
            replace(each, status=RegionStatus.ERROR, advice=_NO_REGION_ADVICE) for each in visit.looked.warnings
        )
        judged.append(
            replace(visit, looked=replace(visit.looked, coverage=Coverage.FAILED, troubles=troubles, warnings=()))
        )
    return judged


def _note_of(visit: _Visit, choice: Choice, now: datetime) -> Note | None:
    """Say what a look means for the status table; None where there was no look to speak of."""
    looked, look, place = visit.looked, visit.look, visit.looked.place
    if look is None:
        # The account could not be entered. Only places with servers, and those whose turn it was, are marked: one
        # record, no storm of 28.
        marked = choice.look[place] not in {Why.EVERY, Why.NEW_ACCOUNT, Why.SWEEP} or place in choice.known_active
        return _failed_note(place, looked.troubles[-1], now) if marked and looked.troubles else None
    if look.seen.listed_completely:
        return Note(place.account_id, RegionStatus.ACTIVE, look.started_at, look.seen.servers)
    if look.seen.uninitialized:
        return Note(place.account_id, RegionStatus.NOT_INITIALIZED, look.started_at, 0)
    return _failed_note(place, (*looked.warnings, *looked.troubles)[-1], look.started_at)


def _failed_note(place: Place, trouble: Trouble, looked_at: datetime) -> Note:
    # Readers of the table turn some words into refusals of their own, so they tell of DRS and roles, not of our tables.
    tells = trouble.service in {"drs", "sts"} and not trouble.status.settles_count
    status = trouble.status if tells else RegionStatus.ERROR
    return Note(place.account_id, status, looked_at, None, f"{trouble.code}: {trouble.message}")


def _place_trouble(error: AwsError, place: Place) -> Trouble:
    """Say which scope suffered from an error, be it our own table's."""
    return replace(error.trouble, account_id=place.account_id, region=place.region)


def _account_trouble(error: AwsError) -> Trouble:
    """Say that an account could not be entered; its region is not to blame, so none is named."""
    denied = error.verdict.status in {RegionStatus.IAM_PERMISSION_DENIED, RegionStatus.SCP_DENIED}
    return Trouble(
        error.code,
        error.message,
        RegionStatus.IAM_PERMISSION_DENIED if denied else RegionStatus.ERROR,
        error.call.service,
        error.call.operation,
        error.call.account_id,
        advice="check that the role exists, trusts this account, and that the record holds its external id",
    )


def _trouble(place: Place, code: str, message: str) -> Trouble:
    return Trouble(code, message, RegionStatus.ERROR, "", "", place.account_id, place.region)
