"""The scan of one scope, page by page: what it counts, and when it keeps a summary."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from service.errors import AwsError
from service.models import Call, Coverage, Scope
from service.protection.decision import ProtectionTally, ServerIndex, SourceRef, TagFilter
from service.sync.coverage.scan import CoverageScan, ScanTools

SCOPE: Final = Scope("111122223333", "us-east-1")
NOW: Final = datetime(2026, 11, 23, 5, tzinfo=UTC)
THROTTLED: Final = AwsError("RequestLimitExceeded", "slow down", Call("ec2", "DescribeInstances", *SCOPE))
SERVERS: Final = ServerIndex([SourceRef("arn:aws:drs:us-west-2:222233334444:source-server/s-1", instance_id="i-1")])
Page = list[tuple[str, dict[str, Any]]]


class Listing:
    """Yields pages, then fails if it is told to."""

    def __init__(self, *pages: Page, failure: AwsError | None = None) -> None:
        self._pages = pages
        self._failure = failure

    async def every_instance(self, region: str) -> AsyncGenerator[Page, None]:
        assert region == SCOPE.region
        for page in self._pages:
            yield page
        if self._failure is not None:
            raise self._failure


class Kept:
    """Keeps summaries in memory."""

    def __init__(self, failure: AwsError | None = None) -> None:
        self.tallies: list[tuple[Scope, int, datetime]] = []
        self._failure = failure

    async def write(self, scope: Scope, tally: ProtectionTally, as_of: datetime) -> None:
        if self._failure is not None:
            raise self._failure
        self.tallies.append((scope, tally.instances, as_of))


def page_of(*ids: str) -> Page:
    return [(SCOPE.account_id, {"InstanceId": each, "State": {"Name": "running"}}) for each in ids]


def scan_of(listing: Listing, kept: Kept | None = None) -> CoverageScan:
    tools = ScanTools(SERVERS, TagFilter(), kept.write if kept else None, lambda: NOW)
    return CoverageScan(SCOPE, listing, tools)


async def test_all_pages_are_counted_and_each_instance_once() -> None:
    kept = Kept()
    scan = scan_of(Listing(page_of("i-1", "i-2"), [], page_of("i-2", "i-3")), kept)
    await scan.run()
    result = scan.result(None, known=True, seconds=1.0)
    assert (result.coverage, result.counts) == (
        Coverage.COMPLETE,
        {"instancesProtected": 1, "instancesUnprotected": 2, "instancesLeftOut": 0},
    )
    assert kept.tallies == [(SCOPE, 3, NOW)]


async def test_an_account_without_instances_is_read_completely() -> None:
    kept = Kept()
    scan = scan_of(Listing([]), kept)
    await scan.run()
    assert scan.result(None, known=True, seconds=1.0).coverage is Coverage.COMPLETE
    assert kept.tallies == [(SCOPE, 0, NOW)]


@pytest.mark.parametrize(("pages", "coverage"), [([], Coverage.FAILED), ([page_of("i-2")], Coverage.PARTIAL)])
async def test_a_list_that_breaks_off_leaves_no_summary(pages: list[Page], coverage: Coverage) -> None:
    kept = Kept()
    scan = scan_of(Listing(*pages, failure=THROTTLED), kept)
    with pytest.raises(AwsError):
        await scan.run()
    result = scan.result(THROTTLED.problem, known=True, seconds=1.0)
    assert (result.coverage, scan.is_read, kept.tallies) == (coverage, False, [])
    assert result.counts["instancesUnprotected"] == sum(map(len, pages))


async def test_a_summary_that_cannot_be_written_is_a_problem_of_its_scope() -> None:
    scan = scan_of(Listing(page_of("i-2")), Kept(THROTTLED))
    await scan.run()
    result = scan.result(None, known=True, seconds=1.0)
    assert (result.coverage, scan.is_read) == (Coverage.PARTIAL, True)
    assert [(each.account_id, each.region) for each in result.problems] == [SCOPE]
