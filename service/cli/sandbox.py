"""Commands `drs-sync sandbox` and `drs-sync demo`: a simulated AWS with DRS on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import OutputOption
from service.cli.output import Output, print_error, print_json
from service.cli.sandbox_command import (
    CommandError,
    SandboxFileError,
    environment_file,
    export_file,
    run_within,
)
from service.client_environment import leave_aws

if TYPE_CHECKING:
    from service.sandbox.fleet_models import Fleet
    from service.sandbox.server import Sandbox

__all__ = ["demo", "serve"]

_NOT_INSTALLED = "the sandbox is not installed. Fix: pip install 'drs-sync[sandbox]'"
FleetOption = Annotated[
    Path | None, typer.Option("--fleet", metavar="FILE", help="Fleet file, YAML or JSON. Default: the demo's fleet.")
]


def serve(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Run this against the sandbox, and end with its exit code."),
    ] = None,
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 picks a free one.")] = 0,
    fleet: FleetOption = None,
    servers: Annotated[
        int | None,
        typer.Option(min=0, max=100_000, help="Draw a fleet of so many servers, instead of a fleet file."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the drawn fleet, 1 by default: the same one gives the same fleet.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="At the end, write what there is then as a fleet file."),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option("--env-file", metavar="PATH", help="Write the variables to this file, for a shell to source."),
    ] = None,
) -> int:
    """Serve a simulated AWS with DRS: moto, a DRS backend, a fleet, and the tables.

    With a command, it runs that command in the sandbox's environment and
    ends with it. Otherwise it serves until Ctrl-C, and prints one JSON
    document with the endpoint and the environment variables that a client
    needs, and `export` lines for a shell on stderr.

    Examples:
      drs-sync sandbox -- drs-sync sync inventory
      drs-sync sandbox -- sh -c 'drs-sync sync all; drs-sync status'
      drs-sync sandbox --env-file sandbox.env &      then: . ./sandbox.env
      drs-sync sandbox --servers 5000 --seed 7 --export later.json

    Exit codes: that of the command; 0 stopped by Ctrl-C; 2 wrong usage;
    126 or 127 the command cannot be run or does not exist.
    """
    leave_aws(os.environ)
    try:
        from service.sandbox.fleet import FleetError  # noqa: PLC0415 - needs the extra `sandbox`
        from service.sandbox.server import SandboxError, serve_forever  # noqa: PLC0415 - needs the extra `sandbox`
        from service.sandbox.server import serve as serve_in_background  # noqa: PLC0415
    except ImportError:
        return print_error("Usage", _NOT_INSTALLED, Output.default(), exit_code=2)

    def print_environment(sandbox: Sandbox) -> None:
        environment = sandbox.environment()
        print_json({"operation": "sandbox", "endpoint": sandbox.endpoint_url, "environment": environment})
        exports = "".join(f"export {name}={value}\n" for name, value in environment.items())
        sys.stderr.write(f"{exports}# serving on {sandbox.endpoint_url}; stop with Ctrl-C\n")
        sys.stderr.flush()

    def announce(sandbox: Sandbox) -> None:
        files.enter_context(environment_file(env_file, sandbox.environment()))
        files.enter_context(export_file(export, sandbox.export))
        print_environment(sandbox)

    try:
        declared = _load_fleet(fleet, servers, seed)
        with ExitStack() as files:
            if not command:
                serve_forever(declared, port=port, on_ready=announce, on_stop=files.close)
                return 0
            sandbox = files.enter_context(serve_in_background(declared, port=port))
            files.enter_context(environment_file(env_file, sandbox.environment()))
            files.enter_context(export_file(export, sandbox.export))
            return run_within(command, sandbox.environment())
    except CommandError as error:
        return print_error("Usage", str(error), Output.default(), exit_code=error.exit_code)
    except (FleetError, SandboxError, SandboxFileError) as error:
        return print_error("Sandbox", str(error), Output.default(), exit_code=2)
    except KeyboardInterrupt:
        return print_error("Interrupted", "the sandbox was interrupted", Output.default(), exit_code=1)


def demo(
    fleet: FleetOption = None,
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Run every sync and a query, each twice, and show their reports.")
    ] = False,
    output: OutputOption = None,
) -> int:
    """Tell in a minute what drs-sync does: a story on a simulated AWS that ends on the status screen.

    An account denies access, a server stalls, a region becomes active, a
    server is recovered and has to go back. Starts a sandbox in the
    background, runs `drs-sync` against it as a user would, and leaves
    nothing behind but a page.

    Examples:
      drs-sync demo
      drs-sync demo --verbose --output json

    Exit codes: 0 every command ended as expected; 1 otherwise; 2 wrong usage.
    """
    chosen = output or Output.default()
    leave_aws(os.environ)
    try:
        from service.cli.demo import Demo  # noqa: PLC0415 - needs the extra `sandbox`
        from service.cli.demo_story import Story  # noqa: PLC0415 - needs the extra `sandbox`
        from service.sandbox.fleet import FleetError  # noqa: PLC0415 - needs the extra `sandbox`
        from service.sandbox.server import SandboxError, serve  # noqa: PLC0415 - needs the extra `sandbox`
    except ImportError:
        return print_error("Usage", _NOT_INSTALLED, chosen, exit_code=2)
    try:
        with serve(_load_fleet(fleet)) as sandbox:
            return (Demo if verbose else Story)(sandbox, chosen).run()
    except (FleetError, SandboxError) as error:
        return print_error("Sandbox", str(error), chosen, exit_code=2)
    except KeyboardInterrupt:
        return print_error("Interrupted", "the demo was interrupted; nothing is left behind", chosen, exit_code=1)


def _load_fleet(path: Path | None, servers: int | None = None, seed: int | None = None) -> Fleet:
    from service.sandbox.fleet import FleetError, demo_fleet, load_fleet  # noqa: PLC0415 - needs the extra `sandbox`
    from service.sandbox.fleet_draw import draw_fleet  # noqa: PLC0415 - needs the extra `sandbox`

    if servers is None and seed is not None:
        raise FleetError("--seed draws no fleet without --servers. Fix: give both, or leave out --seed")
    if servers is not None and path is not None:
        raise FleetError("--servers and --fleet name two fleets. Fix: give one of them")
    if servers is not None:
        return draw_fleet(servers, seed=1 if seed is None else seed)
    return demo_fleet() if path is None else load_fleet(path)
