"""The estate that the pages show in these tests: a stalled server, a denied account, and names that try to act."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.cli.test_unknown import command, sync_inventory
from tests.support.sandbox import EngineSandbox, Names, new_account_id

__all__ = ["EAST", "HOSTILE", "WEST", "Estate", "estate"]

EAST: Final = "us-east-1"
WEST: Final = "us-west-2"
HOSTILE: Final = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<svg/onload=alert(3)>",
    "\"><a href='javascript:alert(4)'>",
    "{{ 7 * 7 }}${7*7}<!--",
    "\u202etxt.exe \x1b[31m\x07red",
)
_STALLED: Final = "AGENT_NOT_SEEN"


@dataclass(frozen=True, slots=True)
class Estate:
    """A synced sandbox, and what the queries say of it.

    Args:
        names: account ids: A has servers, B is denied and has some, too.
        document: the body of `get_estate`.
        servers: those of the inventory, as `drs-sync servers` gives them.
        stalled: the id of the server that is stalled.
    """

    names: Names
    document: dict[str, Any]
    servers: list[dict[str, Any]]
    stalled: str


@contextmanager
def estate() -> Iterator[Estate]:
    """Run a sandbox with the estate, synced once; the environment points the engine at it until the end.

    A has 12 servers in us-east-1, one of them stalled, one behind, six with hostile names, and 4 in us-west-2.
    B, whose name is hostile, has 2 servers in us-west-2; DRS is denied to it, with a hostile message.
    """
    names = Names(*(new_account_id() for _ in range(4)))
    origin = {"account_id": names.apps, "region": EAST}
    fleet = {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {
                "account_id": names.a,
                "name": "Retail DR",
                "regions": {
                    EAST: {"servers": 12, "origin": origin, "hostname_prefix": "retail-web"},
                    WEST: {"servers": 3, "on_premises": 1, "origin": origin},
                },
            },
            {"account_id": names.b, "name": HOSTILE[0], "regions": {WEST: {"servers": 2}}},
            {"account_id": names.apps, "name": "Apps", "kind": "application"},
        ],
    }
    with pytest.MonkeyPatch.context() as monkeypatch, EngineSandbox(fleet, names, monkeypatch) as sandbox:
        records = sandbox.records(names.a, EAST)
        stalled = records[0]["dataReplicationInfo"]
        stalled.update(dataReplicationState="STALLED", dataReplicationError={"error": _STALLED})
        records[1]["dataReplicationInfo"]["lagDuration"] = "PT3H"
        for record, name in zip(records[-len(HOSTILE) :], HOSTILE, strict=True):
            record["sourceProperties"]["identificationHints"].update(hostname=name, fqdn=f"{name}.example")
            record["tags"].update({name[:100]: name, "Name": name})
        sandbox.faults(deny=[{"account_id": names.b, "service": "drs", "message": HOSTILE[1]}])
        sync_inventory()
        yield Estate(
            names,
            json.loads(command("status", "--output", "json")[1]),
            json.loads(command("servers", "--no-refresh", "--output", "json")[1])["servers"],
            str(records[0]["sourceServerID"]),
        )
