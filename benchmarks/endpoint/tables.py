"""DynamoDB operations that the inventory, tag and staging syncs, and the floors, need.

Accounts are computed. The status table is stored and updated. The inventory has the engine's items and discards writes,
so that every run finds the same; so the topology table keeps only what is put into it: moving values, summaries and
records of runs. The tag sync's lock is always free, and its memory is computed. Unsupported requests are rejected.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import orjson

from benchmarks.endpoint.estate import ROLE, Estate, server_arn_of, server_id_of, stored_item
from service.aws.attribute_values import encode
from service.models import RegionStatus, Scope, iso, utc_now
from service.partitions import partition_of
from service.regions.status_rows import Observation, merge, to_attributes
from service.topology.keys import CARRY_OVER

__all__ = ["Tables", "TablesError"]

ACCOUNTS: Final = "bench-target-accounts"
INVENTORY: Final = "bench-source-server-inventory"
STATUS: Final = "bench-drs-region-status"
TOPOLOGY: Final = "bench-source-server-topology"
TAGS: Final = "bench-tag-sync-config"
_LAUNCH_SETTINGS: Final = "_launch_settings#"
_EXTERNAL_ID: Final = "drs-orchestration-cross-account"
_PREFIX: Final = re.compile(r"arn:aws:drs:[a-z0-9-]+:(\d{12}):source-server/")
_ACCOUNT: Final = re.compile(r"\d{12}")
_SETS: Final = re.compile(r"(#?\w+)\s*=\s*(:\w+)")
_FILLS: Final = re.compile(r"(#\w+)\s*=\s*(?:if_not_exists\(#\w+,)?(:\w+)")

Body = Mapping[str, Any]
_Paths = tuple[tuple[str, ...], ...]


class TablesError(ValueError):
    """Unsupported request."""


class Tables:
    """The five tables of one estate."""

    environment: Final[Mapping[str, str]] = MappingProxyType(
        {
            "TARGET_ACCOUNTS_TABLE": ACCOUNTS,
            "SOURCE_SERVER_INVENTORY_TABLE": INVENTORY,
            "DRS_REGION_STATUS_TABLE": STATUS,
            "SOURCE_SERVER_TOPOLOGY_TABLE": TOPOLOGY,
            "TAG_SYNC_CONFIG_TABLE": TAGS,
        }
    )

    def __init__(self, estate: Estate, since: datetime) -> None:
        self._estate = estate
        self._since = since
        self._status = _known_rows(estate, since) if estate.known else dict[str, dict[str, Any]]()
        self._kept: dict[tuple[str, str], bytes] = {}  # items of the topology table, by key
        self._operations: Mapping[str, Callable[[Body], bytes]] = MappingProxyType(
            {
                "Scan": self._scan,
                "GetItem": self._get,
                "Query": self._query,
                "UpdateItem": self._update,
                "PutItem": self._put,
                "BatchWriteItem": lambda _: b'{"UnprocessedItems":{}}',
                "TransactWriteItems": self._transact_write,
                "BatchGetItem": self._batch_get,
            }
        )
        # A few rendered scopes are cached, so that a small estate costs no CPU here.
        self._render_cached = lru_cache(maxsize=16)(self._render_items)

    def answer(self, operation: str, body: Body) -> bytes:
        """Return the response of one call.

        Raises:
            TablesError: the request is not supported.
        """
        if operation not in self._operations:
            raise TablesError(f"{operation} is not supported here")
        return self._operations[operation](body)

    def _scan(self, body: Body) -> bytes:
        match body["TableName"]:
            case table if table == ACCOUNTS:
                items = [encode(_row(account, self._estate)) for account in self._estate.accounts]
            case table if table == STATUS:
                items = list(self._status.values())
            case table if table == INVENTORY and body.get("Limit") == 1:  # whether it has any
                scope = Scope(self._estate.accounts[0], self._estate.active_regions[0])
                items = [] if self._estate.new else [self._item(scope, self._estate.numbers(scope)[0], ())]
            case table:
                raise TablesError(f"Scan of {table} is not supported here")
        return orjson.dumps({"Items": items, "Count": len(items)})

    def _get(self, body: Body) -> bytes:
        key = body["Key"]
        if body["TableName"] == STATUS:
            return _found(orjson.dumps(row) if (row := self._status.get(key["region"]["S"])) else None)
        if body["TableName"] == TAGS:
            return _found(self._launch_settings(key["accountId"]["S"]))
        if body["TableName"] != TOPOLOGY:
            return _found(None)
        if (kept := self._kept.get(_topology_key(key))) is not None:
            return _found(kept)
        # Nothing is left of earlier versions.
        return _found(orjson.dumps(encode({**CARRY_OVER, "table": INVENTORY, "doneAt": iso(utc_now())})))

    def _launch_settings(self, key: str) -> bytes | None:
        """Return the item that says whose launch settings need nothing; None before a tag sync."""
        if not (self._estate.synced and key.startswith(_LAUNCH_SETTINGS)):
            return None
        scope = Scope(*key.removeprefix(_LAUNCH_SETTINGS).split("#"))
        settled = [server_id_of(scope, number) for number in self._estate.numbers(scope)]
        return orjson.dumps(encode({"accountId": key, "settled": settled}))

    def _put(self, body: Body) -> bytes:
        if body["TableName"] == TOPOLOGY:
            self._kept[_topology_key(body["Item"])] = orjson.dumps(body["Item"])
        return b"{}"

    def _transact_write(self, body: Body) -> bytes:
        """Carry out each action as the operation for one item does: no condition is ever refused here."""
        actions = {"Put": self._put, "Update": self._update, "Delete": self._delete}
        for action in body["TransactItems"]:
            for name, members in action.items():
                if name != "ConditionCheck":
                    actions[name](members)
        return b"{}"

    def _delete(self, body: Body) -> bytes:
        if body["TableName"] == TOPOLOGY:
            self._kept.pop(_topology_key(body["Key"]), None)
        return b"{}"

    def _batch_get(self, body: Body) -> bytes:
        """Return the kept items; the topology of these servers is complete, unless all of them are new."""
        if list(body["RequestItems"]) == [STATUS]:
            regions = [key["region"]["S"] for key in body["RequestItems"][STATUS]["Keys"]]
            rows = [self._status[region] for region in regions if region in self._status]
            return orjson.dumps({"Responses": {STATUS: rows}, "UnprocessedKeys": {}})
        if list(body["RequestItems"]) == [INVENTORY] and self._estate.new:
            return b'{"Responses":{},"UnprocessedKeys":{}}'
        if list(body["RequestItems"]) != [TOPOLOGY]:
            raise TablesError(f"BatchGetItem of {', '.join(body['RequestItems'])} is not supported here")
        keys = map(_topology_key, body["RequestItems"][TOPOLOGY]["Keys"])
        items = b",".join(self._kept[key] for key in keys if key in self._kept)
        return b'{"Responses":{"%s":[%s]},"UnprocessedKeys":{}}' % (TOPOLOGY.encode(), items)

    def _update(self, body: Body) -> bytes:
        if body["TableName"] == TAGS:
            return b'{"Attributes":{"fence":{"N":"1"}}}'
        if body["TableName"] == TOPOLOGY and self._estate.new:
            return self._fill(body)
        if body["TableName"] == STATUS:
            names, values = body.get("ExpressionAttributeNames", {}), body["ExpressionAttributeValues"]
            setting, _, removing = body["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
            row = self._status.setdefault(body["Key"]["region"]["S"], dict(body["Key"]))
            row.update({names.get(name, name): values[value] for name, value in _SETS.findall(setting)})
            for name in filter(None, removing.split(",")):
                row.pop(names.get(name, name), None)
        return b"{}"

    def _fill(self, body: Body) -> bytes:
        """Set attributes of a kept item, as the engine completes topology."""
        names, values = body["ExpressionAttributeNames"], body["ExpressionAttributeValues"]
        key = _topology_key(body["Key"])
        item = orjson.loads(self._kept.get(key) or orjson.dumps(body["Key"]))
        for name, value in _FILLS.findall(body["UpdateExpression"]):
            item.setdefault(names[name], values[value])
        self._kept[key] = orjson.dumps(item)
        return b'{"Attributes":%s}' % self._kept[key]

    def _query(self, body: Body) -> bytes:
        if body["TableName"] == TOPOLOGY:
            [pk] = [value["S"] for value in body["ExpressionAttributeValues"].values()]
            kept = b",".join(item for (found, _), item in sorted(self._kept.items()) if found == pk)
            return b'{"Items":[%s]}' % kept
        if (body["TableName"], body.get("IndexName")) == (INVENTORY, "StagingAccountIndex"):
            return b'{"Items":[]}'  # nothing is left of earlier versions
        if (body["TableName"], body.get("IndexName")) != (INVENTORY, "ReplicationRegionIndex"):
            raise TablesError("only two indexes of the inventory are supported here")
        if self._estate.new:
            return b'{"Items":[],"Count":0}'
        texts = [value["S"] for value in body["ExpressionAttributeValues"].values()]
        prefixes = [found[1] for text in texts if (found := _PREFIX.match(text))]
        [account] = set(prefixes) or [text for text in texts if _ACCOUNT.fullmatch(text)]
        [region] = [text for text in texts if account not in text]
        names = body.get("ExpressionAttributeNames", {})
        projection = filter(None, map(str.strip, body.get("ProjectionExpression", "").split(",")))
        paths = tuple(tuple(names.get(name, name) for name in path.split(".")) for path in projection)
        if "Limit" in body:
            return self._render_page(Scope(account, region), paths, body)
        return self._render_cached(Scope(account, region), paths)

    def _render_items(self, scope: Scope, paths: _Paths) -> bytes:
        items = [self._item(scope, number, paths) for number in self._estate.numbers(scope)]
        return orjson.dumps({"Items": items, "Count": len(items)})

    def _render_page(self, scope: Scope, paths: _Paths, body: Body) -> bytes:
        """Return the items of a range of ARNs, which is what a page of servers is."""
        numbers = self._estate.numbers(scope)
        first, last = sorted(value["S"] for value in body["ExpressionAttributeValues"].values() if ":" in value["S"])
        start = bisect_left(numbers, first, key=lambda number: server_arn_of(scope, number))
        if "ExclusiveStartKey" in body:
            after = body["ExclusiveStartKey"]["sourceServerArn"]["S"]
            start = bisect_right(numbers, after, key=lambda number: server_arn_of(scope, number))
        end = bisect_right(numbers, last, key=lambda number: server_arn_of(scope, number))
        shown = numbers[start : min(end, start + body["Limit"])]
        items = [self._item(scope, number, paths) for number in shown]
        is_last = start + len(shown) >= end
        more = {} if is_last else {"LastEvaluatedKey": {"sourceServerArn": {"S": server_arn_of(scope, shown[-1])}}}
        return orjson.dumps({"Items": items, "Count": len(items), **more})

    def _item(self, scope: Scope, number: int, paths: _Paths) -> dict[str, Any]:
        item = encode(stored_item(scope, number, since=self._since))
        return _projected(item, paths) if paths else item


def _projected(item: Mapping[str, Any], paths: _Paths) -> dict[str, Any]:
    """Return an item with the attributes of some paths, as ProjectionExpression does."""
    result: dict[str, Any] = {}
    for name, *rest in paths:
        if name not in item:
            continue
        if not rest:
            result[name] = item[name]
        elif inner := _projected(item[name].get("M", {}), (tuple(rest),)):
            result.setdefault(name, {"M": {}})["M"].update(inner)
    return result


def _found(item: bytes | None) -> bytes:
    return b"{}" if item is None else b'{"Item":%s}' % item


def _topology_key(item: Body) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _known_rows(estate: Estate, since: datetime) -> dict[str, dict[str, Any]]:
    """Return the status table as an inventory sync leaves it."""
    rows: dict[str, dict[str, Any]] = {}
    for region in partition_of(estate.active_regions[0]).drs_regions:
        is_active = region in estate.active_regions
        found = (RegionStatus.ACTIVE, since, estate.servers) if is_active else (RegionStatus.NOT_INITIALIZED, since, 0)
        scans = [Observation(account, *found) for account in estate.accounts]
        attributes = to_attributes(merge(None, region, scans, all_accounts=frozenset(estate.accounts)), now=since)
        present = {name: value for name, value in attributes.items() if value is not None}
        rows[region] = dict(encode({"region": region, **present}))
    return rows


def _row(account: str, estate: Estate) -> dict[str, Any]:
    staging = {"accountId": estate.staging_account(account), "accountName": "staging", "externalId": _EXTERNAL_ID}
    return {
        "accountId": account,
        "accountName": f"target {account}",
        "status": "active",
        "isCurrentAccount": False,
        "roleArn": f"arn:aws:iam::{account}:role/{ROLE}",
        "externalId": _EXTERNAL_ID,
        **({"stagingAccounts": [staging]} if estate.staging else {}),
    }
