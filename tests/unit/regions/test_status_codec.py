"""Codec for many entries in one attribute: lossless, small, and robust against any text."""

from __future__ import annotations

import base64
import random
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import RegionStatus
from service.regions.status_codec import MAX_MAPPED, pack, unpack
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import Observation, merge, parse_row, to_attributes

START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
ENTRIES = st.builds(
    AccountEntry,
    server_count=st.none() | st.integers(0, 10**6),
    status=st.none() | st.sampled_from(RegionStatus),
    last_checked=st.none() | MOMENTS,
    last_complete=st.none() | MOMENTS,
    error_message=st.text(max_size=50),
    scan_requested_at=st.none() | MOMENTS,
)
ACCOUNTS = st.integers(0, 10**12 - 1).map(lambda number: f"{number:012d}")


def observations(count: int, *, seed: int = 0) -> list[Observation]:
    generator = random.Random(seed)  # noqa: S311 - not a secret
    return [
        Observation(
            f"{generator.randrange(10**12):012d}",
            RegionStatus.ACTIVE if number % 5 else RegionStatus.NOT_INITIALIZED,
            START + timedelta(microseconds=generator.randrange(10**9)),
            generator.randrange(300) if number % 5 else 0,
        )
        for number in range(count)
    ]


@given(st.dictionaries(ACCOUNTS, ENTRIES, max_size=MAX_MAPPED + 30))
def test_whatever_a_row_knows_it_knows_after_being_written_and_read(entries: dict[str, AccountEntry]) -> None:
    row = merge(None, "us-west-2", [])
    written = to_attributes(type(row)(row.region, accounts=entries), now=START)
    assert (written["accounts"] is None) is (len(entries) > MAX_MAPPED)
    assert (written["accountsPacked"] is None) is (len(entries) <= MAX_MAPPED)
    item = {"region": "us-west-2", **{name: value for name, value in written.items() if value is not None}}
    assert parse_row(item).accounts == entries


def test_a_row_that_grows_and_shrinks_changes_its_form_and_keeps_what_it_knows() -> None:
    many = observations(MAX_MAPPED + 1)
    row = merge(None, "us-west-2", many)
    item = {"region": "us-west-2", **to_attributes(row, now=START)}
    packed = parse_row({name: value for name, value in item.items() if value is not None})
    assert packed.accounts == row.accounts
    fewer = merge(
        packed,
        "us-west-2",
        [],
        all_accounts=frozenset(observation.account_id for observation in many[1:]),
    )
    written = to_attributes(fewer, now=START)
    assert len(written["accounts"]) == MAX_MAPPED
    assert written["accountsPacked"] is None  # the attribute is removed


def test_a_map_that_another_writer_has_left_beside_it_is_read_too() -> None:
    packed = pack({"1" * 12: {"serverCount": 3}, "2" * 12: {"serverCount": 4}})
    row = parse_row(
        {"region": "us-west-2", "accountsPacked": packed, "accounts": {"2" * 12: {"serverCount": 5}, "3" * 12: {}}}
    )
    assert {name: entry.server_count for name, entry in row.accounts.items()} == {
        "1" * 12: 3,
        "2" * 12: 5,
        "3" * 12: None,
    }


def test_ten_thousand_accounts_fit_a_row() -> None:
    size = len(to_attributes(merge(None, "us-west-2", observations(10_000)), now=START)["accountsPacked"])
    assert size < 300_000
    assert size / 10_000 < 25  # bytes each, as docs/scale.md assumes


def _packed(document: Any) -> str:
    return base64.b85encode(zlib.compress(orjson.dumps(document))).decode()


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "not base85 \x00",
        "abc",
        pack({"1" * 12: {"serverCount": 3}})[:-4],
        _packed({"a": 1}),
        _packed([1, [], [2], "x"]),
        base64.b85encode(zlib.compress(b"[" * 20_000_000)).decode(),
    ],
)
def test_a_text_that_cannot_be_read_counts_as_unknown(text: object) -> None:
    assert unpack(text) == {}
    assert parse_row({"region": "us-west-2", "accountsPacked": text}).is_legacy_format


@given(st.text(max_size=200))
def test_no_text_breaks_a_reader(text: str) -> None:
    assert isinstance(unpack(text), dict)
