"""Both on the same tables: in turn, ours given up for theirs, and ours again."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.partitions import partition_of
from tests.platform.installation import CYCLE, REGIONS, TAGS, Installation
from tests.platform.readers import FRESH_FOR, PlatformReaders
from tests.platform.readers import REGIONS as PLATFORM_REGIONS
from tests.support.command import run

pytestmark = pytest.mark.deep

PAGE = Path(__file__).parents[2] / "docs" / "platform.md"
ORIGINALS = ("originalAccountId", "originalReplicationRegion", "topologyLastUpdated")


def originals(installation: Installation) -> dict[str, dict[str, Any]]:
    """Return the original topology of each item that has it."""
    return {
        item["sourceServerArn"]: {name: item[name] for name in ORIGINALS}
        for item in installation.readers.items()
        if set(ORIGINALS) <= set(item)
    }


def change(installation: Installation, number: int) -> None:
    """Let servers come and go where some are; `number` says which time it is."""
    names = installation.sandbox.names
    installation.add_server(*((names.a, "us-west-2"), (names.b, "us-west-2"), (names.a, "eu-west-1"))[number % 3])
    if number % 2:
        installation.remove_server(names.a, "us-west-2")


@pytest.mark.parametrize("ours_first", [True, False])
async def test_writers_in_turn(installation: Installation, *, ours_first: bool) -> None:
    """After each of our runs everything is true; theirs does not remove a server that left since."""
    for number in range(4):
        change(installation, number)
        if (number % 2 == 0) is ours_first:
            await installation.ours()
            installation.require_truth()
            assert set(originals(installation)) == set(installation.records())
        else:
            installation.theirs()
            left = set(installation.readers.views()) - set(installation.records())
            assert len(left) <= 1
            now = installation.clock.moment
            for region, tagged in ((region, set(installation.tagged(region))) for region in installation.counts()):
                assert tagged <= set(installation.readers.wave_servers(region, TAGS, now))
        installation.wait()


async def test_both_schedules_at_once_keep_the_inventory_fresh(installation: Installation) -> None:
    """Each writes every 15 minutes, half a cycle after the other; a row that theirs wrote last has no `lastChecked`."""
    await installation.ours()
    for _ in range(3):
        installation.wait(CYCLE / 2)
        assert installation.readers.stale_if_first(installation.clock.moment) == []
        installation.theirs()
        installation.wait(CYCLE / 2)
        assert installation.readers.stale_if_first(installation.clock.moment) == []
        await installation.ours()
        installation.require_truth()


async def test_roll_back_gives_what_theirs_gave_before_and_forward_again_nothing_is_lost(
    installation: Installation,
) -> None:
    alone = installation.other_tables()
    installation.theirs(), installation.theirs(alone)
    for number in range(3):  # ours replaces theirs, and servers come and go
        installation.wait()
        change(installation, number)
        await installation.ours()
        installation.require_truth()
    kept = originals(installation)

    for _ in range(2):  # roll back: theirs again, beside tables on which it always was alone
        installation.wait()
        installation.theirs(), installation.theirs(alone)
        theirs_alone = PlatformReaders(alone)
        assert by_region(installation.readers) == by_region(theirs_alone)
        now_listed = set(installation.records())
        mine, others = by_arn(installation.readers), by_arn(theirs_alone)
        assert {arn: mine[arn] for arn in now_listed} == {arn: others[arn] for arn in now_listed}
        assert set(mine) == now_listed, "what left while ours ran is not in the way"
        installation.require_servers()
        soon = installation.clock.moment + FRESH_FOR - timedelta(minutes=1)
        assert installation.readers.stale_if_first(soon) == []

    change(installation, 3)
    installation.wait()
    report = await installation.ours()  # forward again
    installation.require_truth()
    assert report["serversRemoved"] <= 1
    assert (
        originals(installation).items() >= {arn: kept[arn] for arn in set(kept) & set(installation.records())}.items()
    )
    assert set(originals(installation)) == set(installation.records())


async def test_a_row_of_a_region_that_the_platform_lacks_is_dropped_at_roll_back(installation: Installation) -> None:
    """Theirs would never write it again, so it would look old for ever, and with it the whole inventory."""
    newer, names = "ca-west-1", installation.sandbox.names
    assert newer not in PLATFORM_REGIONS
    installation.sandbox.set(DRS_REGIONS=" ".join([*REGIONS, newer]))
    installation.add_server(names.b, newer)
    await installation.ours()
    installation.wait()
    installation.theirs()
    assert newer in installation.readers.stale_if_first(installation.clock.moment)
    await asyncio.to_thread(drop_rows, newer)
    [arn] = installation.readers.stale_if_first(installation.clock.moment)
    [item] = [item for item in installation.readers.items() if item["sourceServerArn"] == arn]
    key = {name: item[name] for name in ("sourceServerArn", "stagingAccountId")}
    kept = originals(installation)[arn]
    installation.tables.inventory.delete_item(Key=key)
    assert installation.readers.stale_if_first(installation.clock.moment) == []
    installation.require_waves()
    installation.wait()
    await installation.ours(full_scan=True)  # forward again
    installation.require_truth()
    assert originals(installation)[arn] == kept


def drop_rows(*regions: str) -> None:
    """Run the command of the page about the platform."""
    [block] = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    export, drop = (line.removeprefix("$ ") for line in block.splitlines())
    documented = re.search(r'"(.*)"', export)
    assert documented is not None
    assert set(documented[1].split()) == set(partition_of("us-east-1").drs_regions) - set(PLATFORM_REGIONS)
    assert drop == "drs-sync regions drop --force $DRS_EXCLUDED_REGIONS"
    ended = run("regions", "drop", "--force", *regions, env={**os.environ, "DRS_EXCLUDED_REGIONS": documented[1]})
    assert ended.returncode == 0, ended.stdout + ended.stderr


async def test_staging_records_that_the_platform_rewrites_can_be_read(installation: Installation) -> None:
    """It writes the whole list again, without members that it lacks, and with times that only we can read."""
    names, tables = installation.sandbox.names, installation.tables
    await installation.ours()
    tables.accounts.update_item(
        Key={"accountId": names.a},
        UpdateExpression="SET stagingAccounts[0].note = :note",
        ExpressionAttributeValues={":note": "added by another tool"},
    )
    other = {"accountId": names.b, "accountName": "B", "roleArn": f"arn:aws:iam::{names.b}:role/DRSOrchestrationRole"}
    record = {**other, "externalId": "drs-orchestration-cross-account"}
    installation.writers.add_staging_account(tables, names.a, record, installation.clock.moment)
    assert [each.accountId for each in installation.readers.staging_records(names.a, installation.clock.moment)] == [
        names.apps,
        names.b,
    ]
    installation.writers.remove_staging_account(tables, names.a, names.b, installation.clock.moment)
    row = tables.accounts.get_item(Key={"accountId": names.a})["Item"]
    assert row["updatedAt"].endswith("+00:00Z")
    assert "note" not in row["stagingAccounts"][0]
    installation.wait()
    await installation.ours()
    installation.require_truth()
    report = await installation.sandbox.sync_staging()
    assert (report["status"], report["errors"]) == ("complete", [])
    installation.read_all()


def by_region(readers: PlatformReaders) -> dict[str, dict[str, Any]]:
    """Return the rows by region."""
    return {row["region"]: row for row in readers.rows()}


def by_arn(readers: PlatformReaders) -> dict[str, dict[str, Any]]:
    """Return the items by ARN."""
    return {item["sourceServerArn"]: item for item in readers.items()}
