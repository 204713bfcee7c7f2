"""`drs-sync sync inventory|staging|tags|all`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from service.app import App, open_app
from service.cli.beating import beating
from service.cli.options import named
from service.cli.output import Output, console, emit_json, guarded, plain
from service.cli.stopping import shutdown_on_signals
from service.cli.watching import Accounts, Excluded, OutputOption, Regions, live_progress, tables_of
from service.context import SyncRequest
from service.deadline import Deadline
from service.settings import Settings
from service.sync.engine.report import Progress, exit_code

__all__ = ["sync_all", "sync_inventory", "sync_staging", "sync_tags"]

FullScan = Annotated[bool, typer.Option("--full-scan", help="Look at every region, active or not.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit", metavar="SECONDS", min=1.0, help="End after this long, with a report of what is done."
    ),
]
Job = Callable[[App, SyncRequest, Progress], Awaitable[dict[str, Any]]]


async def _inventory(app: App, request: SyncRequest, progress: Progress) -> dict[str, Any]:
    return await app.sync_inventory(request, progress)


async def _staging(app: App, request: SyncRequest, progress: Progress) -> dict[str, Any]:
    return await app.sync_staging(request, progress)


async def _tags(app: App, request: SyncRequest, progress: Progress) -> dict[str, Any]:
    return await app.sync_tags(request, progress)


# Staging first, so that what it extends is in the inventory; and tags last, on servers that are known.
_ALL: Final[Mapping[str, Job]] = {"staging": _staging, "inventory": _inventory, "tags": _tags}


def sync_inventory(
    account: Accounts = None,
    region: Regions = None,
    exclude_region: Excluded = None,
    *,
    full_scan: FullScan = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Sync source servers of every target account into the inventory, and the region status with them.

    Looks at active regions, and at a few inactive ones in turn. Exit code 0: complete; 3: some accounts or regions
    failed, the report says which and why; 1: failed; 2: wrong usage or settings.
    """
    request = _request(account, region, exclude_region, full_scan=full_scan, time_limit=time_limit)
    return _run_one(_inventory, request, output)


def sync_staging(
    account: Accounts = None,
    region: Regions = None,
    exclude_region: Excluded = None,
    *,
    full_scan: FullScan = False,
    dry_run: DryRun = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Extend into each target what its staging accounts replicate and it lacks, in active regions.

    Nothing is extended because of a read that failed: such a staging account and region is held back and reported.
    """
    request = _request(account, region, exclude_region, full_scan=full_scan, dry_run=dry_run, time_limit=time_limit)
    return _run_one(_staging, request, output)


def sync_tags(
    account: Accounts = None,
    region: Regions = None,
    exclude_region: Excluded = None,
    *,
    full_scan: FullScan = False,
    dry_run: DryRun = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Bring the tags of EC2 instances to their DRS source servers, differences only, in active regions."""
    request = _request(account, region, exclude_region, full_scan=full_scan, dry_run=dry_run, time_limit=time_limit)
    return _run_one(_tags, request, output)


def sync_all(
    account: Accounts = None,
    region: Regions = None,
    exclude_region: Excluded = None,
    *,
    full_scan: FullScan = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Sync staging accounts, inventory and tags, one after the other; the exit code is that of the worst."""
    chosen = output or Output.default()
    request = _request(account, region, exclude_region, full_scan=full_scan)

    async def work(settings: Settings) -> int:
        _check(request)
        reports: dict[str, dict[str, Any]] = {}
        with shutdown_on_signals() as shutdown:
            deadline = Deadline(shutdown, time_limit)
            async with beating(settings.heartbeat_file), open_app(settings, shutdown=shutdown) as app:
                for name, job in _ALL.items():
                    if deadline.is_over:
                        break
                    with live_progress() as progress:
                        reports[name] = await job(app, replace(request, remaining_s=deadline.time_left_s()), progress)
        not_run = [name for name in _ALL if name not in reports]
        status = _worst([*(report["status"] for report in reports.values()), *("failed" for _ in not_run)])
        if chosen is Output.JSON:
            emit_json({"operation": "sync_all", "status": status, "reports": reports, "notRun": not_run})
        else:
            for report in reports.values():
                console().print(tables_of(report))
            if not_run:
                console().print(plain(f"not run, for lack of time: {', '.join(not_run)}"))
        return exit_code({"status": status})

    return guarded(chosen, work)


def _worst(statuses: Iterable[str]) -> str:
    found = set(statuses)
    if found == {"failed"}:
        return "failed"
    return "complete" if found == {"complete"} else "partial"


def _request(
    account: list[str] | None,
    region: list[str] | None,
    exclude_region: list[str] | None,
    *,
    full_scan: bool,
    dry_run: bool = False,
    time_limit: float | None = None,
) -> SyncRequest:
    return SyncRequest(
        accounts=tuple(account or ()),
        regions=tuple(region or ()),
        excluded_regions=tuple(exclude_region or ()),
        full_scan=full_scan,
        dry_run=dry_run,
        remaining_s=time_limit,
    )


def _check(request: SyncRequest) -> None:
    """Make sure that every place is named. Raises RefusalError as `named` does."""
    named("--account", request.accounts)
    named("--region", request.regions)
    named("--exclude-region", request.excluded_regions)


def _run_one(job: Job, request: SyncRequest, output: Output | None) -> int:
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        _check(request)
        with shutdown_on_signals() as shutdown:
            async with beating(settings.heartbeat_file), open_app(settings, shutdown=shutdown) as app:
                with live_progress() as progress:
                    report = await job(app, request, progress)
        if chosen is Output.JSON:
            emit_json(report)
        else:
            console().print(tables_of(report))
        return exit_code(report)

    return guarded(chosen, work)
