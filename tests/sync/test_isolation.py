"""Accounts that always fail cost themselves only: accounts that fail once still get their retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from service.app import open_app
from service.cli.doctor_checks import Doctor
from service.context import SyncRequest
from service.queries.params import InventoryParams, ScopesParams
from service.query_app import open_query_app
from service.settings import load_settings
from tests.support.sandbox import EVERY_REGION, EngineSandbox, new_account_id

REGION: Final = "us-west-2"
FAILING: Final = 30
GOOD: Final = 10
LIST: Final = "DescribeSourceServers"


@pytest.mark.parametrize("failing", [4, FAILING])
async def test_accounts_that_always_fail_do_not_take_the_retries_of_others(
    failing: int, start_sandbox: Callable[..., EngineSandbox]
) -> None:
    sandbox = start_sandbox(a={}, b={})
    bad, good = ([new_account_id() for _ in range(count)] for count in (failing, GOOD))
    for account in (*bad, *good):
        sandbox.add(account, REGION, servers=1)
    sandbox.faults(
        fail=[
            *({"account_id": each, "operation": LIST, "times": None} for each in bad),
            *({"account_id": each, "operation": LIST, "times": 1} for each in good),
        ]
    )
    report = await sandbox.sync(accounts=(*bad, *good), regions=(REGION,))
    assert {error["accountId"] for error in report["errors"]} == set(bad)
    assert (report["scopes"]["complete"], report["scopes"]["failed"]) == (GOOD, failing)
    calls = {operation: count for (service, operation), count in sandbox.calls().items() if service == "drs"}
    retries = calls[LIST] - failing - GOOD
    successes = sum(calls.values()) - calls[LIST] + GOOD
    # One retry of each account, and what the pool held at first and got from successes.
    assert GOOD <= retries <= failing + GOOD + 10 + successes


DENIED: Final = tuple(sorted(set(EVERY_REGION) - {REGION, "eu-west-1"}))[:26]


async def test_a_policy_that_denies_most_regions_is_one_warning_and_unknown_until_they_are_excluded(
    sandbox: EngineSandbox,
) -> None:
    sandbox.set(DRS_REGIONS=" ".join((REGION, "eu-west-1", *DENIED)))
    accounts = (sandbox.names.a, sandbox.names.b)
    sandbox.faults(deny=[{"account_id": each, "region": region, "scp": True} for each in accounts for region in DENIED])
    for _ in range(2):
        report = await sandbox.sync(full_scan=True)
        assert (report["status"], report["errors"]) == ("complete", [])
        assert (report["scopes"]["skipped"], report["scopes"]["failed"]) == (len(accounts) * len(DENIED), 0)
        assert {warning["status"] for warning in report["warnings"]} == {"SCP_DENIED"}
        assert {region for warning in report["warnings"] for region in warning["regions"]} == set(DENIED)

    async def unknown() -> dict[str, int]:
        async with open_query_app(load_settings()) as app:
            body = (await app.inventory.run(InventoryParams(ScopesParams()))).body
            return {cause["code"]: cause["scopes"] for cause in body["unknownByCause"]}

    assert await unknown() == {"SCP_DENIED": len(accounts) * len(DENIED)}
    sandbox.set(DRS_EXCLUDED_SCOPES=" ".join(f"{sandbox.names.a}/{region}" for region in DENIED))
    assert await unknown() == {"SCP_DENIED": len(DENIED)}
    sandbox.set(DRS_EXCLUDED_REGIONS=" ".join(DENIED))
    assert await unknown() == {}
    report = await sandbox.sync(full_scan=True)
    assert (report["status"], report["warnings"]) == ("complete", [])


async def test_an_excluded_scope_is_called_by_no_sync_no_query_and_not_by_doctor(sandbox: EngineSandbox) -> None:
    await sandbox.sync(full_scan=True)
    excluded = [f"{sandbox.names.a}/{REGION}", f"{sandbox.names.b}/us-east-1", f"{sandbox.names.b}/{REGION}"]
    sandbox.set(DRS_EXCLUDED_SCOPES=" ".join(excluded), INVENTORY_FRESH_SECONDS="1")
    denied = [{"account_id": scope.split("/")[0], "region": scope.split("/")[1]} for scope in excluded]
    sandbox.faults(deny=denied)  # a call there would be a failure
    reports = []
    async with open_app(load_settings()) as app:
        for sync in (app.sync_inventory, app.sync_staging, app.sync_tags):
            reports += [await sync(SyncRequest(full_scan=True)), await sync(SyncRequest())]
    assert [(report["status"], report["errors"]) for report in reports] == [("complete", [])] * 6
    async with open_query_app(load_settings()) as app_of_queries:
        body = (await app_of_queries.inventory.run(InventoryParams(ScopesParams(regions=(REGION,))))).body
    assert (body["errors"], body["scopeStates"]["excluded"]) == ([], 2)
    findings = await Doctor(load_settings(), (), ()).run()
    assert [finding for finding in findings if str(finding.status) == "failed"] == []
