"""Members that an operation does not have are ignored in every request, and a mistyped restriction of a sync is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.handlers import data_management, query
from service.handlers.router import Operation, Params, Response, Route
from tests.support.sandbox import EngineSandbox

ACCOUNT: Final = "111122223333"
STAGING: Final = {"accountId": "444455556666", "accountName": "STAGING_01", "externalId": "an-id"}
SHARD: Final = {"job": "inventory", "index": 0, "count": 2, "startedAt": "2026-11-23T05:00:00Z"}
TARGET: Final = {"targetAccountId": ACCOUNT}
VALID: Final[Mapping[str, Mapping[str, Any]]] = {
    "sync_source_server_inventory": {"accountIds": [ACCOUNT], "regions": ["us-west-2"], "fullScan": False},
    "sync_staging_accounts": {"dryRun": True, "scopes": [{"accountId": ACCOUNT, "region": "us-west-2"}]},
    "sync_coverage": {"accountIds": [ACCOUNT], "regions": ["us-west-2"], "tags": ["dr=yes"]},
    "sync_extended_source_servers": TARGET,
    "add_staging_account": {**TARGET, "stagingAccount": STAGING},
    "remove_staging_account": {**TARGET, "stagingAccountId": "444455556666"},
    "handle_drs_tag_sync": {"accountId": ACCOUNT, "region": "us-west-2", "async": True},
    "get_last_tag_sync_status": {},
    "get_tag_sync_settings": {},
    "update_tag_sync_settings": {"enabled": True, "intervalHours": 2},
    "plan_sync": {"job": "inventory"},
    "sync_shard": SHARD,
    "finish_sync": {"shards": [SHARD], "results": [{"index": 0, "report": {}}]},
    "get_source_server_inventory": {"region": "us-west-2", "filters": '{"hostname": "a"}'},
    "get_drs_source_servers": {"region": "us-west-2"},
    "get_extended_source_servers": {"accountId": ACCOUNT},
    "get_estate": {"accountId": ACCOUNT},
    "get_failback_topology": {"id": "i-0123456789abcdef0"},
    "discover_staging_accounts": TARGET,
    "validate_staging_account": {"accountId": ACCOUNT, "externalId": "an-id", "region": "us-west-2"},
    "get_staging_accounts": TARGET,
    "query_staging_accounts": TARGET,
}
OPERATIONS: Final[Mapping[str, Operation[Any]]] = {**data_management.OPERATIONS, **query.OPERATIONS}
ROUTES: Final = [(module, route) for module in (data_management, query) for route in module.ROUTES]
SYNCS: Final = {name for name, operation in OPERATIONS.items() if operation.names_ignored}

names = st.text(max_size=8).map(lambda text: f"client.{text}") | st.sampled_from(
    ["filterByProtectionGroup", "addedBy", "requestId", "accountName", "unknown", "synch_instance_type"]
)
values = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), st.lists, max_leaves=3)


def test_the_table_has_every_operation() -> None:
    assert VALID.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", sorted(VALID))
@given(extra=st.dictionaries(names, values, max_size=3))
def test_an_operation_reads_the_same_with_and_without_extra_members(name: str, extra: dict[str, Any]) -> None:
    operation, members = OPERATIONS[name], VALID[name]
    operation.check(Params({**extra, **members}))
    if operation.request is not None:
        assert operation.request.parse({**extra, **members}) == operation.request.parse(members)


@pytest.mark.parametrize("nested", ["scopes", "shards", "results"])
def test_members_of_members_may_be_extra_too(nested: str) -> None:
    name = "sync_staging_accounts" if nested == "scopes" else "finish_sync"
    members = {**VALID[name], nested: [{**each, "note": 1} for each in VALID[name][nested]]}
    model = OPERATIONS[name].request
    assert model is not None
    assert model.parse(members) == model.parse(VALID[name])


@pytest.fixture
def without_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer each request that passes its check with an empty body."""
    for module in (data_management, query):
        monkeypatch.setattr(module._router, "_run", lambda _: Response({"done": True}))


@pytest.mark.usefixtures("without_app")
@pytest.mark.parametrize(("module", "route"), ROUTES, ids=[f"{route.method} {route.path}" for _, route in ROUTES])
def test_a_route_ignores_extra_members_of_body_and_query_string(module: Any, route: Route) -> None:
    path = route.path.replace("{id}", ACCOUNT).replace("{stagingAccountId}", "444455556666")
    members = {name: value for name, value in VALID[route.operation].items() if name not in (route.match(path) or {})}
    event: dict[str, Any] = {"requestContext": {}, "httpMethod": route.method, "path": path}
    event["queryStringParameters"] = {"filterByProtectionGroup": "pg-1"}
    if route.method in {"POST", "PUT"}:
        event["body"] = json.dumps({**members, "clientVersion": {"a": [1]}})
    else:
        event["queryStringParameters"] |= members
    answer = module.lambda_handler(event, None)
    assert answer["statusCode"] == 200, answer
    ignored = {"ignoredMembers": ["filterByProtectionGroup", "clientVersion"]} if route.operation in SYNCS else {}
    assert json.loads(answer["body"]) == {"done": True, **ignored}


@pytest.mark.usefixtures("without_app")
def test_a_direct_event_ignores_extra_members_at_each_level() -> None:
    for name, members in VALID.items():
        module, key = (data_management, "body") if name in data_management.OPERATIONS else (query, "queryParams")
        answer = module.lambda_handler({"operation": name, key: {**members, "note": 1}, "traceId": "x"}, None)
        assert answer["done"] is True, (name, answer)
        assert answer.get("ignoredMembers") == (["note"] if name in SYNCS else None)


@pytest.mark.usefixtures("without_app")
def test_the_list_of_what_was_ignored_is_short() -> None:
    body = {f"{number}{'x' * 1000}\x1b": 1 for number in range(500)}
    answer = data_management.lambda_handler({"operation": "sync_staging_accounts", "body": body}, None)
    assert len(answer["ignoredMembers"]) == 20
    assert all(len(name) <= 100 and name.isprintable() for name in answer["ignoredMembers"])


BOTH: Final = ("sync_source_server_inventory", "sync_staging_accounts")


@pytest.mark.usefixtures("without_app")
@pytest.mark.parametrize(
    ("operations", "member", "value", "meant"),
    [
        (BOTH, "acounts", [ACCOUNT], "accountIds"),
        (BOTH, "account", ACCOUNT, "accountIds"),
        (BOTH, "accountId", ACCOUNT, "accountIds"),
        (BOTH, "region", "us-west-2", "regions"),
        (BOTH, "Regions", ["us-west-2"], "regions"),
        (BOTH, "excludeRegions", ["us-west-2"], "excludedRegions"),
        (BOTH, "scope", [{}], "scopes"),
        (BOTH, "dryrun", True, "dryRun"),
        (("handle_drs_tag_sync",), "acountId", ACCOUNT, "accountId"),
        (("handle_drs_tag_sync",), "accountIds", [ACCOUNT], "accountId"),
        (("handle_drs_tag_sync",), "regions", ["us-west-2"], "region"),
        (("handle_drs_tag_sync",), "dry-run", True, "dryRun"),
    ],
)
def test_a_mistyped_restriction_of_a_sync_is_refused(
    operations: tuple[str, ...], member: str, value: object, meant: str
) -> None:
    for name in operations:
        answer = data_management.lambda_handler({"operation": name, "body": {member: value}}, None)
        assert answer["error"] == "INVALID_PARAMETER", answer
        assert f"did you mean {meant}?" in answer["message"]
        assert answer["details"]["problems"][0]["parameter"] == member
        empty_values: list[Any] = [None, "", [], False]
        for empty in empty_values:
            ignored = data_management.lambda_handler({"operation": name, "body": {member: empty}}, None)
            assert ignored == {"done": True, "ignoredMembers": [member]}


def test_a_caller_cannot_set_what_only_the_function_itself_sets() -> None:
    model = OPERATIONS["handle_drs_tag_sync"].request
    assert model is not None
    for name in ("source", "lock_owner", "is_background_run", "in_background"):
        assert model.parse({name: ["x"]}) == model.parse({})


@pytest.mark.usefixtures("without_app")
def test_a_name_like_a_restriction_that_is_there_is_ignored() -> None:
    body = {"accountIds": [ACCOUNT], "accountId": ACCOUNT}
    answer = data_management.lambda_handler({"operation": "sync_staging_accounts", "body": body}, None)
    assert answer == {"done": True, "ignoredMembers": ["accountId"]}


@pytest.mark.usefixtures("without_app")
def test_the_sync_of_one_account_refuses_a_dry_run_that_it_does_not_have() -> None:
    body = {**TARGET, "dryRun": True}
    answer = data_management.lambda_handler({"operation": "sync_extended_source_servers", "body": body}, None)
    assert (answer["error"], answer["details"]) == ("INVALID_PARAMETER", {"parameter": "dryRun"})


@pytest.fixture
def function_sandbox(sandbox: EngineSandbox) -> Iterator[EngineSandbox]:
    yield sandbox
    data_management.runtime.close()


def test_a_sync_does_what_it_did_and_names_what_it_ignored(function_sandbox: EngineSandbox) -> None:
    body = {"accountId": function_sandbox.names.a, "region": "us-west-2", "clientVersion": 3, "async": False}
    request = {"requestContext": {}, "httpMethod": "POST", "path": "/drs/tag-sync", "body": json.dumps(body)}
    answer = data_management.lambda_handler(request, None)
    result = json.loads(answer["body"])
    assert (answer["statusCode"], result["total_servers"], result["ignoredMembers"]) == (200, 6, ["clientVersion"])
