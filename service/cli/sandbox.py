"""`drs-sync sandbox` and `drs-sync demo`: an AWS that has DRS, on this machine, for as long as the command runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from service.cli.output import Output, console, emit_json, fail, plain, table
from service.cli.watching import OutputOption, tables_of

if TYPE_CHECKING:
    from service.sandbox.declared import Fleet
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
    """Run the main job on the sandbox: a full scan into empty tables, then a filtered sync.

    Starts a sandbox in the background, runs `drs-sync sync inventory` against it as a user would, and leaves nothing
    behind.
    """
    chosen = output or Output.default()
    try:
        from service.sandbox.fleet import FleetError  # noqa: PLC0415 - an extra
        from service.sandbox.server import SandboxError, serve  # noqa: PLC0415 - an extra
    except ImportError:
        return fail("Usage", _MISSING, chosen, exit_code=2)
    try:
        with serve(_fleet(fleet)) as sandbox:
            return _Demo(sandbox, chosen).play()
    except (FleetError, SandboxError) as error:
        return fail("Sandbox", str(error), chosen, exit_code=2)
    except KeyboardInterrupt:
        return fail("Interrupted", "the demo was interrupted; nothing is left behind", chosen, exit_code=1)


def _fleet(path: Path | None) -> Fleet:
    from service.sandbox.fleet import demo_fleet, load_fleet  # noqa: PLC0415 - an extra

    return demo_fleet() if path is None else load_fleet(path)


class _Demo:
    """The play: each act is a command of its own process, seen from outside."""

    def __init__(self, sandbox: Sandbox, output: Output) -> None:
        self._sandbox = sandbox
        self._output = output
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = {**inherited, **sandbox.environment()}
        self._acts: list[dict[str, Any]] = []

    def play(self) -> int:
        self._say(f"A sandbox AWS answers on {self._sandbox.endpoint_url}. Its tables are empty.")
        full = self._act(
            "1. First sync: the region status table is empty, so every region is scanned", "sync", "inventory"
        )
        second = self._act("2. Second sync: only active regions, and a few others in turn", "sync", "inventory")
        regions = self._act("3. What the region status table knows now", "regions")
        if any("error" in act for act in (full, second, regions)):
            return self._end(1)
        self._compare(full, second)
        return self._end(0)

    def _act(self, title: str, *arguments: str) -> dict[str, Any]:
        self._say(f"\n{title}\n$ drs-sync {' '.join(arguments)}")
        self._sandbox.clear_calls()
        command = [sys.executable, "-m", "service.cli", *arguments, "--output", "json"]
        done = subprocess.run(command, env=self._environment, stdout=subprocess.PIPE, check=False)  # noqa: S603 - ours
        report: dict[str, Any] = orjson.loads(done.stdout) if done.stdout else {"error": "no output"}
        calls = _by_service(self._sandbox.calls())
        self._acts.append({"title": title, "exitCode": done.returncode, "report": report, "callsCountedByAws": calls})
        if self._output is Output.TABLE:
            if "status" in report:
                console().print(tables_of(report))
            elif "regions" in report:
                rows = [(row["region"], row["status"] or "", row["serverCount"]) for row in report["regions"]]
                console().print(table("region status", ("region", "status", "servers"), rows))
        return report

    def _compare(self, full: Mapping[str, Any], filtered: Mapping[str, Any]) -> None:
        before, after = (act["callsCountedByAws"].get("drs", 0) for act in self._acts[:2])
        rows = [
            ("full scan", full["regionsScanned"], full["scopes"]["asked"], before, full["serversWritten"]),
            ("filtered", filtered["regionsScanned"], filtered["scopes"]["asked"], after, filtered["serversWritten"]),
        ]
        if self._output is Output.TABLE:
            headings = ("sync", "regions scanned", "scopes asked", "DRS calls counted by AWS", "items written")
            console().print(table("\nThe same picture, for less", headings, rows))
        self._say(
            f"{filtered['serversSynced']} servers are known; the second sync made {after} DRS calls where a full scan "
            f"makes {filtered['apiCallsFullScan']}: {filtered['apiCallReductionPercent']} % saved."
        )

    def _say(self, line: str) -> None:
        if self._output is Output.TABLE:
            console().print(plain(line) if not line.startswith("\n") else line, markup=False)

    def _end(self, exit_code: int) -> int:
        if self._output is Output.JSON:
            emit_json({"operation": "demo", "acts": self._acts})
        return exit_code


def _by_service(calls: Sequence[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for call in calls:
        counts[call.service] = counts.get(call.service, 0) + call.count
    return counts
