"""A sandbox in one line: from a number of servers, a fleet, its members, or a fleet file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from service.sandbox.fleet import FleetError, load_fleet, parse_model
from service.sandbox.fleet_draw import draw_fleet
from service.sandbox.fleet_models import Fleet
from service.sandbox.server import Sandbox

__all__ = ["FleetSource", "fleet_of", "start"]

FleetSource = Fleet | Mapping[str, Any] | str | os.PathLike[str] | None

_ACCOUNT_ID: Final = "111122223333"
_REGION: Final = "us-east-1"
_SERVERS: Final = 10


def fleet_of(source: FleetSource = None, /, **members: Any) -> Fleet:  # noqa: ANN401  (members of models)
    """Return a fleet.

    Args:
        source: a fleet, the members of one, or the path of a fleet file.
        members: without a source, those of one region (`servers`, `states`, `tags` and so on; `region` is its name,
            `account_id` its account), which a client without any settings reads. With `seed`, a fleet of many
            accounts is drawn; `servers`, `accounts` and `regions` are then those of `draw`.

    Raises:
        FleetError: a member or the file is not valid; the message says how to fix it.
    """
    if source is not None and members:
        raise FleetError(f"a whole fleet is given, and {', '.join(members)}. Fix: give one of the two")
    if isinstance(source, Fleet):
        return source
    if isinstance(source, Mapping):
        return parse_model(Fleet, source, "fleet")
    if source is not None:
        return load_fleet(os.fspath(source))
    if "seed" in members:
        return draw_fleet(members.pop("servers", _SERVERS), **members)
    return _fleet_of_region(**members)


def _fleet_of_region(
    *,
    servers: Any = _SERVERS,  # noqa: ANN401  (as in a fleet file: a number, or a list)
    region: str = _REGION,
    account_id: str = _ACCOUNT_ID,
    **members: Any,  # noqa: ANN401
) -> Fleet:
    account = {"account_id": account_id, "name": "Target", "regions": {region: {"servers": servers, **members}}}
    return parse_model(Fleet, {"hub": {"account_id": account_id, "region": region}, "accounts": [account]}, "fleet")


def start(source: FleetSource = None, /, *, port: int = 0, **members: Any) -> Sandbox:  # noqa: ANN401
    """Start a sandbox that serves in the background until it is closed; use it in `with`.

    The arguments are those of `fleet_of`. The port is a free one, unless one is given.

    Raises:
        FleetError: the fleet is not valid, or another sandbox of this process has one of its accounts.
        SandboxError: the port is in use.
    """
    return Sandbox(fleet_of(source, **members), port=port).start()
