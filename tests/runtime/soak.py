"""Days of both functions in processes of their own, on real sockets, in bad weather: `python -m tests.runtime.soak`.

A round is what a schedule brings: a sync while something may be wrong (AWS refuses, throttles, forgets sessions; the
wire cuts, resets and garbles; the process is stopped and its connections are gone when it goes on), a question beside
it, then both again in calm. What a process holds is read between rounds.
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

from benchmarks.fleets import typical_fleet
from benchmarks.world import World, opened
from tests.runtime.runtime_api import Function, running
from tests.runtime.watched import ASK
from tests.wire.relay import SILENT, SPOILERS, Relay, relaying

__all__ = ["NOISE", "Held", "Soak", "grown", "grown_of_both", "soaking"]

ROUNDS_A_DAY: Final = 96
"""The inventory sync's default schedule is 15 minutes."""
_ROOT: Final = Path(__file__).parents[2]
_SERVERS: Final = 2 * 2 * (3 + 2)
_JOBS: Final = ("sync_source_server_inventory",) * 2 + ("sync_staging_accounts", "handle_drs_tag_sync")
_TARGET: Final = "000000000100"
_LISTING: Final = {"operation": "DescribeSourceServers"}
# Each of them may cost a run some of its places; the calm run after it must have all.
_WEATHER: Final[Mapping[str, Mapping[str, Any]]] = {
    "calm": {},
    "two internal errors": {"fail": [{**_LISTING, "times": 2}]},
    "throttled": {"throttle": {"requests_per_second": 40, "burst": 5}},
    "a region that fails": {"fail": [{**_LISTING, "region": "us-west-2", "times": None}]},
    "an account that is denied": {"deny": [{"account_id": _TARGET}]},
    "roles that are denied": {"deny": [{"account_id": "999900001111", "service": "sts"}]},
    "sessions that end at once": {"session_lifetime_s": 0.05},
}
_WIRE: Final = ("well", "well", "spoilt", "hung up between", "stopped between", "stopped within")


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: `blocks` of memory of Python's allocator, resident `kilobytes`, sockets, threads, tasks."""

    sockets: int
    threads: int
    kilobytes: int
    blocks: int
    tasks: int


NOISE: Final = Held(sockets=4, threads=2, kilobytes=8000, blocks=1500, tasks=0)
"""What comes and goes: the least of two halves of 490 rounds differed by less, and by no trend."""


def grown(samples: Sequence[Held]) -> list[str]:
    """Tell what grew from the first half of the samples to the second by more than noise; nothing is expected.

    The least of each half is compared, so that what comes and goes does not count.
    """
    half = len(samples) // 2
    least = [
        {name: min(asdict(each)[name] for each in part) for name in asdict(NOISE)}
        for part in (samples[:half], samples[half:])
    ]
    early, late = least
    return [
        f"{name}: {early[name]} -> {late[name]}"
        for name, noise in asdict(NOISE).items()
        if late[name] > early[name] + noise
    ]


def grown_of_both(samples: Sequence[tuple[Held, Held]]) -> list[str]:
    """Tell what grew in either process; `samples` are those of `Soak.held`."""
    return [
        f"{name}: {fault}"
        for side, name in enumerate(("data management", "query"))
        for fault in grown([each[side] for each in samples])
    ]


@dataclass(slots=True)
class Soak:
    """A running pair of functions, and what was seen of them."""

    world: World
    relay: Relay
    writing: Function
    asking: Function
    dice: random.Random
    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def round(self) -> None:
        """Play one round; what is wrong with it stands in `wrong`."""
        weather, wire = self.dice.choice(list(_WEATHER)), self.dice.choice(_WIRE)
        job = self.dice.choice(_JOBS)
        self.world.set_faults(_WEATHER[weather])
        told = f"{job}, {weather}, {wire}"
        self._stormy(job, wire, told)
        self.world.set_faults({})
        calm = self.writing.invoke({"operation": job})
        self._expect(calm.payload.get("status") == "complete", f"after {told}: {calm.payload.get('errors') or calm}")
        asked = self.asking.invoke({"operation": "get_source_server_inventory"})
        shown = asked.payload.get("totalCount")
        self._expect(shown == _SERVERS, f"after {told}: {shown} servers shown")

    def _stormy(self, job: str, wire: str, told: str) -> None:
        if wire == "spoilt":
            name = self.dice.choice(sorted(set(SPOILERS) - SILENT))
            self.relay.spoiler = SPOILERS[name]
            self.relay.matches = lambda _: self.dice.random() < 0.1
        elif wire == "hung up between":
            self.relay.hang_up(reset=self.dice.random() < 0.5)
        elif wire == "stopped between":
            self._stopped()
        seen = self.relay.requests
        request = self.writing.send({"operation": job})
        if wire == "stopped within":
            while self.relay.requests < seen + 3 and not self.writing.is_answered():
                time.sleep(0.001)
            self._stopped()
        asked = self.asking.invoke({"operation": "get_source_server_inventory"})
        answer = self.writing.answer(request)
        self.relay.matches = None
        self.relay.lost.clear()
        status = "error" if answer.error else str(answer.payload.get("status", answer.payload.get("error")))
        self.seen[f"{status} run"] += 1
        self._expect(status in {"complete", "partial", "failed"}, f"{told}: {answer}")
        self._expect(not asked.error, f"{told}: {asked}")

    def _stopped(self) -> None:
        """Stop the writing process as Lambda does between events, and take its connections away before it goes on."""
        assert self.writing.process is not None
        self.writing.process.send_signal(signal.SIGSTOP)
        self.relay.hang_up(reset=self.dice.random() < 0.5)
        self.writing.process.send_signal(signal.SIGCONT)

    def _expect(self, holds: bool, told: str) -> None:  # noqa: FBT001 - like an assertion
        if not holds:
            self.wrong.append(told[:2000])

    def held(self) -> tuple[Held, Held]:
        """Read what the two processes hold."""
        return _held(self.writing), _held(self.asking)


def _held(function: Function) -> Held:
    told = function.invoke(ASK).payload
    assert function.process is not None
    about = Path("/proc", str(function.process.pid))
    status = dict(line.split(":", 1) for line in (about / "status").read_text().splitlines())
    links = [str(each.readlink()) for each in (about / "fd").iterdir()]
    sockets = sum(link.startswith("socket:") for link in links)
    return Held(sockets, int(status["Threads"]), int(status["VmRSS"].split()[0]), told["blocks"], told["tasks"])


@contextmanager
def soaking(seed: int, **environment: str) -> Iterator[Soak]:
    """Open a simulated AWS, a relay in front of it, and both functions, which have worked once.

    Args:
        seed: of everything that is drawn. When what happens is the machine's choice.
        environment: laid over that of the functions.
    """
    with opened(typical_fleet(targets=2, regions=2, servers=3)) as world, relaying(_port(world)) as relay:
        given = {
            **world.environment,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}",
            "PYTHONPATH": str(_ROOT),
            "DRS_REGIONS": "us-east-1,us-west-2,eu-west-1,sa-east-1",
            **environment,
        }
        with (
            running("tests.runtime.watched.writing", given) as writing,
            running("tests.runtime.watched.asking", given) as asking,
        ):
            soak = Soak(world, relay, writing, asking, random.Random(seed))  # noqa: S311 - no secret
            for job in ("sync_source_server_inventory", "sync_staging_accounts", *_JOBS):
                first = writing.invoke({"operation": job})
                assert first.payload["status"] == "complete", first
            yield soak


def _port(world: World) -> int:
    return int(world.environment["AWS_ENDPOINT_URL"].rpartition(":")[2])


def main() -> int:
    """Soak, say what was held on the way, and give the exit code: 1 when something was wrong or grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.runtime.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    asked = parser.parse_args()
    every = ROUNDS_A_DAY // 4
    with soaking(asked.seed) as soak:
        ends, samples, rounds = time.monotonic() + asked.minutes * 60, list[tuple[Held, Held]](), 0
        while time.monotonic() < ends and not soak.wrong:
            soak.round()
            rounds += 1
            if rounds % every == 0:
                samples.append(soak.held())
                print(f"day {rounds / ROUNDS_A_DAY:g}:", *map(asdict, samples[-1]))  # noqa: T201
    found = grown_of_both(samples)
    for line in [*soak.wrong, *found]:
        print(line, file=sys.stderr)  # noqa: T201
    print(f"{rounds} rounds, {dict(soak.seen)}")  # noqa: T201
    return 1 if soak.wrong or found else 0


if __name__ == "__main__":
    sys.exit(main())
