"""Lineages without name items: the search finds what all items together say, and holds few of them."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.aws.dynamodb import Item, TableReader
from service.queries.failback.facts import facts_of, group, has_name
from service.topology.keys import is_topology
from service.topology.lineage import LineageReader

ACCOUNT: Final = "111122223333"
STAGING: Final = "444455556666"


def arn_of(number: int) -> str:
    return f"arn:aws:drs:us-west-2:{ACCOUNT}:source-server/s-{number:017}"


NUMBERS: Final = st.integers(0, 5)
HOSTS: Final = st.sampled_from(["", "App-1", "app-2", "db"])


@st.composite
def servers(draw: st.DrawFn) -> Item:
    """Draw a server: one of its own, an extended one, or one created by ReverseReplication, as versions wrote them."""
    number = draw(NUMBERS)
    item: Item = {
        "sourceServerArn": arn_of(number),
        "stagingAccountId": draw(st.sampled_from([ACCOUNT, STAGING])),
        "hostname": draw(HOSTS),
        "instanceId": draw(st.sampled_from(["", f"i-{number}"])),
        "recoveryInstanceId": draw(st.sampled_from(["", f"i-recovered-{number}"])),
        "cpuCores": number,
    }
    other = arn_of(draw(st.integers(0, min(number, 1))))  # at the root, or at a server that may point at it
    match draw(st.sampled_from(["own", "named", "extended", "reversed"])):
        case "named":
            item["lineageArn"] = other
        case "extended":
            item["stagingArea"] = {"stagingSourceServerArn": other, "status": "EXTENDED"}
        case "reversed":
            item |= {"replicationDirection": "FAILBACK", "reversedDirectionSourceServerArn": other}
    return item


@st.composite
def topologies(draw: st.DrawFn) -> Item:
    lineage, number = arn_of(draw(st.integers(0, 1))), draw(NUMBERS)
    return {"pk": lineage, "sk": "TOPOLOGY", "originalHostname": draw(HOSTS), "originalInstanceId": f"i-{number}"}


class _Table:
    """A table of items, of which it counts those that are held."""

    def __init__(self, items: Iterable[Item], hash_key: str, range_key: str) -> None:
        self.items = {(item[hash_key], item[range_key]): item for item in items}
        self._hash_key = hash_key
        self._live: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most = 0

    async def scan(self, *, only: Sequence[str] = ()) -> AsyncIterator[Item]:
        for item in self.items.values():
            shown = {name: item[name] for name in item if not only or name in {path.split(".")[0] for path in only}}
            self._live.add(token := _Token())
            shown["_token"] = token
            del token
            self.most = max(self.most, len(self._live))
            yield shown

    async def query(self, condition: str, values: Mapping[str, Any]) -> AsyncIterator[Item]:
        prefix = values.get("prefix", "")
        assert condition.startswith(f"#{self._hash_key} = ")
        for (value, other), item in self.items.items():
            if value == values["value"] and other.startswith(prefix):
                yield dict(item)


class _Token:
    """Lives as long as the item that it is in."""


def tables(inventory: Iterable[Item], own: Iterable[Item]) -> tuple[_Table, _Table, LineageReader]:
    first = _Table(inventory, "sourceServerArn", "stagingAccountId")
    second = _Table(own, "pk", "sk")
    return first, second, LineageReader(cast("TableReader", first), cast("TableReader", second))


NAMES: Final = ("app-1", "APP-2", "db", "i-3", "i-recovered-2", f"s-{1:017}", arn_of(4), "nobody")


@given(
    st.lists(servers(), max_size=6, unique_by=lambda each: each["sourceServerArn"]),
    st.lists(topologies(), max_size=4),
    st.lists(topologies(), max_size=3),
)
async def test_the_search_finds_what_all_items_together_say(
    inventory: list[Item], own: list[Item], left: list[Item]
) -> None:
    earlier = [{"sourceServerArn": each["pk"], "stagingAccountId": each["sk"], **each} for each in left]
    for each in earlier:
        del each["pk"], each["sk"]
    inventory.sort(key=lambda each: str(each["sourceServerArn"]))  # of equal records the first one counts
    reader = tables([*inventory, *earlier], own)[2]
    groups = group(await reader.all_items())
    assume(all(sum(map(is_topology, items)) <= 1 for items in groups.values()))  # else the first one of a scan counts
    estate = [facts_of(lineage, items) for lineage, items in groups.items()]
    for name in NAMES:
        found = [facts_of(lineage, items) for lineage, items in (await reader.search(name)).items()]
        found = [facts for facts in found if has_name(facts, name)]
        wanted = sorted((facts for facts in estate if has_name(facts, name)), key=lambda facts: facts.lineage)
        assert found == wanted, name


@pytest.mark.parametrize("count", [50, 500])
async def test_however_many_servers_there_are_few_items_are_held(count: int) -> None:
    inventory = [
        {"sourceServerArn": arn_of(number), "stagingAccountId": ACCOUNT, "hostname": f"host-{number}"}
        for number in range(count)
    ]
    own = [{"pk": arn_of(number), "sk": "TOPOLOGY", "originalHostname": f"old-{number}"} for number in range(count)]
    first, second, reader = tables(inventory, own)
    assert list(await reader.search("host-7")) == list(await reader.search("old-7")) == [arn_of(7)]
    assert await reader.search("nobody") == {}
    assert max(first.most, second.most) <= 3
