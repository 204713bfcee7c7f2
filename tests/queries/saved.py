"""The state after a first sync, for the tests that begin with one: a sync makes 150 calls, and restoring it ten."""

from __future__ import annotations

import copy
import time
from typing import Any, Final

from service.sandbox.moto_drs import drs_backends
from service.sandbox.tables import table_environment
from tests.queries.client import QueryClient, synced
from tests.support.sandbox import EngineSandbox, Names, new_account_id

__all__ = ["SavedSync"]

_MAX_AGE_S: Final = 120.0  # so that the scans are as recent as after a sync of the test's own

Records = dict[tuple[str, str], list[dict[str, Any]]]


class SavedSync:
    """What a sync of the usual sandbox left, for later sandboxes of the same accounts; all ids are the same as well."""

    def __init__(self) -> None:
        self.names = Names(*(new_account_id() for _ in range(4)))
        self._made = -_MAX_AGE_S
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._records: Records = {}

    async def client(self, sandbox: EngineSandbox) -> QueryClient:
        """Return a client of the sandbox, which is synced or brought into the state after an earlier sync."""
        if sandbox.names != self.names:
            return await synced(sandbox)
        if time.monotonic() - self._made < _MAX_AGE_S:
            self._restore(sandbox)
            client = QueryClient(sandbox)
            client.now()
            return client
        client = await synced(sandbox)
        self._made = time.monotonic()
        variables = table_environment(sandbox.server.fleet.tables)
        self._rows = {variable: sandbox.table(variable).scan()["Items"] for variable in variables}
        self._records = copy.deepcopy(_records(self.names))
        return client

    def _restore(self, sandbox: EngineSandbox) -> None:
        for variable, rows in self._rows.items():
            with sandbox.table(variable).batch_writer() as batch:
                for row in rows:
                    batch.put_item(row)
        saved = copy.deepcopy(self._records)
        for scope, records in _records(self.names).items():
            for record, before in zip(records, saved[scope], strict=True):
                record.clear()
                record.update(before)  # with the times of then, which the items have


def _records(names: Names) -> Records:
    """Return the records of DRS by scope."""
    return {
        (account_id, region): [server.record for server in backend.source_servers.values()]
        for account_id in (names.a, names.b)
        for region, backend in drs_backends[account_id].items()
    }
