"""A bash in which the steps of a page are executed one after the other, as an operator types them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import boto3

from tests.operations.page import ROOT, Block
from tests.support.shims import Shims

__all__ = ["Shell", "StepError"]

_ACCOUNTS = {"target": "111122223333", "staging": "444455556666", "application": "777788889999"}
# For the command only; the functions scan all regions, as their stack says.
_FEWER_REGIONS = {"DRS_REGIONS": "us-east-1 us-west-2"}
_DONE = "@@done"
_POLL_S = 0.02
# Version 1 of the AWS CLI sends requests for SQS to AWS, whatever AWS_ENDPOINT_URL says.
_PROGRAMS = """\
aws() {{
  if [ "$1" = sqs ]; then {shims}/aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; else {shims}/aws "$@"; fi
}}
drs-sync() {{ {shims}/drs-sync "$@"; }}
"""
_NAMED = re.compile(r"\$\{?([A-Z][A-Z_]*)")


class StepError(AssertionError):
    """A step failed; the text has its line on the page and what it printed."""


class Shell:
    """Bash with `set -eu`, in a folder that looks like a checkout after `make package`.

    Args:
        folder: an empty folder.
        environment: of a client of the simulated AWS.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.checkout = folder / "checkout"
        self._output = folder / "output.txt"
        self._script = folder / "step.sh"
        self._shims = Shims()
        _lay_out(self.checkout)
        passed_on = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        aws = {name: value for name, value in environment.items() if name.startswith("AWS_") or name == "NO_PROXY"}
        aws = {name: value for name, value in aws.items() if not name.endswith("_REGION")}  # the page sets it
        profiles = _write_profiles(folder)
        self._log = self._output.open("wb")
        self._process = subprocess.Popen(
            ["/usr/bin/env", "bash", "-u", "-e", "-o", "pipefail"],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=self.checkout,
            env={**passed_on, **aws, **profiles, **_FEWER_REGIONS, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        )

        assert self._process.stdin is not None
        self._process.stdin.write(_PROGRAMS.format(shims=self._shims.path).encode())

    def __enter__(self) -> Self:
        self._shims.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._shims.__exit__(kind, error, traceback)
        self._log.close()

    def follow(self, steps: Iterable[Block]) -> str:
        """Execute the steps; return what they print. Of a step that is marked only the variables are looked up.

        Raises:
            StepError: a command failed, or a variable is not defined.
        """
        return "".join(self._execute(step) for step in steps)

    def _execute(self, step: Block) -> str:
        looked_up = "".join(f': "${{{name}}}"\n' for name in sorted(set(_NAMED.findall(step.script))))
        before = self._output.stat().st_size
        self._script.write_text(step.script if step.reason is None else looked_up)
        done = f"{_DONE} {step.line}"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f". {self._script} < /dev/null\necho; echo '{done}'\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # bash has ended, which the output tells
        while True:
            ended = self._process.poll() is not None
            with self._output.open("rb") as output:
                output.seek(before)
                text = output.read().decode("utf-8", "replace")
            if text.endswith(f"{done}\n"):
                return text.removesuffix(f"\n{done}\n")
            if ended:
                place = f"line {step.line} ({step.section}, step {step.step})"
                reasons = _reasons() if "cloudformation" in step.script else ""
                raise StepError(f"{place} failed:\n{step.script}\n{text}\n{reasons}")
            time.sleep(_POLL_S)


def _reasons() -> str:
    """Say why stacks failed, which `aws cloudformation deploy` does not."""
    client = boto3.client("cloudformation")
    events = [
        event
        for stack in client.describe_stacks()["Stacks"]
        for event in client.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    ]
    return "\n".join(event["ResourceStatusReason"] for event in events if event["ResourceStatus"].endswith("_FAILED"))


def _lay_out(checkout: Path) -> None:
    (checkout / "build").mkdir(parents=True)
    (checkout / "deploy").symlink_to(ROOT / "deploy")
    (checkout / ".venv").symlink_to(sys.prefix)
    with zipfile.ZipFile(checkout / "build" / "drs-sync.zip", "w") as package:
        package.writestr("service.py", "")  # the simulated AWS runs the functions from this checkout


def _write_profiles(folder: Path) -> dict[str, str]:
    config, credentials = folder / "config", folder / "credentials"
    config.write_text("[default]\n")
    credentials.write_text(
        "".join(
            f"[{name}]\naws_access_key_id = AKIA0000{account}\naws_secret_access_key = sandbox\n"
            for name, account in _ACCOUNTS.items()
        )
    )
    return {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
