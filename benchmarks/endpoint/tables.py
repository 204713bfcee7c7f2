"""DynamoDB operations that an inventory sync in its steady state, and the floor, need.

Accounts are computed. The status table is stored and updated. The inventory has the engine's items and discards writes,
so that every run finds the same; so nothing needs the topology table. Unsupported requests are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import orjson

from benchmarks.endpoint.estate import ROLE, Estate, stored_item
from service.aws.attribute_values import encode
from service.models import Scope, iso, utc_now
from service.topology.keys import CARRY_OVER

__all__ = ["Tables", "TablesError"]

ACCOUNTS: Final = "bench-target-accounts"
INVENTORY: Final = "bench-source-server-inventory"
STATUS: Final = "bench-drs-region-status"
TOPOLOGY: Final = "bench-source-server-topology"
_PREFIX: Final = re.compile(r"arn:aws:drs:[a-z0-9-]+:(\d{12}):source-server/")
_ACCOUNT: Final = re.compile(r"\d{12}")
_SETS: Final = re.compile(r"(#?\w+)\s*=\s*(:\w+)")

Body = Mapping[str, Any]


class TablesError(ValueError):
    """Unsupported request."""


class Tables:
    """The four tables of one estate."""

    environment: Final[Mapping[str, str]] = MappingProxyType(
        {
            "TARGET_ACCOUNTS_TABLE": ACCOUNTS,
            "SOURCE_SERVER_INVENTORY_TABLE": INVENTORY,
            "DRS_REGION_STATUS_TABLE": STATUS,
            "SOURCE_SERVER_TOPOLOGY_TABLE": TOPOLOGY,
        }
    )

    def __init__(self, estate: Estate, since: datetime) -> None:
        self._estate = estate
        self._since = since
        self._status: dict[str, dict[str, Any]] = {}
        self._operations: Mapping[str, Callable[[Body], bytes]] = MappingProxyType(
            {
                "Scan": self._scan,
                "GetItem": self._get,
                "Query": self._query,
                "UpdateItem": self._update,
                "PutItem": lambda _: b"{}",  # of moving values
                "BatchWriteItem": lambda _: b'{"UnprocessedItems":{}}',
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
                items = [encode(_row(account)) for account in self._estate.accounts]
            case table if table == STATUS:
                items = list(self._status.values())
            case table:
                raise TablesError(f"Scan of {table} is not supported here")
        return orjson.dumps({"Items": items, "Count": len(items)})

    def _get(self, body: Body) -> bytes:
        item = self._status.get(body["Key"].get("region", {}).get("S")) if body["TableName"] == STATUS else None
        if body["TableName"] == TOPOLOGY:  # nothing is left of earlier versions
            item = encode({**CARRY_OVER, "table": INVENTORY, "doneAt": iso(utc_now())})
        return orjson.dumps({"Item": item} if item else {})

    def _batch_get(self, body: Body) -> bytes:
        """Return no item: the topology of these servers is complete, and their items have their values."""
        if list(body["RequestItems"]) != [TOPOLOGY]:
            raise TablesError(f"BatchGetItem of {', '.join(body['RequestItems'])} is not supported here")
        return orjson.dumps({"Responses": {TOPOLOGY: []}, "UnprocessedKeys": {}})

    def _update(self, body: Body) -> bytes:
        if body["TableName"] == STATUS:
            names, values = body.get("ExpressionAttributeNames", {}), body["ExpressionAttributeValues"]
            setting, _, removing = body["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
            row = self._status.setdefault(body["Key"]["region"]["S"], dict(body["Key"]))
            row.update({names.get(name, name): values[value] for name, value in _SETS.findall(setting)})
            for name in filter(None, removing.split(",")):
                row.pop(names.get(name, name), None)
        return b"{}"

    def _query(self, body: Body) -> bytes:
        if (body["TableName"], body.get("IndexName")) == (INVENTORY, "StagingAccountIndex"):
            return b'{"Items":[]}'  # nothing is left of earlier versions
        if (body["TableName"], body.get("IndexName")) != (INVENTORY, "ReplicationRegionIndex"):
            raise TablesError("only two indexes of the inventory are supported here")
        texts = [value["S"] for value in body["ExpressionAttributeValues"].values()]
        prefixes = [found[1] for text in texts if (found := _PREFIX.fullmatch(text))]
        [account] = prefixes or [text for text in texts if _ACCOUNT.fullmatch(text)]
        [region] = [text for text in texts if account not in text]
        names = body.get("ExpressionAttributeNames", {})
        wanted = [names.get(name.strip(), name.strip()) for name in body["ProjectionExpression"].split(",")]
        return self._render_cached(Scope(account, region), tuple(wanted))

    def _render_items(self, scope: Scope, wanted: tuple[str, ...]) -> bytes:
        full = (encode(stored_item(scope, number, since=self._since)) for number in self._estate.numbers(scope))
        items = [{name: item[name] for name in wanted if name in item} for item in full]
        return orjson.dumps({"Items": items, "Count": len(items)})


def _row(account: str) -> dict[str, Any]:
    return {
        "accountId": account,
        "accountName": f"target {account}",
        "status": "active",
        "isCurrentAccount": False,
        "roleArn": f"arn:aws:iam::{account}:role/{ROLE}",
        "externalId": "drs-orchestration-cross-account",
    }
