"""Failback query: find a server by any of its names, and read its present state from DRS. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import anyio

from service.accounts.access import AccountAccess
from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.aws.dynamodb import TableReader
from service.errors import AwsError, ConfigurationError, RefusalError
from service.inventory.server import SourceServer, parse_server
from service.models import Now, Problem, RegionStatus, iso
from service.queries.answer import Answer
from service.queries.completeness import Completeness, without_accounts
from service.queries.context import QueryContext, QueryContextLoader, table_timeout
from service.queries.failback.decision import Way
from service.queries.failback.facts import (
    DrsRecord,
    Facts,
    RecoveryInstance,
    facts_of,
    group,
    has_name,
    parse_recovery_instance,
    with_drs_record,
)
from service.queries.failback.render import as_json
from service.queries.failback.runbook import write_runbook
from service.queries.params import ScopesParams
from service.queries.query_deadline import QueryDeadline
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings
from service.topology.history import ATTRIBUTE
from service.topology.lineage import LineageReader
from service.topology.origin import fill_origin

__all__ = ["EstateAnswer", "FailbackAnswer", "FailbackQuery", "single_match"]

_ARN_PARTS: Final = 6
_SHARE_OF_DRS: Final = 0.7  # of the deadline; after it, the facts are answered as the tables hold them


class _LiveServer(NamedTuple):
    """A source server as DRS has it now: as facts hold it, as the inventory parses it, and its recovery instance."""

    record: DrsRecord | None = None
    parsed: SourceServer | None = None
    instance: RecoveryInstance | None = None


@dataclass(slots=True)
class _DrsState:
    """What DRS reported, by ARN of the source server; the scopes read, and problems."""

    parsed: dict[str, SourceServer | None] = field(default_factory=dict)
    records: dict[str, DrsRecord | None] = field(default_factory=dict)
    instances: dict[str, RecoveryInstance | None] = field(default_factory=dict)
    scopes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailbackAnswer(Answer):
    """An answer about one server, with its facts."""

    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateAnswer(Answer):
    """An answer about every server, with the facts of each."""

    estate: tuple[Facts, ...]


class FailbackQuery:
    """Answers failback queries; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._now = now
        self._context_loader = QueryContextLoader(aws_client, settings, status, now)

    async def run(self, name: str, *, reads_drs: bool = True) -> FailbackAnswer:
        """Answer operation `get_failback_topology`: origin, present state and runbook of one server.

        Without `reads_drs`, its state is as the tables have it, and as old as it says.

        The answer comes within QUERY_DEADLINE_SECONDS, because API Gateway gives up after 29 s. Without name items,
        which earlier versions did not write, the names of all servers are read; `facts` waits for that as long as it
        takes.

        Raises:
            RefusalError: no server has this name, where scopes are known; or several have.
            AwsError: the inventory could not be read, or not in time.
            ConfigurationError: its table is not set.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        matches: list[Facts] | None = None
        with anyio.CancelScope(deadline=deadline.inventory):
            matches = await self._find(name)
        if matches is None:
            table = self._table(self._settings.source_server_inventory_table)
            raise table_timeout(table, "Query", self._aws_client.hub_region)
        rest = QueryDeadline.start(deadline.drs - anyio.current_time())
        until = deadline.drs if reads_drs else None
        return await self._answer(name, matches, await self._load_context(rest), until=until)

    async def facts(self, name: str) -> FailbackAnswer:
        """Answer as `run` does, and wait for the inventory as long as it takes. Raises as `run` does."""
        matches = await self._find(name)
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        return await self._answer(name, matches, await self._load_context(deadline), until=deadline.at(_SHARE_OF_DRS))

    async def estate(self) -> EstateAnswer:
        """Answer with the stored facts of every lineage, sorted by ARN; DRS is not read. Raises AwsError."""
        estate = await _estate(self._reader(must_read_own=True))
        context = await self._load_context(QueryDeadline.start(self._settings.query_deadline_seconds))
        return EstateAnswer({"count": len(estate)}, self._completeness(context), estate=tuple(estate))

    async def _load_context(self, deadline: QueryDeadline) -> QueryContext | Problem:
        """Read the target accounts and region status; the problem if that fails, because the facts are shown anyway."""
        try:
            return await self._context_loader.load(deadline)
        except AwsError as error:
            return error.problem
        except ConfigurationError as error:
            return Problem("NotConfigured", str(error), RegionStatus.ERROR)

    def _completeness(self, context: QueryContext | Problem) -> Completeness:
        if isinstance(context, Problem):
            return without_accounts(context)
        return self._context_loader.completeness(context, ScopesParams())

    async def _answer(
        self, name: str, matches: Sequence[Facts], context: QueryContext | Problem, *, until: float | None
    ) -> FailbackAnswer:
        """Build the answer about the only match, with what DRS reports of it by `until`. Raises RefusalError."""
        completeness = self._completeness(context)
        if not matches:
            raise _not_found(name, completeness)
        facts = single_match(matches, name)
        if until is not None:
            facts = await self._with_drs_state(facts, context, until=until)
        runbook = write_runbook(facts)
        is_whole = facts.captured and not facts.notes and runbook.way is not Way.UNKNOWN
        return FailbackAnswer({"id": name, **as_json(facts, runbook)}, completeness, is_whole=is_whole, facts=facts)

    def _reader(self, *, must_read_own: bool) -> LineageReader:
        own = self._settings.source_server_topology_table
        return LineageReader(
            self._table(self._settings.source_server_inventory_table),
            self._table(own) if own else None,
            must_read_own=must_read_own,
        )

    def _table(self, name: str) -> TableReader:
        self._settings.require("source_server_inventory_table")
        return TableReader(self._aws_client.hub(), name, self._aws_client.hub_region)

    async def _find(self, name: str) -> list[Facts]:
        """Read the stored facts of servers with this name; the names of all items only if no name item leads to it.

        If the topology table cannot be read, the facts are those of the inventory's items, and a note says so.
        """
        reader = self._reader(must_read_own=False)
        lineages = await reader.by_name(name)
        if not lineages and name.strip().startswith("arn:"):
            lineages = (name.strip(),)
        matches = [facts_of(lineage, items) for lineage in lineages if (items := await reader.items(lineage))]
        if not matches:
            found = [facts_of(lineage, items) for lineage, items in (await reader.search(name)).items()]
            matches = [facts for facts in found if has_name(facts, name)]
        if not matches and reader.failure is not None:
            raise reader.failure  # the table that could not be read may know the name
        notes = self._notes_of(reader)
        return [facts.model_copy(update={"notes": notes}) for facts in matches]

    def _notes_of(self, reader: LineageReader) -> tuple[str, ...]:
        if reader.failure is not None:
            return (
                f"The topology table could not be read ({reader.failure.code}): the originals are the copies on the"
                " inventory's items, without history.",
            )
        if not self._settings.source_server_topology_table:
            return ("SOURCE_SERVER_TOPOLOGY_TABLE is not set: no history is kept.",)
        return ()

    async def _with_drs_state(self, facts: Facts, context: QueryContext | Problem, *, until: float) -> Facts:
        """Update facts with what DRS reports now; where it cannot be read, stored values stay and a note says so."""
        state = _DrsState()
        records = [each for each in (facts.forward, facts.reversed) if each is not None]
        if records:
            with anyio.CancelScope(deadline=until) as cancel_scope:
                await self._read_drs(records, context, state)
            if cancel_scope.cancelled_caught:
                state.notes.append("DRS did not answer in time: a state that is not 'now' is as old as it says.")
        forward, reverse = facts.forward, _present_reversed(facts, state.records)
        return facts.model_copy(
            update={
                "original": _with_reported_origin(facts, state.parsed),
                "forward": state.records.get(forward.arn, forward) if forward else None,
                "reversed": state.records.get(reverse.arn, reverse) if reverse else None,
                "recovered": state.instances.get(forward.arn) if forward else None,
                "failed_back": state.instances.get(reverse.arn) if reverse else None,
                "scopes_read": tuple(sorted(state.scopes)),
                "notes": (*facts.notes, *sorted(state.notes)),
            }
        )

    async def _read_drs(self, records: Sequence[DrsRecord], context: QueryContext | Problem, state: _DrsState) -> None:
        """Read the present state of records concurrently, and of a reversed server that no sync has stored yet."""
        if isinstance(context, Problem):
            why = context.message if context.code == "NotConfigured" else context.code
            state.notes.append(f"The target accounts could not be read ({why}): the state is that of the inventory.")
            return

        async def read(record: DrsRecord) -> None:
            scope = f"{record.account_id}/{record.region}"
            try:
                current, parsed, instance = await self._read_record(context.access, record)
            except AwsError as error:
                as_of = record.seen_at or "an unknown time"
                state.notes.append(f"DRS in {scope} could not be read ({error.code}): its state is as of {as_of}.")
                return
            state.scopes.append(scope)
            state.records[record.arn], state.instances[record.arn] = current, instance
            state.parsed[record.arn] = parsed
            if current is None and record.seen_at:
                state.notes.append(f"{record.server_id} is no longer in DRS in {scope}.")
            if current is not None and (reverse := _unknown_reversed(current, state.records)):
                await read(reverse)

        async with anyio.create_task_group() as tasks:
            for record in records:
                tasks.start_soon(read, record)

    async def _read_record(self, access: AccountAccess, record: DrsRecord) -> _LiveServer:
        """Read a source server and its recovery instance; None for what DRS does not have. Raises AwsError."""
        session = await access.session(record.account_id)
        drs = DrsReader(session, page_size=self._settings.drs_page_size)
        found = await drs.source_server(record.region, record.arn)
        if found is None:
            return _LiveServer()
        current, parsed = with_drs_record(record, found, now=iso(self._now())), parse_server(found)
        server = parsed if isinstance(parsed, SourceServer) else None
        if not current.recovery_instance:
            return _LiveServer(current, server)
        instances = [
            parse_recovery_instance(each, record.account_id, record.region)
            for each in await drs.recovery_instances(record.region, [record.server_id])
        ]
        instance = next((each for each in instances if each.instance_id == current.recovery_instance), None)
        return _LiveServer(current, server, instance)


def _with_reported_origin(facts: Facts, parsed: Mapping[str, SourceServer | None]) -> Mapping[str, Any]:
    """Return the original values, with what the record of the forward server adds before a sync has recorded it."""
    server = parsed.get(facts.forward.arn) if facts.forward else None
    if server is None or not server.is_forward:
        return facts.original
    return {**facts.original, **fill_origin({**facts.original, ATTRIBUTE: facts.history}, server)}


async def _estate(reader: LineageReader) -> list[Facts]:
    by_lineage = group(await reader.all_items())
    return [facts_of(lineage, items) for lineage, items in sorted(by_lineage.items()) if lineage]


def _unknown_reversed(forward: DrsRecord, known: Mapping[str, DrsRecord | None]) -> DrsRecord | None:
    """Return the reversed server that DRS names and no sync has stored; it may no longer exist."""
    arn = forward.reversed_arn
    parts = arn.split(":")
    if forward.direction == "FAILBACK" or arn in known or len(parts) < _ARN_PARTS:
        return None
    return DrsRecord(arn=arn, account_id=parts[4], region=parts[3], direction="FAILBACK")


def _present_reversed(facts: Facts, current: Mapping[str, DrsRecord | None]) -> DrsRecord | None:
    """Return the reversed server of the present recovery instance, also one that only DRS has; else the stored one."""
    forward = current.get(facts.forward.arn) if facts.forward else None
    reverse = current.get(forward.reversed_arn) if forward else None
    if forward and reverse and reverse.instance_id == forward.recovery_instance:
        return reverse
    return facts.reversed


def single_match(matches: Sequence[Facts], name: str) -> Facts:
    """Return the only one of the servers with a name. Raises RefusalError when there are several, which it lists."""
    if len(matches) > 1:
        candidates = [
            {"lineage": each.lineage, "hostname": each.host, "originalInstanceId": each.text("originalInstanceId")}
            for each in matches
        ]
        arns = ", ".join(each.lineage for each in matches)
        raise RefusalError(
            "AMBIGUOUS_ID",
            f"several servers have the name {name}. Fix: give one of these ARNs: {arns}",
            status=409,
            details={"parameter": "id", "value": name, "candidates": candidates},
        )
    return matches[0]


def _not_found(name: str, completeness: Completeness) -> RefusalError:
    """Build the refusal of a name that was not found; it names the scopes where the server may be all the same."""
    details: dict[str, Any] = {"parameter": "id", "value": name}
    fix = "Fix: give a source server id or ARN, an instance id or a host name"
    if completeness.is_complete:
        return RefusalError("SERVER_NOT_FOUND", f"no server has the name {name}. {fix}", status=404, details=details)
    message = (
        f"{name} was not found where drs-sync could look; it could not look in {completeness.unknown_text()}. "
        f"{fix}; or make these scopes readable (see unknown)"
    )
    details |= {"complete": False, **completeness.as_json()}
    return RefusalError("SERVER_NOT_FOUND", message, status=404, details=details)
