"""Fleets drawn from a seed: plausible accounts, regions and servers, always the same ones for the same seed."""

from __future__ import annotations

import itertools
import math
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from types import MappingProxyType
from typing import Any, Final, TypeVar

from service.sandbox.draw import MAX_REPLICATING_SERVERS, Draw
from service.sandbox.fleet import FleetError, parse_model
from service.sandbox.fleet_models import Account, Fleet, Hub, Region, Server

__all__ = ["draw_fleet", "drawn"]

T = TypeVar("T")

_BUSINESSES: Final = ("retail", "pay", "logi", "bank", "claims", "media", "plant", "clinic", "cargo", "energy")
_ROLES: Final = ("web", "app", "db", "batch", "files")
# Weights of the states: most servers replicate, a few are on their way, a few need somebody.
_STATES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "CONTINUOUS": 900,
        "INITIAL_SYNC": 30,
        "RESCAN": 20,
        "BACKLOG": 15,
        "STALLED": 15,
        "DISCONNECTED": 8,
        "CREATING_SNAPSHOT": 4,
        "PAUSED": 4,
        "STOPPED": 4,
    }
)
_STATE_NAMES: Final = tuple(_STATES)
_STATE_BOUNDS: Final = tuple(itertools.accumulate(_STATES.values()))
_SERVERS_PER_TARGET: Final = 1000
_MAX_STAGING_ACCOUNTS: Final = 6  # of a target: with these, a scope stays below 4,000 servers
_MAX_STAGED: Final = MAX_REPLICATING_SERVERS * _MAX_STAGING_ACCOUNTS
_MAX_IN_SCOPE: Final = MAX_REPLICATING_SERVERS + 2 * _MAX_STAGED
_FEW: Final = 8  # servers of a scope that has no staging account
_FIRST_ACCOUNT_ID: Final = 300_000_000_001
_HUB: Final = {"account_id": "999900001111"}


@dataclass(frozen=True, slots=True)
class _Scope:
    """Numbers of servers of a target in one region: its own, those of its staging accounts, and those it extends."""

    region: str
    own: int
    staged: int
    extended: int


def draw_fleet(servers: int, *, seed: int = 1, **members: Any) -> Fleet:  # noqa: ANN401  (members of `draw`)
    """Return a fleet of so many source servers, always the same one for the same seed and members of `draw`.

    Its hub is the first target account, in a region where that has servers: a client without settings sees some.

    Raises:
        FleetError: a member is not valid, or there is no room for so many servers within the quotas of DRS.
    """
    draw = {"servers": servers, "seed": seed, **members}
    fleet = drawn(parse_model(Fleet, {"hub": _HUB, "draw": draw}, "drawn fleet"))
    first = fleet.accounts[0]
    region = max(first.regions, key=lambda name: first.regions[name].number)
    return fleet.model_copy(update={"hub": Hub(account_id=first.account_id, region=region, name=first.name)})


def drawn(fleet: Fleet) -> Fleet:
    """Return a fleet with the accounts that its `draw` stands for, after those that it declares.

    Raises:
        FleetError: the drawn accounts cannot have so many servers within the quotas of DRS.
    """
    if fleet.draw is None:
        return fleet
    taken = fleet.account_ids
    ids = (each for each in map(str, itertools.count(_FIRST_ACCOUNT_ID)) if each not in taken)
    accounts = [*fleet.accounts, *_accounts(fleet.draw, ids)]
    return parse_model(Fleet, {**dict(fleet), "accounts": accounts, "draw": None}, "drawn fleet")


def _accounts(draw: Draw, ids: Iterator[str]) -> Iterator[Account]:
    # Only `random()` is used: Python promises that it gives the same numbers in every version.
    random = Random(f"drs-sync {draw.seed}")  # noqa: S311  (no secrets)
    for number, scopes in enumerate(_targets(draw, random)):
        business = _BUSINESSES[number % len(_BUSINESSES)]
        title = f"{business.capitalize()} {number // len(_BUSINESSES) + 1:02d}"
        target_id, applications_id = next(ids), next(ids)
        staging_ids = [next(ids) for _ in range(max(_staging_accounts(scope.staged) for scope in scopes))]
        regions: dict[str, dict[str, Region]] = {each: {} for each in (target_id, *staging_ids)}
        for scope in scopes:
            origin = {"account_id": applications_id, "region": _other(draw.regions, scope.region, random)}
            extended_from = []
            for staging_id, (staged, extended) in zip(staging_ids, _by_staging_account(scope), strict=False):
                regions[staging_id][scope.region] = _region(random, staged, f"{business}-shared", origin)
                extended_from.append({"account_id": staging_id, "count": extended})
            regions[target_id][scope.region] = _region(
                random, scope.own, f"{business}-{_pick(_ROLES, random)}", origin, extended_from=extended_from
            )
        yield Account(
            account_id=target_id, name=f"{title} DR", staging_accounts=tuple(staging_ids), regions=regions[target_id]
        )
        for position, each in enumerate(staging_ids, start=1):
            yield Account(
                account_id=each, name=f"{title} Staging {position}", kinds=("staging",), regions=regions[each]
            )
        yield Account(account_id=applications_id, name=f"{title} Applications", kinds=("application",))


def _targets(draw: Draw, random: Random) -> list[list[_Scope]]:
    """Draw the scopes of each target, which have as many servers in total as asked for."""
    count = draw.accounts or max(1, math.ceil(draw.servers / _SERVERS_PER_TARGET))
    fewest = math.ceil(draw.servers / (count * _MAX_IN_SCOPE))
    if fewest > len(draw.regions):
        raise FleetError(
            f"draw: {draw.servers} servers do not fit into {count} target accounts in {len(draw.regions)} regions: DRS "
            f"allows {MAX_REPLICATING_SERVERS} replicating servers per account and region. "
            "Fix: give more accounts or regions, or leave them out"
        )
    scopes: list[tuple[int, str]] = []
    for target in range(count):
        first, number = int(random.random() * len(draw.regions)), max(fewest, 1 + int(random.random() * 3))
        chosen = [*draw.regions[first:], *draw.regions[:first]][:number]
        scopes.extend((target, region) for region in chosen)
    weights = [0.2 - math.log(1 - random.random()) for _ in scopes]
    targets: list[list[_Scope]] = [[] for _ in range(count)]
    for (target, region), number in zip(scopes, _shares(draw.servers, weights, _MAX_IN_SCOPE), strict=True):
        targets[target].append(_scope(region, number, random))
    return targets


def _shares(total: int, weights: Sequence[float], most: int) -> list[int]:
    """Divide a total in proportion to weights, with at most so much each."""
    shares, left = [0] * len(weights), total
    while left:
        open_ = [index for index, share in enumerate(shares) if share < most]
        weight = sum(weights[index] for index in open_)
        before = left
        for index in open_:
            share = min(most - shares[index], int(before * weights[index] / weight))
            shares[index], left = shares[index] + share, left - share
        if left == before:  # too few to divide: one each
            for index in open_[:left]:
                shares[index], left = shares[index] + 1, left - 1
    return shares


def _scope(region: str, number: int, random: Random) -> _Scope:
    """Draw how many of a scope's servers replicate in staging accounts; each extended one counts twice."""
    has_staging, share, extended_share = (
        _pick((True, False), random),
        0.15 + 0.25 * random.random(),
        0.6 + 0.4 * random.random(),
    )
    surplus = max(0, number - MAX_REPLICATING_SERVERS)
    if number < _FEW or not (has_staging or surplus):
        return _Scope(region, number, 0, 0)
    staged = min(_MAX_STAGED, max(int(number * share), math.ceil(surplus / 2)))
    extended = min(staged, max(int(staged * extended_share), surplus - staged))
    return _Scope(region, number - staged - extended, staged, extended)


def _staging_accounts(staged: int) -> int:
    return math.ceil(staged / MAX_REPLICATING_SERVERS)


def _by_staging_account(scope: _Scope) -> Iterator[tuple[int, int]]:
    """Divide the staged and the extended servers of a scope among staging accounts, which are filled one by one."""
    staged, extended = scope.staged, scope.extended
    while staged:
        here = min(staged, MAX_REPLICATING_SERVERS)
        copies = min(here, extended)
        yield here, copies
        staged, extended = staged - here, extended - copies


def _region(
    random: Random,
    number: int,
    prefix: str,
    origin: Mapping[str, str],
    *,
    extended_from: Sequence[Mapping[str, Any]] = (),
) -> Region:
    on_premises = 0.1 + 0.5 * random.random() if _pick((True, False, False, False), random) else 0.0
    servers = tuple(
        _server(
            _STATE_NAMES[bisect(_STATE_BOUNDS, random.random() * _STATE_BOUNDS[-1])],
            _pick(_ROLES, random),
            on_premises=random.random() < on_premises,
        )
        for _ in range(number)
    )
    return Region.model_validate(
        {
            "servers": servers,
            "origin": origin,
            "hostname_prefix": prefix,
            "templates": _pick((1, 1, 1, 1, 1, 1, 1, 2), random),
            "tags_in_drs": _pick((0, number // 2, number), random),
            "extended_from": extended_from,
        }
    )


@cache
def _server(state: Any, role: str, *, on_premises: bool) -> Server:  # noqa: ANN401  (one of the literals)
    """Return a declaration that all such servers share, so that a large fleet takes little memory."""
    return Server(state=state, on_premises=on_premises, tags={"Role": role})


def _other(regions: Sequence[str], region: str, random: Random) -> str:
    """Return another region of a sequence, from which servers replicate to this one."""
    others = [each for each in regions if each != region] or ["us-west-2" if region == "us-east-1" else "us-east-1"]
    return _pick(others, random)


def _pick(choices: Sequence[T], random: Random) -> T:
    return choices[int(random.random() * len(choices))]
