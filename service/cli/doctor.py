"""Command `drs-sync doctor`: checks what every sync needs, and says what is wrong and how to fix it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from service.cli.diagnosis import Finding, Level
from service.cli.doctor_checks import Doctor
from service.cli.options import OutputOption, require_values
from service.cli.output import Output, print_result, run_command, sanitize
from service.cli.problem_text import paragraph
from service.cli.schemas import PLATFORM_TABLES, TABLES
from service.queries.params import account_param
from service.settings import Settings

__all__ = ["finding_paragraphs", "run_doctor"]

_ORDER: Final = (
    "settings",
    "hub",
    *(spec.check for spec in (*TABLES, *PLATFORM_TABLES)),
    "region status",
    "accounts",
    "role",
    "drs",
)
_MAX_ALIKE: Final = 3
_LABELS: Final = MappingProxyType({Level.FAILED: "FAILED", Level.WARNING: "warning"})


def run_doctor(
    account: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="ID", help="Check this target or staging account only; repeatable."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="NAME", help="Check DRS in this region, not the active ones; repeatable."),
    ] = None,
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List the checks that are ok, too.")] = False,
    output: OutputOption = None,
) -> int:
    """Check settings, credentials, tables, roles and DRS, and say how to fix what is wrong.

    Changes nothing. DRS is checked in active regions unless regions are named.
    What failed comes first, then warnings; what is ok is counted.

    Examples:
      drs-sync doctor
      drs-sync doctor --verbose
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
        print_result(chosen, document, lambda: Group(*finding_paragraphs(findings, verbose=verbose)))
        return 1 if worst is Level.FAILED else 0

    return run_command(chosen, work)


def finding_paragraphs(findings: Sequence[Finding], *, verbose: bool) -> Iterator[RenderableType]:
    """Render the findings: a paragraph for each failure, then for each warning, and the others as one number.

    What is the same for more than three accounts is one paragraph, which counts them.
    """
    counts = Counter(finding.status for finding in findings)
    failed, warnings = counts[Level.FAILED], counts[Level.WARNING]
    yield Text(f"{failed} failed, {warnings} warning{'' if warnings == 1 else 's'}")
    for level in (Level.FAILED, Level.WARNING):
        for finding, account in _alike(each for each in findings if each.status is level):
            yield Text("")
            where = " ".join(filter(None, (account, finding.region)))
            yield from paragraph(_LABELS[level], finding.check, where, finding.cause, finding.fix)
    yield Text("")
    yield Text(f"{counts[Level.OK]} ok" + ("" if verbose or not counts[Level.OK] else "   (--verbose lists them)"))
    if verbose:
        for finding, account in _alike(each for each in findings if each.status is Level.OK):
            where = " ".join(filter(None, (finding.check, account, finding.region)))
            yield sanitize(f"  {where}: {finding.cause}")


def _alike(findings: Iterable[Finding]) -> Iterator[tuple[Finding, str]]:
    """Yield each finding with its account; what is the same for more than three accounts once, with their number."""
    alike: dict[Finding, list[str]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, account_id=""), []).append(finding.account_id)
    for finding, account_ids in alike.items():
        is_one = len(account_ids) > _MAX_ALIKE
        for account in [f"{account_ids[0]} and {len(account_ids) - 1} more"] if is_one else account_ids:
            yield finding, account
