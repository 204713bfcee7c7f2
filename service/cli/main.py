"""The command `drs-sync`: JSON on stdout, logs on stderr, exit codes 0 complete, 1 failed, 2 usage, 3 partial."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.exceptions import Exit, TyperException

from service import __version__
from service.cli import accounts, doctor, extended, failback, regions, sandbox, servers, syncs
from service.cli.output import Output, fail, say
from service.cli.streams import UnwrittenError, give_up_stdout, guard_streams

__all__ = ["main", "run"]

cli = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps a true picture of AWS Elastic Disaster Recovery across many accounts and regions.",
)
sync = typer.Typer(help="Bring the tables up to date.")
sync.command("inventory")(syncs.sync_inventory)
sync.command("staging")(syncs.sync_staging)
sync.command("tags")(syncs.sync_tags)
sync.command("all")(syncs.sync_all)
cli.add_typer(sync, name="sync")
cli.command("regions")(regions.show_regions)
cli.command("servers")(servers.show_servers)
cli.command("extended")(extended.show_extended)
cli.command("failback")(failback.show_failback)
accounts_group = typer.Typer(help="Show the target accounts, and change their staging accounts.")
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


_NO_COMMAND: Final = "Missing command."  # typer's words


def _call(arguments: Sequence[str]) -> object:
    return cli(args=list(arguments), prog_name="drs-sync", standalone_mode=False)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except UnwrittenError as error:
        say(str(error))
        give_up_stdout()
        return 1
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        result = _call(arguments)
    except Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return fail("Aborted", "stopped before the end; run it again", Output.asked(arguments), exit_code=1)
    except TyperException as error:
        told, output = error.format_message(), Output.asked(arguments)
        if told == _NO_COMMAND and output is Output.TABLE:
            _call([*arguments, "--help"])  # a person looks around; a program gets its document
            return 2
        return fail("Usage", f"{told} (see drs-sync --help)", output, exit_code=2)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the console script."""
    guard_streams()
    sys.exit(run(sys.argv[1:]))
