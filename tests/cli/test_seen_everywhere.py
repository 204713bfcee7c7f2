"""A server that stalls is on the status screen, in a metric, in an event and on the page after one sync."""

from __future__ import annotations

import json
import re

import pytest

from service.app import open_app
from service.context import SyncRequest
from service.pages.first_screen import first_screen
from service.queries.params import ScopesParams
from service.query_app import open_query_app
from service.settings import load_settings
from tests.cli.test_unknown import command
from tests.support.sandbox import EngineSandbox


async def test_a_server_that_stalls_is_seen_everywhere_after_one_sync(
    sandbox: EngineSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.set(EVENT_BUS_NAME="default")
    await sandbox.sync(full_scan=True)
    record = sandbox.records(sandbox.names.a, "us-west-2")[0]
    record["dataReplicationInfo"].update(
        dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"}
    )
    server_id, received = record["sourceServerID"], sandbox.received_calls()
    capsys.readouterr()
    async with open_app(load_settings()) as app:
        await app.sync_inventory(SyncRequest())
    (metrics,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"_aws"' in line]
    assert (metrics["ServersStalled"], metrics["ServersReady"]) == (1, 10)
    (put,) = received.of("events", "PutEvents")
    (event,) = [json.loads(entry["Detail"]) for entry in put.params["Entries"]]
    assert (event["kind"], event["sourceServerID"], event["reason"]) == ("STALLED", server_id, "AGENT_NOT_SEEN")
    async with open_query_app(load_settings()) as queries:
        document = (await queries.estate.run(ScopesParams())).body
    screen = "\n".join(line.text for line in first_screen(document))
    assert "NO: 10 of 11 servers are ready" in screen
    assert "1 server stalled: AGENT_NOT_SEEN" in screen
    assert [each["sourceServerID"] for each in document["needsYou"][0]["examples"]] == [server_id]


def test_the_page_and_the_list_show_it_too(sandbox: EngineSandbox) -> None:
    record = sandbox.records(sandbox.names.a, "us-west-2")[0]
    record["dataReplicationInfo"].update(
        dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"}
    )
    command("sync", "inventory", "--full-scan")
    code, page, _ = command("report", "--output", "html")
    assert code == 0
    assert "1 server stalled: AGENT_NOT_SEEN" in page
    assert re.search(rf'id="server-{record["sourceServerID"]}', page)
    _, listed, _ = command("servers", "--unhealthy", "-o", "wide")
    assert f"{record['sourceServerID']}  STALLED AGENT_NOT_SEEN" in listed
