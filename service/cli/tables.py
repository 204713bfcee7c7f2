"""Command `drs-sync tables create`: creates the tables that no platform has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from service.aws.client import AwsClient
from service.aws.dynamodb_tables import TableAdmin
from service.aws.operations import TABLE_OPERATIONS
from service.cli.columns import Column, table
from service.cli.options import OutputOption
from service.cli.output import Output, code_and_text, print_result, run_command
from service.cli.problem_text import paragraph
from service.cli.schemas import TABLES, TableSpec, schema_problems
from service.errors import AwsError, ConfigurationError
from service.models import utc_now
from service.settings import Settings

__all__ = ["create_tables", "results_table"]

_TTL: Final = "TTL"
_COLUMNS: Final = (Column("status"), Column("setting"), Column("table", can_be_cut=True))
_EXISTS: Final = "exists"
_FAILED: Final = frozenset({"failed", "differs"})


def create_tables(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also the tables that the platform creates, for an account without it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be created, and create nothing.")] = False,
    output: OutputOption = None,
) -> int:
    """Create the tables that settings name and that do not exist; a table that exists is left as it is.

    Without --all only those that no platform creates: of topology, and of the tag sync.
    Only for installations without CloudFormation; a stack creates its own tables.

    Examples:
      drs-sync tables create --dry-run
      drs-sync tables create --all

    Exit codes: 0 all of them exist; 1 one could not be created, or has another schema;
    2 wrong usage or settings.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        specs = [spec for spec in TABLES if spec.is_own or every]
        if not any(getattr(settings, spec.setting) for spec in specs):
            names = " and ".join(spec.variable for spec in specs)
            raise ConfigurationError(f"no table is named. Fix: set {names} to the names of the tables to create")
        async with AwsClient(settings, utc_now, allowed=TABLE_OPERATIONS) as aws_client:
            admin = TableAdmin(aws_client.hub(), aws_client.hub_region)
            results = [await _result(admin, spec, settings, dry_run=dry_run) for spec in specs]
        failed = any(result["status"] in _FAILED for result in results)
        document = {"operation": "create_tables", "status": "failed" if failed else "complete", "tables": results}
        print_result(chosen, document, lambda: results_table(results))
        return 1 if failed else 0

    return run_command(chosen, work)


def results_table(results: Sequence[Mapping[str, Any]]) -> Group:
    """Render a line per table, then what is to be known of those that are not simply there."""
    rows, problems = [], list[RenderableType]()
    for each in results:
        is_failed = each["status"] in _FAILED
        rows.append((each["status"], each["setting"], each["name"]))
        if each["status"] != _EXISTS:
            level = "ERROR" if is_failed else each["status"]
            problems += [Text(), *paragraph(level, "", each["name"] or each["setting"], each["message"], "")]
    return Group(table(f"{len(results)} tables", _COLUMNS, rows), *problems)


async def _result(admin: TableAdmin, spec: TableSpec, settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    name = str(getattr(settings, spec.setting))
    status, message = "unset", f"set {spec.variable} to its name to create it"
    if name:
        try:
            status, message = await _create(admin, spec, name, settings, dry_run=dry_run)
        except AwsError as error:
            status, (_, message) = "failed", code_and_text(error)
    return {"setting": spec.variable, "name": name, "status": status, "message": message}


async def _create(
    admin: TableAdmin, spec: TableSpec, name: str, settings: Settings, *, dry_run: bool
) -> tuple[str, str]:
    """Create one table unless it exists; return the status and what to know of it. Raises AwsError."""
    existing = await admin.describe(name)
    if existing is not None:
        problems = "; ".join(schema_problems(spec, existing))
        if problems:
            return "differs", f"{problems}. Fix: name another table, which has {spec.description}"
        return _EXISTS, "left as it is"
    if dry_run:
        return "planned", f"would be created with {spec.description}"
    tags = {"Project": settings.project_name, "Environment": settings.environment, "Schema": "camelCase"}
    await admin.create(name, spec.keys, spec.indexes, tags, ttl=_TTL)
    return "created", spec.description
