"""Story of `drs-sync demo`: what happens to a small estate, told in one screen, that ends on the status screen."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from service.cli.demo import Demo, Step
from service.cli.output import print_text, sanitize
from service.pages.first_screen import first_screen
from service.sandbox.faults import Faults
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from service.sandbox.moto_drs import drs_backends

__all__ = ["Story"]

_SHOWN_STEPS: Final = 3  # of a runbook


class Story(Demo):
    """Tells the story: an account that is denied, a server that stalls, a region that becomes active, a failback."""

    def run(self) -> int:
        """Run the story. Returns exit code 0 if every command ended with the expected exit code, else 1."""
        denied, stalling, growing = self._cast()
        self._stderr = subprocess.DEVNULL  # logs and messages: the story tells what matters
        self._print(f"A simulated AWS with DRS listens on {self._sandbox.endpoint_url}.")
        self._deny_account(denied)
        self._run_step(f"Nobody has looked yet. {denied} denies us", "sync inventory", expected=3)
        name = self._stall(*stalling)
        self._grow(*growing)
        self._run_step(
            f"{name} stalls, and a first server comes to {growing[1]}", "sync inventory --full-scan", expected=3
        )
        third = self._run_step("From now on, only where there is something to see", "sync inventory", expected=3)
        self._print(_saved(third["report"]) if "apiCallsFullScan" in third["report"] else "")
        recovered = self._recover(*stalling)
        self._run_step(
            f"{recovered} was recovered in {stalling[1]}. How does it go back?", f"failback {recovered}", expected=3
        )
        page = self._page()
        self._run_step("Could it fail over now? Can it be believed? What needs you?", "status", expected=3)
        self._print(f"\n{page}" if page else "")
        self._print(
            "Next: drs-sync demo --verbose    every sync, twice\n      drs-sync sandbox            the same AWS, to try"
        )
        return self._end()

    def _cast(self) -> tuple[str, tuple[str, str], tuple[str, str]]:
        """Choose who is denied, where a server stalls, and where a region becomes active."""
        targets = [account for account in self._sandbox.fleet.accounts if "target" in account.kinds and account.regions]
        first, last = targets[0], targets[-1]
        region = next(region for region, members in first.regions.items() if members.servers)
        return last.account_id, (first.account_id, region), (targets[len(targets) // 2].account_id, "eu-north-1")

    def _deny_account(self, account_id: str) -> None:
        members = {"deny": [{"account_id": account_id, "service": "drs"}]}
        self._sandbox.replace_faults(parse_model(Faults, members, "demo"))

    def _stall(self, account_id: str, region: str) -> str:
        server, *_ = drs_backends[account_id][region].source_servers.values()
        server.record["dataReplicationInfo"].update(
            dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"}, lagDuration="PT2H"
        )
        return _name_of(server.record)

    def _recover(self, account_id: str, region: str) -> str:
        backend = drs_backends[account_id][region]
        _, server, *_ = backend.source_servers.values()
        backend.start_recovery({server.source_server_id: None}, is_drill=False)
        for _ in range(3):  # a job begins, launches and ends
            backend.advance()
        return _name_of(server.record)

    def _grow(self, account_id: str, region: str) -> None:
        account = {"account_id": account_id, "regions": {region: {"servers": 1}}}
        self._sandbox.add(parse_model(Fragment, {"accounts": [account]}, "demo"))

    def _page(self) -> str:
        path = Path(gettempdir()) / "drs-sync-demo.html"
        path.unlink(missing_ok=True)
        self._run_process("report", "--output", "html", "--file", str(path))
        return f"The same as a page, for a browser: {path}" if path.exists() else ""

    def _show(self, step: Step) -> None:
        report = step["report"]
        if "scopes" in report and "serversSynced" in report:
            for line in _sync_lines(report, explains=len(self._steps) == 1):
                self._print(f"  {line}")
        elif report.get("operation") == "get_estate":
            print_text(*(sanitize(line.text) for line in first_screen(report)))
        elif "steps" in report:
            for line in _runbook_lines(report):
                self._print(f"  {line}")
        else:
            self._print(f"  {report.get('message') or report.get('error')}")


def _name_of(record: Mapping[str, Any]) -> str:
    return str(record["sourceProperties"]["identificationHints"]["hostname"])


def _sync_lines(report: Mapping[str, Any], *, explains: bool) -> list[str]:
    scopes = report["scopes"]
    lines = [
        f"{report['serversSynced']} servers in {len(report['serversByRegion'])} regions; scopes: {scopes['complete']} "
        f"read, {scopes['skipped']} skipped, {scopes['failed']} failed"
    ]
    if report["regions"]["newlyActive"]:
        lines.append(f"new: {', '.join(report['regions']['newlyActive'])}")
    first = report["errors"][: int(explains)]  # the same in later runs
    return [*lines, *(f"{each.get('accountId', '')}: {each['code']}. Fix: {each.get('advice', '')}" for each in first)]


def _saved(report: Mapping[str, Any]) -> str:
    return (
        f"  {report['drsCalls']} DRS calls in place of {report['apiCallsFullScan']}: "
        f"{report['apiCallReductionPercent']} % saved"
    )


def _runbook_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the reason, and the first steps with the command of the one that is next."""
    steps = report["steps"]
    shown = [f"{number}. {each['title']}" for number, each in enumerate(steps[:_SHOWN_STEPS], 1)]
    more = len(steps) - len(shown)
    return [*shown, f"... and {more} more steps"] if more > 0 else shown
