"""Moving values: what DRS tells of lag, backlog, ETA and last seen, normalised, stored in few bytes, and read again."""

from __future__ import annotations

import base64
import random
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.aws.attribute_values import decode, encode
from service.inventory.moving_values import (
    MAX_NUMBER,
    MovingValues,
    duration_ms,
    format_duration,
    format_time,
    moving_values,
    not_understood,
    time_ms,
)
from service.inventory.values_codec import decode_values, encode_values, server_key
from service.inventory.values_item import SERVERS_PER_PART, part_count, part_key, parts_of, values_of
from service.models import Scope

SCOPE = Scope("111122223333", "us-west-2")
SCANNED_AT = datetime(2026, 11, 23, 5, 0, 7, 123456, tzinfo=UTC)
BASE_S = int(SCANNED_AT.timestamp())


def record(lag: Any = None, eta: Any = None, last_seen: Any = None, disks: Any = None) -> dict[str, Any]:
    info = {"lagDuration": lag, "etaDateTime": eta, "replicatedDisks": disks}
    return {
        "dataReplicationInfo": {name: value for name, value in info.items() if value is not None},
        "lifeCycle": {} if last_seen is None else {"lastSeenByServiceDateTime": last_seen},
    }


@pytest.mark.parametrize(
    ("told", "shown", "seconds"),
    [
        ("P0D", "P0D", 0),
        ("PT0S", "PT0S", 0),
        ("PT14M", "PT14M", 840),
        ("P1DT1H", "P1DT1H", 90_000),
        ("P6D", "P6D", 518_400),
        ("PT4.5S", "PT4.5S", 4.5),
        ("P266DT3H21M9.512S", "P266DT3H21M9.512S", 22_994_469.512),
        # The same lag in other words is shown in those of DRS; what is finer than a millisecond is cut off.
        ("PT840S", "PT14M", 840),
        ("PT25H", "P1DT1H", 90_000),
        ("P1W", "P7D", 604_800),
        ("PT0.000S", "PT0S", 0),
        ("PT1.2345678S", "PT1.234S", 1.234),
        ("PT1,5S", "PT1.5S", 1.5),
    ],
)
def test_a_lag_is_shown_as_drs_told_it(told: str, shown: str, seconds: float) -> None:
    values = moving_values(record(lag=told))
    assert values.lag == shown
    assert values.lag_s == pytest.approx(seconds)
    assert not not_understood(record(lag=told), values)


@pytest.mark.parametrize(
    "told",
    [
        *("", "P", "PT", "P1DT", "1D", "P1M", "P1Y", "PT-5S", "-PT5S", "PT1H1D", "P1D1H", "pt5s", "PT5S ", "PT\u0665S"),
        *("PT9999999999999S", f"PT{MAX_NUMBER}S", "PT1.5M", 5, True, [], {}),
    ],
)
def test_a_lag_that_cannot_be_understood_is_unknown_and_kept_by_the_item(told: Any) -> None:
    values = moving_values(record(lag=told))
    assert (values.lag, values.lag_s) == (None, None)
    assert not_understood(record(lag=told), values) == [told]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("2026-11-23T11:34:53.114Z", "2026-11-23T11:34:53.114Z"),
        ("2026-11-23T11:34:53Z", "2026-11-23T11:34:53Z"),
        ("2026-11-23T11:34:53.000Z", "2026-11-23T11:34:53.000Z"),
        ("2026-11-23T11:34:53.1Z", "2026-11-23T11:34:53.100Z"),
        ("2026-11-23T11:34:53.114999Z", "2026-11-23T11:34:53.114Z"),
        ("2026-11-23T11:34:53+01:00", "2026-11-23T10:34:53Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_shown_as_drs_told_it(told: str, shown: str) -> None:
    values = moving_values(record(eta=told, last_seen=told))
    assert (values.eta, values.last_seen) == (shown, shown)


@pytest.mark.parametrize(
    "told",
    [
        *("", "yesterday", "2026-11-23", "2026-11-23T11:34:53", "2026-13-23T11:34:53Z", "2026-11-23T25:00:00Z"),
        *("2026-02-30T00:00:00Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", " 2026-11-23T11:34:53Z"),
        *(5, [], {}),
    ],
)
def test_a_time_that_cannot_be_understood_is_unknown_and_kept_by_the_item(told: Any) -> None:
    values = moving_values(record(eta=told, last_seen=told))
    assert (values.eta, values.last_seen) == (None, None)
    assert not_understood(record(eta=told, last_seen=told), values) == [told, told]


@pytest.mark.parametrize(
    ("disks", "backlog"),
    [
        (None, None),
        ([], None),
        ([{"deviceName": "/dev/sda"}], None),  # not told is not zero
        ([{"backloggedStorageBytes": 0}], 0),
        ([{"backloggedStorageBytes": 5}, {"deviceName": "/dev/sdb"}, {"backloggedStorageBytes": 2**42}], 2**42 + 5),
        ([{"backloggedStorageBytes": "5"}], None),
        ([{"backloggedStorageBytes": -1}], None),
        ([{"backloggedStorageBytes": True}], None),
        ([{"backloggedStorageBytes": 1.5}, {"backloggedStorageBytes": 1}], None),
        ([{"backloggedStorageBytes": MAX_NUMBER}], MAX_NUMBER),
        ([{"backloggedStorageBytes": MAX_NUMBER}, {"backloggedStorageBytes": 1}], None),
        ([None, {"backloggedStorageBytes": 7}], 7),
        ("disks", None),
    ],
)
def test_the_backlog_is_the_sum_over_the_disks(disks: Any, backlog: int | None) -> None:
    assert moving_values(record(disks=disks)).backlog_bytes == backlog


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_no_record_makes_it_fail(value: Any) -> None:
    for told in ({"dataReplicationInfo": value, "lifeCycle": value}, {"x": value}):
        assert not_understood(told, moving_values(told)) == []


DURATIONS = st.integers(0, MAX_NUMBER).map(format_duration) | st.integers(0, 10**7).map(lambda s: f"PT{s}S")
TIMES = st.builds(
    lambda ms, fraction: format_time(ms if fraction else ms // 1000 * 1000, with_fraction=fraction),
    st.integers(time_ms("0001-01-01T00:00:00Z"), time_ms("9999-12-31T23:59:59.999Z")),
    st.booleans(),
)
DISKS = st.lists(st.fixed_dictionaries({"backloggedStorageBytes": st.integers(0, 2**50)}), max_size=3)
RECORDS = st.builds(
    record,
    lag=st.none() | st.sampled_from(["P0D", "PT0S", "nonsense"]) | DURATIONS,
    eta=st.none() | st.just("nonsense") | TIMES,
    last_seen=st.none() | TIMES,
    disks=st.none() | DISKS,
)
KEYS = st.binary(min_size=6, max_size=6)


@given(st.dictionaries(KEYS, RECORDS, max_size=30), st.datetimes(timezones=st.just(UTC)))
def test_what_is_read_is_what_drs_told(records: dict[bytes, dict[str, Any]], scanned_at: datetime) -> None:
    values = {key: moving_values(each) for key, each in records.items()}
    assert decode_values(encode_values(values, base_s=int(scanned_at.timestamp()))) == values


@given(st.integers(0, MAX_NUMBER))
def test_a_duration_has_one_text_and_one_number(number: int) -> None:
    assert duration_ms(format_duration(number)) == number


VALUES = {server_key(f"arn:{n}", "1"): MovingValues("PT5M", n, "", "2026-11-23T05:00:00.5Z") for n in range(40)}


@given(st.data())
def test_damaged_bytes_are_unknown_and_never_wrong_values(data: st.DataObject) -> None:
    written = bytearray(encode_values(VALUES, base_s=BASE_S))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    assert decode_values(bytes(written)) is None
    assert decode_values(bytes(written[:at])) is None


def _part(kind: int = 0, *, column: int = 0, version: int = 1, more: bytes = b"") -> bytes:
    """Return a part with one server and a right checksum: one value is of this kind, the others are absent."""
    tags = bytes(kind << 3 if each == column else 0 for each in range(4))
    body = struct.pack(">BIq", version, 1, BASE_S) + bytes(6) + zlib.compress(tags + more)
    return body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    "written",
    [
        _part(version=2),  # of a later version of this service
        _part(more=b"x"),
        _part(5),  # a lag is never negative
        _part(2, column=2),  # a time is no duration
        _part(7, column=3),
    ],
)
def test_a_part_that_this_version_does_not_write_is_unknown(written: bytes) -> None:
    assert decode_values(_part()) == {bytes(6): MovingValues("", None, "", "")}
    assert decode_values(written) is None


def test_values_that_were_never_normalised_are_unknown() -> None:
    values = {bytes(6): MovingValues("soon", 1, "later", "never")}
    assert decode_values(encode_values(values, base_s=BASE_S)) == {bytes(6): MovingValues(None, 1, None, None)}


@given(st.none() | st.text() | st.integers() | st.binary() | st.lists(st.text()))
def test_any_other_attribute_is_unknown(value: Any) -> None:
    assert decode_values(value) is None
    assert values_of([{"values": value, "scannedAt": value, "parts": value, "summary": value}]).damaged == 1


def server(number: int, rng: random.Random) -> MovingValues:
    """Return the values of a server in trouble: all are there, and none is like that of another server."""
    seen = SCANNED_AT - timedelta(milliseconds=rng.randrange(45 * 24 * 3600 * 1000))
    eta = SCANNED_AT + timedelta(milliseconds=rng.randrange(45 * 24 * 3600 * 1000))
    return moving_values(
        record(
            lag=f"PT{rng.randrange(90 * 24 * 3600)}S",
            eta=eta.isoformat(timespec="milliseconds"),
            last_seen=seen.isoformat(timespec="milliseconds"),
            disks=[{"backloggedStorageBytes": rng.randrange(64 * 2**40)}, {"backloggedStorageBytes": number}],
        )
    )


def healthy(number: int, rng: random.Random) -> MovingValues:
    seen = SCANNED_AT - timedelta(milliseconds=rng.randrange(300_000))
    told = record(lag="P0D", last_seen=seen.isoformat(timespec="milliseconds"))
    return moving_values({**told, "number": number})


@pytest.mark.parametrize("servers", [1000, 4000, 20_000])
def test_a_server_takes_25_bytes_or_less_and_no_part_comes_near_the_limit(servers: int) -> None:
    rng = random.Random(servers)  # noqa: S311 - not a secret
    values = {server_key(f"arn:{n}", "111122223333"): server(n, rng) for n in range(servers)}
    items = parts_of(SCOPE, values, {}, scanned_at=SCANNED_AT)
    assert len(items) == part_count(items[0]) == max(1, servers // SERVERS_PER_PART)
    sizes = [len(item["values"]) for item in items]
    assert sum(sizes) <= 25 * servers
    assert max(sizes) < 120 * 1024  # of 400 KB
    assert {key: held for key, (held, _) in values_of(stored(items)).by_key.items()} == values
    usual = {server_key(f"arn:{n}", "111122223333"): healthy(n, rng) for n in range(servers)}
    assert sum(len(item["values"]) for item in parts_of(SCOPE, usual, {}, scanned_at=SCANNED_AT)) <= 10 * servers


def stored(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items as a reader gets them."""
    return [decode(_on_the_wire(encode(item))) for item in items]


def _on_the_wire(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _on_the_wire(inner) for name, inner in value.items()}
    return [_on_the_wire(inner) for inner in value] if isinstance(value, list) else value


def many(lag: str, servers: int) -> dict[bytes, MovingValues]:
    return {server_key(f"arn:{n}", "1"): MovingValues(lag=lag) for n in range(servers)}


@pytest.mark.parametrize(("before", "after"), [(9000, 9000), (3000, 9000), (9000, 3000), (9000, 13_000), (13_000, 0)])
@pytest.mark.parametrize("written", [0, 1, 2])
def test_parts_of_two_scans_show_each_server_as_one_of_them_saw_it(before: int, after: int, written: int) -> None:
    later = SCANNED_AT + timedelta(minutes=15)
    table = {item["sk"]: item for item in parts_of(SCOPE, many("PT1S", before), {}, scanned_at=SCANNED_AT)}
    for item in parts_of(SCOPE, many("PT2S", after), {}, scanned_at=later)[:written]:
        table[item["sk"]] = item
    count = part_count(table["values#0"])
    found = values_of(stored([table[part_key(SCOPE, part)["sk"]] for part in range(count)])).by_key
    expected = {"PT1S": SCANNED_AT, "PT2S": later}
    assert all(expected[values.lag or ""] == moment for values, moment in found.values())
    if table["values#0"]["scannedAt"] == parts_of(SCOPE, {}, {}, scanned_at=later)[0]["scannedAt"]:
        newest = {key for key, (_, moment) in found.items() if moment == later}
        assert newest == set(many("PT2S", after))  # part 0 is written last, so that all of the scan is there
    else:
        assert set(found) <= set(many("", max(before, after)))


@pytest.mark.parametrize("order", [1, -1])
def test_a_server_that_two_parts_hold_has_the_values_of_the_newer_scan(order: int) -> None:
    later = SCANNED_AT + timedelta(minutes=15)
    old, new = ({server_key("arn:1", "1"): MovingValues(lag=lag)} for lag in ("PT1S", "PT2S"))
    parts = [*parts_of(SCOPE, old, {}, scanned_at=SCANNED_AT), *parts_of(SCOPE, new, {}, scanned_at=later)]
    ((values, moment),) = values_of(stored(parts[::order])).by_key.values()
    assert (values.lag, moment) == ("PT2S", values_of(stored(parts[1:])).by_key[server_key("arn:1", "1")][1])


def test_a_damaged_part_costs_only_its_own_servers() -> None:
    items = stored(parts_of(SCOPE, many("PT5M", 9000), {"servers": 9000}, scanned_at=SCANNED_AT))
    items[0]["values"] = b"x" + items[0]["values"][1:]
    found = values_of(items)
    assert (found.damaged, found.summary) == (1, {"servers": 9000})
    assert 0 < len(found.by_key) < 9000
    assert values_of([{**items[-1], "summary": "x"}]).summary is None
