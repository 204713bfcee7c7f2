"""Runs in processes of their own, which signals can reach, against a sandbox of three accounts."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from tests.support.sandbox import EngineSandbox

__all__ = ["Ended", "finish", "populate"]

_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        return document


def populate(sandbox: EngineSandbox, *, many: int) -> tuple[str, str, str]:
    """Create three accounts with servers, the hub among them; the first has `many` in one region. Return their ids."""
    first = sandbox.add_account(regions={"us-west-2": {"servers": many}, "ap-south-1": {"servers": 2}})
    second = sandbox.add_account(regions={"us-west-2": {"servers": 3}, "sa-east-1": {"servers": 2}})
    sandbox.add(sandbox.names.hub, "eu-west-1", servers=1)
    return first, second, sandbox.names.hub


def finish(process: subprocess.Popen[str]) -> Ended:
    """Wait for a started command."""
    out, err = process.communicate(timeout=_TIMEOUT_S)
    return Ended(process.returncode, out, err)
