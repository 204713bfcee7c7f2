"""A region whose DRS takes the connection and never responds, over real sockets, in syncs, queries and doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import anyio
import pytest

from service.aws import client as client_module
from service.cli.doctor_checks import Doctor
from service.queries.params import InventoryParams, ScopesParams
from service.query_app import open_query_app
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets
from tests.wire.relay import Relay, Request, relaying

ACTIVE: Final = "us-west-2"
DARK: Final = "me-south-1"
ACCOUNTS: Final = 8


@pytest.fixture
def dark(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[EngineSandbox, Relay]]:
    """Start a sandbox of eight accounts behind a relay that is silent about one region."""
    names = Names(*(new_account_id() for _ in range(4)))
    with (
        EngineSandbox(two_targets(names, a={}, b={}), names, monkeypatch) as sandbox,
        relaying(sandbox.server.port) as relay,
    ):
        for account in (names.a, names.b, *(new_account_id() for _ in range(ACCOUNTS - 2))):
            sandbox.add(account, ACTIVE, servers=1)
        sandbox.set(AWS_ENDPOINT_URL=f"http://127.0.0.1:{relay.port}", DRS_REGIONS=f"{ACTIVE},{DARK}")
        sandbox.set(READ_TIMEOUT_SECONDS="1", TOPOLOGY_READS_PER_SCOPE="0")
        monkeypatch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)
        with relay.spoiling("silent", _is_dark):
            yield sandbox, relay


def _is_dark(request: Request) -> bool:
    return request.is_for("drs", region=DARK)


async def _query() -> dict[str, Any]:
    async with open_query_app(load_settings()) as app:
        answer = await app.inventory.run(InventoryParams(ScopesParams(regions=(DARK,))))
        return answer.body


async def test_the_second_and_third_run_a_query_and_doctor_send_one_probe_each(
    dark: tuple[EngineSandbox, Relay],
) -> None:
    sandbox, relay = dark
    began = anyio.current_time()
    sent: list[int] = []
    for _ in range(3):
        before = relay.spoiled_count
        report = await sandbox.sync(full_scan=True)
        sent.append(relay.spoiled_count - before)
        assert (report["status"], report["errors"]) == ("complete", [])
        assert report["scopes"]["skipped"] == ACCOUNTS
        (warning,) = report["warnings"]
        assert (warning["status"], warning["accounts"], warning["regions"]) == (
            "ENDPOINT_UNREACHABLE",
            ACCOUNTS,
            [DARK],
        )
    assert sent[0] <= ACCOUNTS + 3  # the first two may be tried again before the third has found out
    assert sent[1:] == [1, 1]
    row = sandbox.status()[DARK]
    assert (row["status"], row["serverCount"]) == ("ENDPOINT_UNREACHABLE", 0)
    assert {entry["status"] for entry in row["accounts"].values()} == {"ENDPOINT_UNREACHABLE"}
    assert not any("serverCount" in entry for entry in row["accounts"].values())  # nothing is known of it

    before = relay.spoiled_count
    body = await _query()
    assert relay.spoiled_count - before == 1
    assert not body["complete"]
    (cause,) = body["unknownByCause"]
    assert (cause["code"], cause["scopes"], cause["regions"]) == ("ENDPOINT_UNREACHABLE", ACCOUNTS, [DARK])

    before = relay.spoiled_count
    findings = await Doctor(load_settings(), (), (DARK,)).run()
    assert relay.spoiled_count - before == 1
    unreachable = [each for each in findings if each.check == "drs"]
    assert len(unreachable) == ACCOUNTS
    assert {(str(each.status), each.region) for each in unreachable} == {("failed", DARK)}
    assert all("cannot be reached" in each.cause for each in unreachable)
    assert anyio.current_time() - began < 60
