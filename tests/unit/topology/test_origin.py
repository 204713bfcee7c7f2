"""Origin of a server: an unknown value is filled when DRS reports it, a known one never changes, absence is no fact."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inventory.server import SourceServer, parse_server
from service.models import Scope
from service.topology.history import ATTRIBUTE, append_entry, history_of, moved_entry
from service.topology.origin import (
    FILLED_LATE,
    ORIGIN,
    environment_fill,
    fill_origin,
    is_origin_known,
    known_environment,
    missing_values,
    reported_origin,
)
from service.topology.original import capture, missing_details

HERE: Final = Scope("222222222222", "us-west-2")
NOW: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
ARN: Final = "arn:aws:drs:us-west-2:222222222222:source-server/s-0123456789abcdef1"
A1: Final = "i-0123456789abcdef0"
CLOUD: Final = {"originAccountID": "111111111111", "originRegion": "us-east-1", "originAvailabilityZone": "us-east-1a"}
HINTS: Final = {"awsInstanceID": A1, "hostname": "app-1"}
VMWARE: Final = {"vmWareUuid": "4213c0de", "hostname": "db7"}
OF_CLOUD: Final = {
    "originAccountID": "originalSourceAccountId",
    "originRegion": "originalSourceRegion",
    "originAvailabilityZone": "originalAvailabilityZone",
}
OF_HINTS: Final = {"awsInstanceID": "originalInstanceId", "hostname": "originalHostname"}
GUESSED: Final = {"originEnvironment": "ON_PREMISES", "originalAccountId": "222222222222"}


def server(cloud: Mapping[str, str] | None = None, hints: Mapping[str, str] | None = None, **more: Any) -> SourceServer:
    record: dict[str, Any] = {"arn": ARN, "sourceServerID": "s-0123456789abcdef1", **more}
    if cloud is not None:
        record["sourceCloudProperties"] = dict(cloud)
    if hints is not None:
        record["sourceProperties"] = {"identificationHints": dict(hints)}
    parsed = parse_server(record)
    assert isinstance(parsed, SourceServer), parsed
    return parsed


def captured(first: SourceServer, **legacy: Any) -> dict[str, Any]:
    return capture(first, HERE, now=NOW, templates=None, legacy=legacy)


def synced(topology: Mapping[str, Any], record: SourceServer) -> dict[str, Any]:
    """Return a topology after a later scan: filled, then compared for a move, as the sync does."""
    filled = {**topology, **fill_origin(topology, record)}
    entry = moved_entry(filled, record, now=NOW)
    return {**filled, ATTRIBUTE: append_entry(history_of(filled), entry)} if entry else filled


@pytest.mark.parametrize(
    ("cloud", "hints", "environment"),
    [
        (None, None, None),
        (None, {}, None),
        (None, {"hostname": "db7"}, None),
        (None, {"hostname": "db7", "fqdn": "db7.corp"}, None),
        (None, VMWARE, "ON_PREMISES"),
        (None, {"vmWareUuid": "4213c0de"}, "ON_PREMISES"),
        (None, HINTS, "AWS"),
        (None, {**VMWARE, "awsInstanceID": A1}, "AWS"),
        (None, {**VMWARE, "awsInstanceID": "mi-1"}, None),
        ({}, VMWARE, "ON_PREMISES"),
        (CLOUD, VMWARE, "AWS"),
        ({"originRegion": "us-east-1"}, None, "AWS"),
        ({"originAvailabilityZone": "us-east-1a"}, None, "AWS"),
        ({"originAccountID": "111111111111"}, None, "AWS"),
    ],
)
def test_an_environment_is_captured_only_if_something_says_so(
    cloud: dict[str, str] | None, hints: dict[str, str] | None, environment: str | None
) -> None:
    topology = captured(server(cloud, hints))
    assert topology.get("originEnvironment") == environment
    assert ("originEnvironmentSource" in topology) is (environment is not None)
    assert is_origin_known(topology) is (environment == "ON_PREMISES" or "originRegion" in (cloud or {}))
    assert ("origin" in missing_details(topology)) is not is_origin_known(topology)


def test_a_guess_of_an_earlier_version_is_not_taken_over() -> None:
    assert "originEnvironment" not in captured(server(), **GUESSED)
    assert captured(server(CLOUD, HINTS), **GUESSED)["originEnvironment"] == "AWS"
    assert captured(server(None, VMWARE), **GUESSED)["originEnvironmentSource"] == "vmWareUuid"


@pytest.mark.parametrize(
    ("topology", "environment"),
    [
        ({}, None),
        (GUESSED, None),
        ({**GUESSED, "originEnvironmentSource": "vmWareUuid"}, "ON_PREMISES"),
        ({**GUESSED, "originalSourceRegion": "us-east-1"}, "AWS"),
        ({**GUESSED, "originalSourceAccountId": "111111111111"}, "AWS"),
        ({**GUESSED, "originalInstanceId": A1}, "AWS"),
        ({**GUESSED, "originalInstanceId": "mi-1"}, None),
        ({"originEnvironment": "AWS"}, "AWS"),
        ({"originalInstanceId": A1}, "AWS"),
    ],
)
def test_what_was_inferred_is_not_known(topology: dict[str, Any], environment: str | None) -> None:
    assert known_environment(topology) == environment


def test_a_guess_is_corrected_and_its_correction_stays() -> None:
    filled = synced(GUESSED, server(CLOUD, HINTS))
    assert (filled["originEnvironment"], filled["originalSourceRegion"]) == ("AWS", "us-east-1")
    assert fill_origin(filled, server(None, VMWARE)) == {}
    confirmed = synced(GUESSED, server(None, VMWARE))
    assert (confirmed["originEnvironment"], known_environment(confirmed)) == ("ON_PREMISES", "ON_PREMISES")
    assert fill_origin(confirmed, server(CLOUD, HINTS)) == {}


def test_what_an_earlier_version_recorded_as_a_move_fills_the_origin_that_was_unknown() -> None:
    first = moved_entry(GUESSED, server(CLOUD, HINTS), now=NOW)
    assert first is not None
    elsewhere = server({**CLOUD, "originAvailabilityZone": "us-east-1b"}, {**HINTS, "awsInstanceID": "i-0a4"})
    filled = synced({**GUESSED, ATTRIBUTE: [first]}, elsewhere)
    assert (filled["originalInstanceId"], filled["originalAvailabilityZone"]) == (A1, "us-east-1a")


def test_a_server_that_has_moved_fills_nothing() -> None:
    known = {"originalInstanceId": A1, "originEnvironment": "AWS"}
    moved = server({**CLOUD, "originAvailabilityZone": "us-east-1b"}, {**HINTS, "awsInstanceID": "i-0a4"})
    assert fill_origin(known, moved) == {}
    assert "originalAvailabilityZone" not in synced(synced(known, moved), moved)


def test_a_server_that_replicates_its_own_recovery_instance_reports_no_origin() -> None:
    repointed = server(CLOUD, {**HINTS, "awsInstanceID": "i-0b5"}, recoveryInstanceId="i-0b5")
    assert reported_origin(repointed) == {"originalHostname": "app-1"}
    assert captured(repointed).keys().isdisjoint({"originalInstanceId", "originalSourceRegion", "originEnvironment"})
    entry = moved_entry({}, repointed, now=NOW)
    assert entry is not None
    assert fill_origin({"originalHostname": "app-1", ATTRIBUTE: [entry]}, repointed) == {}


@pytest.mark.parametrize(
    ("more", "late"),
    [({}, False), ({"lastLaunchResult": "SUCCEEDED"}, True), ({"recoveryInstanceId": "i-0b5"}, True)],
)
def test_a_value_that_is_filled_after_a_launch_says_so(more: dict[str, str], *, late: bool) -> None:
    assert (FILLED_LATE in fill_origin(captured(server()), server(CLOUD, HINTS, **more))) is late


def test_the_environment_of_a_recovery_instance_fills_and_corrects_a_guess_and_nothing_else() -> None:
    for environment in ("AWS", "ON_PREMISES"):
        told = environment_fill(environment, "RecoveryInstance.originEnvironment")
        assert missing_values({}, told) == missing_values(GUESSED, told) == told
        for known in ("AWS", "ON_PREMISES"):
            assert missing_values(environment_fill(known, "vmWareUuid"), told) == {}


# One server: DRS shows some members of its true record in each scan, in any order, launched or not.
SHOWN: Final = st.fixed_dictionaries(
    {
        "cloud": st.none() | st.sets(st.sampled_from(sorted(CLOUD))),
        "hints": st.none() | st.sets(st.sampled_from(sorted(HINTS))),
        "launched": st.booleans(),
    }
)


def _record(shown: Mapping[str, Any]) -> SourceServer:
    cloud = None if shown["cloud"] is None else {name: CLOUD[name] for name in shown["cloud"]}
    hints = None if shown["hints"] is None else {name: HINTS[name] for name in shown["hints"]}
    return server(cloud, hints, **({"lastLaunchResult": "SUCCEEDED"} if shown["launched"] else {}))


def _told(shown: Mapping[str, Any]) -> dict[str, str]:
    told = {OF_CLOUD[name]: CLOUD[name] for name in shown["cloud"] or ()}
    told |= {OF_HINTS[name]: HINTS[name] for name in shown["hints"] or ()}
    return told | ({"originEnvironment": "AWS"} if told.keys() - {"originalHostname"} else {})


@given(scans=st.lists(SHOWN, min_size=1, max_size=8), guessed=st.booleans())
def test_what_was_told_never_changes_and_is_all_there_in_the_end(scans: list[dict[str, Any]], *, guessed: bool) -> None:
    topology = captured(_record(scans[0]))
    if guessed and known_environment(topology) is None:
        topology |= GUESSED
    told = _told(scans[0])
    for shown in scans[1:]:
        before, topology = topology, synced(topology, _record(shown))
        told |= _told(shown)
        was_guess = known_environment(before) is None
        for name in ORIGIN:
            if name in before and not (name == "originEnvironment" and was_guess):
                assert topology[name] == before[name], name
        assert fill_origin(topology, _record(shown)) == {}
    assert {name: topology.get(name) for name in told} == told
    known = {name: value for name, value in topology.items() if name in ORIGIN and name != "originEnvironmentSource"}
    assert (known == told) or (guessed and known == {**told, "originEnvironment": "ON_PREMISES"})
    assert ATTRIBUTE not in topology  # it never moved


@given(scans=st.lists(st.sampled_from([None, {}, {"hostname": "db7"}, VMWARE]), min_size=1, max_size=6))
def test_a_server_outside_aws_is_on_premises_once_that_is_told(scans: list[dict[str, str] | None]) -> None:
    topology = captured(server(None, scans[0]))
    for hints in scans[1:]:
        topology = synced(topology, server(None, hints))
    assert known_environment(topology) == ("ON_PREMISES" if VMWARE in scans else None)
