"""Command `drs-sync doctor`: checks what every sync needs, and says what is wrong and how to fix it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Final

import typer

from service.cli.diagnosis import Finding, Level
from service.cli.doctor_checks import Doctor
from service.cli.options import OutputOption, require_values
from service.cli.output import Output, print_result, run_command, table
from service.cli.schemas import PLATFORM_TABLES, TABLES
from service.queries.params import account_param
from service.settings import Settings

__all__ = ["finding_rows", "run_doctor"]

_ORDER: Final = (
    "settings",
    "hub",
    *(spec.check for spec in (*TABLES, *PLATFORM_TABLES)),
    "region status",
    "accounts",
    "role",
    "drs",
)
_MAX_ROWS_ALIKE: Final = 3
_HEADINGS: Final = ("check", "status", "account", "region", "cause", "fix")


def run_doctor(
    account: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="ID", help="Check this target or staging account only; repeatable."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="NAME", help="Check DRS in this region, not the active ones; repeatable."),
    ] = None,
    output: OutputOption = None,
) -> int:
    """Check settings, credentials, tables, roles and DRS, and say how to fix what is wrong.

    Changes nothing. DRS is checked in active regions unless regions are named.

    Examples:
      drs-sync doctor
      drs-sync doctor --account 111122223333 --region us-west-2

    Exit codes: 0 nothing failed, there may be warnings; 1 a check failed;
    2 wrong usage or settings.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        accounts, regions = require_values("--account", account), require_values("--region", region)
        for account_id in accounts:
            account_param({"--account": account_id}, "--account")
        findings = await Doctor(settings, accounts, regions).run()
        findings.sort(key=lambda finding: (_ORDER.index(finding.check), finding.account_id, finding.region))
        counts = Counter(finding.status for finding in findings)
        worst = next((level for level in (Level.FAILED, Level.WARNING) if counts[level]), Level.OK)
        document = {
            "operation": "doctor",
            "status": str(worst),
            "counts": {str(level): counts[level] for level in Level},
            "findings": [finding.as_json() for finding in findings],
        }
        title = ", ".join(f"{counts[level]} {level}" for level in Level)
        print_result(chosen, document, lambda: table(title, _HEADINGS, finding_rows(findings)))
        return 1 if worst is Level.FAILED else 0

    return run_command(chosen, work)


def finding_rows(findings: Iterable[Finding]) -> Iterator[tuple[object, ...]]:
    """Make the rows of the table; what is the same for more than three accounts is one row, which counts them."""
    alike: dict[Finding, list[str]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, account_id=""), []).append(finding.account_id)
    for finding, account_ids in alike.items():
        is_one_row = len(account_ids) > _MAX_ROWS_ALIKE
        accounts = [f"{account_ids[0]} and {len(account_ids) - 1} more"] if is_one_row else account_ids
        for account in accounts:
            yield (finding.check, finding.status, account, finding.region, finding.cause, finding.fix)
