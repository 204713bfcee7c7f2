"""Single calls that AWS refuses in a sync, and accounts that it may not enter: what they cost and how they are told."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

import pytest

from service.models import Call, Scope
from tests.simulation.aws import REGIONS, STAGING, TARGETS, SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.dynamodb import ServiceError
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.host import Host, settings
from tests.simulation.promises import Promises

TARGET: Final = TARGETS[0]
REGION: Final = REGIONS[0]
INVENTORY: Final = "source_server_inventory_table"
ACCOUNTS: Final = "target_accounts_table"


class ScriptedAws(SimulatedAws):
    """The simulated AWS with one target account and its staging account; `before` sees each call, and may refuse it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop, random.Random(0), (TARGET,), staging_of={TARGET: STAGING})  # noqa: S311 - not a secret

    def before(self, call: Call, params: Mapping[str, Any]) -> None:
        """Do nothing."""

    def serve(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        self.before(call, params)
        return super().serve(call, params)


def host_of(aws: SimulatedAws, **changes: Any) -> Host:
    return Host("host", aws, FaultInjector(aws.rng), Promises(), chosen=settings(drs_regions=REGIONS, **changes))


def test_a_batch_that_is_refused_twice_for_different_reasons_costs_the_scope_and_rejects_no_server() -> None:
    """Refused for one bad item, it is written one by one; that the table denies each of these says nothing of them."""

    class DenyingAws(ScriptedAws):
        refusals: tuple[str, ...] = ()

        def before(self, call: Call, params: Mapping[str, Any]) -> None:
            if call.operation == "BatchWriteItem" and INVENTORY in params["RequestItems"] and self.refusals:
                code, *self.refusals = self.refusals  # type: ignore[assignment]
                raise ServiceError(code, "no")

    async def work(loop: VirtualLoop) -> None:
        aws = DenyingAws(loop)
        for _ in range(2):
            aws.protect(Scope(TARGET, REGION), tags={})
        assert (await host_of(aws).run("inventory"))["serversWritten"] == 2
        for server_id in aws.drs[Scope(TARGET, REGION)].servers:
            aws.change(Scope(TARGET, REGION), server_id, agentVersion="9.9")
        aws.refusals = ("ValidationException", "AccessDeniedException")
        report = await host_of(aws).run("inventory")
        (error,) = report["errors"]
        assert (error["code"], error["accountId"], error["regions"]) == ("AccessDeniedException", TARGET, [REGION])
        assert (report["status"], report["serversRejected"], report["serversWritten"]) == ("partial", 0, 0)
        assert (await host_of(aws).run("inventory"))["serversWritten"] == 2

    run(work)


@pytest.mark.parametrize("job", ["inventory", "tags"])
def test_an_account_that_may_not_be_entered_is_told_once_whatever_pages_and_regions_name_it(job: str) -> None:
    async def work(loop: VirtualLoop) -> None:
        aws, unknown = ScriptedAws(loop), "900000000000"
        for number in range(4):  # on two pages
            hints = {"hostname": f"host-{number}", "awsInstanceID": f"i-{number}"}
            aws.add_server(Scope(TARGET, REGION), hints, Scope(unknown, REGIONS[number % 2]))
        report = await host_of(aws, enter_recorded_accounts_only=True).run(job)
        told = [each["accountId"] for each in report["warnings"] if each["code"] == "AccountNotRecorded"]
        assert (report["status"], report["errors"], told) == ("complete", [], [unknown])

    run(work)


def test_of_many_servers_that_could_not_be_extended_ten_are_explained_and_all_counted() -> None:
    class RefusingAws(ScriptedAws):
        def before(self, call: Call, params: Mapping[str, Any]) -> None:
            if call.operation == "CreateExtendedSourceServer":
                raise ServiceError("ConflictException", f"not {params['sourceServerArn']}", status=409)

    async def work(loop: VirtualLoop) -> None:
        aws = RefusingAws(loop)
        aws.protect(Scope(TARGET, REGION), tags={})
        for _ in range(12):
            aws.protect(Scope(STAGING, REGION), tags={})
        await host_of(aws).run("inventory")
        report = await host_of(aws).run("staging")
        assert (report["serversFailed"], len(report["errors"])) == (12, 10)

    run(work)


def test_a_target_that_is_removed_while_the_staging_sync_runs_is_reported_and_stays_away() -> None:
    """DRS reports a staging account of it that its record lacks, and that would be added to the record."""

    class RemovingAws(ScriptedAws):
        is_removing = False

        def before(self, call: Call, params: Mapping[str, Any]) -> None:
            if self.is_removing and call.operation == "ListStagingAccounts":
                self.dynamodb.tables[ACCOUNTS].items.pop((TARGET,), None)

    async def work(loop: VirtualLoop) -> None:
        aws = RemovingAws(loop)
        server_id = aws.protect(Scope(STAGING, REGION), tags={})
        aws.drs[Scope(TARGET, REGION)].initialized = True
        aws.extend(Scope(TARGET, REGION), str(aws.drs[Scope(STAGING, REGION)].servers[server_id]["arn"]))
        aws.dynamodb.tables[ACCOUNTS].items[TARGET,].pop("stagingAccounts")
        await host_of(aws).run("inventory")
        aws.is_removing = True
        report = await host_of(aws).run("staging")
        (error,) = report["errors"]
        assert (error["code"], error["accountId"]) == ("TARGET_ACCOUNT_NOT_FOUND", TARGET)
        assert error["message"].endswith(f"there is no target account {TARGET}.")
        assert f"drs-sync accounts add {TARGET}" in error["advice"]
        assert (report["stagingAccountsFound"], report["stagingAccountsAdded"]) == ({TARGET: [STAGING]}, {})
        assert not aws.dynamodb.tables[ACCOUNTS].items

    run(work)
