"""Query parameters and filters: parsed or refused before anything is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RefusalError
from service.queries.filters import REPLICATION_STATES, Filters, parse_filters
from service.queries.params import InventoryParams, ScopesParams, required_text_param
from service.queries.request_models import InventoryRequest, ScopesRequest
from service.settings import Settings

SETTINGS = Settings(drs_excluded_regions=("sa-east-1",))
A, B = "111111111111", "222222222222"
NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)


def refused(given: dict[str, Any]) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        InventoryRequest.parse(given, SETTINGS)
    orjson.dumps(caught.value.details)
    orjson.dumps(caught.value.message)
    return caught.value


@pytest.mark.parametrize("given", [None, {}, {"region": None, "filters": "", "limit": "", "nextToken": ""}])
def test_no_parameters_mean_everything(given: dict[str, Any] | None) -> None:
    assert InventoryRequest.parse(given, SETTINGS).params == InventoryParams()


def test_lists_are_split() -> None:
    parsed = ScopesRequest.parse({"accountId": f"{A}, {B},{A}", "regions": "us-west-2,,eu-west-1 "}, SETTINGS).scopes
    assert parsed == ScopesParams((A, B), ("us-west-2", "eu-west-1"))
    both = {"region": "us-east-1", "regions": "us-west-2"}
    assert ScopesRequest.parse(both, SETTINGS).scopes.regions == ("us-east-1",)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"region": "us-middle-1"}, "region"),
        ({"regions": "us-west-2,../etc"}, "regions"),
        ({"region": "sa-east-1"}, "region"),  # excluded
        ({"region": ["us-west-2"]}, "region"),
        ({"accountId": "12345678901"}, "accountId"),
        ({"accountId": "１１１１１１１１１１１１"}, "accountId"),  # noqa: RUF001 - digits, but not ASCII
        ({"accountId": 111111111111}, "accountId"),
        ({"accountId": f"{A},x"}, "accountId"),
        ({"accountId": ",".join(f"{number:012d}" for number in range(1001))}, "accountId"),
        ({"sourceAccountId": "x"}, "sourceAccountId"),
        ({"limit": "0"}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1e2"}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"filters": "[]"}, "filters"),
        ({"filters": "3"}, "filters"),
        ({"filters": 3}, "filters"),
        ({"filters": '{"hostName":"x"}'}, "filters"),
        ({"filters": '{"hostname":3}'}, "filters.hostname"),
        ({"filters": {"hostname": "\ud800"}}, "filters.hostname"),
        ({"filters": {"\ud800": 1}}, "filters"),
        ({"filters": '{"replicationState":["CONTINUOUS"]}'}, "filters.replicationState"),
        ({"filters": '{"stagingAccountId":"abc"}'}, "filters.stagingAccountId"),
        ({"filters": '{"minCpuCores":-1}'}, "filters.minCpuCores"),
        ({"filters": '{"minCpuCores":"4"}'}, "filters.minCpuCores"),
        ({"filters": '{"minCpuCores":true}'}, "filters.minCpuCores"),
        ({"filters": {"minRamBytes": float("nan")}}, "filters.minRamBytes"),
        ({"filters": {"minRamBytes": float("inf")}}, "filters.minRamBytes"),
        ({"filters": {"minRamBytes": 10**40}}, "filters.minRamBytes"),
        ({"nextToken": "%%%"}, "nextToken"),
        ({"nextToken": "W10"}, "nextToken"),
        ({"nextToken": 3}, "nextToken"),
        ({"nextToken": "\u00e9"}, "nextToken"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], parameter: str) -> None:
    error = refused(given)
    assert (error.code, error.status, error.details["parameter"]) == ("INVALID_PARAMETER", 400, parameter)


@pytest.mark.parametrize(
    ("given", "similar"),
    [
        ({"filters": '{"replicationState":"STALED"}'}, "STALLED"),
        ({"filters": {"replicationState": "continous"}}, "CONTINUOUS"),
        ({"filters": '{"hostName":"x"}'}, "hostname"),
        ({"region": "us-wset-2"}, "us-west-2"),
        ({"regions": "us-west-2,eu-wst-1"}, "eu-west-1"),
    ],
)
def test_a_value_outside_its_closed_set_is_refused_with_a_suggestion(given: dict[str, Any], similar: str) -> None:
    error = refused(given)
    assert (error.code, error.status) == ("INVALID_PARAMETER", 400)
    assert f"did you mean {similar}?" in error.message


def test_the_states_are_those_of_the_sdk_model() -> None:
    model = botocore.session.Session().get_service_model("drs")
    assert set(REPLICATION_STATES) == set(model.shape_for("DataReplicationState").enum)


@pytest.mark.parametrize("text", ["{", " ", "nonsense", '{"a":NaN}', "\ud800"])
def test_filters_that_are_no_json_are_refused(text: str) -> None:
    error = refused({"filters": text})
    assert (error.code, set(error.details)) == ("INVALID_PARAMETER", {"error"})


def view(  # noqa: PLR0917 - hypothesis passes them by position
    host: str,
    state: str,
    staging: str,
    source: str,
    hardware: tuple[int, int],
    lag_s: int = 0,
    drilled_days: int = 0,
) -> dict[str, Any]:
    return {
        "posture": "ready" if state == "CONTINUOUS" else "stalled",
        "lagDuration": f"PT{lag_s}S",
        "lastLaunchType": "DRILL" if drilled_days else "",
        "lastLaunchStatus": "LAUNCHED",
        "lastLaunchTime": (NOW - timedelta(days=drilled_days)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hostname": host,
        "replicationState": state,
        "stagingAccountId": staging,
        "sourceAccount": source,
        "hardware": {"totalCores": hardware[0], "ramBytes": hardware[1]},
    }


HOSTS = st.text(st.sampled_from("aAbß-.1"), max_size=6)
SERVERS = st.builds(
    view,
    HOSTS,
    st.sampled_from(["CONTINUOUS", "STALLED", "UNKNOWN"]),
    st.sampled_from([A, B]),
    st.sampled_from([A, B, ""]),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.integers(0, 9),
    st.integers(0, 9),
)
FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "hostname": HOSTS,
    "replicationState": st.sampled_from(["CONTINUOUS", "stalled", ""]),
    "stagingAccountId": st.sampled_from([A, B]),
    "sourceAccountId": st.sampled_from([A, B]),
    "minCpuCores": st.integers(0, 9) | st.floats(0, 9),
    "minRamBytes": st.integers(0, 9),
    "unhealthy": st.booleans(),
    "lagOverSeconds": st.integers(0, 9),
    "notDrilledForDays": st.integers(0, 9),
}


def test_servers_that_need_somebody_are_found() -> None:
    ready = view("a", "CONTINUOUS", A, B, (1, 1), 5, 3)
    stalled = {**view("b", "STALLED", A, B, (1, 1), 600, 0), "lagDuration": "a while"}
    behind = view("c", "CONTINUOUS", A, B, (1, 1), 600, 9)

    def found(**filters: Any) -> list[str]:
        return [each["hostname"] for each in (ready, stalled, behind) if parse_filters(filters).matches(each, NOW)]

    assert found(unhealthy=True) == ["b"]
    assert found(unhealthy=False) == ["a", "b", "c"]
    assert found(lagOverSeconds=599) == ["c"]
    assert found(lagOverSeconds=600) == []
    assert found(notDrilledForDays=3) == ["b", "c"]
    assert found(notDrilledForDays=10) == ["b"]
    for wrong in ({"unhealthy": "yes"}, {"lagOverSeconds": -1}, {"notDrilledForDays": 10**6}):
        assert refused({"filters": wrong}).code == "INVALID_PARAMETER"


@given(st.lists(SERVERS, max_size=12), st.fixed_dictionaries({}, optional=FILTERS))
def test_filters_together_are_each_of_them_in_turn(servers: list[dict[str, Any]], chosen: dict[str, Any]) -> None:
    together = parse_filters(chosen)
    assert parse_filters(orjson.dumps(chosen).decode()) == together
    left = servers
    for name, value in chosen.items():
        alone = parse_filters({name: value})
        left = [server for server in left if alone.matches(server, NOW)]
    assert [server for server in servers if together.matches(server, NOW)] == left


@given(SERVERS)
def test_no_filter_lets_everything_through(server: dict[str, Any]) -> None:
    assert Filters().matches(server, NOW)
    assert InventoryParams().matches(server, NOW)


def test_host_names_match_in_any_case() -> None:
    server = view("APP-Straße-01", "CONTINUOUS", A, A, (1, 1))
    assert parse_filters({"hostname": "p-STRASSE"}).matches(server, NOW)
    assert not parse_filters({"hostname": "p-.*"}).matches(server, NOW)


def test_both_names_of_the_source_account_must_hold() -> None:
    server = view("x", "CONTINUOUS", A, B, (1, 1))
    filters = f'{{"sourceAccountId":"{B}"}}'
    assert InventoryRequest.parse({"sourceAccountId": B, "filters": filters}, SETTINGS).params.matches(server, NOW)
    assert not InventoryRequest.parse({"sourceAccountId": A, "filters": filters}, SETTINGS).params.matches(server, NOW)


@pytest.mark.parametrize("name", ["hostname", "replicationState"])
def test_half_a_surrogate_pair_anywhere_in_a_filter_is_refused(name: str) -> None:
    given = {"filters": {name: "a" * 100 + "\ud800"}, "nextToken": "x"}
    with pytest.raises(RefusalError, match=name):
        InventoryRequest.parse(given, SETTINGS)


@pytest.mark.parametrize("value", ["x" * 257, "app-\ud800"])
def test_a_name_that_cannot_exist_is_not_looked_up(value: str) -> None:
    """DynamoDB refuses keys above 2048 bytes, and for an unknown name the whole table is scanned."""
    with pytest.raises(RefusalError) as caught:
        required_text_param({"id": value}, "id")
    assert caught.value.code == "INVALID_PARAMETER"
    assert len(str(caught.value)) < 200
