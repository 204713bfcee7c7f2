"""Reader of the inventory: a scope page by page, in whatever order an index has items with the same ARN."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from service.aws.dynamodb import Item, TableReader
from service.inventory.reader import InventoryReader
from service.models import Scope

SCOPE = Scope("111122223333", "us-west-2")
OTHER = Scope("111122223334", "us-west-2")
STAGING = ("000000000001", "111122223333", "999999999999")
SERVERS = st.sets(st.tuples(st.integers(0, 6), st.sampled_from(STAGING)), max_size=14)


class _Index:
    """The index of a region. It sorts items by ARN only."""

    def __init__(self, servers: set[tuple[int, str]], rng: random.Random) -> None:
        self.items: list[Item] = [item(SCOPE, number, staging) for number, staging in servers]
        self.items += [item(OTHER, number, STAGING[0]) for number in range(3)]
        self.items += [item(Scope("111122223332", "us-west-2"), 9, STAGING[0]), item(SCOPE, 3, "TOPOLOGY")]
        self.items.sort(key=lambda each: each["sourceServerArn"])
        self._rng = rng
        self.read = 0

    async def query(
        self, _condition: str, values: dict[str, str], *, page_size: int, **_: Any
    ) -> AsyncGenerator[Item, None]:
        found = [each for each in self.items if values["first"] <= each["sourceServerArn"] <= values["last"]]
        self._rng.shuffle(found)
        found.sort(key=lambda each: each["sourceServerArn"])
        for number, each in enumerate(found):
            self.read = max(self.read, (number // page_size + 1) * page_size)
            yield each


def item(scope: Scope, number: int, staging: str) -> Item:
    arn = f"arn:aws:drs:{scope.region}:{scope.account_id}:source-server/s-{number:017}"
    return {"sourceServerArn": arn, "stagingAccountId": staging}


def key(server: Item) -> tuple[str, str]:
    return server["sourceServerArn"], server["stagingAccountId"]


async def pages(index: _Index, size: int) -> list[Sequence[Item]]:
    reader = InventoryReader(cast("TableReader", index))
    found: list[Sequence[Item]] = []
    is_last = False
    while not is_last:
        after = key(found[-1][-1]) if found else None
        items, is_last = await reader.page(SCOPE, after=after, size=size)
        found.append(items)
    return found


@given(SERVERS, st.integers(1, 5), st.randoms(use_true_random=False))
async def test_pages_show_every_server_once_and_in_order(
    servers: set[tuple[int, str]], size: int, rng: random.Random
) -> None:
    found = await pages(_Index(servers, rng), size)
    every = sorted(key(item(SCOPE, number, staging)) for number, staging in servers)
    assert [key(each) for page in found for each in page] == every
    assert all(len(page) >= size for page in found[:-1])


@given(st.integers(1, 5), st.randoms(use_true_random=False))
async def test_a_page_reads_no_more_than_it_shows_and_one(size: int, rng: random.Random) -> None:
    index = _Index({(number, STAGING[1]) for number in range(20)}, rng)
    index.items = [each for each in index.items if each["stagingAccountId"] != "TOPOLOGY"]
    items, is_last = await InventoryReader(cast("TableReader", index)).page(SCOPE, after=None, size=size)
    assert (len(items), is_last, index.read) == (size, False, size + 1)


async def test_a_key_of_elsewhere_shows_nothing_before_it() -> None:
    index = _Index({(number, STAGING[1]) for number in range(3)}, random.Random(0))  # noqa: S311 - not a secret
    reader = InventoryReader(cast("TableReader", index))
    assert (await reader.page(SCOPE, after=("a", ""), size=9)).items == (
        await reader.page(SCOPE, after=None, size=9)
    ).items
    assert (await reader.page(SCOPE, after=("b" * 2000, ""), size=9)).items == []
