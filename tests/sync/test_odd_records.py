"""Records that the inventory cannot hold: each costs itself, is named, and keeps no query from the inventory."""

from __future__ import annotations

from typing import Any

import pytest

from service.models import RegionStatus
from service.sandbox.moto_drs import drs_backends
from tests.support.estate import Estate

SCOPE = "us-west-2"


def _spoil(estate: Estate, path: tuple[str, ...], value: Any) -> str:
    """Change a member of the record of one server of account a; return its id."""
    server = next(iter(drs_backends[estate.names.a][SCOPE].source_servers.values()))
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
async def test_an_odd_record_costs_only_itself(path: tuple[str, ...], value: Any, estate: Estate) -> None:
    server_id = _spoil(estate, path, value)
    for _ in range(2):
        report = await estate.sync()
        (error,) = report["errors"]
        assert (report["status"], error["code"], error["regions"]) == ("partial", "UnusableRecord", [SCOPE])
        assert server_id in error["message"]
        assert (report["serversRejected"], len(estate.items())) == (1, 10)
    entry = estate.status()[SCOPE]["accounts"][estate.names.a]
    assert (entry["status"], entry["unusable"], entry["unusableNames"]) == (RegionStatus.ACTIVE, 1, [server_id])


async def test_the_longest_names_that_are_taken_fit_into_the_keys(estate: Estate) -> None:
    for name in ("fqdn", "hostname", "awsInstanceID"):
        _spoil(estate, ("sourceProperties", "identificationHints", name), "\N{SLIGHTLY SMILING FACE}" * 500)
    report = await estate.sync()
    assert (report["status"], report["errors"], len(estate.items())) == ("complete", [], 11)


async def test_a_record_that_is_usable_again_is_counted_no_more(estate: Estate) -> None:
    server = next(iter(drs_backends[estate.names.a][SCOPE].source_servers.values()))
    usable = server.record["tags"]
    server.record["tags"] = {"a": 5}
    await estate.sync()
    server.record["tags"] = usable
    assert (await estate.sync())["status"] == "complete"
    assert "unusable" not in estate.status()[SCOPE]["accounts"][estate.names.a]
