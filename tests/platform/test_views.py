"""A server in our answers and in the platform's: what both have is the same, but for what is named here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.queries.presenter import present
from tests.platform.installation import Installation
from tests.platform.views import server_view

GIB = 1024**3
OF_OUR_OWN = {
    "replicatedStorageBytes": "DRS tells it of each disk. The platform looks beside the disks, and shows 0 for ever.",
    "sourceAccount": "The platform shows none for a server without a cloud; ours is the account that the item is of.",
}


def ours(item: dict[str, Any]) -> dict[str, Any]:
    """Return our view of an item, whose numbers are as our reader makes them."""
    return present(json.loads(json.dumps(item, default=int)))


async def test_both_show_a_server_alike(installation: Installation) -> None:
    await installation.ours()
    items = installation.readers.items()
    assert len({"sourceCloudProperties" in item for item in items}) == 2
    for item in items:
        mine, theirs = ours(item), server_view(item)
        without_cloud = set() if "sourceCloudProperties" in item else {"sourceAccount"}
        differing = {name for name, value in theirs.items() if mine[name] != value}
        assert differing == {"replicatedStorageBytes"} | without_cloud
        assert differing <= set(OF_OUR_OWN)
        disks = item["dataReplicationInfo"]["replicatedDisks"]
        assert mine["replicatedStorageBytes"] == sum(disk["replicatedStorageBytes"] for disk in disks) > 0
        assert theirs["replicatedStorageBytes"] == 0


@pytest.mark.parametrize(
    ("sizes", "theirs", "mine"),
    [
        ([], 0, 0),
        ([32 * GIB, 8 * GIB], 40, 40),
        ([1_100_000_000, 1_234_567_890, 1_005_022_347], 3.11, 3.11),
        ([int(1.004 * GIB)] * 10, 10.0, 10.04),  # theirs adds what it shows of each disk, ours rounds once
    ],
)
def test_the_size_of_all_disks(sizes: list[int], theirs: float, mine: float) -> None:
    item = {"sourceProperties": {"disks": [{"deviceName": "/dev/sda", "bytes": size} for size in sizes]}}
    assert server_view(item)["hardware"]["totalDiskGiB"] == theirs
    assert ours(item)["hardware"]["totalDiskGiB"] == mine


def test_the_platform_reads_replicated_bytes_beside_the_disks() -> None:
    replication = {"replicatedDisks": [{"replicatedStorageBytes": 7}], "replicatedStorageBytes": 5}
    assert server_view({"dataReplicationInfo": replication})["replicatedStorageBytes"] == 5
    assert ours({"dataReplicationInfo": replication})["replicatedStorageBytes"] == 7
