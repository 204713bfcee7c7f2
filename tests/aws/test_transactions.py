"""Conditional writes of many items: few calls, a refused write costs only itself, and conflicts end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws.client import AwsClient
from service.aws.conditional_write import put
from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.settings import Settings
from tests.support.sandbox import EngineSandbox
from tests.support.scripted import Answer, Request, ScriptedAws, answer, refusal, scripted_aws

NEW = "attribute_not_exists( #id )"


@asynccontextmanager
async def table_of(script: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Table, ScriptedAws]]:
    async with (
        scripted_aws(script, monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        yield Table(aws_client.hub(), "t", "us-east-1"), aws


def cancelled(**members: Any) -> Answer:
    code = "TransactionCanceledException"
    return answer({"message": "cancelled", "__type": code, **members}, 400, x_amzn_ErrorType=code)


class RefusingTable:
    """Script of a table that refuses some writes, each for a reason.

    Args:
        reason_of: the code of the reason to refuse an item's id in the call of a number; empty to accept it.
        largest: writes of one call from which on the call as a whole is invalid.
    """

    def __init__(self, reason_of: Callable[[str, int], str], *, largest: int = 101) -> None:
        self.written: list[str] = []
        self.sizes: list[int] = []
        self._reason_of = reason_of
        self._largest = largest

    def __call__(self, request: Request) -> Answer:
        entries = [each["Put"] for each in request.params["TransactItems"]] if request.operation != "PutItem" else []
        ids = [each["Item"]["id"]["S"] for each in entries or [request.params]]
        self.sizes.append(len(ids))
        codes = [self._reason_of(each, len(self.sizes)) for each in ids]
        if not entries:
            if codes != [""]:
                is_condition = codes == ["ConditionalCheckFailed"]
                return refusal("ConditionalCheckFailedException" if is_condition else "ValidationException", 400)
            self.written += ids
            return answer({})
        if len(ids) >= self._largest:
            return refusal("ValidationException", 400)
        if any(codes):
            reasons = [{"Code": code or "None", "Message": f"why {code}"} for code in codes]
            return cancelled(CancellationReasons=reasons)
        self.written += ids
        return answer({})


def puts(count: int) -> list[Any]:
    return [put({"id": f"i{number}"}, NEW) for number in range(count)]


def never(_: str, __: int) -> str:
    return ""


async def test_a_hundred_writes_are_one_call_and_one_is_no_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    script = RefusingTable(never)
    async with table_of(script, monkeypatch) as (table, aws):
        assert await table.write_each([]) == []
        assert await table.write_each(puts(201)) == [True] * 201
        assert sorted(script.sizes) == [1, 100, 100]
        assert sorted({each.operation for each in aws.requests}) == ["PutItem", "TransactWriteItems"]


@pytest.mark.parametrize("count", [1, 2, 3, 250])
async def test_a_refused_write_costs_only_itself(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose refusal the first reasons did not show, since DynamoDB may stop at another one."""
    known, odd, late = "i0", "i1", f"i{count - 1}"

    def reason_of(name: str, call: int) -> str:
        refused = {known: "ConditionalCheckFailed", odd: "ValidationError"}
        return refused.get(name, "ConditionalCheckFailed" if name == late and call > 1 else "")

    script = RefusingTable(reason_of)
    async with table_of(script, monkeypatch) as (table, _):
        outcomes = await table.write_each(puts(count))
    assert outcomes[0] is False
    if count > 1:
        assert isinstance(outcomes[1], AwsError)
        assert outcomes[1].code == "ValidationException"
    written = [f"i{number}" for number, outcome in enumerate(outcomes) if outcome is True]
    assert sorted(script.written) == sorted(written)
    assert len(written) >= count - 3
    assert len(script.sizes) <= 3 + 3 * (count // 100)


@pytest.mark.parametrize("largest", [2, 30, 100])
async def test_writes_that_are_too_much_for_one_call_are_split(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    script = RefusingTable(never, largest=largest)
    async with table_of(script, monkeypatch) as (table, _):
        assert await table.write_each(puts(100)) == [True] * 100
    assert sorted(script.written) == sorted(f"i{number}" for number in range(100))


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
async def test_a_conflict_is_tried_again(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = RefusingTable(lambda name, call: code if call <= 3 and name == "i1" else "")
    async with table_of(script, monkeypatch) as (table, _):
        assert await table.write_each(puts(3)) == [True] * 3
    assert script.sizes == [3, 3, 3, 3]


async def test_conflicts_that_never_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    script = RefusingTable(lambda name, _: "TransactionConflict" if name == "i1" else "")
    async with table_of(script, monkeypatch) as (table, _):
        with pytest.raises(AwsError, match="table t cancelled 9 transactions in a row: TransactionConflict"):
            await table.write_each(puts(3))
    assert (script.written, len(script.sizes)) == ([], 9)


@pytest.mark.parametrize("reasons", [None, [], [{"Code": "None"}] * 2, [{"Code": "None"}] * 3, [{}, {}, {}]])
async def test_a_cancellation_without_usable_reasons_settles_nothing(
    reasons: Sequence[Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def script(_: Request) -> Answer:
        nonlocal calls
        calls += 1
        members = {} if reasons is None else {"CancellationReasons": reasons}
        return cancelled(**members) if calls < 3 else answer({})

    async with table_of(script, monkeypatch) as (table, _):
        assert await table.write_each(puts(3)) == [True] * 3
    assert calls == 3


async def test_any_other_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    async with table_of(lambda _: refusal("AccessDeniedException", 400), monkeypatch) as (table, _):
        with pytest.raises(AwsError, match="AccessDenied"):
            await table.write_each(puts(3))


async def test_two_writes_of_one_item_are_both_carried_out(sandbox: EngineSandbox) -> None:
    """DynamoDB refuses a call that names an item twice, so they go by themselves."""
    async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        table = Table(aws_client.hub(), sandbox.server.environment()["DRS_REGION_STATUS_TABLE"], "us-east-1")
        writes = [put({"region": "r", "n": number}, "attribute_not_exists( #region )") for number in range(3)]
        assert sorted(await table.write_each(writes), key=bool) == [False, False, True]
        assert len([item async for item in table.scan()]) == 1
