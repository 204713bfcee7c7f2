"""Steps of `drs-sync demo`: each runs one command as a process of its own against a sandbox, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

import orjson

from service.cli.columns import Column, table
from service.cli.output import Output, print_json, print_text, sanitize
from service.cli.report_tables import report_tables
from service.sandbox.faults import Faults
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from service.sandbox.server import Sandbox

__all__ = ["Demo"]

Step = dict[str, Any]
_REGION_COLUMNS: Final = (Column("region"), Column("status"), Column("servers", is_number=True))
_SERVER_COLUMNS: Final = (
    Column("name", can_be_cut=True),
    Column("region"),
    Column("state"),
    Column("tags", is_number=True),
)
_COMPARED_COLUMNS: Final = (
    Column("sync"),
    *(Column(name, is_number=True) for name in ("regions", "scopes", "DRS calls counted by AWS", "items written")),
)
_MAX_SERVERS: Final = 5  # printed of the answer to a query
# The sandbox shares this machine with its clients, so it can be much slower than AWS.
_SLOW_TIMEOUTS: Final = {
    "CONNECT_TIMEOUT_SECONDS": "30",
    "READ_TIMEOUT_SECONDS": "60",
    "REGION_STATUS_TIMEOUT_SECONDS": "60",
    "SCOPE_DEADLINE_SECONDS": "120",
    "QUERY_DEADLINE_SECONDS": "60",
}


class Demo:
    """Runs the demo against one sandbox."""

    def __init__(self, sandbox: Sandbox, output: Output) -> None:
        self._sandbox = sandbox
        self._output = output
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = {**_SLOW_TIMEOUTS, **inherited, **sandbox.environment()}
        self._steps: list[Step] = []
        self._stderr: int | None = None  # of the commands: this process's

    def run(self) -> int:
        """Run all steps. Returns exit code 0 if every command ended with the expected exit code, else 1."""
        self._print(f"A simulated AWS listens on {self._sandbox.endpoint_url}. Its tables are empty.")
        self._inventory()
        self._staging()
        self._tags()
        self._query()
        return self._end()

    def _end(self) -> int:
        """Print the document for programs. Returns exit code 0 if every command ended as expected, else 1."""
        if self._output is Output.JSON:
            print_json({"operation": "demo", "acts": self._steps})
        return 0 if all(step["exitCode"] == step["expected"] for step in self._steps) else 1

    def _inventory(self) -> None:
        full = self._run_step(
            "First sync: the region status table is empty, so every region is scanned", "sync inventory"
        )
        filtered = self._run_step("Second sync: only active regions, and a few others in turn", "sync inventory")
        self._run_step("What the region status table knows now", "regions")
        if "status" in full["report"] and "status" in filtered["report"]:
            self._compare(full, filtered)

    def _staging(self) -> None:
        self._run_step("Staging sync: what is new in staging accounts is extended into their targets", "sync staging")
        self._run_step("Again: nothing is left to extend", "sync staging")
        pairs = self._pairs()
        if len(pairs) > 1:
            (target, staging, region), *_ = pairs
            for _, staging_id, name in pairs:
                self._add_servers(staging_id, name)
            self._deny(target, staging)
            self._run_step(
                f"New servers in each staging account, but {staging} denies us: it alone is held back",
                "sync staging",
                expected=3,
            )
            self._sandbox.replace_faults(Faults())
            self._run_step(f"Access is given: the servers of {staging} in {region} follow", "sync staging")

    def _tags(self) -> None:
        self._run_step("Tag sync: tags of EC2 instances come to their source servers", "sync tags")
        self._run_step("Again: nothing differs, nothing is written", "sync tags")

    def _query(self) -> None:
        self._run_step("Inventory sync, so that the inventory knows all of that", "sync inventory")
        self._run_step("A query is answered from the inventory, without any DRS call", "servers --limit 1000")
        self._run_step(
            "The same when the inventory is too old: DRS answers, and the inventory is refreshed afterwards",
            "servers --limit 1000",
            INVENTORY_FRESH_SECONDS="0.001",
        )

    def _run_step(self, title: str, line: str, *, expected: int = 0, **environment: str) -> Step:
        number = len(self._steps) + 1
        variables = "".join(f"{name}={value} " for name, value in environment.items())
        self._print(f"\n{number}. {title}\n$ {variables}drs-sync {line}")
        self._sandbox.clear_calls()
        process = self._run_process(*line.split(), "--output", "json", **environment)
        report: dict[str, Any] = orjson.loads(process.stdout) if process.stdout else {"error": "no output"}
        step: Step = {
            "title": title,
            "command": f"{variables}drs-sync {line}",
            "exitCode": process.returncode,
            "expected": expected,
            "report": report,
            "callsCountedByAws": _by_service(self._sandbox.calls()),
        }
        self._steps.append(step)
        if self._output is Output.TABLE:
            self._show(step)
        return step

    def _run_process(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "service.cli", *arguments]
        return subprocess.run(  # noqa: S603 - our own command
            command, env={**self._environment, **environment}, stdout=subprocess.PIPE, stderr=self._stderr, check=False
        )

    def _show(self, step: Step) -> None:
        report = step["report"]
        if "status" in report:
            print_text(report_tables(report))
        elif "regions" in report and "servers" not in report:
            regions = [(row["region"], row["status"] or "", row["serverCount"]) for row in report["regions"]]
            print_text(table("region status", _REGION_COLUMNS, regions))
        elif "servers" in report:
            rows = [
                (each["hostname"], each["region"], each["replicationState"], len(each["tags"]))
                for each in report["servers"][:_MAX_SERVERS]
            ]
            title = f"{report['count']} servers from {report['source']}; {_MAX_SERVERS} of them"
            print_text(table(title, _SERVER_COLUMNS, rows))
            self._print(f"DRS calls: {step['callsCountedByAws'].get('drs', 0)}")
        else:
            self._print(str(report.get("message") or report.get("error")))

    def _compare(self, full: Step, filtered: Step) -> None:
        before, after = (step["callsCountedByAws"].get("drs", 0) for step in (full, filtered))
        rows = [
            (name, report["regionsScanned"], report["scopes"]["asked"], calls, report["serversWritten"])
            for name, report, calls in (
                ("full scan", full["report"], before),
                ("filtered", filtered["report"], after),
            )
        ]
        if self._output is Output.TABLE:
            print_text(sanitize(""), table("The same inventory with fewer calls", _COMPARED_COLUMNS, rows))
        report = filtered["report"]
        self._print(
            f"{report['serversSynced']} servers are known; the second sync made {after} DRS calls, a full scan "
            f"makes {report['apiCallsFullScan']}: {report['apiCallReductionPercent']} % saved."
        )

    def _pairs(self) -> list[tuple[str, str, str]]:
        """List target account, staging account and a region that both use."""
        pairs: list[tuple[str, str, str]] = []
        for account in self._sandbox.fleet.accounts:
            for staging_id in account.staging_accounts:
                staging = self._sandbox.fleet.account(staging_id)
                shared = sorted(set(account.regions) & set(staging.regions if staging else ()))
                pairs.extend((account.account_id, staging_id, region) for region in shared[:1])
        return pairs

    def _add_servers(self, account_id: str, region: str) -> None:
        account = {"account_id": account_id, "kind": "staging", "regions": {region: {"servers": 2}}}
        self._sandbox.add(parse_model(Fragment, {"accounts": [account]}, "demo"))

    def _deny(self, target: str, staging: str) -> None:
        denied = {
            "account_id": target,
            "service": "drs",
            "operation": "ListExtensibleSourceServers",
            "error": "AccessDeniedException",
            "status": 403,
            "times": 1000,
        }
        members = {"fail": [denied], "deny": [{"account_id": staging, "service": "drs"}]}
        self._sandbox.replace_faults(parse_model(Faults, members, "demo"))

    def _print(self, line: str) -> None:
        if self._output is Output.TABLE:
            for part in line.split("\n"):
                print_text(sanitize(part))


def _by_service(calls: Sequence[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for call in calls:
        counts[call.service] = counts.get(call.service, 0) + call.count
    return counts
