"""Replication configurations: each is read once, within the budget of calls, and only as long as time is left."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

import anyio
import pytest

from service.errors import AwsError
from service.inventory.server import SourceServer, parse_server
from service.models import Call, Scope
from service.settings import Settings
from service.sync.inventory.replication_reader import ReplicationReader
from tests.simulation.clock import VirtualLoop, run

SCOPE: Final = Scope("111122223333", "us-west-2")
CALL_S: Final = 10.0  # that each read takes
REFUSED: Final = AwsError("ValidationException", "no", Call("drs", "GetReplicationConfiguration", *SCOPE))


def server(number: int) -> SourceServer:
    server_id = f"s-{number:017x}"
    arn = f"arn:aws:drs:{SCOPE.region}:{SCOPE.account_id}:source-server/{server_id}"
    parsed = parse_server({"sourceServerID": server_id, "arn": arn}, reported_by=SCOPE)
    assert isinstance(parsed, SourceServer)
    return parsed


class Drs:
    """DRS that takes ten seconds for each configuration, and refuses some."""

    def __init__(self, refused: tuple[int, ...] = ()) -> None:
        self.read: list[str] = []
        self._refused = {server(number).server_id for number in refused}

    async def replication_configuration(self, _: str, server_id: str) -> Mapping[str, Any]:
        await anyio.sleep(CALL_S)
        self.read.append(server_id)
        if server_id in self._refused:
            raise REFUSED
        return {"sourceServerID": server_id}


def reader(drs: Drs, *, time_s: float = 1000.0, **settings: Any) -> ReplicationReader:
    tools = SimpleNamespace(settings=Settings(drs_calls_at_once=1, **settings), scope_time_s=lambda: time_s)
    return ReplicationReader(SCOPE, cast("Any", drs), cast("Any", tools))


@pytest.mark.parametrize(("time_s", "shares", "counts"), [(60.0, (0.5, 0.9), (3, 2)), (25.0, (0.5, 0.9), (1, 1))])
def test_what_there_is_no_time_for_is_left_to_the_next_scan(
    time_s: float, shares: tuple[float, float], counts: tuple[int, int]
) -> None:
    async def work(loop: VirtualLoop) -> None:
        made, began = reader(Drs(), time_s=time_s + 0.1), loop.time()
        for share, count, first in zip(shares, counts, (0, 50), strict=True):
            found, warnings = await made.configurations(map(server, range(first, first + 50)), share=share)
            assert (len(found), warnings) == (count, [])
            assert loop.time() - began <= share * (time_s + 0.1) + 0.001

    run(work)


def test_the_budget_of_calls_is_that_of_the_whole_scan() -> None:
    async def work(_: VirtualLoop) -> None:
        drs = Drs()
        made = reader(drs, topology_reads_per_scope=5)
        counts = [len((await made.configurations(map(server, range(at, at + 3)), share=1.0))[0]) for at in (0, 3, 6)]
        assert (counts, len(drs.read)) == ([3, 2, 0], 5)

    run(work)


def test_a_server_is_asked_for_once_a_scan_and_named_where_dynamodb_or_drs_refuses_it() -> None:
    async def work(_: VirtualLoop) -> None:
        drs = Drs(refused=(1,))
        made = reader(drs)
        found, warnings = await made.configurations([server(0), server(1)], share=1.0)
        assert list(found) == [server(0).arn]
        assert [each.message for each in warnings] == [f"{server(1).server_id}: no"]
        assert await made.configurations([server(0), server(1)], share=1.0) == ({}, [])
        assert len(drs.read) == 2

    run(work)
