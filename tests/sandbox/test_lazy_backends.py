"""Scopes are made when something first uses them, and nobody can tell: counts, order, fragments, removal, threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.ec2.models import ec2_backends

from service.sandbox.fleet import FleetError, parse_model
from service.sandbox.fleet_draw import draw_fleet
from service.sandbox.fleet_models import Fleet, Fragment
from service.sandbox.lazy_backends import LazyAccount
from service.sandbox.moto_drs import drs_backends
from service.sandbox.server import Sandbox
from tests.sandbox.conftest import APPS, HUB, STAGING, TARGET, Client
from tests.support.sandbox import new_account_id

Step = Callable[[Sandbox], Any]


def made(account_id: str) -> set[str]:
    """Return the regions of an account whose source servers exist."""
    account = drs_backends[account_id]
    return {region for region in account.keys() if not account.is_planned(region)}  # noqa: SIM118 - see LazyAccount


def health(sandbox: Sandbox) -> int:
    with urlopen(f"{sandbox.endpoint_url}/sandbox/health") as answer:  # noqa: S310 - loopback
        return int(json.load(answer)["servers"])


def test_nothing_is_made_before_it_is_used(sandbox: Sandbox, client: Client) -> None:
    assert health(sandbox) == 10
    assert not made(TARGET) | made(STAGING)
    client("drs", account_id=TARGET, region="eu-west-1").describe_source_servers()
    assert made(TARGET) == {"eu-west-1"}
    client("drs", account_id=STAGING, region="us-west-2").describe_source_servers()
    assert made(TARGET) == {"eu-west-1", "us-west-2"}, "it extends a server of the staging account"
    assert health(sandbox) == 10
    assert set(ec2_backends[APPS].keys()) == set()
    assert client("ec2", account_id=APPS).describe_instances()["Reservations"]
    assert set(ec2_backends[APPS].keys()) == {"us-east-1"}


def test_a_large_fleet_starts_without_a_server_and_shows_all_of_them() -> None:
    fleet = draw_fleet(100_000, seed=7)
    ids = fleet.account_ids - {fleet.hub.account_id}
    with Sandbox(fleet) as sandbox:
        assert health(sandbox) == 100_000
        assert not any(made(account_id) for account_id in ids)
        account = next(each for each in fleet.accounts if any(region.extended_from for region in each.regions.values()))
        name, region = next((name, region) for name, region in account.regions.items() if region.extended_from)
        shown = drs_backends[account.account_id][name].describe_source_servers((), (), None)
        assert len(shown) == region.number + sum(each.count or 0 for each in region.extended_from)
        assert health(sandbox) == 100_000
        assert sum(len(made(account_id)) for account_id in ids) < 10


_STEPS: dict[str, Step] = {
    "drs": lambda running: drs_backends[_ids(running)[0]]["us-west-2"].describe_source_servers((), (), None),
    "staging": lambda running: drs_backends[_ids(running)[1]]["us-west-2"].source_servers,
    "ec2": lambda running: ec2_backends[_ids(running)[2]]["us-east-1"].reservations,
    "elsewhere": lambda running: drs_backends[_ids(running)[0]]["eu-west-1"].templates,
    "count": health,
    "export": lambda running: running.export(),
    "more in target": lambda running: _add(running, 0, "us-west-2", servers=2),
    "more in staging": lambda running: _add(running, 1, "us-west-2", servers=2),
    "new region": lambda running: _add(running, 0, "ap-south-1", servers=1, extended_from=[]),
    "extend more": lambda running: _add(
        running, 0, "us-west-2", extended_from=[{"account_id": _ids(running)[1], "count": 1}]
    ),
    "remove from staging": lambda running: running.remove(
        _ids(running)[1], "us-west-2", list(drs_backends[_ids(running)[1]]["us-west-2"].source_servers)[:2]
    ),
}


def _ids(running: Sandbox) -> list[str]:
    target, staging, apps = (account.account_id for account in running.fleet.accounts)
    return [target, staging, apps]


def _add(running: Sandbox, number: int, region: str, **members: Any) -> None:
    account = {"account_id": _ids(running)[number], "regions": {region: members}}
    running.add(parse_model(Fragment, {"accounts": [account]}, "test"))


@contextmanager
def _running(ids: list[str]) -> Iterator[Sandbox]:
    hub, target, staging, apps = ids
    origin = {"account_id": apps, "region": "us-east-1"}
    region = {"servers": 3, "origin": origin}
    members = {
        "hub": {"account_id": hub},
        "accounts": [
            {
                "account_id": target,
                "staging_accounts": [staging],
                "regions": {
                    "us-west-2": {**region, "extended_from": [{"account_id": staging}]},  # all of them
                    "eu-west-1": {"servers": 1},
                },
            },
            {
                "account_id": staging,
                "kind": "staging",
                # it extends servers in turn: each of the two scopes needs the other
                "regions": {"us-west-2": {**region, "extended_from": [{"account_id": target, "count": 1}]}},
            },
            {"account_id": apps, "kind": "application"},
        ],
    }
    with Sandbox(parse_model(Fleet, members, "fleet")) as running:
        yield running


def _shown(running: Sandbox) -> Any:
    """Return what DRS and EC2 show: servers in order, and what can still be extended."""
    found: list[Any] = [health(running)]
    for account_id in _ids(running):
        for region in ("us-west-2", "eu-west-1", "ap-south-1"):
            backend = drs_backends[account_id][region]
            servers = backend.describe_source_servers((), (), None)
            found.append([(each.record["sourceServerID"], each.record["stagingArea"]["status"]) for each in servers])
            found.append([each["snapshotID"] for server in servers for each in server.snapshots])
            found.append(sorted(backend.trusted_accounts))
        for region in ("us-east-1", "us-west-2"):
            groups = ec2_backends[account_id][region].reservations.values()
            found.append([each.id for group in groups for each in group.instances])
    return found


@settings(max_examples=25)
@given(names=st.lists(st.sampled_from(sorted(_STEPS)), max_size=5))
def test_it_makes_no_difference_when_a_scope_is_made(names: list[str]) -> None:
    """The same steps on a fleet whose scopes were all made at once, as they are without laziness."""
    ids = [new_account_id() for _ in range(4)]
    found = []
    for at_once in (True, False):
        with _running(ids) as running:
            if at_once:
                for account_id in running.fleet.account_ids:
                    list(drs_backends[account_id].values()), list(ec2_backends[account_id].values())
            for name in names:
                _STEPS[name](running)
            found.append(_shown(running))
    assert found[0] == found[1]


def test_threads_that_come_first_see_whole_scopes(sandbox: Sandbox, client: Client) -> None:
    clients = [client("drs", account_id=account, region="us-west-2") for account in (TARGET, STAGING) * 4]
    counts: list[int] = []
    barrier = threading.Barrier(len(clients))

    def read(number: int) -> None:
        barrier.wait()
        counts.append(len(clients[number].describe_source_servers()["items"]))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [3] * 4 + [7] * 4


class _WatchedLock:
    """A lock that tells when somebody comes to it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.comes = threading.Event()

    def __enter__(self) -> None:
        self.comes.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_thread_that_comes_while_a_scope_is_made_waits_for_it() -> None:
    lock, begun, end = _WatchedLock(), threading.Event(), threading.Event()
    account, seen = LazyAccount(drs_backends, new_account_id(), lock), []

    def make(backend: Any) -> None:
        begun.set()
        end.wait()
        backend.add_source_server({})

    def come() -> None:
        seen.append(len(account["us-west-2"].source_servers))
        lock.comes.set()  # without waiting

    account.fill("us-west-2", make)
    first, second = threading.Thread(target=come), threading.Thread(target=come)
    first.start()
    begun.wait()
    lock.comes.clear()
    second.start()
    lock.comes.wait()
    end.set()
    first.join()
    second.join()
    assert seen == [1, 1]


def test_a_scope_that_cannot_be_made_fails_at_each_use(sandbox: Sandbox) -> None:
    problems = [RuntimeError("first"), RuntimeError("second")]

    def add(backend: Any) -> None:
        backend.add_source_server({})
        if problems:
            raise problems.pop(0)

    drs_backends[TARGET].fill("sa-east-1", add)
    for problem in ("first", "second"):
        with pytest.raises(RuntimeError, match=problem):
            drs_backends[TARGET]["sa-east-1"]
    assert len(drs_backends[TARGET]["sa-east-1"].source_servers) == 1


def test_a_listing_of_backends_makes_all_of_them(sandbox: Sandbox) -> None:
    account = drs_backends[TARGET]
    assert isinstance(account, LazyAccount)
    assert set(account) == {"us-west-2", "eu-west-1"}
    assert {len(backend.source_servers) for backend in account.values()} == {7, 0}


def test_moto_resets_what_was_not_made(sandbox: Sandbox) -> None:
    drs_backends[TARGET].reset()
    assert not drs_backends[TARGET]["us-west-2"].initialized


def test_the_error_names_an_origin_without_a_zone() -> None:
    origin = {"region": "us-east-1", "availability_zone": "us-east-1z"}
    account = {"account_id": "111122224444", "regions": {"us-west-2": {"servers": 1, "origin": origin}}}
    fleet = parse_model(Fleet, {"hub": {"account_id": "999900004444"}, "accounts": [account]}, "fleet")
    with pytest.raises(FleetError, match="EC2 has no zone us-east-1z in us-east-1"):
        Sandbox(fleet).start()


def test_the_hub_is_as_lazy_as_the_others() -> None:
    hub = {"account_id": HUB, "regions": {"us-east-1": {"servers": 2}}}
    fleet = parse_model(Fleet, {"hub": {"account_id": HUB}, "accounts": [hub]}, "fleet")
    with Sandbox(fleet) as running:
        assert health(running) == 2
        assert not made(HUB)
