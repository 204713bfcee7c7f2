"""Simulated AWS in another process, controlled through its control API.

It is `drs-sync sandbox` for a declared fleet, and `benchmarks.endpoint` for a computed estate.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast
from urllib.request import Request, urlopen

from benchmarks.endpoint.estate import Estate
from benchmarks.fleets import Fleet

__all__ = ["COMMAND", "AwsProcess", "AwsProcessError", "opened"]

COMMAND: Final = str(Path(sys.executable).with_name("drs-sync"))
_CHECKOUT: Final = {"PYTHONPATH": str(Path(__file__).parents[1])}  # measure this checkout, whatever is installed
_TIMEOUT_S: Final = 30.0


class AwsProcessError(RuntimeError):
    """The simulated AWS did not start, or a preparing command failed."""


class AwsProcess:
    """A running simulated AWS."""

    def __init__(self, endpoint: str, environment: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        no_files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        # With bytecode, as it is installed, whatever this environment says.
        here = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.environment = {**here, **_CHECKOUT, **no_files, **environment}

    def set_faults(self, faults: Mapping[str, Any]) -> None:
        """Replace the faults."""
        self._request("PUT", "faults", faults)

    def calls(self) -> Counter[tuple[str, str]]:
        """Return the number of received calls by service and operation."""
        counts: Counter[tuple[str, str]] = Counter()
        for call in self._request("GET", "calls")["calls"]:
            counts[call["service"], call["operation"]] += call["count"]
        return counts

    def reset_calls(self) -> None:
        """Reset the call counts."""
        self._request("DELETE", "calls")

    def make_servers(self) -> None:
        """Let the sandbox make all servers and instances now: otherwise the first measured request of a scope waits."""
        self._request("GET", "fleet")  # an export needs them all

    def prepare(self, command: str) -> None:
        """Run a command of drs-sync without measuring it.

        Raises:
            AwsProcessError: its exit code was not 0.
        """
        words = [COMMAND, *command.split(), "--output", "json"]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AwsProcessError(
                f"drs-sync {command}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(dict(body)).encode()
        request = Request(f"{self._endpoint}/sandbox/{path}", data=data, method=method)  # noqa: S310 - our own loopback
        trusted = ssl.create_default_context(cafile=self.environment.get("AWS_CA_BUNDLE"))
        with urlopen(request, timeout=_TIMEOUT_S, context=trusted) as answer:  # noqa: S310
            return cast("dict[str, Any]", json.load(answer))


@contextmanager
def opened(fleet: Fleet | Estate) -> Iterator[AwsProcess]:
    """Run a simulated AWS with a fleet or an estate.

    Raises:
        AwsProcessError: it did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as errors:
            here = {**os.environ, **_CHECKOUT}
            process = subprocess.Popen(_words(fleet, Path(folder)), env=here, stdout=subprocess.PIPE, stderr=errors)
        try:
            ready = _first_document(process)
            if ready is None:
                raise AwsProcessError(f"the simulated AWS did not start: {log.read_text(encoding='utf-8')[-2000:]}")
            aws = AwsProcess(ready["endpoint"], ready["environment"])
            if not isinstance(fleet, Estate):
                aws.make_servers()
            yield aws
        finally:
            process.terminate()
            process.communicate()


def _words(fleet: Fleet | Estate, folder: Path) -> list[str]:
    if isinstance(fleet, Estate):
        size = map(str, (fleet.targets, fleet.regions, fleet.servers))
        tls = ["--tls", str(folder / "authority.pem")] if fleet.tls else []
        dark = ["--dark", fleet.dark] if fleet.dark else []
        in_use = ["--in-use", *fleet.regions_in_use] if fleet.regions_in_use else []
        flags = [f"--{name}" for name in ("known", "staging", "synced", "new") if getattr(fleet, name)]
        return [sys.executable, "-m", "benchmarks.endpoint", *size, *tls, *dark, *flags, *in_use]
    path = folder / "fleet.json"
    path.write_text(json.dumps(fleet), encoding="utf-8")
    return [COMMAND, "sandbox", "--port", "0", "--fleet", str(path)]


def _first_document(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """Return the JSON document that the sandbox prints when it is ready; None when it ends instead."""
    text = b""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for line in process.stdout:
        text += line
        if line.startswith(b"}"):
            return cast("dict[str, Any]", json.loads(text))
    return None
