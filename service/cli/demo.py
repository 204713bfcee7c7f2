"""The play that `drs-sync demo` gives: each act is a command of its own process, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

import orjson

from service.cli.output import Output, console, emit_json, plain, table
from service.cli.watching import tables_of
from service.sandbox.faults import Faults
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fragment
from service.sandbox.server import Sandbox

__all__ = ["Demo"]

Act = dict[str, Any]
_SHOWN: Final = 5  # servers of a query
# The simulated AWS shares the machine with what asks it: on a slow one it takes longer than AWS ever should.
_PATIENCE: Final = {
    "CONNECT_TIMEOUT_SECONDS": "30",
    "READ_TIMEOUT_SECONDS": "60",
    "REGION_STATUS_TIMEOUT_SECONDS": "60",
    "SCOPE_DEADLINE_SECONDS": "120",
    "QUERY_DEADLINE_SECONDS": "60",
}


class Demo:
    """Plays against one sandbox. Exit code 0 when every act ended as the play has it, else 1."""

    def __init__(self, sandbox: Sandbox, output: Output) -> None:
        self._sandbox = sandbox
        self._output = output
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = {**_PATIENCE, **inherited, **sandbox.environment()}
        self._acts: list[Act] = []

    def play(self) -> int:
        """Give the whole play."""
        self._say(f"A sandbox AWS answers on {self._sandbox.endpoint_url}. Its tables are empty.")
        self._inventory()
        self._staging()
        self._tags()
        self._query()
        ended_well = all(act["exitCode"] == act["expected"] for act in self._acts)
        if self._output is Output.JSON:
            emit_json({"operation": "demo", "acts": self._acts})
        return 0 if ended_well else 1

    def _inventory(self) -> None:
        full = self._act("First sync: the region status table is empty, so every region is scanned", "sync inventory")
        filtered = self._act("Second sync: only active regions, and a few others in turn", "sync inventory")
        self._act("What the region status table knows now", "regions")
        if "status" in full["report"] and "status" in filtered["report"]:
            self._compare(full, filtered)

    def _staging(self) -> None:
        self._act("Staging sync: what is new in staging accounts is extended into their targets", "sync staging")
        self._act("Again: nothing is left to extend", "sync staging")
        pairs = self._pairs()
        if len(pairs) > 1:
            (target, staging, region), *_ = pairs
            for _, staging_id, name in pairs:
                self._add_servers(staging_id, name)
            self._deny(target, staging)
            self._act(
                f"New servers in each staging account, but {staging} denies us: it alone is held back",
                "sync staging",
                expected=3,
            )
            self._sandbox.replace_faults(Faults())
            self._act(f"Access is given: the servers of {staging} in {region} follow", "sync staging")

    def _tags(self) -> None:
        self._act("Tag sync: tags of EC2 instances come to their source servers", "sync tags")
        self._act("Again: nothing differs, nothing is written", "sync tags")

    def _query(self) -> None:
        self._act("Inventory sync, so that the inventory knows all of that", "sync inventory")
        self._act("A query is answered from the inventory, without any DRS call", "servers --limit 1000")
        self._act(
            "The same when the inventory is too old: DRS answers, and the inventory is refreshed afterwards",
            "servers --limit 1000",
            INVENTORY_FRESH_SECONDS="0.001",
        )

    def _act(self, title: str, line: str, *, expected: int = 0, **environment: str) -> Act:
        number = len(self._acts) + 1
        given = "".join(f"{name}={value} " for name, value in environment.items())
        self._say(f"\n{number}. {title}\n$ {given}drs-sync {line}")
        self._sandbox.clear_calls()
        command = [sys.executable, "-m", "service.cli", *line.split(), "--output", "json"]
        done = subprocess.run(  # noqa: S603 - our own command
            command, env={**self._environment, **environment}, stdout=subprocess.PIPE, check=False
        )
        report: dict[str, Any] = orjson.loads(done.stdout) if done.stdout else {"error": "no output"}
        act = {
            "title": title,
            "command": f"{given}drs-sync {line}",
            "exitCode": done.returncode,
            "expected": expected,
            "report": report,
            "callsCountedByAws": _by_service(self._sandbox.calls()),
        }
        self._acts.append(act)
        if self._output is Output.TABLE:
            self._show(act)
        return act

    def _show(self, act: Act) -> None:
        report = act["report"]
        if "status" in report:
            console().print(tables_of(report))
        elif "regions" in report and "servers" not in report:
            seen = [(row["region"], row["status"] or "", row["serverCount"]) for row in report["regions"]]
            console().print(table("region status", ("region", "status", "servers"), seen))
        elif "servers" in report:
            rows = [
                (each["hostname"], each["region"], each["replicationState"], len(each["tags"]))
                for each in report["servers"][:_SHOWN]
            ]
            title = f"{report['count']} servers from {report['source']}; {_SHOWN} of them"
            console().print(table(title, ("host name", "region", "state", "tags"), rows))
            self._say(f"DRS calls: {act['callsCountedByAws'].get('drs', 0)}")
        else:
            self._say(str(report.get("message") or report.get("error")))

    def _compare(self, full: Act, filtered: Act) -> None:
        before, after = (act["callsCountedByAws"].get("drs", 0) for act in (full, filtered))
        rows = [
            (name, told["regionsScanned"], told["scopes"]["asked"], calls, told["serversWritten"])
            for name, told, calls in (
                ("full scan", full["report"], before),
                ("filtered", filtered["report"], after),
            )
        ]
        if self._output is Output.TABLE:
            headings = ("sync", "regions scanned", "scopes asked", "DRS calls counted by AWS", "items written")
            console().print(table("\nThe same picture, for less", headings, rows))
        told = filtered["report"]
        self._say(
            f"{told['serversSynced']} servers are known; the second sync made {after} DRS calls where a full scan "
            f"makes {told['apiCallsFullScan']}: {told['apiCallReductionPercent']} % saved."
        )

    def _pairs(self) -> list[tuple[str, str, str]]:
        """Give target, staging account and region wherever a target could extend more."""
        found: list[tuple[str, str, str]] = []
        for account in self._sandbox.fleet.accounts:
            for staging_id in account.staging_accounts:
                staging = self._sandbox.fleet.account(staging_id)
                shared = sorted(set(account.regions) & set(staging.regions if staging else ()))
                found.extend((account.account_id, staging_id, region) for region in shared[:1])
        return found

    def _add_servers(self, account_id: str, region: str) -> None:
        account = {"account_id": account_id, "kind": "staging", "regions": {region: {"servers": 2}}}
        self._sandbox.add(parse_model(Fragment, {"accounts": [account]}, "demo"))

    def _deny(self, target: str, staging: str) -> None:
        refusal = {
            "account_id": target,
            "service": "drs",
            "operation": "ListExtensibleSourceServers",
            "error": "AccessDeniedException",
            "status": 403,
            "times": 1000,
        }
        members = {"fail": [refusal], "deny": [{"account_id": staging, "service": "drs"}]}
        self._sandbox.replace_faults(parse_model(Faults, members, "demo"))

    def _say(self, line: str) -> None:
        if self._output is Output.TABLE:
            for part in line.split("\n"):
                console().print(plain(part), markup=False)


def _by_service(calls: Sequence[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for call in calls:
        counts[call.service] = counts.get(call.service, 0) + call.count
    return counts
