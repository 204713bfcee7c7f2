"""Finding a server by any name, and asking DRS how it is: the IO of failback questions. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio

from service.accounts.access import AccountAccess, read_directory
from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.errors import AwsError, ConfigurationError, RefusalError
from service.models import Now, iso
from service.queries.context import targets_table, too_late
from service.queries.failback.facts import DrsRecord, Facts, Machine, facts_of, group, holds, machine_of, with_live
from service.queries.failback.render import as_json
from service.queries.failback.runbook import write_runbook
from service.queries.reading import QueryDeadline
from service.settings import Settings
from service.topology.lineage import LineageReader

__all__ = ["FailbackQuery", "pick"]

_ARN_PARTS: Final = 6
_SHARE_OF_DRS: Final = 0.7  # of the deadline; what DRS has not answered by then is answered from the tables


class FailbackQuery:
    """Answers failback questions; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._now = now

    async def run(self, name: str) -> dict[str, Any]:
        """Answer operation `get_failback_topology`: origin, present state and runbook of one server.

        It answers within QUERY_DEADLINE_SECONDS, as whoever asks over the API is gone after 29 s. A table of an earlier
        version knows no names, and may take longer to look through: `facts` waits for it.

        Raises:
            RefusalError: no server has this name, or several have.
            AwsError: the inventory could not be read, or not in time.
            ConfigurationError: its table is not set.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        stored: Facts | None = None
        with anyio.CancelScope(deadline=deadline.inventory):
            stored = await self._stored(name)
        if stored is None:
            raise too_late(self._table(), "Query", self._aws_client.hub_region)
        facts = await self._asked(stored, until=deadline.drs)
        return {"id": name, **as_json(facts, write_runbook(facts))}

    async def facts(self, name: str) -> Facts:
        """Give what is known of the server with this name, DRS asked where it answers. Raises as `run` does."""
        facts = await self._stored(name)
        return await self._asked(
            facts, until=QueryDeadline.start(self._settings.query_deadline_seconds).at(_SHARE_OF_DRS)
        )

    async def estate(self) -> list[Facts]:
        """Give what the table holds of every lineage, sorted; DRS is not asked. Raises AwsError."""
        found = group(await self._reader().all_items())
        return [facts_of(lineage, items) for lineage, items in sorted(found.items()) if lineage]

    def _reader(self) -> LineageReader:
        return LineageReader(self._table())

    def _table(self) -> TableReader:
        self._settings.require("source_server_inventory_table")
        return TableReader(
            self._aws_client.hub(), self._settings.source_server_inventory_table, self._aws_client.hub_region
        )

    async def _stored(self, name: str) -> Facts:
        reader = self._reader()
        lineages = await reader.by_name(name)
        if not lineages and name.strip().startswith("arn:"):
            lineages = (name.strip(),)
        found = [facts_of(lineage, items) for lineage in lineages if (items := await reader.items(lineage))]
        # Tables of earlier versions know no names: then everything is looked through.
        return pick(found or [facts for facts in await self.estate() if holds(facts, name)], name)

    async def _asked(self, facts: Facts, *, until: float) -> Facts:
        """Ask DRS about the records that are known; what cannot be asked stays as it was stored, and is named."""
        notes: list[str] = []
        asked: list[str] = []
        live: dict[str, DrsRecord | None] = {}
        machines: dict[str, Machine | None] = {}
        records = [each for each in (facts.forward, facts.reversed) if each is not None]

        async def ask(record: DrsRecord) -> None:
            scope = f"{record.account_id}/{record.region}"
            try:
                told, machine = await self._ask(access, record)
            except AwsError as error:
                notes.append(f"DRS in {scope} did not answer ({error.code}): as of {record.seen_at or 'long ago'}.")
                return
            asked.append(scope)
            live[record.arn], machines[record.arn] = told, machine
            if told is None and record.seen_at:
                notes.append(f"{record.server_id} is not in DRS in {scope} any more.")
            if told is not None and (newer := _opposite(told, live)):
                await ask(newer)

        if records:
            with anyio.CancelScope(deadline=until) as cancel_scope:
                try:
                    access = await self._access()
                except (AwsError, ConfigurationError) as error:
                    why = error.code if isinstance(error, AwsError) else str(error)
                    notes.append(f"No account could be entered ({why}): nothing here is newer than the table.")
                else:
                    async with anyio.create_task_group() as tasks:
                        for record in records:
                            tasks.start_soon(ask, record)
            if cancel_scope.cancelled_caught:
                notes.append("DRS did not answer in time: what is not marked 'now' is as old as it says.")
        forward, reverse = facts.forward, _newest_reverse(facts, live)
        return facts.model_copy(
            update={
                "forward": live.get(forward.arn, forward) if forward else None,
                "reversed": live.get(reverse.arn, reverse) if reverse else None,
                "recovered": machines.get(forward.arn) if forward else None,
                "failed_back": machines.get(reverse.arn) if reverse else None,
                "asked": tuple(sorted(asked)),
                "notes": tuple(sorted(notes)),
            }
        )

    async def _access(self) -> AccountAccess:
        directory, _ = await read_directory(targets_table(self._aws_client, self._settings))
        return AccountAccess(self._aws_client, directory)

    async def _ask(self, access: AccountAccess, record: DrsRecord) -> tuple[DrsRecord | None, Machine | None]:
        session = await access.session(record.account_id)
        by_id = {"filters": {"sourceServerIDs": [record.server_id]}}
        answer = await session.call("drs", "DescribeSourceServers", by_id, region=record.region)
        servers = [each for each in answer.get("items", ()) if each.get("arn") == record.arn]
        if not servers:
            return None, None
        told = with_live(record, servers[0], now=iso(self._now()))
        if not told.recovery_instance:
            return told, None
        answer = await session.call("drs", "DescribeRecoveryInstances", by_id, region=record.region)
        machines = [machine_of(each, record.account_id, record.region) for each in answer.get("items", ())]
        return told, next((each for each in machines if each.instance_id == told.recovery_instance), None)


def _opposite(forward: DrsRecord, known: Mapping[str, DrsRecord | None]) -> DrsRecord | None:
    """Give the reversed server that no sync has seen yet, to be asked about; what DRS points at may be long gone."""
    arn = forward.reversed_arn
    parts = arn.split(":")
    if forward.direction == "FAILBACK" or arn in known or len(parts) < _ARN_PARTS:
        return None
    return DrsRecord(arn=arn, account_id=parts[4], region=parts[3], direction="FAILBACK")


def _newest_reverse(facts: Facts, live: Mapping[str, DrsRecord | None]) -> DrsRecord | None:
    """Give the reversed server of the present recovery instance, be it one that only DRS knows; else the stored one."""
    forward = live.get(facts.forward.arn) if facts.forward else None
    found = live.get(forward.reversed_arn) if forward else None
    if forward and found and found.instance_id == forward.recovery_instance:
        return found
    return facts.reversed


def pick(found: Sequence[Facts], name: str) -> Facts:
    """Give the only one. Raises RefusalError when there is none, or when there are several, which are named."""
    if not found:
        raise RefusalError(
            "SERVER_NOT_FOUND",
            f"nothing is known of {name}: give a source server id or ARN, an instance id or a host name",
            status=404,
            details={"parameter": "id", "value": name},
        )
    if len(found) > 1:
        candidates = [
            {"lineage": each.lineage, "hostname": each.host, "originalInstanceId": each.text("originalInstanceId")}
            for each in found
        ]
        listed = ", ".join(each.lineage for each in found)
        raise RefusalError(
            "AMBIGUOUS_ID",
            f"{name} belongs to several servers: {listed}",
            status=409,
            details={"parameter": "id", "value": name, "candidates": candidates},
        )
    return found[0]
