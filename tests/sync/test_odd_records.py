"""Records that the inventory cannot hold: each costs itself, is named, and keeps no query from the inventory."""

from __future__ import annotations

from typing import Any

import pytest

from service.models import RegionStatus
from service.sandbox.moto_drs import drs_backends
from tests.support.sandbox import EngineSandbox

SCOPE = "us-west-2"


def _spoil(sandbox: EngineSandbox, path: tuple[str, ...], value: Any) -> str:
    """Change a member of the record of one server of account a; return its id."""
    server = next(iter(drs_backends[sandbox.names.a][SCOPE].source_servers.values()))
    server_id, members = str(server.record["sourceServerID"]), server.record
    for name in path[:-1]:
        members = members.setdefault(name, {})
    members[path[-1]] = value
    return server_id


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sourceProperties", "identificationHints", "fqdn"), "x" * 2_100),
        (("sourceProperties", "identificationHints", "hostname"), "\N{SLIGHTLY SMILING FACE}" * 600),
        (("sourceProperties", "identificationHints", "awsInstanceID"), "i-" + "0" * 3_000),
        (("recoveryInstanceId",), "i-" + "0" * 3_000),
        (("stagingArea", "stagingSourceServerArn"), f"arn:aws:drs:{SCOPE}:111122223333:source-server/" + "s" * 2_000),
        (("stagingArea", "status"), ["of another type"]),
        (("tags",), {"a": None}),
        (("sourceProperties", "cpus"), [None]),
        (("dataReplicationInfo", "lagDuration"), 5),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
async def test_an_odd_record_costs_only_itself(path: tuple[str, ...], value: Any, sandbox: EngineSandbox) -> None:
    server_id = _spoil(sandbox, path, value)
    for _ in range(2):
        report = await sandbox.sync()
        (error,) = report["errors"]
        assert (report["status"], error["code"], error["regions"]) == ("partial", "UnusableRecord", [SCOPE])
        assert server_id in error["message"]
        assert (report["serversRejected"], len(sandbox.items())) == (1, 10)
    entry = sandbox.status()[SCOPE]["accounts"][sandbox.names.a]
    assert (entry["status"], entry["unusable"], entry["unusableNames"]) == (RegionStatus.ACTIVE, 1, [server_id])


async def test_the_longest_names_that_are_taken_fit_into_the_keys(sandbox: EngineSandbox) -> None:
    for name in ("fqdn", "hostname", "awsInstanceID"):
        _spoil(sandbox, ("sourceProperties", "identificationHints", name), "\N{SLIGHTLY SMILING FACE}" * 500)
    report = await sandbox.sync()
    assert (report["status"], report["errors"], len(sandbox.items())) == ("complete", [], 11)


async def test_a_record_that_is_usable_again_is_counted_no_more(sandbox: EngineSandbox) -> None:
    server = next(iter(drs_backends[sandbox.names.a][SCOPE].source_servers.values()))
    usable = server.record["tags"]
    server.record["tags"] = {"a": 5}
    await sandbox.sync()
    server.record["tags"] = usable
    assert (await sandbox.sync())["status"] == "complete"
    assert "unusable" not in sandbox.status()[SCOPE]["accounts"][sandbox.names.a]
