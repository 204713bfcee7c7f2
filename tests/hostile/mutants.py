"""Mutated events: valid events of both functions, changed at random but the same for the same seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["OPERATIONS", "ROUTES", "mutants"]

ACCOUNT: Final = "111122223333"
_STAGING: Final = {
    "accountId": "444455556666",
    "accountName": "STAGING_01",
    "roleArn": "arn:aws:iam::444455556666:role/DRSOrchestrationRole",
    "externalId": "drs-orchestration-cross-account",
    "region": "us-west-2",
}
_SYNC: Final = {"accountIds": [ACCOUNT], "regions": ["us-west-2"], "excludedRegions": [], "fullScan": False}
_TAGS: Final = {"accountId": ACCOUNT, "region": "us-west-2", "assumeRoleName": "DRSOrchestrationRole", "async": False}
_SETTINGS: Final = {"enabled": True, "intervalHours": 2}
_SHARD: Final = {"job": "inventory", "index": 0, "count": 2, "startedAt": "2026-11-23T05:00:00Z", "fullScan": False}
_FILTERS: Final = {"accountIds": ACCOUNT, "regions": "us-west-2", "limit": "10", "filters": "{}", "nextToken": "x"}
ROUTES: Final[Sequence[tuple[str, str, Mapping[str, Any] | None]]] = (
    ("POST", f"/accounts/targets/{ACCOUNT}/staging-accounts", _STAGING),
    ("POST", f"/accounts/targets/{ACCOUNT}/staging-accounts/sync", {}),
    ("DELETE", f"/accounts/targets/{ACCOUNT}/staging-accounts/444455556666", None),
    ("POST", "/drs/tag-sync", _TAGS),
    ("GET", "/drs/tag-sync", None),
    ("GET", "/config/tag-sync", None),
    ("PUT", "/config/tag-sync", _SETTINGS),
    ("GET", "/drs/source-server-inventory", None),
    ("GET", "/drs/source-servers", None),
    ("GET", "/drs/extended-source-servers", None),
    ("GET", "/drs/estate", None),
    ("GET", "/drs/failback", None),
    ("GET", f"/accounts/targets/{ACCOUNT}/staging-accounts/discover", None),
    ("POST", "/staging-accounts/validate", _STAGING),
)
OPERATIONS: Final[Sequence[tuple[str, Mapping[str, Any]]]] = (
    ("sync_source_server_inventory", _SYNC),
    ("sync_staging_accounts", {**_SYNC, "dryRun": True, "scopes": [{"accountId": ACCOUNT, "region": "us-west-2"}]}),
    ("sync_extended_source_servers", {"targetAccountId": ACCOUNT}),
    ("add_staging_account", {"targetAccountId": ACCOUNT, **_STAGING}),
    ("remove_staging_account", {"targetAccountId": ACCOUNT, "stagingAccountId": "444455556666"}),
    ("handle_drs_tag_sync", _TAGS),
    ("get_last_tag_sync_status", {}),
    ("update_tag_sync_settings", _SETTINGS),
    ("plan_sync", {"job": "inventory", "source": "eventbridge"}),
    ("sync_shard", _SHARD),
    ("finish_sync", {"shards": [_SHARD], "results": [{"index": 0, "report": {}}], "lockOwner": "x"}),
    ("get_source_server_inventory", {"accountIds": [ACCOUNT], "filters": {"hostname": "a*", "tags": {"a": "b"}}}),
    ("get_drs_source_servers", {"account_id": ACCOUNT, "region": "us-west-2"}),
    ("get_extended_source_servers", {"accountIds": [ACCOUNT]}),
    ("get_estate", {"accountId": ACCOUNT, "region": "us-west-2"}),
    ("get_failback_topology", {"id": "i-0123456789abcdef0"}),
    ("discover_staging_accounts", {"targetAccountId": ACCOUNT}),
    ("validate_staging_account", _STAGING),
    ("get_staging_accounts", {"targetAccountId": ACCOUNT}),
    ("query_staging_accounts", {"targetAccountId": ACCOUNT}),
)
_DEEP: Final = json.dumps([[[[[[[[]]]]]]]]).replace("[]", "[" * 500 + "]" * 500)


def _deep(levels: int) -> Any:
    value: Any = "end"
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


_ODD: Final[tuple[Callable[[random.Random], Any], ...]] = (
    lambda _: None,
    lambda dice: dice.choice([True, False, 0, -1, 1, 2**63, -(2**70), 1e308, 0.1]),
    lambda _: float("nan"),
    lambda dice: dice.choice(["", " ", "\x00", "\ud800", "\u202e123", "\u0967" * 12, "\uff11" * 12, "\r\nX: y"]),
    lambda dice: dice.choice(["../..", "%2e%2e", "' OR 1=1 --", "${jndi:ldap://x}", "<script>", "=cmd|' /C calc'!A0"]),
    lambda dice: "x" * dice.choice([100, 10_000, 300_000]),
    lambda dice: ACCOUNT + dice.choice(["\n", " ", "4", "\x00"]),
    lambda _: "arn:aws:iam::999999999999:role/Administrator",
    lambda dice: [ACCOUNT] * dice.choice([0, 2, 5_000]),
    lambda dice: _deep(dice.choice([3, 60, 400])),
    lambda _: {"$ref": "#", "__proto__": {"admin": True}},
    lambda _: {},
    lambda _: [],
)
_BODIES: Final[tuple[Callable[[random.Random, str], str], ...]] = (
    lambda dice, text: text[: dice.randrange(len(text) + 1)],
    lambda _, text: text + text,
    lambda _, text: text.replace("{", '{"accountId": "999999999999", ', 1),  # a member twice
    lambda _, __: "[" * 100_000,
    lambda _, __: '{"a":' * 1_200 + "1" + "}" * 1_200,
    lambda _, __: _DEEP,
    lambda _, __: '"text"',
    lambda _, __: "null",
    lambda _, __: "NaN",
    lambda _, text: "\ufeff" + text,
    lambda dice, text: text.replace('"', dice.choice(["'", '\\"', ""])),
)


def mutants(seed: int, count: int) -> Iterator[Any]:
    """Yield `count` events, the same ones for the same seed."""
    dice = random.Random(seed)  # noqa: S311 - not a secret
    for _ in range(count):
        event = _api(dice) if dice.random() < 0.5 else _direct(dice)
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            event = _changed(event, dice)
        yield _as_sent(event, dice)


def _api(dice: random.Random) -> dict[str, Any]:
    method, path, body = dice.choice(ROUTES)
    return {
        "httpMethod": method,
        "path": path,
        "requestContext": {"httpMethod": method, "authorizer": {"claims": {"sub": "x"}}},
        "queryStringParameters": dice.choice([None, dict(_FILTERS), {"id": "srv-1"}, {"account_id": ACCOUNT}]),
        "isBase64Encoded": False,
        "body": copy.deepcopy(body),
    }


def _direct(dice: random.Random) -> dict[str, Any]:
    operation, members = dice.choice(OPERATIONS)
    event: dict[str, Any] = {"operation": operation, dice.choice(["body", "queryParams"]): copy.deepcopy(members)}
    if dice.random() < 0.1:
        event |= {"source": "aws.events", "detail-type": "Scheduled Event", "synch_tags": True}
    return event


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member, at any depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        yield (*path, name)
        yield from _paths(inner, (*path, name))


def _changed(event: Any, dice: random.Random) -> Any:
    if not isinstance(event, dict) or not event or dice.random() < 0.02:
        return dice.choice(_ODD)(dice)
    *path, last = dice.choice(list(_paths(event))[:200])
    holder = event
    for step in path:
        holder = holder[step]
    roll = dice.random()
    if roll < 0.25 and isinstance(holder, dict):
        del holder[last]
    elif roll < 0.4 and isinstance(holder, dict):
        holder[f"{last}{dice.choice(['', 'x', ' ', 'Id'])}2"] = dice.choice(_ODD)(dice)
    else:
        holder[last] = dice.choice(_ODD)(dice)
    return event


def _as_sent(event: Any, dice: random.Random) -> Any:
    """Turn the body of an API event into text, as API Gateway does; sometimes into invalid JSON."""
    if not isinstance(event, dict) or "requestContext" not in event or event.get("body") is None:
        return event
    text = json.dumps(event["body"])
    return {**event, "body": dice.choice(_BODIES)(dice, text) if dice.random() < 0.3 else text}
