"""A service control policy that denies DRS: no failure where no servers are known, and one where they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.app import open_app
from service.context import SyncRequest
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox

REGION, OTHER, EMPTY = "us-west-2", "eu-west-1", "sa-east-1"


@pytest.fixture(autouse=True)
def _few_regions(sandbox: EngineSandbox) -> None:
    sandbox.set(DRS_REGIONS=f"{REGION} {OTHER} {EMPTY}")


def denial(account: str, region: str, *, scp: bool = True) -> dict[str, Any]:
    return {"account_id": account, "region": region, "service": "drs", "scp": scp}


async def test_a_service_control_policy_where_nothing_is_known_is_no_failure(
    sandbox: EngineSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    account = sandbox.add_account(regions={OTHER: {"servers": 1}})
    sandbox.faults(deny=[denial(account, region) for region in (REGION, EMPTY)])
    for _ in range(2):
        capsys.readouterr()
        report = await sandbox.sync()
        assert (report["status"], report["errors"], report["scopes"]["failed"]) == ("complete", [], 0)
        assert {warning["status"] for warning in report["warnings"]} <= {"SCP_DENIED"}
        (metrics,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "_aws" in line]
        assert metrics["ScopesFailed"] == 0
    entry = sandbox.entry(REGION, account)
    assert entry["status"] == "SCP_DENIED"
    assert "service control policy" in entry["errorMessage"]
    assert "serverCount" not in entry


async def test_a_service_control_policy_where_servers_are_known_is_a_failure(sandbox: EngineSandbox) -> None:
    account = sandbox.add_account(regions={REGION: {"servers": 2}, OTHER: {"servers": 1}})
    await sandbox.sync()
    sandbox.faults(deny=[denial(account, REGION)])
    report = await sandbox.sync()
    assert report["status"] == "partial"
    assert [(error["status"], error["regions"]) for error in report["errors"]] == [("SCP_DENIED", [REGION])]
    assert report["scopes"]["failed"] == 1
    assert sandbox.counts() == {REGION: 2, OTHER: 1}
    assert len(sandbox.items()) == 3
    assert sandbox.entry(REGION, account)["status"] == "SCP_DENIED"


@pytest.mark.parametrize("job", ["tags", "staging"])
async def test_the_other_syncs_make_the_same_difference(job: str, sandbox: EngineSandbox) -> None:
    denied = sandbox.add_account(regions={OTHER: {"servers": 1}})
    sandbox.add_account(regions={REGION: {"servers": 1}})
    await sandbox.sync()

    async def run(region: str) -> dict[str, Any]:
        async with open_app(load_settings()) as app:
            sync = {"tags": app.sync_tags, "staging": app.sync_staging}[job]
            return await sync(SyncRequest(accounts=(denied,), regions=(region,)))

    sandbox.faults(deny=[denial(denied, EMPTY), denial(denied, OTHER)])
    report = await run(EMPTY)
    assert report["errors"] == []
    assert ("SCP_DENIED" in {warning["status"] for warning in report["warnings"]}) is (job == "tags")
    assert {error["status"] for error in (await run(OTHER))["errors"]} == {"SCP_DENIED"}


async def test_a_denial_without_a_policy_is_a_failure_where_nothing_is_known(sandbox: EngineSandbox) -> None:
    account = sandbox.add_account()
    sandbox.faults(deny=[denial(account, EMPTY, scp=False)])
    report = await sandbox.sync(regions=(EMPTY,))
    assert report["status"] == "failed"
    assert [error["status"] for error in report["errors"]] == ["IAM_PERMISSION_DENIED"]
