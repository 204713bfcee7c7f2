"""A fresh installation, and upgrades from tables that the platform or an earlier drs-sync has filled."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from tests.platform.installation import REGIONS, TAGS, Installation
from tests.platform.kinds import strangers
from tests.platform.readers import FRESH_FOR
from tests.platform.writers import flat_item


async def test_a_fresh_installation(installation: Installation) -> None:
    now = installation.clock.moment
    assert installation.readers.wave_servers("us-west-2", TAGS, now) == []
    await installation.ours()
    installation.require_truth()
    assert installation.readers.group_members(installation.sandbox.names.apps, "us-west-2", TAGS) == (
        installation.tagged("us-west-2")
    )
    installation.wait()
    installation.add_server(installation.sandbox.names.b, "us-west-2")
    installation.remove_server(installation.sandbox.names.a, "eu-west-1")
    await installation.ours()
    installation.require_truth()


@pytest.mark.parametrize("age", [timedelta(minutes=15), timedelta(days=30)], ids=["running", "idle for a month"])
async def test_the_first_run_after_the_platform_sees_every_server(installation: Installation, age: timedelta) -> None:
    """Its rows have the count of the account that it asked last, so a region of the others looks as if it had none."""
    installation.theirs()
    installation.require_servers()
    assert installation.readers.panels()["eu-west-1"].server_count == 0, "A has servers there, the last account none"
    left = installation.remove_server(installation.sandbox.names.a, "eu-west-1")
    installation.add_server(installation.sandbox.names.a, "us-west-2")
    installation.wait(age)
    report = await installation.ours()
    assert left not in installation.readers.views()
    installation.require_truth()
    assert installation.readers.stale_if_first(installation.clock.moment + FRESH_FOR - timedelta(minutes=1)) == []
    assert report["serversRemoved"] == 1
    for _ in range(2):  # and it stays so
        installation.wait()
        await installation.ours()
        installation.require_truth()


async def test_the_first_run_asks_no_region_without_a_sign_of_servers(installation: Installation) -> None:
    installation.theirs()
    installation.wait()
    installation.sandbox.calls()
    report = await installation.ours()
    assert report["regionSource"] == "status_table"
    assert report["regionsScanned"] < len(REGIONS)


async def test_items_of_an_earlier_platform_are_flat(installation: Installation) -> None:
    """They have no members of the DRS record, and the account that was asked is in their ARN alone."""
    installation.theirs()
    stamp = installation.clock.moment.isoformat()
    records = [*installation.records().values()]
    put_flat(installation, [*records, records[0] | _gone(records[0])], stamp)
    for region, count in installation.counts().items():
        installation.writers.put_helper_row(installation.tables, region, count, installation.clock.moment)
    installation.wait()
    await installation.ours()
    installation.require_truth()
    assert all("dataReplicationInfo" in item for item in installation.readers.items())


def put_flat(installation: Installation, records: Iterable[dict[str, object]], stamp: str) -> None:
    """Put flat items in place of whole ones."""
    with installation.tables.inventory.batch_writer() as batch:
        for record in records:
            batch.put_item(Item=flat_item(record, str(record["arn"]).split(":")[4], stamp))


def _gone(record: dict[str, object]) -> dict[str, str]:
    """Return the id and ARN of a server of the same scope that DRS no longer has."""
    server_id = "s-" + "0" * 17
    return {"sourceServerID": server_id, "arn": str(record["arn"]).rpartition("/")[0] + f"/{server_id}"}


async def test_what_an_earlier_version_kept_in_the_inventory_table_moves_out(installation: Installation) -> None:
    """It left topology, names and members of a lineage there, none of which has `lastUpdated`."""
    await installation.ours()
    for server in installation.records().values():
        arn = server["arn"]
        kinds = {"TOPOLOGY": arn, f"LINEAGE#{arn}": f"id#{server['sourceServerID']}", f"MEMBER#{arn}b": arn}
        for sort_key, key in kinds.items():
            installation.tables.inventory.put_item(
                Item={"sourceServerArn": key, "stagingAccountId": sort_key, "lineageArn": arn}
            )
    assert len(strangers(installation.readers)) >= 3 * len(installation.records())
    installation.wait()
    await installation.ours()  # and nothing is strange afterwards
    installation.require_truth()
    assert set(installation.sandbox.topologies()) >= set(installation.records())


async def test_without_a_topology_table_nothing_strange_is_kept_either(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_SERVER_TOPOLOGY_TABLE")
    for _ in range(2):
        await installation.ours()
        installation.require_truth()
        installation.wait()
