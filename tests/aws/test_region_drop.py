"""A region's row that is to be deleted and meets another writer, or is gone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from tests.support.scripted import Answer, Request, answer, refusal, scripted_aws

_NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)


def _row(servers: int) -> dict[str, Any]:
    texts = {"region": "us-west-9", "status": "AVAILABLE", "lastUpdated": f"2026-11-23T04:00:0{servers}+00:00"}
    return {**{name: {"S": text} for name, text in texts.items()}, "serverCount": {"N": str(servers)}}


@pytest.mark.parametrize(
    ("reads", "lost", "dropped", "deletes"),
    [
        ([None], 0, True, 0),
        ([_row(0)], 0, True, 1),
        ([_row(0), _row(0)], 1, True, 2),
        ([_row(0), None], 1, True, 1),
        ([_row(0), _row(3)], 1, False, 1),
    ],
    ids=["gone", "unchanged", "changed", "deleted by another", "filled by another"],
)
async def test_a_row_is_dropped_as_it_is_after_other_writers(
    reads: list[dict[str, Any] | None], lost: int, *, dropped: bool, deletes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = iter(reads)

    def script(request: Request) -> Answer:
        if request.operation == "GetItem":
            row = next(rows)
            return answer({"Item": row} if row else {})
        conditions.append(request.params["ExpressionAttributeValues"])
        return refusal("ConditionalCheckFailedException", 400) if len(conditions) <= lost else answer()

    conditions: list[Any] = []
    async with scripted_aws(script, monkeypatch) as aws, AwsClient(Settings(), lambda: _NOW) as aws_client:
        table = Table(aws_client.hub(), "t", "us-east-1")
        status = RegionStatusTable(table, lambda: _NOW, cache_s=60, timeout_s=60)
        assert await status.drop("us-west-9", lambda row: not row.server_count) is dropped
    assert aws.request_count("DeleteItem") == len(conditions) == deletes
    read = [row["lastUpdated"] for row in reads if row]
    assert [next(iter(values.values())) for values in conditions] == read[:deletes]
