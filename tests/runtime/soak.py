"""Soak test of both functions in processes of their own, on real sockets: `python -m tests.runtime.soak`.

Each round runs a sync, and a query beside it, under one fault: AWS denies, throttles or ends sessions; connections are
closed, reset or return broken data; the process is suspended and its connections are closed when it resumes. Then both
run again without faults. The resources of each process are read between rounds.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.aws_process import AwsProcess, opened
from benchmarks.fleets import typical_fleet
from tests.runtime.runtime_api import Function, running
from tests.runtime.watched import RESOURCES_EVENT
from tests.wire.relay import SILENT, SPOILERS, Relay, relaying

__all__ = ["NOISE", "Resources", "Soak", "growth_of", "growth_of_both", "soaking"]

ROUNDS_A_DAY: Final = 96
"""By default the inventory sync runs every 15 minutes."""
_ROOT: Final = Path(__file__).parents[2]
_SERVERS: Final = 2 * 2 * (3 + 2)
_OPERATIONS: Final = ("sync_source_server_inventory",) * 2 + ("sync_staging_accounts", "handle_drs_tag_sync")
_TARGET: Final = "000000000100"
_LISTING: Final = {"operation": "DescribeSourceServers"}
# Scopes may fail under each of these; the run without faults that follows must complete all.
_FAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "no fault": {},
    "two internal errors": {"fail": [{**_LISTING, "times": 2}]},
    "throttled": {"throttle": {"requests_per_second": 40, "burst": 5}},
    "a region that fails": {"fail": [{**_LISTING, "region": "us-west-2", "times": None}]},
    "an account that is denied": {"deny": [{"account_id": _TARGET}]},
    "roles that are denied": {"deny": [{"account_id": "999900001111", "service": "sts"}]},
    "sessions that end at once": {"session_lifetime_s": 0.05},
}
_CONNECTION_FAULTS: Final = ("good", "good", "broken data", "closed between", "suspended between", "suspended within")


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources of a process; `blocks` are those of Python's allocator, `kilobytes` the resident memory."""

    sockets: int
    threads: int
    kilobytes: int
    blocks: int
    tasks: int


NOISE: Final = Resources(sockets=4, threads=2, kilobytes=8000, blocks=1500, tasks=0)
"""Differences without a trend: the minima of the two halves of 490 rounds differed by less."""


def growth_of(samples: Sequence[Resources]) -> list[str]:
    """Name the resources that grew by more than noise from the first half of the samples to the second.

    The minima of both halves are compared, so that short peaks do not count.
    """
    half = len(samples) // 2
    minima = [
        {name: min(asdict(each)[name] for each in part) for name in asdict(NOISE)}
        for part in (samples[:half], samples[half:])
    ]
    first, second = minima
    return [
        f"{name}: {first[name]} -> {second[name]}"
        for name, noise in asdict(NOISE).items()
        if second[name] > first[name] + noise
    ]


def growth_of_both(samples: Sequence[tuple[Resources, Resources]]) -> list[str]:
    """Name the resources that grew in either process. `samples`: results of `Soak.resources`."""
    return [
        f"{name}: {growth}"
        for side, name in enumerate(("data management", "query"))
        for growth in growth_of([each[side] for each in samples])
    ]


@dataclass(slots=True)
class Soak:
    """Both functions, running, and the results of their rounds."""

    aws: AwsProcess
    relay: Relay
    writing: Function
    querying: Function
    rng: random.Random
    failures: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def round(self) -> None:
        """Run one round and add its failures to `failures`."""
        fault, connection = self.rng.choice(list(_FAULTS)), self.rng.choice(_CONNECTION_FAULTS)
        operation = self.rng.choice(_OPERATIONS)
        self.aws.set_faults(_FAULTS[fault])
        label = f"{operation}, {fault}, {connection}"
        self._round_with_faults(operation, connection, label)
        self.aws.set_faults({})
        clean = self.writing.invoke({"operation": operation})
        self._expect(
            clean.payload.get("status") == "complete", f"after {label}: {clean.payload.get('errors') or clean}"
        )
        query = self.querying.invoke({"operation": "get_source_server_inventory"})
        shown = query.payload.get("totalCount")
        self._expect(shown == _SERVERS, f"after {label}: {shown} servers shown")

    def _round_with_faults(self, operation: str, connection: str, label: str) -> None:
        if connection == "broken data":
            name = self.rng.choice(sorted(set(SPOILERS) - SILENT))
            self.relay.spoiler = SPOILERS[name]
            self.relay.matches = lambda _: self.rng.random() < 0.1
        elif connection == "closed between":
            self.relay.hang_up(reset=self.rng.random() < 0.5)
        elif connection == "suspended between":
            self._suspend()
        requests = self.relay.requests
        request = self.writing.send({"operation": operation})
        if connection == "suspended within":
            while self.relay.requests < requests + 3 and not self.writing.is_answered():
                time.sleep(0.001)
            self._suspend()
        query = self.querying.invoke({"operation": "get_source_server_inventory"})
        answer = self.writing.answer(request)
        self.relay.matches = None
        self.relay.real_bodies.clear()
        status = "error" if answer.error else str(answer.payload.get("status", answer.payload.get("error")))
        self.statuses[f"{status} run"] += 1
        self._expect(status in {"complete", "partial", "failed"}, f"{label}: {answer}")
        self._expect(not query.error, f"{label}: {query}")

    def _suspend(self) -> None:
        """Suspend the writing process, as Lambda does between events, and close its connections before it resumes."""
        assert self.writing.process is not None
        self.writing.process.send_signal(signal.SIGSTOP)
        self.relay.hang_up(reset=self.rng.random() < 0.5)
        self.writing.process.send_signal(signal.SIGCONT)

    def _expect(self, condition: bool, message: str) -> None:  # noqa: FBT001 - like an assertion
        if not condition:
            self.failures.append(message[:2000])

    def resources(self) -> tuple[Resources, Resources]:
        """Read the resources of both processes."""
        return _resources(self.writing), _resources(self.querying)


def _resources(function: Function) -> Resources:
    counted = function.invoke(RESOURCES_EVENT).payload
    assert function.process is not None
    proc = Path("/proc", str(function.process.pid))
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    links = [str(each.readlink()) for each in (proc / "fd").iterdir()]
    sockets = sum(link.startswith("socket:") for link in links)
    return Resources(
        sockets, int(status["Threads"]), int(status["VmRSS"].split()[0]), counted["blocks"], counted["tasks"]
    )


@contextmanager
def soaking(seed: int, **environment: str) -> Iterator[Soak]:
    """Start a simulated AWS, a relay in front of it, and both functions, and run each operation once.

    Args:
        seed: of every random choice. Timing still varies between runs.
        environment: variables of the functions in addition to those of the simulated AWS.
    """
    with opened(typical_fleet(targets=2, regions=2, servers=3)) as aws, relaying(_port(aws)) as relay:
        variables = {
            **aws.environment,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}",
            "PYTHONPATH": str(_ROOT),
            "DRS_REGIONS": "us-east-1,us-west-2,eu-west-1,sa-east-1",
            **environment,
        }
        with (
            running("tests.runtime.watched.writing", variables) as writing,
            running("tests.runtime.watched.querying", variables) as querying,
        ):
            soak = Soak(aws, relay, writing, querying, random.Random(seed))  # noqa: S311 - no secret
            for operation in ("sync_source_server_inventory", "sync_staging_accounts", *_OPERATIONS):
                first = writing.invoke({"operation": operation})
                assert first.payload["status"] == "complete", first
            yield soak


def _port(aws: AwsProcess) -> int:
    return int(aws.environment["AWS_ENDPOINT_URL"].rpartition(":")[2])


def main() -> int:
    """Run rounds, print the resources once per simulated quarter day, and return 1 if something failed or grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.runtime.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices (default: 0)")
    options = parser.parse_args()
    every = ROUNDS_A_DAY // 4
    with soaking(options.seed) as soak:
        ends, samples, rounds = time.monotonic() + options.minutes * 60, list[tuple[Resources, Resources]](), 0
        while time.monotonic() < ends and not soak.failures:
            soak.round()
            rounds += 1
            if rounds % every == 0:
                samples.append(soak.resources())
                print(f"day {rounds / ROUNDS_A_DAY:g}:", *map(asdict, samples[-1]))  # noqa: T201
    growth = growth_of_both(samples)
    for line in [*soak.failures, *growth]:
        print(line, file=sys.stderr)  # noqa: T201
    print(f"{rounds} rounds, {dict(soak.statuses)}")  # noqa: T201
    return 1 if soak.failures or growth else 0


if __name__ == "__main__":
    sys.exit(main())
