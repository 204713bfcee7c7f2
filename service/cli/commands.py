"""Commands of `drs-sync` by name. Each is imported when it is called, so that the others cost no time.

Most of the time of a short command would go into imports: the AWS SDK alone takes half a second of CPU on a slow core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["SUMMARIES", "CommandGroup", "load"]


class _Command(NamedTuple):
    """A command: what `drs-sync --help` says of it, and what imports its function or its group."""

    summary: str
    load: Callable[[], Callable[..., int] | typer.Typer]


def _function(module: str, name: str) -> Callable[[], Callable[..., int]]:
    return lambda: getattr(import_module(f"service.cli.{module}"), name)


def _sync() -> typer.Typer:
    from service.cli import syncs  # noqa: PLC0415

    group = typer.Typer(help=_COMMANDS["sync"].summary, add_completion=False)
    group.command("inventory")(syncs.sync_inventory)
    group.command("staging")(syncs.sync_staging)
    group.command("tags")(syncs.sync_tags)
    group.command("all")(syncs.sync_all)
    return group


def _regions() -> typer.Typer:
    from service.cli import regions  # noqa: PLC0415

    group = typer.Typer(invoke_without_command=True, add_completion=False)
    group.callback()(regions.show_regions)
    group.command("drop")(regions.drop_regions)
    return group


def _accounts() -> typer.Typer:
    from service.cli import accounts  # noqa: PLC0415

    group = typer.Typer(help=_COMMANDS["accounts"].summary, add_completion=False)
    group.command("list")(accounts.list_accounts)
    group.command("add")(accounts.add_account)
    group.command("remove")(accounts.remove_account)
    group.command("add-staging")(accounts.add_staging)
    group.command("remove-staging")(accounts.remove_staging)
    group.command("validate")(accounts.validate)
    return group


def _tables() -> typer.Typer:
    from service.cli import tables  # noqa: PLC0415

    group = typer.Typer(help=_COMMANDS["tables"].summary, add_completion=False)
    group.command("create")(tables.create_tables)
    return group


_COMMANDS: Final[Mapping[str, _Command]] = MappingProxyType(
    {
        "status": _Command(
            "Show on one screen whether the estate could fail over now, and what needs you.",
            _function("status", "show_status"),
        ),
        "report": _Command(
            "Write the estate as one self-contained page, or as md, csv or json.", _function("report", "show_report")
        ),
        "serve": _Command(
            "Serve the estate as live pages until Ctrl-C, to this machine only.", _function("serve", "serve_pages")
        ),
        "servers": _Command(
            "Show source servers from the inventory, or from DRS where the inventory is stale.",
            _function("servers", "show_servers"),
        ),
        "extended": _Command(
            "Show which servers of a target account are extended from which staging account.",
            _function("extended", "show_extended"),
        ),
        "coverage": _Command(
            "List the EC2 instances that no source server protects, and why.", _function("coverage", "show_coverage")
        ),
        "failback": _Command(
            "Show where a server came from, and the runbook that sends it back.", _function("failback", "show_failback")
        ),
        "doctor": _Command(
            "Check settings, credentials, tables, roles and DRS, and say how to fix what is wrong.",
            _function("doctor", "run_doctor"),
        ),
        "demo": _Command(
            "Tell in a minute what drs-sync does: a story on a simulated AWS that ends on the status screen.",
            _function("sandbox", "demo"),
        ),
        "sandbox": _Command(
            "Serve a simulated AWS with DRS: moto, a DRS backend, a fleet, and the tables.",
            _function("sandbox", "serve"),
        ),
        "sync": _Command("Update the inventory, extended servers or tags from AWS.", _sync),
        "regions": _Command(
            "Show the region status table: servers, and the age of the last complete scan and of the last attempt.",
            _regions,
        ),
        "accounts": _Command("Show and change the target accounts and their staging accounts.", _accounts),
        "tables": _Command("Create the tables that no platform has.", _tables),
    }
)

SUMMARIES: Final[Mapping[str, str]] = MappingProxyType({name: each.summary for name, each in _COMMANDS.items()})
"""What the help says of each command; a test compares it with the command's own help."""


def load(name: str) -> Any:  # noqa: ANN401 - typer has no public type of a command
    """Import a command and return it as typer's parser uses it. Raises KeyError when there is none of this name."""
    found = _COMMANDS[name].load()
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


class CommandGroup(TyperGroup):
    """Group of all commands: it knows their names and summaries, and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - those of the library
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=summary) for name, summary in SUMMARIES.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 - as above
        """Find the command that a command line names, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load(name), rest
