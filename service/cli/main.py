"""The command `drs-sync`: JSON on stdout, logs on stderr, exit codes 0 complete, 1 failed, 2 usage, 3 partial."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import Exit, TyperException

from service import __version__
from service.cli import accounts, doctor, extended, failback, regions, sandbox, servers, syncs
from service.cli.output import Output, fail

__all__ = ["main", "run"]

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps a true picture of AWS Elastic Disaster Recovery across many accounts and regions.",
)
sync = typer.Typer(no_args_is_help=True, help="Bring the tables up to date.")
sync.command("inventory")(syncs.sync_inventory)
sync.command("staging")(syncs.sync_staging)
sync.command("tags")(syncs.sync_tags)
sync.command("all")(syncs.sync_all)
cli.add_typer(sync, name="sync")
cli.command("regions")(regions.show_regions)
cli.command("servers")(servers.show_servers)
cli.command("extended")(extended.show_extended)
cli.command("failback")(failback.show_failback)
accounts_group = typer.Typer(no_args_is_help=True, help="Show the target accounts, and change their staging accounts.")
accounts_group.command("list")(accounts.list_accounts)
accounts_group.command("add-staging")(accounts.add_staging)
accounts_group.command("remove-staging")(accounts.remove_staging)
accounts_group.command("validate")(accounts.validate)
cli.add_typer(accounts_group, name="accounts")
cli.command("doctor")(doctor.examine)
cli.command("demo")(sandbox.demo)
cli.command("sandbox")(sandbox.serve)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        sys.stdout.write(f"drs-sync {__version__}\n")
        raise typer.Exit


@cli.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold options of the command itself."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        result = cli(args=list(arguments), prog_name="drs-sync", standalone_mode=False)
    except Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return fail("Aborted", "stopped before the end; run it again", Output.asked(arguments), exit_code=1)
    except TyperException as error:
        return fail("Usage", f"{error.format_message()} (see drs-sync --help)", Output.asked(arguments), exit_code=2)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))
