"""`drs-sync sandbox` and `drs-sync demo`: an AWS that has DRS, on this machine, for as long as the command runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import Output, emit_json, fail
from service.cli.watching import OutputOption

if TYPE_CHECKING:
    from service.sandbox.fleet_models import Fleet
    from service.sandbox.server import Sandbox

__all__ = ["demo", "serve"]

_MISSING = "the sandbox is an extra: pip install 'drs-sync[sandbox]'"
FleetOption = Annotated[
    Path | None, typer.Option("--fleet", metavar="FILE", help="Declared fleet, YAML or JSON. Default: the demo's.")
]


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")] = 5000,
    fleet: FleetOption = None,
) -> int:
    """Serve an AWS that has DRS until Ctrl-C: moto, a DRS backend, a declared fleet, and the tables.

    Prints one JSON document with the endpoint and the environment variables for a client; `eval` the `export` lines on
    stderr, or set them by hand.
    """
    try:
        from service.sandbox.fleet import FleetError  # noqa: PLC0415 - an extra
        from service.sandbox.server import SandboxError, serve_forever  # noqa: PLC0415 - an extra
    except ImportError:
        return fail("Usage", _MISSING, Output.default(), exit_code=2)

    def ready(sandbox: Sandbox) -> None:
        environment = sandbox.environment()
        emit_json({"operation": "sandbox", "endpoint": sandbox.endpoint_url, "environment": environment})
        exports = "".join(f"export {name}={value}\n" for name, value in environment.items())
        sys.stderr.write(f"{exports}# serving on {sandbox.endpoint_url}; stop with Ctrl-C\n")
        sys.stderr.flush()

    try:
        serve_forever(_fleet(fleet), port=port, on_ready=ready)
    except (FleetError, SandboxError) as error:
        return fail("Sandbox", str(error), Output.default(), exit_code=2)
    return 0


def demo(fleet: FleetOption = None, output: OutputOption = None) -> int:
    """Run the whole cycle on the sandbox: inventory, staging accounts, tags, and a query, each twice.

    Starts a sandbox in the background, runs `drs-sync` against it as a user would, and leaves nothing behind.
    """
    chosen = output or Output.default()
    try:
        from service.cli.demo import Demo  # noqa: PLC0415 - an extra
        from service.sandbox.fleet import FleetError  # noqa: PLC0415 - an extra
        from service.sandbox.server import SandboxError, serve  # noqa: PLC0415 - an extra
    except ImportError:
        return fail("Usage", _MISSING, chosen, exit_code=2)
    try:
        with serve(_fleet(fleet)) as sandbox:
            return Demo(sandbox, chosen).play()
    except (FleetError, SandboxError) as error:
        return fail("Sandbox", str(error), chosen, exit_code=2)
    except KeyboardInterrupt:
        return fail("Interrupted", "the demo was interrupted; nothing is left behind", chosen, exit_code=1)


def _fleet(path: Path | None) -> Fleet:
    from service.sandbox.fleet import demo_fleet, load_fleet  # noqa: PLC0415 - an extra

    return demo_fleet() if path is None else load_fleet(path)
