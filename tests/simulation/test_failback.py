"""The failback cycle of the simulated AWS shows syncs and queries what that of the sandbox shows, step by step."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pytest
from moto.core.exceptions import ServiceException

from service.models import Scope
from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.register import register
from tests.failback.cycle import Cycle
from tests.simulation.aws import SimulatedAws
from tests.simulation.clock import VirtualLoop
from tests.simulation.dynamodb import ServiceError
from tests.simulation.failback import RECOVERY, SOURCE, SimulatedLineage

ACCOUNTS: Final = ("999000000011", "999000000012", "999000000013")
KINDS: Final[Mapping[str, dict[str, bool]]] = {
    "plain": {},
    "same account": {},
    "extended": {},
    "zone": {"zone_only": True},
    "premises": {"on_premises": True},
}
STEPS: Final = ("recover", "reverse", "catch_up", "launch_back", "protect_again", "catch_up", "clean_up")
_LAUNCH: Final = ("lastLaunchResult", "recoveryInstanceId", "replicationDirection", "reversedDirectionSourceServerArn")
_MACHINE: Final = ("ec2InstanceID", "ec2InstanceState", "isDrill", "originAvailabilityZone", "originEnvironment")


def _shown_server(record: Mapping[str, Any]) -> dict[str, Any]:
    area, hints = record["stagingArea"], record["sourceProperties"]["identificationHints"]
    return {
        **{name: record.get(name, "") for name in ("arn", *_LAUNCH)},
        "cloud": record.get("sourceCloudProperties"),
        "state": record["dataReplicationInfo"]["dataReplicationState"],
        "staging": [area.get("stagingAccountID"), area.get("stagingSourceServerArn")],
        "hints": dict(hints),
    }


def _shown_machine(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: record.get(name, "") for name in ("arn", "sourceServerID", *_MACHINE)},
        "state": record["dataReplicationInfo"]["dataReplicationState"],
        "failback": record["failback"]["state"],
        "hints": dict(record["recoveryInstanceProperties"]["identificationHints"]),
    }


def _with_numbered_ids(value: Any, numbers: dict[str, str]) -> Any:
    """Replace each id by the number in which it appeared, since both sides draw their own."""
    if isinstance(value, Mapping):
        return {name: _with_numbered_ids(inner, numbers) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_numbered_ids(inner, numbers) for inner in value]
    if not isinstance(value, str):
        return value
    head, slash, last = value.rpartition("/")
    if last[:2] in {"s-", "i-"}:
        last = numbers.setdefault(last, f"{last[:2]}{len(numbers)}")
    return f"{head}{slash}{last}"


def _shown_machines(records: Iterable[Mapping[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return what is shown of recovery instances; the sandbox updates an extended server only when it is listed."""
    shown = [_shown_machine(each) for each in records]
    return [{**each, "failback": ""} for each in shown] if kind == "extended" else shown


class _Sandbox:
    """The cycle in the sandbox's DRS."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        register()
        for each in ACCOUNTS:
            drs_backends.pop(each, None)
        source = ACCOUNTS[0] if kind in {"same account", "zone"} else ACCOUNTS[1]
        self.cycle = Cycle(ACCOUNTS[0], source, **KINDS[kind])
        if kind == "extended":
            self.cycle.extend_into(ACCOUNTS[2])
        self.numbers: dict[str, str] = {}

    def step(self, name: str) -> bool:
        """Do a step; return whether DRS allowed it."""
        others = {
            "forget": lambda: self.cycle.launches_in.discard_instance(self.cycle.recovered),
            "delete_forward": lambda: self.cycle.dr.remove_source_server(self.cycle.forward.source_server_id),
            "stall": self._stall,
        }
        try:
            (others.get(name) or getattr(self.cycle, name))()
        except (ServiceException, KeyError, IndexError):
            return False
        return True

    def _stall(self) -> None:
        if self.cycle.forward.source_server_id not in self.cycle.dr.source_servers:
            raise KeyError("forward")
        self.cycle.forward.enter("STALLED")

    def shown(self) -> Any:
        """Return what a sync or a query could read."""
        found = []
        for account in ACCOUNTS:
            for region in (SOURCE, RECOVERY):
                backend = drs_backends[account][region]
                servers = [_shown_server(each.record) for each in backend.describe_source_servers((), (), None)]
                instances = backend.describe_recovery_instances((), ())
                machines = _shown_machines((each.record for each in instances), self.kind)
                found.append([account, region, servers, machines])
        return _with_numbered_ids(found, self.numbers)


class _Simulation:
    """The cycle in the simulated AWS."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        loop = VirtualLoop()
        loop.close()  # only its clock is read
        self.aws = SimulatedAws(loop, random.Random(0), ACCOUNTS, (SOURCE, RECOVERY), staging_of={})  # noqa: S311
        source = ACCOUNTS[0] if kind in {"same account", "zone"} else ACCOUNTS[1]
        self.lineage = SimulatedLineage(self.aws, ACCOUNTS[0], source, **KINDS[kind])
        if kind == "extended":
            self.lineage.extend_into(ACCOUNTS[2])
        self.numbers: dict[str, str] = {}

    def step(self, name: str) -> bool:
        """Do a step; return whether DRS allowed it."""
        try:
            getattr(self.lineage, name)()
        except ServiceError:
            return False
        return True

    def shown(self) -> Any:
        """Return what a sync or a query could read."""
        found = []
        for account in ACCOUNTS:
            for region in (SOURCE, RECOVERY):
                drs = self.aws.drs[Scope(account, region)]
                servers = [_shown_server(each) for each in drs.servers.values()]
                machines = _shown_machines(drs.recovery_instances.values(), self.kind)
                found.append([account, region, servers, machines])
        return _with_numbered_ids(found, self.numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cycle_shows_what_that_of_the_sandbox_shows(kind: str) -> None:
    sides = _Sandbox(kind), _Simulation(kind)
    assert sides[0].shown() == sides[1].shown()
    for step in STEPS * 2:
        allowed = [side.step(step) for side in sides]
        assert allowed[0] == allowed[1], step
        assert sides[0].shown() == sides[1].shown(), step


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_does_in_any_order_of_steps(kind: str) -> None:
    outcomes = set()
    for seed in range(40):
        rng = random.Random(f"{kind} {seed}")  # noqa: S311 - not a secret
        sides, taken = (_Sandbox(kind), _Simulation(kind)), list[str]()
        for _ in range(14):
            taken.append(rng.choice((*STEPS, *STEPS, "forget", "delete_forward", "stall")))
            allowed = [side.step(taken[-1]) for side in sides]
            assert allowed[0] == allowed[1], " ".join(taken)
            assert sides[0].shown() == sides[1].shown(), " ".join(taken)
            outcomes.add((taken[-1], allowed[0]))
    assert {("recover", True), ("launch_back", False), ("reverse", False), ("catch_up", True)} <= outcomes
