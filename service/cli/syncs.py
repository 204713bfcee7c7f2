"""Commands `drs-sync sync inventory|staging|tags|all`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.text import Text

from service.app import App, open_app
from service.cli.heartbeat import heartbeat
from service.cli.options import ExcludedRegions, OutputOption, SyncAccounts, SyncRegions, require_values
from service.cli.output import Output, code_and_text, print_result, run_command, sanitize
from service.cli.progress import live_progress
from service.cli.report_tables import report_tables
from service.cli.signals import shutdown_on_signals
from service.context import SyncRequest
from service.deadline import Deadline
from service.errors import DrsSyncError
from service.settings import Settings
from service.sync.engine.report import Progress, exit_code

__all__ = ["combined_status", "sync_all", "sync_inventory", "sync_staging", "sync_tags"]

FullScan = Annotated[bool, typer.Option("--full-scan", help="Scan every region, active or not.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit", metavar="SECONDS", min=1.0, help="End after this time, with a report of what was done."
    ),
]
Sync = Callable[[App, SyncRequest, Progress], Awaitable[dict[str, Any]]]


async def _inventory(app: App, request: SyncRequest, progress: Progress) -> dict[str, Any]:
    return await app.sync_inventory(request, progress)


async def _staging(app: App, request: SyncRequest, progress: Progress) -> dict[str, Any]:
    return await app.sync_staging(request, progress)


async def _tags(app: App, request: SyncRequest, progress: Progress) -> dict[str, Any]:
    return await app.sync_tags(request, progress)


# Staging first, so that the inventory includes the servers it extends; tags last, because they need known servers.
_ALL: Final[Mapping[str, Sync]] = {"staging": _staging, "inventory": _inventory, "tags": _tags}


def sync_inventory(
    account: SyncAccounts = None,
    region: SyncRegions = None,
    exclude_region: ExcludedRegions = None,
    *,
    full_scan: FullScan = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Sync the source servers of all target accounts into the inventory, and update region status.

    Scans the active regions, and a few inactive ones in turn.

    Examples:
      drs-sync sync inventory
      drs-sync sync inventory --full-scan --time-limit 600
      drs-sync sync inventory --account 111122223333 --region us-west-2

    Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
    3 partial: some accounts or regions failed, see the report's errors.
    """
    request = _request(account, region, exclude_region, full_scan=full_scan, time_limit=time_limit)
    return _run_sync(_inventory, request, output)


def sync_staging(
    account: SyncAccounts = None,
    region: SyncRegions = None,
    exclude_region: ExcludedRegions = None,
    *,
    full_scan: FullScan = False,
    dry_run: DryRun = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Extend servers of staging accounts into their target accounts, in active regions.

    A server is extended only where both sides could be read; the others
    are held back and reported. A staging account that only DRS names is
    reported too, and waits for `drs-sync accounts add-staging`.

    Examples:
      drs-sync sync staging --dry-run
      drs-sync sync staging --account 111122223333

    Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
    3 partial: some accounts or regions failed, see the report's errors.
    """
    request = _request(account, region, exclude_region, full_scan=full_scan, dry_run=dry_run, time_limit=time_limit)
    return _run_sync(_staging, request, output)


def sync_tags(
    account: SyncAccounts = None,
    region: SyncRegions = None,
    exclude_region: ExcludedRegions = None,
    *,
    full_scan: FullScan = False,
    dry_run: DryRun = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Copy EC2 instance tags to DRS source servers, differences only, in active regions.

    Examples:
      drs-sync sync tags --dry-run --region us-west-2
      drs-sync sync tags

    Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
    3 partial: some accounts or regions failed, see the report's errors.
    """
    request = _request(account, region, exclude_region, full_scan=full_scan, dry_run=dry_run, time_limit=time_limit)
    return _run_sync(_tags, request, output)


def sync_all(
    account: SyncAccounts = None,
    region: SyncRegions = None,
    exclude_region: ExcludedRegions = None,
    *,
    full_scan: FullScan = False,
    time_limit: TimeLimit = None,
    output: OutputOption = None,
) -> int:
    """Sync staging accounts, inventory and tags, one after the other.

    Examples:
      drs-sync sync all
      drs-sync sync all --exclude-region me-south-1 --output json

    Exit codes: 0 all are complete; 1 all failed; 2 wrong usage or settings;
    3 otherwise.
    """
    chosen = output or Output.default()
    request = _request(account, region, exclude_region, full_scan=full_scan)

    async def work(settings: Settings) -> int:
        _check_values(request)
        reports: dict[str, dict[str, Any]] = {}
        failures: dict[str, dict[str, str]] = {}
        with shutdown_on_signals() as shutdown:
            deadline = Deadline(shutdown, time_limit)
            async with heartbeat(settings.heartbeat_file), open_app(settings, shutdown=shutdown) as app:
                for name, sync in _ALL.items():
                    if deadline.is_over:
                        break
                    within = replace(request, remaining_s=deadline.time_left_s())
                    try:
                        with live_progress() as progress:
                            reports[name] = await sync(app, within, progress)
                    except DrsSyncError as error:
                        if not reports:
                            raise
                        code, text = code_and_text(error)  # the reports of the syncs before it are kept
                        failures[name] = {"code": code, "message": text}
        not_run = [name for name in _ALL if name not in reports]
        status = combined_status([*(report["status"] for report in reports.values()), *("failed" for _ in not_run)])
        document = {"operation": "sync_all", "status": status, "reports": reports, "notRun": not_run}
        document |= {"failures": failures} if failures else {}
        print_result(chosen, document, lambda: _all_tables(reports, not_run, failures))
        return exit_code({"status": status})

    return run_command(chosen, work)


def _all_tables(
    reports: Mapping[str, Mapping[str, Any]], not_run: Sequence[str], failures: Mapping[str, Mapping[str, str]]
) -> Group:
    tables = [part for report in reports.values() for part in (report_tables(report), Text())]
    reasons = {name: failures[name]["message"] if name in failures else "no time left" for name in not_run}
    return Group(*tables, *(sanitize(f"not run: {name}: {reason}") for name, reason in reasons.items()))


def combined_status(statuses: Iterable[str]) -> str:
    """Combine the statuses of several syncs: complete or failed if all of them are, else partial."""
    distinct = set(statuses)
    if distinct == {"failed"}:
        return "failed"
    return "complete" if distinct == {"complete"} else "partial"


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


def _check_values(request: SyncRequest) -> None:
    """Raise RefusalError if an account or region is an empty text."""
    require_values("--account", request.accounts)
    require_values("--region", request.regions)
    require_values("--exclude-region", request.excluded_regions)


def _run_sync(sync: Sync, request: SyncRequest, output: Output | None) -> int:
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        _check_values(request)
        with shutdown_on_signals() as shutdown:
            async with heartbeat(settings.heartbeat_file), open_app(settings, shutdown=shutdown) as app:
                with live_progress() as progress:
                    report = await sync(app, request, progress)
        print_result(chosen, report, lambda: report_tables(report))
        return exit_code(report)

    return run_command(chosen, work)
