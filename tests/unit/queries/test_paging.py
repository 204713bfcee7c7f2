"""Paging: every server once at any limit, and changed tokens are refused."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RefusalError
from service.queries.filters import parse_filters
from service.queries.paging import Cursor, Key, key_of, page_length, read_token, write_token
from service.queries.params import InventoryParams

KEYS = st.tuples(
    st.sampled_from(["eu-west-1", "us-west-2"]), st.text("ab:/", max_size=4), st.sampled_from(["1" * 12, "2" * 12])
)


def server(key: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    region, arn, staging = key
    return {"replicationRegion": region, "sourceServerArn": arn, "stagingAccountId": staging, **more}


@given(st.sets(KEYS, max_size=30), st.lists(st.integers(1, 7), min_size=1, max_size=8))
def test_pages_of_any_sizes_show_every_server_once(keys: set[tuple[str, str, str]], limits: list[int]) -> None:
    servers = [server(key) for key in sorted(keys)]
    shown: list[dict[str, Any]] = []
    cursor: Cursor | None = None
    for turn in range(len(servers) + 1):
        rest = [each for each in servers if cursor is None or key_of(each) > cursor.last]
        end = page_length(rest, limit=limits[turn % len(limits)])
        shown.extend(dict(each) for each in rest[:end])
        if end == len(rest):
            break
        cursor = read_token(write_token(Cursor(key_of(rest[end - 1]), len(servers)), "q"), "q")
        assert cursor.total == len(servers)
    assert shown == servers


@pytest.mark.parametrize(("max_bytes", "fits"), [(1, 1), (300, 1), (1000, 3), (10_000, 10)])
def test_a_page_ends_before_it_is_too_large_but_never_empty(max_bytes: int, fits: int) -> None:
    servers = [server(("r", f"{number:03d}", "1"), filler="x" * 200) for number in range(10)]
    assert page_length(servers, limit=None, max_bytes=max_bytes) == fits


def test_what_grows_when_it_is_quoted_again_is_counted_so() -> None:
    quotes = [server(("r", "a", "1"), filler='"' * 1000) for _ in range(4)]
    max_bytes = 2 * (len(orjson.dumps(orjson.dumps(quotes[0]).decode())) + 1)
    assert page_length(quotes, limit=None, max_bytes=max_bytes) == 2


def test_limits_beyond_the_end_are_the_end() -> None:
    assert page_length([], limit=3) == 0
    assert page_length([server(("r", "a", "1"))], limit=3) == 1


@given(KEYS, st.integers(0, 10**6), st.none() | st.integers(0, 10**6))
def test_tokens_come_back_as_they_were(key: tuple[str, str, str], total: int, shown: int | None) -> None:
    cursor = Cursor(Key(*key), total, shown)
    token = write_token(cursor, "digest")
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert read_token(token, "digest") == cursor
    with pytest.raises(RefusalError, match="another query"):
        read_token(token, "other")


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "====",
        "a b",
        "é",
        "A" * 5000,
        packed({}),
        packed([]),
        packed(["digest", 1, "r", "arn"]),
        packed(["digest", -1, "r", "arn", "1"]),
        packed(["digest", True, "r", "arn", "1"]),
        packed(["digest", "1", "r", "arn", "1"]),
        packed(["digest", 1, None, "arn", "1"]),
        packed([["digest"], 1, "r", "arn", "1"]),
        packed(["digest", 1, "r", "arn", "1", -1]),
        packed(["digest", 1, "r", "arn", "1", "1"]),
        packed(["digest", 1, "r", "arn", "1", 1, 1]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_tokens_of_others_are_refused(token: str) -> None:
    with pytest.raises(RefusalError) as refused:
        read_token(token, "digest")
    assert (refused.value.code, refused.value.details["parameter"]) == ("INVALID_PARAMETER", "nextToken")


@given(st.text(max_size=60))
def test_no_text_makes_a_token_fail_otherwise(token: str) -> None:
    with pytest.raises(RefusalError):
        read_token(token, "digest")


def test_the_digest_of_a_query_ignores_order_and_limit() -> None:
    one = InventoryParams(filters=parse_filters({"hostname": "A", "minCpuCores": 2}), limit=3)
    two = InventoryParams(filters=parse_filters('{"minCpuCores":2,"hostname":"a"}'), limit=7)
    three = InventoryParams(filters=parse_filters({"hostname": "b"}))
    assert one.digest == two.digest != three.digest
