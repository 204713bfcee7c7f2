"""Fleets of the scenarios, as members of a sandbox fleet file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["Fleet", "inventory_fleet", "staging_fleet", "tags_fleet", "typical_fleet"]

Fleet = Mapping[str, Any]

_HUB: Final = "999900001111"
_ACTIVE: Final = ("us-west-2", "eu-west-1", "us-east-2", "eu-central-1", "ap-southeast-2")


def _account(number: int, kind: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a fleet file
    return {"account_id": f"{number:012}", "kind": kind, "name": f"{kind} {number}", **more}


def _fleet(accounts: Sequence[Fleet]) -> Fleet:
    return {"hub": {"account_id": _HUB, "registered": False}, "accounts": list(accounts)}


def inventory_fleet(*, targets: int, regions: int, servers: int, tags_in_drs: bool = True) -> Fleet:
    """Targets with servers of their own, the same number in each region.

    Args:
        targets: target accounts.
        regions: regions with servers, in each target; at most five.
        servers: source servers in each region of each target; their EC2 instances live in the same account.
        tags_in_drs: whether the servers already have their instances' tags in DRS.
    """
    region = {"servers": servers, "tags_in_drs": servers if tags_in_drs else 0}
    return _fleet(
        [_account(100 + n, "target", regions=dict.fromkeys(_ACTIVE[:regions], region)) for n in range(targets)]
    )


def typical_fleet(*, targets: int, regions: int, servers: int, tags_in_drs: bool = True) -> Fleet:
    """Targets as in `inventory_fleet`, each with two staging accounts that have one server to extend in each region."""
    fleet = inventory_fleet(targets=targets, regions=regions, servers=servers, tags_in_drs=tags_in_drs)
    accounts = list(fleet["accounts"])
    for n, target in enumerate(fleet["accounts"]):
        waiting = {name: {"servers": 1, "hostname_prefix": "stg"} for name in _ACTIVE[:regions]}
        staging = [_account(500 + 2 * n + side, "staging", regions=waiting) for side in range(2)]
        accounts[n] = {**target, "staging_accounts": [each["account_id"] for each in staging]}
        accounts += staging
    return _fleet(accounts)


def tags_fleet(*, targets: int, regions: int, servers: int) -> Fleet:
    """Targets whose servers have none of their instances' tags in DRS yet."""
    return inventory_fleet(targets=targets, regions=regions, servers=servers, tags_in_drs=False)


def staging_fleet(*, targets: int, regions: int, servers: int) -> Fleet:
    """Targets with two staging accounts each, whose servers are not extended yet.

    Args:
        targets: target accounts; each has two staging accounts of its own, and two servers of its own per region.
        regions: regions with servers; at most five.
        servers: source servers in each region of each staging account.
    """
    accounts: list[dict[str, Any]] = []
    for n in range(targets):
        staging = [_account(500 + 2 * n + side, "staging") for side in range(2)]
        for each in staging:
            each["regions"] = {name: {"servers": servers, "hostname_prefix": "stg"} for name in _ACTIVE[:regions]}
        own = {name: {"servers": 2} for name in _ACTIVE[:regions]}
        named = [each["account_id"] for each in staging]
        accounts += [_account(100 + n, "target", regions=own, staging_accounts=named), *staging]
    return _fleet(accounts)
